from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from models import train
from models.accelerate import is_accelerated
from models.loss import per_row
from models.train import Serving, challenge, fit
from records.errors import BadData, BadSettings
from records.generation import FitRecord
from tests.models.conftest import DELAYS, FLIGHTS, flights

Challenged = tuple[Pipeline, FitRecord, tuple[FitRecord, ...]]
TRAIN, HOLDOUT = flights(600, seed=12), flights(200, seed=13)
DRIFTED = flights(120, seed=14, flipped=True, start="2013-03-01").assign(inclusion=0.2)
HOW: dict[str, Any] = {"estimators": ("random_forest", "linear"), "loss": "brier", "seed": 0}


@pytest.fixture(scope="module")
def challenged() -> dict[str, Challenged]:
    """One challenge for each serving, as each takes seconds."""
    return {
        serving: challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving=serving, **HOW)
        for serving in ("accelerated", "stock")
    }


def test_the_record_holds_the_loss_on_the_holdout_and_both_engines_scores() -> None:
    pipeline, record = fit(
        TRAIN, HOLDOUT, FLIGHTS, estimator="random_forest", loss="brier", seed=0, serving="accelerated"
    )
    assert record.holdout_loss == per_row(pipeline, HOLDOUT, FLIGHTS, "brier").mean()
    assert record.fit_seconds > 0
    params = dict(record.params)
    assert params["rows"] == params["rows after weighting"] == "600"
    scores = [float(params[f"agreement.{engine} brier on 600 rows"]) for engine in ("accelerated", "stock")]
    assert abs(scores[0] - scores[1]) < 0.02
    assert [engine.accelerated for engine in record.engines] == [False, True]


def test_stock_serving_holds_no_class_of_sklearnex() -> None:
    pipeline, record = fit(TRAIN, HOLDOUT, FLIGHTS, estimator="random_forest", loss="brier", seed=0, serving="stock")
    assert not is_accelerated(pipeline[-1])
    assert record.engines[1].reason == "scikit-learn's own class"


def test_a_weight_of_two_is_the_same_as_the_row_twice() -> None:
    double = np.where(np.arange(len(TRAIN)) < 100, 2.0, 1.0)
    how: dict[str, Any] = {"estimator": "linear", "loss": "brier", "seed": 0, "serving": "stock"}
    weighted, record = fit(TRAIN, HOLDOUT, FLIGHTS, weights=double, **how)
    twice, _ = fit(TRAIN.loc[np.repeat(TRAIN.index, double.astype(int))], HOLDOUT, FLIGHTS, **how)
    assert dict(record.params)["rows after weighting"] == "700"
    rows = HOLDOUT[list(FLIGHTS.features)]
    assert np.allclose(weighted.predict_proba(rows), twice.predict_proba(rows))


@pytest.mark.parametrize("serving", ["accelerated", "stock"])
def test_weighted_fits_are_accelerated_as_weights_become_copies(
    serving: Serving, challenged: dict[str, Challenged]
) -> None:
    pipeline, record, candidates = challenged[serving]
    assert is_accelerated(pipeline[-1]) == (serving == "accelerated")
    assert len(candidates) == 6
    assert {(one.recipe, one.estimator) for one in candidates} == {
        (recipe, name)
        for recipe in ("all data", "all data, light labels", "recent")
        for name in ("random_forest", "linear")
    }
    assert all(one.engines[1].accelerated for one in candidates)
    assert dict(record.params)["chosen by"] == "120 labels in 3 folds"
    best = min(candidates, key=lambda one: float(dict(one.params)["cross-validated loss"]))
    assert (record.recipe, record.estimator) == (best.recipe, best.estimator)


def test_labels_of_a_changed_truth_make_a_better_model_for_it(challenged: dict[str, Challenged]) -> None:
    frozen, _ = fit(TRAIN, HOLDOUT, FLIGHTS, estimator="random_forest", loss="brier", seed=0, serving="stock")
    learned, _, _ = challenged["stock"]
    later = flights(1000, seed=15, flipped=True)
    old, new = (per_row(pipeline, later, FLIGHTS, "brier").mean() for pipeline in (frozen, learned))
    assert new < old - 0.03


def test_few_labels_take_the_first_estimator_on_all_data() -> None:
    _, record, candidates = challenge(TRAIN, HOLDOUT, DRIFTED.head(19), FLIGHTS, serving="stock", **HOW)
    assert (record.estimator, record.recipe) == ("random_forest", "all data")
    assert dict(record.params)["chosen by"] == "default: 19 labels are too few to choose"
    assert candidates == (record,)


def test_the_choice_weighs_a_label_by_one_over_its_inclusion() -> None:
    """Rows that were hard to draw count more, so turning the inclusions round turns the weighted losses round."""
    even = DRIFTED.assign(inclusion=1.0)
    lopsided = DRIFTED.assign(inclusion=np.where(DRIFTED["hour"] >= 17, 1.0, 0.01))
    candidates = [("all data", "linear")]
    how: dict[str, Any] = {"loss": "brier", "seed": 0}
    hold = np.ones(len(TRAIN), dtype=bool)
    (plain,), _ = train._choice_losses(TRAIN, hold, even, FLIGHTS, candidates, **how)
    (early,), _ = train._choice_losses(TRAIN, hold, lopsided, FLIGHTS, candidates, **how)
    assert early < plain - 0.01  # before 17 h nothing changed, so the loss there is lower


def test_among_candidates_that_do_not_forget_the_lowest_loss_on_labels_is_taken_else_the_least_forgetful() -> None:
    def told(record: FitRecord, name: str) -> float:
        return float(dict(record.params)[name])

    for forgetting in (-1.0, 0.01, float("inf")):
        how = {"serving": "stock", "forgetting": forgetting, **HOW}
        _, chosen, candidates = challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, **how)
        faithful = [one for one in candidates if told(one, "forgotten") <= forgetting]
        name = "cross-validated loss" if faithful else "forgotten"
        assert told(chosen, name) == min(told(one, name) for one in faithful or candidates)


def test_only_old_rows_whose_answers_hold_count_as_forgotten() -> None:
    nowhere = np.zeros(len(TRAIN), dtype=bool)
    _, _, candidates = challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving="stock", still_true=nowhere, **HOW)
    assert [dict(one.params)["forgotten"] for one in candidates] == ["+0.00000"] * len(candidates)


def test_the_same_seed_makes_the_same_choice_and_the_same_stock_model(challenged: dict[str, Challenged]) -> None:
    first, second = challenged["stock"], challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving="stock", **HOW)
    rows = HOLDOUT[list(FLIGHTS.features)]
    one, other = (pipeline.predict_proba(rows) for pipeline, *_ in (first, second))
    assert np.allclose(one, other, rtol=0, atol=1e-12)  # trees are summed in the order in which threads finish
    assert first[1].params == second[1].params


def test_a_regression_is_challenged_too() -> None:
    how: dict[str, Any] = {"estimators": ("linear",), "loss": "absolute", "seed": 0}
    _, record, candidates = challenge(TRAIN, HOLDOUT, DRIFTED, DELAYS, serving="accelerated", **how)
    assert len(candidates) == 3
    assert record.holdout_loss > 0
    assert record.engines[1].accelerated


def test_rows_of_a_single_class_cannot_teach() -> None:
    with pytest.raises(BadData, match="600 training rows hold 1 classes of 'late'; two are needed"):
        fit(TRAIN.assign(late="no"), HOLDOUT, FLIGHTS, estimator="linear", loss="brier", seed=0, serving="stock")


def test_infinite_values_are_told_and_no_foreign_error_leaks() -> None:
    with pytest.raises(BadData, match="600 training rows cannot be learned from: Input X contains infinity"):
        fit(TRAIN.assign(hour=np.inf), HOLDOUT, FLIGHTS, estimator="linear", loss="brier", seed=0, serving="stock")


def test_an_empty_list_of_estimators_is_refused() -> None:
    with pytest.raises(BadSettings, match="no estimator to choose from"):
        challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, estimators=(), loss="brier", seed=0, serving="stock")
