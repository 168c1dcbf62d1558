import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.recipe import RECIPES, Recipe, ages_of, positions, resample, row_weights, training_frames
from records.errors import BadData
from tests.models.conftest import FLIGHTS, flights

OLD = flights(400, seed=10)
NEW = flights(10, seed=11, start="2013-06-01").assign(inclusion=0.5)


def test_all_labels_together_weigh_what_the_recipe_says() -> None:
    recipe = Recipe("half", kept_share=1.0, label_weight=0.25)
    frame, weights = training_frames(OLD, NEW, FLIGHTS, recipes=(recipe,))["half"]
    assert len(frame) == 410
    assert weights[:400].tolist() == [1.0] * 400
    assert weights[400:].tolist() == [10.0] * 10


def test_one_label_never_counts_as_more_than_the_most_copies() -> None:
    recipe = Recipe("loud", kept_share=1.0, label_weight=10.0, most_copies=20.0)
    _, weights = training_frames(OLD, NEW, FLIGHTS, recipes=(recipe,))["loud"]
    assert weights[400:].tolist() == [20.0] * 10


def test_recent_keeps_the_latest_rows_of_the_snapshot_however_they_are_ordered() -> None:
    shuffled = OLD.sample(frac=1, random_state=0)
    recent = Recipe("recent", kept_share=0.25, label_weight=2.0)
    frame, _ = training_frames(shuffled, NEW, FLIGHTS, recipes=(recent,))["recent"]
    assert frame["id"].tolist() == OLD["id"][300:].tolist() + NEW["id"].tolist()


def test_a_label_replaces_the_snapshots_row_of_the_same_key() -> None:
    relabelled = OLD.tail(1).assign(late="changed", inclusion=1.0)
    frame, _ = training_frames(OLD, relabelled, FLIGHTS)["all data"]
    assert len(frame) == 400
    assert frame.loc[frame["id"] == OLD["id"].iloc[-1], "late"].tolist() == ["changed"]


def test_weights_of_the_snapshot_are_kept_and_scaled_to_a_mean_of_one() -> None:
    weighted = OLD.assign(weight=np.where(np.arange(400) < 200, 1.0, 3.0))
    frame, weights = training_frames(weighted, NEW, FLIGHTS)["all data"]
    assert "weight" not in frame.columns
    assert (weights[0], weights[399], weights[:400].mean()) == (0.5, 1.5, 1.0)


def test_without_labels_the_snapshot_is_the_training_set() -> None:
    frame, weights = training_frames(OLD, NEW.head(0), FLIGHTS)["all data"]
    pd.testing.assert_frame_equal(frame, OLD[[*FLIGHTS.production, "late"]])
    assert weights.tolist() == [1.0] * 400


def test_the_inputs_are_left_as_they_were() -> None:
    old, new = OLD.copy(), NEW.copy()
    training_frames(OLD, NEW, FLIGHTS)
    pd.testing.assert_frame_equal(OLD, old)
    pd.testing.assert_frame_equal(NEW, new)


@given(st.sampled_from(RECIPES), st.integers(1, 60), st.integers(1, 30), st.integers(0, 99))
def test_kept_old_rows_weigh_one_on_average_and_ageing_takes_nothing_from_all_labels_together(
    recipe: Recipe, n_old: int, n_labels: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    likeness, ages = generator.uniform(0.1, 3, n_old), generator.integers(0, 9, n_labels).astype(float)
    old, labels = row_weights(recipe, np.ones(n_old), n_labels, likeness=likeness, ages=ages)
    _, fresh = row_weights(recipe, np.ones(n_old), n_labels)
    assert np.isclose(old.sum(), np.ceil(recipe.kept_share * n_old))
    assert np.isclose(labels.sum(), fresh.sum())
    assert all(labels[ages == ages.min()] >= labels.max() - 1e-12)


def test_a_label_is_as_many_windows_old_as_windows_as_long_as_today_lie_between() -> None:
    today = flights(100, seed=12, start="2013-03-01")  # 99 steps of 7 minutes
    length = today["at"].max() - today["at"].min()
    labels = today.head(3).assign(at=today["at"].min() + length * np.array([0.5, -0.5, -3.0]))
    assert ages_of(labels, today, FLIGHTS).tolist() == [0.0, 1.0, 3.0]
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
    counts = resample(pd.DataFrame({"row": range(len(weights))}), np.array(weights), n=n, seed=seed)[
        "row"
    ].value_counts()
    expected = np.array(weights) / sum(weights) * n
    drawn = counts.reindex(range(len(weights)), fill_value=0).to_numpy()
    assert drawn.sum() == n
    assert (np.abs(drawn - expected) < 1 + 1e-6).all()


def test_equal_weights_return_every_row_once() -> None:
    pd.testing.assert_frame_equal(resample(OLD, np.full(400, 0.1), n=400, seed=5), OLD)


@pytest.mark.parametrize("weights", [np.ones(3), np.zeros(400), np.full(400, -1.0), np.full(400, np.nan)])
def test_weights_that_cannot_be_drawn_by_are_refused(weights: NDArray[np.float64]) -> None:
    with pytest.raises(BadData, match="cannot be drawn by"):
        resample(OLD, weights, n=10, seed=0)
