"""The region of up to three columns where one sample is most over-represented, by a beam over exact scans.

Seeds are every single column and the most telling pairs; each seed climbs by re-optimising one column given the
others, the best grow by a column, and the winner is refined by dropping and replacing each of its conditions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitors.pairs import Pair, Tables, telling_pairs
from monitors.scan import Choice, Counts, Totals, best_interval, best_set, count

DEPTH = 3
WIDTH = 12
LEAST_SHARE_OF_GAIN = 0.05

Codes = NDArray[np.uint8]
Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows as codes of shape `(n_columns, n_rows)`, a weight of 0 or more for each row, and the counts of each pair.

    `pairs` is `count_pairs` of the codes and weights, or empty: it spares `search` many passes over the rows.
    """

    codes: Codes
    weights: NDArray[np.float64]
    pairs: Tables


@dataclass(frozen=True)
class Contrast:
    """Two samples coded alike; regions are sought where `now` has more of its weight than `before` has.

    `columns` are the positions of the columns that may be used; `n_codes` and `numeric` have an entry for each one.
    """

    before: Sample
    now: Sample
    n_codes: tuple[int, ...]
    numeric: tuple[bool, ...]
    columns: tuple[int, ...]

    @cached_property
    def totals(self) -> Totals:
        """The weight of all rows of each sample."""
        return Totals(float(self.before.weights.sum()), float(self.now.weights.sum()))

    def exchanged(self) -> "Contrast":
        """Return the contrast whose regions are those where `now` has less than `before`."""
        return Contrast(self.now, self.before, self.n_codes, self.numeric, self.columns)


@dataclass(frozen=True, slots=True)
class Region:
    """A conjunction: for each of its columns (by position) the codes it keeps; `latest` was chosen given the others."""

    choices: tuple[tuple[int, Choice], ...]
    llr: float
    latest: int | None = None

    @property
    def gain(self) -> float:
        """The log-likelihood ratio minus the penalties of all conditions, in nats."""
        return self.llr - sum(choice.penalty for _, choice in self.choices)

    @property
    def columns(self) -> tuple[int, ...]:
        """The positions of the columns it looks at, ascending."""
        return tuple(column for column, _ in self.choices)

    def rows(self, codes: Codes) -> Positions | None:
        """Return the positions of the rows inside, or None for all of them."""
        rows = None
        for column, choice in self.choices:
            kept = choice.keep.take(codes[column] if rows is None else codes[column][rows])
            rows = np.flatnonzero(kept) if rows is None else rows[kept]
        return rows

    def share(self, sample: Sample) -> float:
        """Return the share of a sample's weight inside."""
        rows = self.rows(sample.codes)
        return 1.0 if rows is None else float(sample.weights[rows].sum() / sample.weights.sum())

    def put(self, column: int, choice: Choice) -> "Region":
        """Return this region with the column's condition added or replaced; its `llr` is the choice's."""
        others = dict(self.choices) | {column: choice}
        return Region(tuple(sorted(others.items(), key=lambda item: item[0])), choice.llr, column)

    def without(self, column: int) -> "Region":
        """Return this region with one condition fewer; its `llr` is unknown (minus infinity) until re-optimised."""
        return Region(tuple(item for item in self.choices if item[0] != column), -np.inf)


def search(contrast: Contrast) -> Region | None:
    """Return the region with the largest penalised gain, or None if no gain is positive."""
    everywhere = Region((), -np.inf)
    pool = _best([*grow(contrast, everywhere), *_pair_seeds(contrast)], 2 * WIDTH)
    for _ in range(DEPTH - 1):
        grown = [region for parent in pool[:WIDTH] if len(parent.choices) < DEPTH for region in grow(contrast, parent)]
        pool = _best([*pool, *(climb(contrast, region) for region in _best(grown, 2 * WIDTH))], 2 * WIDTH)
    if not pool:
        return None
    best = max((_refine(contrast, region) for region in pool[:3]), key=lambda region: region.gain)
    return _shorten(contrast, best) if best.gain > 0 else None


def climb(contrast: Contrast, region: Region) -> Region:
    """Re-optimise one column given the others, in turn, until no turn gains anything."""
    best, todo = region, [column for column in region.columns if column != region.latest]
    while todo:
        column = todo.pop(0)
        (candidate,) = grow(contrast, best.without(column), (column,))
        if candidate.gain > best.gain + 1e-9:
            best, todo = candidate, [other for other in region.columns if other != column]
    return best


def grow(contrast: Contrast, region: Region, columns: Iterable[int] | None = None) -> list[Region]:
    """Return the region with one condition more, the best one for each column it does not use (or each one given)."""
    unused = [k for k in (contrast.columns if columns is None else columns) if k not in region.columns]
    counts = [_counts(sample, region, unused, contrast.n_codes) for sample in (contrast.before, contrast.now)]
    return [
        region.put(column, _scan(contrast, column, before, now))
        for column, before, now in zip(unused, *counts, strict=True)
    ]


def _counts(sample: Sample, region: Region, columns: Sequence[int], n_codes: Sequence[int]) -> list[Counts]:
    """Return the weight of each code of each of some columns inside a region that does not use them."""
    if len(region.choices) == 1 and sample.pairs:
        ((used, choice),) = region.choices
        return [
            sample.pairs[used, k][choice.keep].sum(0) if used < k else sample.pairs[k, used][:, choice.keep].sum(1)
            for k in columns
        ]
    rows = region.rows(sample.codes)
    if rows is None:
        return [count(sample.codes[k], sample.weights, n_codes[k]) for k in columns]
    weights = sample.weights[rows]
    return [count(sample.codes[k][rows], weights, n_codes[k]) for k in columns]


def _scan(contrast: Contrast, column: int, before: Counts, now: Counts) -> Choice:
    return (best_interval if contrast.numeric[column] else best_set)(before, now, contrast.totals)


def _refine(contrast: Contrast, region: Region) -> Region:
    """Drop each condition, climb, grow by the best column, climb; keep whatever gains, until nothing does."""
    best = region
    while True:
        trials: list[Region] = []
        for column in best.columns:
            shorter = best.without(column)
            if shorter.choices:
                shorter = climb(contrast, shorter)
                trials.append(shorter)
            trials.extend(climb(contrast, grown) for grown in _best(grow(contrast, shorter), 2))
        better = _best(trials, 1)
        if not better or better[0].gain <= best.gain + 1e-9:
            return best
        best = better[0]


def _shorten(contrast: Contrast, region: Region) -> Region:
    """Drop conditions that bring under 5 % of the gain: the penalty alone means nothing where there are many rows."""
    shorter = [climb(contrast, region.without(column)) for column in region.columns if len(region.choices) > 1]
    best = max(shorter, key=lambda each: each.gain, default=region)
    return _shorten(contrast, best) if shorter and best.gain >= (1 - LEAST_SHARE_OF_GAIN) * region.gain else region


def _best(regions: Iterable[Region], most: int) -> list[Region]:
    distinct = {
        tuple((column, choice.keep.tobytes()) for column, choice in region.choices): region
        for region in regions
        if np.isfinite(region.llr)
    }
    return sorted(distinct.values(), key=lambda region: -region.gain)[:most]


def _pair_seeds(contrast: Contrast) -> list[Region]:
    before, now = contrast.before.pairs, contrast.now.pairs
    usable = [pair for pair in before if set(pair) <= set(contrast.columns)]
    return [_climb_table(contrast, pair, before[pair], now[pair]) for pair in telling_pairs(usable, before, now)]


def _climb_table(contrast: Contrast, pair: Pair, before: Counts, now: Counts) -> Region:
    """Climb on the pair's own table from three starts: best row set, best column set, and the richest single row."""
    a, b = pair
    totals = contrast.totals
    with np.errstate(divide="ignore", invalid="ignore"):
        surplus = now - before * (totals.now / totals.before)
    richest = np.arange(before.shape[0]) == int(np.unravel_index(np.argmax(surplus), surplus.shape)[0])
    best = Region((), -np.inf)
    for start in (None, richest, _scan(contrast, a, before.sum(1), now.sum(1)).keep):
        rows: NDArray[np.bool_] = np.ones(before.shape[0], dtype=np.bool_) if start is None else start
        region = Region((), -np.inf)
        while True:
            across = _scan(contrast, b, before[rows].sum(0), now[rows].sum(0))
            down = _scan(contrast, a, before[:, across.keep].sum(1), now[:, across.keep].sum(1))
            step = region.put(b, across).put(a, down)
            if not region.choices or step.gain > region.gain + 1e-9:
                region, rows = step, down.keep
                continue
            break
        if not best.choices or region.gain > best.gain:
            best = region
    return best
