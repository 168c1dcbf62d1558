"""The label bill: how many labels a right decision about harm takes, against random samples of a fixed size."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
from joblib import Parallel, delayed  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.report import Findings, Steps, Table, run
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

ABOUT = "Labels needed until the right decision about harm."
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


def measured(quick: bool, steps: Steps) -> Findings:
    """Decide about every world many times, both ways, on every core."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes below: each has one core
    planted, n_each = worlds(), 6 if quick else 64
    with (
        steps.counted("decisions", len(planted) * n_each) as step,
        Parallel(os.cpu_count(), return_as="generator") as parallel,
    ):
        found: list[list[tuple[Ours, dict[int, Finding]]]] = [[] for _ in planted]
        jobs = (delayed(_job)(number, seed) for number in range(len(planted)) for seed in range(n_each))
        for number, ours, fixed in parallel(jobs):
            found[number].append((ours, fixed))
            step()
    return _findings(planted, found)


def _findings(planted: list[tuple[World, bool]], found: list[list[tuple[Ours, dict[int, Finding]]]]) -> Findings:
    rows, bills, shares = [], [], []
    by_size = dict.fromkeys(FIXED_SIZES, 0.0)
    for (world, harmed), outcomes in zip(planted, found, strict=True):
        shares.append(float(np.mean([(ours[0] == "harm") == harmed for ours, _ in outcomes])))
        bills.append(float(np.mean([ours[1] for ours, _ in outcomes])))
        fixed = {size: float(np.mean([(by[size] == "harm") == harmed for _, by in outcomes])) for size in FIXED_SIZES}
        by_size = {size: by_size[size] + fixed[size] / len(planted) for size in FIXED_SIZES}
        alone = _told(_needed(fixed, shares[-1])) if harmed else "–"
        planted_as = f"{world.name}, everywhere" if world.changes == EVERYWHERE else world.name
        ruled_out = float(np.mean([ours[0] == "no harm" for ours, _ in outcomes]))
        rows.append((world.rows.name, planted_as, shares[-1], ruled_out, bills[-1], fixed[BUDGET], alone))
    right, needed = float(np.mean(shares)), _needed(by_size, float(np.mean(shares)))
    table = Table(
        "Labels until the decision",
        ("rows", "planted", "right", "harm ruled out", "labels", f"right with {BUDGET} at random", "size for it alone"),
        rows,
        note="Right: harm is said where the loss rose, and not said where it did not. Size for it alone: the number of"
        " random labels that is right as often in this world, if one knew beforehand that it is this one.",
    )
    sizes = Table(
        "Fixed sizes",
        ("random labels", "right, mean of all worlds"),
        [*by_size.items(), (f"ours, {np.mean(bills):.0f} on average", right)],
        note=f"As often right as ours is a random sample of {_told(needed)} labels.",
    )
    about = (
        f"A loss increase above {TOLERANCE} is harm. Ours asks in up to {len(LOOKS)} rounds, up to"
        f" {', '.join(str(round(BUDGET * look)) for look in LOOKS)} labels, each where the last ones leave most"
        " open, and stops when it is decided or when the rest is unlikely to show harm. A random sample has one size"
        " for all worlds, since nobody knows beforehand which one it is; it is judged by plain means and the same rule."
        " Holdout and batch are drawn anew each time."
    )
    figures = {
        "labels_saved_share": 1 - float(np.mean(bills)) / needed,
        "labels": float(np.mean(bills)),
        "fixed_size": needed,
        "right_share": right,
        "false_harm_rate": float(
            np.mean([1 - s for s, (_, harmed) in zip(shares, planted, strict=True) if not harmed])
        ),
    }
    return Findings(about, (table, sizes), figures)


def _job(number: int, seed: int) -> tuple[int, Ours, dict[int, Finding]]:
    batch = prepared(worlds()[number][0], 1_000 * number + seed)
    return number, in_rounds(batch), {size: at_once(batch, size) for size in FIXED_SIZES}


def _needed(right: dict[int, float], goal: float) -> float:
    """Return the size at which so large a share is right, between the sizes that were tried."""
    sizes, shares = list(right), np.maximum.accumulate(list(right.values()))
    if shares[-1] < goal:
        return float(sizes[-1])
    return float(np.interp(goal, [0.0, *shares], [0.0, *sizes]))


def _told(needed: float) -> str:
    return f"over {FIXED_SIZES[-1]:,}" if needed >= FIXED_SIZES[-1] else f"{needed:,.0f}"


if __name__ == "__main__":
    run("label_bill", measured, about=ABOUT)
