"""Looking early: simulated paths, and what is advised while it is not decided."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitors.advice import Budget, advise
from monitors.looks import chance, spent
from records.decay import Decay
from records.drift import Estimate
from records.errors import BadData
from records.window import Window

WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
NOTHING = Estimate(0.0, -0.02, 0.02)
DECAY = Decay("m", WEEK, 1, "brier", 0.2, NOTHING, NOTHING, NOTHING, 100, 0.9, 0.0, "", 99.0)


@pytest.mark.parametrize("looks", [(1.0,), (0.25, 0.5, 1.0), (0.1, 0.2, 0.3, 0.9), (0.125, 0.25, 0.5, 1.0)])
def test_all_looks_together_err_as_often_as_is_promised(looks: tuple[float, ...]) -> None:
    steps = np.sqrt(np.diff((0.0, *looks)))
    walk = (np.random.default_rng(0).normal(size=(400_000, len(looks))) * steps).cumsum(axis=1) / np.sqrt(looks)
    limits = [stats.norm.isf(spent(looks[: k + 1], 0.025)) for k in range(len(looks))]
    assert (walk > limits).any(axis=1).mean() == pytest.approx(0.025 * looks[-1], abs=0.001)


@given(st.lists(st.floats(0.02, 0.3), min_size=1, max_size=5), st.floats(0.001, 0.1))
def test_a_look_spends_no_more_than_all_that_may_be_spent(gaps: list[float], alpha: float) -> None:
    looks = np.minimum(np.cumsum(gaps), 1.0)
    if len(set(looks)) == len(looks):
        assert 0 < spent(looks.tolist(), alpha) <= alpha * looks[-1] + 1e-9


@pytest.mark.parametrize("looks", [(), (0.5, 0.5), (0.0, 1.0), (0.5, 1.2)])
def test_looks_that_do_not_rise_are_refused(looks: tuple[float, ...]) -> None:
    with pytest.raises(BadData, match="looks come at rising shares"):
        spent(looks, 0.05)


def test_the_chance_of_harm_is_how_often_it_would_show() -> None:
    rng = np.random.default_rng(1)
    effect = rng.normal(1.2, 1.0, 400_000)  # what is believed of a statistic of 1.2 with standard error 1
    final = (0.5 * 1.2 + 0.5 * rng.normal(effect, 1.0)) / np.sqrt(0.5)
    assert chance(1.2, 0.5, 0.025) == pytest.approx((final > stats.norm.isf(0.025)).mean(), abs=0.003)


@pytest.mark.parametrize(
    ("change", "finding", "budget", "action", "words"),
    [
        (
            {"total": Estimate(0.1, 0.05, 0.15)},
            "harm",
            Budget(n_left=50, price=2),
            "retrain",
            "50 more labels (100.00)",
        ),
        ({}, "no harm", Budget(), "nothing", "ruled out"),
        ({}, "unclear", Budget(share=0.9, n_left=20), "nothing", "harm was not shown"),
        ({"total": Estimate(0.02, -0.01, 0.05)}, "unclear", Budget(share=0.3, n_left=20), "ask", "20 more rows"),
        ({"total": Estimate(0.02, -0.001, 0.041)}, "unclear", Budget(), "retrain", "no label is left"),
        ({"total": Estimate(0.02, -0.001, 0.041)}, "unclear", Budget(n_left=9), "ask", "9 more rows to learn from"),
        ({}, "unclear", Budget(n_left=9), "nothing", "less likely than not"),
        ({}, "unclear", Budget(share=0.5, n_waiting=7), "wait", "7 answers"),
        ({"total": Estimate(*[float("nan")] * 3), "n_labels": 3}, "unclear", Budget(n_left=9), "ask", "3 answers"),
        ({"total": Estimate(*[float("nan")] * 3), "n_labels": 3}, "unclear", Budget(), "wait", "3 answers"),
    ],
)
def test_the_advice_follows_from_what_is_known_and_what_is_left(change, finding, budget, action, words) -> None:
    advice = advise(replace(DECAY, **change), finding, budget, tolerance=0.005)
    assert (advice.action, words in advice.sentence) == (action, True), advice.sentence
    assert advice.cost == advice.n_labels * budget.price
