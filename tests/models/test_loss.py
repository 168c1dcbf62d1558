from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from models.average import averaged
from models.how import Serving
from models.loss import brier, log, opinion, per_row, zero_one
from models.predictions import probabilities
from models.reasons import doubt, kinds, uncertainty
from models.train import fit
from records.errors import BadData, BadSettings
from records.schema import Schema
from tests.models.conftest import DELAYS, FLIGHTS, flights

Case = tuple[NDArray[np.float64], NDArray[np.intp]]
ROWS = flights(200, seed=9)


def constant(schema: Schema, answers: Sequence[object]) -> Pipeline:
    """A pipeline that gives every class its share among `answers`."""
    rows = ROWS.head(len(answers))
    return Pipeline([("model", DummyClassifier(strategy="prior"))]).fit(rows[list(schema.features)], answers)


@st.composite
def chances_and_truth(draw: st.DrawFn) -> Case:
    n_classes = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(st.floats(0.01, 1), min_size=n_classes, max_size=n_classes), min_size=1, max_size=6))
    chances = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    right = draw(st.lists(st.integers(0, n_classes - 1), min_size=len(rows), max_size=len(rows)))
    return chances, np.array(right)


@given(chances_and_truth())
def test_losses_stay_in_their_range_and_nothing_is_lost_when_certain_and_right(case: Case) -> None:
    chances, right = case
    for loss in (brier, zero_one):
        assert ((loss(chances, right) >= 0) & (loss(chances, right) <= 1)).all()
    assert (log(chances, right) >= 0).all()
    sure = np.eye(chances.shape[1])[right]
    assert brier(sure, right).sum() == log(sure, right).sum() == zero_one(sure, right).sum() == 0


@given(chances_and_truth())
def test_doubt_is_between_zero_and_one(case: Case) -> None:
    assert ((doubt(case[0]) >= 0) & (doubt(case[0]) <= 1)).all()


def test_the_binary_brier_loss_is_the_squared_error_of_the_probability() -> None:
    chances = np.array([[0.25, 0.75], [0.9, 0.1]])
    assert np.allclose(brier(chances, np.array([1, 1])), [(0.75 - 1) ** 2, (0.1 - 1) ** 2])


def test_columns_follow_the_schema_although_scikit_learn_sorts_classes() -> None:
    pipeline = constant(FLIGHTS, ["no", "no", "no", "yes"])
    assert probabilities(pipeline, ROWS.head(1), FLIGHTS).tolist() == [[0.25, 0.75]]  # ("yes", "no")


def test_a_class_the_pipeline_never_saw_has_no_chance() -> None:
    schema = replace(FLIGHTS, classes=("yes", "no", "cancelled"))
    assert probabilities(constant(schema, ["no", "yes"]), ROWS.head(1), schema).tolist() == [[0.5, 0.5, 0.0]]


def test_classes_that_are_numbers_are_found_by_their_text() -> None:
    schema = replace(FLIGHTS, classes=("0", "1"))
    for answers in ([0, 1], [0.0, 1.0]):
        assert probabilities(constant(schema, answers), ROWS.head(1), schema).tolist() == [[0.5, 0.5]]


def test_a_class_that_the_schema_does_not_know_is_told() -> None:
    with pytest.raises(BadData, match="class 'maybe' is not one of 'yes', 'no'"):
        per_row(constant(FLIGHTS, ["yes", "no"]), ROWS.head(2).assign(late=["yes", "maybe"]), FLIGHTS, "brier")


def test_the_loss_of_no_rows_is_no_losses() -> None:
    pipeline = constant(FLIGHTS, ["yes", "no"])
    assert per_row(pipeline, ROWS.head(0), FLIGHTS, "brier").shape == (0,)
    assert uncertainty(pipeline, ROWS.head(0), FLIGHTS).shape == (0,)
    assert opinion(pipeline, ROWS.head(0), FLIGHTS) == []


def test_a_loss_that_does_not_fit_the_task_is_refused() -> None:
    with pytest.raises(
        BadSettings, match="loss 'squared' does not fit a classification; use one of brier, log, zero_one"
    ):
        per_row(constant(FLIGHTS, ["yes", "no"]), ROWS, FLIGHTS, "squared")


def test_a_number_that_is_not_known_cannot_be_judged() -> None:
    pipeline, _ = fit(ROWS, ROWS, DELAYS, estimator="linear", loss="squared", seed=0, serving="stock")
    with pytest.raises(BadData, match="column 'delay' has no value in 1 rows"):
        per_row(pipeline, ROWS.assign(delay=[np.nan, *ROWS["delay"][1:]]), DELAYS, "squared")


def test_squared_and_absolute_losses_are_of_the_same_errors() -> None:
    pipeline, _ = fit(ROWS, ROWS, DELAYS, estimator="linear", loss="squared", seed=0, serving="stock")
    absolute = per_row(pipeline, ROWS, DELAYS, "absolute")
    assert np.allclose(absolute**2, per_row(pipeline, ROWS, DELAYS, "squared"))
    error = ROWS["delay"] - pipeline.predict(ROWS[list(DELAYS.features)])
    assert np.allclose(absolute, error.abs())


def test_opinions_are_short_and_carry_the_unit() -> None:
    assert opinion(constant(FLIGHTS, ["no", "no", "no", "yes"]), ROWS.head(1), FLIGHTS) == ["no (75 %)"]
    pipeline, _ = fit(ROWS, ROWS, DELAYS, estimator="linear", loss="squared", seed=0, serving="stock")
    expected = pipeline.predict(ROWS.head(1)[list(DELAYS.features)])[0]
    assert opinion(pipeline, ROWS.head(1), DELAYS) == [f"{expected:.4g} minutes"]


@pytest.mark.parametrize("serving", ["accelerated", "stock"])
def test_a_forest_of_numbers_is_unsure_where_its_trees_differ(serving: Serving) -> None:
    pipeline, _ = fit(ROWS, ROWS, DELAYS, estimator="random_forest", loss="squared", seed=0, serving=serving)
    doubts = uncertainty(pipeline, ROWS, DELAYS)
    assert doubts.max() == 1
    assert 0 <= doubts.min() < 0.5


def test_an_average_of_numbers_is_unsure_where_its_models_differ() -> None:
    numbers = ROWS[list(DELAYS.numbers)].fillna(0.0)
    schema = replace(DELAYS, categorical=(), text=())
    models = [DummyRegressor(), LinearRegression()]
    X, y = numbers.to_numpy(), ROWS["delay"].to_numpy()
    average = averaged([model.fit(X, y) for model in models], np.array([0.25, 0.75]), X, y, "regression")
    apart = np.abs(models[0].predict(X) - models[1].predict(X))
    for steps in ([("prepare", FunctionTransformer(func=np.asarray)), ("model", average)], [("model", average)]):
        assert np.allclose(uncertainty(Pipeline(steps), numbers, schema), apart / apart.max())


def test_a_linear_regression_is_equally_unsure_of_every_row() -> None:
    pipeline, _ = fit(ROWS, ROWS, DELAYS, estimator="linear", loss="squared", seed=0, serving="stock")
    assert uncertainty(pipeline, ROWS.head(3), DELAYS).tolist() == [1, 1, 1]


def test_kinds_and_doubts_take_whatever_a_pipeline_of_ones_own_prepares() -> None:
    texts = ROWS.assign(**dict.fromkeys(FLIGHTS.numbers[:1], np.nan))
    for encoder in (FunctionTransformer(), OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)):
        pipeline = Pipeline([("prepare", encoder), ("model", HistGradientBoostingClassifier())])
        pipeline[:-1].fit(texts[list(FLIGHTS.features)])
        assert kinds(pipeline, pd.concat([texts] * 20, ignore_index=True), FLIGHTS, seed=0).min() >= 0
    boosted = Pipeline([("prepare", FunctionTransformer()), ("model", GradientBoostingRegressor(n_estimators=3))])
    numbers = ROWS[list(DELAYS.numbers)].fillna(0.0)
    boosted.fit(numbers, ROWS["delay"])
    schema = replace(DELAYS, categorical=(), text=())
    assert uncertainty(boosted, numbers, schema).tolist() == [1.0] * len(ROWS)
