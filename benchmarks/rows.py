"""Rows to measure alarms on: generated without drift or with one known change, and real ones by random days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

from records.schema import Schema

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
N_ZIPF = 100
N_REFERENCE_DAYS = 240

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
_TAILS: dict[str, Draw] = {
    "normal": lambda generator, n: generator.normal(size=n),
    "heavy-tailed": lambda generator, n: generator.standard_t(1.5, size=n),
}
EQUAL, N_EQUAL = "1 000 equal categories", 1_000
KINDS = (*_TAILS, "Zipf categories", EQUAL, "mixed")


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes independent rows of `n_columns` columns of one kind; `day_sd` gives each day a harmless effect of its own.

    "mixed" is half normal, a third heavy-tailed, the rest categories by Zipf's law, with 3 % of all values missing.
    """

    kind: str
    n_columns: int
    day_sd: float = 0.0

    @property
    def schema(self) -> Schema:
        """The columns: numbers `x0 ...`, then categories `c0 ...`."""
        of_kind = {"Zipf categories": 0, EQUAL: 0, "mixed": self.n_columns - self.n_columns // 6}
        n_numeric = of_kind.get(self.kind, self.n_columns)
        numeric = tuple(f"x{place}" for place in range(n_numeric))
        categorical = tuple(f"c{place}" for place in range(self.n_columns - n_numeric))
        return Schema("id", "at", "y", "regression", numeric, categorical)

    def rows(self, n_rows: int, n_days: int, generator: np.random.Generator) -> DataFrame:
        """Return `n_rows` rows spread evenly over `n_days` days; features, key and time."""
        schema = self.schema
        day = np.arange(n_rows) * n_days // n_rows
        columns: dict[str, object] = {}
        for place, name in enumerate(schema.numeric):
            heavy = self.kind == "heavy-tailed" or (self.kind == "mixed" and place % 5 >= 3)
            values = _TAILS["heavy-tailed" if heavy else "normal"](generator, n_rows)
            columns[name] = values + generator.normal(0, self.day_sd, n_days)[day] if self.day_sd else values
        shares = np.ones(N_EQUAL) if self.kind == EQUAL else 1 / np.arange(1, N_ZIPF + 1)
        names = np.array([f"v{place:02d}" for place in range(len(shares))], dtype=object)
        for name in schema.categorical:
            columns[name] = generator.choice(names, n_rows, p=shares / shares.sum())
        frame = DataFrame(columns)
        if self.kind == "mixed":
            for name in schema.features:
                gap = generator.random(n_rows) < 0.03
                frame[name] = frame[name].mask(gap, np.nan if name in schema.numeric else None)
        seconds = day * 86_400 + generator.integers(0, 86_400, n_rows)
        frame["at"] = pd.Series(pd.Timestamp(START) + pd.to_timedelta(seconds, unit="s")).dt.as_unit("ns")
        frame["id"] = np.arange(n_rows).astype(str)
        return frame


@dataclass(frozen=True, slots=True)
class Undrifted:
    """A snapshot, and batches that are drawn like it, made one after another."""

    schema: Schema
    reference: DataFrame
    batches: Iterator[DataFrame]


def random_days(
    frame: DataFrame, schema: Schema, *, n_rows: int | None, n_snapshots: int, n_batches: int, seed: int
) -> Iterator[Undrifted]:
    """Yield 240 random days of a table as the snapshot and others as batches, so that there is no drift but weather.

    The days are numbered anew in random order, once per snapshot; each keeps its hours. `n_rows` random rows of each
    day are taken, or all of them; days of fewer than half as many rows as the usual day (or than `n_rows`) are no days.
    Raises `ValueError` for more batches than days that are left.
    """
    time = schema.time
    day = (frame[time] - frame[time].min().normalize()).dt.days.to_numpy()
    rows_of = np.bincount(day)
    whole = rows_of >= max(float(np.median(rows_of[rows_of > 0])) / 2, n_rows or 1)
    frame, day = frame[whole[day]].reset_index(drop=True), day[whole[day]]
    for snapshot in range(n_snapshots):
        generator = np.random.default_rng([seed, snapshot])
        order = generator.permutation(np.flatnonzero(whole))
        if len(order) < N_REFERENCE_DAYS + n_batches:
            raise ValueError(f"{len(order)} days are no snapshot of {N_REFERENCE_DAYS} and {n_batches!r} batches")
        place = np.empty(day.max() + 1, dtype=np.int64)
        place[order] = np.arange(len(order))
        moved = frame[time] + pd.to_timedelta(place[day] - day, unit="D")
        numbered = frame.assign(**{time: moved.dt.as_unit("ns")}).iloc[generator.permutation(len(frame))]
        new_day = place[day][numbered.index.to_numpy()]
        if n_rows is not None:
            some = (Series(new_day).groupby(new_day).cumcount() < n_rows).to_numpy()
            numbered, new_day = numbered[some], new_day[some]
        later = (numbered[new_day == N_REFERENCE_DAYS + batch].reset_index(drop=True) for batch in range(n_batches))
        yield Undrifted(schema, numbered[new_day < N_REFERENCE_DAYS].reset_index(drop=True), later)
