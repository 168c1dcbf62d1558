"""The set of one column's codes in which current rows are most over-represented, found exactly.

The statistic is the two-sample Bernoulli scan of Kulldorff (1997): the log-likelihood ratio of "the share of current
rows inside differs from outside". For one column the best interval is a scan over cumulative counts, and the best
set of categories a prefix of them sorted by ratio (linear-time subset scanning, Neill 2012).
"""

from dataclasses import dataclass
from functools import lru_cache

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
    """How many rows (or how much weight) both frames have in all."""

    reference: float
    current: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The codes of one column that a condition keeps, what that costs, and the gain of all conditions with it.

    `llr` is in nats and not yet penalised; it is minus infinity where no set over-represents current rows.
    """

    keep: Keep
    penalty: float
    llr: float

    @property
    def gain(self) -> float:
        """The log-likelihood ratio minus this condition's own penalty."""
        return self.llr - self.penalty


def log_likelihood_ratio(reference: Counts, current: Counts, totals: Totals) -> Counts:
    """Return the scan statistic of regions with these counts, in nats.

    Any shape; minus infinity where current rows are not over-represented.

    >>> counts = np.array([100.0, 100.0, 100.0]), np.array([30.0, 10.0, 5.0])
    >>> log_likelihood_ratio(*counts, Totals(reference=1000.0, current=100.0)).round(3).tolist()
    [13.446, -inf, -inf]
    """
    inside, rest = reference + current, totals.reference + totals.current - reference - current
    with np.errstate(divide="ignore", invalid="ignore"):
        llr = (
            xlogy(current, current / inside)
            + xlogy(reference, reference / inside)
            + xlogy(totals.current - current, (totals.current - current) / rest)
            + xlogy(totals.reference - reference, (totals.reference - reference) / rest)
        )
    everything = totals.reference + totals.current
    llr -= xlogy(totals.current, totals.current / everything) + xlogy(totals.reference, totals.reference / everything)
    over = (current * totals.reference > reference * totals.current * (1 + 1e-9)) & (rest > 0)
    return np.where(over, llr, -np.inf)


def best_interval(reference: Counts, current: Counts, totals: Totals) -> Choice:
    """Choose the interval of codes, with or without the last code (missing), whose penalised gain is largest.

    >>> counts = np.array([50.0, 50.0, 50.0, 0.0]), np.array([5.0, 40.0, 5.0, 0.0])
    >>> best_interval(*counts, Totals(150.0, 50.0)).keep.tolist()
    [False, True, False, False]
    """
    n_bins = len(reference) - 1
    low, high = _intervals(n_bins)
    penalty = PENALTY_CONDITION + PENALTY_TWO_SIDED * ((low > 0) & (high < n_bins))
    below = np.concatenate([[0.0], np.cumsum(reference[:-1])])
    below_current = np.concatenate([[0.0], np.cumsum(current[:-1])])
    counts, counts_current = below[high] - below[low], below_current[high] - below_current[low]
    if reference[-1] + current[-1] > 0:
        low, high = np.concatenate([low, low, [0]]), np.concatenate([high, high, [0]])
        penalty = np.concatenate([penalty, penalty + PENALTY_CATEGORY, [PENALTY_CONDITION]])
        counts = np.concatenate([counts, counts + reference[-1], [reference[-1]]])
        counts_current = np.concatenate([counts_current, counts_current + current[-1], [current[-1]]])
    llr = log_likelihood_ratio(counts, counts_current, totals)
    best = int(np.argmax(llr - penalty))
    codes = np.arange(n_bins + 1)
    keep = (codes >= low[best]) & (codes < high[best])
    keep[-1] = best >= len(_intervals(n_bins)[0])
    return Choice(keep, float(penalty[best]), float(llr[best]))


def best_set(reference: Counts, current: Counts, totals: Totals) -> Choice:
    """Choose the set of categories whose penalised gain is largest; the code before the last ("other") stays out.

    >>> counts = np.array([50.0, 50.0, 50.0, 9.0, 0.0]), np.array([30.0, 5.0, 30.0, 9.0, 0.0])
    >>> best_set(*counts, Totals(159.0, 74.0)).keep.tolist()
    [True, False, True, False, False]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = current / reference
    ratio[-2] = np.nan
    order = np.argsort(-ratio, kind="stable")[: np.count_nonzero(ratio > 0)]  # nan sorts last
    keep = np.zeros(len(reference), dtype=np.bool_)
    if order.size == 0:
        return Choice(keep, PENALTY_CONDITION, -np.inf)
    penalty = PENALTY_CONDITION + PENALTY_CATEGORY * np.arange(order.size)
    llr = log_likelihood_ratio(np.cumsum(reference[order]), np.cumsum(current[order]), totals)
    best = int(np.argmax(llr - penalty))
    keep[order[: best + 1]] = True
    return Choice(keep, float(penalty[best]), float(llr[best]))


@lru_cache(maxsize=512)
def _intervals(n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low, high = np.triu_indices(n_bins + 1, 1)
    return low, high
