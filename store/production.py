"""A production table: exact facts of every row, bounded samples, and the rows of a slice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from pandas import DataFrame, Series

from records.errors import EmptyWindow
from records.facts import Familiar, TableFacts
from records.schema import Schema
from records.slice import Slice
from records.window import Window
from store.columns import check_columns, check_names, condition, same_everywhere, type_name
from store.discretion import discreet
from store.facts import table_facts, totals, values
from store.frames import fetched, moments, ordered

_HASH = "driftloop_hash"
_KEYS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """An open table and what its engine calls things: `md5` of a text, `moment` of a time column, `within` a window.

    `days` are those from a later to an earlier column of times.
    `number` refuses what a column of numbers must not hold, where the engine would not by itself. `all_text` says that
    every column is text because the file has no types; `written` are the columns' names as a file has them, where the
    engine renames repeated ones.
    """

    table: Any
    md5: Callable[[Any], Any]
    moment: Callable[[Any], Any]
    within: Callable[[Any, Window], Any]
    days: Callable[[Any, Any], Any]
    number: Callable[[Any], Any] = lambda column: column
    all_text: bool = False
    written: Sequence[str] = ()


class ProductionTable:
    """One production table, read only; `store.warehouse.open_table` makes it.

    Nothing here loads a whole window: facts are aggregate queries, rows come back under a limit or by key. Each call
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
            found = moments(Series(rows.aggregate(first=time.min(), last=time.max()).execute().iloc[0]))
        return None if found.isna().any() else (found["first"].to_pydatetime(), found["last"].to_pydatetime())

    def facts(self, window: Window, familiar: Sequence[Familiar] = ()) -> TableFacts:
        """Return the exact facts of every row of a window, and what in it is beyond the `familiar`.

        They cover the key, the time, the features, and the target if the table has it, in one query, and the values
        of categorical columns in another. NaN and infinities count as missing. Raises `EmptyWindow`, which says where
        the table's rows are.
        """
        known = {column.column: column for column in familiar}
        with self._rows(window) as (opened, rows):
            kinds = rows if opened.all_text else opened.table
            dtypes = [type_name(kinds[name].type()) for name in rows.columns]
            total = totals(rows, known).execute().iloc[0].to_dict()
            wanted = values(rows, known, opened.md5) if total["rows"] else None
            found = [] if wanted is None else wanted.execute().to_dict("records")
        if not total["rows"]:
            raise self._empty(window)
        return table_facts(rows.columns, dtypes, total, found, known)

    def sample(self, window: Window, n_rows: int, *, among: int | None = None) -> DataFrame:
        """Return at most `n_rows` rows of a window, chosen by the MD5 of their key, so the same on every engine.

        A smaller sample is part of a larger one. Ordered by key. `among` is how many rows the window has, if that is
        known: it changes nothing but the cost, because only rows that can be in the sample are sorted. Raises
        `EmptyWindow`.
        """
        with self._rows(window) as (opened, rows):
            frame = self._lowest(opened, rows, n_rows, among=among)
        if frame.empty:
            raise self._empty(window)
        return frame

    def rows(self, window: Window, row_keys: Sequence[str]) -> DataFrame:
        """Return the rows of a window with these keys, ordered by key; a key that is not there is left out."""
        keys = sorted(set(row_keys))
        parts = [keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE)] or [[]]
        with self._rows(window) as (_, rows):
            key = rows[self._schema.row_key]
            found = [fetched(rows.filter(key.isin(part)) if part else rows.limit(0), self._schema) for part in parts]
        return ordered(pd.concat(found, ignore_index=True), self._schema)

    def rows_in(self, window: Window, wanted: Slice, n_rows: int) -> DataFrame:
        """Return at most `n_rows` rows of a window inside a slice, chosen and ordered as `sample` does; maybe none.

        Raises `BadData` for a slice on a column that is no feature.
        """
        with self._rows(window) as (opened, rows):
            for part in wanted.conditions:
                rows = rows.filter(condition(rows, part, self._schema))
            return self._lowest(opened, rows, n_rows)

    @contextmanager
    def _rows(self, window: Window | None = None) -> Iterator[tuple[Opened, Any]]:
        """The open table, and its rows (of one window) with one type per kind of column."""
        schema = self._schema
        with discreet(schema, name=self._name), self._connect() as opened:
            check_names(opened.written, schema, name=self._name)
            check_columns(opened.table, schema, name=self._name, all_text=opened.all_text)
            raw = opened.table
            if window is not None:
                raw = raw.filter(opened.within(raw[schema.time], window))
            rows = same_everywhere(
                raw, schema, moment=opened.moment, number=opened.number, days=opened.days, all_text=opened.all_text
            )
            yield opened, rows

    def _lowest(self, opened: Opened, rows: Any, n_rows: int, *, among: int | None = None) -> DataFrame:
        """The rows whose key hashes lowest; when there are `among` rows, a look at the lowest hashes comes first."""
        hashed = rows.mutate(**{_HASH: opened.md5(rows[self._schema.row_key])})
        limit = None if among is None else hash_limit(n_rows, among)
        for candidates in (hashed,) if limit is None else (hashed.filter(hashed[_HASH] < limit), hashed):
            first = candidates.order_by([candidates[_HASH], candidates[self._schema.time]]).limit(n_rows)
            frame = fetched(first.drop(_HASH), self._schema)
            if len(frame) == n_rows:
                break
        return ordered(frame, self._schema)

    def _empty(self, window: Window) -> EmptyWindow:
        extent = self.extent()
        if extent is None:
            return EmptyWindow(f"the table {self._name} has no row at all; wait until production has written some")
        first, last = (f"{moment:%Y-%m-%d %H:%M:%S} UTC" for moment in extent)
        return EmptyWindow(
            f"the table {self._name} has no row in window {window.name}: its oldest row is of {first}, its newest of"
            f" {last}; choose a window between them, or wait for rows to arrive"
        )


def hash_limit(n_rows: int, among: int) -> str | None:
    """Return what an MD5 must be below so that some more than `n_rows` among `among` are; None if most are.

    A third more than needed, and a hundred, so that too few are all but never found.

    >>> hash_limit(50_000, 10_000_000)
    '01aaa3ad'
    >>> hash_limit(5, 100)
    """
    share = (1.3 * n_rows + 100) / max(among, 1)
    return f"{int(share * 2**32):08x}" if share < 0.5 else None
