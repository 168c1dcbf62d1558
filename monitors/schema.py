"""A table as it came becomes a normalised frame, or one sentence about why it cannot."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from monitors.moments import moments, seconds_of
from monitors.words import quoted, shortened
from records.errors import BadData, EmptyWindow
from records.schema import FARTHEST_DAYS, Schema


def check_frame(frame: DataFrame, schema: Schema, *, where: str, need_target: bool = False) -> DataFrame:
    """Return a new frame with the schema's columns in the schema's order and one type per kind of column.

    Key and categories become `str` (`None` where missing; whole numbers without ".0"), and so do texts; the time UTC in
    nanoseconds (a naive time is taken as UTC); numeric features `float64` (infinities count as missing: no model or
    test here can use them, and a rise of them then shows as a rise of missing values). A datetime becomes the `float64`
    days, to the second, from it to the row's time (above 0 in the past); numbers are taken for such days, and more than
    two centuries are missing, because people write 9999-12-31 for never. The target is kept where it is present, as
    `str` or, for a regression, `float64`. Other columns are left out.

    With `need_target` the frame teaches: every row must have a target, and every feature some value. Raises `BadData`,
    or `EmptyWindow` for a frame without rows; `where` names the source in the message.

    >>> schema = Schema("id", "at", "late", "classification", ("temp",), ("gate",), ("no", "yes"))
    >>> raw = DataFrame({"gate": [7.0, None], "id": [1, 2], "temp": [3, 4], "at": ["2013-03-04", "2013-03-05T06:00Z"]})
    >>> check_frame(raw, schema, where="table flights").to_dict("records")[0]
    {'id': '1', 'at': Timestamp('2013-03-04 00:00:00+0000', tz='UTC'), 'temp': 3.0, 'gate': '7'}
    >>> check_frame(raw[["id", "at", "gate"]], schema, where="table flights")
    Traceback (most recent call last):
    records.errors.BadData: table flights: column 'temp' is missing (there are: at, gate, id); add it or correct \
the names in the settings
    """
    _check_columns(frame, schema, where=where, need_target=need_target)
    columns = {schema.row_key: _keys(frame[schema.row_key], where), schema.time: _times(frame[schema.time], where)}
    for name in schema.features:
        with _discreet(name, schema, where):
            columns[name] = _feature(frame[name], name, schema, columns[schema.time], where)
    if need_target:
        for name in schema.features:
            if columns[name].isna().all() or (name in schema.text and not columns[name].fillna("").str.strip().any()):
                raise BadData(
                    f"{where}: column {name!r} has no value at all, so nothing can be learned from it; fill it or"
                    " leave it out of the settings"
                )
    if schema.target in frame.columns:
        columns[schema.target] = _targets(frame[schema.target], schema, where=where, need_target=need_target)
    return DataFrame(columns)


@contextmanager
def _discreet(name: str, schema: Schema, where: str) -> Iterator[None]:
    """Let an error quote no value of a personal column."""
    try:
        yield
    except BadData:
        if name not in schema.pii:
            raise
        raise BadData(
            f"{where}: column {name!r} holds values that do not fit its kind (they are personal and not shown);"
            " convert them, or list the column under another kind in the settings"
        ) from None


def _feature(column: Series, name: str, schema: Schema, times: Series, where: str) -> Series:
    if name in schema.numeric:
        numbers = _numbers(column, where)
        return Series(np.where(np.isinf(numbers), np.nan, numbers))
    return _days(column, times, where) if name in schema.datetime else _texts(column, where)


def _check_columns(frame: DataFrame, schema: Schema, *, where: str, need_target: bool) -> None:
    present = [str(name) for name in frame.columns]
    needed = (*schema.production, *((schema.target,) if need_target else ()))
    missing = [name for name in needed if name not in present]
    if missing:
        names = ", ".join(repr(name) for name in missing)
        be, them = ("are", "them") if len(missing) > 1 else ("is", "it")
        raise BadData(
            f"{where}: column{'s' * (len(missing) > 1)} {names} {be} missing (there are:"
            f" {shortened(', '.join(sorted(present)), 400)}); add {them} or correct the names in the settings"
        )
    twice = [name for name in (*needed, schema.target) if present.count(name) > 1]
    if twice:
        raise BadData(f"{where}: there are {present.count(twice[0])} columns named {twice[0]!r}; rename all but one")
    if frame.empty:
        raise EmptyWindow(f"{where}: there is no row; choose another window, or check that rows have arrived")


def _keys(column: Series, where: str) -> Series:
    keys = _texts(column, where)
    _refuse_missing(keys, column, where, "every row needs a key that never changes")
    repeated = keys.duplicated()
    if repeated.any():
        raise BadData(
            f"{where}: key column {column.name!r} holds {quoted(keys[repeated].iloc[0])} more than once"
            f" ({int(repeated.sum())} repeated rows); make the key unique"
        )
    return keys


def _times(column: Series, where: str) -> Series:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise BadData(
            f"{where}: time column {column.name!r} holds numbers, such as {quoted(column.iloc[0])}; store it as a"
            " timestamp"
        )
    _refuse_missing(column, column, where, "every row needs the time it belongs to")
    times: Series = moments(column.reset_index(drop=True), "time", where).dt.as_unit("ns")
    return times


def _days(column: Series, times: Series, where: str) -> Series:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        days = _numbers(column, where)
    else:
        known = column.reset_index(drop=True).dropna()
        seconds = seconds_of(known, "datetime", where).reindex(range(len(column)))
        days = (seconds_of(times, "time", where) - seconds) / 86_400
    return days.where(days.abs() <= FARTHEST_DAYS)


def _numbers(column: Series, where: str) -> Series:
    raw = column.reset_index(drop=True)
    is_number = pd.api.types.is_numeric_dtype(raw) and not pd.api.types.is_complex_dtype(raw)
    if not is_number:
        known = raw[raw.notna()]
        bad = known[[_is_no_number(value) for value in known]]
        if len(bad):
            raise BadData(
                f"{where}: numeric column {column.name!r} holds {quoted(bad.iloc[0])} ({len(bad)} of {len(raw)} values"
                " are no numbers); convert it, or list the column under categorical"
            )
        raw = raw.where(raw.notna(), np.nan)
    return raw.astype(np.float64)


def _is_no_number(value: Any) -> bool:
    if isinstance(value, (str, bytes, complex)):  # "12" too: a table that turned numbers into text has changed its type
        return True
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return True
    return isinstance(value, (date, np.datetime64, np.timedelta64))


def _texts(column: Series, where: str) -> Series:
    raw = column.reset_index(drop=True).astype(object)
    try:
        codes, values = pd.factorize(raw)  # missing is code -1
    except TypeError:
        raise BadData(
            f"{where}: column {column.name!r} holds {quoted(raw.dropna().iloc[0])}, which is no single value; take it"
            " apart or leave the column out"
        ) from None
    texts = np.array([*(_text(value) for value in values), None], dtype=object)
    return Series(texts[codes], dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _targets(column: Series, schema: Schema, *, where: str, need_target: bool) -> Series:
    values = _numbers(column, where) if schema.task == "regression" else _texts(column, where)
    if need_target:
        _refuse_missing(values, column, where, "a row teaches nothing without its target")
    if schema.task == "regression":
        if np.isinf(values).any():
            raise BadData(f"{where}: target column {column.name!r} holds an infinity; correct or leave out these rows")
    elif schema.classes:
        unknown = values[values.notna() & ~values.isin(schema.classes)]
        if len(unknown):
            raise BadData(
                f"{where}: target column {column.name!r} holds {quoted(unknown.iloc[0])}, which is none of the classes"
                f" {shortened(_listed(schema.classes), 200)}; correct it or add it to the classes in the settings"
            )
    return values


def _refuse_missing(values: Series, column: Series, where: str, why: str) -> None:
    n_missing = int(values.isna().sum())
    if n_missing:
        raise BadData(
            f"{where}: column {column.name!r} is missing in {n_missing} of {len(values)} rows; {why}, so fill it or"
            " leave out these rows"
        )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(repr(value) for value in values)
