"""The database behind the ledger: how it is opened, and short transactions in it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from records.address import public
from records.errors import BadSettings, NotAllowed, StorageFull
from store.faults import translated
from store.keepalive import keepalive
from store.server import server_url

_BUSY_SECONDS = 30


class Database:
    """A SQLite file or a PostgreSQL database; nothing is opened until the first transaction."""

    def __init__(self, url: str) -> None:
        self.place = public(url)
        self._url = _understood(url, self.place)
        self.engine = _sqlite(self._url, self.place) if self.file else _postgres(self._url)
        self._writer = self.engine.execution_options(driftloop_writes=True)

    def __repr__(self) -> str:
        return f"Database({self.place!r})"

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None for a server."""
        return Path(str(self._url.database)) if self._url.get_backend_name() == "sqlite" else None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the ledger."""
        with translated(self.place), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed at the end, or leaves no trace when the body raises."""
        with translated(self.place), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def write_ahead(self) -> None:
        """Let readers and a writer work at once in a SQLite file, which remembers it; a server does so anyway."""
        if self.file:
            with translated(self.place), closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")


def _understood(url: str, place: str) -> URL:
    backend = url.partition(":")[0].partition("+")[0]
    if backend == "postgresql":
        return server_url(url, f"the ledger's address {place!r}")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is not None and backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite+pysqlite")
    raise BadSettings(
        f"the ledger's address {place!r} cannot be used; write sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE"
    )


def _sqlite(url: URL, place: str) -> Engine:
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise NotAllowed(f"the folder of the ledger {place} cannot be made ({error}); choose another one") from error
    except OSError as error:
        raise StorageFull(f"the folder of the ledger {place} cannot be made ({error}); choose another one") from error
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own; see `begin`
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # an intent must survive a power cut

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A write lock taken at the start waits for its turn; one taken half-way fails if somebody wrote meanwhile.
        writes = connection.get_execution_options().get("driftloop_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: URL) -> Engine:
    arguments = {**keepalive(url), "application_name": "driftloop"}
    return create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)
