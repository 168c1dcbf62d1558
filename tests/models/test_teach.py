"""Weights become copies, and a row of no weight teaches nothing."""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from models.teach import teach
from records.schema import Schema

NUMBERS = Schema("id", "at", "y", "regression", ("x",), ())
CLASSES = Schema("id", "at", "y", "classification", ("x",), (), ("a", "b", "c"))


def test_a_number_of_no_weight_is_not_taught_though_nothing_else_has_its_value() -> None:
    """Every number is a value of its own; taken for classes they would teach what is held back to judge."""
    x = np.arange(40, dtype=np.float64)
    X, y = x.reshape(-1, 1), np.where(x < 20, x, -1000.0 - x)
    weights = np.where(np.arange(40) < 20, 1.0, 0.0)
    pipeline = Pipeline([("model", Ridge(alpha=1e-9))])
    assert teach(pipeline, X, y, weights, NUMBERS, seed=0, every_class=True) == 20
    assert np.allclose(pipeline.predict(X[:20]), y[:20])


def test_a_class_of_no_weight_is_known_by_one_row() -> None:
    X, y = np.arange(30, dtype=np.float64).reshape(-1, 1), np.repeat(["a", "b", "c"], 10)
    weights = np.where(y == "c", 0.0, 1.0)
    pipeline = Pipeline([("model", DecisionTreeClassifier())])
    assert teach(pipeline, X, y, weights, CLASSES, seed=0, every_class=True) == 21
    assert list(pipeline.classes_) == ["a", "b", "c"]
