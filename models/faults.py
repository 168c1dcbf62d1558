"""What MLflow's many errors mean, told as Driftloop's few."""

import errno
import os

from records.address import without_secrets
from records.errors import BadData, DriftloopError, NotAllowed, NotFound, ServiceDown, StorageFull

_UNREACHABLE = ("requests", "urllib3", "sqlalchemy", "sqlite3", "psycopg", "alembic")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAYS_FULL = (*map(os.strerror, _FULL), "database or disk is full")  # SQLite's words


def translate(error: Exception, *, what: str, where: str) -> DriftloopError | None:
    """Return the error of ours that fits, None for one that is no service's fault; `what` was asked of `where`.

    MLflow is not imported: its errors are told by their HTTP status and their `error_code`. A full disk is told by its
    number, and where MLflow collected several errors in one, by its words.

    >>> translate(KeyError("a"), what="run 'x'", where="http://localhost:5000") is None
    True
    """
    library = type(error).__module__.partition(".")[0]
    problem = without_secrets((str(error).strip() or type(error).__name__).splitlines()[0])[:300]
    if getattr(error, "errno", None) in _FULL or any(words in str(error) for words in _SAYS_FULL):
        return StorageFull(f"no space is left for {what}, here or at MLflow {where!r}; free some and run again")
    if library in _UNREACHABLE or "Max retries exceeded" in problem:
        return ServiceDown(f"MLflow at {where!r} does not answer; start it or correct services.mlflow")
    if library != "mlflow":
        return None
    if isinstance(error, OSError):
        return ServiceDown(f"MLflow at {where!r} failed on {what}: {problem}; look at its log")
    code = str(getattr(error, "error_code", ""))
    status = error.get_http_status_code() if hasattr(error, "get_http_status_code") else 500
    if (
        code in ("UNAUTHENTICATED", "PERMISSION_DENIED")
        or status in (401, 403)
        or " 401" in problem
        or " 403" in problem
    ):
        return NotAllowed(
            f"MLflow at {where!r} refused {what}; check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND") or status == 404:
        return NotFound(f"MLflow at {where!r} does not have {what}; check its name in MLflow")
    if "API request to" in problem or status >= 500:
        return ServiceDown(f"MLflow at {where!r} failed on {what}: {problem}; start it or look at its log")
    return BadData(f"MLflow at {where!r} did not take {what}: {problem}; correct it and run again")
