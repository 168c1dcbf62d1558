"""What is ordinary: the interval that a count or a share of a new window falls into unless something changed.

Two things make windows differ: chance, which depends on how many rows there are, and time, which the snapshot's own
stretches show. An interval is as wide as the wider of both.
"""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import Series
from scipy import stats

from monitors.pieces import Pieces, draw
from records.drift import Estimate
from records.window import Window

_FEWEST_STRETCHES = 3
_EDGE = 0.02  # of a stretch: how far from its ends the first and the last row may be
Marks = NDArray[np.bool_]


def share_interval(marks: Marks, pieces: Pieces, n_rows: int, *, level: float) -> Estimate:
    """Return the share of the snapshot's rows that are marked, and where that of `n_rows` new ones falls.

    `marks` has one entry per row of the snapshot that was cut into `pieces`; rows in no piece do not count. With
    probability `level` the share of the new rows is inside, by chance (`by_chance`) and by the spread of the pieces
    (Student's t).

    >>> marks = np.arange(1000) % 10 == 0
    >>> pieces = Pieces(np.arange(1000) // 50, n_batch=100, per_batch=2, n_pieces=20, n_real=10, n_chunks=20)
    >>> share_interval(marks, pieces, 100, level=0.95)
    Estimate(value=0.1, low=0.04, high=0.17)
    """
    inside = pieces.ids < pieces.n_pieces
    n_marked, n_known = int(marks[inside].sum()), int(inside.sum())
    chance = by_chance(n_marked, n_known, n_rows, level=level)
    counts = np.bincount(pieces.ids[inside], minlength=pieces.n_pieces)
    shares = np.bincount(pieces.ids[inside], weights=marks[inside], minlength=pieces.n_pieces) / np.maximum(counts, 1)
    half = _student(shares, 1 / pieces.per_batch, level)
    low, high = min(chance.low, chance.value - half), max(chance.high, chance.value + half)
    return Estimate(chance.value, max(low, 0.0), min(high, 1.0))


def presence_interval(marks: Marks, pieces: Pieces, n_rows: int, *, level: float, seed: int) -> Estimate:
    """Return the share of the snapshot's rows that are marked, and where that of a new window falls that has any.

    Its lower end is 0 if chance can leave `n_rows` rows without a mark, or if one of the batches that the snapshot's
    pieces make has none.
    """
    chance = by_chance(int(marks.sum()), len(marks), n_rows, level=level)
    counts = np.bincount(pieces.ids, minlength=pieces.n_pieces + 1)[: pieces.n_pieces]
    marked = np.bincount(pieces.ids, weights=marks, minlength=pieces.n_pieces + 1)[: pieces.n_pieces]
    members = draw(pieces.n_pieces, pieces.per_batch, pieces.n_chunks, seed=seed)
    shares = (members @ marked) / (members @ counts)
    return Estimate(chance.value, min(chance.low, float(shares.min())), max(chance.high, float(shares.max())))


def by_chance(n_marked: int, n_known: int, n_rows: int, *, level: float) -> Estimate:
    """Return a share of `n_known` rows and where, by chance alone, that of `n_rows` others falls.

    Method: the predictive distribution of a Poisson count whose rate has the Jeffreys posterior, which is negative
    binomial and a little wider than the binomial's; of the rows that are not marked where those are fewer.

    >>> by_chance(0, 1000, 100, level=0.99)
    Estimate(value=0.0, low=0.0, high=0.01)
    >>> by_chance(500, 1000, 10**7, level=0.99).high
    0.5600058
    """
    if 2 * n_marked > n_known:
        rest = by_chance(n_known - n_marked, n_known, n_rows, level=level)
        return Estimate(n_marked / n_known, 1 - rest.high, 1 - rest.low)
    tails = (1 - level) / 2, (1 + level) / 2
    low, high = stats.nbinom.ppf(tails, n_marked + 0.5, n_known / (n_known + n_rows)) / n_rows
    value = n_marked / n_known
    return Estimate(value, min(float(low), value), min(max(float(high), value), 1.0))


def rows_interval(times: Series, window: Window, *, level: float) -> Estimate:
    """Return how many rows a window of this length had in the snapshot, and how many a new one has.

    `times` are those of every row of the snapshot, in UTC. The stretches are those of the window's own grid, so that
    weekends stay together; one that the snapshot covers in part, or that is empty, does not count. The interval is from
    their spread (Student's t) or by chance (Poisson), whichever is wider; `nan` for fewer than three stretches.

    >>> import pandas as pd
    >>> from datetime import UTC, datetime
    >>> times = Series(pd.date_range("2013-01-01 12:00", "2013-01-29", freq="h", tz="UTC"))
    >>> week = Window(datetime(2013, 2, 5, tzinfo=UTC), datetime(2013, 2, 12, tzinfo=UTC))
    >>> found = rows_interval(times, week, level=0.95)
    >>> found.value, round(found.low, 1), round(found.high, 1)
    (168.0, 138.7, 197.3)
    """
    counts = _per_stretch(times, window.start, window.length)
    value = float(counts.mean()) if len(counts) else float("nan")
    if len(counts) < _FEWEST_STRETCHES:
        return Estimate(value, float("nan"), float("nan"))
    chance = float(stats.norm.ppf((1 + level) / 2)) * (value * (1 + 1 / len(counts))) ** 0.5
    half = max(_student(counts, 1.0, level), chance)
    return Estimate(value, max(value - half, 0.0), value + half)


def _per_stretch(times: Series, start: datetime, length: timedelta) -> NDArray[np.int64]:
    """The rows of each whole stretch of the grid through `start` that has any."""
    place = ((times - start) / length).to_numpy()
    stretch = np.floor(place).astype(np.int64)
    first = int(stretch.min())
    counts = np.bincount(stretch - first)
    begins = np.arange(len(counts)) + first
    whole = (place.min() <= begins + _EDGE) & (place.max() >= begins + 1 - _EDGE)
    return np.asarray(counts[whole & (counts > 0)])


def _student(values: NDArray[Any], per_batch: float, level: float) -> float:
    """Half the interval for the mean of a new batch, `per_batch` times as variable as one of these values."""
    variance = float(values.var(ddof=1)) * (per_batch + 1 / len(values))
    return float(stats.t.ppf((1 + level) / 2, len(values) - 1) * variance**0.5)
