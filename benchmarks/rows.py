"""Rows to measure alarms on: generated without drift or with one known change, and real flights by random days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from records.schema import Schema

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
N_ZIPF = 100

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
_TAILS: dict[str, Draw] = {
    "normal": lambda generator, n: generator.normal(size=n),
    "heavy-tailed": lambda generator, n: generator.standard_t(1.5, size=n),
}
KINDS = (*_TAILS, "Zipf categories", "mixed")


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
        n_numeric = {"Zipf categories": 0, "mixed": self.n_columns - self.n_columns // 6}.get(self.kind, self.n_columns)
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
        shares = 1 / np.arange(1, N_ZIPF + 1)
        names = np.array([f"v{place:02d}" for place in range(N_ZIPF)], dtype=object)
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


def flights_by_random_days(n_batches: int, seed: int) -> Iterator[tuple[Schema, DataFrame, DataFrame]]:
    """Yield the flights of 240 random days of 2013 and those of one other day, so that there is no drift but weather.

    The days of the reference are the same in every pair, and numbered anew in random order.
    """
    from deploy import flights

    frame = flights.read().drop(columns=flights.SCHEMA.target)
    day = (frame[flights.SCHEMA.time] - pd.Timestamp(flights.ANCHOR)).dt.days.to_numpy()
    order = np.random.default_rng(seed).permutation(np.unique(day))
    place = np.empty(day.max() + 1, dtype=np.int64)
    place[order] = np.arange(len(order))
    moved = frame[flights.SCHEMA.time] + pd.to_timedelta(place[day] - day, unit="D")
    frame = frame.assign(**{flights.SCHEMA.time: moved.dt.as_unit("ns")})
    reference = frame[place[day] < 240].reset_index(drop=True)
    for batch in range(n_batches):
        yield flights.SCHEMA, reference, frame[place[day] == 240 + batch].reset_index(drop=True)
