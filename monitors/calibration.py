"""What is ordinary, learned from the snapshot's own stretches of time."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from monitors.pieces import Pieces, cut
from monitors.sketch import ColumnSketch, PieceSums, add_up, read_column
from monitors.texts import read_text
from monitors.triples import MOST_COLUMNS, Triple, triples_of
from records.schema import Schema

MOST_PAIRS = 600
_ROWS_TO_CHOOSE = 5_000


@dataclass(frozen=True, slots=True)
class Null:
    """The snapshot as its sums per piece: all that is needed to rank a batch of `pieces.n_batch` rows.

    `columns` are in order of their names; `pairs` are the places of the column pairs that are looked at, of the
    `n_pairs` there are, and `triples` those of the columns' triples.
    """

    columns: tuple[ColumnSketch, ...]
    pairs: tuple[tuple[int, int], ...]
    n_pairs: int
    triples: tuple[Triple, ...]
    pieces: Pieces
    sums: PieceSums


def calibrate(
    reference: DataFrame, schema: Schema, n_current: int, *, length: timedelta, seed: int = 0, n_chunks: int = 120
) -> Null:
    """Learn from a normalised snapshot what is ordinary for batches of `n_current` rows over `length` of time.

    A batch may have half as many rows as the snapshot at most (`monitors.pieces.largest_batch`). Of more than 600
    column pairs, those that depend most on each other in the snapshot are kept, and so are the triples of the 30
    columns that depend most on others. Raises `BadData` for a snapshot of fewer than 20 rows.
    """
    pieces = cut(reference, schema.time, n_batch=n_current, length=length, n_chunks=n_chunks, seed=seed)
    columns = read_columns(reference, schema)
    pairs = tuple(combinations(range(len(columns)), 2))
    n_pairs = len(pairs)
    telling = tuple(range(len(columns)))
    if len(columns) > MOST_COLUMNS:
        strength = _dependence(reference, columns)
        telling = tuple(np.argsort(-strength.sum(axis=0), kind="stable")[:MOST_COLUMNS].tolist())
        if n_pairs > MOST_PAIRS:
            strongest = np.argsort(-strength[tuple(np.array(pairs).T)], kind="stable")[:MOST_PAIRS]
            pairs = tuple(pairs[place] for place in np.sort(strongest))
    triples = triples_of(telling)
    sums = add_up(reference, columns, pairs, pieces.ids, pieces.n_pieces + 1, triples=triples)
    return Null(columns, pairs, n_pairs, triples, pieces, sums)


def read_columns(reference: DataFrame, schema: Schema) -> tuple[ColumnSketch, ...]:
    """Learn how to read every feature; in order of their names, so that a schema's order is nothing."""
    numbers, texts = set(schema.numbers), set(schema.text)
    return tuple(
        read_text(name, reference[name])
        if name in texts
        else read_column(name, reference[name], numeric=name in numbers)
        for name in sorted(schema.features)
    )


def _dependence(reference: DataFrame, columns: tuple[ColumnSketch, ...]) -> NDArray[np.float64]:
    """How much each column depends on each other one: the absolute correlation of their classes, itself left out."""
    some = reference.iloc[:: max(len(reference) // _ROWS_TO_CHOOSE, 1)]
    classes = np.stack([column.rows(some[column.name])[2] for column in columns], axis=1).astype(np.float64)
    classes -= classes.mean(axis=0)
    size = np.sqrt(np.square(classes).sum(axis=0))
    classes /= np.where(size > 0, size, 1.0)
    dependence = np.abs(classes.T @ classes)
    np.fill_diagonal(dependence, 0.0)
    return np.asarray(dependence)
