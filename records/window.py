"""One stretch of production time, `[start, end)`, and how it follows from a schedule."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The production rows whose time `t` satisfies `start <= t < end`; both ends carry a time zone.

    >>> from datetime import UTC, datetime
    >>> Window(datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC)).name
    '2013-03-04_2013-03-11'
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"a window needs time zones, got {self.start!r} to {self.end!r}")
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts, got {self.start!r} to {self.end!r}")

    @property
    def name(self) -> str:
        """A short name people can read and file systems accept; a time of day appears only if there is one."""
        return f"{_short(self.start)}_{_short(self.end)}"

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.end - self.start


def in_utc(moment: datetime) -> datetime:
    """Return a plain moment in UTC; without a time zone it is read as UTC.

    >>> in_utc(datetime(2013, 6, 1)).isoformat()
    '2013-06-01T00:00:00+00:00'
    """
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(zoned.timestamp(), UTC)  # Prefect hands over another kind of datetime


def last_complete(moment: datetime, *, length: timedelta, anchor: datetime) -> Window:
    """Return the latest window of the grid `anchor + k * length` that has ended by `moment`.

    The window follows from the moment a run was *scheduled* for, so late and backfilled runs do the right one.

    >>> from datetime import UTC, datetime, timedelta
    >>> grid = {"length": timedelta(days=7), "anchor": datetime(2013, 1, 1, tzinfo=UTC)}
    >>> last_complete(datetime(2013, 1, 15, 6, tzinfo=UTC), **grid).name
    '2013-01-08_2013-01-15'
    >>> last_complete(datetime(2013, 1, 14, 23, tzinfo=UTC), **grid).name
    '2013-01-01_2013-01-08'
    """
    end = anchor + length * ((moment - anchor) // length)
    return Window(end - length, end)


def windows_between(start: datetime, end: datetime, *, length: timedelta, anchor: datetime) -> tuple[Window, ...]:
    """Return every whole window of the grid inside `[start, end]`, in order.

    >>> from datetime import UTC, datetime, timedelta
    >>> days = windows_between(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 22, tzinfo=UTC),
    ...                        length=timedelta(days=7), anchor=datetime(2013, 1, 1, tzinfo=UTC))
    >>> [window.name for window in days]
    ['2013-01-01_2013-01-08', '2013-01-08_2013-01-15', '2013-01-15_2013-01-22']
    """
    first = -((anchor - start) // length)  # ceiling of (start - anchor) / length
    last = (end - anchor) // length
    return tuple(Window(anchor + length * k, anchor + length * (k + 1)) for k in range(first, last))


def _short(moment: datetime) -> str:
    if moment.second:
        return moment.strftime("%Y-%m-%dT%H%M%S")
    return moment.strftime("%Y-%m-%dT%H%M" if moment.hour or moment.minute else "%Y-%m-%d")
