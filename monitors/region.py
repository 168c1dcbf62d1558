"""Two samples as codes, and a conjunction that keeps some codes of some columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitors.scan import Choice, Choices, Counts, Totals, best_intervals, best_sets, count

Codes = NDArray[np.uint8]
Positions = NDArray[np.intp]
Pair = tuple[int, int]
Tables = dict[Pair, Counts]


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

    def scan(self, before: Counts, now: Counts, *, numeric: bool) -> Choices:
        """Choose the best codes of several columns of one kind from their counts, shape `(n_columns, n_codes)`."""
        return (best_intervals if numeric else best_sets)(before, now, self.totals)

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
    before, now = (_counts(sample, region, unused, contrast.n_codes) for sample in (contrast.before, contrast.now))
    grown = []
    for numeric in (True, False):
        places = [place for place, k in enumerate(unused) if contrast.numeric[k] == numeric]
        if places:
            counts = (np.stack([sample[place] for place in places]) for sample in (before, now))
            choices = contrast.scan(*counts, numeric=numeric)
            grown += [region.put(unused[place], choices[row]) for row, place in enumerate(places)]
    return grown


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
