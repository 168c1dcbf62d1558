"""Facts of every row of a window, and how they compare with the snapshot's own."""

from dataclasses import dataclass
from typing import Literal

from records.drift import Estimate

FactKind = Literal["rows", "type", "missing", "below", "above", "unseen", "vanished"]


@dataclass(frozen=True, slots=True)
class Familiar:
    """What the snapshot knows of one feature, for the engine to look for what is beyond it.

    `low` and `high` are a numeric column's extremes (`nan` for a categorical one, or when all are missing). `values`
    are all values of a categorical column, and `common` those that are frequent enough to be missed; `values` is None
    where there are too many to look for.
    """

    column: str
    low: float = float("nan")
    high: float = float("nan")
    values: tuple[str, ...] | None = ()
    common: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueCount:
    """One value of a column and how many rows have it."""

    value: str
    n_rows: int


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """Exact facts of one column over every row of a window.

    `dtype` is the type as the engine reports it. `low` and `high` are the extremes of a numeric column (`nan` for a
    categorical one, or when all are missing). The rest is relative to what is familiar, and 0 or empty where nothing
    is: `n_below` and `n_above` rows are outside the familiar range; `n_unseen` rows have one of `n_unseen_values`
    values that are not familiar, of which `unseen` lists the commonest; no row has one of the `vanished` values.
    """

    name: str
    dtype: str
    n_missing: int
    low: float
    high: float
    n_below: int = 0
    n_above: int = 0
    n_unseen: int = 0
    n_unseen_values: int = 0
    unseen: tuple[ValueCount, ...] = ()
    vanished: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Exact facts of every row of a window: how many, how many keys are repeated, and each column."""

    n_rows: int
    n_duplicate_keys: int
    columns: tuple[ColumnFacts, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a window beside what is ordinary for it in the snapshot.

    `value` is the number of rows for the kind `rows`, else a share of them, in `[0, 1]`; `ordinary` is the same in the
    snapshot, with the interval a window of this size falls into unless something changed (`nan` where that is not
    known). `striking` says that the value is outside of it. `column` is empty for the whole table.
    """

    kind: FactKind
    column: str
    value: float
    ordinary: Estimate
    striking: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class FactReport:
    """What the facts of a window say beside the snapshot's: striking ones first, and notes on what was not compared."""

    facts: tuple[Fact, ...]
    notes: tuple[str, ...] = ()

    @property
    def striking(self) -> tuple[Fact, ...]:
        """The facts that are out of the ordinary."""
        return tuple(fact for fact in self.facts if fact.striking)
