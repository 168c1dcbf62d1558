import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import special, stats

from models.compare import Regime, compare, gain, spent_alpha
from models.weighted import as_one
from records.comparison import Rule
from records.errors import BadData

WHO: dict[str, Any] = {"model": "flights", "champion": 1, "challenger": 2}


def regime(old: ArrayLike, new: ArrayLike, inclusion: ArrayLike | None = None) -> Regime:
    drawn = np.ones(len(np.asarray(old))) if inclusion is None else np.asarray(inclusion, dtype=float)
    return Regime("evenings", "must gain", np.asarray(old, dtype=float), np.asarray(new, dtype=float), drawn)


rows = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1)), min_size=2, max_size=40)


@given(rows, st.sampled_from(["brier", "zero_one"]))
def test_swapping_the_models_turns_the_gain_and_its_interval_round(
    cases: list[tuple[float, float, float]], loss: str
) -> None:
    old, new, inclusion = (np.array(column) for column in zip(*cases, strict=True))
    (ahead,) = compare([regime(old, new, inclusion)], **WHO, loss=loss, alpha=0.025).regimes
    (back,) = compare([regime(new, old, inclusion)], **WHO, loss=loss, alpha=0.025).regimes
    assert math.isclose(ahead.gain.value, -back.gain.value, abs_tol=1e-12)
    assert math.isclose(ahead.gain.low, -back.gain.high, abs_tol=1e-9)
    assert math.isclose(ahead.gain.high, -back.gain.low, abs_tol=1e-9)
    assert (ahead.champion_loss, ahead.challenger_loss) == (back.challenger_loss, back.champion_loss)


@given(rows)
def test_the_gain_is_the_difference_of_the_losses_and_inside_its_interval(
    cases: list[tuple[float, float, float]],
) -> None:
    old, new, inclusion = (np.array(column) for column in zip(*cases, strict=True))
    (one,) = compare([regime(old, new, inclusion)], **WHO, loss="brier", alpha=0.025).regimes
    assert math.isclose(one.gain.value, one.champion_loss - one.challenger_loss, abs_tol=1e-9)
    assert one.gain.low <= one.gain.value <= one.gain.high


def test_equal_weights_give_students_paired_interval() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1, 25)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    estimate = gain(differences, np.ones(25), alpha=0.05)
    assert np.allclose([estimate.low, estimate.high], [expected.low, expected.high])


def test_a_row_drawn_with_half_the_probability_counts_twice() -> None:
    (one,) = compare([regime([1, 0], [0, 0], [0.5, 1])], **WHO, loss="brier", alpha=0.025).regimes
    assert math.isclose(one.gain.value, 2 / 3)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_rows_have_no_gain(n: int) -> None:
    (one,) = compare([regime([0.5] * n, [0.25] * n)], **WHO, loss="brier", alpha=0.025).regimes
    assert one.n_rows == n
    assert all(map(math.isnan, (one.gain.value, one.gain.low, one.gain.high)))


def test_models_that_never_differ_in_thirty_answers_may_still_differ() -> None:
    estimate = gain(np.zeros(30), np.ones(30), alpha=0.05, steps=True)
    assert estimate.value == 0
    assert round(estimate.high, 4) == round(-estimate.low, 4) == 0.065


def test_later_looks_widen_the_interval_of_what_must_gain_and_not_of_what_protects() -> None:
    losses = np.random.default_rng(0).uniform(size=(2, 40))
    kinds: tuple[Rule, ...] = ("must gain", "must not lose", "must not clearly lose")
    regimes = [Regime(kind, kind, losses[0], losses[1], np.ones(40)) for kind in kinds]
    once, twice, thrice = (
        compare(regimes, **WHO, loss="brier", alpha=0.05, n_labels=40, spent=spent).regimes
        for spent in (0.0, 0.01, 0.015)
    )
    widths = [[one.gain.high - one.gain.low for one in found] for found in (once, twice, thrice)]
    assert widths[2][0] > widths[1][0] > widths[0][0]
    assert widths[2][1:] == widths[1][1:] == widths[0][1:]


@pytest.mark.parametrize(("n_gaining", "could_promote"), [(29, False), (30, True)])
def test_a_look_with_too_few_rows_that_must_gain_spends_nothing(n_gaining: int, could_promote: bool) -> None:
    rows = np.ones(n_gaining)
    found = compare(
        [Regime("slices", "must gain", rows, rows * 0.5, rows)],
        **WHO,
        loss="brier",
        alpha=0.05,
        n_labels=75,
        minimum_labels=30,
    )
    assert found.level == (spent_alpha(0.05, n_labels=75) if could_promote else 0.0)


@pytest.mark.parametrize("spent", [0.0155, 0.05])
def test_a_look_at_labels_that_are_spent_promotes_next_to_nothing_and_its_interval_is_a_number(spent: float) -> None:
    same = Regime("same", "must gain", np.ones(30), np.ones(30), np.ones(30))
    differing = regime([0.5, 0.6, 0.7] * 10, [0.25, 0.4, 0.6] * 10)
    found = compare([differing, same], **WHO, loss="brier", alpha=0.05, n_labels=30, spent=spent)
    assert 0 < found.level < 1e-6
    gained, equal = (one.gain for one in found.regimes)
    assert math.isfinite(gained.low)
    assert gained.high - gained.low > 0.1
    assert equal.low == equal.high == 0.0


looks = st.tuples(st.integers(0, 500), st.integers(0, 500), st.floats(0.01, 0.2))


@given(st.lists(looks, min_size=1, max_size=30))
def test_all_looks_together_err_with_at_most_the_largest_alpha(seen: list[tuple[int, int, float]]) -> None:
    """However many labels come or go and whatever is set in between; levels are read from the widths of intervals."""
    losses = np.random.default_rng(0).normal(size=(2, 50))
    spread = np.std(losses[0] - losses[1], ddof=1) / np.sqrt(50)
    spent = errs = 0.0
    for n_labels, fewest, alpha in seen:
        regimes = [Regime("all", "must gain", losses[0], losses[1], np.ones(50))]
        found = compare(
            regimes, **WHO, loss="brier", alpha=alpha, n_labels=n_labels, spent=spent, minimum_labels=fewest
        )
        spent += found.level
        if fewest <= 50:
            gained = found.regimes[0].gain
            errs += special.stdtr(49, -(gained.high - gained.low) / 2 / spread)
    assert errs <= max(alpha for _, _, alpha in seen) * 1.0001


def test_a_smaller_alpha_widens_the_interval() -> None:
    differences = np.random.default_rng(0).normal(0, 1, 25)
    wide, narrow = (gain(differences, np.ones(25), alpha=alpha) for alpha in (0.01, 0.1))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("n", [30, 200])
def test_the_interval_covers_the_truth_as_often_as_it_promises(n: int, steps: bool) -> None:
    """800 weighted samples at nominal .95; a right interval leaves [.92, .985] once in some 10 000 such tests."""
    generator = np.random.default_rng(n)
    size = 100_000
    inside = generator.uniform(size=size) < 0.2
    if steps:
        population = generator.choice([-1.0, 0.0, 1.0], size, p=[0.15, 0.65, 0.2]) * np.where(inside, 1, 0.8).round()
    else:
        population = generator.normal(0.02, 0.1, size) + np.where(inside, generator.normal(0.05, 0.2, size), 0)
    inclusion = np.where(inside, 1.0, 0.25)
    cumulative = np.cumsum(inclusion) / inclusion.sum()
    covered = 0
    for _ in range(800):
        drawn = np.searchsorted(cumulative, generator.uniform(size=n))
        estimate = gain(population[drawn], 1 / inclusion[drawn], alpha=0.05, steps=steps)
        covered += estimate.low <= population.mean() <= estimate.high
    assert 0.92 <= covered / 800 <= 0.985


def test_the_interval_of_pooled_windows_covers_though_they_were_drawn_with_different_probabilities() -> None:
    """Three windows of 20, 20 and 40 labels, drawn thinly or densely: the truth is their means by their labels."""
    generator = np.random.default_rng(3)
    windows = []
    for n, size, shift in ((20, 200, 0.03), (20, 20_000, -0.05), (40, 2_000, 0.0)):
        inside = generator.uniform(size=size) < 0.3
        population = generator.normal(shift, 0.1, size) + np.where(inside, generator.normal(0.05, 0.2, size), 0)
        inclusion = np.where(inside, 1.0, 0.5) * n / np.where(inside, 1.0, 0.5).sum()
        windows.append((n, population, inclusion, np.cumsum(inclusion) / inclusion.sum()))
    truth = np.average([population.mean() for _, population, _, _ in windows], weights=[20, 20, 40])
    covered = 0
    for _ in range(800):
        drawn = [np.searchsorted(cumulative, generator.uniform(size=n)) for n, _, _, cumulative in windows]
        pairs = list(zip(windows, drawn, strict=True))
        differences = np.concatenate([population[rows] for (_, population, _, _), rows in pairs])
        pooled = as_one([inclusion[rows] for (_, _, inclusion, _), rows in pairs])
        estimate = gain(differences, 1 / pooled, alpha=0.05)
        covered += estimate.low <= truth <= estimate.high
    assert 0.92 <= covered / 800 <= 0.985


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadData, match=r"'evenings' has arrays of \[1, 2\] rows"):
        compare([regime([1, 0], [1], [1, 1])], **WHO, loss="brier", alpha=0.025)


@pytest.mark.parametrize("wrong", [0.0, -1.0, 1.5, math.nan])
def test_an_impossible_inclusion_probability_is_refused(wrong: float) -> None:
    with pytest.raises(BadData, match="inclusion probability of"):
        compare([regime([1, 0], [1, 0], [1, wrong])], **WHO, loss="brier", alpha=0.025)
