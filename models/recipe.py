"""Training sets as named recipes: which old rows stay, and how much the new labels count.

How much labels count matters more than how many there are: where the old relation still holds, old rows must stay,
where it is dead they must go. So a recipe is chosen per generation, on labels (`models.train.challenge`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from records.errors import BadData
from records.schema import Schema
from records.window import Window

Floats = NDArray[np.float64]
ALONE = 4.0
"""What a label counts where no snapshot row stays."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a training set of the snapshot and the labels.

    The latest `kept_share` of the snapshot stays. All labels together weigh `label_weight` times all kept rows, but one
    label never counts as more than `most_copies` mean snapshot rows: a forest takes copies of a row for evidence.
    Without snapshot rows each counts four times, so that leaves of ten rows can be small. A label's weight is halved
    for every `halving` windows of its age. `like_now` weighs snapshot rows by how common rows like them are today;
    `moved` moves their numbers to where they would lie today (both in `models.shift`). `holding` leaves out old rows
    whose answers hold no more, as those inside the slices where people answered otherwise: there labels alone count.
    `corrects` hands on what the snapshot's own model says as one more column; labels alone teach what to make of it.

    With 5 % of each of ten windows labelled at random, a forest (leaves of 20 rows) had on Elec2 / NOAA weather a mean
    Brier loss of .201 / .160 without labels, .174 / .155 with labels at half the snapshot's weight, .170 / .154 with at
    most 20 copies as well, and .167 / .153 at the snapshot's full weight with at most 20 copies.
    """

    name: str
    kept_share: float
    label_weight: float
    most_copies: float = 20.0
    halving: float = float("inf")
    like_now: bool = False
    moved: bool = False
    holding: bool = False
    corrects: bool = False


SNAPSHOT = Recipe("snapshot alone", kept_share=1.0, label_weight=0.0)
LIGHT = Recipe("all data, light labels", kept_share=1.0, label_weight=0.1)
LIGHT_MOVED = Recipe("moved to today, light labels", kept_share=1.0, label_weight=0.1, halving=1.5, moved=True)
STEADY = (LIGHT, LIGHT_MOVED)
"""Those that few labels cannot turn far, whether rows like the old ones come again or values have moved."""
RECIPES = (
    Recipe("all data", kept_share=1.0, label_weight=1.0, halving=1.5),
    LIGHT,
    Recipe("all data, loud labels", kept_share=1.0, label_weight=4.0, most_copies=40.0, halving=1.5),
    Recipe("labels alone", kept_share=0.0, label_weight=1.0),
    Recipe("latest labels alone", kept_share=0.0, label_weight=1.0, halving=1.5),
    Recipe("all data that still hold", kept_share=1.0, label_weight=1.0, halving=1.5, holding=True),
    Recipe("like today", kept_share=1.0, label_weight=0.5, halving=1.5, like_now=True),
    Recipe("moved to today", kept_share=1.0, label_weight=0.5, halving=1.5, moved=True),
    LIGHT_MOVED,
    Recipe("snapshot's model corrected", kept_share=0.0, label_weight=1.0, halving=3.0, corrects=True),
    SNAPSHOT,
)


def row_weights(
    recipe: Recipe,
    own: Floats,
    n_labels: int,
    *,
    likeness: Floats | None = None,
    holds: NDArray[np.bool_] | None = None,
    ages: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return the weights of the snapshot's rows, in order of time, and of the labels; what does not stay weighs 0.

    `own` (n_old,) are weights the snapshot came with, `likeness` (n_old,) how much commoner rows like each are today,
    `holds` (n_old,) whose answers still hold, `ages` (n_labels,) how many windows ago each label was. The mean over
    kept snapshot rows is 1.

    >>> row_weights(Recipe("half", kept_share=0.5, label_weight=1.0), np.ones(4), 2)
    (array([0., 0., 1., 1.]), array([1., 1.]))
    """
    n_kept = int(np.ceil(recipe.kept_share * len(own)))
    old = np.where(np.arange(len(own)) >= len(own) - n_kept, own, 0.0)
    if recipe.like_now and likeness is not None:
        old = old * likeness
    if recipe.holding and holds is not None:
        old = old * holds
        n_kept = int(np.count_nonzero(old))
    if n_kept and old.sum() > 0:
        old = old / old.sum() * n_kept
    each = min(recipe.label_weight * n_kept / max(n_labels, 1), recipe.most_copies) if n_kept else ALONE
    labels = np.full(n_labels, each)
    if ages is not None and np.isfinite(recipe.halving) and n_labels:
        fresh = 0.5 ** (ages / recipe.halving)
        labels = labels * fresh / fresh.mean()
    return old, labels


def ages_of(labelled: pd.DataFrame, now: pd.DataFrame, schema: Schema, *, window: Window | None = None) -> Floats:
    """Return how many windows before the rows of today each label was taken, 0 if among them, shape (n_labels,).

    `window` is the one they are of; without it, it is taken for as long as they span.
    """
    if now.empty or labelled.empty:
        return np.zeros(len(labelled))
    start: pd.Timestamp = pd.Timestamp(window.start) if window else now[schema.time].min()
    length: pd.Timedelta = pd.Timedelta(window.length) if window else now[schema.time].max() - start
    seconds = (start - labelled[schema.time]).dt.total_seconds().to_numpy(dtype=float)
    return np.asarray(np.ceil(seconds / max(length.total_seconds(), 1.0)).clip(min=0.0))


def own_weights(snapshot: pd.DataFrame, schema: Schema) -> Floats:
    """Return the weights a snapshot came with, 1 where it has none; a feature named `weight` is none."""
    if "weight" in snapshot.columns and "weight" not in (*schema.production, schema.target):
        return snapshot["weight"].to_numpy(dtype=float)
    return np.ones(len(snapshot))


def still_old(snapshot: pd.DataFrame, labelled: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the snapshot's rows in order of time, without those that a label replaces."""
    old = snapshot[~snapshot[schema.row_key].isin(labelled[schema.row_key])]
    return old.sort_values(schema.time, kind="stable")


def positions(weights: Floats, *, n: int, seed: int) -> NDArray[np.intp]:
    """Return which rows to take so that each comes `n * weight / sum(weights)` times, rounded up or down at random.

    This is systematic resampling: equal weights and `n = len(weights)` take every row once. Accelerated forests fall
    back on `sample_weight`, so weights become copies. Raises `BadData` for weights that cannot be drawn by.

    >>> positions(np.array([1.0, 2.0, 1.0]), n=8, seed=0).tolist()
    [0, 0, 1, 1, 1, 1, 2, 2]
    """
    if not len(weights) or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise BadData(f"{len(weights)} weights cannot be drawn by; give each row one that is finite and not negative")
    ends = np.cumsum(weights) / weights.sum() * n
    ends[-1] = n  # free of rounding
    points = np.arange(n) + np.random.default_rng(seed).uniform()
    places = np.searchsorted(ends, points, side="right").clip(max=int(np.flatnonzero(weights)[-1]))
    return np.asarray(places, dtype=np.intp)
