import hashlib
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from monitors.membership import inside
from monitors.schema import check_frame
from records.drift import Estimate
from records.errors import BadData, EmptyWindow
from records.facts import Familiar
from records.slice import Between, Condition, OneOf, Slice
from records.window import Window
from store.facts import MOST_UNSEEN
from store.warehouse import ProductionTable, in_memory_table, open_table
from tests.store.flights import CARRIERS, SCHEMA, WEEK, flights, in_week, write

ENGINES = [
    "memory",
    "parquet",
    "folder",
    "csv",
    "duckdb",
    "sqlite",
    pytest.param("spark", marks=pytest.mark.spark),
    pytest.param("postgres", marks=pytest.mark.services),
]


@pytest.fixture(scope="module", params=ENGINES)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProductionTable:
    """The same flights behind every engine."""
    if request.param == "memory":
        return in_memory_table(flights(), SCHEMA)

    def fresh() -> str:
        return cast(Callable[[], str], request.getfixturevalue("postgres_url"))()

    url, name = write(request.param, tmp_path_factory.mktemp(request.param), fresh)
    return open_table(url, SCHEMA, table=name)


def expected() -> pd.DataFrame:
    """The flights of the week as the rooms see them, by plain pandas."""
    frame = check_frame(in_week(flights()), SCHEMA, where="the flights")
    return frame.sort_values("flight", ignore_index=True)


def slice_of(*conditions: Condition) -> Slice:
    return Slice(conditions, 0.1, 0.2, Estimate(2.0, 1.5, 2.5), 0.01, 7)


def test_facts_cover_every_row_of_the_window(table: ProductionTable) -> None:
    facts, rows = table.facts(WEEK), expected()
    assert (facts.n_rows, facts.n_duplicate_keys) == (len(rows), 0)
    assert [column.name for column in facts.columns] == list(rows.columns)
    for column in facts.columns:
        values = rows[column.name]
        assert column.n_missing == values.isna().sum()
        numeric = column.name in SCHEMA.numbers
        assert math.isnan(column.low) != numeric
        if numeric:
            assert (column.low, column.high) == (values.min(), values.max())


def test_what_is_beyond_the_familiar_is_counted_over_every_row(table: ProductionTable) -> None:
    rows = expected()
    counts = rows["carrier"].value_counts()
    gone = ("never there", r"C:\gone")
    values = ("B6", "ключ", r"C:\new\table", *gone)
    familiar = [
        Familiar("temp", low=-1.5, high=20.25),
        Familiar("hour", low=0.0, high=23.0),
        Familiar("carrier", values=values, common=("B6", *gone, "EV")),
        Familiar("gate", values=("7", "12.5", "31"), common=("7",)),
        Familiar("delayed", values=(), common=()),
    ]
    facts = {column.name: column for column in table.facts(WEEK, familiar).columns}
    assert facts["temp"].n_below == (rows["temp"] < -1.5).sum() > 0
    assert facts["temp"].n_above == (rows["temp"] > 20.25).sum() > 0
    assert (facts["hour"].n_below, facts["hour"].n_above) == (0, 0)
    unseen = counts[~counts.index.isin(values)]
    assert (facts["carrier"].n_unseen, facts["carrier"].n_unseen_values) == (unseen.sum(), len(unseen))
    named = sorted(unseen.items(), key=lambda item: (-item[1], hashlib.md5(str(item[0]).encode()).hexdigest()))
    assert {(one.value, one.n_rows) for one in facts["carrier"].unseen} == set(named[:MOST_UNSEEN])
    assert facts["carrier"].vanished == (*gone,)
    assert facts["gate"].n_unseen == facts["gate"].n_unseen_values == 0
    assert facts["gate"].vanished == ()
    assert facts["delayed"].n_unseen == len(rows)
    assert [one.value for one in facts["delayed"].unseen] == ["False", "True"]


def test_a_sample_larger_than_the_window_is_the_window(table: ProductionTable) -> None:
    assert_frame_equal(table.sample(WEEK, 10_000), expected())


def test_a_sample_is_the_rows_whose_key_hashes_lowest(table: ProductionTable) -> None:
    rows = expected()
    hashes = rows["flight"].map(lambda key: hashlib.md5(key.encode()).hexdigest())
    for n_rows in (1, 30):
        wanted = rows.loc[hashes.sort_values().index[:n_rows]]
        assert_frame_equal(table.sample(WEEK, n_rows), wanted.sort_values("flight", ignore_index=True))


def test_a_frame_is_already_as_the_rooms_want_it(table: ProductionTable) -> None:
    sample = table.sample(WEEK, 50)
    assert_frame_equal(check_frame(sample, SCHEMA, where="the sample"), sample)


def test_rows_are_found_by_key_and_unknown_keys_are_left_out(table: ProductionTable) -> None:
    rows = expected()
    keys = [rows["flight"].iloc[5], rows["flight"].iloc[2], "nobody", "'; DROP TABLE flights; --", "1"]
    assert_frame_equal(table.rows(WEEK, keys), rows.iloc[[2, 5]].reset_index(drop=True))
    assert list(table.rows(WEEK, []).columns) == list(rows.columns)
    assert table.rows(WEEK, []).empty


SLICES = [
    slice_of(),
    slice_of(Between("temp", low=5.25)),
    slice_of(Between("temp", high=5.25)),
    slice_of(Between("temp", low=0.0, high=10.0, missing=True)),
    slice_of(Between("temp")),
    slice_of(Between("temp", missing=True)),
    slice_of(Between("hour", low=18.0), OneOf("carrier", ("B6", "O'Brien; --", "ключ"))),
    slice_of(OneOf("carrier", ("NULL",), missing=True)),
    slice_of(OneOf("carrier", (), missing=True)),
    slice_of(OneOf("carrier", ())),
    slice_of(OneOf("gate", ("7", "12.5"))),
    slice_of(OneOf("delayed", ("True",)), OneOf("gate", ("31",), missing=True)),
    slice_of(OneOf("carrier", ("never seen",))),
    slice_of(OneOf("hour", ("7",))),
    slice_of(Between("booked", low=-2.5, high=7.0, missing=True)),
    slice_of(Between("booked")),
]


def test_a_slice_selects_the_same_rows_in_the_engine_as_in_memory(table: ProductionTable) -> None:
    rows = expected()
    sizes = set()
    for wanted in SLICES:
        found = table.rows_in(WEEK, wanted, 10_000)
        assert_frame_equal(found, rows[inside(wanted, rows)].reset_index(drop=True))
        sizes.add(len(found))
    assert len(sizes) > 5  # the slices really differ


def test_a_slice_gives_at_most_the_rows_asked_for_by_hash(table: ProductionTable) -> None:
    wanted = slice_of(Between("hour", low=6.0))
    few, all_rows = table.rows_in(WEEK, wanted, 7), table.rows_in(WEEK, wanted, 1000)
    lowest = sorted(all_rows["flight"], key=lambda key: hashlib.md5(key.encode()).hexdigest())[:7]
    assert few["flight"].tolist() == sorted(lowest)


def test_the_extent_is_the_first_and_the_last_row(table: ProductionTable) -> None:
    times = flights()["at"].dt.tz_localize(UTC)
    assert table.extent() == (times.min().to_pydatetime(), times.max().to_pydatetime())


def test_a_window_without_rows_says_where_the_rows_are(table: ProductionTable) -> None:
    newest = f"{flights()['at'].max():%Y-%m-%d %H:%M:%S} UTC"
    future = Window(WEEK.start + timedelta(days=365), WEEK.end + timedelta(days=365))
    for call in (table.facts, lambda window: table.sample(window, 5)):
        with pytest.raises(EmptyWindow, match=f"no row in window 2014-01-08_2014-01-15: .* newest of {newest}"):
            call(future)
    assert table.rows(future, ["1000"]).empty
    assert table.rows_in(future, SLICES[0], 5).empty


def test_a_row_at_the_start_is_inside_and_one_at_the_end_is_not(table: ProductionTable) -> None:
    times = sorted(flights()["at"].dt.tz_localize(UTC))
    window = Window(times[10].to_pydatetime(), times[20].to_pydatetime())
    assert table.facts(window).n_rows == 10
    assert list(table.sample(window, 99)["at"].sort_values()) == times[10:20]


def test_a_missing_column_is_named_with_those_that_are_there(table: ProductionTable) -> None:
    import dataclasses

    wrong = dataclasses.replace(SCHEMA, numeric=("temp", "wind", "hour"))
    with pytest.raises(BadData, match=r"lacks 'wind' \(it has at, booked, carrier, delayed, flight, gate, hour, late"):
        ProductionTable(table._connect, wrong, name="flights").check()
    table.check()


KEYS = st.lists(st.sampled_from([None, *(f"k{number}" for number in range(800))]), min_size=1, max_size=900)


@settings(max_examples=12)
@given(KEYS, st.integers(1, 40), st.integers(0, 3))
def test_looking_at_the_lowest_hashes_first_changes_no_sample(
    keys: list[str | None], n_rows: int, n_heavy: int
) -> None:
    """Also where keys are missing, or one is in so many rows that too few or too many hash low."""
    keys = keys + ["heavy"] * (n_heavy * 200)
    frame = flights().sample(len(keys), replace=True, random_state=n_rows, ignore_index=True)
    frame = frame.assign(flight=pd.Series(keys, dtype=object), at=in_week(flights())["at"].iloc[0])
    frame["temp"] = np.arange(len(frame))
    table = in_memory_table(frame, SCHEMA)
    plain = table.sample(WEEK, n_rows)
    for among in (len(frame), 10**7):
        assert table.sample(WEEK, n_rows, among=among)["flight"].tolist() == plain["flight"].tolist()


EDGES = st.one_of(st.none(), st.integers(-80, 400).map(lambda quarter: quarter / 4))
CONDITIONS = st.one_of(
    st.builds(Between, st.sampled_from(["temp", "hour"]), EDGES, EDGES, st.booleans()),
    st.builds(
        OneOf,
        st.just("carrier"),
        st.lists(st.sampled_from([*filter(None, CARRIERS), "new"]), unique=True).map(tuple),
        st.booleans(),
    ),
    st.builds(OneOf, st.just("gate"), st.sampled_from([(), ("7",), ("7.0",), ("12.5", "31")]), st.booleans()),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CONDITIONS, min_size=1, max_size=3))
def test_any_slice_selects_the_same_rows_in_the_engine_as_in_memory(conditions: list[Condition]) -> None:
    rows = expected()
    wanted = slice_of(*conditions)
    found = in_memory_table(flights(), SCHEMA).rows_in(WEEK, wanted, 10_000)
    assert found["flight"].tolist() == rows["flight"][inside(wanted, rows)].tolist()


def test_a_slice_on_what_is_no_feature_is_refused(table: ProductionTable) -> None:
    with pytest.raises(BadData, match="'unused', which is not among the features"):
        table.rows_in(WEEK, slice_of(OneOf("unused", ("x",))), 5)
    with pytest.raises(BadData, match="'carrier' with numbers, but it is categorical"):
        table.rows_in(WEEK, slice_of(Between("carrier", 1.0)), 5)


def test_repeated_keys_and_all_missing_columns_are_facts_not_errors() -> None:
    frame = in_week(flights()).head(6).assign(temp=np.nan, carrier=None)
    frame = pd.concat([frame, frame.head(2), frame.head(1)])
    facts = in_memory_table(frame, SCHEMA).facts(WEEK)
    assert (facts.n_rows, facts.n_duplicate_keys) == (9, 3)
    found = {column.name: column for column in facts.columns}
    assert found["temp"].n_missing == 9
    assert math.isnan(found["temp"].low)
    assert found["carrier"].n_missing == 9


def test_a_table_without_rows_has_no_extent_and_says_so(tmp_path: Path) -> None:
    flights().head(0).to_parquet(tmp_path / "none.parquet")
    table = open_table(str(tmp_path / "none.parquet"), SCHEMA)
    assert table.extent() is None
    with pytest.raises(EmptyWindow, match="has no row at all"):
        table.facts(WEEK)


@pytest.mark.parametrize("form", ["zoned", "other zone", "date", "text", "text with zone"])
def test_every_way_to_write_a_time_is_the_same_moment(form: str, tmp_path: Path) -> None:
    moments = pd.Series(pd.to_datetime(["2013-01-07", "2013-01-08", "2013-01-14", "2013-01-15"], utc=True))
    forms: dict[str, pd.Series[Any]] = {
        "zoned": moments,
        "other zone": moments.dt.tz_convert("America/New_York"),
        "date": moments.dt.date,
        "text": moments.dt.strftime("%Y-%m-%d %H:%M:%S"),
        "text with zone": moments.dt.tz_convert("Asia/Tokyo").map(lambda moment: moment.isoformat()),
    }
    frame = flights().head(4).assign(at=forms[form])
    frame.to_parquet(tmp_path / "flights.parquet")
    frame.to_csv(tmp_path / "flights.csv", index=False)
    for path in ("flights.parquet", "flights.csv"):
        sample = open_table(str(tmp_path / path), SCHEMA).sample(WEEK, 10)
        assert sample["at"].tolist() == moments[1:3].tolist()


def test_codes_in_a_csv_keep_their_leading_zeros(tmp_path: Path) -> None:
    frame = in_week(flights()).head(3).assign(flight=["007", "07", "7"], gate=["01", "1", ""])
    frame.to_csv(tmp_path / "flights.csv", index=False)
    sample = open_table(str(tmp_path / "flights.csv"), SCHEMA).sample(WEEK, 10)
    assert sample["flight"].tolist() == ["007", "07", "7"]
    assert sample["gate"].tolist() == ["01", "1", None]


def test_the_time_zone_of_the_process_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    flights().to_parquet(tmp_path / "flights.parquet")
    table = open_table(str(tmp_path / "flights.parquet"), SCHEMA)
    here = repr(table.facts(WEEK))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert repr(table.facts(WEEK)) == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_window_in_another_time_zone_is_the_same_window() -> None:
    from zoneinfo import ZoneInfo

    tokyo = Window(WEEK.start.astimezone(ZoneInfo("Asia/Tokyo")), datetime(2013, 1, 15, tzinfo=UTC))
    table = in_memory_table(flights(), SCHEMA)
    assert repr(table.facts(tokyo)) == repr(table.facts(WEEK))  # unlike ==, repr calls NaN equal to NaN
