"""What a production table may be by accident: mixed types, columns in another order, or there twice."""

import sqlite3
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from records.errors import BadData, BadSettings, NotFound
from records.facts import Familiar
from records.window import Window
from store.warehouse import in_memory_table, open_table
from tests.store.flights import SCHEMA, WEEK, flights, in_week


def test_a_csv_with_a_repeated_header_says_which_column_is_there_twice(tmp_path: Path) -> None:
    frame = flights().assign(more=1.0).rename(columns={"more": "temp"})
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(BadData, match=r"a\.csv has 2 columns named 'temp'; rename all but one"):
        open_table(str(tmp_path / "a.csv"), SCHEMA).check()


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("{}", "has 2 columns named 'temp'"),
        pytest.param("spark://local[2]/{}", "COLUMN_ALREADY_EXISTS", marks=pytest.mark.spark),
    ],
)
def test_a_parquet_file_with_a_column_twice_is_bad_data(address: str, refusal: str, tmp_path: Path) -> None:
    table = pa.Table.from_pandas(flights().assign(more=1.0, at=flights()["at"].astype("datetime64[us]")))
    pq.write_table(
        table.rename_columns(["temp" if n == "more" else n for n in table.column_names]), tmp_path / "a.parquet"
    )
    with pytest.raises(BadData, match=refusal):
        open_table(address.format(tmp_path / "a.parquet"), SCHEMA).check()


def test_a_frame_with_a_column_twice_is_bad_data() -> None:
    frame = flights().assign(more=1.0).rename(columns={"more": "temp"})
    with pytest.raises(BadData, match="2 columns named 'temp'"):
        in_memory_table(frame, SCHEMA).check()


def test_a_column_that_nobody_asks_for_may_be_there_twice(tmp_path: Path) -> None:
    frame = flights().assign(more=1.0).rename(columns={"more": "unused"})
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert len(open_table(str(tmp_path / "a.csv"), SCHEMA).sample(WEEK, 5)) == 5


def _with_another_temp(folder: Path) -> None:
    frame = flights().assign(at=flights()["at"].astype("datetime64[us]"), Temp=-999.0)
    frame.to_parquet(folder / "last.parquet")
    frame[["Temp", *frame.columns[:-1]]].to_parquet(folder / "first.parquet")


def test_of_two_names_that_differ_by_case_alone_the_wrong_one_is_never_read(tmp_path: Path) -> None:
    """DuckDB renames the second one."""
    _with_another_temp(tmp_path)
    assert open_table(str(tmp_path / "last.parquet"), SCHEMA).sample(WEEK, 500)["temp"].min() > -999
    with pytest.raises(BadData, match=r"lacks 'temp' \(it has Temp, "):
        open_table(str(tmp_path / "first.parquet"), SCHEMA).check()


@pytest.mark.spark
def test_two_names_that_differ_by_case_alone_are_two_columns_with_spark(tmp_path: Path) -> None:
    _with_another_temp(tmp_path)
    for name in ("last", "first"):
        table = open_table(f"spark://local[2]/{tmp_path}/{name}.parquet", SCHEMA)
        assert table.sample(WEEK, 500)["temp"].min() > -999


@pytest.mark.parametrize("address", ["{}", pytest.param("spark://local[2]/{}", marks=pytest.mark.spark)])
def test_the_order_of_the_columns_does_not_matter_not_even_between_the_files_of_one_table(
    address: str, tmp_path: Path
) -> None:
    frame = flights().assign(at=flights()["at"].astype("datetime64[us]"))
    (tmp_path / "flights").mkdir()
    frame.head(200).to_parquet(tmp_path / "flights" / "a.parquet")
    frame.tail(200)[frame.columns[::-1]].to_parquet(tmp_path / "flights" / "b.parquet")
    table = open_table(address.format(tmp_path / "flights"), SCHEMA)
    assert_frame_equal(table.sample(WEEK, 500), in_memory_table(flights(), SCHEMA).sample(WEEK, 500))


def test_text_among_the_numbers_of_a_sqlite_table_is_bad_data_and_is_quoted(tmp_path: Path) -> None:
    """Every column of SQLite may hold anything, and text counts as 0 there."""
    with sqlite3.connect(tmp_path / "a.sqlite") as lite:
        flights().to_sql("flights", lite, index=False)
        lite.execute("UPDATE flights SET temp = 'warm' WHERE flight = ?", [int(in_week(flights())["flight"].iloc[0])])
    lite.close()
    table = open_table(str(tmp_path / "a.sqlite"), SCHEMA)
    for call in (lambda: table.facts(WEEK), lambda: table.sample(WEEK, 500)):
        with pytest.raises(BadData, match="has 'warm' in its numeric column 'temp'; convert it"):
            call()


def test_numbers_and_text_in_the_files_of_one_table_are_bad_data(tmp_path: Path) -> None:
    (tmp_path / "flights").mkdir()
    flights().head(200).to_parquet(tmp_path / "flights" / "a.parquet")
    flights().tail(200).assign(hour="7").to_parquet(tmp_path / "flights" / "b.parquet")
    with pytest.raises(BadData, match="'string' in its numeric column 'hour'"):
        open_table(str(tmp_path / "flights"), SCHEMA).check()


def test_numbers_and_text_in_one_column_of_a_frame_are_bad_data() -> None:
    frame = flights().assign(temp=pd.Series([1.5, "warm"] * 200, dtype=object))
    with pytest.raises(BadData, match=r"cannot be read .*warm.* correct it or its columns' types"):
        in_memory_table(frame, SCHEMA).check()


def test_a_number_that_was_a_truth_value_or_whole_before_is_still_a_number(tmp_path: Path) -> None:
    frame = in_week(flights()).assign(temp=True)
    for dtype, values in (("bool", True), ("int64", 1), ("float64", 1.0)):
        facts = in_memory_table(frame.assign(temp=values), SCHEMA).facts(WEEK)
        temp = next(column for column in facts.columns if column.name == "temp")
        assert (temp.low, temp.high, temp.n_missing) == (1.0, 1.0, 0)
        assert temp.dtype == {"bool": "boolean"}.get(dtype, dtype)


def test_a_window_of_one_row_and_as_many_categories_as_rows_are_facts() -> None:
    frame = in_week(flights()).assign(carrier=[f"c{number}" for number in range(len(in_week(flights())))])
    first = frame["at"].min().tz_localize("UTC").to_pydatetime()
    known = [Familiar("carrier", values=("B6", "EV"), common=("B6",))]
    one = in_memory_table(frame, SCHEMA).facts(Window(first, first + pd.Timedelta("1ms")), known)
    assert (one.n_rows, one.columns[5].n_unseen, one.columns[5].vanished) == (1, 1, ("B6",))
    whole = in_memory_table(frame, SCHEMA).facts(WEEK, known)
    assert whole.columns[5].n_unseen == whole.columns[5].n_unseen_values == len(frame)
    assert len(whole.columns[5].unseen) == 5


def test_thousands_of_familiar_values_are_looked_for() -> None:
    values = tuple(f"c{number}" for number in range(5000))
    facts = in_memory_table(flights(), SCHEMA).facts(WEEK, [Familiar("carrier", values=(*values, "B6"))])
    assert facts.columns[5].n_unseen == in_week(flights())["carrier"].notna().sum() - (
        in_week(flights())["carrier"].eq("B6").sum()
    )


@pytest.mark.spark
def test_a_large_sample_and_an_odd_path_come_home_from_spark(tmp_path: Path) -> None:
    """More than a megabyte takes another way than less."""
    n = 20_000
    frame = flights().sample(n, replace=True, random_state=0, ignore_index=True)
    frame = frame.assign(flight=range(n), at=pd.Timestamp(WEEK.start).tz_localize(None).as_unit("us"))
    (tmp_path / "my flights, 100%").mkdir()
    frame.to_parquet(tmp_path / "my flights, 100%" / "january.parquet")
    for name in ("january.parquet", "*.parquet"):
        path = tmp_path / "my flights, 100%" / name
        assert len(open_table(f"spark://local[2]/{path}", SCHEMA).sample(WEEK, n)) == n


@pytest.mark.spark
def test_times_in_nanoseconds_are_one_sentence_with_spark(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(flights()), tmp_path / "a.parquet")
    with pytest.raises(BadData, match="nanoseconds, which Spark cannot read; write them in microseconds"):
        open_table(f"spark://local[2]/{tmp_path}/a.parquet", SCHEMA).check()


@pytest.mark.spark
def test_what_is_wrong_with_a_table_is_one_sentence_with_spark(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no\.parquet does not exist"):
        open_table(f"spark://local[2]/{tmp_path}/no.parquet", SCHEMA).check()
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(BadData, match=r"bad\.parquet cannot be read"):
        open_table(f"spark://local[2]/{tmp_path}/bad.parquet", SCHEMA).check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="empty does not exist"):
        open_table(f"spark://local[2]/{tmp_path}/empty", SCHEMA).check()
    frame = flights().assign(at="yesterday")
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(BadData, match="yesterday"):
        open_table(f"spark://local[2]/{tmp_path}/a.parquet", SCHEMA).facts(WEEK)


def test_spark_is_run_in_local_mode_alone() -> None:
    with pytest.raises(BadSettings, match=r"write spark://local\[\*\]/ and a path to Parquet"):
        open_table("spark://cluster:7077/flights.parquet", SCHEMA)


def test_a_time_column_is_compared_as_it_is() -> None:
    """A filter on a cast column would use no index and no statistics, and read every row of every window."""
    import ibis

    with in_memory_table(flights(), SCHEMA)._rows(WEEK) as (_, rows):
        assert '"at" >= MAKE_TIMESTAMP(2013, 1, 8' in ibis.to_sql(rows)


def test_a_file_without_a_byte_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(BadData, match="is empty and has not even a header"):
        open_table(str(tmp_path / "a.csv"), SCHEMA).check()


def test_a_parquet_file_without_rows_has_no_extent(tmp_path: Path) -> None:
    pd.DataFrame({name: [] for name in SCHEMA.production}, dtype=object).to_parquet(tmp_path / "a.parquet")
    assert open_table(str(tmp_path / "a.parquet"), SCHEMA).extent() is None
