"""What is remembered of a stretch of rows: sums and counts that add up, so that stretches can be put together.

A numeric column is looked at in the ranks of the snapshot, so that its scale and its outliers do not matter: mean rank,
mean distance from the middle, shares in the lowest and highest twentieth, share missing. A categorical column is the
counts of its values; texts are in `monitors.texts`. A pair of columns is a table of 6 x 6 classes, with a seventh for
missing. Values of at least a twentieth of the rows have a class each, because which of many rare ones are commonest is
chance. (METHODS: Rabanser et al. 2019, "Failing Loudly", for the plan; the sketch is our own.)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series
from scipy import sparse

from monitors.pieces import Ids
from monitors.triples import Triple, add_up_triples

N_QUANTILES = 200
N_LEVELS = 15
N_CLASSES = 7
N_CELLS = N_CLASSES * N_CLASSES
EDGE_SHARE = 0.05
COMMON_SHARE = 0.05
RANK_FEATURES = ("mean rank", "distance from the middle", "lowest twentieth", "highest twentieth", "missing")

Sums = NDArray[np.float64]
Shares = tuple[Iterator[Sums], NDArray[np.bool_], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class ColumnSketch:
    """How the values of one column are read: the `grid` of a numeric one, the commonest `levels` of a categorical one.

    `grid` holds 200 quantiles of the snapshot in ascending order; it is empty for a categorical column. Of the levels,
    the first `n_common` have a class of their own in pairs.
    """

    name: str
    numeric: bool
    grid: NDArray[np.float64]
    levels: tuple[str, ...]
    n_common: int

    @property
    def ranked(self) -> bool:
        """Whether the first five features are `RANK_FEATURES`."""
        return self.numeric

    @property
    def listed(self) -> bool:
        """Whether a value may be new."""
        return not self.numeric

    @property
    def features(self) -> tuple[str, ...]:
        """What the numbers of this column are, in order."""
        return RANK_FEATURES if self.numeric else (*self.levels, "other", "missing")

    def ranks(self, column: Series) -> NDArray[np.float64]:
        """Return the mid-ranks of a numeric column in the snapshot, in `[0, 1]`, `nan` where missing.

        >>> read_column("x", Series(range(200), dtype=float), numeric=True).ranks(Series([99.0, 1e9, -1.0])).tolist()
        [0.4975, 1.0, 0.0]
        """
        values = column.to_numpy(dtype=np.float64)
        below, upto = (np.searchsorted(self.grid, values, side=side) for side in ("left", "right"))
        return np.where(np.isnan(values), np.nan, (below + upto) / (2 * max(len(self.grid), 1)))

    def rows(self, column: Series) -> Shares:
        """Return each row's share in the features, whether it is known, and its class for pairs."""
        if self.numeric:
            return self.ranked_rows(column)
        codes = self.codes(column)
        n_levels = len(self.levels)
        known = codes <= n_levels
        classes = np.where(known, np.where(codes < self.n_common, codes, N_CLASSES - 2), N_CLASSES - 1)
        return ((codes == code).astype(np.float64) for code in range(n_levels + 2)), known, classes.astype(np.uint8)

    def ranked_rows(self, column: Series) -> Shares:
        """Return the same for numbers, of which the features are `RANK_FEATURES`."""
        rank = self.ranks(column)
        known = ~np.isnan(rank)
        rank = np.where(known, rank, 0.5)
        low, high = known & (rank <= EDGE_SHARE), known & (rank >= 1 - EDGE_SHARE)
        shares = (rank - 0.5, np.where(known, np.abs(rank - 0.5), 0.0), low, high, ~known)
        classes = np.where(known, np.minimum(rank * (N_CLASSES - 1), N_CLASSES - 2), N_CLASSES - 1)
        return (np.asarray(share, dtype=np.float64) for share in shares), known, classes.astype(np.uint8)

    def sides(self, classes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return +1 or -1 for the two sides of a column, 0 where missing, of each row's class for pairs.

        They are the lower and the upper half of what is ranked; of what is not, the commonest level, where that has a
        class, and the others.
        """
        upper = classes >= (N_CLASSES - 1) // 2 if self.ranked else classes > 0
        return np.where(classes == N_CLASSES - 1, 0, np.where(upper, 1, -1)).astype(np.float32)

    def codes(self, column: Series) -> Ids:
        """Return the place of each value among the levels; after them come "other" and missing."""
        listed = {level: code for code, level in enumerate(self.levels)}
        codes = column.map(listed).fillna(len(self.levels)).to_numpy(dtype=np.int64)
        return np.where(column.isna(), len(self.levels) + 1, codes)

    def value_counts(
        self, column: Series, ids: Ids, n_pieces: int, names: tuple[str, ...]
    ) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
        """Return how often each value occurs in each piece, `(n_values, n_pieces)`; those in `names` come first."""
        here = column.notna().to_numpy()
        known = column.to_numpy(dtype=object)[here]
        places = {name: place for place, name in enumerate(names)}
        for value in known:
            places.setdefault(value, len(places))
        rows = np.fromiter((places[value] for value in known), dtype=np.int64, count=len(known))
        ones = np.ones(len(known), dtype=np.float32)
        return sparse.csr_matrix((ones, (rows, ids[here])), shape=(len(places), n_pieces)), tuple(places)


def read_column(name: str, snapshot: Series, *, numeric: bool) -> ColumnSketch:
    """Learn from the snapshot how to read a column.

    >>> read_column("sky", Series(["rain", "clear", None, "clear"]), numeric=False).levels
    ('clear', 'rain')
    """
    known = snapshot.dropna()
    if numeric:
        return ColumnSketch(name, True, quantile_grid(known), (), 0)
    counts = known.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    n_common = min(int(np.count_nonzero(counts.to_numpy() >= COMMON_SHARE * len(known))), N_CLASSES - 2)
    return ColumnSketch(name, False, np.empty(0), tuple(counts.index[:N_LEVELS]), n_common)


def quantile_grid(known: Series) -> NDArray[np.float64]:
    """Return 200 quantiles of known values in ascending order; none where there is no value."""
    if known.empty:
        return np.empty(0)
    places = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    return np.asarray(np.quantile(known.to_numpy(dtype=np.float64), places, method="inverted_cdf"), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PieceSums:
    """Sums over the rows of each piece, one row per piece (the last for rows in none).

    `rows` counts rows, shape `(n,)`; `known` known values, `(n, n_columns)`; `single` has the features of all columns
    side by side, `(n, n_features)`; `pairs` the 49 cells of each pair of columns, `(n, n_pairs * 49)`; `triples` the
    products of sides (`monitors.triples`), `(n, n_triples)`; `values` how
    often each value (or word) of each listed column occurs, `(n_values, n)` for each, with the `names` of these values.
    """

    rows: Sums
    known: Sums
    single: Sums
    pairs: NDArray[np.float32]
    triples: NDArray[np.float32]
    values: tuple[sparse.csr_matrix, ...]
    names: tuple[tuple[str, ...], ...]


def add_up(
    frame: DataFrame,
    columns: Sequence[ColumnSketch],
    pairs: Iterable[tuple[int, int]],
    ids: Ids,
    n_pieces: int,
    *,
    triples: Sequence[Triple] = (),
    names: Sequence[tuple[str, ...]] = (),
) -> PieceSums:
    """Add up the rows of a normalised frame by piece; `ids` has the piece of each row, `0 .. n_pieces - 1`.

    `pairs` and `triples` are places of columns; `names` are the values of the listed columns that have a row in
    `values` already, and what is new here comes after them.
    """
    single: list[Sums] = []
    known: list[Sums] = []
    classes: list[NDArray[np.int64]] = []
    values: list[sparse.csr_matrix] = []
    all_names: list[tuple[str, ...]] = []
    listed = iter(names)
    for column in columns:
        shares, is_known, pair_classes = column.rows(frame[column.name])
        single.extend(_sums(ids, share, n_pieces) for share in shares)
        known.append(_sums(ids, is_known, n_pieces))
        classes.append(pair_classes.astype(np.int64))
        if column.listed:
            counts, found = column.value_counts(frame[column.name], ids, n_pieces, next(listed, ()))
            values.append(counts)
            all_names.append(found)
    cells = [
        np.bincount((ids * N_CLASSES + classes[i]) * N_CLASSES + classes[j], minlength=n_pieces * N_CELLS)
        for i, j in pairs
    ]
    tables = np.stack(cells).reshape(len(cells), n_pieces, N_CELLS) if cells else np.zeros((0, n_pieces, N_CELLS))
    return PieceSums(
        np.bincount(ids, minlength=n_pieces).astype(np.float64),
        np.stack(known, axis=1),
        np.stack(single, axis=1),
        tables.transpose(1, 0, 2).reshape(n_pieces, -1).astype(np.float32),
        add_up_triples(_sides(columns, classes, triples), triples, ids, n_pieces),
        tuple(values),
        tuple(all_names),
    )


def _sides(
    columns: Sequence[ColumnSketch], classes: Sequence[NDArray[np.int64]], triples: Sequence[Triple]
) -> NDArray[np.float32]:
    """The sides of the columns that triples name, one column each; of the others 0."""
    sides = np.zeros((len(classes[0]), len(columns)), dtype=np.float32)
    for place in {place for triple in triples for place in triple}:
        sides[:, place] = columns[place].sides(classes[place].astype(np.uint8))
    return sides


def _sums(ids: Ids, weights: NDArray[Any], n_pieces: int) -> Sums:
    return np.asarray(np.bincount(ids, weights=weights, minlength=n_pieces), dtype=np.float64)
