from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.recipe import RECIPES, Recipe, ages_of, own_weights, positions, row_weights, still_old
from records.errors import BadData
from records.window import Window
from tests.models.conftest import FLIGHTS, flights

OLD = flights(400, seed=10)
NEW = flights(10, seed=11, start="2013-06-01").assign(inclusion=0.5)


def test_all_labels_together_weigh_what_the_recipe_says() -> None:
    old, labels = row_weights(Recipe("half", kept_share=1.0, label_weight=0.25), np.ones(400), 10)
    assert old.tolist() == [1.0] * 400
    assert labels.tolist() == [10.0] * 10


def test_one_label_never_counts_as_more_than_the_most_copies() -> None:
    recipe = Recipe("loud", kept_share=1.0, label_weight=10.0, most_copies=20.0)
    _, labels = row_weights(recipe, np.ones(400), 10)
    assert labels.tolist() == [20.0] * 10


def test_recent_keeps_the_latest_rows_of_the_snapshot_however_they_are_ordered() -> None:
    shuffled = OLD.sample(frac=1, random_state=0)
    kept = still_old(shuffled, NEW, FLIGHTS)
    old, _ = row_weights(Recipe("recent", kept_share=0.25, label_weight=2.0), np.ones(400), 10)
    assert kept["id"][old > 0].tolist() == OLD["id"][300:].tolist()


def test_a_label_replaces_the_snapshots_row_of_the_same_key() -> None:
    assert still_old(OLD, OLD.tail(1), FLIGHTS)["id"].tolist() == OLD["id"][:-1].tolist()


def test_weights_of_the_snapshot_are_kept_and_scaled_to_a_mean_of_one() -> None:
    own = own_weights(OLD.assign(weight=np.where(np.arange(400) < 200, 1.0, 3.0)), FLIGHTS)
    old, _ = row_weights(RECIPES[0], own, 10)
    assert (old[0], old[399], old.mean()) == (0.5, 1.5, 1.0)


def test_a_feature_named_weight_is_no_weight() -> None:
    schema = replace(FLIGHTS, numeric=("hour", "weight"))
    assert own_weights(OLD.assign(weight=3.0), schema).tolist() == [1.0] * 400


@given(st.sampled_from(RECIPES), st.integers(1, 60), st.integers(1, 30), st.integers(0, 99))
def test_kept_old_rows_weigh_one_on_average_and_ageing_takes_nothing_from_all_labels_together(
    recipe: Recipe, n_old: int, n_labels: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    likeness, ages = generator.uniform(0.1, 3, n_old), generator.integers(0, 9, n_labels).astype(float)
    holds = generator.random(n_old) < 0.7
    old, labels = row_weights(recipe, np.ones(n_old), n_labels, likeness=likeness, holds=holds, ages=ages)
    _, fresh = row_weights(recipe, np.ones(n_old), n_labels, holds=holds)
    assert np.isclose(old.sum(), holds.sum() if recipe.holding else np.ceil(recipe.kept_share * n_old))
    assert not recipe.holding or not old[~holds].any()
    assert np.isclose(labels.sum(), fresh.sum())
    assert all(labels[ages == ages.min()] >= labels.max() - 1e-12)


def test_a_label_is_as_many_windows_old_as_windows_as_long_as_today_lie_between() -> None:
    today = flights(100, seed=12, start="2013-03-01")  # 99 steps of 7 minutes
    length = today["at"].max() - today["at"].min()
    labels = today.head(3).assign(at=today["at"].min() + length * np.array([0.5, -0.5, -3.0]))
    assert ages_of(labels, today, FLIGHTS).tolist() == [0.0, 1.0, 3.0]
    window = Window(today["at"].min() - length, today["at"].max() + timedelta(hours=1))
    assert ages_of(labels, today, FLIGHTS, window=window).tolist() == [0.0, 0.0, 1.0]
    assert ages_of(labels, today.head(0), FLIGHTS).tolist() == [0.0, 0.0, 0.0]


def test_a_row_of_weight_zero_is_never_drawn() -> None:
    weights = np.array([0.0, 1.0, 2.0, 0.0])
    assert set(positions(weights, n=50, seed=0)) == {1, 2}


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=30).filter(lambda w: sum(w) > 0.1),
    st.integers(1, 200),
    st.integers(0, 99),
)
def test_every_row_comes_as_often_as_its_weight_rounded_up_or_down(weights: list[float], n: int, seed: int) -> None:
    drawn = np.bincount(positions(np.array(weights), n=n, seed=seed), minlength=len(weights))
    expected = np.array(weights) / sum(weights) * n
    assert drawn.sum() == n
    assert (np.abs(drawn - expected) < 1 + 1e-6).all()


def test_equal_weights_return_every_row_once() -> None:
    assert positions(np.full(400, 0.1), n=400, seed=5).tolist() == list(range(400))


@pytest.mark.parametrize("weights", [np.ones(0), np.zeros(400), np.full(400, -1.0), np.full(400, np.nan)])
def test_weights_that_cannot_be_drawn_by_are_refused(weights: NDArray[np.float64]) -> None:
    with pytest.raises(BadData, match="cannot be drawn by"):
        positions(weights, n=10, seed=0)
