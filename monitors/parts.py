"""A feature as the one or two columns that a two-sample test is given: its values, and whether it is missing."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame, Series

from records.schema import Schema

OF_MISSING = " of missing"
MISSING_VALUE = "(missing)"
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """One column to test: the values of feature `column`, or (`of_missing`) 1 where it is missing, 0 where known.

    The values of a categorical feature are codes, `values[code]` is their text; missing is a value like any other.
    A `numeric` part is missing (`nan`) where the feature is; tests leave that out.
    """

    column: str
    of_missing: bool
    numeric: bool
    reference: Series
    current: Series
    values: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name, or that of the column that says where it is missing."""
        return f"{self.column} (known or missing)" if self.of_missing else self.column


def parts_of(reference: DataFrame, current: DataFrame, schema: Schema) -> Iterator[Part]:
    """Yield the parts of every feature, in the schema's order; frames are normalised.

    The values of a numeric feature are a part if some are known on both sides; its being missing is a part if it is
    somewhere. So each feature has at least one.

    >>> schema = Schema("id", "at", "late", "classification", ("temp",), ("sky",))
    >>> before = DataFrame({"temp": [1.0, 2.0], "sky": ["clear", None]})
    >>> now = DataFrame({"temp": [np.nan, 3.0], "sky": ["rain", "clear"]})
    >>> for part in parts_of(before, now, schema):
    ...     print(part.name, part.reference.tolist(), part.current.tolist(), part.values)
    temp [1.0, 2.0] [nan, 3.0] ()
    temp (known or missing) [0, 0] [1, 0] ('known', 'missing')
    sky [1, 0] [2, 1] ('(missing)', 'clear', 'rain')
    """
    for name in schema.numeric:
        before, now = (frame[name].reset_index(drop=True) for frame in (reference, current))
        gaps = before.isna(), now.isna()
        if not (gaps[0].all() or gaps[1].all()):
            yield Part(name, False, True, before, now)
        if gaps[0].any() or gaps[1].any():
            marks = [gap.astype(np.int64) for gap in gaps]
            yield Part(name, True, False, marks[0], marks[1], ("known", "missing"))
    for name in schema.categorical:
        before, now = (frame[name].reset_index(drop=True) for frame in (reference, current))
        texts = sorted({*before.dropna().unique(), *now.dropna().unique()})
        missing = MISSING_VALUE
        while missing in texts:  # a table may hold this very text
            missing += "'"
        values = tuple(sorted([missing, *texts])) if before.isna().any() or now.isna().any() else tuple(texts)
        places = {value: place for place, value in enumerate(values)}
        codes = [column.fillna(missing).map(places).astype(np.int64) for column in (before, now)]
        yield Part(name, False, False, codes[0], codes[1], values)


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
