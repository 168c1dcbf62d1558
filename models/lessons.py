"""What there is to learn from, as matrices: old rows, the same rows moved to today, and labels."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer

from models.balance import balanced
from models.how import How
from models.pipeline import preparation
from models.recipe import Recipe, ages_of, own_weights, row_weights
from models.shift import importance, moved
from models.teach import fit_preparation
from records.schema import Schema

Floats = NDArray[np.float64]
SHIFT_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Lessons:
    """Rows to learn from, prepared once for all candidates; `prepared` is fitted on the old rows and the labels.

    `old`, `moved` (n_old, n_columns) and `new` (n_labels, n_columns) are matrices, `old_answers` and `new_answers` what
    was and is true of them, `own` the weights of the old rows, `likeness` how much commoner each is today, `holds`
    whose answers are still true, `ages` (n_labels,) how many windows ago a label was taken.
    """

    prepared: ColumnTransformer
    old: Floats
    moved: Floats
    new: Floats
    old_answers: NDArray[np.generic]
    new_answers: NDArray[np.generic]
    own: Floats
    likeness: Floats
    holds: NDArray[np.bool_]
    ages: Floats
    balance: bool

    def has_use_for(self, recipe: Recipe) -> bool:
        """Whether a recipe can differ from the others here: leaving out what does not hold takes some that do not."""
        return not recipe.holding or bool(self.holds.any() and not self.holds.all())

    def prepare(self, rows: pd.DataFrame, schema: Schema) -> Floats:
        """Return other rows as a matrix like these, (n_rows, n_columns)."""
        return _matrix(self.prepared, rows[list(schema.features)], self.old.shape[1])

    def training_set(
        self, recipe: Recipe, taken: NDArray[np.bool_] | None = None
    ) -> tuple[Floats, NDArray[np.generic], Floats]:
        """Return rows, answers and weights by a recipe, from the labels `taken` (all by default)."""
        taken = np.ones(len(self.new), dtype=bool) if taken is None else taken
        old_weights, new_weights = row_weights(
            recipe,
            self.own,
            int(taken.sum()),
            likeness=self.likeness,
            holds=self.holds,
            ages=self.ages[taken],
        )
        X = np.vstack([self.moved if recipe.moved else self.old, self.new[taken]])
        y = np.concatenate([self.old_answers, self.new_answers[taken]])
        weights = np.concatenate([old_weights, new_weights])
        return X, y, balanced(y, weights) if self.balance else weights


def lessons(
    old: pd.DataFrame,
    labelled: pd.DataFrame,
    batch: pd.DataFrame,
    schema: Schema,
    how: How,
    gone: Collection[str] = (),
) -> Lessons:
    """Prepare old rows in order of time and labels; `batch` are rows of today, whose answers need not be known.

    `gone` are the keys of old rows whose answers are true no more.
    Without a batch nothing is known of today: old rows are neither weighed by their likeness nor moved, and labels do
    not age.
    """
    features = list(schema.features)
    prepared = preparation(schema, seed=how.seed, spread=False)
    everything = pd.concat([part[features] for part in (old, labelled) if len(part)])
    n_columns = fit_preparation(prepared, everything).shape[1]
    few = batch.iloc[np.sort(np.random.default_rng(how.seed).permutation(len(batch))[:SHIFT_ROWS])]

    def matrix(rows: pd.DataFrame) -> Floats:
        return _matrix(prepared, rows[features], n_columns)

    X_old = matrix(old)
    is_shifted = len(few) > 0 and len(old) > 0
    return Lessons(
        prepared,
        X_old,
        matrix(moved(old, few, schema)) if is_shifted else X_old,
        matrix(labelled),
        old[schema.target].to_numpy(),
        labelled[schema.target].to_numpy(),
        own_weights(old, schema),
        importance(X_old, matrix(few), seed=how.seed) if is_shifted else np.ones(len(old)),
        ~old[schema.row_key].isin(gone).to_numpy(dtype=bool),
        ages_of(labelled, few, schema, window=how.window),
        how.balance and schema.task == "classification",
    )


def _matrix(prepared: ColumnTransformer, rows: pd.DataFrame, n_columns: int) -> Floats:
    if rows.empty:
        return np.empty((0, n_columns))
    return np.asarray(prepared.transform(rows), dtype=float)
