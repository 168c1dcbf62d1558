"""The counts of every pair of columns, which pairs tell most about the difference of two samples, and what."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from monitors.region import Codes, Contrast, Pair, Region, Tables
from monitors.scan import Counts, count

SCREENED_PAIRS = 60


def count_pairs(codes: Codes, n_codes: Sequence[int], weights: NDArray[np.float64]) -> Tables:
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


def telling_pairs(contrast: Contrast) -> list[Pair]:
    """Return at most 60 pairs: those whose cells differ most, and those that differ beyond their two columns.

    The samples may be exchanged. A difference is the G statistic, standardised by its degrees of freedom.
    """
    before, now, numeric = contrast.before, contrast.now, contrast.numeric
    alone: dict[int, float] = {}
    whole: dict[Pair, float] = {}
    for column in contrast.columns:
        n_codes = contrast.n_codes[column]
        counts = [count(sample.codes[column], sample.weights, n_codes)[None] for sample in (before, now)]
        alone[column] = float(deviances(counts[0], counts[1])[0])
    usable = [pair for pair in before.pairs if set(pair) <= set(contrast.columns)]
    for alike in _grouped(usable, lambda pair: (pair[0], numeric[pair[1]])):  # few at a time, to spare memory
        tables = [np.stack([sample.pairs[pair].ravel() for pair in alike]) for sample in (before, now)]
        whole.update(zip(alike, deviances(tables[0], tables[1]).tolist(), strict=True))
    excess = {pair: whole[pair] - alone[pair[0]] - alone[pair[1]] for pair in usable}
    half = SCREENED_PAIRS // 2
    ranked = (sorted(usable, key=lambda pair: -scores[pair])[:half] for scores in (whole, excess))
    return list(dict.fromkeys(pair for pairs in ranked for pair in pairs))


def seeds(contrast: Contrast, pairs: Sequence[Pair]) -> list[Region]:
    """Return the best region of each pair of columns that is found by climbing on the pair's own table.

    All climb at once, from three starts each: all codes of the first column, the best ones, the richest single one.
    """
    found: dict[Pair, Region] = {}
    for alike in _grouped(pairs, lambda pair: (contrast.numeric[pair[0]], contrast.numeric[pair[1]])):
        before, now = (np.stack([sample.pairs[pair] for pair in alike]) for sample in (contrast.before, contrast.now))
        numeric, numeric_across = (contrast.numeric[column] for column in alike[0])
        surplus = (now - before * (contrast.totals.now / contrast.totals.before)).max(axis=2)
        best = contrast.scan(before.sum(2), now.sum(2), numeric=numeric).keep
        keep = np.concatenate([np.ones_like(best), best, surplus == surplus.max(axis=1, keepdims=True)])
        pair_of, gains, climbing = np.tile(np.arange(len(alike)), 3), np.full(len(keep), -np.inf), np.arange(len(keep))
        while climbing.size:
            tables = before[pair_of[climbing]], now[pair_of[climbing]]
            rows = keep[climbing, None, :].astype(np.float64)
            across = contrast.scan(*((rows @ table)[:, 0] for table in tables), numeric=numeric_across)
            columns = across.keep[:, :, None].astype(np.float64)
            down = contrast.scan(*((table @ columns)[:, :, 0] for table in tables), numeric=numeric)
            reached = down.llr - down.penalty - across.penalty
            better = reached > gains[climbing] + 1e-9
            for k in np.flatnonzero(better):
                a, b = pair = alike[pair_of[climbing[k]]]
                region = Region((), -np.inf).put(b, across[k]).put(a, down[k])
                if pair not in found or region.gain > found[pair].gain:
                    found[pair] = region
            climbing = climbing[better]
            keep[climbing], gains[climbing] = down.keep[better], reached[better]
    return list(found.values())


def _grouped(pairs: Iterable[Pair], shape: Callable[[Pair], Any]) -> Iterator[list[Pair]]:
    """Group pairs whose tables have the same shape."""
    for _, alike in groupby(sorted(pairs, key=lambda pair: (shape(pair), pair)), key=shape):
        yield list(alike)


def deviances(before: Counts, now: Counts) -> NDArray[np.float64]:
    """Return the G statistic of two samples in each row of cells, standardised by its degrees of freedom.

    >>> deviances(np.array([[25.0, 25.0, 25.0, 25.0]]), np.array([[9.0, 1.0, 1.0, 9.0]])).round(2).tolist()
    [3.91]
    """
    rows = before + now
    share = now.sum(axis=1, keepdims=True) / rows.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = xlogy(now, now / (rows * share)) + xlogy(before, before / (rows * (1 - share)))
    freedom = np.maximum(np.count_nonzero(rows, axis=1) - 1, 1)
    return np.asarray((2 * np.nansum(terms, axis=1) - freedom) / np.sqrt(2 * freedom))
