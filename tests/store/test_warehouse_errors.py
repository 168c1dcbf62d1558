import socket
import sqlite3
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from records.errors import BadData, BadSettings, NotAllowed, NotFound, ServiceDown
from store.warehouse import in_memory_table, open_table
from tests.store.flights import SCHEMA, WEEK, flights


@pytest.mark.parametrize("name", ["no.parquet", "no.csv", "no.duckdb", "no.sqlite", "no-folder"])
def test_a_path_that_does_not_exist_is_not_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"{name}.* does not exist"):
        open_table(str(tmp_path / name), SCHEMA).check()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_parquet_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        open_table(str(tmp_path), SCHEMA).check()


@pytest.mark.parametrize("name", ["bad.parquet", "bad.duckdb", "bad.sqlite"])
def test_a_file_that_holds_something_else_is_bad_data(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("this is not a table at all, however long one reads on" * 100)
    with pytest.raises(BadData, match=name):
        open_table(str(tmp_path / name), SCHEMA, table="flights").check()


def test_an_address_of_another_kind_is_bad_settings_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="mysql://db/loop") as raised:
        open_table("mysql://ada:s3cret@db/loop", SCHEMA)
    assert "s3cret" not in str(raised.value)
    (tmp_path / "flights.xlsx").touch()
    with pytest.raises(BadSettings, match="no known ending"):
        open_table(str(tmp_path / "flights.xlsx"), SCHEMA)
    with pytest.raises(BadSettings, match=r"set table\.name"):
        open_table("postgresql://db/loop", SCHEMA)


def test_a_table_that_is_not_in_the_file_is_not_found_and_a_choice_must_be_made(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "a.duckdb") as duck:
        duck.execute("CREATE TABLE one AS SELECT 1 AS x; CREATE TABLE two AS SELECT 1 AS x")
    with sqlite3.connect(tmp_path / "a.sqlite") as lite:
        lite.execute("CREATE TABLE one (x)")
        lite.execute("CREATE TABLE two (x)")
    lite.close()
    for name in ("a.duckdb", "a.sqlite"):
        with pytest.raises(NotFound, match="three"):
            open_table(str(tmp_path / name), SCHEMA, table="three").check()
        with pytest.raises(BadSettings, match=r"holds the tables \['one', 'two'\]"):
            open_table(str(tmp_path / name), SCHEMA).check()


def test_a_column_of_the_wrong_type_is_named() -> None:
    frame = flights()
    with pytest.raises(BadData, match="numeric column 'hour'"):
        in_memory_table(frame.assign(hour="late"), SCHEMA).check()
    with pytest.raises(BadData, match="time column 'at'"):
        in_memory_table(frame.assign(at=7), SCHEMA).check()


def test_text_among_the_numbers_of_a_csv_is_bad_data(tmp_path: Path) -> None:
    flights().assign(hour="noon").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(BadData, match="noon"):
        open_table(str(tmp_path / "a.csv"), SCHEMA).facts(WEEK)


@pytest.mark.parametrize("name", ["a.csv", "a.sqlite"])
def test_a_time_that_is_no_time_is_bad_data(name: str, tmp_path: Path) -> None:
    frame = flights().assign(at="yesterday")
    if name == "a.csv":
        frame.to_csv(tmp_path / name, index=False)
    else:
        with sqlite3.connect(tmp_path / name) as lite:
            frame.to_sql("flights", lite, index=False)
        lite.close()
    with pytest.raises(BadData, match=r"yesterday|no time"):
        open_table(str(tmp_path / name), SCHEMA).facts(WEEK)


def test_column_names_are_data_whatever_they_hold() -> None:
    odd = 'a "quoted"; DROP TABLE x; -- %s {0}'
    frame = flights().rename(columns={"temp": odd})
    table = in_memory_table(frame, replace(SCHEMA, numeric=(odd, "hour")))
    assert table.facts(WEEK).columns[2].name == odd
    assert table.sample(WEEK, 3)[odd].dtype == "float64"


def test_a_server_that_is_not_there_is_down_and_its_password_stays_secret() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        table = open_table(f"postgresql://ada:s3cret@127.0.0.1:{taken.getsockname()[1]}/loop", SCHEMA, table="flights")
        with pytest.raises(ServiceDown, match="cannot be reached") as raised:
            table.check()
    told = "".join(traceback.format_exception(raised.value)) + repr(table) + str(raised.value)
    assert "s3cret" not in told


@pytest.mark.parametrize("password", ["50%off", "off/50", "off#50", "off?50", "x@off", "x?a=off", "off@50/x"])
def test_no_part_of_an_odd_password_is_told(password: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        table = open_table(f"postgresql://ada:{password}@127.0.0.1:{taken.getsockname()[1]}/l", SCHEMA, table="flights")
        with pytest.raises((ServiceDown, BadSettings)) as raised:
            table.check()
    told = "".join(traceback.format_exception(raised.value)) + repr(table)
    assert "off" not in told
    understood = password.count("@") == 0 and "=" not in password
    assert isinstance(raised.value, ServiceDown if understood else BadSettings)


@pytest.mark.services
def test_an_odd_password_opens_the_table(postgres_url: Callable[[], str]) -> None:
    """The server trusts everybody: what counts is that user, password and place are told apart."""
    url = sa.make_url(postgres_url())
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        flights().to_sql("flights", connection, index=False)
    engine.dispose()
    for password in ("50%off", "off/50", "off#50", "off?50", "off%4050"):
        address = f"postgresql://postgres:{password}@127.0.0.1:{url.port}/{url.database}"
        assert open_table(address, SCHEMA, table="flights").facts(WEEK).n_rows


@pytest.mark.services
def test_a_table_that_is_not_in_the_database_is_not_found(postgres_url: Callable[[], str]) -> None:
    with pytest.raises(NotFound, match="flights"):
        open_table(postgres_url(), SCHEMA, table="flights").check()


@pytest.mark.services
def test_a_table_we_may_not_read_is_not_allowed(postgres_url: Callable[[], str]) -> None:
    url = sa.make_url(postgres_url())
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        flights().to_sql("flights", connection, index=False)
        connection.execute(sa.text("DROP ROLE IF EXISTS stranger"))
        connection.execute(sa.text("CREATE ROLE stranger LOGIN"))
    stranger = url.set(username="stranger").render_as_string(hide_password=False)
    with pytest.raises(NotAllowed, match="permission denied"):
        open_table(stranger, SCHEMA, table="flights").facts(WEEK)
    engine.dispose()
