"""Decisions about harm in known worlds: by labels in rounds, and by random samples of a fixed size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.worlds import SLICE, World, generated, plant, real
from labeling.choose import draw
from labeling.pooling import pooled
from monitors.advice import Budget, advise
from monitors.allocation import sharpened
from monitors.decay import REST, estimate, verdict
from monitors.likeness import Likeness, measure
from monitors.loss_change import Labelled
from records.decay import Finding
from records.label import Ask
from records.window import Window

N_HOLDOUT, N_BATCH = 3_000, 5_000
TOLERANCE, BUDGET = 0.02, 400
LOOKS = (0.125, 0.25, 0.5, 1.0)
FIXED_SIZES = (50, 100, 150, 200, 300, 400, 600, 800, 1_200, 1_600)
EVERYWHERE = 0.08  # share of answers that change
Ours = tuple[Finding, int]
WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Batch:
    """One holdout and one batch of a world, with what is known without labels, and the answers' losses."""

    world: World
    seed: int
    losses: NDArray[np.float64]
    answered: NDArray[np.float64]
    slices: tuple[NDArray[np.object_], NDArray[np.object_]]
    places: tuple[NDArray[np.int64], NDArray[np.int64]]
    likeness: Likeness

    def judged(
        self, labelled: NDArray[np.int64], inclusion: NDArray[np.float64], likeness: Likeness, looks: Sequence[float]
    ) -> tuple[Finding, str]:
        """Return the finding at a look, and what is advised while labels are left."""
        rows = self.world.rows
        holdout, batch = (rows.frame.iloc[place].reset_index(drop=True) for place in self.places)
        decay = estimate(
            *(holdout, self.losses, batch, labelled, self.answered[labelled], inclusion, rows.schema),
            model="m",
            window=WEEK,
            generation=1,
            loss="brier",
            slices=self.slices,
            likeness=likeness,
        )
        finding = verdict(decay, tolerance=TOLERANCE, looks=looks)
        left = Budget(share=looks[-1], n_left=round(BUDGET * (1 - looks[-1])))
        return finding, advise(decay, finding, left, tolerance=TOLERANCE).action


@cache
def worlds() -> list[tuple[World, bool]]:
    """Return what was planted and whether it is harm."""
    found = []
    for rows in (generated(2.5), real(at_departure=True)):
        found.append((plant(rows, moves=False, changes=0.0), False))
        found.append((plant(rows, moves=True, changes=0.0), True))
        found.append((plant(rows, moves=False, changes=0.35), True))
        found.append((plant(rows, moves=False, changes=EVERYWHERE, everywhere=EVERYWHERE), True))
    return found


def prepared(world: World, seed: int) -> Batch:
    """Draw a holdout and a batch, and learn what can be known without a label."""
    rows = world.rows
    places = world.drawn(N_HOLDOUT, N_BATCH, seed)
    holdout, batch = (rows.frame.iloc[place].reset_index(drop=True) for place in places)
    own = [(rows.chances[place] * (1 - rows.chances[place])).sum(axis=1) / 2 for place in places]
    likeness = measure(holdout, world.old[places[0]], batch, rows.schema, seed=seed, own=(own[0], own[1]))
    of_holdout, of_batch = (np.where(rows.inside[place], SLICE, REST).astype(object) for place in places)
    return Batch(world, seed, world.old[places[0]], world.new[places[1]], (of_holdout, of_batch), places, likeness)


def in_rounds(batch: Batch) -> Ours:
    """Ask in rounds, where it tells most, and stop when it is decided or not worth the rest; return the labels used."""
    keys = [str(place) for place in range(N_BATCH)]
    _, strata = np.unique(batch.slices[1].astype(str), return_inverse=True)
    spread, asks = batch.likeness.spread_batch, list[Ask]()
    finding: Finding = "unclear"
    for number, look in enumerate(LOOKS, start=1):
        taken, n_more = frozenset(ask.row_key for ask in asks), round(BUDGET * look) - len(asks)
        asks += draw(
            keys, batch.slices[1], spread, budget=n_more, audit_share=1, seed=batch.seed, taken=taken, number=number
        )
        inclusion = pooled(asks)
        labelled = np.array([int(key) for key in inclusion])
        weights = np.array(list(inclusion.values()))
        finding, action = batch.judged(labelled, weights, batch.likeness, LOOKS[:number])
        if finding != "unclear" or action == "nothing":
            break
        spread = sharpened(batch.likeness, Labelled(labelled, batch.answered[labelled], weights, strata))
    return finding, len(asks)


def at_once(batch: Batch, n_labels: int) -> Finding:
    """Ask about so many rows at random, all at once, and judge by plain means."""
    generator = np.random.default_rng([batch.seed, n_labels])
    labelled = np.asarray(generator.choice(N_BATCH, n_labels, replace=False))
    flat = float(batch.losses.mean())
    plain = Likeness(
        np.full(N_HOLDOUT, flat), np.full(N_BATCH, flat), np.ones(N_HOLDOUT), np.ones(N_BATCH), np.ones(N_BATCH)
    )
    return batch.judged(labelled, np.full(n_labels, n_labels / N_BATCH), plain, (1.0,))[0]


def job(number: int, seed: int) -> tuple[int, Ours, dict[int, Finding]]:
    """Return the number of a world and one decision about it, both ways; what a process of its own does."""
    batch = prepared(worlds()[number][0], 1_000 * number + seed)
    return number, in_rounds(batch), {size: at_once(batch, size) for size in FIXED_SIZES}
