"""Columns of times, however they were written, as times in UTC and as seconds."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
from pandas import Series

from monitors.words import quoted
from records.errors import BadData


def moments(known: Series, role: str, where: str) -> Series:
    """Return known times of any kind as UTC, with the same index; a naive time is taken as UTC.

    Raises `BadData` for what is no time, or is none that nanoseconds can hold; `role` and `where` are for its message.
    """
    if known.dtype == object:
        kinds = known.map(lambda value: isinstance(value, (str, date, np.datetime64))).astype(bool)
        if not kinds.all():
            raise _unreadable(known, known[~kinds].iloc[0], role, where)
    times = pd.to_datetime(known, utc=True, errors="coerce", format="ISO8601" if known.dtype == object else None)
    if times.isna().any():
        raise _unreadable(known, known[times.isna()].iloc[0], role, where)
    return times


def seconds_of(known: Series, role: str, where: str) -> Series:
    """Return the whole seconds since 1970 of known times of any year, with the same index; raises as `moments`.

    People write 9999-12-31 for "never", which nanoseconds cannot hold.

    >>> seconds_of(Series(["1970-01-02", "9999-12-31"]), "datetime", "rows").tolist()
    [86400.0, 253402214400.0]
    """
    is_text = known.dtype == object
    far = np.array([is_text and _is_far(value) for value in known], dtype=np.bool_)
    seconds = np.empty(len(known))
    near = moments(known[~far], role, where)
    seconds[~far] = near.dt.floor("s").dt.as_unit("s").astype(np.int64)
    seconds[far] = [_whole_seconds(str(value)) for value in known[far]]
    return Series(seconds, index=known.index, name=known.name)


def _is_far(value: object) -> bool:
    """Whether a value is a time outside the years that nanoseconds can hold."""
    try:
        year = datetime.fromisoformat(str(value)).year
    except ValueError:
        return False
    return not 1678 <= year <= 2261


def _whole_seconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _unreadable(column: Series, value: object, role: str, where: str) -> BadData:
    return BadData(
        f"{where}: {role} column {column.name!r} holds {quoted(value)}, which is no time; store it as a timestamp or"
        " as text such as 2013-03-04T06:00:00Z"
    )
