"""Faults other than a kill, each made to happen on real services, leave nothing lost, doubled or half done."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.outages import BOTH, FAULTS, Fault, race, strike
from benchmarks.phases import whole
from benchmarks.remains import Remains, remains
from benchmarks.rig import Rig, opened
from benchmarks.victim import Phase

pytestmark = pytest.mark.services
PHASES: tuple[Phase, ...] = ("adopt", "watch")
"""What happens during `learn` as well is told by the full `python -m benchmarks.faults`."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with opened(tmp_path_factory.mktemp("faults")) as rig:
        yield rig


@pytest.fixture(scope="module")
def states(rig: Rig) -> dict[Phase, tuple[Path, Remains]]:
    """Where each phase starts, and what is left when nothing happens to it."""
    found: dict[Phase, tuple[Path, Remains]] = {}
    start = rig.home.folder
    for phase in PHASES:
        place = rig.at(rig.folder / f"{phase} whole")
        shutil.copytree(start, place.folder)
        whole(place, phase)
        found[phase] = (start, remains(place))
        start = place.folder
    return found


@pytest.mark.parametrize(
    "fault", [one for one in FAULTS if one.phase in PHASES], ids=lambda one: f"{one.name} during {one.phase}"
)
def test_a_fault_stops_a_phase_with_a_sentence_or_not_at_all_and_a_rerun_ends_it(
    fault: Fault, rig: Rig, states: dict[Phase, tuple[Path, Remains]]
) -> None:
    if fault.where == "PostgreSQL" and rig.postgres is None:
        pytest.skip("no PostgreSQL server is installed here")
    outcome = strike(rig, fault, *states[fault.phase])
    assert outcome.recovered, outcome
    assert outcome.said == "went on" or outcome.said.startswith("stopped: ")
    if fault.name == "disk full" or fault.name.endswith("away"):
        assert outcome.said != "went on"


@pytest.mark.parametrize("phase", PHASES)
def test_two_processes_at_once_do_the_work_of_one(
    phase: Phase, rig: Rig, states: dict[Phase, tuple[Path, Remains]]
) -> None:
    outcome = race(rig, phase, *states[phase])
    assert (outcome.fault, outcome.recovered) == (BOTH, True), outcome
