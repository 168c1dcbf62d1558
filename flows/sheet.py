"""Rows that people may open in a spreadsheet, which must not take a text for a formula."""

import csv
import io
from collections.abc import Mapping, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def sheet(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV under a line with their names.

    A text that a spreadsheet would run as a formula begins with a single quote (OWASP, "CSV Injection"); a number,
    also one written as text, cannot be one and stays.

    >>> sheet([{"row_key": "-7", "answer": "=1+1"}, {"row_key": "@b", "answer": 0.5}]).splitlines()
    ['row_key,answer', "-7,'=1+1", "'@b,0.5"]
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return f"'{value}" if value.lstrip("+-").isalpha() else value  # -inf is a name to a spreadsheet
