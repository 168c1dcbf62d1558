"""Repetitions of known worlds, each labelled by two designs: what the decay estimates say of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.worlds import SLICE, Rows, World, generated, plant, real
from labeling.choose import draw
from monitors.decay import REST, causes, estimate
from monitors.likeness import measure
from monitors.loss_change import interval
from records.decay import Decay
from records.window import Window

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


def job(quick: bool, number: int, seed: int) -> tuple[int, list[Outcome]]:
    """Return the number of a world and one repetition of it; what a process of its own does."""
    return number, repeat(worlds(quick)[number], seed)
