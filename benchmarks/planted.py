"""Samples with planted slices: a snapshot, and a batch in which some conjunctions are denser or thinner."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitors.membership import meet
from records.errors import BadData
from records.schema import Schema
from records.slice import Between, Condition, OneOf

N_NUMERIC, N_CATEGORICAL = 18, 12
SHARES = (0.02, 0.1)
LEVELS = (3, 5, 8, 12, 40, 200)

SCHEMA = Schema(
    "key",
    "at",
    "y",
    "regression",
    tuple(f"number{k}" for k in range(N_NUMERIC)),
    tuple(f"kind{k}" for k in range(N_CATEGORICAL)),
)

Rows = Callable[[int, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is planted: conjunctions whose density in the batch is `ratio` times the usual one, and a global tilt.

    With a tilt, three numeric columns shift by about that many standard deviations all over the batch.
    """

    name: str
    n_slices: int
    n_conditions: int
    ratio: float
    tilt: float = 0.0


@dataclass(frozen=True, slots=True)
class Planted:
    """The two samples and the conjunctions that tell them apart."""

    before: pd.DataFrame
    now: pd.DataFrame
    slices: tuple[tuple[Condition, ...], ...]


def mixed_rows(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return 30 mixed columns: normal, log-normal, heavy-tailed, correlated, rounded; 3 to 200 categories; gaps."""
    common = rng.normal(size=n_rows)
    columns: dict[str, NDArray[Any]] = {}
    for k, name in enumerate(SCHEMA.numeric):
        values = np.asarray((rng.normal, rng.lognormal, lambda size: rng.standard_t(2, size))[k % 3](size=n_rows))
        if k % 6 == 0:
            values = 0.7 * common + 0.7 * values
        if k % 6 == 5:
            values = np.round(5 * values)
        if k % 5 == 4:
            values[rng.random(n_rows) < 0.08] = np.nan
        columns[name] = values
    for k, name in enumerate(SCHEMA.categorical):
        levels = np.array([f"v{level:03}" for level in range(LEVELS[k % len(LEVELS)])], dtype=object)
        chances = 1 / np.arange(1, len(levels) + 1)
        kinds = levels[rng.choice(len(levels), n_rows, p=chances / chances.sum())]
        kinds[rng.random(n_rows) < 0.05 * (k % 4 == 3)] = None
        columns[name] = kinds
    return pd.DataFrame(columns)


def plant(plan: Plan, rows: Rows, schema: Schema, n_rows: int, seed: int) -> Planted:
    """Draw a snapshot and a batch of `n_rows` each, by keeping rows of a larger pool with the chances planned."""
    rng = np.random.default_rng(seed)
    before = rows(n_rows, rng)
    slices: list[tuple[Condition, ...]] = []
    while len(slices) < plan.n_slices:
        slices.append(_conjunction(before, schema, plan.n_conditions, rng))
    tilted: list[str] = rng.choice(schema.numeric, 3, replace=False).tolist()
    parts: list[pd.DataFrame] = []
    while sum(map(len, parts)) < n_rows:
        pool = rows(n_rows, rng)
        inside = np.any([meet(conditions, pool) for conditions in slices], axis=0) | np.zeros(n_rows, dtype=bool)
        chance = np.where(inside, plan.ratio, 1.0)
        for name in tilted:
            chance = chance * np.exp(plan.tilt * (2 * pool[name].rank(pct=True).fillna(0.5).to_numpy() - 1))
        parts.append(pool[rng.random(n_rows) < chance / chance.max()])
    now = pd.concat(parts, ignore_index=True).head(n_rows)
    before, now = (frame.assign(**{schema.row_key: frame.index.astype(str)}) for frame in (before, now))
    return Planted(before, now, tuple(slices))


def drawn_from(frame: pd.DataFrame, seed: int) -> Rows:
    """Return a source of rows that gives each row of a real table once, in random order."""
    order = np.random.default_rng(seed).permutation(len(frame))
    place = 0

    def rows(n_rows: int, _: np.random.Generator) -> pd.DataFrame:
        nonlocal place
        taken = order[place : place + n_rows]
        if len(taken) < n_rows:
            raise BadData(f"the table has {len(frame)!r} rows, too few for what is planted; ask for smaller samples")
        place += n_rows
        return frame.iloc[taken].reset_index(drop=True)

    return rows


def _conjunction(
    frame: pd.DataFrame, schema: Schema, n_conditions: int, rng: np.random.Generator
) -> tuple[Condition, ...]:
    """Draw a conjunction that holds 2 % to 10 % of the rows."""
    while True:
        share = rng.uniform(*SHARES) ** (1 / n_conditions)
        names = rng.choice(schema.features, n_conditions, replace=False)
        conditions = tuple(_condition(frame[name], share, rng, numeric=name in schema.numeric) for name in names)
        if SHARES[0] <= meet(conditions, frame).mean() <= SHARES[1]:
            return conditions


def _condition(column: pd.Series, share: float, rng: np.random.Generator, *, numeric: bool) -> Condition:
    """Draw an interval on either side of a column or in its middle, or some of the categories with at least 1 %."""
    name = str(column.name)
    if not numeric:
        common = column.value_counts(normalize=True).loc[lambda shares: shares >= 0.01].sample(frac=1, random_state=rng)
        return OneOf(name, tuple(common.index[common.cumsum() <= share + 0.1][:6]))
    low = rng.choice([0.0, rng.uniform(0, 1 - share), 1 - share])
    first, last = (float(edge) for edge in column.quantile([low, low + share]))
    return Between(name, first if low > 0 else None, last if low + share < 1 else None)
