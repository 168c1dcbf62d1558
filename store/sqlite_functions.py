"""What SQLite lacks and a production table needs: a hash, times that sort, and numbers that are numbers."""

import hashlib
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from records.errors import BadData
from records.schema import FARTHEST_DAYS


@contextmanager
def functions(connection: sqlite3.Connection, what: str, personal: Collection[str] = ()) -> Iterator[None]:
    """Give a connection the functions `md5` and `driftloop_utc`, `_number` and `_days` for the length of a block.

    `driftloop_utc` and `driftloop_number` take a column's name and a value; `BadData` quotes both when the value is no
    time or no number, but no value of a `personal` column. The first word on it is theirs, because SQLite itself only
    says that some function failed.
    """
    refused: list[str] = []

    def said(column: str, value: object) -> str:
        return "a personal value, not shown," if column in personal else repr(str(value)[:60])

    def utc(column: str, text: str | None) -> str | None:
        try:
            return utc_text(text)
        except ValueError:
            refused.append(
                f"{what} has {said(column, text)} in its column of times {column!r}, which is no time; write times as"
                " 2013-03-04 06:00:00"
            )
            raise

    def number(column: str, value: object) -> float:
        refused.append(
            f"{what} has {said(column, value)} in its numeric column {column!r}; convert it, or list the column under"
            " categorical"
        )
        raise ValueError(value)

    connection.create_function("md5", 1, md5_text, deterministic=True)
    connection.create_function("driftloop_utc", 2, utc, deterministic=True)
    connection.create_function("driftloop_number", 2, number, deterministic=True)
    connection.create_function("driftloop_days", 2, days_between, deterministic=True)
    try:
        yield
    except sqlite3.OperationalError:
        if refused:
            raise BadData(refused[0]) from None
        raise


def md5_text(text: str | None) -> str | None:
    """Return the MD5 of a text in UTF-8 as 32 hexadecimal digits, as other engines do.

    >>> md5_text("1000")
    'a9b7ba70783b617e9998dc4dd82eb3c5'
    """
    return None if text is None else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def utc_text(text: str | None) -> str | None:
    """Return a time as text that sorts: SQLite has no type for it and people write it in several ways.

    >>> utc_text("2013-03-04T06:00:00+09:00"), utc_text("2013-03-04")
    ('2013-03-03 21:00:00.000000', '2013-03-04 00:00:00.000000')
    """
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    utc = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(sep=" ", timespec="microseconds")


def days_between(later: str | None, earlier: str | None) -> float | None:
    """Return the days from one time to another, to the second; both as `utc_text` writes them. None if centuries apart.

    >>> days_between("2013-03-04 06:00:00.000000", "2013-03-03 18:00:00.900000")
    0.5
    """
    if later is None or earlier is None:
        return None
    seconds = [datetime.fromisoformat(text).replace(microsecond=0) for text in (later, earlier)]
    days = (seconds[0] - seconds[1]).total_seconds() / 86_400
    return days if abs(days) <= FARTHEST_DAYS else None
