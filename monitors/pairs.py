"""The counts of every pair of columns, and which pairs tell most about the difference of two samples."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from monitors.scan import Counts, count

SCREENED_PAIRS = 60

Pair = tuple[int, int]
Tables = dict[Pair, Counts]


def count_pairs(codes: NDArray[np.uint8], n_codes: Sequence[int], weights: NDArray[np.float64]) -> Tables:
    """Return the weight of the rows in each cell of each pair of columns; `codes` has shape `(n_columns, n_rows)`.

    >>> count_pairs(np.array([[0, 0, 1], [1, 1, 0]], dtype=np.uint8), (2, 2), np.array([1.0, 0.5, 1.0]))[0, 1].tolist()
    [[0.0, 1.5], [1.0, 0.0]]
    """
    tables: Tables = {}
    wide = codes.astype(np.intp)
    for a, b in combinations(range(len(n_codes)), 2):
        cells = count(wide[a] * n_codes[b] + wide[b], weights, n_codes[a] * n_codes[b])
        tables[a, b] = cells.reshape(n_codes[a], n_codes[b])
    return tables


def telling_pairs(pairs: Sequence[Pair], before: Tables, now: Tables) -> list[Pair]:
    """Return at most 60 of the pairs: those whose cells differ most, and those that differ beyond their two columns.

    >>> before = {(0, 1): np.array([[25.0, 25.0], [25.0, 25.0]])}
    >>> telling_pairs([(0, 1)], before, {(0, 1): np.array([[9.0, 1.0], [1.0, 9.0]])})
    [(0, 1)]
    """
    whole, excess = {}, {}
    for pair in pairs:
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
