"""How large a change is, with an interval that knows that days and weeks differ by themselves."""

import numpy as np
from numpy.typing import NDArray
from pandas import Series
from scipy import stats

from monitors.contrasts import beyond_chance
from monitors.pieces import Ids, Pieces, draw
from records.drift import Estimate

_LEVEL = 0.95
_N_DRAWS = 59


def shift(before: Series, now: Series, pieces: Pieces) -> Estimate:
    """Return the change of a number's mean in snapshot standard deviations, with its 95 % interval.

    `nan` where a side has no value. A column that is constant in the snapshot is measured in standard deviations of
    both together. The interval is Student's, from the spread of the snapshot's `pieces` or from the rows, whichever is
    wider.

    >>> ids = np.repeat(np.arange(40), 5)
    >>> pieces = Pieces(ids, n_batch=50, per_batch=10, n_pieces=40, n_real=4, n_chunks=120)
    >>> moved = shift(Series(ids % 2 * 2.0), Series([1.5] * 50), pieces)
    >>> round(moved.value, 3), round(moved.low, 3), round(moved.high, 3)
    (0.5, -0.224, 1.224)
    """
    values, known = before.to_numpy(dtype=np.float64), before.notna().to_numpy()
    new = now.dropna().to_numpy(dtype=np.float64)
    old = values[known]
    if not (len(old) and len(new)):
        return Estimate(float("nan"), float("nan"), float("nan"))
    sd = float(old.std())
    if sd == 0:
        sd = float(np.concatenate([old, new]).std())
    if sd == 0:
        return Estimate(0.0, 0.0, 0.0)
    value = float(new.mean() - old.mean()) / sd
    spread = max(float(new.std()), sd) / sd
    half = _half_width(values[known] / sd, pieces.ids[known], pieces, spread**2 / len(new) + 1 / len(old))
    return Estimate(value, value - half, value + half)


def change_of_share(before: NDArray[np.bool_], now: NDArray[np.bool_], pieces: Pieces) -> Estimate:
    """Return the change of the share of rows that are marked, in `[-1, 1]`, with its 95 % interval."""
    value = float(now.mean() - before.mean())
    share = float(np.concatenate([before, now]).mean())
    rows = share * (1 - share) * (1 / len(now) + 1 / len(before))
    half = _half_width(before.astype(np.float64), pieces.ids, pieces, rows)
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0))


def distance(before: Ids, now: Ids, n_codes: int, pieces: Pieces, *, seed: int) -> Estimate:
    """Return the total variation distance between two columns of codes beyond what chance gives, with its interval.

    Pretended batches of the snapshot's `pieces` say what chance gives (`monitors.contrasts.beyond_chance`): the plain
    distance is never 0, and at 50 rows of 20 values it is about 0.25. In `[0, 1]`.
    """
    counts = np.bincount(pieces.ids * n_codes + before, minlength=(pieces.n_pieces + 1) * n_codes)
    counts = counts.reshape(pieces.n_pieces + 1, n_codes).astype(np.float64)
    old, new = counts.sum(axis=0) / len(before), np.bincount(now, minlength=n_codes) / len(now)
    inside = draw(pieces.n_pieces, pieces.per_batch, _N_DRAWS, seed=seed) @ counts[:-1]
    rest = counts.sum(axis=0) - inside
    null = np.abs(inside / inside.sum(axis=1, keepdims=True) - rest / rest.sum(axis=1, keepdims=True)).sum(axis=1) / 2
    plain = float(np.abs(new - old).sum() / 2)
    value = beyond_chance(plain, null)
    signs = np.sign(new - old) / 2
    rows = _variance(signs, old) / len(before) + _variance(signs, new) / len(now)
    half = _half_width(signs[before], pieces.ids, pieces, rows)
    lower = min(value, plain - float(np.mean(null**2) ** 0.5))  # chance may have added that much
    return Estimate(value, max(lower - half, 0.0), min(value + half, 1.0))


def _variance(values: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    return float(shares @ values**2 - (shares @ values) ** 2)


def _half_width(values: NDArray[np.float64], ids: Ids, pieces: Pieces, variance: float) -> float:
    """Half the interval of a mean, from the spread of the pieces' means or from `variance`, whichever is larger."""
    n_rows = np.bincount(ids, minlength=pieces.n_pieces + 1)[: pieces.n_pieces]
    sums = np.bincount(ids, weights=values, minlength=pieces.n_pieces + 1)[: pieces.n_pieces]
    means = sums[n_rows > 0] / n_rows[n_rows > 0]
    if len(means) > 1:
        variance = max(variance, float(means.var(ddof=1)) * (1 / pieces.per_batch + 1 / len(means)))
    return float(stats.t.ppf((1 + _LEVEL) / 2, max(len(means) - 1, 1)) * variance**0.5)
