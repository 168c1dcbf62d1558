from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from monitors.pieces import cut, draw, largest_batch, rank_p, split
from records.errors import BadData

WEEK = timedelta(days=7)


def hours(n_rows: int) -> DataFrame:
    return DataFrame({"at": pd.date_range("2013-01-01", periods=n_rows, freq="h", tz="UTC")})


def test_pieces_are_stretches_of_time_of_equal_size_whatever_the_order_of_rows() -> None:
    snapshot = hours(56 * 24).sample(frac=1, random_state=0, ignore_index=True)
    pieces = cut(snapshot, "at", n_batch=168, length=WEEK, n_chunks=120, seed=0)
    assert (pieces.per_batch, pieces.n_pieces, pieces.n_real) == (7, 56, 8)
    days = (snapshot["at"] - snapshot["at"].min()).dt.days
    assert (pieces.ids == days.to_numpy()).all()


def test_where_enough_stretches_fit_each_is_a_batch_and_the_rows_left_over_are_in_none() -> None:
    pieces = cut(hours(300 * 24), "at", n_batch=24, length=timedelta(days=1), n_chunks=120, seed=0)
    assert (pieces.per_batch, pieces.n_pieces, pieces.n_real, pieces.n_chunks) == (1, 120, 300, 120)
    assert np.bincount(pieces.ids).tolist() == [24] * 120 + [180 * 24]


def test_pieces_shorter_than_a_day_divide_each_day_evenly() -> None:
    pieces = cut(hours(2 * 7 * 24 - 48), "at", n_batch=168, length=WEEK, n_chunks=120, seed=0)
    assert pieces.per_batch % 7 == 0


def test_rows_of_one_time_are_cut_at_random() -> None:
    snapshot = DataFrame({"at": pd.to_datetime(["2013-01-01"] * 400, utc=True)})
    first, second = (cut(snapshot, "at", n_batch=10, length=WEEK, n_chunks=40, seed=seed).ids for seed in (0, 1))
    assert sorted(first) == sorted(second)
    assert (first != second).any()
    assert (np.diff(first) < 0).any()


@given(st.integers(20, 400), st.integers(1, 200), st.integers(1, 40), st.integers(1, 30))
def test_every_row_has_a_piece_and_draws_have_as_many_pieces_as_a_batch(
    n_rows: int, n_batch: int, days: int, n_chunks: int
) -> None:
    n_batch = min(n_batch, largest_batch(n_rows))
    length = timedelta(days=days)
    pieces = cut(hours(n_rows), "at", n_batch=n_batch, length=length, n_chunks=n_chunks, seed=0)
    assert len(pieces.ids) == n_rows
    assert 0 <= pieces.ids.min() <= pieces.ids.max() <= pieces.n_pieces
    assert set(range(pieces.n_pieces)) <= set(pieces.ids)
    members = draw(pieces.n_pieces, pieces.per_batch, pieces.n_chunks, seed=0)
    assert (members.sum(axis=1) == pieces.per_batch).all()
    assert len(members) == pieces.n_chunks


def test_a_snapshot_of_a_few_rows_is_refused() -> None:
    with pytest.raises(BadData, match="the snapshot has 19 rows, too few to know what is ordinary"):
        cut(hours(19), "at", n_batch=5, length=WEEK, n_chunks=120, seed=0)


@given(st.integers(1, 1000), st.integers(1, 50))
def test_parts_differ_by_one_row_at_most(n_rows: int, n_parts: int) -> None:
    sizes = np.bincount(split(n_rows, n_parts), minlength=n_parts)
    assert sizes.sum() == n_rows
    assert sizes.max() - sizes.min() <= 1


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30))
def test_the_ranks_of_exchangeable_numbers_are_valid_p_values(numbers: list[float]) -> None:
    values = np.array(numbers)
    p_values = [rank_p(values[place], np.delete(values, place)) for place in range(len(values))]
    for level in (0.05, 0.1, 0.5, 1.0):
        assert np.mean(np.array(p_values) <= level) <= level
