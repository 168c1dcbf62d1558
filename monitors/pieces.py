"""The snapshot cut into stretches of time, from which pretended batches are put together.

A batch differs from the snapshot by more than the chance of drawing rows: days and weeks differ by themselves. So what
is ordinary is learned from whole stretches of the snapshot. Where enough of them have the batch's own size, each is a
pretended batch; otherwise each is cut into shorter pieces of time, and several pieces make one.
"""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from records.errors import BadData

ENOUGH_SINGLE, ENOUGH_SHARED, ENOUGH_DRAWS = 40, 12, 1000
FEWEST_ROWS = 20

Ids = NDArray[np.int64]
Members = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pieces:
    """How a snapshot of `n_rows` is cut for batches of `n_batch` rows.

    `ids` gives each row's piece, `0 .. n_pieces - 1` in order of time; shape `(n_rows,)`. A row of piece `n_pieces` is
    in no piece that is drawn. `per_batch` pieces make one pretended batch; with the batch itself there are at most
    `n_chunks` of them. `n_real` stretches of a batch's size fit in the snapshot without overlap.
    """

    ids: Ids
    n_batch: int
    per_batch: int
    n_pieces: int
    n_real: int
    n_chunks: int


def cut(snapshot: DataFrame, time: str, *, n_batch: int, length: timedelta, n_chunks: int, seed: int) -> Pieces:
    """Cut a snapshot in order of its `time` column into pieces of (nearly) equal numbers of rows.

    Rows of equal time are taken in random order. Where fewer than 40 stretches of `n_batch` rows fit, a batch is made
    of several pieces: one per day of its `length` or, when those are too few to draw from, a whole number of pieces per
    day, so that the hours of a day stay balanced. Where more than `n_chunks` fit, that many are drawn at random. A
    batch may have half the snapshot's rows at most (`largest_batch`). Raises `BadData` for a snapshot of fewer than 20
    rows.

    >>> import pandas as pd
    >>> days = DataFrame({"at": pd.date_range("2013-01-01", periods=56 * 24, freq="h", tz="UTC")})
    >>> weekly = cut(days, "at", n_batch=7 * 24, length=timedelta(days=7), n_chunks=120, seed=0)
    >>> weekly.per_batch, weekly.n_pieces, weekly.n_real, weekly.ids[:25].tolist()[22:]
    (7, 56, 8, [0, 0, 1])
    >>> daily = cut(days, "at", n_batch=24, length=timedelta(days=1), n_chunks=50, seed=0)
    >>> daily.per_batch, daily.n_pieces, daily.n_real, int((daily.ids == 50).sum())
    (1, 50, 56, 144)
    """
    n_rows = len(snapshot)
    if n_rows < FEWEST_ROWS:
        raise BadData(
            f"the snapshot has {n_rows} rows, too few to know what is ordinary; adopt one with at least {FEWEST_ROWS}"
        )
    per_batch = _per_batch(n_rows, n_batch, length)
    n_pieces = n_rows * per_batch // n_batch
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(n_rows)
    moments = snapshot[time].to_numpy(dtype="datetime64[ns]")
    order = shuffled[np.argsort(moments[shuffled], kind="stable")]
    ids: Ids = np.empty(n_rows, dtype=np.int64)
    ids[order] = np.arange(n_rows) * n_pieces // n_rows
    if per_batch == 1 and n_pieces > n_chunks:
        drawn = np.sort(generator.permutation(n_pieces)[:n_chunks])
        renamed = np.full(n_pieces, n_chunks)
        renamed[drawn] = np.arange(n_chunks)
        ids, n_pieces = renamed[ids], n_chunks
    return Pieces(ids, n_batch, per_batch, n_pieces, n_rows // n_batch, n_pieces if per_batch == 1 else n_chunks)


def largest_batch(n_snapshot: int) -> int:
    """How many rows of a batch can be compared with a snapshot of `n_snapshot` rows: half as many."""
    return max(n_snapshot // 2, 1)


def _per_batch(n_rows: int, n_batch: int, length: timedelta) -> int:
    if n_rows // n_batch >= ENOUGH_SINGLE:
        return 1
    days = max(round(length / timedelta(days=1)), 1)
    for per_batch in range(days if days > 1 else 2, n_batch + 1, days):
        n_pieces = n_rows * per_batch // n_batch
        if n_pieces >= ENOUGH_SHARED and math.comb(n_pieces, per_batch) >= ENOUGH_DRAWS:
            return per_batch
    return n_batch


def draw(n_pieces: int, per_batch: int, n_draws: int, *, seed: int) -> Members:
    """Return which pieces make each pretended batch; shape `(n_draws or fewer, n_pieces)`, entries 0 and 1.

    Batches of a single piece are drawn without repetition, so there are at most `n_pieces` of them.

    >>> draw(4, 1, 10, seed=0).sum(axis=0)
    array([1., 1., 1., 1.], dtype=float32)
    >>> draw(8, 3, 100, seed=0).sum(axis=1).max()
    np.float32(3.0)
    """
    generator = np.random.default_rng(seed)
    if per_batch == 1:
        chosen = np.sort(generator.permutation(n_pieces)[:n_draws])[:, None]
    else:
        chosen = generator.random((n_draws, n_pieces)).argsort(axis=1)[:, :per_batch]
    members = np.zeros((len(chosen), n_pieces), dtype=np.float32)
    np.put_along_axis(members, chosen, 1.0, axis=1)
    return members


def split(n_rows: int, n_parts: int) -> Ids:
    """Return the part, `0 .. n_parts - 1`, of each of `n_rows` rows in order, parts as equal as can be.

    >>> split(5, 2).tolist()
    [0, 0, 0, 1, 1]
    """
    return np.asarray(np.arange(n_rows) * n_parts // max(n_rows, 1), dtype=np.int64)


def rank_p(observed: float, null: NDArray[np.float64]) -> float:
    """The share of draws, the observed one included, that reach the observed value: a p-value in `(0, 1]`.

    >>> rank_p(2.0, np.array([1.0, 2.0, 3.0]))
    0.75
    """
    if math.isnan(observed):
        return math.nan
    return float((1 + np.count_nonzero(null >= observed)) / (1 + len(null)))
