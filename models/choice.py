"""How every candidate does on labels it did not learn from."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import Parallel, delayed

from models.accelerate import bounded
from models.judges import Judges
from models.lessons import Lessons
from models.pipeline import member
from models.predictions import of_matrix
from models.recipe import RECIPES, SNAPSHOT, Recipe
from models.teach import teach_one_of_many
from records.errors import BadData
from records.schema import Schema

Floats = NDArray[np.float64]
N_FOLDS = 3
N_TREES = 50


class Candidate(NamedTuple):
    """A way to learn: a training set and an estimator."""

    recipe: Recipe
    estimator: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a candidate said of the labels, each by a model that had not seen it, and of old rows set aside.

    `on_labels` is (n_labels, n_classes) or (n_labels,), `on_old` likewise. `loss` is the mean over labels by their
    weights, infinite if a fold could not teach it, `old_loss` the mean over old rows. `seconds` is what it took.
    """

    candidate: Candidate
    on_labels: Floats
    on_old: Floats
    loss: float = float("nan")
    old_loss: float = float("nan")
    seconds: float = field(default=0.0, compare=False)


def try_out(
    lessons: Lessons,
    X_aside: Floats,
    estimators: Sequence[str],
    judging: Judges,
    *,
    seed: int,
    cores: int,
    count: Callable[[str, int, int], None],
) -> list[Trial]:
    """Cross-validate every recipe with every estimator on the labels in three folds; those of `SNAPSHOT` come first.

    The same whatever the number of `cores`: candidates are spread over as many processes.
    """
    schema = judging.schema
    fold = np.random.default_rng(seed).permutation(len(lessons.new)) % N_FOLDS
    alone = []
    for number, name in enumerate(estimators, start=1):
        model, trial = _alone(lessons, name, X_aside, schema, seed)
        alone.append((model, _judged(trial, judging)))
        count("models of the snapshot", number, len(estimators))
    best = min(alone, key=lambda pair: pair[1].old_loss if len(X_aside) else pair[1].loss)[0]
    candidates = [
        Candidate(recipe, name)
        for recipe in RECIPES
        if recipe != SNAPSHOT and lessons.has_use_for(recipe)
        for name in (estimators if not recipe.corrects else correctors(estimators))
    ]
    jobs = (
        delayed(_cross_validated)(lessons, one, best if one.recipe.corrects else None, fold, X_aside, schema, seed)
        for one in candidates
    )
    trials = [trial for _, trial in alone]
    for number, trial in enumerate(Parallel(cores, return_as="generator")(jobs), start=1):
        trials.append(_judged(trial, judging))
        count("candidates", number, len(candidates))
    return trials


def correctors(estimators: Sequence[str]) -> list[str]:
    """The estimators that learn to correct another from labels alone: all but boosting, unless there is no other."""
    return [name for name in estimators if name != "boosting"] or list(estimators[:1])


def snapshot_model(
    lessons: Lessons, name: str, schema: Schema, *, seed: int, accelerated: bool, n_trees: int
) -> BaseEstimator:
    """Return the estimator of that name taught by the old rows alone."""
    X, y, weights = lessons.training_set(SNAPSHOT)
    model = member(schema, lessons.prepared, name, seed=seed, accelerated=accelerated, n_trees=n_trees)
    teach_one_of_many(model, name, X, y, weights, schema, seed=seed)
    return model


def _alone(lessons: Lessons, name: str, X_aside: Floats, schema: Schema, seed: int) -> tuple[BaseEstimator, Trial]:
    begun = time.perf_counter()
    model = snapshot_model(lessons, name, schema, seed=seed, accelerated=True, n_trees=N_TREES)
    on_labels, on_old = (of_matrix(model, rows, schema) for rows in (lessons.new, X_aside))
    return model, Trial(Candidate(SNAPSHOT, name), on_labels, on_old, seconds=time.perf_counter() - begun)


@bounded(1)
def _cross_validated(
    lessons: Lessons,
    candidate: Candidate,
    corrected: BaseEstimator | None,
    fold: NDArray[np.int64],
    X_aside: Floats,
    schema: Schema,
    seed: int,
) -> Trial:
    begun = time.perf_counter()
    recipe, name = candidate
    on_labels, on_old = (_no_predictions(len(rows), schema) for rows in (lessons.new, X_aside))
    for k in range(N_FOLDS):
        X, y, weights = lessons.training_set(recipe, fold != k)
        model = member(schema, lessons.prepared, name, seed=seed, corrected=corrected, n_trees=N_TREES, n_jobs=1)
        try:
            teach_one_of_many(model, name, X, y, weights, schema, seed=seed)
        except BadData:  # a fold's labels alone may know too little
            on_labels[fold == k] = np.nan
            continue
        on_labels[fold == k] = of_matrix(model, lessons.new[fold == k], schema)
        on_old += of_matrix(model, X_aside, schema) / N_FOLDS
    return Trial(candidate, on_labels, on_old, seconds=time.perf_counter() - begun)


def _judged(trial: Trial, judging: Judges) -> Trial:
    able = bool(np.isfinite(trial.on_labels).all())  # a class can be chosen among chances that are not known
    loss = judging.of_labels(trial.on_labels) if able else float("inf")
    return replace(trial, loss=loss, old_loss=judging.of_old(trial.on_old))


def _no_predictions(n_rows: int, schema: Schema) -> Floats:
    return np.zeros((n_rows, len(schema.classes)) if schema.task == "classification" else n_rows)
