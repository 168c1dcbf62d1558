import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame

from monitors.baseline import prepare
from monitors.drift import measure
from monitors.schema import check_frame
from records.drift import ColumnDrift, DriftReport
from records.errors import BadData, EmptyWindow
from records.schema import Schema
from tests.monitors.rows import START, rows_of, schema_of, window_of

SCHEMA = schema_of()


def report_of(
    reference: DataFrame, current: DataFrame, *, schema: Schema = SCHEMA, days: int = 7, n_chunks: int = 120
) -> DriftReport:
    window = window_of(days)
    baseline = prepare(reference, schema, len(current), length=window.length, seed=5, n_chunks=n_chunks)
    return measure(baseline, current, model="flights", window=window, generation=3, seed=5)


def column_of(report: DriftReport, name: str) -> ColumnDrift:
    return next(column for column in report.columns if column.column == name)


def drifted(report: DriftReport) -> list[str]:
    return [column.column for column in report.columns if column.drifted]


@pytest.fixture(scope="module")
def snapshot() -> DataFrame:
    return rows_of(56, seed=0, day_sd=0.05)


def batch(seed: int = 1) -> DataFrame:
    return rows_of(7, seed=seed, day_sd=0.05, start=START)


def test_a_harmless_effect_of_each_day_is_no_drift(snapshot: DataFrame) -> None:
    report = report_of(snapshot, batch())
    assert drifted(report) == []
    assert report.joint.p_value > 0.05
    assert (report.n_reference, report.n_current, report.n_chunks, report.n_real_chunks) == (5600, 700, 120, 8)
    assert report.notes == (
        "Only 8 stretches of 700 rows fit in the snapshot, so what is ordinary was learned from its 56 pieces of about"
        " 100 rows, 7 at a time: swings slower than a piece count as drift.",
    )


def test_a_shift_of_half_a_standard_deviation_is_found_measured_and_named(snapshot: DataFrame) -> None:
    current = batch()
    current["x3"] += 0.5
    report = report_of(snapshot, current)
    column = column_of(report, "x3")
    assert drifted(report) == ["x3"]
    assert (report.joint.p_value, report.joint.columns) == (1 / 121, ("x3",))
    assert column.method == "wasserstein"
    assert column.adjusted_p == column.p_value == 1 / 60
    assert column.effect.low < 0.5 < column.effect.high
    assert column.sentence.startswith("x3 is higher by 0.5")


def test_a_flipped_correlation_is_found_though_no_column_drifted() -> None:
    reference = rows_of(56, seed=0, together=0.9)
    report = report_of(reference, rows_of(7, seed=1, together=0.9, flipped=0.3))
    assert drifted(report) == []
    assert (report.joint.p_value, report.joint.family, report.joint.columns) == (1 / 121, "column pair", ("x0", "x1"))
    assert report.joint.effect > 0.15


def test_the_order_of_columns_changes_nothing(snapshot: DataFrame) -> None:
    turned = dataclasses.replace(SCHEMA, numeric=SCHEMA.numeric[::-1])
    current = batch()
    current["x3"] += 0.2
    plain = report_of(snapshot, current)
    other = report_of(snapshot[sorted(snapshot.columns)[::-1]], current, schema=turned)
    by_name = dataclasses.replace(other, columns=tuple(column_of(other, column.column) for column in plain.columns))
    assert repr(by_name) == repr(plain)


def test_a_report_is_the_same_every_time_and_changes_no_frame(snapshot: DataFrame) -> None:
    current = batch()
    before, now = snapshot.copy(deep=True), current.copy(deep=True)
    assert repr(report_of(snapshot, current)) == repr(report_of(snapshot, current))
    pd.testing.assert_frame_equal(snapshot, before)
    pd.testing.assert_frame_equal(current, now)


def test_drifted_is_score_beyond_threshold_is_adjusted_p(snapshot: DataFrame) -> None:
    for seed, amount in ((1, 0.0), (2, 0.1), (3, 0.15), (4, 0.2)):
        current = batch(seed)
        current["x0"] += amount
        for column in report_of(snapshot, current).columns:
            assert column.drifted == (column.score > column.threshold) == (column.adjusted_p <= 0.05)
            assert column.p_value <= column.adjusted_p


def test_a_column_without_any_value_has_drifted_by_its_gaps(snapshot: DataFrame) -> None:
    current = batch()
    current["x2"], current["carrier"] = np.nan, None
    report = report_of(snapshot, current)
    number, category = column_of(report, "x2"), column_of(report, "carrier")
    assert drifted(report) == ["x2", "carrier"]
    assert (number.method, number.effect.value) == ("jensenshannon of missing", 1.0)
    assert number.sentence == "x2 has no value at all, missing 0 % → 100 %"
    assert category.effect.value == pytest.approx(1.0, abs=0.01)
    assert "missing 0 % → 100 %" in category.sentence


def test_a_rise_of_missing_values_is_drift_and_told_first(snapshot: DataFrame) -> None:
    current = batch()
    current.loc[::10, "x2"] = np.nan
    column = column_of(report_of(snapshot, current), "x2")
    assert column.drifted
    assert column.effect.value == pytest.approx(0.1)
    assert column.sentence.startswith("x2 is missing more often (0 % → 10 %), ")


def test_a_value_never_seen_is_a_result_that_is_named(snapshot: DataFrame) -> None:
    current = batch()
    current.loc[::10, "carrier"] = "ZZ"
    column = column_of(report_of(snapshot, current), "carrier")
    assert column.drifted
    assert column.effect.value == pytest.approx(0.1, abs=0.02)
    assert "new value ZZ 10 %" in column.sentence


def test_a_constant_column_is_a_result_and_a_change_of_it_is_drift(snapshot: DataFrame) -> None:
    reference, same, other = snapshot.assign(x1=4.0), batch().assign(x1=4.0), batch().assign(x1=5.0)
    quiet = report_of(reference, same)
    assert not column_of(quiet, "x1").drifted
    assert column_of(quiet, "x1").effect.value == 0.0
    assert "Nothing to test, one value only: x1." in quiet.notes
    assert column_of(report_of(reference, other), "x1").drifted


def test_a_feature_without_values_on_either_side_is_a_result(snapshot: DataFrame) -> None:
    column = column_of(report_of(snapshot.assign(x1=np.nan), batch().assign(x1=np.nan)), "x1")
    assert (column.drifted, column.score) == (False, 0.0)
    assert math.isnan(column.effect.value) or column.effect.value == 0.0


def test_a_batch_of_one_row_is_a_result_with_a_note(snapshot: DataFrame) -> None:
    report = report_of(snapshot, batch().head(1))
    assert report.n_current == 1
    assert "The batch has 1 row: only a gross change can be told from chance." in report.notes
    assert 0 < report.joint.p_value <= 1


def test_of_a_batch_larger_than_half_the_snapshot_as_many_rows_are_compared() -> None:
    report = report_of(rows_of(10, seed=0, per_day=20), rows_of(7, seed=1, per_day=200))
    assert report.notes[0] == ("The snapshot has only 200 rows, so 100 of the batch's 1400 rows were compared with it.")
    assert report.n_current == 1400
    assert all(column.method in ("ks", "chisquare") for column in report.columns)


def test_a_small_snapshot_is_tested_by_p_values() -> None:
    reference, current = rows_of(40, seed=0, per_day=20), rows_of(2, seed=1, per_day=20)
    current["x4"] += 2
    current["few"], reference["few"] = 1.0, np.arange(len(reference)) % 3.0
    schema = dataclasses.replace(SCHEMA, numeric=(*SCHEMA.numeric, "few"))
    report = report_of(reference, current, schema=schema, days=2)
    assert column_of(report, "x4").method == "ks"
    assert column_of(report, "few").method == "chisquare"
    assert set(drifted(report)) == {"x4", "few"}
    for column in report.columns:
        assert column.drifted == (column.score < column.threshold) == (column.adjusted_p <= 0.05)


def test_with_few_chunks_nothing_is_called_drifted_and_a_note_says_so(snapshot: DataFrame) -> None:
    daily = rows_of(1, seed=1)
    daily["x0"] += 3
    report = report_of(snapshot, daily, days=1, n_chunks=10)
    assert report.n_chunks == 10
    assert drifted(report) == []
    assert report.joint.p_value == 1 / 11
    assert any("too few to call a single column drifted" in note for note in report.notes)


def test_a_batch_without_rows_and_a_tiny_snapshot_are_one_clear_sentence(snapshot: DataFrame) -> None:
    with pytest.raises(EmptyWindow, match="holds no row"):
        report_of(snapshot, batch().head(0))
    with pytest.raises(BadData, match="the snapshot has 19 rows"):
        report_of(snapshot.head(19), batch())


def test_only_categorical_only_numeric_and_single_columns_can_be_measured(snapshot: DataFrame) -> None:
    for numeric, categorical in (((), ("carrier",)), (("x0",), ()), (("x0", "x1"), ())):
        schema = dataclasses.replace(SCHEMA, numeric=numeric, categorical=categorical)
        report = report_of(snapshot, batch(), schema=schema)
        assert [column.column for column in report.columns] == [*numeric, *categorical]


@pytest.mark.parametrize("seed", range(4))
def test_any_table_that_passes_the_schema_can_be_measured(seed: int) -> None:
    """Heavy tails, gaps, ties, as many categories as rows, and sizes from 1 row: always a report, never a traceback."""
    generator = np.random.default_rng(seed)
    schema = Schema(
        "id", "at", "late", "regression", ("tail", "tied", "gaps"), ("name", "flag"), (), (), ("when",), ("said",)
    )
    words = np.array(["", " ", "the", "<b>", "\x00", "7", "naïve", "ключ", "a" * 300, None], dtype=object)

    def table(n_rows: int) -> DataFrame:
        return check_frame(
            DataFrame(
                {
                    "id": generator.permutation(10**6)[:n_rows],
                    "at": pd.Timestamp(START) + pd.to_timedelta(generator.integers(0, 10**6, n_rows), unit="s"),
                    "tail": generator.standard_cauchy(n_rows) ** 3,
                    "tied": generator.integers(0, 3, n_rows),
                    "gaps": np.where(generator.random(n_rows) < 0.7, np.nan, 1e-300),
                    "name": [f"n{value}" for value in generator.zipf(1.3, n_rows)],
                    "flag": generator.choice(np.array([True, False, None]), n_rows),
                    "when": generator.choice(
                        np.array(["1066-10-14", "9999-12-31", "2013-02-03T04:05:06.7+09:00", None]), n_rows
                    ),
                    "said": generator.choice(words[: generator.integers(1, len(words))], n_rows),
                }
            ),
            schema,
            where="test",
        )

    for n_reference, n_current in ((20, 1), (30, 40), (1500, 3), (1500, 700)):
        report = report_of(table(n_reference), table(n_current), schema=schema)
        assert len(report.columns) == 7
        assert 0 < report.joint.p_value <= 1
        assert all(0 < column.p_value <= column.adjusted_p <= 1 for column in report.columns)
