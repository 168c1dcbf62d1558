"""Training sets as named recipes: which old rows stay, and how much the new labels count.

How much labels count matters more than how many there are: where the old relation still holds, old rows must stay,
where it is dead they must go. So a recipe is chosen per generation, on labels (`models.train.challenge`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from records.errors import BadData
from records.schema import Schema

Weighted = tuple[pd.DataFrame, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a training set of the snapshot and the labels.

    The latest `kept_share` of the snapshot stays. All labels together weigh `label_weight` times all kept rows, but one
    label never counts as more than `most_copies` mean snapshot rows: a forest takes copies of a row for evidence.

    With 5 % of each of ten windows labelled at random, a forest (leaves of 20 rows) had on Elec2 / NOAA weather a mean
    Brier loss of .201 / .160 without labels, .174 / .155 with labels at half the snapshot's weight, .170 / .154 with at
    most 20 copies as well, and .167 / .153 at the snapshot's full weight with at most 20 copies.
    """

    name: str
    kept_share: float
    label_weight: float
    most_copies: float = 20.0


RECIPES = (
    Recipe("all data", kept_share=1.0, label_weight=1.0),
    Recipe("all data, light labels", kept_share=1.0, label_weight=0.1),
    Recipe("recent", kept_share=0.25, label_weight=2.0),
)


def training_frames(
    snapshot_train: pd.DataFrame, labelled: pd.DataFrame, schema: Schema, *, recipes: Sequence[Recipe] = RECIPES
) -> dict[str, Weighted]:
    """Return every recipe's training rows with their weights, whose mean over the kept snapshot rows is 1.

    Both frames have the schema's columns and the target; a `weight` column of the snapshot is respected unless it is a
    feature. A label replaces the snapshot's row of the same key. All labels weigh the same: rows of slices are commoner
    among them, and that they count more there is meant. The rows come snapshot first, in order of time.
    """
    columns = [*schema.production, schema.target]
    old = snapshot_train[~snapshot_train[schema.row_key].isin(labelled[schema.row_key])]
    old = old.sort_values(schema.time, kind="stable")
    own = old["weight"] if "weight" in old.columns and "weight" not in columns else pd.Series(1.0, index=old.index)
    frames = {}
    for recipe in recipes:
        n_kept = int(np.ceil(recipe.kept_share * len(old)))
        kept, weights = old.iloc[len(old) - n_kept :], own.iloc[len(old) - n_kept :].to_numpy(dtype=float)
        weights = weights / weights.mean() if n_kept else weights
        each = min(recipe.label_weight * n_kept / max(len(labelled), 1), recipe.most_copies) if n_kept else 1.0
        parts = [part[columns] for part in (kept, labelled) if len(part)]  # an empty part would lose the dtypes
        together = pd.concat(parts, ignore_index=True) if parts else old[columns]
        frames[recipe.name] = (together, np.concatenate([weights, np.full(len(labelled), each)]))
    return frames


def resample(frame: pd.DataFrame, weights: NDArray[np.float64], *, n: int, seed: int) -> pd.DataFrame:
    """Draw `n` rows so that each comes `n * weight / sum(weights)` times, rounded up or down at random.

    This is systematic resampling: equal weights and `n = len(frame)` return the frame itself. Accelerated forests fall
    back on `sample_weight`, so weights become copies. Raises `BadData` for weights that cannot be drawn by.

    >>> frame = pd.DataFrame({"x": ["a", "b", "c"]})
    >>> resample(frame, np.array([1.0, 2.0, 1.0]), n=8, seed=0)["x"].str.cat()
    'aabbbbcc'
    """
    if len(weights) != len(frame) or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise BadData(
            f"{len(weights)} weights for {len(frame)} rows cannot be drawn by; give each row one, not negative"
        )
    ends = np.cumsum(weights) / weights.sum() * n
    ends[-1] = n  # free of rounding
    points = np.arange(n) + np.random.default_rng(seed).uniform()
    return frame.iloc[np.searchsorted(ends, points, side="right").clip(max=len(frame) - 1)].reset_index(drop=True)
