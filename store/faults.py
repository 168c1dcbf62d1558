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
)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn errors of SQLAlchemy and its drivers into ours; `place` names the database, without a password."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _ours(error, place) from error
    except UnicodeEncodeError as error:
        raise BadData(
            f"the ledger {place} cannot hold the text {error.object!r}; remove its broken characters"
        ) from error


def _ours(error: Exception, place: str) -> DriftloopError:
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    words = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    if isinstance(error, IntegrityError):
        return Conflict(f"the ledger {place} already holds something else here ({words}); read it again and retry")
    if isinstance(error, DataError) or (isinstance(error, StatementError) and not isinstance(error, DBAPIError)):
        return BadData(f"the ledger {place} cannot hold a value ({words}); correct it and run again")
    if isinstance(error, PoolTimeout):
        return ServiceDown(f"the ledger {place} has no free connection ({words}); run fewer steps at once")
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause, words, place)
    return _of_postgres(str(getattr(cause, "sqlstate", None) or ""), str(cause), words, place)


def _of_sqlite(cause: sqlite3.Error, words: str, place: str) -> DriftloopError:
    name = getattr(cause, "sqlite_errorname", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR")):
        return StorageFull(f"the ledger {place} cannot be written ({words}); free some space or make it writable")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Conflict(f"the ledger {place} is busy in another process ({words}); run again when it has ended")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return BadData(f"the ledger {place} is damaged or no ledger ({words}); restore it from a backup")
    return ServiceDown(f"the ledger {place} cannot be used ({words}); check its path and permissions")


def _of_postgres(state: str, whole: str, words: str, place: str) -> DriftloopError:
    if state.startswith("28") or state == "42501" or any(refusal in whole for refusal in _REFUSALS):
        return NotAllowed(f"the ledger {place} refused our credentials ({words}); check user, password and grants")
    if state == "3D000" or ("database" in whole and "does not exist" in whole):
        return NotFound(f"the ledger {place} does not exist ({words}); create the database first")
    if (state.startswith("53") and state != "53300") or state == "25006":
        return StorageFull(f"the ledger {place} cannot be written ({words}); free some space or make it writable")
    if state.startswith("40") or state == "55P03":
        return Conflict(f"the ledger {place} is busy in another process ({words}); run again when it has ended")
    return ServiceDown(f"the ledger {place} cannot be reached or failed ({words}); check that its server is up")
