import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame, Series

from monitors.calibration import read_columns
from monitors.contrasts import beyond_chance, standardise
from monitors.sketch import add_up, read_column
from records.schema import Schema

SCHEMA = Schema("id", "at", "late", "classification", ("temp",), ("sky",))


def frame_of(temp: list[float | None], sky: list[str | None]) -> DataFrame:
    return DataFrame({"temp": Series(temp, dtype=float), "sky": Series(sky, dtype=object)})


def test_ranks_do_not_depend_on_scale_nor_on_outliers() -> None:
    values = Series(np.random.default_rng(0).normal(size=500))
    plain = read_column("x", values, numeric=True).ranks(values)
    cubed = read_column("x", values**3 * 1e6, numeric=True).ranks(values**3 * 1e6)
    np.testing.assert_array_equal(plain, cubed)


def test_the_mean_rank_of_the_snapshot_is_one_half_with_or_without_ties() -> None:
    for values in (Series(np.arange(1000.0)), Series([0.0] * 300 + [1.0] * 700), Series([5.0] * 10)):
        assert read_column("x", values, numeric=True).ranks(values).mean() == pytest.approx(0.5, abs=0.005)


def test_a_column_without_values_can_be_read() -> None:
    nothing = Series([None] * 5, dtype=float)
    column = read_column("x", nothing, numeric=True)
    assert np.isnan(column.ranks(nothing)).all()
    assert column.rows(Series([1.0]))[1].tolist() == [True]


def test_rare_values_are_other_and_missing_has_its_own_place() -> None:
    commonest = [f"v{place:02d}" for place in range(16) for _ in range(20 - place)]
    column = read_column("sky", Series(commonest), numeric=False)
    assert len(column.levels) == 15
    assert column.codes(Series(["v00", "v15", "never seen", None])).tolist() == [0, 15, 15, 16]


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(-5, 5)), st.sampled_from(["a", "b", None]), st.integers(0, 2)),
                min_size=1, max_size=40))  # fmt: skip
def test_the_sums_of_pieces_add_up_to_the_sums_of_all_rows(rows: list[tuple[float | None, str | None, int]]) -> None:
    frame = frame_of([row[0] for row in rows], [row[1] for row in rows])
    ids = np.array([row[2] for row in rows])
    columns = read_columns(frame, SCHEMA)
    parts = add_up(frame, columns, [(0, 1)], ids, 3)
    whole = add_up(frame, columns, [(0, 1)], np.zeros(len(rows), dtype=np.int64), 1)
    np.testing.assert_allclose(parts.single.sum(axis=0), whole.single[0], atol=1e-9)
    np.testing.assert_array_equal(parts.pairs.sum(axis=0), whole.pairs[0])
    assert parts.rows.sum() == parts.pairs.sum() == len(rows)
    np.testing.assert_array_equal(parts.values[0].sum(axis=1), whole.values[0].sum(axis=1))


def test_each_entry_is_standardised_by_the_others() -> None:
    contrasts = np.random.default_rng(0).normal(size=(30, 4))
    sizes = standardise(contrasts, np.zeros(4))
    others = np.delete(contrasts[:, 2], 7)
    expected = (contrasts[7, 2] - others.mean()) / (others.std(ddof=1) * (1 + 1 / 29) ** 0.5)
    assert sizes[7, 2] == pytest.approx(expected)


def test_what_never_varied_is_measured_by_its_floor() -> None:
    assert standardise(np.array([[0.3], [0.0], [0.0]]), np.array([0.1]))[0, 0] == pytest.approx(3.0)


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_a_distance_beyond_chance_is_at_most_the_distance(distance: float, null: list[float]) -> None:
    assert 0 <= beyond_chance(distance, np.array(null)) <= distance + 1e-12
