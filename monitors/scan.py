"""The set of a column's codes in which the second of two samples is most over-represented, found exactly.

The statistic is the two-sample Bernoulli scan of Kulldorff (1997): the log-likelihood ratio of "the share of the
second sample inside differs from outside". For one column the best interval is a scan over cumulative counts, and the
best set of categories a prefix of them sorted by ratio (linear-time subset scanning, Neill 2012).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from monitors.binning import Keep

PENALTY_CONDITION = 6.0
PENALTY_TWO_SIDED = 3.0
PENALTY_CATEGORY = 0.7

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows (or how much weight) the two samples have in all."""

    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The codes of one column that a condition keeps, what that costs, and the gain of all conditions with it.

    `llr` is in nats and not yet penalised; it is minus infinity where no set over-represents `now`.
    """

    keep: Keep
    penalty: float
    llr: float


@dataclass(frozen=True, slots=True)
class Choices:
    """A choice for each of several columns: `keep` has shape `(n_columns, n_codes)`, the others `(n_columns,)`."""

    keep: Keep
    penalty: NDArray[np.float64]
    llr: NDArray[np.float64]

    def __getitem__(self, place: int) -> Choice:
        return Choice(self.keep[place], float(self.penalty[place]), float(self.llr[place]))


def count(codes: NDArray[np.integer[Any]], weights: NDArray[np.float64], n_codes: int) -> Counts:
    """Return the weight of the rows with each code, shape `(n_codes,)`.

    >>> count(np.array([0, 2, 2]), np.array([1.0, 1.0, 0.5]), 4).tolist()
    [1.0, 0.0, 1.5, 0.0]
    """
    return np.bincount(codes, weights, minlength=n_codes).astype(np.float64, copy=False)


def log_likelihood_ratio(before: Counts, now: Counts, totals: Totals) -> Counts:
    """Return the scan statistic of regions with these counts, in nats.

    Any shape; minus infinity where `now` is not over-represented.

    >>> counts = np.array([100.0, 100.0, 100.0]), np.array([30.0, 10.0, 5.0])
    >>> log_likelihood_ratio(*counts, Totals(before=1000.0, now=100.0)).round(3).tolist()
    [13.446, -inf, -inf]
    """
    rest_before, rest_now = np.maximum(totals.before - before, 0.0), np.maximum(totals.now - now, 0.0)
    inside, rest = before + now, rest_before + rest_now
    with np.errstate(divide="ignore", invalid="ignore"):
        llr = (
            xlogy(now, now / inside)
            + xlogy(before, before / inside)
            + xlogy(rest_now, rest_now / rest)
            + xlogy(rest_before, rest_before / rest)
        )
    everything = totals.before + totals.now
    llr -= xlogy(totals.now, totals.now / everything) + xlogy(totals.before, totals.before / everything)
    over = (now * totals.before > before * totals.now * (1 + 1e-9)) & (rest > 0)
    return np.where(over, llr, -np.inf)


def best_intervals(before: Counts, now: Counts, totals: Totals) -> Choices:
    """Choose in each row the interval of codes, with or without the last (missing), whose penalised gain is largest.

    Both counts have shape `(n_columns, n_codes)`.

    >>> counts = np.array([[50.0, 50.0, 50.0, 0.0]]), np.array([[5.0, 40.0, 5.0, 0.0]])
    >>> best_intervals(*counts, Totals(150.0, 50.0)).keep.tolist()
    [[False, True, False, False]]
    """
    n_bins = before.shape[1] - 1
    low, high = _intervals(n_bins)
    penalty = PENALTY_CONDITION + PENALTY_TWO_SIDED * ((low > 0) & (high < n_bins))
    penalty = np.concatenate([penalty, penalty + PENALTY_CATEGORY, [PENALTY_CONDITION]])
    within = []
    for counts in (before, now):
        below = np.cumsum(np.pad(counts[:, :-1], ((0, 0), (1, 0))), axis=1)
        known, missing = below[:, high] - below[:, low], counts[:, -1:]
        within.append(np.concatenate([known, known + missing, missing], axis=1))
    llr = log_likelihood_ratio(within[0], within[1], totals)
    best = np.argmax(llr - penalty, axis=1)
    first, after = (np.append(np.tile(edges, 2), 0)[best][:, None] for edges in (low, high))
    codes = np.arange(n_bins + 1)
    keep = (codes >= first) & (codes < after)
    keep[:, -1] = best >= len(low)
    return Choices(keep, penalty[best], np.take_along_axis(llr, best[:, None], axis=1)[:, 0])


def best_sets(before: Counts, now: Counts, totals: Totals) -> Choices:
    """Choose in each row the set of categories whose penalised gain is largest; the last but one ("other") stays out.

    Both counts have shape `(n_columns, n_codes)`.

    >>> counts = np.array([[50.0, 50.0, 50.0, 9.0, 0.0]]), np.array([[30.0, 5.0, 30.0, 9.0, 0.0]])
    >>> best_sets(*counts, Totals(159.0, 74.0)).keep.tolist()
    [[True, False, True, False, False]]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = now / before
    ratio[:, -2] = np.nan
    order = np.argsort(-ratio, axis=1, kind="stable")  # nan sorts last
    ranked = [np.cumsum(np.take_along_axis(counts, order, axis=1), axis=1) for counts in (before, now)]
    llr = log_likelihood_ratio(ranked[0], ranked[1], totals)
    llr[np.arange(llr.shape[1]) >= np.count_nonzero(ratio > 0, axis=1)[:, None]] = -np.inf
    penalty = PENALTY_CONDITION + PENALTY_CATEGORY * np.arange(llr.shape[1])
    best = np.argmax(llr - penalty, axis=1)
    chosen = np.take_along_axis(llr, best[:, None], axis=1)
    keep = (np.argsort(order, axis=1) <= best[:, None]) & (chosen > -np.inf)
    return Choices(keep, penalty[best], chosen[:, 0])


@lru_cache(maxsize=512)
def _intervals(n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low, high = np.triu_indices(n_bins + 1, 1)
    return low, high
