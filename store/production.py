"""A production table: exact facts of every row, bounded samples, and the rows of a slice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from records.batch import ColumnFacts, TableFacts
from records.errors import BadData, EmptyWindow
from records.schema import Schema
from records.slice import Slice
from records.window import Window
from store.columns import as_number, as_text, condition

_HASH = "driftloop_hash"
_KEYS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """An open table and what its engine calls things: `md5` of a text, `moment` of a time column, `bound` of a time.

    `all_text` says that every column is text because the file has no types.
    """

    table: Any
    md5: Callable[[Any], Any]
    moment: Callable[[Any], Any]
    bound: Callable[[datetime], Any]
    all_text: bool = False


class ProductionTable:
    """One production table, read only; `store.warehouse.open_table` makes it.

    Nothing here loads a whole window: facts are one aggregate query, rows come back under a limit or by key. Each call
    opens a connection and closes it, so no file stays locked and a restarted server is met anew. Besides what is said
    of each method, all raise `NotFound`, `BadData`, `NotAllowed` or `ServiceDown` when the engine does.

    Frames have the key as `str`, the time in UTC, numeric features as `float64` with NaN, categories as `str` or None,
    and the target if the table has it. A time without a zone is taken as UTC.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Opened]], schema: Schema, *, name: str) -> None:
        self._connect = connect
        self._schema = schema
        self._name = name

    def __repr__(self) -> str:
        return f"ProductionTable({self._name!r})"

    def check(self) -> None:
        """Raise `NotFound` if the table does not exist, `BadData` if a column is missing or of a wrong type."""
        with self._rows():
            pass

    def extent(self) -> tuple[datetime, datetime] | None:
        """Return the times of the first and the last row, or None for a table without rows."""
        with self._rows() as (_, rows):
            time = rows[self._schema.time]
            found = _moments(Series(rows.aggregate(first=time.min(), last=time.max()).execute().iloc[0]))
        return None if found.isna().any() else (found["first"].to_pydatetime(), found["last"].to_pydatetime())

    def facts(self, window: Window) -> TableFacts:
        """Return the exact facts of every row of a window, from one aggregate query.

        They cover the key, the time, the features, and the target if the table has it. NaN and infinities count as
        missing. Raises `EmptyWindow`, which says where the table's rows are.
        """
        with self._rows(window) as (opened, rows):
            names = list(rows.columns)
            asked = {"n": rows.count()}
            for place, name in enumerate(names):
                column = rows[name]
                asked |= {f"known{place}": column.count(), f"distinct{place}": column.nunique()}
                if column.type().is_floating():
                    asked |= {f"low{place}": column.min(), f"high{place}": column.max()}
            kinds = rows if opened.all_text else opened.table
            dtypes = [str(kinds[name].type()).removeprefix("!") for name in names]
            found = rows.aggregate(**asked).execute().iloc[0].to_dict()
        n_rows = int(found["n"])
        if n_rows == 0:
            raise self._empty(window)
        columns = tuple(
            ColumnFacts(
                name,
                dtypes[place],
                n_rows - int(found[f"known{place}"]),
                _number(found.get(f"low{place}")),
                _number(found.get(f"high{place}")),
                int(found[f"distinct{place}"]),
            )
            for place, name in enumerate(names)
        )
        return TableFacts(n_rows, n_rows - columns[0].n_missing - columns[0].n_distinct, columns)

    def sample(self, window: Window, n_rows: int) -> DataFrame:
        """Return at most `n_rows` rows of a window, chosen by the MD5 of their key, so the same on every engine.

        A smaller sample is part of a larger one. Ordered by key. Raises `EmptyWindow`.
        """
        with self._rows(window) as (opened, rows):
            frame = self._chosen(opened, rows, n_rows)
        if frame.empty:
            raise self._empty(window)
        return frame

    def rows(self, window: Window, row_keys: Sequence[str]) -> DataFrame:
        """Return the rows of a window with these keys, ordered by key; a key that is not there is left out."""
        keys = sorted(set(row_keys))
        parts = [keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE)] or [[]]
        with self._rows(window) as (_, rows):
            key = rows[self._schema.row_key]
            found = [self._fetched(rows.filter(key.isin(part)) if part else rows.limit(0)) for part in parts]
        return _ordered(pd.concat(found, ignore_index=True), self._schema)

    def rows_in(self, window: Window, wanted: Slice, n_rows: int) -> DataFrame:
        """Return at most `n_rows` rows of a window inside a slice, chosen and ordered as `sample` does; maybe none.

        Raises `BadData` for a slice on a column that is no feature.
        """
        with self._rows(window) as (opened, rows):
            for part in wanted.conditions:
                rows = rows.filter(condition(rows, part, self._schema))
            return self._chosen(opened, rows, n_rows)

    @contextmanager
    def _rows(self, window: Window | None = None) -> Iterator[tuple[Opened, Any]]:
        """The open table, and its rows (of one window) with one type per kind of column."""
        schema = self._schema
        with self._connect() as opened:
            self._check_columns(opened)
            raw = opened.table
            columns = {schema.row_key: as_text(raw[schema.row_key]), schema.time: opened.moment(raw[schema.time])}
            columns |= {name: as_number(raw[name], from_text=opened.all_text) for name in schema.numeric}
            columns |= {name: as_text(raw[name], empty=not opened.all_text) for name in schema.categorical}
            if schema.target in raw.columns and schema.target not in columns:
                regression = schema.task == "regression"
                target = raw[schema.target]
                columns[schema.target] = (
                    as_number(target, from_text=opened.all_text)
                    if regression
                    else as_text(target, empty=not opened.all_text)
                )
            rows = raw.select(**columns)
            if window is not None:
                time = rows[schema.time]
                rows = rows.filter((time >= opened.bound(window.start)) & (time < opened.bound(window.end)))
            yield opened, rows

    def _check_columns(self, opened: Opened) -> None:
        schema, present = self._schema, list(opened.table.columns)
        missing = [name for name in schema.production if name not in present]
        if missing:
            raise BadData(
                f"the table {self._name} lacks {', '.join(map(repr, missing))} (it has {', '.join(sorted(present))});"
                " correct the names in driftloop.toml"
            )
        time = opened.table[schema.time].type()
        # Ibis does not know every timestamp of every engine by name, but can cast it all the same.
        if not (time.is_timestamp() or time.is_date() or time.is_string() or "TIMESTAMP" in str(time)):
            raise BadData(
                f"the table {self._name} has {str(time)!r} in its time column {schema.time!r}; store it as a timestamp"
            )
        for name in () if opened.all_text else schema.numeric:
            kind = opened.table[name].type()
            if not (kind.is_numeric() or kind.is_boolean()):
                raise BadData(
                    f"the table {self._name} has {str(kind)!r} in its numeric column {name!r}; convert it, or list the"
                    " column under categorical"
                )

    def _chosen(self, opened: Opened, rows: Any, n_rows: int) -> DataFrame:
        hashed = rows.mutate(**{_HASH: opened.md5(rows[self._schema.row_key])})
        first = hashed.order_by([hashed[_HASH], hashed[self._schema.time]]).limit(n_rows)
        return _ordered(self._fetched(first.drop(_HASH)), self._schema)

    def _fetched(self, rows: Any) -> DataFrame:
        frame: DataFrame = rows.execute()
        columns = {}
        for name in frame.columns:
            column = frame[name]
            if name == self._schema.time:
                columns[name] = _moments(column)
            elif rows[name].type().is_floating():
                columns[name] = pd.to_numeric(column).astype(np.float64)
            else:
                texts = column.to_numpy(dtype=object, copy=True)
                texts[column.isna().to_numpy()] = None
                columns[name] = Series(texts, dtype=object)
        return DataFrame(columns)

    def _empty(self, window: Window) -> EmptyWindow:
        extent = self.extent()
        if extent is None:
            return EmptyWindow(f"the table {self._name} has no row at all; wait until production has written some")
        first, last = (f"{moment:%Y-%m-%d %H:%M:%S} UTC" for moment in extent)
        return EmptyWindow(
            f"the table {self._name} has no row in window {window.name}: its oldest row is of {first}, its newest of"
            f" {last}; choose a window between them, or wait for rows to arrive"
        )


def _ordered(frame: DataFrame, schema: Schema) -> DataFrame:
    return frame.sort_values([schema.row_key, schema.time], kind="stable", ignore_index=True)


def _moments(times: Series) -> Series:
    return pd.to_datetime(times, utc=True).dt.as_unit("ns")


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
