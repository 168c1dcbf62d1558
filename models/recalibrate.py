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
from models.weighted import effective, mean_and_error

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
    cross-fitted in five folds, it lowers the Brier score by over two standard errors. Fewer than 60 labels (effective
    ones, (sum w)² / sum(w²)), or than 10 of a class, show nothing. What it takes is what a stacking classifier hands
    on: of two classes the second's chance.
    """
    n_classes = said.shape[1]
    if effective(weights) < FEWEST_LABELS or np.bincount(right, minlength=n_classes).min() < FEWEST_OF_CLASS:
        return None
    better = np.empty_like(said)
    for taught, held in StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(said, right):
        better[held] = put_right(_fitted(said[taught], right[taught], weights[taught]), said[held])
    mean, error = mean_and_error(brier(said, right) - brier(better, right), weights)
    return _fitted(said, right, weights) if mean > NEEDED * error else None


def put_right(corrected: Pipeline, said: Floats) -> Floats:
    """Return what a calibrator makes of chances, (n_rows, n_classes) both."""
    return np.asarray(corrected.predict_proba(_taken(said)), dtype=float)


def recalibrated(model: BaseEstimator, corrected: Pipeline, X: Floats, y: NDArray[np.generic]) -> StackingClassifier:
    """Return one estimator that puts a fitted model's chances right; neither is fitted again.

    `X` and `y` tell the columns and the classes, of which `corrected` takes and gives the chances in their order.
    """
    stack = StackingClassifier(
        [("average", FrozenEstimator(model))], corrected, cv="prefit", stack_method="predict_proba"
    ).fit(X, y)
    stack.final_estimator_ = corrected  # in place of what a row per class has just taught
    return stack


def _taken(said: Floats) -> Floats:
    return said[:, 1:] if said.shape[1] == 2 else said


def _fitted(said: Floats, right: Places, weights: Floats) -> Pipeline:
    steps = [
        ("clip", FunctionTransformer(np.clip, kw_args={"a_min": LEAST_CHANCE, "a_max": 1 - LEAST_CHANCE})),
        ("logit", FunctionTransformer(logit)),
        ("model", LogisticRegression(C=100.0, max_iter=1000)),
    ]
    return Pipeline(steps).fit(_taken(said), right, model__sample_weight=weights / weights.mean())
