"""A slice is one thing in three forms: a mask in memory, a filter in the engine, and a sentence for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.membership import inside
from monitors.schema import check_frame
from records.drift import Estimate
from records.schema import Schema
from records.slice import Between, Condition, OneOf, Slice
from records.window import Window
from store.warehouse import in_memory_table
from tests.records.reader import read

DAY = Window(datetime(2013, 1, 7, tzinfo=UTC), datetime(2013, 1, 8, tzinfo=UTC))
NUMERIC = ("x", "air temp", 'the "and" of 1 < 2', "7")
CATEGORICAL = ("k", "paid by, or {in}", "or", "is missing")
SCHEMA = Schema("id", "at", "y", "regression", NUMERIC, CATEGORICAL)

NUMBERS = st.one_of(
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 0.1, 0.1 + 0.2, 0.3, 1e22, 5e-324, 1.5]), st.floats(width=32)
)
SPACED = ["", " ", "a", "b", "A", "a b", " a", "a  b", "a\nb", "\u00a0", "ключ"]
SIGNED = ["a, b", "a,b", "{a}", "a} and x >= 1", '"a"', "it's", "a\\", "=", "k = a", "(a)", "<=50K"]
WORDED = ["missing", "known", "is missing", "and", "a and b", "nan", "None", "NULL", "7", "7.0"]
TEXTS = st.one_of(
    st.sampled_from([*SPACED, *SIGNED, *WORDED]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)
EDGES = st.one_of(st.none(), NUMBERS.filter(np.isfinite))


@st.composite
def slices_and_rows(draw: st.DrawFn) -> tuple[Slice, pd.DataFrame]:
    """A slice of one to three conditions, and rows of which many touch its edges and its categories."""
    conditions: list[Condition] = []
    columns = draw(st.lists(st.sampled_from([*NUMERIC, *CATEGORICAL]), min_size=1, max_size=3, unique=True))
    values: dict[str, list[object]] = {}
    for column in columns:
        missing = draw(st.booleans())
        if column in NUMERIC:
            low, high = draw(EDGES), draw(EDGES)
            conditions.append(Between(column, low, high, missing))
            values[column] = [edge for edge in (low, high) if edge is not None]
        else:
            listed = draw(st.lists(TEXTS, max_size=3, unique=True))
            conditions.append(OneOf(column, tuple(listed), missing))
            values[column] = list(listed)
    n_rows = draw(st.integers(1, 12))
    cells = {}
    for column, near in values.items():
        usual = NUMBERS if column in NUMERIC else st.one_of(st.none(), TEXTS)
        some = st.one_of(st.sampled_from(near), usual) if near else usual
        cells[column] = draw(st.lists(some, min_size=n_rows, max_size=n_rows))
    return a_slice(*conditions), rows_with(cells)


def a_slice(*conditions: Condition) -> Slice:
    return Slice(conditions, 0.1, 0.3, Estimate(3.0, 2.0, 4.0), 0.01, 5)


def rows_with(cells: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """Rows in which all other features are missing."""
    n_rows = len(next(iter(cells.values())))
    empty = {name: [np.nan if name in NUMERIC else None] * n_rows for name in SCHEMA.features}
    columns = {
        name: np.array(column, dtype=np.float64 if name in NUMERIC else object)
        for name, column in {**empty, **cells}.items()
    }
    return pd.DataFrame({"id": [str(row) for row in range(n_rows)], "at": pd.Timestamp(DAY.start), **columns})


def by_sentence(wanted: Slice, rows: pd.DataFrame) -> list[str]:
    said = read(wanted.name)
    return [str(row["id"]) for row in rows.to_dict("records") if said({str(name): cell for name, cell in row.items()})]


def by_mask(wanted: Slice, rows: pd.DataFrame) -> list[str]:
    normal = check_frame(rows, SCHEMA, where="the rows")
    return [str(key) for key in normal["id"][inside(wanted, normal)]]


def by_engine(wanted: Slice, rows: pd.DataFrame) -> list[str]:
    return sorted(in_memory_table(rows, SCHEMA).rows_in(DAY, wanted, len(rows))["id"], key=int)


TRICKY: list[tuple[Condition, list[object], list[str]]] = [
    (Between("air temp", low=0.1 + 0.2), [0.3, 0.1 + 0.2, np.nan, np.inf], ["1"]),
    (Between("7", -1e-7, 1e22, missing=True), [-1.0, 0.0, 1e22, np.nan, -np.inf], ["1", "3", "4"]),
    (OneOf("k", ("a, b", "c")), ["a", "b", "a, b", "c", "a,b", None], ["2", "3"]),
    (OneOf("k", ("missing",)), ["missing", None, ""], ["0"]),
    (OneOf("k", ("",), missing=True), ["missing", None, "", " "], ["1", "2"]),
    (OneOf("or", ("a and x >= 1", "} and {")), ["a", "a and x >= 1", "} and {", "unseen"], ["1", "2"]),
    (OneOf("is missing", ('say "=" \\', " a")), ['say "=" \\', "a", " a", None], ["0", "2"]),
]


@pytest.mark.parametrize(("condition", "cells", "keys"), TRICKY, ids=[str(case[0]) for case in TRICKY])
def test_what_could_be_misread_is_read_right_in_all_three_forms(
    condition: Condition, cells: list[object], keys: list[str]
) -> None:
    wanted, rows = a_slice(condition), rows_with({condition.column: cells})
    assert by_sentence(wanted, rows) == by_mask(wanted, rows) == by_engine(wanted, rows) == keys


@settings(max_examples=25)
@given(slices_and_rows())
def test_the_mask_the_filter_and_the_sentence_select_the_same_rows(case: tuple[Slice, pd.DataFrame]) -> None:
    assert by_sentence(*case) == by_mask(*case) == by_engine(*case)


@settings(max_examples=200)
@given(slices_and_rows())
def test_the_mask_and_the_sentence_select_the_same_rows(case: tuple[Slice, pd.DataFrame]) -> None:
    assert by_sentence(*case) == by_mask(*case)


def test_plain_names_and_categories_are_written_without_quotes() -> None:
    parts = OneOf("carrier", ("B6", "Turks & Caicos", "St. John's")), OneOf("engine_type", ("Turbo-fan",))
    assert a_slice(*parts).name == 'carrier in {B6, Turks & Caicos, "St. John\'s"} and engine_type = Turbo-fan'
