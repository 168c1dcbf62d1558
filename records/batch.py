"""One window of production as it was found: exact facts of all rows, and a bounded sample on disk."""

from dataclasses import dataclass
from pathlib import Path

from records.window import Window


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """Exact facts of one column over every row of a window.

    `low` and `high` are the extremes of a numeric column (`nan` for a categorical one, or when all are missing);
    `n_distinct` counts the distinct values that are not missing.
    """

    name: str
    dtype: str
    n_missing: int
    low: float
    high: float
    n_distinct: int


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Exact facts of every row of a window: how many, how many keys are repeated, and each column."""

    n_rows: int
    n_duplicate_keys: int
    columns: tuple[ColumnFacts, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one window; its identity is (model, window).

    `sample` is a Parquet file with at most the configured number of rows, chosen by a hash of the row key.
    """

    model: str
    window: Window
    facts: TableFacts
    sample: Path
    n_sampled: int
