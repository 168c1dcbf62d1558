import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pandas import DataFrame, Series

from monitors.calibration import read_columns
from monitors.effect import change_of_share, distance, shift
from monitors.past import Past, pasts_of
from monitors.pieces import Pieces
from monitors.sketch import add_up
from monitors.words import about_category, about_number, numbers_of, share, shares_of
from records.drift import Estimate
from records.schema import Schema

PIECES = Pieces(np.repeat(np.arange(50), 40), n_batch=400, per_batch=10, n_pieces=50, n_real=5, n_chunks=120)
ROWS = np.append(np.full(50, 40.0), 0.0)


def past_of(values: Series) -> Past:
    """The past of a numeric column whose 2 000 rows are in 50 pieces."""
    frame, schema = DataFrame({"x": values}), Schema("id", "at", "y", "regression", ("x",), ())
    columns = read_columns(frame, schema)
    return pasts_of(frame, columns, PIECES, add_up(frame, columns, (), PIECES.ids, 51))["x"]


def by_piece(codes: NDArray[np.int64], n_codes: int) -> NDArray[np.float64]:
    """How often each code occurs in each piece."""
    return np.bincount(PIECES.ids * n_codes + codes, minlength=51 * n_codes).reshape(51, n_codes).astype(float)


def test_a_shift_is_in_snapshot_standard_deviations_with_direction() -> None:
    before = Series(np.random.default_rng(0).normal(60, 16, 2000))
    assert shift(past_of(before), before + 8, PIECES).value == pytest.approx(8 / before.std(ddof=0))
    assert shift(past_of(before), before - 8, PIECES).value == pytest.approx(-8 / before.std(ddof=0))


@pytest.mark.parametrize("day_sd", [0.0, 0.2])
def test_the_interval_of_a_shift_covers_it_in_about_95_of_100_batches(day_sd: float) -> None:
    """Binomial bound for 300 draws: between 91.5 % and 98.5 %."""
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(300):
        before = generator.normal(size=(50, 40)) + generator.normal(0, day_sd, (50, 1))
        now = generator.normal(0.3, 1, size=(10, 40)) + generator.normal(0, day_sd, (10, 1))
        found = shift(past_of(Series(before.ravel())), Series(now.ravel()), PIECES)
        truth = 0.3 / before.std()
        inside += found.low <= truth <= found.high
    assert 0.915 <= inside / 300 <= 0.985


def test_a_shift_without_values_is_undefined_and_of_a_constant_is_measured_with_both() -> None:
    ones = past_of(Series([1.0] * 2000))
    assert np.isnan(shift(ones, Series([np.nan] * 5), PIECES).value)
    assert shift(ones, Series([1.0] * 400), PIECES) == Estimate(0.0, 0.0, 0.0)
    assert shift(ones, Series([3.0] * 400), PIECES).value == pytest.approx(2 / np.sqrt(4 * 5 / 36))


def test_a_change_of_share_is_signed_and_stays_within_one() -> None:
    found = change_of_share(0 * ROWS, ROWS, np.ones(400, dtype=bool), PIECES)
    assert (found.value, found.high) == (1.0, 1.0)
    assert change_of_share(ROWS, ROWS, np.zeros(400, dtype=bool), PIECES).value == -1.0


def test_a_distance_between_like_batches_is_about_zero_and_its_interval_reaches_it() -> None:
    """Twenty values at 400 rows: the plain distance is about 0.09; beyond chance it is small, in 50 draws."""
    generator = np.random.default_rng(2)
    found = [
        distance(by_piece(generator.integers(0, 20, 2000), 20), generator.integers(0, 20, 400), PIECES, seed=draw)
        for draw in range(50)
    ]
    assert np.median([one.value for one in found]) < 0.03
    assert np.mean([one.low == 0 for one in found]) >= 0.95


def test_a_distance_is_the_share_of_rows_that_moved() -> None:
    generator = np.random.default_rng(3)
    before = generator.integers(0, 4, 2000)
    now = np.where(np.arange(400) < 120, 4, generator.integers(0, 4, 400))
    found = distance(by_piece(before, 5), now, PIECES, seed=0)
    assert found.value == pytest.approx(0.3, abs=0.02)
    assert found.low < 0.3 < found.high


def test_a_sentence_names_direction_unit_and_gaps() -> None:
    generator = np.random.default_rng(4)
    before = Series(generator.normal(39.1, 16, 5000), name="temp")
    now = before + 9.8
    before[:10], now[:70] = np.nan, np.nan
    assert about_number(numbers_of(before), numbers_of(now), Estimate(0.61, 0.5, 0.7), unit="°F") == (
        f"temp is missing more often (0.2 % → 1.4 %), higher by {now.mean() - before.mean():.1f} °F (0.61 snapshot sd):"
        f" mean {before.mean():.1f} → {now.mean():.1f}"
    )


def test_a_sentence_tells_a_wider_spread_and_an_empty_column() -> None:
    before = Series(np.random.default_rng(5).normal(0, 1, 500), name="x")
    some, wider = numbers_of(before), numbers_of(before * 2)
    assert "spread (sd) " in about_number(some, wider, Estimate(0.0, 0.0, 0.0))
    nothing = numbers_of(Series([np.nan] * 3, name="x"))
    assert about_number(some, nothing, Estimate(np.nan, np.nan, np.nan)) == (
        "x has no value at all, missing 0 % → 100 %"
    )
    assert about_number(nothing, some, Estimate(np.nan, np.nan, np.nan)) == (
        "x had no value in the snapshot, missing 100 % → 0 %"
    )


def test_a_category_sentence_is_short_whatever_the_values_are() -> None:
    before = Series(["a"] * 50 + [None] * 50, name="carrier", dtype=object)
    now = Series([f"new {place} " + "v" * 100_000 for place in range(10)], name="carrier", dtype=object)
    words = about_category(shares_of(before), shares_of(now))
    assert len(words) < 250
    assert words.startswith("carrier: a 50 % → 0 %, missing 50 % → 0 %, new value new 0 vvv")
    assert words.endswith("8 more new values")
    assert about_category(shares_of(before), shares_of(before)) == "carrier is the same"
    known, unknown = Series(["a"], name="c"), Series([None], name="c", dtype=object)
    assert about_category(shares_of(known), shares_of(unknown)) == ("c: a 100 % → 0 %, missing 0 % → 100 %")


def test_a_share_is_never_rounded_to_nothing() -> None:
    assert [share(part) for part in (1e-9, 0.0005, 0.999)] == ["<0.01 %", "0.05 %", "100 %"]


def test_huge_and_tiny_scales_are_written_readably() -> None:
    huge = Series(np.random.default_rng(6).normal(3e12, 1e11, 100), name="x")
    tiny = Series(np.random.default_rng(7).normal(3e-12, 1e-13, 100), name="x")
    for column in (huge, tiny, pd.Series([5.0] * 10, name="x")):
        assert len(about_number(numbers_of(column), numbers_of(column * 1.5), Estimate(1.0, 0.5, 1.5))) < 120
