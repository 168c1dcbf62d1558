"""Columns as every engine shall see them, and slices as filters on them.

Expressions are Ibis columns; they are typed `Any` because Ibis itself is known to `store.warehouse` alone. What is
made here agrees with `monitors.schema.check_frame`: text is `str`, a whole number in a text column has no ".0", a truth
value is "True" or "False", and neither NaN nor an infinity is a known number.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from records.errors import BadData
from records.schema import FARTHEST_DAYS, Schema
from records.slice import Between, Condition
from records.window import Window

_NOT_A_NUMBER = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
_LARGEST_WHOLE = 2.0**63
_LARGEST = sys.float_info.max


def check_columns(table: Any, schema: Schema, *, name: str, all_text: bool) -> None:
    """Raise `BadData` if a column is missing, or its type cannot be what the schema says; `name` is the table's."""
    present = list(table.columns)
    missing = [column for column in schema.production if column not in present]
    if missing:
        raise BadData(
            f"the table {name} lacks {', '.join(map(repr, missing))} (it has {', '.join(sorted(present))});"
            " correct the names in the settings"
        )
    time = table[schema.time].type()
    if not _may_be_moment(time):
        raise BadData(f"the table {name} has {str(time)!r} in its time column {schema.time!r}; store it as a timestamp")
    for column in () if all_text else schema.datetime:
        kind = table[column].type()
        if not _may_be_moment(kind):
            raise BadData(
                f"the table {name} has {str(kind)!r} in its datetime column {column!r}; store it as a timestamp, or"
                " list the column under numeric"
            )
    for column in () if all_text else schema.numeric:
        kind = table[column].type()
        if not (kind.is_numeric() or kind.is_boolean() or kind.is_null() or "NULL" in str(kind)):
            raise BadData(
                f"the table {name} has {str(kind)!r} in its numeric column {column!r}; convert it, or list the"
                " column under categorical"
            )


def type_name(kind: Any) -> str:
    """Return the name of a type as people know it; of one that Ibis does not know, what its engine calls it."""
    unknown = re.search(r"kind=(\w+)", str(kind))
    return unknown.group(1).lower() if unknown else str(kind).removeprefix("!")


def _may_be_moment(kind: Any) -> bool:
    # Ibis does not know every timestamp of every engine by name, but can cast it all the same.
    # A table without rows may say NULL of every column.
    known = kind.is_timestamp() or kind.is_date() or kind.is_string() or kind.is_null()
    return bool(known or "TIMESTAMP" in str(kind) or "NULL" in str(kind))


def check_names(names: Sequence[str], schema: Schema, *, name: str) -> None:
    """Raise `BadData` if a column the schema needs is there twice, by the names as they are written in a file."""
    counted = Counter(names)
    twice = [column for column in (*schema.production, schema.target) if counted[column] > 1]
    if twice:
        raise BadData(
            f"the table {name} has {counted[twice[0]]} columns named {twice[0]!r}; rename all but one, so that it is"
            " clear which is meant"
        )


def same_everywhere(
    table: Any,
    schema: Schema,
    *,
    moment: Callable[[Any], Any],
    number: Callable[[Any], Any],
    days: Callable[[Any, Any], Any],
    all_text: bool,
) -> Any:
    """Return a table's rows with one type per kind of column: key, time, features, and the target if it is there."""

    def a_number(name: str) -> Any:
        return as_number(number(table[name]), from_text=all_text)

    def a_text(name: str) -> Any:
        return as_text(table[name], empty=not all_text)

    def a_datetime(name: str) -> Any:
        column = table[name]
        return days(table[schema.time], column.isin(_NOT_A_NUMBER).ifelse(None, column) if all_text else column)

    columns = {schema.row_key: as_text(table[schema.row_key]), schema.time: moment(table[schema.time])}
    columns |= {name: a_number(name) for name in schema.numeric}
    columns |= {name: a_datetime(name) for name in schema.datetime}
    columns |= {name: a_text(name) for name in (*schema.categorical, *schema.text)}
    if schema.target in table.columns and schema.target not in columns:
        columns[schema.target] = a_number(schema.target) if schema.task == "regression" else a_text(schema.target)
    return table.select(**columns)


def moment_of(time: Any) -> Any:
    """Return a time column as UTC; a time without a zone is taken as UTC."""
    return (time.cast("timestamp") if time.type().is_date() else time).cast("timestamp('UTC')")


def days_between(later: Any, earlier: Any) -> Any:
    """Return the days from one time column to another, to the second, which engines round in different ways.

    More than two centuries are NULL (`monitors.schema`).
    """
    after, before = (moment_of(time).truncate("s").epoch_seconds() for time in (later, earlier))
    days = (after - before).cast("float64") / 86_400.0
    return (days.abs() <= FARTHEST_DAYS).ifelse(days, None)


def within(time: Any, window: Window) -> Any:
    """Return which rows of a time column are in a window; one that knows times is compared as it is.

    A cast column has no index and no statistics, so that every row of every window would be read.
    """
    kind, start, end = time.type(), window.start.astimezone(UTC), window.end.astimezone(UTC)
    if kind.is_timestamp() and kind.timezone is None:
        return (time >= start.replace(tzinfo=None)) & (time < end.replace(tzinfo=None))
    moment = time if kind.is_timestamp() else moment_of(time)
    return (moment >= start) & (moment < end)


def as_text(column: Any, *, empty: bool = True) -> Any:
    """Return a key or a category as text, NULL where it is missing; `empty` text counts as a value, or not."""
    kind = column.type()
    if kind.is_boolean():
        return column.isnull().ifelse(None, column.ifelse("True", "False"))
    if kind.is_floating():
        number = _finite(column)
        whole = (number == number.floor()) & (number.abs() < _LARGEST_WHOLE)
        return whole.ifelse(number.cast("int64").cast("string"), number.cast("string"))
    text = column.cast("string")
    return text if empty else text.nullif("")


def as_number(column: Any, *, from_text: bool = False) -> Any:
    """Return a numeric feature as `float64`, NULL where it is missing, NaN or infinite."""
    kind = column.type()
    if from_text:
        return _finite(column.isin(_NOT_A_NUMBER).ifelse(None, column).cast("float64"))
    if kind.is_boolean():
        return column.cast("int32").cast("float64")
    if kind.is_integer():
        return column.cast("float64")
    return _finite(column.cast("float64"))


def condition(table: Any, wanted: Condition, schema: Schema) -> Any:
    """Return one condition of a slice as a filter on a table of canonical columns; never NULL.

    Raises `BadData` for a column that is no feature, and for numbers asked of a categorical one.
    """
    if wanted.column not in schema.features:
        raise BadData(
            f"a slice asks for column {wanted.column!r}, which is not among the features {list(schema.features)!r}; "
            "read the rows with the schema the slice was found with"
        )
    column = table[wanted.column]
    missing = column.isnull()
    nothing = missing & ~missing
    if not isinstance(wanted, Between):
        listed = nothing if wanted.column in schema.numbers or not wanted.values else column.isin(wanted.values)
        return (listed & ~missing) | (missing if wanted.missing else nothing)
    if wanted.column not in schema.numbers:
        raise BadData(
            f"a slice compares column {wanted.column!r} with numbers, but it is categorical; list it under numeric"
        )
    if wanted.low is None and wanted.high is None:
        return missing if wanted.missing else ~missing
    inside = ~missing
    if wanted.low is not None:
        inside = inside & (column >= wanted.low)
    if wanted.high is not None:
        inside = inside & (column < wanted.high)
    return inside.fill_null(False) | (missing if wanted.missing else nothing)


def _finite(number: Any) -> Any:
    # Engines disagree on whether NaN equals itself, but none of them puts it at or below the largest number.
    return (number.abs() <= _LARGEST).ifelse(number, None)
