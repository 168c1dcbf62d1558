"""The door to production tables, and the only module that knows Ibis: which engine reads which address."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pandas import DataFrame

from records.errors import BadData, BadSettings, DriftloopError, NotFound
from records.schema import Schema
from records.window import Window
from store.columns import days_between, moment_of, within
from store.faults import first_line, of_driver, of_duckdb
from store.files import means, names_in_csv, names_in_parquet
from store.keepalive import keepalive
from store.production import Opened, ProductionTable
from store.server import connection_parts, server_url
from store.source import Source, source_of
from store.spark import spark_session
from store.sqlite_functions import functions, utc_text

__all__ = ["ProductionTable", "in_memory_table", "open_table"]

_READ_ONLY = "-c default_transaction_read_only=on"


def open_table(url: str, schema: Schema, *, table: str | None = None) -> ProductionTable:
    """Return the production table at `url`; nothing is read before its first method is called.

    `url` is a path to a Parquet file, a folder of them, a CSV, DuckDB or SQLite file, a `postgresql://` address, or
    `spark://local[*]/` and a path to Parquet; `table` names the table where there are several, `schema.table` if it is
    not in the default schema. Raises `BadSettings` for an address that cannot be understood and `NotFound` for a path
    that does not exist.
    """
    source = source_of(url, table)
    return ProductionTable(partial(_open, source, schema.pii), schema, name=source.name)


def in_memory_table(frame: DataFrame, schema: Schema) -> ProductionTable:
    """Return `frame` as a production table: the same code on an engine in memory, for tests and small data."""
    return ProductionTable(partial(_open_frame, frame), schema, name="in memory")


@contextmanager
def _open(source: Source, personal: tuple[str, ...]) -> Iterator[Opened]:
    engines: dict[str, Callable[[Source], AbstractContextManager[Opened]]] = {
        "sqlite": partial(_open_sqlite, personal=personal),
        "postgres": _open_postgres,
        "spark": _open_spark,
    }
    opening = engines.get(source.kind, _open_duckdb)
    with _translated(f"the production table {source.name}"), opening(source) as opened:
        yield opened


@contextmanager
def _open_frame(frame: DataFrame) -> Iterator[Opened]:
    import pyarrow

    with _translated("the production table in memory"), _duckdb(":memory:") as backend:
        unique = frame.loc[:, ~frame.columns.duplicated()]
        backend.con.register("production", pyarrow.Table.from_pandas(unique, preserve_index=False))
        yield _opened(backend.table("production"), written=list(frame.columns))


@contextmanager
def _open_duckdb(source: Source) -> Iterator[Opened]:
    path = _existing(source)
    if source.kind == "duckdb":
        with _duckdb(path, read_only=True) as backend:
            yield _opened(_table(backend, source))
        return
    with _duckdb(":memory:") as backend:
        if source.kind == "csv":  # one type for all: guessed types would turn the code 007 into 7
            table = backend.read_csv(source.address, all_varchar=True, header=True)
            yield _opened(table, all_text=True, written=names_in_csv(source.address, backend.con))
        else:
            pattern = str(path / "**" / "*.parquet") if path.is_dir() else source.address
            table = backend.read_parquet(pattern, union_by_name=True)
            yield _opened(table, written=names_in_parquet(pattern, backend.con))


@contextmanager
def _duckdb(database: Path | str, **options: Any) -> Iterator[Any]:
    import ibis

    backend = ibis.duckdb.connect(database, **means(), **options)
    backend.con.execute("SET disable_parquet_prefetching = true")  # it takes a whole row group, however wide, at once
    try:
        yield backend
    finally:
        backend.disconnect()


@contextmanager
def _open_sqlite(source: Source, *, personal: tuple[str, ...]) -> Iterator[Opened]:
    import ibis

    path, what = _existing(source), f"the production table {source.name}"
    with (
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection,
        functions(connection, what, personal),
    ):
        backend = ibis.sqlite.from_connection(connection)
        md5, utc, refused, between = _functions()

        def moment(time: Any) -> Any:
            return utc(time.get_name(), time.cast("string"))

        def number(column: Any) -> Any:  # any column of SQLite may hold text, which counts as 0 there
            is_text = column.typeof().isin(("text", "blob"))
            return is_text.ifelse(refused(column.get_name(), column.cast("string")), column)

        def days(later: Any, earlier: Any) -> Any:
            return between(moment(later), utc(earlier.get_name(), earlier.cast("string")))

        def inside(time: Any, window: Window) -> Any:
            start, end = (utc_text(bound.isoformat()) for bound in (window.start, window.end))
            return (moment(time) >= start) & (moment(time) < end)

        yield Opened(_table(backend, source), md5, moment, inside, days, number)


@contextmanager
def _open_spark(source: Source) -> Iterator[Opened]:
    import ibis

    path = _existing(source).resolve()
    with spark_session(source.master, f"the production table {source.name}") as session:
        session.read.parquet(f"file:{path}", mergeSchema=True).createOrReplaceTempView("production")
        yield _opened(ibis.pyspark.connect(session).table("production"))


@contextmanager
def _open_postgres(source: Source) -> Iterator[Opened]:
    import ibis
    import psycopg

    url = server_url(source.address, f"the address of the production table {source.name}")
    ours = {**keepalive(url), "application_name": "driftloop", "options": _READ_ONLY}
    with closing(psycopg.connect(autocommit=True, **connection_parts(url) | ours)) as connection:
        yield _opened(_table(ibis.postgres.from_connection(connection), source))


def _existing(source: Source) -> Path:
    path = Path(source.address)
    if "*" not in source.address and not path.exists():
        raise NotFound(f"the production table {source.name} does not exist; correct table.url in the settings")
    return path


def _opened(table: Any, *, all_text: bool = False, written: Sequence[str] = ()) -> Opened:
    md5, *_ = _functions()
    return Opened(table, md5, moment_of, within, days_between, all_text=all_text, written=written)


def _table(backend: Any, source: Source) -> Any:
    if source.table is None:
        query = "SHOW TABLES" if source.kind == "duckdb" else "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = sorted(name for (name,) in backend.con.execute(query).fetchall())
        if len(tables) != 1:
            raise BadSettings(f"{source.name} holds the tables {tables!r}; name one as table.name")
        return backend.table(tables[0])
    database, _, name = source.table.rpartition(".")
    return backend.table(name, database=database or None)


@cache
def _functions() -> tuple[Callable[..., Any], ...]:
    import ibis

    def md5(text: str) -> str: ...  # type: ignore[empty-body]

    def driftloop_utc(column: str, time: str) -> str: ...  # type: ignore[empty-body]

    def driftloop_number(column: str, value: str) -> float: ...  # type: ignore[empty-body]

    def driftloop_days(later: str, earlier: str) -> float: ...  # type: ignore[empty-body]

    functions = (md5, driftloop_utc, driftloop_number, driftloop_days)
    return tuple(ibis.udf.scalar.builtin(function) for function in functions)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    import duckdb
    import psycopg
    import pyarrow
    from ibis.common.exceptions import IbisError, TableNotFound

    try:
        yield
    except DriftloopError:
        raise
    except (TableNotFound, duckdb.CatalogException) as error:
        raise NotFound(f"{what} does not exist ({first_line(error)}); correct table.name in the settings") from error
    except duckdb.Error as error:
        raise of_duckdb(error, what) from error
    except (sqlite3.Error, psycopg.Error) as error:
        raise of_driver(error, what) from error
    except (IbisError, pyarrow.ArrowException) as error:
        raise BadData(f"{what} cannot be read ({first_line(error)}); correct it or its columns' types") from error
