import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline

from models.calibration import biases
from records.schema import Schema

TWO = Schema("id", "at", "late", "classification", ("x",), (), ("no", "yes"))
NUMBER = Schema("id", "at", "y", "regression", ("x",), ())


def always(share: float) -> Pipeline:
    """A model that says `yes` with this probability to every row."""
    n_yes = round(100 * share)
    labels = ["yes"] * n_yes + ["no"] * (100 - n_yes)
    return Pipeline([("model", DummyClassifier(strategy="prior").fit(np.zeros((100, 1)), labels))])


def test_the_bias_is_the_mean_prediction_minus_the_mean_answer() -> None:
    frame = pd.DataFrame({"x": np.zeros(400), "late": ["yes"] * 100 + ["no"] * 300})
    (found,) = biases(always(0.25), always(0.45), frame, np.full(400, 0.5), TWO, alpha=0.05)
    assert (found.name, found.n_rows) == ("yes", 400)
    assert found.champion.value == pytest.approx(0)
    assert found.challenger.value == pytest.approx(0.2)
    assert found.challenger.low > 0.1


def test_rows_weigh_by_one_over_their_inclusion_probability() -> None:
    frame = pd.DataFrame({"x": np.zeros(40), "late": ["yes"] * 20 + ["no"] * 20})
    inclusion = np.repeat([0.75, 0.25], 20)  # the answers of the batch: a quarter is `yes`
    (found,) = biases(always(0.25), always(0.5), frame, inclusion, TWO, alpha=0.05)
    assert found.champion.value == pytest.approx(0)
    assert found.challenger.value == pytest.approx(0.25)


def test_each_of_three_classes_has_its_bias() -> None:
    three = Schema("id", "at", "kind", "classification", ("x",), (), ("a", "b", "c"))
    frame = pd.DataFrame({"x": np.zeros(30), "kind": ["a", "b", "c"] * 10})
    old, new = [
        Pipeline([("model", DummyClassifier(strategy="prior").fit(np.zeros((len(y), 1)), y))])
        for y in (list("abc"), list("aabc"))
    ]
    found = biases(old, new, frame, np.ones(30), three, alpha=0.05)
    assert [one.name for one in found] == ["a", "b", "c"]
    assert [round(one.challenger.value, 4) for one in found] == [0.1667, -0.0833, -0.0833]


def test_a_regression_is_told_in_standard_deviations_of_the_answers() -> None:
    frame = pd.DataFrame({"x": np.zeros(100), "y": np.tile([0.0, 20.0], 50)})
    old, new = [
        Pipeline([("model", DummyRegressor(strategy="constant", constant=c).fit(np.zeros((2, 1)), [0.0, 1.0]))])
        for c in (10.0, 15.0)
    ]
    (found,) = biases(old, new, frame, np.ones(100), NUMBER, alpha=0.05)
    assert found.name == "y"
    assert (found.champion.value, found.challenger.value) == (0.0, 0.5)


def test_fewer_than_two_rows_say_nothing() -> None:
    frame = pd.DataFrame({"x": [0.0], "late": ["yes"]})
    assert biases(always(0.5), always(0.5), frame, np.ones(1), TWO, alpha=0.05) == ()
