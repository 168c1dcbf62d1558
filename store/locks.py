"""Locks that the operating system or the database server lets go of when their holder dies."""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from records.errors import Conflict, NotAllowed, StorageFull
from store.database import Database
from store.faults import translated

_POLL_SECONDS = 0.05


class Locks(Protocol):
    """Whoever can hold a named lock for the length of a block."""

    def hold(self, name: str, *, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock `name`; raise `Conflict` when another still holds it after `wait_seconds`."""
        ...


def locks_of(database: Database) -> Locks:
    """Return the locks that fit a database: files beside a SQLite file, advisory locks in PostgreSQL."""
    return FileLocks(database.file) if database.file else AdvisoryLocks(database)


class FileLocks:
    """One locked file per name, in a folder beside the ledger; the file is gone when nobody holds it."""

    def __init__(self, ledger: Path) -> None:
        self._folder = ledger.with_name(f"{ledger.name}.locks")

    @contextmanager
    def hold(self, name: str, *, wait_seconds: float) -> Iterator[None]:
        """Hold the lock `name`; raise `Conflict` when another still holds it after `wait_seconds`."""
        path = self._folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', name)[:80]}-{_digest(name).hex()[:12]}.lock"
        lock = FileLock(path, thread_local=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=max(wait_seconds, 0.0), poll_interval=_POLL_SECONDS)
        except Timeout:
            raise _held(name, wait_seconds) from None
        except PermissionError as error:
            raise NotAllowed(f"the lock {path} cannot be taken ({error}); make its folder writable") from error
        except OSError as error:
            raise StorageFull(f"the lock {path} cannot be made ({error}); free some space") from error
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()  # while still held: whoever waits on the old file sees that it has no name any more
            lock.release()


class AdvisoryLocks:
    """PostgreSQL advisory locks, each on a connection of its own that ends with its holder."""

    def __init__(self, database: Database) -> None:
        self._place = database.place
        self._engine: Engine = create_engine(
            database.engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # a lock held for an hour must not be an hour-long transaction
            connect_args={"connect_timeout": 10, "application_name": "driftloop lock"},
        )

    @contextmanager
    def hold(self, name: str, *, wait_seconds: float) -> Iterator[None]:
        """Hold the lock `name`; raise `Conflict` when another still holds it after `wait_seconds`."""
        key = {"key": int.from_bytes(_digest(name)[:8], "big", signed=True)}
        give_up = time.monotonic() + wait_seconds
        with translated(self._place):
            connection = self._engine.connect()
        try:
            with translated(self._place):
                while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
                    if time.monotonic() >= give_up:
                        raise _held(name, wait_seconds)
                    time.sleep(_POLL_SECONDS)
            yield
        finally:
            with suppress(SQLAlchemyError):  # a broken connection holds nothing any more
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
            with suppress(SQLAlchemyError):
                connection.close()


def _digest(name: str) -> bytes:
    return hashlib.sha256(f"driftloop {name}".encode()).digest()


def _held(name: str, wait_seconds: float) -> Conflict:
    waited = f" after {wait_seconds:g} s" if wait_seconds > 0 else ""
    return Conflict(f"another process still holds {name!r}{waited}; let it end, then run again")
