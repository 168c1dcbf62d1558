"""How large a change is, with an interval that knows that days and weeks differ by themselves."""

import numpy as np
from numpy.typing import NDArray
from pandas import Series
from scipy import stats

from monitors.contrasts import beyond_chance
from monitors.past import Past
from monitors.pieces import Ids, Pieces, draw
from monitors.words import Numbers, Texts
from records.drift import Estimate

_LEVEL = 0.95
_N_DRAWS = 59

Sums = NDArray[np.float64]


def shift(past: Past, now: Series, pieces: Pieces) -> Estimate:
    """Return the change of a number's mean in snapshot standard deviations, with its 95 % interval.

    Of a text, `now` is the number of characters.
    `nan` where a side has no value. A column that is constant in the snapshot is measured in standard deviations of
    both together. The interval is Student's, from the spread of the snapshot's `pieces` or from the rows, whichever is
    wider.

    >>> rows, ones = np.append(np.full(40, 5.0), 0.0), np.tile([0.0, 10.0], 20)
    >>> past = Past("x", rows, rows, Numbers("x", 200, 0.0, 1.0, 1.0), np.append(ones, 0.0), np.empty((0, 0)))
    >>> pieces = Pieces(np.repeat(np.arange(40), 5), n_batch=50, per_batch=10, n_pieces=40, n_real=4, n_chunks=120)
    >>> moved = shift(past, Series([1.5] * 50), pieces)
    >>> round(moved.value, 3), round(moved.low, 3), round(moved.high, 3)
    (0.5, -0.224, 1.224)
    """
    words = past.words.length if isinstance(past.words, Texts) else past.words
    assert isinstance(words, Numbers)
    mean, sd, n_old = words.mean, words.sd, words.n_known
    new = now.dropna().to_numpy(dtype=np.float64)
    if not (n_old and len(new)):
        return Estimate(float("nan"), float("nan"), float("nan"))
    if sd == 0:
        both = (n_old * mean + new.sum()) / (n_old + len(new))
        squares = n_old * (mean - both) ** 2 + np.square(new - both).sum()
        sd = float(np.sqrt(squares / (n_old + len(new))))
    if sd == 0:
        return Estimate(0.0, 0.0, 0.0)
    value = float(new.mean() - mean) / sd
    spread = max(float(new.std()), sd) / sd
    half = _half_width(past.sums / sd, past.known, pieces, spread**2 / len(new) + 1 / n_old)
    return Estimate(value, value - half, value + half)


def change_of_share(marked: Sums, rows: Sums, now: NDArray[np.bool_], pieces: Pieces, *, n_looked: int = 1) -> Estimate:
    """Return the change of the share of rows that are marked, in `[-1, 1]`, with its 95 % interval.

    `marked` and `rows` count the reference's by piece, `(n_pieces + 1,)`; `now` marks the batch's rows. Where this mark
    is the one that moved most of `n_looked`, the interval holds for all of them (Bonferroni).
    """
    n_old, n_new = rows.sum(), len(now)
    value = float(now.mean() - marked.sum() / n_old)
    share = float((marked.sum() + now.sum()) / (n_old + n_new))
    variance = share * (1 - share) * (1 / n_new + 1 / n_old)
    half = _half_width(marked, rows, pieces, variance, n_looked=n_looked)
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0))


def distance(counts: Sums, now: Ids, pieces: Pieces, *, seed: int) -> Estimate:
    """Return the total variation distance between two columns of codes beyond what chance gives, with its interval.

    `counts` has the reference's rows by piece and code, `(n_pieces + 1, n_codes)`; `now` the code of each of the
    batch's rows. Pretended batches of the snapshot's `pieces` say what chance gives
    (`monitors.contrasts.beyond_chance`): the plain distance is never 0, and at 50 rows of 20 values it is about 0.25.
    In `[0, 1]`.
    """
    rows = counts.sum(axis=1)
    old, new = counts.sum(axis=0) / rows.sum(), np.bincount(now, minlength=counts.shape[1]) / len(now)
    inside = draw(pieces.n_pieces, pieces.per_batch, _N_DRAWS, seed=seed) @ counts[:-1]
    rest = counts.sum(axis=0) - inside
    null = np.abs(inside / inside.sum(axis=1, keepdims=True) - rest / rest.sum(axis=1, keepdims=True)).sum(axis=1) / 2
    plain = float(np.abs(new - old).sum() / 2)
    value = beyond_chance(plain, null)
    signs = np.sign(new - old) / 2
    variance = _variance(signs, old) / rows.sum() + _variance(signs, new) / len(now)
    half = _half_width(counts @ signs, rows, pieces, variance)
    lower = min(value, plain - float(np.mean(null**2) ** 0.5))  # chance may have added that much
    return Estimate(value, max(lower - half, 0.0), min(value + half, 1.0))


def _variance(values: Sums, shares: Sums) -> float:
    return float(shares @ values**2 - (shares @ values) ** 2)


def _half_width(sums: Sums, n_rows: Sums, pieces: Pieces, variance: float, *, n_looked: int = 1) -> float:
    """Half the interval of a mean, from the spread of the pieces' means or from `variance`, whichever is larger."""
    sums, n_rows = sums[: pieces.n_pieces], n_rows[: pieces.n_pieces]
    means = sums[n_rows > 0] / n_rows[n_rows > 0]
    if len(means) > 1:
        variance = max(variance, float(means.var(ddof=1)) * (1 / pieces.per_batch + 1 / len(means)))
    return float(stats.t.isf((1 - _LEVEL) / 2 / n_looked, max(len(means) - 1, 1)) * variance**0.5)
