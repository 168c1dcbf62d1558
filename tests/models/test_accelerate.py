import logging
from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from models.accelerate import estimator, is_accelerated, record_engines
from models.loss import per_row
from models.pipeline import build
from records.errors import BadSettings
from records.schema import Schema, Task
from tests.models.conftest import DELAYS, FLIGHTS, flights

X = np.random.default_rng(0).normal(size=(200, 3))
Y = np.where(X[:, 0] > 0, "a", "b")


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "linear"])
def test_each_estimator_comes_in_both_makes_with_the_same_settings(name: str, task: Task) -> None:
    ours, stock = (estimator(name, task, seed=3, accelerated=accelerated, n_jobs=1) for accelerated in (True, False))
    assert is_accelerated(ours)
    assert not is_accelerated(stock)
    assert type(ours).__name__ == type(stock).__name__
    shared = stock.get_params()
    assert {name: value for name, value in ours.get_params().items() if name in shared} == shared


def test_an_unknown_estimator_is_refused_by_name() -> None:
    with pytest.raises(BadSettings, match="no estimator 'oracle'; use one of random_forest, extra_trees, linear"):
        estimator("oracle", "classification", seed=0)


@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "linear", "neighbors", "support_vectors"])
@pytest.mark.parametrize("schema", [FLIGHTS, DELAYS], ids=["classification", "regression"])
def test_a_fit_on_rows_with_missing_values_is_accelerated_because_the_pipeline_imputes_them(
    name: str, schema: Schema
) -> None:
    rows = flights(300, seed=4)
    assert rows["wind"].isna().any()
    pipeline = build(schema, name, seed=0)
    with record_engines(pipeline) as engines:
        pipeline.fit(rows[list(schema.features)], rows[schema.target].to_numpy())
    prepare, model = engines()
    assert (prepare.step, prepare.accelerated) == ("prepare", False)
    assert (model.step, model.accelerated, model.reason) == ("model", True, "")


@pytest.mark.parametrize("name", ["random_forest", "linear"])
def test_a_fit_with_sample_weights_is_recorded_as_a_fallback_with_its_reason(name: str) -> None:
    pipeline = Pipeline([("model", estimator(name, "classification", seed=0))])
    with record_engines(pipeline) as engines:
        pipeline.fit(X, Y, model__sample_weight=np.ones(len(X)))
    (engine,) = engines()
    assert not engine.accelerated
    assert "sample weights" in engine.reason.lower()


def test_the_second_line_decides_for_a_logistic_regression_that_falls_back() -> None:
    pipeline = Pipeline([("model", estimator("linear", "classification", seed=0).set_params(solver="saga"))])
    with record_engines(pipeline) as engines:
        pipeline.fit(X, Y)
    (engine,) = engines()
    assert not engine.accelerated
    assert "'saga' solver is not supported" in engine.reason


def test_missing_values_that_reach_a_forest_are_recorded_as_a_fallback() -> None:
    holes = X.copy()
    holes[0, 0] = np.nan
    pipeline = Pipeline([("model", estimator("random_forest", "classification", seed=0))])
    with record_engines(pipeline) as engines:
        pipeline.fit(holes, Y)
    assert engines()[0].reason == "Non-finite input is not supported."


def test_a_step_that_was_not_fitted_is_not_called_accelerated() -> None:
    pipeline = Pipeline([("model", estimator("random_forest", "classification", seed=0))])
    with record_engines(pipeline) as engines:
        pass
    assert (engines()[0].accelerated, engines()[0].reason) == (False, "sklearnex reported no fit")


def test_recording_leaves_the_logger_as_it_was_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("sklearnex")
    before = (logger.level, list(logger.filters))
    pipeline = Pipeline([("model", estimator("random_forest", "classification", seed=0))])
    with record_engines(pipeline):
        pipeline.fit(X, Y)
    assert (logger.level, list(logger.filters)) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "linear"])
def test_accelerated_and_stock_models_score_alike(name: str) -> None:
    """Both engines' Brier losses on 2 000 rows differ by less than .01: they are different forests, equally good."""
    train, test = flights(2000, seed=5), flights(2000, seed=6)
    schema = replace(FLIGHTS, text=())  # stock extra trees are worse by .01 for the noise of texts that say nothing
    losses = []
    for accelerated in (True, False):
        pipeline = build(schema, name, seed=0, accelerated=accelerated)
        pipeline.fit(train[list(schema.features)], train["late"].to_numpy())
        losses.append(per_row(pipeline, test, schema, "brier").mean())
    assert abs(losses[0] - losses[1]) < 0.01
    assert max(losses) < 0.22  # a constant guess costs .25
