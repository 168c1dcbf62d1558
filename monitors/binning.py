"""Columns as small integer codes, and sets of codes back as conditions.

An edge is a value that occurs, so a bin is `[edge, next edge)` exactly as `records.slice.Between` reads it. Both
samples count alike for where the edges lie and which categories are listed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import Series

from records.slice import Between, Condition, OneOf

FINE_BINS = 128
COARSE_BINS = 16
TOP_CATEGORIES = 24

Codes = NDArray[np.uint8]
Keep = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Binning:
    """How one column becomes codes `0 .. n_codes - 1`; the last code means missing.

    A numeric column has `edges` (the lowest value of each bin; the first and last bin are open) and no `values`. A
    categorical one lists its `values`; the code after them means "any other", which no condition ever lists: it would
    have to name categories nobody has counted. `coarse` maps each code to one of the few codes the wide search looks
    at, of which all columns of a kind have the same number.
    """

    column: str
    numeric: bool
    edges: tuple[float, ...]
    values: tuple[str, ...]
    coarse: Codes

    @property
    def n_codes(self) -> int:
        """How many codes there are, that for missing included."""
        return len(self.coarse)

    @property
    def n_coarse(self) -> int:
        """How many coarse codes there are, used or not."""
        return COARSE_BINS + 1 if self.numeric else TOP_CATEGORIES + 2

    def encode(self, column: Series) -> Codes:
        """Return the code of every value; shape `(n_rows,)`."""
        missing = column.isna().to_numpy(dtype=np.bool_)
        if self.numeric:
            codes = np.searchsorted(self.edges[1:], column.to_numpy(dtype=np.float64), side="right").astype(np.uint8)
        else:
            listed = {value: code for code, value in enumerate(self.values)}
            codes = column.map(listed).fillna(len(self.values)).to_numpy().astype(np.uint8)
        codes[missing] = self.n_codes - 1
        return codes

    def condition(self, keep: Keep) -> Condition:
        """Return the condition that holds the codes where `keep` is true; of a numeric column they are an interval.

        >>> hours = bin_numbers("hour", Series(range(24), dtype=float), Series([3.0]))
        >>> str(hours.condition(np.arange(hours.n_codes) >= 18))
        '(hour >= 18 or missing)'
        """
        missing = bool(keep[-1])
        if not self.numeric:
            chosen = tuple(value for value, kept in zip(self.values, keep, strict=False) if kept)
            return OneOf(self.column, chosen, missing=missing)
        bins = np.flatnonzero(keep[:-1])
        if bins.size in (0, self.n_codes - 1):
            return Between(self.column, missing=missing)
        first, after = int(bins[0]), int(bins[-1]) + 1
        low = self.edges[first] if first > 0 else None
        high = self.edges[after] if after < self.n_codes - 1 else None
        return Between(self.column, low, high, missing=missing)


def bin_numbers(name: str, before: Series, now: Series) -> Binning:
    """Cut a numeric column at up to 64 quantiles of each sample, or between all its values if they are at most 128.

    A value that fills more than one bin by itself gets a bin of its own. Coarse bins hold about 1/16 of the rows.

    >>> bin_numbers("hour", Series([5.0, 6.0, 6.0]), Series([6.0, 1.0, 9.0, 8.0])).edges
    (1.0, 5.0, 6.0, 8.0, 9.0)
    """
    samples = [np.sort(column.dropna().to_numpy(dtype=np.float64)) for column in (before, now)]
    starts = [_distinct(values) for values in samples]
    if any(len(values) > FINE_BINS for values in starts) or len(np.union1d(*starts)) > FINE_BINS:
        starts = [_quantiles(values, FINE_BINS // 2) for values in samples]
    edges = np.union1d(*starts)
    if len(edges) == 0:
        edges = np.zeros(1)  # one bin for whatever becomes known
    groups = np.arange(len(edges))
    if len(edges) > COARSE_BINS:
        below = [np.searchsorted(values, edges) / max(len(values), 1) for values in samples]
        groups = np.minimum(np.mean(below, axis=0) * COARSE_BINS, COARSE_BINS - 1).astype(np.intp)
    coarse = np.append(groups, COARSE_BINS)
    return Binning(name, True, tuple(edges.tolist()), (), coarse.astype(np.uint8))


def bin_categories(name: str, before: Series, now: Series) -> Binning:
    """Give a code to each of the 24 categories that are commonest in either sample, new ones included.

    >>> bin_categories("sky", Series(["clear", "clear", None, "rain"]), Series(["ash"])).values
    ('ash', 'clear', 'rain')
    """
    shares = before.value_counts(normalize=True).to_frame("before")
    shares = shares.join(now.value_counts(normalize=True).to_frame("now"), how="outer").fillna(0.0)
    top = shares.max(axis=1).sort_index().sort_values(ascending=False, kind="stable").head(TOP_CATEGORIES)
    values = tuple(sorted(str(value) for value in top.index))
    coarse = np.append(np.arange(len(values)), [TOP_CATEGORIES, TOP_CATEGORIES + 1])
    return Binning(name, False, (), values, coarse.astype(np.uint8))


def _distinct(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([ordered[:1], ordered[1:][ordered[1:] != ordered[:-1]]])


def _quantiles(ordered: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Return the lowest value of each of `n_bins` equal parts, and whatever follows a value that fills a part."""
    if len(ordered) == 0:
        return ordered
    starts = ordered[np.arange(n_bins) * len(ordered) // n_bins]
    after_heavy = np.searchsorted(ordered, starts[1:][starts[1:] == starts[:-1]], side="right")
    return np.concatenate([starts, ordered[after_heavy[after_heavy < len(ordered)]]])
