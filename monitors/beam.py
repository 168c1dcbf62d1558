"""The region of up to three columns where current rows are most over-represented, by a beam over exact scans.

Seeds are every single column and the most telling pairs; each seed climbs by re-optimising one column given the
others, the best grow by a column, and the winner is refined by dropping and replacing each of its conditions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitors.pairs import Codes, Tables, count_pairs, telling_pairs
from monitors.scan import Choice, Counts, Totals, best_interval, best_set

DEPTH = 3
WIDTH = 12


@dataclass(frozen=True, slots=True)
class Coded:
    """Both frames as codes of shape `(n_columns, n_rows)`, and a weight in `[0, 1]` for each current row."""

    reference: Codes
    current: Codes
    weights: NDArray[np.float64]
    n_codes: tuple[int, ...]
    numeric: tuple[bool, ...]

    @property
    def totals(self) -> Totals:
        """The number of reference rows and the weight of the current ones."""
        return Totals(float(self.reference.shape[1]), float(self.weights.sum()))


@dataclass(frozen=True, slots=True)
class Region:
    """A conjunction: for each of its columns (by position) the codes it keeps; the last choice's `llr` is not used."""

    choices: tuple[tuple[int, Choice], ...]
    llr: float

    @property
    def gain(self) -> float:
        """The log-likelihood ratio minus the penalties of all conditions, in nats."""
        return self.llr - sum(choice.penalty for _, choice in self.choices)

    @property
    def columns(self) -> tuple[int, ...]:
        """The positions of the columns it looks at, ascending."""
        return tuple(column for column, _ in self.choices)

    def put(self, column: int, choice: Choice) -> "Region":
        """Return this region with the column's condition added or replaced; its `llr` is the choice's."""
        others = dict(self.choices) | {column: choice}
        return Region(tuple(sorted(others.items(), key=lambda item: item[0])), choice.llr)

    def without(self, column: int) -> "Region":
        """Return this region with one condition fewer; its `llr` is unknown (minus infinity) until re-optimised."""
        return Region(tuple(item for item in self.choices if item[0] != column), -np.inf)


def search(coded: Coded, reference_pairs: Tables) -> Region | None:
    """Return the region with the largest penalised gain, or None if no gain is positive.

    `reference_pairs` is `count_pairs` of the reference codes, computed once for several searches.
    """
    everywhere = Region((), -np.inf)
    pool = [*_grow(coded, everywhere), *_pair_seeds(coded, reference_pairs)]
    pool = _best(pool, 2 * WIDTH)
    for _ in range(DEPTH - 1):
        grown = [region for parent in pool[:WIDTH] if len(parent.choices) < DEPTH for region in _grow(coded, parent)]
        pool = _best([*pool, *(climb(coded, region) for region in _best(grown, 2 * WIDTH))], 2 * WIDTH)
    if not pool:
        return None
    best = max((_refine(coded, region) for region in pool[:3]), key=lambda region: region.gain)
    return best if best.gain > 0 else None


def climb(coded: Coded, region: Region) -> Region:
    """Re-optimise one column given the others, in turn, until no turn gains anything."""
    best, improved = region, True
    while improved:
        improved = False
        for column in best.columns:
            candidate = best.put(column, _choose(coded, column, best.without(column)))
            if candidate.gain > best.gain + 1e-9:
                best, improved = candidate, True
    return best


def _choose(coded: Coded, column: int, others: Region) -> Choice:
    rows, rows_current = _inside(coded.reference, others), _inside(coded.current, others)
    return _choose_within(coded, column, rows, rows_current)


def _choose_within(coded: Coded, column: int, rows: NDArray[np.intp] | None, now: NDArray[np.intp] | None) -> Choice:
    before, current, weights = coded.reference[column], coded.current[column], coded.weights
    if rows is not None and now is not None:
        before, current, weights = before[rows], current[now], weights[now]
    n = coded.n_codes[column]
    counts = np.bincount(before, minlength=n).astype(np.float64)
    return _scan(coded, column, counts, np.bincount(current, weights=weights, minlength=n).astype(np.float64))


def _scan(coded: Coded, column: int, counts: Counts, current: Counts) -> Choice:
    return (best_interval if coded.numeric[column] else best_set)(counts, current, coded.totals)


def _inside(codes: Codes, region: Region) -> NDArray[np.intp] | None:
    """Return the positions of the rows inside, or None for all of them."""
    rows = None
    for column, choice in region.choices:
        rows = np.flatnonzero(choice.keep[codes[column]]) if rows is None else rows[choice.keep[codes[column][rows]]]
    return rows


def _grow(coded: Coded, region: Region) -> list[Region]:
    rows, now = _inside(coded.reference, region), _inside(coded.current, region)
    return [
        region.put(column, _choose_within(coded, column, rows, now))
        for column in range(len(coded.n_codes))
        if column not in region.columns
    ]


def _refine(coded: Coded, region: Region) -> Region:
    """Drop each condition, climb, grow by the best column, climb; keep whatever gains, until nothing does."""
    best = region
    while True:
        trials: list[Region] = []
        for column in best.columns:
            shorter = best.without(column)
            if shorter.choices:
                shorter = climb(coded, shorter)
                trials.append(shorter)
            trials.extend(climb(coded, grown) for grown in _best(_grow(coded, shorter), 2))
        better = _best(trials, 1)
        if not better or better[0].gain <= best.gain + 1e-9:
            return best
        best = better[0]


def _best(regions: Iterable[Region], most: int) -> list[Region]:
    distinct = {
        tuple((column, choice.keep.tobytes()) for column, choice in region.choices): region
        for region in regions
        if np.isfinite(region.llr)
    }
    return sorted(distinct.values(), key=lambda region: -region.gain)[:most]


def _pair_seeds(coded: Coded, before: Tables) -> list[Region]:
    now = count_pairs(coded.current, coded.n_codes, coded.weights)
    return [_climb_table(coded, pair, before[pair], now[pair]) for pair in telling_pairs(before, now)]


def _climb_table(coded: Coded, pair: tuple[int, int], before: Counts, now: Counts) -> Region:
    """Climb on the pair's own table from three starts: best row set, best column set, and the richest single row."""
    a, b = pair
    totals = coded.totals
    with np.errstate(divide="ignore", invalid="ignore"):
        surplus = now - before * (totals.current / totals.reference)
    richest = np.arange(before.shape[0]) == int(np.unravel_index(np.argmax(surplus), surplus.shape)[0])
    best = Region((), -np.inf)
    for start in (None, richest, _scan(coded, a, before.sum(1), now.sum(1)).keep):
        rows: NDArray[np.bool_] = np.ones(before.shape[0], dtype=np.bool_) if start is None else start
        region = Region((), -np.inf)
        while True:
            across = _scan(coded, b, before[rows].sum(0), now[rows].sum(0))
            down = _scan(coded, a, before[:, across.keep].sum(1), now[:, across.keep].sum(1))
            step = region.put(b, across).put(a, down)
            if not region.choices or step.gain > region.gain + 1e-9:
                region, rows = step, down.keep
                continue
            break
        if not best.choices or region.gain > best.gain:
            best = region
    return best
