"""What databases complain about, in our words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from records.errors import BadData, Conflict, DriftloopError, NotAllowed, NotFound, ServiceDown, StorageFull

_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied",
    'role "',
)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn errors of SQLAlchemy and its drivers into ours; `place` names the ledger, without a password."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _ours(error, f"the ledger {place}") from error
    except UnicodeEncodeError as error:
        raise BadData(f"the ledger {place} cannot hold the text {error.object!r}; correct its characters") from error


def _ours(error: Exception, what: str) -> DriftloopError:
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    words = first_line(cause)
    if isinstance(error, IntegrityError):
        return Conflict(f"{what} already holds something else here ({words}); read it again and retry")
    if isinstance(error, DataError) or (isinstance(error, StatementError) and not isinstance(error, DBAPIError)):
        return BadData(f"{what} cannot hold a value ({words}); correct it and run again")
    if isinstance(error, PoolTimeout):
        return ServiceDown(f"{what} has no free connection ({words}); run fewer steps at once")
    return of_driver(cause, what)


def of_driver(cause: BaseException, what: str) -> DriftloopError:
    """Return our error for one of `sqlite3` or `psycopg`; `what` says which database, without a password."""
    return _of_sqlite(cause, what) if isinstance(cause, sqlite3.Error) else _of_postgres(cause, what)


def first_line(cause: BaseException) -> str:
    """Return the first line of a foreign error's message, or its name if it has none."""
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def _of_sqlite(cause: sqlite3.Error, what: str) -> DriftloopError:
    name, words = getattr(cause, "sqlite_errorname", ""), first_line(cause)
    if name.startswith(("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR")):
        return StorageFull(f"{what} cannot be written ({words}); free some space or make it writable")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Conflict(f"{what} is busy in another process ({words}); run again when it has ended")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return BadData(f"{what} is damaged or no database ({words}); restore it from a backup")
    return ServiceDown(f"{what} cannot be used ({words}); check its path and permissions")


def _of_postgres(cause: BaseException, what: str) -> DriftloopError:
    state, whole, words = str(getattr(cause, "sqlstate", None) or ""), str(cause), first_line(cause)
    if state.startswith("28") or state == "42501" or any(refusal in whole for refusal in _REFUSALS):
        return NotAllowed(f"{what} refused our credentials ({words}); check user, password and grants")
    if state in ("3D000", "42P01") or ("database" in whole and "does not exist" in whole):
        return NotFound(f"{what} does not exist ({words}); create it, or correct its address")
    if state.startswith("22"):
        return BadData(f"{what} holds a value that does not fit ({words}); correct it and run again")
    if (state.startswith("53") and state != "53300") or state == "25006":
        return StorageFull(f"{what} cannot be written ({words}); free some space or make it writable")
    if state.startswith("40") or state == "55P03":
        return Conflict(f"{what} is busy in another process ({words}); run again when it has ended")
    return ServiceDown(f"{what} cannot be reached or failed ({words}); check that its server is up")


def of_duckdb(cause: BaseException, what: str) -> DriftloopError:
    """Return our error for one of `duckdb`; `what` says which table."""
    name, words = type(cause).__name__, first_line(cause)
    if name == "OutOfMemoryException" or "No space left" in words:
        return StorageFull(f"{what} cannot be read in the memory it is given ({words}); free some space for spilling")
    if "Could not set lock" in words:
        return Conflict(f"{what} is being written by another process ({words}); run again when it has ended")
    if "No files found" in words:
        return NotFound(f"{what} does not exist ({words}); correct table.url in the settings")
    return BadData(f"{what} cannot be read ({words}); correct it or its columns' types")
