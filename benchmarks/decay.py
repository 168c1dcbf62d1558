"""Decay: do the intervals of its parts cover, are causes told apart, and how narrow are they for 300 labels."""

import os
from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed  # type: ignore[import-untyped]

from benchmarks.drawn import N_BATCH, N_HOLDOUT
from benchmarks.estimates import Outcome, job, worlds
from benchmarks.report import Findings, Steps, Table, run

ABOUT = "Coverage, causes and width of the decay estimates at 300 labels."
PARTS = ("total", "covariate", "concept")


def measured(quick: bool, steps: Steps) -> Findings:
    """Repeat every world, on every core."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes below: each has one core
    planted = worlds(quick)
    n_each = 6 if quick else 64
    found: dict[tuple[str, str, str], list[Outcome]] = {}
    with (
        steps.counted("repetitions", len(planted) * n_each) as step,
        Parallel(os.cpu_count(), return_as="generator") as p,
    ):
        jobs = ((number, seed) for number in range(len(planted)) for seed in range(n_each))
        results = p(delayed(job)(quick, number, 1_000 * number + seed) for number, seed in jobs)
        for number, outcomes in results:
            for outcome in outcomes:
                key = (planted[number].rows.name, planted[number].name, outcome.design)
                found.setdefault(key, []).append(outcome)
            step()
    return _findings(found)


def _findings(found: dict[tuple[str, str, str], list[Outcome]]) -> Findings:
    everything = [outcome for outcomes in found.values() for outcome in outcomes]
    active = [outcome for outcome in everything if outcome.design == "active"]
    unchanged = [
        o for (_, planted, _), outcomes in found.items() if planted in ("nothing", "covariate") for o in outcomes
    ]
    coverage = {f"coverage_{part}": _covered(everything, place) for place, part in enumerate(PARTS)}
    rows = [
        (*key, len(outcomes), *(_covered(outcomes, place) for place in range(3)), *_called(outcomes), _width(outcomes))
        for key, outcomes in found.items()
    ]
    named = {"nothing": set(), "covariate": {"covariate"}, "concept": {"concept"}, "both": {"covariate", "concept"}}
    right = [o.found == named[planted] for (_, planted, _), outcomes in found.items() for o in outcomes]
    header = ("rows", "planted", "labels", "repetitions", *(f"{part} covers" for part in PARTS))
    table = Table(
        "What 300 labels say",
        (*header, "covariate called", "concept called", "width ratio"),
        rows,
        note="Width ratio: the interval of the total against that of the plain mean of as many random labels.",
    )
    about = (
        f"A holdout of {N_HOLDOUT:,} and a batch of {N_BATCH:,} rows are drawn anew in every repetition from a table"
        " in which every part of the loss change is known; nothing is taught or tuned on what is measured. Random"
        " labels are spread evenly; active ones are drawn by slice and by the spread that the loss is expected to have,"
        " with their probabilities. In the slice 35 % of the answers change."
    )
    false_rate = float(np.mean(["concept" in outcome.found for outcome in unchanged]))
    figures = {
        **coverage,
        "false_concept_rate": false_rate,
        "width_ratio": _width(active),
        "width_ratio_random": _width([o for o in everything if o.design == "random"]),
        "causes_right": float(np.mean(right)),
        "n_repetitions": len(everything),
    }
    return Findings(about, (table,), figures)


def _covered(outcomes: Sequence[Outcome], place: int) -> float:
    return float(np.mean([outcome.covered[place] for outcome in outcomes]))


def _called(outcomes: Sequence[Outcome]) -> list[float]:
    return [float(np.mean([cause in outcome.found for outcome in outcomes])) for cause in ("covariate", "concept")]


def _width(outcomes: Sequence[Outcome]) -> float:
    return float(np.mean([outcome.width_ratio for outcome in outcomes]))


if __name__ == "__main__":
    run("decay", measured, about=ABOUT)
