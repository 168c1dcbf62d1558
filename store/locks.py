"""Locks that the operating system or the database server lets go of when their holder dies."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from records.errors import Conflict, LockLost, NotAllowed, StorageFull
from store.database import Database
from store.faults import translated
from store.keepalive import keepalive

_POLL_SECONDS = 0.05
_HOLDS = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
    " AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = :key)"
)


class Held:
    """A lock in its holder's hands, who can ask whether it still is."""

    def __init__(self, name: str, still: Callable[[], bool]) -> None:
        self._name = name
        self._still = still

    def check(self) -> None:
        """Raise `LockLost` if the lock was lost since: ask before what cannot be taken back."""
        if not self._still():
            raise LockLost(f"the lock {self._name!r} was lost, and another may have run meanwhile; run again")


class Locks(Protocol):
    """Whoever can hold a named lock for the length of a block."""

    def hold(self, name: str, *, wait_seconds: float) -> AbstractContextManager[Held]:
        """Hold the lock `name`; raise `Conflict` when another still holds it after `wait_seconds`.

        At the end of a block that did not raise, `LockLost` says that it was lost on the way.
        """
        ...


def locks_of(database: Database) -> Locks:
    """Return the locks that fit a database: files beside a SQLite file, advisory locks in PostgreSQL."""
    return FileLocks(database.file) if database.file else AdvisoryLocks(database)


class FileLocks:
    """One locked file per name, in a folder beside the ledger; the file is gone when nobody holds it."""

    def __init__(self, ledger: Path) -> None:
        self._folder = ledger.with_name(f"{ledger.name}.locks")

    @contextmanager
    def hold(self, name: str, *, wait_seconds: float) -> Iterator[Held]:
        """See `Locks.hold`."""
        path = self._folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', name)[:80]}-{_digest(name).hex()[:12]}.lock"
        lock = FileLock(path, thread_local=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=max(wait_seconds, 0.0), poll_interval=_POLL_SECONDS)
            ours = path.stat().st_ino
        except Timeout:
            raise _held(name, wait_seconds) from None
        except PermissionError as error:
            raise NotAllowed(f"the lock {path} cannot be taken ({error}); make its folder writable") from error
        except OSError as error:
            raise StorageFull(f"the lock {path} cannot be made ({error}); free some space") from error
        held = Held(name, lambda: _inode(path) == ours)
        try:
            yield held
            held.check()
        finally:
            with suppress(OSError, LockLost):
                held.check()
                path.unlink()  # while still held: whoever waits on the old file sees that it has no name any more
            lock.release()


class AdvisoryLocks:
    """PostgreSQL advisory locks, each on a connection of its own that ends with its holder.

    A restart of the server lets go of them while their holders go on over new connections, so two may be inside at
    once. What the ledger itself allows once stays so: a finished step, a generation's number, a pending promotion and a
    champion are unique rows. What is outside has no such row. Two exchanges may both push a row, which is asked twice
    until the next pull merges the copies; and MLflow's alias, which cannot compare and set, may end on another version
    than the ledger's champion, which `doctor` finds. So a holder checks before it pushes or moves the alias, and at the
    end of its block, which leaves the length of one request.
    """

    def __init__(self, database: Database) -> None:
        self._place = database.place
        self._engine: Engine = create_engine(
            database.engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # a lock held for an hour must not be an hour-long transaction
            connect_args={**keepalive(database.engine.url), "application_name": "driftloop lock"},
        )

    @contextmanager
    def hold(self, name: str, *, wait_seconds: float) -> Iterator[Held]:
        """See `Locks.hold`."""
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
            held = Held(name, lambda: _holds(connection, key))
            yield held
            held.check()
        finally:
            with suppress(SQLAlchemyError):  # a broken connection holds nothing any more
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
            with suppress(SQLAlchemyError):
                connection.close()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _holds(connection: Connection, key: dict[str, int]) -> bool:
    """Ask the server, since a connection that broke is replaced by one that holds nothing."""
    try:
        return bool(connection.scalar(_HOLDS, key))
    except SQLAlchemyError:
        return False


def _digest(name: str) -> bytes:
    return hashlib.sha256(f"driftloop {name}".encode()).digest()


def _held(name: str, wait_seconds: float) -> Conflict:
    waited = f" after {wait_seconds:g} s" if wait_seconds > 0 else ""
    return Conflict(f"another process still holds {name!r}{waited}; let it end, then run again")
