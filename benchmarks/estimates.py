"""Repetitions of known worlds, each labelled by two designs: what the decay estimates say of them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.drawn import N_BATCH, N_HOLDOUT, prepared
from benchmarks.worlds import Rows, World, generated, plant, real
from labeling.choose import draw
from monitors.decay import causes
from monitors.loss_change import interval
from records.decay import Decay

N_LABELS = 300
DESIGNS = ("random", "active")


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
    batch = prepared(world, seed)
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
            asks = draw(keys, batch.slices[1], batch.likeness.spread_batch, budget=N_LABELS, audit_share=1.0, seed=seed)
            labelled = np.array([int(ask.row_key) for ask in asks], dtype=np.int64)
            inclusion = np.array([ask.inclusion for ask in asks])
        decay = batch.decay(labelled, inclusion, slices=batch.slices if design == "active" else None)
        plain = interval(0.0, float(np.sqrt(batch.answered.var() / N_LABELS + batch.losses.var() / N_HOLDOUT)), np.inf)
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
