"""The facts of one column over every row of a window, beside what is ordinary for it in the snapshot."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pandas import Series

from monitors.novelty import below_the_rest, only_here
from monitors.ordinary import Marks, presence_interval, share_interval
from monitors.pieces import Pieces
from monitors.words import share, value_text
from records.drift import Estimate
from records.facts import ColumnFacts, Fact, FactKind

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Beside:
    """The snapshot's side of the comparison: its pieces, the window's number of rows, and the intervals' level."""

    pieces: Pieces
    n_rows: int
    level: float
    seed: int

    def column_facts(self, column: ColumnFacts, values: Series) -> Iterator[Fact]:
        """Yield what there is to say of a column; `values` are the snapshot's, one per row that was cut into pieces.

        Of each kind at most one: rows without a value, below or above the snapshot's range, with a value it never had,
        and values it has that no row has.
        """
        gaps = values.isna().to_numpy()
        if column.n_missing or gaps.any():
            yield self._share("missing", column, column.n_missing, gaps, "is missing")
        if column.n_below:
            words = f"is below {values.min():.6g}, the snapshot's lowest,"
            marks = below_the_rest(values, self.pieces.ids)
            yield self._share("below", column, column.n_below, marks, words, f", down to {column.low:.6g}")
        if column.n_above:
            words = f"is above {values.max():.6g}, the snapshot's highest,"
            marks = below_the_rest(-values, self.pieces.ids)
            yield self._share("above", column, column.n_above, marks, words, f", up to {column.high:.6g}")
        if column.n_unseen:
            marks = only_here(values, self.pieces.ids)
            yield self._share("unseen", column, column.n_unseen, marks, _has_unseen(column), _named_unseen(column))
        if column.vanished:
            yield self._vanished(column, values)

    def _share(
        self, kind: FactKind, column: ColumnFacts, n_rows: int, marks: Marks, words: str, more: str = ""
    ) -> Fact:
        value, ordinary = n_rows / self.n_rows, share_interval(marks, self.pieces, self.n_rows, level=self.level)
        said, usual = _told_apart(value, ordinary)
        sentence = f"{column.name} {words} in {_rows(n_rows)} ({said}){more}; {usual}"
        return Fact(kind, column.name, value, ordinary, not ordinary.low <= value <= ordinary.high, sentence)

    def _vanished(self, column: ColumnFacts, values: Series) -> Fact:
        had = {value: np.asarray(values == value) for value in column.vanished}
        ordinary = presence_interval(
            had[column.vanished[0]], self.pieces, self.n_rows, level=self.level, seed=self.seed
        )
        named = [f"{value_text(value)} ({share(float(marks.mean()))} of the snapshot)" for value, marks in had.items()]
        words = ", ".join(named[:_MOST_NAMED])
        if len(named) > _MOST_NAMED:
            words += f" and {len(named) - _MOST_NAMED} more that the snapshot often has"
        return Fact("vanished", column.name, 0.0, ordinary, ordinary.low > 0, f"{column.name} has no row with {words}")


def _has_unseen(column: ColumnFacts) -> str:
    if column.n_unseen_values == 1:
        return "has a value the snapshot never had"
    return f"has {column.n_unseen_values:,} values the snapshot never had"


def _named_unseen(column: ColumnFacts) -> str:
    named = ", ".join(f"{value_text(one.value)} ({one.n_rows:,})" for one in column.unseen)
    return f": {named}" + (", …" if column.n_unseen_values > len(column.unseen) else "")


def _rows(n_rows: int) -> str:
    return "1 row" if n_rows == 1 else f"{n_rows:,} rows"


def _told_apart(value: float, interval: Estimate) -> tuple[str, str]:
    """Write a share and its ordinary interval with as many digits as it takes to see whether it is inside.

    >>> _told_apart(0.1731, Estimate(0.15, 0.134, 0.1712))
    ('17.3 %', '13.4 % to 17.1 % is ordinary')
    """
    outside = not interval.low <= value <= interval.high
    write = share
    for more in (lambda part: f"{part:.1%}", lambda part: f"{part:.2%}", lambda part: f"{part:.4%}"):
        if not outside or write(value) not in (write(interval.low), write(interval.high)):
            break
        write = more
    parts = (value, interval.low, interval.high)
    said, low, high = (write(part).removesuffix("%").rstrip() + " %" for part in parts)
    return said, f"up to {high} is ordinary" if interval.low == 0 else f"{low} to {high} is ordinary"
