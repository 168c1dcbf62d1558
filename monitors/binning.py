"""Columns as small integer codes, and sets of codes back as conditions a person can read.

Edges are values of the reference, so a bin is `[edge, next edge)` exactly as `records.slice.Between` reads it.
"""

import math
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

    A numeric column has `edges` (the lowest reference value of each bin; the first and last bin are open) and no
    `values`; it is `exact` if each bin holds one value. A categorical one lists its `values`; the code after them
    means "any other", which no condition ever lists: it would have to name categories nobody has counted. `coarse`
    maps each code to one of the few codes the wide search looks at.
    """

    column: str
    numeric: bool
    edges: tuple[float, ...]
    values: tuple[str, ...]
    coarse: Codes
    exact: bool = True

    @property
    def n_codes(self) -> int:
        """How many codes there are, that for missing included."""
        return len(self.coarse)

    def encode(self, column: Series) -> Codes:
        """Return the code of every value; shape `(n_rows,)`."""
        missing = column.isna().to_numpy(dtype=np.bool_)
        if self.numeric:
            numbers = column.to_numpy(dtype=np.float64)
            codes = np.searchsorted(self.edges[1:], numbers, side="right").astype(np.uint8)
        else:
            listed = {value: code for code, value in enumerate(self.values)}
            codes = column.map(listed).fillna(len(self.values)).to_numpy().astype(np.uint8)
        codes[missing] = self.n_codes - 1
        return codes

    def condition(self, keep: Keep) -> Condition:
        """Return the condition that holds the codes where `keep` is true, its edges rounded outward.

        >>> hours = bin_numbers("hour", Series(range(24), dtype=float), Series([3.0]))
        >>> str(hours.condition(np.arange(hours.n_codes) >= 18))
        '(hour >= 18 or missing)'
        """
        missing = bool(keep[-1])
        if not self.numeric:
            chosen = tuple(sorted(value for value, kept in zip(self.values, keep, strict=False) if kept))
            return OneOf(self.column, chosen, missing=missing)
        bins = np.flatnonzero(keep[:-1])
        if bins.size in (0, self.n_codes - 1):
            return Between(self.column, missing=missing)
        first, after = int(bins[0]), int(bins[-1]) + 1
        low = high = None
        if first > 0:
            edge = self.edges[first]
            low = readable(edge, math.nextafter(self.edges[first - 1], math.inf), edge)
        if after < self.n_codes - 1:
            edge = self.edges[after]
            beyond = self.edges[min(after + 1, len(self.edges) - 1)]
            if self.exact:  # any limit between the last value inside and the first one outside selects the same rows
                high = readable(edge, math.nextafter(self.edges[after - 1], math.inf), edge)
            else:
                high = readable(edge, edge, max(edge, math.nextafter(beyond, -math.inf)))
        return Between(self.column, low, high, missing=missing)


def bin_numbers(name: str, reference: Series, current: Series) -> Binning:
    """Cut a numeric column at up to 128 quantiles of the reference (all its values, if they are fewer).

    A value that fills more than one bin by itself gets a bin of its own, and so does what lies in `current` beyond
    the reference's range on either side. Coarse bins hold about 1/16 of the reference.

    >>> bin_numbers("hour", Series([5.0, 6.0, 6.0]), Series([6.0, 1.0, 9.0, 8.0])).edges
    (1.0, 5.0, 6.0, 8.0)
    """
    values, counts = np.unique(reference.dropna().to_numpy(dtype=np.float64), return_counts=True)
    if len(values) == 0:
        values, counts = np.zeros(1), np.zeros(1, dtype=counts.dtype)  # one bin for whatever becomes known
    low, high = values[0], values[-1]
    exact = len(values) <= FINE_BINS
    if not exact:
        bins = (np.cumsum(counts) - counts) * FINE_BINS // counts.sum()
        starts = np.flatnonzero(np.diff(bins, prepend=-1))  # the first value of each quantile bin
        heavy = np.flatnonzero(counts * FINE_BINS > counts.sum())
        starts = np.unique(np.concatenate([starts, heavy, heavy + 1]))
        starts = starts[starts < len(values)][: 2 * FINE_BINS - 5]  # codes are bytes
        values, counts = values[starts], np.add.reduceat(counts, starts)
    groups: NDArray[np.int64] = np.arange(len(values))
    if len(values) > COARSE_BINS:
        groups = (np.cumsum(counts) - counts) * COARSE_BINS // counts.sum()
    seen = current.dropna().to_numpy(dtype=np.float64)
    below, above = seen[seen < low], seen[seen > high]
    if below.size:
        values, groups = np.append(below.min(), values), np.append(-1, groups)
    if above.size:
        values, groups = np.append(values, above.min()), np.append(groups, COARSE_BINS)
    coarse = np.unique(np.append(groups, COARSE_BINS + 1), return_inverse=True)[1]
    return Binning(name, True, tuple(values.tolist()), (), coarse.astype(np.uint8), exact=exact)


def bin_categories(name: str, reference: Series, current: Series) -> Binning:
    """Give a code to each of the 24 categories that are commonest in either frame, new ones included.

    >>> bin_categories("sky", Series(["clear", "clear", None, "rain"]), Series(["ash"])).values
    ('ash', 'clear', 'rain')
    """
    shares = reference.value_counts(normalize=True).to_frame("before")
    shares = shares.join(current.value_counts(normalize=True).to_frame("now"), how="outer").fillna(0.0)
    top = shares.max(axis=1).sort_index().sort_values(ascending=False, kind="stable").head(TOP_CATEGORIES)
    values = tuple(sorted(str(value) for value in top.index))
    return Binning(name, False, (), values, np.arange(len(values) + 2).astype(np.uint8))


def readable(edge: float, low: float, high: float) -> float:
    """Return the roundest number in `[low, high]`, the one nearest to `edge` where several are as round.

    Round means a multiple of 1 or 5 times a large power of ten, as people write limits.

    >>> readable(17.93, 17.2, 18.4), readable(0.3147, 0.3, 0.3147), readable(1755.0, 1755.0, 1799.0)
    (18.0, 0.3, 1760.0)
    >>> readable(-0.02, -0.1, 0.3), readable(3.7, 3.7, 3.7)
    (0.0, 3.7)
    """
    if low <= 0 <= high:
        return 0.0
    if low < high and math.isfinite(low) and math.isfinite(high):
        top = math.floor(math.log10(max(abs(low), abs(high)))) + 1
        for power in range(top, top - 17, -1):
            for unit in (5, 1) if power < top else (1,):
                rounded = _nearest_multiple(edge, unit, power, low, high)
                if rounded is not None:
                    return rounded
    return edge


def _nearest_multiple(edge: float, unit: int, power: int, low: float, high: float) -> float | None:
    step = unit * 10.0**power
    first, last = math.ceil(low / step), math.floor(high / step)
    if first > last:
        return None
    times = min(max(round(edge / step), first), last)
    value = times * unit * 10**power if power >= 0 else times * unit / 10**-power
    return float(value) if low <= value <= high else None
