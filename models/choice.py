"""How every candidate does on labels it did not learn from, and which of them make the best average."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed  # type: ignore[import-untyped]
from numpy.typing import NDArray

from models.average import greedy_weights
from models.balance import balanced
from models.lessons import Lessons
from models.loss import of_predictions
from models.pipeline import member
from models.predictions import of_matrix
from models.recipe import Recipe
from models.teach import teach
from records.errors import BadData
from records.schema import Schema

Floats = NDArray[np.float64]
N_FOLDS = 3
N_FINALISTS = 12
N_TREES = 50
MOST_MEMBERS = 5
PRIOR_LABELS = 10.0
"""How many labels' worth the loss on old rows counts when candidates are averaged."""


class Candidate(NamedTuple):
    """A way to learn: a training set and an estimator."""

    recipe: Recipe
    estimator: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a candidate said of the labels, each by a model that had not seen it, and of old rows set aside.

    `on_labels` is (n_labels, n_classes) or (n_labels,), `on_old` likewise; `loss` is the mean over labels, weighted by
    1 / inclusion, `old_loss` the mean over old rows. A candidate given up after the first fold has only been judged on
    that: `finalist` is False. `seconds` is what one fold took.
    """

    candidate: Candidate
    on_labels: Floats
    on_old: Floats
    loss: float
    old_loss: float
    finalist: bool
    seconds: float = field(default=0.0, compare=False)


def try_out(
    lessons: Lessons,
    aside: pd.DataFrame,
    labelled: pd.DataFrame,
    candidates: Sequence[Candidate],
    schema: Schema,
    *,
    loss: str,
    seed: int,
    cores: int,
    count: Callable[[str, int, int], None],
) -> list[Trial]:
    """Cross-validate candidates on the labels in three folds and return their trials in the same order.

    All take part in the first fold, the best twelve in all (successive halving, Jamieson & Talwalkar 2016). The same
    whatever the number of `cores`.
    """
    fold = np.random.default_rng(seed).permutation(len(labelled)) % N_FOLDS
    truth, old_truth = truths(labelled, schema), truths(aside, schema)
    X_aside = lessons.prepared.transform(aside[list(schema.features)]) if len(aside) else lessons.old[:0]
    weights = label_weights(labelled, lessons, schema)
    on_labels = [_empty(len(labelled), schema) for _ in candidates]
    on_old = [_empty(len(aside), schema) for _ in candidates]
    seconds = [0.0] * len(candidates)

    def one(place: int, k: int) -> tuple[Floats, Floats, float]:
        recipe, name = candidates[place]
        X, y, w = lessons.training_set(recipe, fold != k)
        pipeline = member(schema, lessons.prepared, name, seed=seed, n_trees=N_TREES, n_jobs=1)
        begun = time.perf_counter()
        try:
            teach(pipeline, X, y, w, schema, seed=seed)
        except BadData:  # a fold's labels alone may know one class only
            return np.full_like(_empty(int((fold == k).sum()), schema), np.nan), _empty(len(aside), schema), 0.0
        said, said_of_old = (of_matrix(pipeline, rows, schema) for rows in (lessons.new[fold == k], X_aside))
        return said, said_of_old, time.perf_counter() - begun

    def race(places: Sequence[int], folds: Sequence[int], n_left: int) -> None:
        jobs = [(place, k) for k in folds for place in places]
        answers = Parallel(cores, prefer="threads", return_as="generator")(delayed(one)(*job) for job in jobs)
        for number, ((place, k), (here, old, took)) in enumerate(zip(jobs, answers, strict=True), start=1):
            on_labels[place][fold == k] = here
            on_old[place] += old / N_FOLDS
            seconds[place] = took
            count("candidates", number, len(jobs) + n_left)

    def losses(rows: NDArray[np.bool_]) -> Floats:
        found = [np.average(of_predictions(said[rows], truth[rows], schema, loss), weights=weights[rows]) for said in on_labels]
        return np.where(np.isnan(found), np.inf, found)

    everyone = range(len(candidates))
    race(everyone, (0,), 2 * min(N_FINALISTS, len(candidates)))
    first = losses(fold == 0)
    best = sorted(np.argsort(first, kind="stable")[:N_FINALISTS].tolist())
    race(best, range(1, N_FOLDS), 0)
    final = losses(np.ones(len(labelled), dtype=bool))
    old_weights = _class_weights(aside, lessons, schema)
    trials = []
    for place in everyone:
        said = on_old[place] * (1 if place in best else N_FOLDS)
        old_loss = float(np.average(of_predictions(said, old_truth, schema, loss), weights=old_weights)) if len(aside) else 0.0
        value = float(final[place] if place in best else first[place])
        able = place in best and bool(np.isfinite(value))
        trials.append(Trial(candidates[place], on_labels[place], said, value, old_loss, able, seconds[place]))
    return trials


def shares(
    trials: Sequence[Trial], labelled: pd.DataFrame, aside: pd.DataFrame, lessons: Lessons, schema: Schema, *, loss: str
) -> Floats:
    """Return how much each trial's candidate counts in the average, summing to 1; at most five do.

    What the average would lose on the labels decides, and a little what it would lose on old rows: as much as ten
    labels would say. With few labels the old rows keep chance from choosing.
    """
    truth, old_truth = truths(labelled, schema), truths(aside, schema)
    weights, old_weights = label_weights(labelled, lessons, schema), _class_weights(aside, lessons, schema)
    effective = weights.sum() ** 2 / (weights**2).sum()
    prior = PRIOR_LABELS / (PRIOR_LABELS + effective) if len(aside) else 0.0
    n_labels = len(labelled)

    def of(said: Floats) -> float:
        now = np.average(of_predictions(said[:n_labels], truth, schema, loss), weights=weights)
        if not prior:
            return float(now)
        old = np.average(of_predictions(said[n_labels:], old_truth, schema, loss), weights=old_weights)
        return float((1 - prior) * now + prior * old)

    together = np.stack([np.concatenate([trial.on_labels, trial.on_old]) for trial in trials])
    return greedy_weights(together, of, most=MOST_MEMBERS)


def truths(frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64] | NDArray[np.intp]:
    """Return what is true of rows as `models.loss.of_predictions` takes it: places of classes, or numbers."""
    if schema.task == "regression":
        return frame[schema.target].to_numpy(dtype=float)
    places = {name: place for place, name in enumerate(schema.classes)}
    unknown = set(frame[schema.target]) - places.keys()
    if unknown:
        raise BadData(f"class {sorted(map(repr, unknown))[0]} is not one of the classes; correct `classes` in the settings")
    return frame[schema.target].map(places).to_numpy(dtype=np.intp)


def label_weights(labelled: pd.DataFrame, lessons: Lessons, schema: Schema) -> Floats:
    """Return what each label counts in the choice: 1 / inclusion, and every class the same where that is wanted."""
    weights = 1 / labelled["inclusion"].to_numpy(dtype=float)
    return balanced(labelled[schema.target].to_numpy(), weights) if lessons.balance else weights


def _class_weights(rows: pd.DataFrame, lessons: Lessons, schema: Schema) -> Floats:
    even = np.ones(len(rows))
    return balanced(rows[schema.target].to_numpy(), even) if lessons.balance else even


def _empty(n_rows: int, schema: Schema) -> Floats:
    return np.zeros((n_rows, len(schema.classes)) if schema.task == "classification" else n_rows)
