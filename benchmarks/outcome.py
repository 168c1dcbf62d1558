"""What became of one fault: how the struck run ended, whether the rerun did, and how what is left differs."""

import os
import signal
from dataclasses import dataclass

from benchmarks.phases import ended
from benchmarks.remains import Remains, remains
from benchmarks.victim import REFUSED, Phase, Place

_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fault at a point of a phase, what the run said, and what after a rerun is missing or too much."""

    fault: str
    phase: Phase
    point: str
    said: str
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    n_champions: int
    trouble: str = ""

    @property
    def recovered(self) -> bool:
        """Whether nothing tells that there was a fault."""
        return not (self.lost or self.duplicated or self.trouble) and self.n_champions == 1

    @property
    def told(self) -> str:
        """What is left, in words."""
        if self.recovered:
            return "as if nothing had happened"
        differences = [*_some("missing", self.lost), *_some("too much", self.duplicated)]
        return "; ".join(filter(None, (self.trouble, *differences, f"{self.n_champions} champions")))


def _some(what: str, facts: tuple[str, ...]) -> list[str]:
    """The first facts, and how many more there are."""
    more = [f"and {len(facts) - _SHOWN:,} more"] if len(facts) > _SHOWN else []
    return [*(f"{what}: {fact}" for fact in facts[:_SHOWN]), *more]


def judged(
    place: Place, phase: Phase, fault: str, point: str, code: int | None, wanted: Remains, *, struck: bool = False
) -> Outcome:
    """Run the struck phase again and compare what is left with what a run leaves to which nothing happened.

    A process that never came to the point was not `struck`, which is trouble. What is half written then is taken for
    days old: a young one may be another process's.
    """
    trouble = "" if struck or place.struck.exists() else "it never came to the point"
    if code == 0:
        said = "went on"
    elif code == -signal.SIGKILL:
        said = "killed"
    elif code == REFUSED and place.said.exists():
        said = f"stopped: {_sentence(place)}"
    else:
        said = trouble = f"ended with {code}, which is no error of ours"
    _age(place)
    if ended(place, phase) != 0:
        trouble = f"the rerun failed: {_sentence(place)}"
    found = remains(place)
    lost, more = wanted.facts - found.facts, found.facts - wanted.facts
    return Outcome(fault, phase, point, said, tuple(sorted(lost)), tuple(sorted(more)), found.n_champions, trouble)


def _age(place: Place) -> None:
    for partial in (place.folder / ".driftloop").rglob(".partial-*"):
        os.utime(partial, (0, 0))


def _sentence(place: Place) -> str:
    if not place.said.exists():
        return "no sentence was left"
    return place.said.read_text(encoding="utf-8").replace(f"{place.folder}/", "")
