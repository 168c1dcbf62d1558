"""Decisions about harm in known worlds: by labels in rounds, and by random samples of a fixed size."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from benchmarks.drawn import N_BATCH, N_HOLDOUT, Batch, prepared
from benchmarks.worlds import World, generated, plant, real
from labeling.choose import draw
from labeling.pooling import pooled
from monitors.advice import Budget, advise
from monitors.allocation import sharpened
from monitors.decay import verdict
from monitors.likeness import Likeness
from monitors.loss_change import Labelled
from records.decay import Decay, Finding
from records.label import Ask

TOLERANCE, BUDGET = 0.02, 400
LOOKS = (0.125, 0.25, 0.5, 1.0)
FIXED_SIZES = (50, 100, 150, 200, 300, 400, 600, 800, 1_200, 1_600)
EVERYWHERE = 0.08  # share of answers that change
Ours = tuple[Finding, int]


def judged(decay: Decay, looks: Sequence[float]) -> tuple[Finding, str]:
    """Return the finding at a look, and what is advised while labels are left."""
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
        finding, action = judged(batch.decay(labelled, weights, slices=batch.slices), LOOKS[:number])
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
    inclusion = np.full(n_labels, n_labels / N_BATCH)
    return judged(batch.decay(labelled, inclusion, likeness=plain, slices=batch.slices), (1.0,))[0]


def job(number: int, seed: int) -> tuple[int, Ours, dict[int, Finding]]:
    """Return the number of a world and one decision about it, both ways; what a process of its own does."""
    batch = prepared(worlds()[number][0], 1_000 * number + seed)
    return number, in_rounds(batch), {size: at_once(batch, size) for size in FIXED_SIZES}
