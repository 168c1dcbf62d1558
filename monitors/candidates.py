"""Candidate slices of two samples: search, explain away, and search again.

A candidate has more than its share of one sample. What it explains is taken away before the next one is sought: the
rows it is dense in are weighed down until they are as dense inside as outside. Where a sample has less than its share
is the same question with the samples exchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from monitors.beam import search
from monitors.binning import Binning, bin_categories, bin_numbers
from monitors.membership import meet
from monitors.pairs import count_pairs, deviances, telling_pairs
from monitors.region import Contrast, Region, Sample, climb, grow
from monitors.scan import count
from monitors.simplify import simplify
from monitors.weighted import Weighted, explain
from records.schema import Schema
from records.slice import Condition

LEAST_SHARE_OF_GAIN = 0.05
LARGEST_SHARE = 0.5
MOST_CANDIDATES = 8
MOST_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """A conjunction in which the second sample has more than its share, or (not `more`) the first one has."""

    conditions: tuple[Condition, ...]
    more: bool


def candidates(before: Weighted, now: Weighted, schema: Schema, *, both: bool, largest: float) -> list[Candidate]:
    """Return up to 8 candidates in the order in which they explain the difference; one under 5 % of the gain is none.

    With `both`, what `now` has less than its share of is sought too, and what gains more is taken first. A candidate
    that would explain over `largest` of a sample is drift of a whole column, after which nothing is left to compare:
    it is passed over, and the search goes on without the column that tells most. Of more than 100 columns, those that
    moved most by themselves are searched, because pairs grow with the square of columns.
    """
    binnings = _most_moved(_binnings(before, now, schema), before, now)
    first, second = _coded(before, binnings), _coded(now, binnings)
    columns = tuple(range(len(binnings)))
    found: list[Candidate] = []
    total = 0.0
    while len(found) < MOST_CANDIDATES and min(first.rows.total, second.rows.total) > 0:
        best = _more_telling(first, second, binnings, columns, both=both)
        if best is None:
            break
        region, more = best
        other, dense = (first, second) if more else (second, first)
        conditions, gain = _sharpen(region, other, dense, binnings)
        rest = explain(dense.rows, other.rows, conditions)
        if rest.total < (1 - largest) * dense.rows.total:
            alone = grow(_contrast(other, dense, binnings, columns), Region((), -np.inf), region.columns)
            telling = max(alone, key=lambda single: single.gain).columns
            columns = tuple(column for column in columns if column not in telling)
            continue
        total += gain
        if gain < LEAST_SHARE_OF_GAIN * total:
            break
        found.append(Candidate(conditions, more))
        dense = dense.weighed(rest, binnings)
        first, second = (other, dense) if more else (dense, other)
    return found


def _binnings(before: Weighted, now: Weighted, schema: Schema) -> list[Binning]:
    numbers = [bin_numbers(name, before.frame[name], now.frame[name]) for name in schema.numbers]
    return numbers + [bin_categories(name, before.frame[name], now.frame[name]) for name in schema.categorical]


def _most_moved(binnings: list[Binning], before: Weighted, now: Weighted) -> list[Binning]:
    if len(binnings) <= MOST_COLUMNS:
        return binnings
    moved = []
    for binning in binnings:
        counts = [
            count(binning.coarse[binning.encode(side.frame[binning.column])], side.weights, binning.n_coarse)[None]
            for side in (before, now)
        ]
        moved.append(float(deviances(counts[0], counts[1])[0]))
    most = sorted(range(len(binnings)), key=lambda place: -moved[place])[:MOST_COLUMNS]
    return [binnings[place] for place in sorted(most)]


def near_disjoint(found: Sequence[Candidate], before: DataFrame, now: DataFrame, *, most: int) -> list[int]:
    """Return the places of the candidates that are worth a test: at most `most` of those with more, and as many others.

    Not worth one is what covers over half of the frame it is dense in, which is drift of whole columns, and what has
    over half of its rows there in earlier ones of its kind.
    """
    kept: list[int] = []
    for k, candidate in enumerate(found):
        dense = now if candidate.more else before
        rows = meet(candidate.conditions, dense)
        alike = [meet(found[j].conditions, dense) for j in kept if found[j].more == candidate.more]
        known = np.any(alike, axis=0) & rows
        if rows.mean() <= LARGEST_SHARE and known.sum() <= rows.sum() / 2 and len(alike) < most:
            kept.append(k)
    return kept


@dataclass(frozen=True, slots=True)
class _Coded:
    """A sample as codes: fine ones to sharpen what the coarse ones of `wide` led to."""

    rows: Weighted
    fine: NDArray[np.uint8]
    wide: Sample

    def weighed(self, rows: Weighted, binnings: Sequence[Binning]) -> "_Coded":
        """Return the sample with other weights."""
        pairs = count_pairs(self.wide.codes, tuple(binning.n_coarse for binning in binnings), rows.weights)
        return replace(self, rows=rows, wide=Sample(self.wide.codes, rows.weights, pairs))


def _coded(rows: Weighted, binnings: Sequence[Binning]) -> _Coded:
    fine = np.stack([binning.encode(rows.frame[binning.column]) for binning in binnings])
    coarse = np.stack([binning.coarse[codes] for binning, codes in zip(binnings, fine, strict=True)])
    return _Coded(rows, fine, Sample(coarse, rows.weights, {})).weighed(rows, binnings)


def _contrast(other: _Coded, dense: _Coded, binnings: Sequence[Binning], columns: tuple[int, ...]) -> Contrast:
    numeric = tuple(binning.numeric for binning in binnings)
    return Contrast(other.wide, dense.wide, tuple(binning.n_coarse for binning in binnings), numeric, columns)


def _more_telling(
    first: _Coded, second: _Coded, binnings: Sequence[Binning], columns: tuple[int, ...], *, both: bool
) -> tuple[Region, bool] | None:
    """Return the region that gains most, and whether `second` has more of it.

    Where a small slice grew, the large rest shrank. So one that covers over half of its sample gives way to one of the
    other kind that does not, unless that gains less than half as much.
    """
    contrast = _contrast(first, second, binnings, columns)
    pairs = telling_pairs(contrast)
    ways = [(search(contrast, pairs), True, contrast.now)]
    if both:
        ways.append((search(contrast.exchanged(), pairs), False, contrast.before))
    found = sorted(((region, more, dense) for region, more, dense in ways if region), key=lambda way: -way[0].gain)
    small = [way for way in found if way[0].share(way[2]) <= LARGEST_SHARE and way[0].gain >= found[0][0].gain / 2]
    return (small or found)[0][:2] if found else None


def _sharpen(
    region: Region, other: _Coded, dense: _Coded, binnings: Sequence[Binning]
) -> tuple[tuple[Condition, ...], float]:
    """Climb once more over the fine codes of the region's own columns; return its simple conditions and its gain."""
    before, now = (Sample(coded.fine, coded.rows.weights, {}) for coded in (other, dense))
    n_codes, numeric = zip(*((binning.n_codes, binning.numeric) for binning in binnings), strict=True)
    finer = tuple((k, replace(choice, keep=choice.keep[binnings[k].coarse])) for k, choice in region.choices)
    region = climb(Contrast(before, now, n_codes, numeric, region.columns), Region(finer, region.llr))
    conditions = [binnings[k].condition(choice.keep) for k, choice in region.choices]
    return simplify(conditions, other.rows, dense.rows), region.gain
