"""Kills and other faults, each made to happen on real services, leave nothing lost, doubled or half done."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.outages import BOTH, FAULTS, Fault, race, strike
from benchmarks.outcome import judged
from benchmarks.phases import ended, rehearsed, whole
from benchmarks.points import kill
from benchmarks.remains import Remains, remains
from benchmarks.rig import Rig, opened
from benchmarks.victim import PHASES, Phase, Place

pytestmark = pytest.mark.services

POINTS: dict[Phase, tuple[str, ...]] = {
    "adopt": (
        *(f"{when} ledger: commit {number}" for number in range(1, 5) for when in ("before", "after")),
        *("before files: written", "after files: written", "before files: put in place", "after files: put in place"),
        *("after MLflow: create_experiment", "after MLflow: create_run", "after MLflow: log_batch"),
        *("before MLflow: log_model_artifacts", "after MLflow: log_model_artifacts", "after MLflow: log_outputs"),
        *("after MLflow: create_registered_model", "after MLflow: create_model_version"),
        *("before MLflow: set_terminated", "after MLflow: set_terminated", "before MLflow: move alias champion"),
        *(
            "after MLflow: move alias champion",
            "after MLflow: delete_registered_model_alias",
            "after MLflow: get_model_version",
        ),
    ),
    "watch": (
        *(f"after ledger: commit {number}" for number in range(1, 14, 2)),
        *("after Label Studio: POST api/projects", "before Label Studio: POST api/projects/import"),
        *("after Label Studio: POST api/projects/import", "after MLflow: log_artifact"),
    ),
    "learn": (
        *(f"after ledger: commit {number}" for number in (5, 6, 7, 8, 11, 12, 15)),
        *("after Label Studio: GET api/tasks", "before MLflow: move alias champion", "after MLflow: get_run"),
    ),
}
"""A spread of those that `python -m benchmarks.faults` kills at."""

FAULTS_HERE = [
    one
    for one in FAULTS
    if one.phase != "learn" or "ahead" in one.name or one.point == "before MLflow: move alias champion"
]
"""The rest of what happens during `learn` is told by the full `python -m benchmarks.faults`, too."""


What = str | Fault
CASES: list[tuple[Phase, What]] = [
    (phase, what)
    for phase in PHASES
    for what in (
        *POINTS[phase],
        *((BOTH,) if phase != "learn" else ()),
        *(one for one in FAULTS_HERE if one.phase == phase),
    )
]
"""One phase after the other: what `learn` starts from is on the server, which `watch` empties."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a phase starts, and what is left when nothing happens to it."""

    phase: Phase
    start: Path
    wanted: Remains


class States:
    """The state that the phases start from, made when a phase is first asked for."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._now: State | None = None

    def of(self, phase: Phase) -> State:
        """Return the state of a phase; asking for another one first means that it is made anew."""
        if self._now is None or self._now.phase != phase:
            start = self._start(phase)
            place = self.copy(start)
            rehearsed(place, phase)
            self._now = State(phase, start, remains(place))
        return self._now

    def copy(self, start: Path) -> Place:
        """Return a copy of the folder that a phase starts from."""
        folder = Path(tempfile.mkdtemp(dir=self.rig.folder))
        shutil.copytree(start, folder, dirs_exist_ok=True)
        return self.rig.at(folder)

    def _start(self, phase: Phase) -> Path:
        if phase == "adopt":
            return self.rig.home.folder
        before = PHASES[PHASES.index(phase) - 1]
        place = self.copy(self._start(before))
        if before == "watch":
            self.rig.clear()
        whole(place, before)
        if before == "watch":
            self.rig.answer(place)
        return place.folder


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    with opened(tmp_path_factory.mktemp("faults")) as rig:
        yield States(rig)


def _name(what: What) -> str:
    return what if isinstance(what, str) else f"{what.name} at {what.point}"


@pytest.mark.parametrize(("phase", "what"), CASES, ids=[f"{phase}, {_name(what)}" for phase, what in CASES])
def test_a_phase_that_is_struck_and_run_again_leaves_what_one_leaves_to_which_nothing_happened(
    phase: Phase, what: What, states: States
) -> None:
    state, rig = states.of(phase), states.rig
    if isinstance(what, Fault):
        if what.where == "PostgreSQL" and rig.postgres is None:
            pytest.skip("no PostgreSQL server is installed here")
        outcome = strike(rig, what, state.start, state.wanted)
        assert outcome.said == "went on" or outcome.said.startswith("stopped: "), outcome
        if what.name == "disk full" or what.name.endswith("away") or "set back" in what.name:
            assert outcome.said != "went on"
    elif what == BOTH:
        outcome = race(rig, phase, state.start, state.wanted)
    else:
        if phase == "watch":  # a new project each time; in the others nothing is sent
            rig.clear()
        place = states.copy(state.start)
        code = ended(place, phase, kill, name=what)
        outcome = judged(place, phase, "killed", what, code, state.wanted)
        shutil.rmtree(place.folder)
        assert outcome.said == "killed", outcome
    assert outcome.recovered, outcome
