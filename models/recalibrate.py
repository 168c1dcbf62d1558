"""Put a classifier's chances right where the labels clearly show that it takes them too high or too low."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from models.loss import brier

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
FEWEST_LABELS = 60
FEWEST_OF_CLASS = 10
NEEDED = 2.0
N_FOLDS = 5
LEAST_CHANCE = 0.001


def calibrator(said: Floats, right: Places, weights: Floats, *, seed: int) -> Pipeline | None:
    """Return what makes good chances of bad ones, or None where none is clearly needed.

    `said` (n_labels, n_classes) are chances by models that had not seen the label, `right` the true class's column,
    `weights` (n_labels,) how much each label counts. It is a logistic regression on the logits (Platt 1999), needed if,
    cross-fitted in five folds, it lowers the Brier score by over two standard errors. Fewer than 60 labels, or than 10
    of a class, show nothing. What it takes is what a stacking classifier hands on: of two classes the second's chance.
    """
    n_classes = said.shape[1]
    if len(right) < FEWEST_LABELS or np.bincount(right, minlength=n_classes).min() < FEWEST_OF_CLASS:
        return None
    X = said[:, 1:] if n_classes == 2 else said
    better = np.empty_like(said)
    for taught, held in StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(X, right):
        better[held] = _fitted(X[taught], right[taught], weights[taught]).predict_proba(X[held])
    gains = brier(said, right) - brier(better, right)
    mean = float(np.average(gains, weights=weights))
    error = float(np.sqrt(((weights * (gains - mean)) ** 2).sum()) / weights.sum())
    return _fitted(X, right, weights) if mean > NEEDED * error else None


def recalibrated(model: BaseEstimator, corrected: Pipeline, X: Floats, y: NDArray[np.generic]) -> StackingClassifier:
    """Return one estimator that puts a fitted model's chances right; neither is fitted again.

    `X` and `y` tell the columns and the classes, of which `corrected` takes and gives the chances in their order.
    """
    stack = StackingClassifier(
        [("average", FrozenEstimator(model))], corrected, cv="prefit", stack_method="predict_proba"
    ).fit(X, y)
    stack.final_estimator_ = corrected  # in place of what a row per class has just taught
    return stack


def _fitted(X: Floats, right: Places, weights: Floats) -> Pipeline:
    steps = [
        ("clip", FunctionTransformer(np.clip, kw_args={"a_min": LEAST_CHANCE, "a_max": 1 - LEAST_CHANCE})),
        ("logit", FunctionTransformer(logit)),
        ("model", LogisticRegression(C=100.0, max_iter=1000)),
    ]
    return Pipeline(steps).fit(X, right, model__sample_weight=weights / weights.mean())
