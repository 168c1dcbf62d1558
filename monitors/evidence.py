"""How sure one can be that a slice grew, from rows that were not used to find it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import Series
from scipy.stats import binomtest, t

from records.drift import Estimate

LEVEL = 0.05
FEWEST_TO_SPLIT, FEWEST_TO_SPREAD = 3, 10  # days
SMALLEST_P = 1e-15
UNKNOWN = Estimate(np.nan, np.nan, np.nan)

Rows = NDArray[np.bool_]


def halves(n_rows: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of a random half of the rows, and of the others, each in order; an odd row is in the first.

    >>> first, second = halves(5, seed=0)
    >>> len(first), sorted([*first, *second]) == list(range(5))
    (3, True)
    """
    order = np.random.default_rng(seed).permutation(n_rows)
    middle = (n_rows + 1) // 2
    return np.sort(order[:middle]), np.sort(order[middle:])


def halves_in_time(times: "Series[Any]", seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of rows in two random halves of the days; under three days, in two halves of the rows.

    Rows of one day share their weather and much else. Drawn one by one, they would prove to each other what nothing
    but that day was like; what is found on some days must hold on others.

    >>> times = Series(pd.date_range("2013-03-04", periods=8, freq="12h", tz="UTC"))
    >>> first, second = halves_in_time(times, seed=0)
    >>> first.tolist(), second.tolist()
    ([2, 3, 4, 5], [0, 1, 6, 7])
    """
    days = _days(times)
    names = np.unique(days)
    if len(names) < FEWEST_TO_SPLIT:
        return halves(len(times), seed)
    inside = np.isin(days, np.random.default_rng(seed).permutation(names)[::2])
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number by Holm (1979), in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, k in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[k]))
        adjusted[k] = largest
    return adjusted


def share_ratio(before: Rows, now: Rows) -> Estimate:
    """Return share of `now` / share of `before` with a 95 % interval, exact for rare rows and wide for common ones.

    The interval is Clopper and Pearson's for the share of current rows among those inside. Without a reference row
    inside, the ratio is infinite; without any row inside, `nan`.

    >>> ratio = share_ratio(np.arange(1000) < 100, np.arange(1000) < 300)
    >>> ratio.value, round(ratio.low, 2), round(ratio.high, 2)
    (3.0, 2.38, 3.8)
    """
    inside_before, inside_now = int(before.sum()), int(now.sum())
    if inside_before + inside_now == 0:
        return UNKNOWN
    scale = len(before) / len(now)
    interval = binomtest(inside_now, inside_before + inside_now).proportion_ci(0.95)
    low, high = (np.inf if share >= 1 else scale * share / (1 - share) for share in (interval.low, interval.high))
    value = scale * inside_now / inside_before if inside_before else np.inf
    return Estimate(float(value), float(low), float(high))


def excess_p(before: Rows, now: Rows, before_given: Sequence[Rows] = (), now_given: Sequence[Rows] = ()) -> float:
    """Return the exact one-sided p-value that `now` has too many rows inside, given slices already known.

    Rows are compared within strata that the known slices treat alike, so what they explain is no evidence: the
    number of current rows inside is, given all margins, a sum of hypergeometric counts (Fisher; Mantel and Haenszel).

    >>> round(excess_p(np.arange(10) < 1, np.arange(10) < 5), 4)
    0.0704
    >>> excess_p(np.arange(10) < 1, np.arange(10) < 5, [np.arange(10) < 1], [np.arange(10) < 5])
    1.0
    """
    strata, strata_now = _strata(before_given, len(before)), _strata(now_given, len(now))
    pmf: NDArray[np.float64] = np.ones(1)
    first, observed = 0, 0
    for stratum in np.unique(strata_now):
        here, here_now = strata == stratum, strata_now == stratum
        n, n_now, q = int(here.sum() + here_now.sum()), int(here_now.sum()), int(now[here_now].sum())
        n_inside = int(before[here].sum()) + q
        low, terms = _hypergeometric(n, n_inside, n_now)
        pmf = np.convolve(pmf, terms).astype(np.float64)
        first, observed = first + low, observed + q
    return float(min(1.0, max(SMALLEST_P, pmf[max(observed - first, 0) :].sum())))


def _hypergeometric(n: int, n_inside: int, n_now: int) -> tuple[int, NDArray[np.float64]]:
    """Return the chances of each number of current rows inside, from the first number on that is worth a thought.

    By the ratio of neighbouring chances; beyond the reach less than `SMALLEST_P` is left.
    """
    mean = n_now * n_inside / n
    reach = 10 * np.sqrt(mean * (n - n_inside) / n) + 30
    low = max(0, n_now - (n - n_inside), int(mean - reach))
    k = np.arange(low, min(n_now, n_inside, int(mean + reach)), dtype=np.float64)
    steps = np.log((n_inside - k) * (n_now - k)) - np.log((k + 1) * (n - n_inside - n_now + k + 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    chances = np.exp(logs - logs.max())
    return low, chances / chances.sum()


def _strata(given: Sequence[Rows], n_rows: int) -> NDArray[np.int64]:
    """Number the rows by which of the given slices hold them."""
    return np.asarray(
        sum((rows.astype(np.int64) << k for k, rows in enumerate(given)), np.zeros(n_rows, dtype=np.int64))
    )


def wobble_p(before: Rows, before_times: "Series[Any]", now: Rows, now_times: "Series[Any]", *, more: bool) -> float:
    """Return how likely ordinary days are to move a slice's share by so much in this direction; 0 under ten days.

    `before` and `now` say which rows of the two frames are inside, `before_times` and `now_times` when they happened.
    Rows of one day share their weather and much else, so an exact test on rows finds a slice in every week. Here the
    mean share of the batch's days is compared with the spread of the snapshot's (Student's t, one-sided).

    >>> days = Series(pd.date_range("2013-03-04", periods=40, freq="6h", tz="UTC"))
    >>> before = np.arange(40) % 4 < np.arange(40) // 4 % 3  # on ten days 0, 1 or 2 of 4 rows are inside
    >>> round(wobble_p(before, days, np.ones(4, dtype=bool), days[:4], more=True), 3)
    0.004
    """
    old, new = _day_shares(before, before_times), _day_shares(now, now_times)
    if len(old) < FEWEST_TO_SPREAD or not len(new):
        return 0.0
    difference = (new.mean() - old.mean()) * (1 if more else -1)
    spread = float(old.std(ddof=1) * np.sqrt(1 / len(new) + 1 / len(old)))
    if spread == 0:
        return 0.0 if difference > 0 else 1.0
    return float(t.sf(difference / spread, len(old) - 1))


def _day_shares(inside: Rows, times: "Series[Any]") -> NDArray[np.float64]:
    """The share inside on each day that has at least half as many rows as a usual one."""
    days = Series(inside).groupby(_days(times)).agg(["mean", "size"])
    return days["mean"][days["size"] >= days["size"].median() / 2].to_numpy(dtype=np.float64)


def _days(times: "Series[Any]") -> NDArray[np.int64]:
    return np.asarray((times - times.min()) // pd.Timedelta(days=1), dtype=np.int64)
