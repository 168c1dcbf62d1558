"""What is ordinary, learned from the snapshot's own stretches of time."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

import numpy as np
from pandas import DataFrame

from monitors.pieces import Pieces, cut
from monitors.sketch import ColumnSketch, PieceSums, add_up, read_column
from monitors.texts import read_text
from records.schema import Schema

MOST_PAIRS = 600
_ROWS_TO_CHOOSE = 5_000


@dataclass(frozen=True, slots=True)
class Null:
    """The snapshot as its sums per piece: all that is needed to rank a batch of `pieces.n_batch` rows.

    `columns` are in order of their names; `pairs` are the places of the column pairs that are looked at, of the
    `n_pairs` there are.
    """

    columns: tuple[ColumnSketch, ...]
    pairs: tuple[tuple[int, int], ...]
    n_pairs: int
    pieces: Pieces
    sums: PieceSums


def calibrate(
    reference: DataFrame, schema: Schema, n_current: int, *, length: timedelta, seed: int = 0, n_chunks: int = 120
) -> Null:
    """Learn from a normalised snapshot what is ordinary for batches of `n_current` rows over `length` of time.

    A batch may have half as many rows as the snapshot at most (`monitors.pieces.largest_batch`). Of more than 600
    column pairs, those that depend most on each other in the snapshot are kept. Raises `BadData` for a snapshot of
    fewer than 20 rows.
    """
    pieces = cut(reference, schema.time, n_batch=n_current, length=length, n_chunks=n_chunks, seed=seed)
    columns = read_columns(reference, schema)
    pairs = tuple(combinations(range(len(columns)), 2))
    kept = _most_dependent(reference, columns, pairs) if len(pairs) > MOST_PAIRS else pairs
    return Null(columns, kept, len(pairs), pieces, add_up(reference, columns, kept, pieces.ids, pieces.n_pieces + 1))


def read_columns(reference: DataFrame, schema: Schema) -> tuple[ColumnSketch, ...]:
    """Learn how to read every feature; in order of their names, so that a schema's order is nothing."""
    numbers, texts = set(schema.numbers), set(schema.text)
    return tuple(
        read_text(name, reference[name])
        if name in texts
        else read_column(name, reference[name], numeric=name in numbers)
        for name in sorted(schema.features)
    )


def _most_dependent(
    reference: DataFrame, columns: tuple[ColumnSketch, ...], pairs: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    some = reference.iloc[:: max(len(reference) // _ROWS_TO_CHOOSE, 1)]
    classes = np.stack([column.rows(some[column.name])[2] for column in columns], axis=1).astype(np.float64)
    classes -= classes.mean(axis=0)
    size = np.sqrt(np.square(classes).sum(axis=0))
    classes /= np.where(size > 0, size, 1.0)
    dependence = np.abs(classes.T @ classes)
    first, second = np.array(pairs).T
    strongest = np.argsort(-dependence[first, second], kind="stable")[:MOST_PAIRS]
    return tuple(pairs[place] for place in np.sort(strongest))
