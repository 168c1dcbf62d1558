"""How good predictions are on labelled rows, in the measures people know, each with an interval."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
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
    """Each measure of rows by their weights; scikit-learn's own check every call, and a jackknife makes hundreds."""
    if schema.task == "regression":
        error = frame[schema.target].to_numpy(dtype=float) - values(pipeline, frame, schema)
        squared = _mean(error**2)
        return {
            "mean absolute error": _mean(np.abs(error)),
            "root mean squared error": lambda rows, w: squared(rows, w) ** 0.5,
        }
    chances, right = probabilities(pipeline, frame, schema), answers(frame, schema)
    chosen, classes = chances.argmax(axis=1), np.arange(len(schema.classes))
    clipped = np.clip(chances, 1e-6, 1.0)
    clipped /= clipped.sum(axis=1, keepdims=True)
    levels = [np.unique(chances[:, c], return_inverse=True)[1] for c in classes]

    def counted(rows: NDArray[np.int64], w: Floats) -> Floats:
        """How much weighs each class that is right, with each that was chosen."""
        pairs = right[rows] * len(classes) + chosen[rows]
        counts = np.bincount(pairs, weights=w, minlength=len(classes) ** 2)
        return np.asarray(counts, dtype=float).reshape(len(classes), -1)

    def auc(rows: NDArray[np.int64], w: Floats) -> float:
        here = [c for c in classes if (right[rows] == c).any()]
        if len(here) < 2:
            return float("nan")
        asked = classes[-1:] if len(classes) == 2 else here
        return float(np.mean([_auc(levels[c][rows], right[rows] == c, w) for c in asked]))

    found = {
        "accuracy": _mean(right == chosen),
        "balanced accuracy": lambda rows, w: _balanced_accuracy(counted(rows, w)),
        "log loss": _mean(-np.log(clipped[np.arange(len(right)), right])),
        "Brier score": _mean(((chances - np.eye(len(classes))[right]) ** 2).sum(axis=1) / 2),
        "macro F1": lambda rows, w: _macro_f1(counted(rows, w)),
        "AUC": auc,
    }
    return found | ({"cost": _mean(cost(chances, right, np.array(schema.costs)))} if schema.costs else {})


def _mean(each: NDArray[Any]) -> Measure:
    return lambda rows, w: float(np.average(each[rows], weights=w))


def _balanced_accuracy(counts: Floats) -> float:
    """The mean recall of the classes that occur, of a confusion matrix (n_classes right, n_classes chosen).

    >>> _balanced_accuracy(np.array([[3.0, 1.0], [1.0, 1.0]]))
    0.625
    """
    occurs = counts.sum(axis=1) > 0
    return float((counts.diagonal()[occurs] / counts.sum(axis=1)[occurs]).mean())


def _macro_f1(counts: Floats) -> float:
    """The mean F1 of the classes that occur or were chosen, of a confusion matrix.

    >>> round(_macro_f1(np.array([[3.0, 1.0], [1.0, 1.0]])), 3)
    0.625
    """
    sizes = counts.sum(axis=0) + counts.sum(axis=1)
    return float((2 * counts.diagonal()[sizes > 0] / sizes[sizes > 0]).mean())


def _auc(levels: NDArray[np.intp], positive: NDArray[np.bool_], weights: Floats) -> float:
    """The chance that a positive row scores above another, a tie counting half (Mann & Whitney 1947).

    `levels` (n_rows,) are the places of the scores in their order.

    >>> _auc(np.array([0, 1, 1, 2]), np.array([False, False, True, True]), np.ones(4))
    0.875
    """
    high, low = (np.bincount(levels, weights=weights * part) for part in (positive, ~positive))
    return float(high @ (np.cumsum(low) - low / 2) / (high.sum() * low.sum()))


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
