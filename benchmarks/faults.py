"""Whether the loop survives being killed anywhere: `python -m benchmarks.faults [--quick]`."""

import json
import multiprocessing
import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.payments import N_SNAPSHOT_WEEKS, TOML, payments
from benchmarks.remains import Remains, client, projects, remains
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.victim import PHASES, Phase, Place
from benchmarks.victim import run as run_phase
from deploy import services, studio
from labeling import answers

ABOUT = (
    "The loop on a small model, with a SQLite ledger, a real MLflow store and a real Label Studio server. Every commit,"
    " file, MLflow call and request to Label Studio is a point before and a point after; at each of a spread of them"
    " the process is killed (SIGKILL) and the same command is run again. What is left is compared with a run that"
    " nobody killed: generations, promotions, asked rows, labels, tasks, MLflow runs and versions, the alias."
)
_PROCESSES = multiprocessing.get_context("fork")  # each victim starts with everything loaded
_SETTINGS = TOML.replace('["linear", "random_forest"]', '["linear"]\nserving = "stock"')


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one kill: the point, whether the rerun ended well, and how what is left differs."""

    phase: Phase
    point: str
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    n_champions: int
    trouble: str = ""

    @property
    def recovered(self) -> bool:
        """Whether nothing tells that there was a kill."""
        return not (self.lost or self.duplicated or self.trouble) and self.n_champions == 1


def measure(quick: bool, steps: Steps) -> Findings:
    """Kill at points of every phase, spread over what they do."""
    n_points = 1 if quick else 18
    with tempfile.TemporaryDirectory() as folder, _label_studio(Path(folder)) as place:
        outcomes = [outcome for phase in PHASES for outcome in _play(place, phase, n_points, steps)]
    return _findings(outcomes)


@contextmanager
def _label_studio(folder: Path) -> Iterator[Place]:
    """A server, and beside it the folder of a model before its first day."""
    home = folder / "before adopt"
    home.mkdir()
    payments(N_SNAPSHOT_WEEKS).to_parquet(home / "training.parquet")
    later = [payments(2, first_week=N_SNAPSHOT_WEEKS), payments(3, first_week=N_SNAPSHOT_WEEKS + 2, changed=True)]
    everything = pd.concat(later, ignore_index=True)
    everything[["id", "fraud"]].to_parquet(home / "truth.parquet")
    everything.drop(columns="fraud").to_parquet(home / "production.parquet")
    (home / "driftloop.toml").write_text(_SETTINGS, encoding="utf-8")
    service = services.label_studio(folder / "label-studio", port=services.free_ports(1)[0])
    running = services.start(service, timeout_seconds=240)
    try:
        yield Place(home, service.url, studio.read_access(service.folder).token)
    finally:
        services.stop(running)


def _play(place: Place, phase: Phase, n_points: int, steps: Steps) -> list[Outcome]:
    """Run a phase whole, then killed at points spread over it, each time from the same state; go on from the whole."""
    before, passed = _folder(place, phase), place.folder.parent / f"points of {phase}.json"

    def fresh(number: int | str) -> Place:
        if phase == "watch":  # a new project each time; in the others nothing is sent
            api = client(place)
            for project in projects(api):
                api.delete(f"/api/projects/{project}/").raise_for_status()
        copy = before.parent / f"{phase} {number}"
        shutil.copytree(before, copy)
        return Place(copy, place.url, place.token)

    whole = fresh("whole")
    _demand(_exit_code(whole, phase, None, passed) == 0, f"{phase} fails without any kill")
    wanted, points = remains(whole), json.loads(passed.read_text(encoding="utf-8"))
    chosen = spread(points, n_points)
    outcomes = []
    with steps.counted(f"kills during {phase}", len(chosen)) as step:
        for number in chosen:
            one = fresh(number)
            outcomes.append(_kill(one, phase, number, points[number - 1], wanted))
            shutil.rmtree(one.folder)
            step()
    _go_on(fresh, phase, whole)
    return outcomes


def _kill(place: Place, phase: Phase, number: int, point: str, wanted: Remains) -> Outcome:
    code = _exit_code(place, phase, number, None)
    trouble = "" if code == -signal.SIGKILL else f"ended with {code} instead of being killed"
    if _exit_code(place, phase, None, None) != 0:
        trouble = "the rerun failed"
    found = remains(place)
    lost, more = wanted.facts - found.facts, found.facts - wanted.facts
    return Outcome(phase, point, tuple(sorted(lost)), tuple(sorted(more)), found.n_champions, trouble)


def _go_on(fresh: Callable[[int | str], Place], phase: Phase, whole: Place) -> None:
    """Leave the state that the next phase begins with; after `watch` everybody has answered."""
    if phase == "watch":
        shutil.rmtree(whole.folder)
        whole = fresh("whole")
        _demand(_exit_code(whole, phase, None, None) == 0, "watch fails")
        _answer(whole)


def _folder(place: Place, phase: Phase) -> Path:
    if phase == "adopt":
        return place.folder
    return place.folder.parent / f"{PHASES[PHASES.index(phase) - 1]} whole"


def _answer(place: Place) -> None:
    """Let a person answer every task from the truth."""
    site, api = place.site(), client(place)
    truth = pd.read_parquet(place.folder / "truth.parquet").set_index("id")["fraud"]
    (item,) = site.ledger.requests.open(site.model)
    for key, task in item.task_ids:
        body = {"result": answers.write(truth[key], site.schema), "lead_time": 5.0}
        api.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()


def _exit_code(place: Place, phase: Phase, kill_at: int | None, passed: Path | None) -> int | None:
    process = _PROCESSES.Process(target=run_phase, args=(place, phase, kill_at, passed))
    process.start()
    process.join()
    return process.exitcode


def spread(points: Sequence[str], n: int) -> list[int]:
    """Return the numbers (from 1) of `n` points: one of each name in random order, then another of each, and so on.

    >>> spread(["a", "b", "a", "c", "a"], 3)
    [2, 3, 4]
    """
    chance, seen = random.Random(0), Counter[str]()
    order = list(enumerate(points, start=1))
    chance.shuffle(order)
    ranked = []
    for number, name in order:
        ranked.append((seen[name], number))
        seen[name] += 1
    ranked.sort(key=lambda one: one[0])
    return sorted(number for _, number in ranked[:n])


def _demand(condition: bool, otherwise: str) -> None:
    if not condition:
        raise RuntimeError(f"{otherwise}; nothing can be measured")


def _findings(outcomes: Sequence[Outcome]) -> Findings:
    lost = sum(len(one.lost) for one in outcomes)
    duplicated = sum(len(one.duplicated) for one in outcomes)
    table = Table(
        "Killed, and run again",
        ("phase", "point", "outcome"),
        [(one.phase, one.point, _told(one)) for one in outcomes],
    )
    return Findings(
        ABOUT,
        (table,),
        {
            "points": len(outcomes),
            "recovered": sum(one.recovered for one in outcomes),
            "lost": lost,
            "duplicated": duplicated,
            "champions": 1 if all(one.n_champions == 1 for one in outcomes) else 0,
        },
    )


def _told(one: Outcome) -> str:
    if one.recovered:
        return "as if never killed"
    differences = [f"missing: {fact}" for fact in one.lost[:2]] + [f"too much: {fact}" for fact in one.duplicated[:2]]
    return "; ".join(filter(None, (one.trouble, *differences, f"{one.n_champions} champions")))


if __name__ == "__main__":
    run("faults", measure, about=ABOUT)
