"""Whether the loop survives faults anywhere: `python -m benchmarks.faults [--quick]`."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.outages import FAULTS, race, strike
from benchmarks.outcome import Outcome, judged
from benchmarks.phases import ended, rehearsed
from benchmarks.phases import whole as run_whole
from benchmarks.points import kill
from benchmarks.remains import remains
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.rig import Rig, opened
from benchmarks.victim import PHASES, Phase, Place

ABOUT = (
    "The loop on a small model, with a ledger, a real MLflow store and a real Label Studio server. Every commit of the"
    " ledger, every file, and every MLflow call and request to Label Studio, those that read among them, is a point"
    " before and a point after. At every commit, which is where a step ends, and once at every other kind of point, the"
    " process is killed (SIGKILL) and the same command is run again. Then other faults, each on a copy of the model: a"
    " service away until the rerun or restarted under way, an answer lost, a full disk, a clock that is wrong, two"
    " processes at once. What is left is compared with a run to which nothing happened: steps and their results, asked"
    " rows, tasks, annotations, labels, training manifests, generations, promotions, snapshots read anew, files, MLflow"
    " runs and what they hold, versions and aliases. [exchange](exchange.md) does the same to the exchange with Label"
    " Studio alone, at random and far more often."
)


def measure(quick: bool, steps: Steps) -> Findings:
    """Kill at every kind of point of every phase, and let the other faults happen in it.

    Quick, it kills once in `adopt` and in `watch`: what `learn` starts from takes half a minute to make.
    """
    phases = PHASES[:2] if quick else PHASES
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), with_postgres=not quick) as rig:
        outcomes = [outcome for phase in phases for outcome in _phase(rig, phase, steps, quick=quick)]
    return _findings(outcomes, is_whole=quick or rig.postgres is not None)


def _phase(rig: Rig, phase: Phase, steps: Steps, *, quick: bool) -> list[Outcome]:
    """Run a phase whole, then struck, each time from the same state; go on from the whole."""
    before = _folder(rig, phase)

    def fresh(number: int | str) -> Place:
        if phase == "watch":  # a new project each time; in the others nothing is sent
            rig.clear()
        copy = rig.folder / f"{phase} {number}"
        shutil.copytree(before, copy)
        return rig.at(copy)

    whole = fresh("whole")
    points = rehearsed(whole, phase)
    wanted = remains(whole)
    chosen = spread(points, 1 if quick else len(set(points)))
    possible = [fault for fault in FAULTS if rig.postgres or fault.where != "PostgreSQL"]
    others = [] if quick else [partial(strike, rig, fault, before) for fault in possible if fault.phase == phase]
    if not quick:
        others.insert(0, partial(race, rig, phase, before))
    outcomes = []
    with steps.counted(f"faults during {phase}", len(chosen) + len(others)) as step:
        for number in chosen:
            one = fresh(number)
            code = ended(one, phase, kill, number=number)
            outcomes.append(judged(one, phase, "killed", points[number - 1], code, wanted))
            shutil.rmtree(one.folder)
            step()
        for other in others:
            outcomes.append(other(wanted))
            step()
    if phase == "watch" and not quick:  # the next phase begins when everybody has answered
        shutil.rmtree(whole.folder)
        whole = fresh("whole")
        run_whole(whole, phase)
        rig.answer(whole)
    return outcomes


def _folder(rig: Rig, phase: Phase) -> Path:
    if phase == "adopt":
        return rig.home.folder
    return rig.folder / f"{PHASES[PHASES.index(phase) - 1]} whole"


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


def _findings(outcomes: Sequence[Outcome], *, is_whole: bool) -> Findings:
    killed = [one for one in outcomes if one.fault == "killed"]
    others = [one for one in outcomes if one.fault != "killed"]
    tables = [
        Table(
            "Killed, and run again",
            ("phase", "point", "after the rerun"),
            [(one.phase, one.point, one.told) for one in killed],
        )
    ]
    if others:
        tables.append(
            Table(
                "Other faults",
                ("fault", "phase", "point", "the run", "after the rerun"),
                [(one.fault, one.phase, one.point, one.said, one.told) for one in others],
                "" if is_whole else "There is no PostgreSQL here, so its faults are left out.",
            )
        )
    return Findings(
        ABOUT,
        tables,
        {
            "points": len(outcomes),
            "recovered": sum(one.recovered for one in outcomes),
            "lost": sum(len(one.lost) for one in outcomes),
            "duplicated": sum(len(one.duplicated) for one in outcomes),
            "champions": 1 if all(one.n_champions == 1 for one in outcomes) else 0,
        },
    )


if __name__ == "__main__":
    run("faults", measure, about=ABOUT)
