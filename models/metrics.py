"""How good predictions are on labelled rows, in the measures people know, each with an interval."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics
from sklearn.pipeline import Pipeline

from models.loss import cost
from models.predictions import answers, probabilities, values
from records.decay import Metric
from records.drift import Estimate
from records.schema import Schema

N_GROUPS = 100
Floats = NDArray[np.float64]
Measure = Callable[[NDArray[np.int64], Floats], float]  # of rows and their weights


def measured(
    pipeline: Pipeline, holdout: pd.DataFrame, labelled: pd.DataFrame, inclusion: Floats, schema: Schema
) -> tuple[Metric, ...]:
    """Return every measure that is defined on both the holdout and the labelled rows of a batch.

    Classification: accuracy, balanced accuracy, log loss, Brier score, macro F1, AUC (of the last of two classes, one
    against the rest of more), and the mean cost where costs are known. Regression: mean absolute error and root mean
    squared error. Labelled rows count with 1 / inclusion. Intervals are of the delete-a-group jackknife over up to 100
    groups of labelled rows (Kott 2001); `before` is the value on the holdout. Both frames have the target.
    """
    if labelled.empty or holdout.empty:
        return ()
    now, before = (_measures(pipeline, frame, schema) for frame in (labelled, holdout))
    weights, even = 1 / inclusion, np.ones(len(holdout))
    found = []
    for name, measure in now.items():
        known = before[name](np.arange(len(holdout)), even)
        estimate = _jackknifed(measure, weights)
        if np.isfinite(known) and np.isfinite(estimate.value):
            found.append(Metric(name, known, estimate))
    return tuple(found)


def _measures(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema) -> dict[str, Measure]:
    if schema.task == "regression":
        error = frame[schema.target].to_numpy(dtype=float) - values(pipeline, frame, schema)
        return {
            "mean absolute error": lambda rows, w: float(np.average(np.abs(error[rows]), weights=w)),
            "root mean squared error": lambda rows, w: float(np.average(error[rows] ** 2, weights=w) ** 0.5),
        }
    chances, right = probabilities(pipeline, frame, schema), answers(frame, schema)
    chosen, classes = chances.argmax(axis=1), np.arange(len(schema.classes))
    clipped = np.clip(chances, 1e-6, 1.0)
    clipped /= clipped.sum(axis=1, keepdims=True)

    costs = cost(chances, right, np.array(schema.costs)) if schema.costs else np.zeros(len(frame))

    def auc(rows: NDArray[np.int64], w: Floats) -> float:
        here = [c for c in classes[-1:] if len(classes) == 2] or [c for c in classes if (right[rows] == c).sum() > 0]
        if len(np.unique(right[rows])) < 2:
            return float("nan")
        scores = [metrics.roc_auc_score(right[rows] == c, chances[rows, c], sample_weight=w) for c in here]
        return float(np.mean(scores))

    return {
        "accuracy": lambda rows, w: float(metrics.accuracy_score(right[rows], chosen[rows], sample_weight=w)),
        "balanced accuracy": lambda rows, w: float(
            metrics.recall_score(
                right[rows], chosen[rows], labels=np.unique(right[rows]), average="macro", sample_weight=w
            )
        ),
        "log loss": lambda rows, w: float(
            metrics.log_loss(right[rows], clipped[rows], labels=classes, sample_weight=w)
        ),
        "Brier score": lambda rows, w: float(
            np.average(((chances[rows] - np.eye(len(classes))[right[rows]]) ** 2).sum(axis=1) / 2, weights=w)
        ),
        "macro F1": lambda rows, w: float(
            metrics.f1_score(right[rows], chosen[rows], average="macro", sample_weight=w, zero_division=0.0)
        ),
        "AUC": auc,
    } | ({"cost": lambda rows, w: float(np.average(costs[rows], weights=w))} if schema.costs else {})


def _jackknifed(measure: Measure, weights: Floats) -> Estimate:
    """Return a measure on all rows with its interval at 95 % from leaving out one group of rows after another."""
    n = len(weights)
    value = measure(np.arange(n), weights)
    n_groups = min(n, N_GROUPS)
    if n_groups < 2:
        return Estimate(value, float("nan"), float("nan"))
    group = np.random.default_rng(0).permutation(n) % n_groups
    without = np.array([measure(rows, weights[rows]) for rows in (np.flatnonzero(group != g) for g in range(n_groups))])
    if not np.isfinite(without).all():
        return Estimate(value, float("nan"), float("nan"))
    error = float(np.sqrt((n_groups - 1) / n_groups * ((without - without.mean()) ** 2).sum()))
    reach = float(stats.t.ppf(0.975, n_groups - 1)) * error
    return Estimate(value, value - reach, value + reach)
