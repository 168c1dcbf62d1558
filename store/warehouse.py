"""The door to production tables, and the only module that knows Ibis: which engine reads which address."""

import hashlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pandas import DataFrame

from records.errors import BadData, BadSettings, Conflict, DriftloopError, NotFound, StorageFull
from records.schema import Schema
from store.faults import first_line, of_driver
from store.production import Opened, ProductionTable
from store.source import Source, source_of

__all__ = ["ProductionTable", "in_memory_table", "open_table"]

_MEMORY = "1GB"
_READ_ONLY = "-c default_transaction_read_only=on"


def open_table(url: str, schema: Schema, *, table: str | None = None) -> ProductionTable:
    """Return the production table at `url`; nothing is read before its first method is called.

    `url` is a path to a Parquet file, a folder of them, a CSV, DuckDB or SQLite file, or a `postgresql://` address;
    `table` names the table where there are several, `schema.table` if it is not in the default schema. Raises
    `BadSettings` for an address that cannot be understood and `NotFound` for a path that does not exist.
    """
    source = source_of(url, table)
    return ProductionTable(partial(_open, source), schema, name=source.name)


def in_memory_table(frame: DataFrame, schema: Schema) -> ProductionTable:
    """Return `frame` as a production table: the same code on an engine in memory, for tests and small data."""
    return ProductionTable(partial(_open_frame, frame), schema, name="in memory")


@contextmanager
def _open(source: Source) -> Iterator[Opened]:
    opening: Callable[[Source], AbstractContextManager[Opened]]
    opening = {"sqlite": _open_sqlite, "postgres": _open_postgres}.get(source.kind, _open_duckdb)
    with _translated(f"the production table {source.name}"), opening(source) as opened:
        yield opened


@contextmanager
def _open_frame(frame: DataFrame) -> Iterator[Opened]:
    import pyarrow

    with _translated("the production table in memory"), _duckdb(":memory:") as backend:
        backend.con.register("production", pyarrow.Table.from_pandas(frame, preserve_index=False))
        yield _opened(backend.table("production"))


@contextmanager
def _open_duckdb(source: Source) -> Iterator[Opened]:
    path = Path(source.address)
    if "*" not in source.address and not path.exists():
        raise NotFound(f"the production table {source.name} does not exist; correct table.url in driftloop.toml")
    if source.kind == "duckdb":
        with _duckdb(path, read_only=True) as backend:
            yield _opened(_table(backend, source))
        return
    with _duckdb(":memory:") as backend:
        if source.kind == "csv":  # one type for all: guessed types would turn the code 007 into 7
            yield _opened(backend.read_csv(source.address, all_varchar=True, header=True), all_text=True)
        else:
            pattern = str(path / "**" / "*.parquet") if path.is_dir() else source.address
            yield _opened(backend.read_parquet(pattern, union_by_name=True))


@contextmanager
def _duckdb(database: Path | str, **options: Any) -> Iterator[Any]:
    import ibis

    backend = ibis.duckdb.connect(
        database,
        memory_limit=_MEMORY,
        temp_directory=str(Path(tempfile.gettempdir()) / "driftloop-duckdb"),
        TimeZone="UTC",
        autoinstall_known_extensions=False,  # nothing is fetched from outside
        **options,
    )
    try:
        yield backend
    finally:
        backend.disconnect()


@contextmanager
def _open_sqlite(source: Source) -> Iterator[Opened]:
    import ibis

    path = Path(source.address)
    if not path.exists():
        raise NotFound(f"the production table {source.name} does not exist; correct table.url in driftloop.toml")
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        connection.create_function("md5", 1, _md5_text, deterministic=True)
        connection.create_function("driftloop_utc", 1, _utc_text, deterministic=True)
        backend = ibis.sqlite.from_connection(connection)
        md5, utc = _functions()
        table = _table(backend, source)
        yield Opened(table, md5, lambda time: utc(time.cast("string")), lambda moment: _utc_text(moment.isoformat()))


@contextmanager
def _open_postgres(source: Source) -> Iterator[Opened]:
    import ibis
    import psycopg

    connection = psycopg.connect(
        source.address, autocommit=True, connect_timeout=10, application_name="driftloop", options=_READ_ONLY
    )
    with closing(connection):
        yield _opened(_table(ibis.postgres.from_connection(connection), source))


def _opened(table: Any, *, all_text: bool = False) -> Opened:
    md5, _ = _functions()
    return Opened(table, md5, _moment, lambda moment: moment.astimezone(UTC), all_text)


def _table(backend: Any, source: Source) -> Any:
    if source.table is None:
        query = "SHOW TABLES" if source.kind == "duckdb" else "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = sorted(name for (name,) in backend.con.execute(query).fetchall())
        if len(tables) != 1:
            raise BadSettings(f"{source.name} holds the tables {tables!r}; name one as table.name")
        return backend.table(tables[0])
    database, _, name = source.table.rpartition(".")
    return backend.table(name, database=database or None)


def _moment(time: Any) -> Any:
    return (time.cast("timestamp") if time.type().is_date() else time).cast("timestamp('UTC')")


@cache
def _functions() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    import ibis

    def md5(text: str) -> str: ...  # type: ignore[empty-body]

    def driftloop_utc(time: str) -> str: ...  # type: ignore[empty-body]

    return ibis.udf.scalar.builtin(md5), ibis.udf.scalar.builtin(driftloop_utc)


def _md5_text(text: str | None) -> str | None:
    return None if text is None else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _utc_text(text: str | None) -> str | None:
    """Return a time as text that sorts: SQLite has no type for it and people write it in several ways."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    utc = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(sep=" ", timespec="microseconds")


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
        raise NotFound(f"{what} does not exist ({first_line(error)}); correct table.name in driftloop.toml") from error
    except duckdb.Error as error:
        raise _of_duckdb(error, what) from error
    except (sqlite3.Error, psycopg.Error) as error:
        if "user-defined function raised exception" in str(error):
            raise BadData(f"{what} holds a time that is no time; write times as 2013-03-04 06:00:00") from error
        raise of_driver(error, what) from error
    except (IbisError, pyarrow.ArrowException) as error:
        raise BadData(f"{what} cannot be read ({first_line(error)}); correct it or its columns' types") from error


def _of_duckdb(error: Exception, what: str) -> DriftloopError:
    words = first_line(error)
    name = type(error).__name__
    if name == "OutOfMemoryException" or "No space left" in words:
        return StorageFull(f"{what} cannot be read in {_MEMORY} of memory ({words}); free some space for spilling")
    if "Could not set lock" in words:
        return Conflict(f"{what} is being written by another process ({words}); run again when it has ended")
    if "No files found" in words:
        return NotFound(f"{what} does not exist ({words}); correct table.url in driftloop.toml")
    return BadData(f"{what} cannot be read ({words}); correct it or its columns' types")
