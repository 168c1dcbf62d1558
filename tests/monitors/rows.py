"""Rows to measure drift on: days of independent rows, with a harmless effect of each day if asked for."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from pandas import DataFrame

from records.schema import Schema
from records.window import Window

START = datetime(2014, 1, 6, tzinfo=UTC)


def schema_of(n_numeric: int = 5) -> Schema:
    numeric = tuple(f"x{place}" for place in range(n_numeric))
    return Schema("id", "at", "late", "classification", numeric, ("carrier",), ("no", "yes"))


def window_of(days: int) -> Window:
    return Window(START, START + timedelta(days=days))


def rows_of(
    days: int,
    *,
    seed: int,
    per_day: int = 100,
    n_numeric: int = 5,
    day_sd: float = 0.0,
    start: datetime = datetime(2013, 1, 7, tzinfo=UTC),
    together: float = 0.0,
    flipped: float = 0.0,
) -> DataFrame:
    """Standard normal numbers and a carrier; x1 goes with x0 (`together`), the other way in a share `flipped`."""
    generator = np.random.default_rng(seed)
    n_rows = days * per_day
    day = np.repeat(np.arange(days), per_day)
    numbers = generator.normal(size=(n_rows, n_numeric))
    if together:
        sign = np.where(generator.random(n_rows) < flipped, -together, together)
        numbers[:, 1] = sign * numbers[:, 0] + (1 - together**2) ** 0.5 * numbers[:, 1]
    numbers += generator.normal(0, day_sd, (days, n_numeric))[day] if day_sd else 0.0
    frame = DataFrame(numbers, columns=[f"x{place}" for place in range(n_numeric)])
    frame["carrier"] = generator.choice(["B6", "EV", "UA", "AA"], n_rows, p=[0.4, 0.3, 0.2, 0.1]).astype(object)
    seconds = day * 86_400 + (np.arange(n_rows) % per_day) * 86_400 // per_day
    frame["at"] = pd.Series(pd.Timestamp(start) + pd.to_timedelta(seconds, unit="s")).dt.as_unit("ns")
    frame["id"] = [f"{seed}-{place}" for place in range(n_rows)]
    return frame
