"""The columns of a reference, added up once: what the size of a change and its words are taken from."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

from monitors.pieces import Pieces
from monitors.sketch import RANK_FEATURES, ColumnSketch, PieceSums
from monitors.texts import N_BUCKETS, TextSketch, bags, lengths, log_lengths
from monitors.words import Numbers, Shares, Texts, numbers_of, shares_of

Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Past:
    """One column of a reference of any size, in a few numbers per piece.

    `rows` and `known` count the rows and the known values of each piece, shape `(n_pieces + 1,)`; the last is of rows
    in no piece. `words` describe it. A numeric column has the `sums` of its values per piece, of the same shape; a
    categorical one has the `counts` of its levels, "other" and missing, `(n_pieces + 1, n_levels + 2)`, and its
    distinct `values`. A text has the `sums` of its log-length and the `counts` of rows with each word.
    """

    name: str
    rows: Sums
    known: Sums
    words: Numbers | Shares | Texts
    sums: Sums
    counts: Sums
    values: frozenset[str] = frozenset()


def pasts_of(
    reference: DataFrame, columns: tuple[ColumnSketch, ...], pieces: Pieces, sums: PieceSums
) -> dict[str, Past]:
    """Add up every column of a normalised reference; `columns` and `sums` are its sketch."""
    pasts, start = {}, 0
    for place, column in enumerate(columns):
        end = start + len(column.features)
        values, known, single = reference[column.name], sums.known[:, place], sums.single[:, start:end]
        past = Past(column.name, sums.rows, known, _words(column, values), np.empty(0), np.empty((0, 0)))
        if isinstance(column, TextSketch):
            past = replace(past, sums=_totals(log_lengths(values), pieces), counts=single[:, len(RANK_FEATURES) :])
        elif column.numeric:
            past = replace(past, sums=_totals(values, pieces))
        else:
            past = replace(past, counts=single, values=frozenset(values.dropna().unique()))
        pasts[column.name] = past
        start = end
    return pasts


def _words(column: ColumnSketch, values: Series) -> Numbers | Shares | Texts:
    if isinstance(column, TextSketch):
        seen = np.zeros(N_BUCKETS, dtype=np.bool_)
        seen[bags(values).indices] = True
        return Texts(numbers_of(log_lengths(values)), float(lengths(values).median()), seen)
    return numbers_of(values) if column.numeric else shares_of(values)


def _totals(values: Series, pieces: Pieces) -> Sums:
    numbers = np.nan_to_num(values.to_numpy(dtype=np.float64))
    return np.asarray(np.bincount(pieces.ids, weights=numbers, minlength=pieces.n_pieces + 1), dtype=np.float64)
