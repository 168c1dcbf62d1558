"""A feature as the few columns that a two-sample test is given: its values, and whether it is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pandas import DataFrame, Series

from monitors.texts import lengths
from records.schema import Schema

MISSING_VALUE = "(missing)"
MOST_ROWS = 10_000
FEWEST_TEXTS, MOST_TEXTS = 10, 2_000


@dataclass(frozen=True, slots=True)
class Part:
    """One column to test: the values of feature `column`, or what is to be known `of` them.

    Of "missing": 1 where the feature is missing, 0 where known. Of "length": the number of characters of a text. A
    category is given as codes, `values[code]` is its text; missing is a value like any other. Numbers and texts are
    missing (`nan`, None) where the feature is; tests leave that out.
    """

    column: str
    of: Literal["", "missing", "length"]
    kind: Literal["number", "category", "text"]
    reference: Series
    current: Series
    values: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name, or that of the column that says where it is missing, or how long it is."""
        return self.column + {"": "", "missing": " (known or missing)", "length": " (characters)"}[self.of]

    @property
    def of_missing(self) -> bool:
        """Whether this is where the feature is missing."""
        return self.of == "missing"


def parts_of(reference: DataFrame, current: DataFrame, schema: Schema) -> Iterator[Part]:
    """Yield the parts of every feature, in the schema's order; frames are normalised.

    The values of a number are a part if some are known on both sides, and so are the lengths of a text; its words are
    if at least 10 texts are known on both. Being missing is a part if something is missing. So each feature has at
    least one.

    >>> schema = Schema("id", "at", "late", "classification", ("temp",), ("sky",))
    >>> before = DataFrame({"temp": [1.0, 2.0], "sky": ["clear", None]})
    >>> now = DataFrame({"temp": [np.nan, 3.0], "sky": ["rain", "clear"]})
    >>> for part in parts_of(before, now, schema):
    ...     print(part.name, part.reference.tolist(), part.current.tolist(), part.values)
    temp [1.0, 2.0] [nan, 3.0] ()
    temp (known or missing) [0, 0] [1, 0] ('known', 'missing')
    sky [1, 0] [2, 1] ('(missing)', 'clear', 'rain')
    """
    for name in schema.numbers:
        before, now = (frame[name].reset_index(drop=True) for frame in (reference, current))
        if before.notna().any() and now.notna().any():
            yield Part(name, "", "number", before, now)
        yield from _gaps(name, before, now)
    for name in schema.categorical:
        before, now = (frame[name].reset_index(drop=True) for frame in (reference, current))
        texts = sorted({*before.dropna().unique(), *now.dropna().unique()})
        missing = MISSING_VALUE
        while missing in texts:  # a table may hold this very text
            missing += "'"
        values = tuple(sorted([missing, *texts])) if before.isna().any() or now.isna().any() else tuple(texts)
        places = {value: place for place, value in enumerate(values)}
        codes = [column.fillna(missing).map(places).astype(np.int64) for column in (before, now)]
        yield Part(name, "", "category", codes[0], codes[1], values)
    for name in schema.text:
        before, now = (frame[name].reset_index(drop=True) for frame in (reference, current))
        n_known = min(before.notna().sum(), now.notna().sum())
        if n_known:
            yield Part(name, "length", "number", lengths(before), lengths(now))
        if n_known >= FEWEST_TEXTS:
            yield Part(name, "", "text", before, now)
        yield from _gaps(name, before, now)


def _gaps(name: str, before: Series, now: Series) -> Iterator[Part]:
    marks = [column.isna().astype(np.int64) for column in (before, now)]
    if any(mark.any() for mark in marks):
        yield Part(name, "missing", "category", marks[0], marks[1], ("known", "missing"))


def some_texts(column: Series) -> Series:
    """Return at most 2 000 of the known texts, evenly spaced, which a classifier of words can be fitted on in time."""
    known = column.dropna()
    if len(known) <= MOST_TEXTS:
        return known
    return known.iloc[np.arange(MOST_TEXTS) * len(known) // MOST_TEXTS]


def bounded(frame: DataFrame, schema: Schema, most: int = MOST_ROWS) -> DataFrame:
    """Return at most so many rows in order of time, the same ones in whatever order the rows came.

    >>> import pandas as pd
    >>> frame = DataFrame({"id": list("abcdef"), "at": pd.to_datetime(["2013-03-04"] * 6, utc=True)})
    >>> schema = Schema("id", "at", "late", "classification", (), ())
    >>> bounded(frame, schema, 4)["id"].tolist() == bounded(frame[::-1], schema, 4)["id"].tolist()
    True
    """
    ordered = frame.sort_values([schema.time, schema.row_key], kind="stable", ignore_index=True)
    if len(ordered) <= most:
        return ordered
    chosen = np.random.default_rng(0).choice(len(ordered), size=most, replace=False)
    return ordered.iloc[np.sort(chosen)].reset_index(drop=True)
