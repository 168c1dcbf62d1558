"""Decay: do the intervals of its parts cover, are causes told apart, and how narrow are they for 300 labels."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
from joblib import Parallel, delayed  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.report import Findings, Steps, Table, run
from benchmarks.worlds import SLICE, Rows, World, generated, plant, real
from labeling.choose import draw
from monitors.decay import REST, causes, estimate
from monitors.likeness import measure
from monitors.loss_change import interval
from records.decay import Decay
from records.window import Window

ABOUT = "Coverage, causes and width of the decay estimates at 300 labels."
N_HOLDOUT, N_BATCH, N_LABELS = 3_000, 5_000, 300
DESIGNS = ("random", "active")
PARTS = ("total", "covariate", "concept")
WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One repetition of one world with one design: which parts covered the truth, causes called, and width ratio."""

    design: str
    covered: tuple[bool, bool, bool]
    found: frozenset[str]
    width_ratio: float


@cache
def worlds(quick: bool) -> tuple[World, ...]:
    """Return every table of rows with nothing, rows that moved, answers that changed, and both."""
    tables: list[Rows] = [generated(2.5), real(at_departure=True)]
    if not quick:
        tables += [generated(1.0), real(at_departure=False)]
    kinds = [(rows, moves, changes) for rows in tables for moves in (False, True) for changes in (0.0, 0.35)]
    return tuple(plant(rows, moves=moves, changes=changes) for rows, moves, changes in kinds)


def repeat(world: World, seed: int) -> list[Outcome]:
    """Draw a holdout and a batch, label 300 of its rows by either design, and estimate."""
    rows = world.rows
    of_holdout, of_batch = world.drawn(N_HOLDOUT, N_BATCH, seed)
    holdout, batch = (rows.frame.iloc[place].reset_index(drop=True) for place in (of_holdout, of_batch))
    slices = [np.where(rows.inside[place], SLICE, REST).astype(object) for place in (of_holdout, of_batch)]
    own = [(rows.chances[place] * (1 - rows.chances[place])).sum(axis=1) / 2 for place in (of_holdout, of_batch)]
    losses, answered = world.old[of_holdout], world.new[of_batch]
    likeness = measure(holdout, losses, batch, rows.schema, seed=seed, own=(own[0], own[1]))
    generator = np.random.default_rng([seed, 1])
    labelled: NDArray[np.int64]
    inclusion: NDArray[np.float64]
    outcomes = []
    for design in DESIGNS:
        if design == "random":
            labelled = generator.permutation(N_BATCH)[:N_LABELS]
            inclusion = np.full(N_LABELS, N_LABELS / N_BATCH)
        else:
            keys = [str(place) for place in range(N_BATCH)]
            asks = draw(keys, slices[1], likeness.spread_batch, budget=N_LABELS, audit_share=1.0, seed=seed)
            labelled = np.array([int(ask.row_key) for ask in asks], dtype=np.int64)
            inclusion = np.array([ask.inclusion for ask in asks])
        decay = estimate(
            *(holdout, losses, batch, labelled, answered[labelled], inclusion, rows.schema),
            model="m",
            window=WEEK,
            generation=1,
            loss="brier",
            seed=seed,
            slices=(slices[0], slices[1]) if design == "active" else None,
            likeness=likeness,
        )
        plain = interval(0.0, float(np.sqrt(answered.var() / N_LABELS + losses.var() / N_HOLDOUT)), np.inf)
        outcomes.append(_outcome(design, decay, world, plain.high))
    return outcomes


def _outcome(design: str, decay: Decay, world: World, plain: float) -> Outcome:
    parts = (decay.total, decay.covariate, decay.concept)
    covered = tuple(part.low <= truth <= part.high for part, truth in zip(parts, world.truth, strict=True))
    half = (decay.total.high - decay.total.low) / 2
    return Outcome(design, (covered[0], covered[1], covered[2]), causes(decay), half / plain)


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
        results = p(delayed(_job)(quick, number, 1_000 * number + seed) for number, seed in jobs)
        for number, outcomes in results:
            for outcome in outcomes:
                key = (planted[number].rows.name, planted[number].name, outcome.design)
                found.setdefault(key, []).append(outcome)
            step()
    return _findings(found)


def _job(quick: bool, number: int, seed: int) -> tuple[int, list[Outcome]]:
    return number, repeat(worlds(quick)[number], seed)


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
