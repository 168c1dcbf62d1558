"""The facts of every row of a window beside the snapshot's own, in sentences for people.

The snapshot says itself what is ordinary: each of its pieces is looked at as if it were the window and the rest were
the snapshot. What a piece has beyond the rest (a lower value, a category of its own) a new window may have too.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from pandas import DataFrame, Series

from monitors.column_facts import Beside
from monitors.familiar import MOST_VALUES
from monitors.ordinary import rows_interval
from monitors.pieces import cut, largest_batch
from monitors.words import share
from records.batch import Batch
from records.drift import Estimate
from records.facts import ColumnFacts, Fact, FactReport, Familiar, TableFacts
from records.schema import Schema
from records.window import Window

ALPHA = 0.01
_N_CHUNKS = 120
_FIRST = ("rows", "type")
_PERSONAL = {
    "below": "is below what the snapshot has",
    "above": "is above what the snapshot has",
    "unseen": "has values the snapshot never had",
    "vanished": "has no row with a value that the snapshot often has",
}


def compare_facts(
    facts: TableFacts,
    known: Sequence[Familiar],
    reference: DataFrame,
    schema: Schema,
    *,
    times: Series,
    window: Window,
    before: Batch | None = None,
    seed: int = 0,
) -> FactReport:
    """Set the exact facts of a window beside what is ordinary in the snapshot.

    `known` is what the engine was asked to look beyond (`monitors.familiar`), `reference` the snapshot it is known
    from, normalised, and `times` when the rows happened that tell how many a window has. Types, which no snapshot
    keeps, are compared with the window `before`; so is the number of rows where that window's was out of the ordinary
    already, because training data may be a part of what production sees. A window in which nothing changed has a
    striking number of rows with probability 1 %, and so for its columns together. Raises `BadData` for a snapshot of
    fewer than 20 rows.
    """
    n_batch = min(facts.n_rows, largest_batch(len(reference)))
    pieces = cut(reference, schema.time, n_batch=n_batch, length=window.length, n_chunks=_N_CHUNKS, seed=seed)
    n_compared = 3 * len(schema.numbers) + 3 * len(schema.categorical) + len(schema.text)
    beside = Beside(pieces, facts.n_rows, 1 - ALPHA / n_compared, seed)
    columns = {column.name: column for column in facts.columns}
    rows = _rows(facts.n_rows, rows_interval(times, window, level=1 - ALPHA), before)
    found = [rows, *_types(facts, before), *_without_key(columns[schema.row_key], facts.n_rows)]
    for one in known:
        said = beside.column_facts(columns[one.column], reference[one.column])
        found += map(_without_values, said) if one.column in schema.pii else said
    listed = [one for one in known if one.column in schema.categorical]
    return FactReport(tuple(sorted(found, key=_order)), _notes(rows, listed))


def without_values(facts: TableFacts, personal: Collection[str]) -> TableFacts:
    """Return facts that name no value of a `personal` column: its counts stay, its extremes are `nan`.

    >>> income = ColumnFacts("income", "float64", 1, 900.0, 5_000.0, n_above=2)
    >>> without_values(TableFacts(9, 0, (income,)), ("income",)).columns[0]
    ColumnFacts(name='income', dtype='float64', n_missing=1, low=nan, high=nan, n_below=0, n_above=2, n_unseen=0, \
n_unseen_values=0, unseen=(), vanished=())
    """
    nan = float("nan")
    columns = tuple(
        replace(column, low=nan, high=nan, unseen=(), vanished=()) if column.name in personal else column
        for column in facts.columns
    )
    return replace(facts, columns=columns)


def _without_values(fact: Fact) -> Fact:
    """Say it of a personal column: what happened, in which share of the rows, and no value."""
    if fact.kind not in _PERSONAL:
        return fact
    how_many = "" if fact.kind == "vanished" else f" in {share(fact.value)} of the rows"
    said = f"{fact.column} {_PERSONAL[fact.kind]}{how_many}"
    return replace(fact, sentence=f"{said}; its values are personal and not shown")


def _rows(n_rows: int, ordinary: Estimate, before: Batch | None) -> Fact:
    source, words = "the snapshot has", f"{n_rows:,} rows"
    if before is not None and (before.facts.n_rows < ordinary.low or before.facts.n_rows > ordinary.high):
        scale = before.facts.n_rows / ordinary.value
        ordinary = Estimate(*(scale * part for part in (ordinary.value, ordinary.low, ordinary.high)))
        source = f"window {before.window.name} has"
    striking = n_rows < ordinary.low or n_rows > ordinary.high
    if ordinary.low == ordinary.low:
        words += f"; {source} {ordinary.value:,.0f} per window, {ordinary.low:,.0f} to {ordinary.high:,.0f} is ordinary"
    return Fact("rows", "", float(n_rows), ordinary, striking, words)


def _types(facts: TableFacts, before: Batch | None) -> list[Fact]:
    if before is None:
        return []
    was = {column.name: column.dtype for column in before.facts.columns}
    unknown = Estimate(float("nan"), float("nan"), float("nan"))
    return [
        Fact(
            "type",
            column.name,
            float("nan"),
            unknown,
            True,
            f"{column.name} has the type {column.dtype}; in window {before.window.name} it was {was[column.name]}",
        )
        for column in facts.columns
        if was.get(column.name, column.dtype) != column.dtype
    ]


def _without_key(key: ColumnFacts, n_rows: int) -> list[Fact]:
    if not key.n_missing:
        return []
    part, none = key.n_missing / n_rows, Estimate(0.0, 0.0, 0.0)
    words = f"{key.name} is missing in {key.n_missing:,} rows ({share(part)}): they are counted, and never sampled"
    return [Fact("missing", key.name, part, none, True, words)]


def _order(fact: Fact) -> tuple[bool, bool, float]:
    distance = 0.0 if fact.kind in _FIRST else abs(fact.value - fact.ordinary.value)
    return not fact.striking, fact.kind not in _FIRST, -distance


def _notes(rows: Fact, known: Sequence[Familiar]) -> tuple[str, ...]:
    notes = [
        f"{one.column} has more than {MOST_VALUES:,} different values in the snapshot, so values it never had were not"
        " looked for."
        for one in known
        if one.values is None
    ]
    if rows.ordinary.low != rows.ordinary.low:
        notes.append("The training data is too short to tell how many rows of a window are ordinary.")
    return tuple(notes)
