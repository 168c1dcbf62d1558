"""What goes wrong beside a kill, and where: services away, answers lost, a full disk, clocks, two at once."""

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from benchmarks.clock import jump
from benchmarks.outcome import Outcome, judged
from benchmarks.payments import CHANGED, week
from benchmarks.phases import ended, together
from benchmarks.phases import whole as run_whole
from benchmarks.remains import Remains
from benchmarks.rig import Held, Rig
from benchmarks.victim import PHASES, REFUSED, Phase, Place
from deploy import services
from tests.postgres import Server

Where = Literal["inside", "Label Studio", "PostgreSQL", "MLflow"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the first point of a name in a phase: to the process itself, or to a service.

    A service is stopped until the rerun, or with `returns` is back before the process goes on. With `halfway` people
    have given half of their answers when the phase is struck, and give the others before the rerun.
    """

    name: str
    phase: Phase
    point: str
    where: Where = "inside"
    act: Callable[[], None] | None = None
    returns: bool = False
    halfway: bool = False


def _full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _too_early() -> None:
    """Set the clock back to the day before the week of the alarm ends."""
    jump(week(CHANGED[0]).end - timedelta(days=1) - datetime.now(UTC))


def _lost() -> None:
    import httpx

    raise httpx.ReadTimeout("the answer did not come in time")


_WRITTEN, _COMMIT = "before files: written", "before ledger: commit 2"
_IMPORT = "Label Studio: POST api/projects/import"
FAULTS = (
    *(Fault("disk full", phase, _WRITTEN, act=_full) for phase in PHASES),
    Fault("Label Studio away", "watch", f"before {_IMPORT}", "Label Studio"),
    Fault("Label Studio away", "learn", "begin", "Label Studio"),
    Fault("Label Studio restarts", "watch", f"before {_IMPORT}", "Label Studio", returns=True),
    Fault("answer of Label Studio lost", "watch", f"after {_IMPORT}", act=_lost),
    Fault("MLflow away", "adopt", "before MLflow: create_logged_model", "MLflow"),
    Fault("MLflow away", "learn", "before MLflow: log_batch", "MLflow"),
    Fault("MLflow away", "learn", "before MLflow: move alias champion", "MLflow"),
    Fault("MLflow restarts", "learn", "before MLflow: create_model_version", "MLflow", returns=True),
    Fault("clock set back before the end of the window", "watch", "begin", act=_too_early),
    # last, because these delete the tasks that the others of `learn` start from
    *(
        Fault(f"clock a day {said} at a pull", "learn", "begin", act=partial(jump, timedelta(days=days)), halfway=True)
        for said, days in (("back", -1), ("ahead", 1))
    ),
    *(Fault("PostgreSQL restarts", phase, _COMMIT, "PostgreSQL", returns=True) for phase in PHASES),
)
BOTH = "two processes at once"
_EVERY, _HALF, _OTHERS = slice(None), slice(0, None, 2), slice(1, None, 2)


def strike(rig: Rig, fault: Fault, start: Path, wanted: Remains) -> Outcome:
    """Strike a phase of a copy of the state it starts from, run it again, and compare what is left.

    A ledger on PostgreSQL, and tasks that are answered otherwise, cannot be copied: such a model lives up to the phase
    first.
    """
    with _placed(rig, fault, start) as (place, held):
        away: list[Held] = []

        def outside() -> None:
            if fault.where == "PostgreSQL":
                _server(rig).restart()
            elif held is not None and fault.returns:
                held.restart()
            elif held is not None:
                held.stop()
                away.append(held)

        code = ended(place, fault.phase, fault.act, outside, name=fault.point)
        if fault.halfway:
            rig.answer(place, _OTHERS)
        for one in away:
            one.start()
        return judged(place, fault.phase, fault.name, fault.point, code, wanted)


def race(rig: Rig, phase: Phase, start: Path, wanted: Remains) -> Outcome:
    """Run a phase twice at the same time, then once more, and compare what is left."""
    with _placed(rig, Fault(BOTH, phase, "begin"), start) as (place, _):
        codes = together(place, phase)
        code = next((one for one in codes if one not in (0, REFUSED)), max(codes))
        return judged(place, phase, BOTH, "begin", code, wanted, struck=True)


@contextmanager
def _placed(rig: Rig, fault: Fault, start: Path) -> Iterator[tuple[Place, Held | None]]:
    """A copy of a state on the service that is to fail, and that service if we hold it."""
    folder = Path(tempfile.mkdtemp(dir=rig.folder))  # a new path: MLflow's clients remember a database by its address
    apart = fault.where == "PostgreSQL" or fault.halfway
    shutil.copytree(rig.home.folder if apart else start, folder, dirs_exist_ok=True)
    held = rig.label_studio if fault.where == "Label Studio" else None
    if fault.where == "MLflow":
        service = services.mlflow_server(
            folder / "mlflow", port=services.free_ports(1)[0], store=services.mlflow_store(folder)
        )
        held = Held(service)
        _say(folder, "sqlite:///mlflow.db", held.url)
    if apart or fault.phase == "watch":  # a new project each time; in the others nothing is sent
        rig.clear()
    if fault.where == "PostgreSQL":
        _say(folder, "[services]", f'[services]\nledger = "{_server(rig).fresh()}"')
    if apart:
        _live(rig, rig.at(folder), until=fault.phase, answered=_HALF if fault.halfway else _EVERY)
    try:
        yield rig.at(folder), held
    finally:
        if fault.where == "MLflow" and held is not None:
            held.stop()
        shutil.rmtree(folder)


def _live(rig: Rig, place: Place, *, until: Phase, answered: slice) -> None:
    for earlier in PHASES[: PHASES.index(until)]:
        run_whole(place, earlier)
        if earlier == "watch":
            rig.answer(place, answered)


def _server(rig: Rig) -> Server:
    if rig.postgres is None:
        raise RuntimeError("there is no PostgreSQL here; leave its faults out")
    return rig.postgres


def _say(folder: Path, old: str, new: str) -> None:
    file = folder / "driftloop.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
