"""Columns as every engine shall see them, and slices as filters on them.

Expressions are Ibis columns; they are typed `Any` because Ibis itself is known to `store.warehouse` alone. What is
made here agrees with `monitors.schema.check_frame`: text is `str`, a whole number in a text column has no ".0", a truth
value is "True" or "False", and neither NaN nor an infinity is a known number.
"""

import sys
from typing import Any

from records.errors import BadData
from records.schema import Schema
from records.slice import Between, Condition

_NOT_A_NUMBER = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
_LARGEST_WHOLE = 2.0**63
_LARGEST = sys.float_info.max


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
        listed = nothing if wanted.column in schema.numeric or not wanted.values else column.isin(wanted.values)
        return (listed & ~missing) | (missing if wanted.missing else nothing)
    if wanted.column not in schema.numeric:
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
