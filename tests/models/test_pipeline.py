from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from models.pipeline import build, learner, member, preparation
from tests.models.conftest import FLIGHTS, flights

ROWS = flights(300, seed=7)
FEATURES = list(FLIGHTS.features)


def fitted(name: str, rows: pd.DataFrame = ROWS) -> Pipeline:
    return build(FLIGHTS, name, seed=0, accelerated=False).fit(rows[FEATURES], rows["late"].to_numpy())


@pytest.mark.parametrize("name", ["random_forest", "linear"])
def test_missing_and_never_seen_values_are_predicted_without_an_error(name: str) -> None:
    rows = ROWS.head(4).copy()
    rows["carrier"] = ["ZZ", None, np.nan, "UA"]
    rows["hour"] = [np.nan, 1e9, -1e9, 12.0]
    chances = fitted(name).predict_proba(rows[FEATURES])
    assert np.isfinite(chances).all()
    assert np.allclose(chances.sum(axis=1), 1)


def test_nan_and_none_are_the_same_missing_category() -> None:
    rows = ROWS.head(2).copy()
    rows.loc[:, FEATURES] = rows.loc[[0, 0], FEATURES].to_numpy()
    rows["carrier"] = [None, np.nan]
    rows[["hour", "wind"]] = rows[["hour", "wind"]].astype(float)
    first, second = fitted("linear").predict_proba(rows[FEATURES])
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["random_forest", "linear"])
def test_a_column_that_was_wholly_missing_in_training_does_no_harm(name: str) -> None:
    rows = ROWS.assign(wind=np.nan, carrier=None)
    assert np.isfinite(fitted(name, rows).predict_proba(ROWS[FEATURES])).all()


def test_a_linear_model_gets_at_most_fifty_columns_per_category_and_a_forest_one() -> None:
    rows = flights(3000, seed=8)
    rows["carrier"] = [f"C{number % 200}" for number in range(len(rows))]
    widths = {name: fitted(name, rows)[:-1].transform(rows[FEATURES]).shape[1] for name in ("linear", "random_forest")}
    # hour, wind, booked, wind is missing; carrier; rainy; remark
    assert widths == {"linear": 4 + 50 + 2 + 20, "random_forest": 4 + 1 + 1 + 20}


def test_every_object_in_the_pipeline_is_of_a_library() -> None:
    def modules(thing: BaseEstimator) -> Iterator[str]:
        yield type(thing).__module__.partition(".")[0]
        for value in thing.get_params(deep=True).values():
            if hasattr(value, "get_params") or callable(value):
                yield getattr(value, "__module__", type(value).__module__).partition(".")[0]

    assert set(modules(build(FLIGHTS, "random_forest", seed=0))) <= {"sklearn", "sklearnex", "numpy"}


def test_a_schema_without_categorical_columns_needs_no_encoder() -> None:
    only_numbers = replace(FLIGHTS, categorical=(), datetime=(), text=())
    pipeline = build(only_numbers, "linear", seed=0, accelerated=False).fit(ROWS[["hour", "wind"]], ROWS["late"])
    assert pipeline.predict(ROWS[["hour", "wind"]]).shape == (300,)


@pytest.mark.parametrize("name", ["random_forest", "linear", "neighbors", "support_vectors", "boosting"])
def test_a_member_corrects_a_model_of_the_same_prepared_rows_and_keeps_library_classes(name: str) -> None:
    prepared = preparation(FLIGHTS, seed=0, spread=False).fit(ROWS[FEATURES])
    X, y = prepared.transform(ROWS[FEATURES]), ROWS["late"].to_numpy()
    first = member(FLIGHTS, prepared, name, seed=0, accelerated=False).fit(X, y)
    second = member(FLIGHTS, prepared, name, seed=0, accelerated=False, corrected=first).fit(X, y)
    assert np.allclose(second.predict_proba(X).sum(axis=1), 1)
    assert type(learner(second)) is type(learner(first))
    assert type(second[-1]).__module__.startswith("sklearn")
