from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pandas import DataFrame

from monitors.calibration import MOST_PAIRS, calibrate
from monitors.ranking import COLUMN_PAIR, MANY_COLUMNS, ONE_COLUMN, THREE_COLUMNS, Ranked, rank
from records.schema import Schema
from tests.monitors.rows import rows_of, schema_of

DAY, WEEK = timedelta(days=1), timedelta(days=7)


def ranked(snapshot: DataFrame, batch: DataFrame, *, length: timedelta = WEEK, seed: int = 0) -> Ranked:
    schema = schema_of()
    null = calibrate(snapshot, schema, len(batch), length=length, seed=seed)
    return rank(null, batch, time="at", seed=seed)


def shares_at_most(p_values: list[float], level: float) -> float:
    return float(np.mean(np.array(p_values) <= level))


@pytest.mark.parametrize(
    ("snapshot_days", "batch_days", "per_day", "day_sd"),
    [(120, 1, 30, 0.0), (42, 7, 12, 0.0), (42, 7, 12, 0.15), (60, 1, 40, 0.3)],
)
def test_p_values_are_valid_where_days_are_exchangeable(
    snapshot_days: int, batch_days: int, per_day: int, day_sd: float
) -> None:
    """At most 10 % (and 30 %) of undrifted batches get p <= .1 (.3), within three standard errors of 80 batches."""
    p_values = [
        ranked(
            rows_of(snapshot_days, seed=2 * draw, per_day=per_day, day_sd=day_sd),
            rows_of(batch_days, seed=2 * draw + 1, per_day=per_day, day_sd=day_sd),
            length=timedelta(days=batch_days),
            seed=draw,
        ).p_value
        for draw in range(80)
    ]
    assert shares_at_most(p_values, 0.1) <= 0.1 + 3 * (0.1 * 0.9 / 80) ** 0.5
    assert shares_at_most(p_values, 0.3) <= 0.3 + 3 * (0.3 * 0.7 / 80) ** 0.5
    assert shares_at_most(p_values, 0.5) >= 0.5 - 3 * (0.5 * 0.5 / 80) ** 0.5  # and they are not idle


def test_a_shift_of_half_a_standard_deviation_is_found_and_named() -> None:
    batch = rows_of(7, seed=1, day_sd=0.05)
    batch["x3"] += 0.5
    found = ranked(rows_of(56, seed=0, day_sd=0.05), batch)
    assert (found.p_value, found.family, found.columns) == (1 / 121, ONE_COLUMN, ("x3",))
    assert np.isnan(found.distance)


def test_a_flipped_correlation_is_found_by_the_pair_that_flipped() -> None:
    snapshot = rows_of(56, seed=0, together=0.9, day_sd=0.05)
    found = ranked(snapshot, rows_of(7, seed=1, together=0.9, flipped=0.3, day_sd=0.05))
    assert (found.p_value, found.family, found.columns) == (1 / 121, COLUMN_PAIR, ("x0", "x1"))
    assert 0.15 < found.distance < 0.3  # 30 % of rows went elsewhere


def test_a_pair_that_appears_where_it_never_was_is_found_among_real_chunks_too() -> None:
    """The cells in which flipped rows arrive are as good as empty in the snapshot."""
    snapshot = rows_of(120, seed=0, per_day=200, together=0.9)
    found = ranked(snapshot, rows_of(1, seed=1, per_day=200, together=0.9, flipped=0.3), length=DAY)
    assert (found.p_value, found.family, found.columns) == (1 / 121, COLUMN_PAIR, ("x0", "x1"))


def test_many_small_shifts_are_found_together() -> None:
    batch = rows_of(7, seed=1, n_numeric=30)
    numbers = [f"x{place}" for place in range(30)]
    batch[numbers] += 0.12
    schema = schema_of(30)
    null = calibrate(rows_of(56, seed=0, n_numeric=30), schema, len(batch), length=WEEK)
    found = rank(null, batch, time="at")
    assert (found.p_value, found.family) == (1 / 121, MANY_COLUMNS)


def test_a_new_value_on_every_day_is_found_and_on_one_day_is_one_odd_day() -> None:
    snapshot, batch = rows_of(56, seed=0), rows_of(7, seed=1)
    every_day, one_day = batch.copy(), batch.copy()
    every_day.loc[::35, "carrier"] = "ZZ"
    one_day.loc[:19, "carrier"] = "ZZ"
    found = ranked(snapshot, every_day)
    assert (found.p_value, found.columns) == (1 / 121, ("carrier",))
    assert ranked(snapshot, one_day).p_value > 0.05


def test_keys_as_categories_are_always_new_and_never_news() -> None:
    """A category of which every row has its own value looks new in every stretch of the snapshot too."""
    schema = Schema("id", "at", "late", "classification", ("x0",), ("id_too",))
    p_values = []
    for draw in range(20):
        snapshot, batch = rows_of(30, seed=2 * draw, per_day=20), rows_of(1, seed=2 * draw + 1, per_day=20)
        snapshot["id_too"], batch["id_too"] = snapshot["id"], batch["id"]
        p_values.append(rank(calibrate(snapshot, schema, 20, length=DAY), batch, time="at").p_value)
    assert shares_at_most(p_values, 0.1) <= 0.1 + 3 * (0.1 * 0.9 / 20) ** 0.5


def test_the_same_seed_gives_the_same_rank() -> None:
    snapshot, batch = rows_of(30, seed=0), rows_of(3, seed=1)
    assert repr(ranked(snapshot, batch, seed=4)) == repr(ranked(snapshot, batch, seed=4))


def test_of_many_column_pairs_the_most_dependent_are_kept() -> None:
    snapshot = rows_of(20, seed=0, per_day=20, n_numeric=40, together=0.9)
    null = calibrate(snapshot, schema_of(40), 20, length=DAY)
    assert (null.n_pairs, len(null.pairs)) == (820, MOST_PAIRS)
    named = {(null.columns[first].name, null.columns[second].name) for first, second in null.pairs}
    assert ("x0", "x1") in named


def test_a_snapshot_of_one_moment_is_cut_at_random() -> None:
    snapshot = rows_of(40, seed=0)
    snapshot["at"] = datetime(2013, 1, 1, tzinfo=UTC)
    assert ranked(snapshot, rows_of(1, seed=1), length=DAY).p_value > 0.05


def test_three_columns_that_go_together_in_another_way_are_found_though_no_pair_does() -> None:
    snapshot, batch = rows_of(56, seed=0), rows_of(7, seed=1)
    signs = np.sign(batch["x1"] * batch["x2"]) * np.where(np.arange(len(batch)) % 5 < 2, 1, np.sign(batch["x4"]))
    batch["x4"] = batch["x4"].abs() * signs
    found = ranked(snapshot, batch)
    assert (found.p_value, found.family, found.columns) == (1 / 121, THREE_COLUMNS, ("x1", "x2", "x4"))
    assert 0.15 < found.distance < 0.25  # 20 % of rows went elsewhere


def test_values_that_are_all_alike_are_no_drift_though_some_are_commonest_by_chance() -> None:
    """The 15 commonest of 1 000 equal values are commoner in the snapshot than in any batch to come."""
    names = tuple(f"c{place}" for place in range(6))
    schema = Schema("id", "at", "late", "classification", (), names)

    def rows(days: int, seed: int) -> DataFrame:
        frame = rows_of(days, seed=seed, per_day=500)
        codes = np.random.default_rng(seed).integers(0, 1000, (6, len(frame)))
        return frame.assign(**dict(zip(names, codes.astype(str).astype(object), strict=True)))

    p_values = []
    for draw in range(20):
        snapshot, batch = rows(21, 2 * draw), rows(7, 2 * draw + 1)
        p_values.append(rank(calibrate(snapshot, schema, len(batch), length=WEEK), batch, time="at").p_value)
    assert shares_at_most(p_values, 0.1) <= 0.1 + 3 * (0.1 * 0.9 / 20) ** 0.5
