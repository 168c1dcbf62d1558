"""Chances that the labels show to be off are put right, and no others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from models.how import Serving
from models.loss import brier, per_row
from models.recalibrate import calibrator, recalibrated
from models.serialization import serialization
from models.train import Challenge, challenge
from tests.models.conftest import FLIGHTS, flights

Floats = NDArray[np.float64]


def world(n: int, *, slope: float, seed: int = 0) -> tuple[Floats, NDArray[np.intp]]:
    """True answers, and chances whose logits are `slope` times too steep."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(2, 3, n)
    said = expit(slope * logit(truth))
    return np.column_stack([1 - said, said]), (rng.random(n) < truth).astype(np.intp)


def test_chances_far_too_steep_are_put_right() -> None:
    said, right = world(400, slope=4.0)
    found = calibrator(said, right, np.ones(400), seed=0)
    assert found is not None
    fresh, truth = world(5_000, slope=4.0, seed=1)
    assert brier(found.predict_proba(fresh[:, 1:]), truth).mean() < brier(fresh, truth).mean() - 0.02


@pytest.mark.parametrize("seed", range(10))
def test_good_chances_are_left_alone(seed: int) -> None:
    said, right = world(400, slope=1.0, seed=seed)
    assert calibrator(said, right, np.ones(400), seed=seed) is None


def test_few_labels_or_few_of_a_class_show_nothing() -> None:
    said, right = world(400, slope=4.0)
    assert calibrator(said[:59], right[:59], np.ones(59), seed=0) is None
    rare = np.flatnonzero(right == 1)[9:]
    kept = np.setdiff1d(np.arange(400), rare)
    assert calibrator(said[kept], right[kept], np.ones(len(kept)), seed=0) is None


def test_a_model_put_right_says_what_the_calibrator_makes_of_its_chances_and_is_kept_safely() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), np.repeat(["a", "b", "c"], 100)
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    said = np.asarray(model.predict_proba(X), dtype=float)
    steep = said**4 / (said**4).sum(axis=1, keepdims=True)
    found = calibrator(steep, np.repeat(np.arange(3), 100), np.ones(300), seed=0)
    assert found is not None
    first = np.array([0, 100, 200])
    whole = recalibrated(model, found, X[first], y[first])
    assert list(whole.classes_) == ["a", "b", "c"]
    assert np.allclose(whole.predict_proba(X), found.predict_proba(said))
    assert serialization(Pipeline([("model", whole)]))["serialization_format"] == "skops"


def coins(n: int, seed: int) -> pd.DataFrame:
    """Flights of which every second one has a coin for an answer: few leaves of a tree are far too sure of them."""
    frame, chance = flights(n, seed=seed, flipped=True, start="2013-03-01"), np.random.default_rng(seed)
    coin = chance.random(n) < 0.5
    frame.loc[coin, "late"] = chance.permutation(frame.loc[coin, "late"].to_numpy())
    return frame


def challenged(serving: Serving = "stock", classes: tuple[str, str] = ("no", "yes"), **more: Any) -> Challenge:
    """A challenger taught by coins, for which two classes may be named in either order."""
    schema, labelled = replace(FLIGHTS, classes=classes), coins(300, 14).assign(inclusion=0.2)
    how: dict[str, Any] = {"estimators": ("boosting",), "loss": "brier", "seed": 0, "cores": 1, "serving": serving}
    return challenge(flights(600, seed=12), flights(200, seed=13), labelled, schema, **how, **more)


@pytest.mark.parametrize(
    ("serving", "classes"), [("stock", ("no", "yes")), ("stock", ("yes", "no")), ("accelerated", ("no", "yes"))]
)
def test_a_challenger_whose_chances_are_off_is_put_right_and_says_so(
    serving: Serving, classes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever order the classes are named, which need not be scikit-learn's."""
    schema, fresh = replace(FLIGHTS, classes=classes), coins(1000, 15)
    right = challenged(serving, classes)
    assert "recalibrated" in dict(right.fit.params)
    monkeypatch.setattr("models.train.calibrator", lambda *_, **__: None)
    off = challenged(serving, classes)
    now, before = (float(per_row(one.pipeline, fresh, schema, "brier").mean()) for one in (right, off))
    assert now < before - 0.003


@pytest.mark.parametrize("limit", [{"balance": True}, {"forgetting": -0.5}])
def test_chances_that_are_off_on_purpose_stay_and_old_rows_pay_no_more_than_they_may(limit: dict[str, Any]) -> None:
    assert "recalibrated" not in dict(challenged(**limit).fit.params)
