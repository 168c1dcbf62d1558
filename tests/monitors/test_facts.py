from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitors.facts import compare_facts
from monitors.familiar import MOST_VALUES, familiar
from monitors.ordinary import by_chance, rows_interval, share_interval
from monitors.pieces import cut
from records.batch import Batch
from records.errors import BadData
from records.facts import ColumnFacts, Fact, FactReport, TableFacts, ValueCount
from records.schema import Schema
from records.window import Window

SCHEMA = Schema("id", "at", "late", "classification", ("temp",), ("carrier",), ("no", "yes"))
START = datetime(2013, 1, 1, tzinfo=UTC)
N_WEEKS, N_DAY = 8, 100


def week(number: int) -> Window:
    return Window(START + timedelta(weeks=number), START + timedelta(weeks=number + 1))


WINDOW = week(N_WEEKS)
WEATHER = ColumnFacts("temp", "float64", n_missing=14, low=-1.5, high=1.5)
CARRIER = ColumnFacts("carrier", "string", n_missing=0, low=float("nan"), high=float("nan"))


def snapshot() -> pd.DataFrame:
    """700 rows a week; `temp` is missing in 2 of each 100 and else from -2 to 2, `carrier` is EV in 10 of each 100."""
    n = N_WEEKS * 7 * N_DAY
    number = np.arange(n)
    temp = np.linspace(-2, 2, N_DAY)[number % N_DAY]
    return pd.DataFrame(
        {
            "id": number.astype(str),
            "at": pd.Timestamp(START) + pd.to_timedelta(number * 86_400 / N_DAY, unit="s"),
            "temp": np.where(number % 50 == 7, np.nan, temp),
            "carrier": np.where(number % 10 == 3, "EV", "B6"),
        }
    )


def compared(*columns: ColumnFacts, n_rows: int = 7 * N_DAY, before: Batch | None = None) -> FactReport:
    reference = snapshot()
    key = ColumnFacts("id", "string", 0, float("nan"), float("nan"))
    facts = TableFacts(n_rows, 0, (key, *(columns or (WEATHER, CARRIER))))
    known = familiar(reference, SCHEMA)
    return compare_facts(facts, known, reference, SCHEMA, times=reference["at"], window=WINDOW, before=before)


def batch(facts: TableFacts) -> Batch:
    return Batch("flights", week(N_WEEKS - 1), facts, Path("unused"), 100, FactReport(()))


def only(report: FactReport, kind: str) -> Fact:
    (fact,) = [fact for fact in report.facts if fact.kind == kind]
    return fact


def test_a_window_like_the_snapshot_has_nothing_striking() -> None:
    report = compared()
    assert [fact.kind for fact in report.facts] == ["rows", "missing"]
    assert report.striking == ()
    assert report.notes == ()
    assert only(report, "rows").ordinary.value == 7 * N_DAY


def test_fewer_rows_than_ever_are_striking_and_say_how_many_are_ordinary() -> None:
    fact = only(compared(n_rows=300), "rows")
    assert fact.striking
    assert fact.sentence == "300 rows; the snapshot has 700 per window, 628 to 772 is ordinary"


def test_more_missing_values_than_ever_are_striking() -> None:
    fact = only(compared(replace(WEATHER, n_missing=70), CARRIER), "missing")
    assert fact.striking
    assert (fact.value, fact.ordinary.value) == (0.1, 0.02)
    assert fact.sentence.startswith("temp is missing in 70 rows (10 %); ")


def test_a_value_missing_less_often_is_striking_too() -> None:
    gone = compared(replace(WEATHER, n_missing=0), CARRIER, n_rows=70_000)
    assert only(gone, "missing").striking


def test_values_out_of_the_range_of_the_snapshot_are_counted_and_a_few_are_ordinary() -> None:
    many = compared(replace(WEATHER, n_below=20, low=-40.0, n_above=1, high=2.25), CARRIER)
    assert only(many, "below").striking
    assert (
        "temp is below -2, the snapshot's lowest, in 20 rows (2.9 %), down to -40; up to "
        in only(many, "below").sentence
    )
    assert not only(many, "above").striking
    assert "temp is above 2, the snapshot's highest, in 1 row (0.1 %), up to 2.25" in only(many, "above").sentence


def test_values_the_snapshot_never_had_are_named_with_their_rows() -> None:
    unseen = (ValueCount("ZZ", 40), ValueCount("YY", 5))
    fact = only(compared(WEATHER, replace(CARRIER, n_unseen=47, n_unseen_values=4, unseen=unseen)), "unseen")
    assert fact.striking
    assert "carrier has 4 values the snapshot never had in 47 rows (6.7 %): ZZ (40), YY (5), …" in fact.sentence


def test_a_vanished_value_is_striking_where_chance_cannot_be_why() -> None:
    gone = compared(WEATHER, replace(CARRIER, vanished=("EV",)))
    assert only(gone, "vanished").striking
    assert only(gone, "vanished").sentence == "carrier has no row with EV (10 % of the snapshot)"
    few = compared(replace(WEATHER, n_missing=0), replace(CARRIER, vanished=("EV",)), n_rows=20)
    assert not only(few, "vanished").striking


def test_another_type_than_in_the_window_before_is_a_result() -> None:
    key = ColumnFacts("id", "string", 0, float("nan"), float("nan"))
    earlier = batch(TableFacts(700, 0, (key, replace(WEATHER, dtype="boolean"), CARRIER)))
    fact = only(compared(before=earlier), "type")
    assert fact.striking
    assert fact.sentence == "temp has the type float64; in window 2013-02-19_2013-02-26 it was boolean"


def test_training_data_that_is_a_part_of_production_is_striking_once() -> None:
    """Else every window of a model that was trained on a sample would be."""
    key = ColumnFacts("id", "string", 0, float("nan"), float("nan"))
    many = TableFacts(70_000, 0, (key, WEATHER, CARRIER))
    assert only(compared(n_rows=70_000), "rows").striking
    again = only(compared(n_rows=71_000, before=batch(many)), "rows")
    assert not again.striking
    assert "window 2013-02-19_2013-02-26 has 70,000 per window" in again.sentence
    assert only(compared(n_rows=35_000, before=batch(many)), "rows").striking


def test_rows_without_a_key_are_striking() -> None:
    reference = snapshot()
    key = ColumnFacts("id", "string", 3, float("nan"), float("nan"))
    facts = TableFacts(700, 0, (key, WEATHER, CARRIER))
    report = compare_facts(facts, familiar(reference, SCHEMA), reference, SCHEMA, times=reference["at"], window=WINDOW)
    assert report.striking[0].sentence == "id is missing in 3 rows (0.4 %): they are counted, and never sampled"


def test_striking_facts_come_first_and_the_largest_of_them_first() -> None:
    unseen = replace(CARRIER, n_unseen=400, n_unseen_values=1, unseen=(ValueCount("ZZ", 400),))
    report = compared(replace(WEATHER, n_missing=100, n_above=1, high=2.5), unseen)
    assert [(fact.kind, fact.striking) for fact in report.facts] == [
        ("unseen", True),
        ("missing", True),
        ("rows", False),
        ("above", False),
    ]


def test_one_row_is_compared_too() -> None:
    report = compared(replace(WEATHER, n_missing=0), replace(CARRIER, vanished=("EV",)), n_rows=1)
    assert {fact.kind for fact in report.striking} == {"rows"}


def test_a_snapshot_that_is_short_or_has_too_many_values_says_what_was_not_compared() -> None:
    reference = snapshot().assign(carrier=[f"c{number}" for number in range(N_WEEKS * 7 * N_DAY)])
    assert len(reference) > MOST_VALUES
    key = ColumnFacts("id", "string", 0, float("nan"), float("nan"))
    report = compare_facts(
        TableFacts(700, 0, (key, WEATHER, CARRIER)),
        familiar(reference, SCHEMA),
        reference,
        SCHEMA,
        times=reference["at"].head(1000),
        window=WINDOW,
    )
    assert report.facts[0].sentence == "700 rows"
    assert [note.split(",")[0] for note in report.notes] == [
        "carrier has more than 5",
        "The training data is too short to tell how many rows of a window are ordinary.",
    ]


def test_a_snapshot_of_a_few_rows_cannot_say_what_is_ordinary() -> None:
    few = snapshot().head(10)
    with pytest.raises(BadData, match="has 10 rows, too few"):
        compare_facts(
            TableFacts(5, 0, (WEATHER, CARRIER)), familiar(few, SCHEMA), few, SCHEMA, times=few["at"], window=WINDOW
        )


def test_all_values_of_a_column_are_familiar_and_the_common_ones_are_to_be_missed() -> None:
    rows = snapshot()
    rows.loc[5, "carrier"] = "rare"
    temp, carrier = familiar(rows, SCHEMA)
    assert (temp.low, temp.high, temp.values) == (-2.0, 2.0, ())
    assert (carrier.values, carrier.common) == (("B6", "EV", "rare"), ("B6", "EV"))
    nothing = familiar(rows.assign(temp=np.nan, carrier=None), SCHEMA)
    assert np.isnan(nothing[0].low)
    assert nothing[1].values == ()


@settings(max_examples=60)
@given(st.integers(0, 400), st.integers(20, 400), st.integers(1, 10**7), st.sampled_from([0.9, 0.99, 0.9999]))
def test_an_interval_by_chance_holds_the_share_itself_and_is_symmetric(
    n_marked: int, n_more: int, n_rows: int, level: float
) -> None:
    n_known = n_marked + n_more
    found = by_chance(n_marked, n_known, n_rows, level=level)
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = by_chance(n_more, n_known, n_rows, level=level)
    if n_marked != n_more:
        assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.3])
def test_new_rows_fall_into_an_interval_as_often_as_it_says(share: float) -> None:
    """By the exact binomial law of the new rows, over many snapshots; at least 98 % where 99 % are promised."""
    rng = np.random.default_rng(3)
    inside = []
    for n_marked in rng.binomial(5000, share, size=200):
        found = by_chance(int(n_marked), 5000, 700, level=0.99)
        law = stats.binom(700, share)
        inside.append(law.cdf(round(found.high * 700)) - law.cdf(round(found.low * 700) - 1))
    assert np.mean(inside) > 0.985


def test_days_that_differ_by_themselves_widen_the_interval() -> None:
    reference = snapshot()
    day = np.arange(len(reference)) // N_DAY
    pieces = cut(reference, "at", n_batch=N_DAY, length=timedelta(days=1), n_chunks=60, seed=0)
    even = share_interval(np.arange(len(day)) % 10 == 0, pieces, N_DAY, level=0.99)
    lumpy = share_interval(np.asarray(day % 10 == 0), pieces, N_DAY, level=0.99)
    assert even.high < 0.25
    assert lumpy.high > 0.7


def test_only_whole_stretches_say_how_many_rows_are_ordinary() -> None:
    times = snapshot()["at"]
    cut_short = times[times < pd.Timestamp(START + timedelta(days=53))]
    assert rows_interval(cut_short, WINDOW, level=0.99).value == 700
    gap = times[(times < pd.Timestamp(week(3).start)) | (times >= pd.Timestamp(week(5).start))]
    assert rows_interval(gap, WINDOW, level=0.99).value == 700
