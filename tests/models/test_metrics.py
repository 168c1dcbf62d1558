"""Measures people know, with intervals, on rows drawn with known probabilities."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin

from models.loss import expected as hoped_for
from models.loss import per_row
from models.metrics import measured
from records.errors import BadSettings
from records.schema import Schema

SCHEMA = Schema("id", "at", "y", "classification", ("p",), (), ("no", "yes"), costs=((0.0, 1.0), (10.0, 0.0)))


class Says(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A model whose probability of yes is the row's p."""

    classes_ = ("no", "yes")

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return np.column_stack([1 - X["p"], X["p"]])


def rows(n: int, seed: int, *, changed: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    p = rng.uniform(size=n)
    truth = np.where(rng.random(n) < changed, 1 - p, p)
    return pd.DataFrame({"id": np.arange(n).astype(str), "p": p, "y": np.where(rng.random(n) < truth, "yes", "no")})


def test_weighted_intervals_cover_the_truth_as_often_as_they_promise() -> None:
    everything = rows(20_000, 0, changed=0.3)
    truth = {one.name: one.now.value for one in measured(Says(), everything, everything, np.ones(20_000), SCHEMA)}
    assert truth.keys() == {
        *("accuracy", "balanced accuracy", "log loss", "Brier score", "macro F1", "AUC", "cost"),
    }
    holdout, covered = everything.head(500), dict.fromkeys(truth, 0)
    inclusion = np.where(everything["p"] > 0.5, 0.02, 0.01)
    for seed in range(30):
        drawn = np.random.default_rng(seed).random(20_000) < inclusion
        for one in measured(Says(), holdout, everything[drawn], inclusion[drawn], SCHEMA):
            covered[one.name] += one.now.low <= truth[one.name] <= one.now.high
    assert min(covered.values()) >= 24, covered  # fewer of 30 has probability .06 %


@settings(max_examples=20)
@given(st.integers(2, 5), st.integers(3, 80), st.integers(0, 10_000))
def test_measures_are_those_of_scikit_learn(n_classes: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = tuple("abcde"[:n_classes])
    schema = Schema("id", "at", "y", "classification", tuple(f"p{c}" for c in classes), (), classes)
    chances, inclusion = rng.dirichlet(np.ones(n_classes), n).round(1) + 0.01, rng.uniform(0.1, 1.0, n)
    chances /= chances.sum(axis=1, keepdims=True)
    frame = pd.DataFrame(chances, columns=list(schema.features)).assign(y=rng.choice(list(classes), n))

    class Repeats(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = classes

        def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
            return X.to_numpy(dtype=float)

    found = {one.name: one.now.value for one in measured(Repeats(), frame, frame, inclusion, schema)}
    chosen, weights = np.array(classes)[chances.argmax(axis=1)], 1 / inclusion
    expected = {
        "accuracy": metrics.accuracy_score(frame.y, chosen, sample_weight=weights),
        "balanced accuracy": metrics.recall_score(
            frame.y, chosen, labels=np.unique(frame.y), average="macro", sample_weight=weights
        ),
        "macro F1": metrics.f1_score(frame.y, chosen, average="macro", sample_weight=weights, zero_division=0.0),
        "log loss": metrics.log_loss(frame.y, chances, labels=list(classes), sample_weight=weights),
    }
    if frame.y.nunique() > 1:
        here = classes[-1:] if n_classes == 2 else np.unique(frame.y)
        scores = [metrics.roc_auc_score(frame.y == c, frame[f"p{c}"], sample_weight=weights) for c in here]
        expected["AUC"] = float(np.mean(scores))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_a_measure_that_is_not_defined_is_left_out() -> None:
    holdout, one_class = rows(100, 1), rows(40, 2).query("y == 'no'")
    names = {one.name for one in measured(Says(), holdout, one_class, np.ones(len(one_class)), SCHEMA)}
    assert "AUC" not in names
    assert "accuracy" in names
    assert measured(Says(), holdout, holdout.head(0), np.ones(0), SCHEMA) == ()


@pytest.mark.parametrize("loss", ["brier", "log", "zero_one", "cost"])
def test_the_loss_a_calibrated_model_expects_is_what_it_gets(loss: str) -> None:
    frame = rows(40_000, 3)
    got, hoped = per_row(Says(), frame, SCHEMA, loss), hoped_for(Says(), frame, SCHEMA, loss)
    assert got.mean() == pytest.approx(hoped.mean(), abs=5 * got.std() / 200)


def test_a_cost_nobody_named_is_refused() -> None:
    plain = Schema("id", "at", "y", "classification", ("p",), (), ("no", "yes"))
    with pytest.raises(BadSettings, match=r"columns\.costs"):
        per_row(Says(), rows(3, 4), plain, "cost")
