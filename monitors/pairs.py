"""The counts of every pair of columns, and which pairs tell most about the difference of two samples."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from monitors.scan import Counts

SCREENED_PAIRS = 60

Codes = NDArray[np.intp]
Tables = dict[tuple[int, int], Counts]


def count_pairs(codes: Codes, n_codes: tuple[int, ...], weights: NDArray[np.float64] | None = None) -> Tables:
    """Count (or weigh) the rows in each cell of each pair of columns.

    >>> count_pairs(np.array([[0, 0, 1], [1, 1, 0]]), (2, 2))[0, 1].tolist()
    [[0.0, 2.0], [1.0, 0.0]]
    """
    tables: Tables = {}
    for a, b in combinations(range(len(n_codes)), 2):
        cells = np.bincount(codes[a] * n_codes[b] + codes[b], weights=weights, minlength=n_codes[a] * n_codes[b])
        tables[a, b] = cells.reshape(n_codes[a], n_codes[b]).astype(np.float64)
    return tables


def telling_pairs(before: Tables, now: Tables) -> list[tuple[int, int]]:
    """Return at most 60 pairs: those whose cells differ most, and those that differ beyond their two columns.

    >>> before = {(0, 1): np.array([[25.0, 25.0], [25.0, 25.0]])}
    >>> telling_pairs(before, {(0, 1): np.array([[9.0, 1.0], [1.0, 9.0]])})
    [(0, 1)]
    """
    whole, excess = {}, {}
    for pair in before:
        a, b = before[pair], now[pair]
        whole[pair] = _deviance(a, b)
        excess[pair] = whole[pair] - _deviance(a.sum(1), b.sum(1)) - _deviance(a.sum(0), b.sum(0))
    half = SCREENED_PAIRS // 2
    ranked = (sorted(scores, key=lambda pair: -scores[pair])[:half] for scores in (whole, excess))
    return list(dict.fromkeys(pair for pairs in ranked for pair in pairs))


def _deviance(before: Counts, now: Counts) -> float:
    """Return the G statistic of two samples, standardised by its degrees of freedom."""
    rows = before + now
    share = now.sum() / rows.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = xlogy(now, now / (rows * share)) + xlogy(before, before / (rows * (1 - share)))
    freedom = max(np.count_nonzero(rows) - 1, 1)
    return float((2 * np.nansum(terms) - freedom) / np.sqrt(2 * freedom))
