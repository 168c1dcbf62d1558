import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from models.shift import importance, moved
from records.schema import Schema

NUMBERS = Schema("id", "at", "y", "regression", ("x", "few"), ("c",))


def test_old_rows_that_are_commoner_today_weigh_more_and_the_mean_is_one() -> None:
    generator = np.random.default_rng(0)
    old, now = generator.normal(0, 1, (800, 2)), generator.normal([1.0, 0.0], 1, (800, 2))
    weights = importance(old, now, seed=0)
    assert abs(weights.mean() - 1) < 1e-9
    assert weights[old[:, 0] > 1].mean() > 2 * weights[old[:, 0] < 0].mean()


def test_the_same_rows_weigh_nearly_alike() -> None:
    generator = np.random.default_rng(1)
    old, now = generator.normal(0, 1, (600, 3)), generator.normal(0, 1, (600, 3))
    assert np.std(importance(old, now, seed=0)) < 0.35


def test_without_rows_of_today_every_row_weighs_one() -> None:
    assert importance(np.zeros((50, 2)), np.empty((0, 2)), seed=0).tolist() == [1.0] * 50


@given(st.floats(-5, 5), st.floats(0.1, 5))
def test_a_column_that_was_scaled_and_pushed_is_found_where_it_lies_today(push: float, scale: float) -> None:
    old = pd.DataFrame({"x": np.linspace(0, 1, 200), "few": np.arange(200) % 3.0, "c": "a"})
    now = old.assign(x=old["x"] * scale + push)
    found = moved(old, now, NUMBERS)
    assert np.allclose(found["x"], now["x"])
    pd.testing.assert_frame_equal(found[["few", "c"]], old[["few", "c"]])


def test_what_is_missing_stays_missing_and_the_input_as_it_was() -> None:
    old = pd.DataFrame({"x": [np.nan, *np.linspace(0, 1, 99)], "few": 0.0, "c": "a"})
    before = old.copy()
    assert np.isnan(moved(old, old.assign(x=old["x"] + 1), NUMBERS)["x"].iloc[0])
    pd.testing.assert_frame_equal(old, before)
