"""Worlds in which it is known why a model's loss changed: generated rows, and real flights with planted changes.

A world is a large table of rows, the loss of a fixed model on each under the old and under the new concept, and how
much likelier each row is to be in a batch than in the holdout. So every part of the loss change is known exactly.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from deploy import flights
from models.loss import brier
from monitors.likeness import encode
from records.schema import Schema

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SLICE = "the slice"
TAUGHT = 10_000


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of `n` rows with their true answers and a fixed model's probabilities, shape (n, 2).

    `moved` is how much likelier a row is in a batch after the rows moved, and `inside` marks the slice in which
    answers change.
    """

    name: str
    frame: pd.DataFrame
    schema: Schema
    answers: NDArray[np.int64]
    chances: Floats
    moved: Floats
    inside: Flags


@dataclass(frozen=True, slots=True)
class World:
    """Rows with what was planted: whether they moved, and in which share of the slice the answer is another now."""

    rows: Rows
    moves: bool
    changes: float
    old: Floats
    new: Floats
    tilt: Floats

    @property
    def name(self) -> str:
        """What was planted, in words."""
        return {(0, 0): "nothing", (1, 0): "covariate", (0, 1): "concept", (1, 1): "both"}[self.moves, self.changes > 0]

    @property
    def truth(self) -> tuple[float, float, float]:
        """The total, the covariate and the concept part."""
        covariate = float(self.tilt @ self.old - self.old.mean())
        concept = float(self.tilt @ (self.new - self.old))
        return covariate + concept, covariate, concept

    def drawn(self, n_holdout: int, n_batch: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return positions of independent holdout and batch rows."""
        generator = np.random.default_rng(seed)
        holdout = generator.integers(len(self.tilt), size=n_holdout)
        return holdout, generator.choice(len(self.tilt), n_batch, p=self.tilt)


def plant(rows: Rows, *, moves: bool, changes: float, everywhere: float = 0.0) -> World:
    """Plant a covariate change, a concept change in a share of the slice's rows, or both; `everywhere` in all rows."""
    flips = np.random.default_rng(7).random(len(rows.answers)) < np.where(rows.inside, changes, everywhere)
    tilt = rows.moved if moves else np.ones(len(rows.answers))
    return World(
        rows,
        moves,
        changes,
        brier(rows.chances, rows.answers),
        brier(rows.chances, np.where(flips, 1 - rows.answers, rows.answers)),
        tilt / tilt.sum(),
    )


@cache
def generated(sharpness: float, n: int = 200_000) -> Rows:
    """Eight normal columns and a category; the model knows all but one interaction, the better the sharper."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(n, 8))
    letters = generator.choice(np.array(list("abcde"), dtype=object), n, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    known = sharpness * (1.2 * x[:, 0] - 0.6 * (letters == "b") - 1.2)
    truth = known + 0.8 * x[:, 1] * x[:, 2]
    answers = (generator.random(n) < _logistic(truth)).astype(np.int64)
    frame = pd.DataFrame({f"x{place}": x[:, place] for place in range(8)}).assign(c0=letters)
    schema = Schema("id", "at", "y", "classification", tuple(frame.columns[:8]), ("c0",), ("no", "yes"))
    yes = _logistic(known)
    moved = np.exp(0.6 * x[:, 0] - 0.3 * x[:, 4]).clip(max=15)
    inside = (x[:, 3] > 0.8) & np.isin(letters, ["a", "b"])
    name = f"generated, Brier {brier(np.column_stack([1 - yes, yes]), answers).mean():.2f}"
    return Rows(name, frame, schema, answers, np.column_stack([1 - yes, yes]), moved, inside)


@cache
def real(at_departure: bool) -> Rows:
    """Real flights: will it be late, asked when it is scheduled, or at departure, when its delay is known."""
    frame, schema = flights.read(), flights.SCHEMA
    if at_departure:
        raw = pd.read_csv(flights.source() / "flights.csv.zip")
        delay = pd.Series(raw["dep_delay"].to_numpy(dtype=float), index=flights.row_keys(raw))
        frame = frame.assign(dep_delay=frame[schema.row_key].map(delay))
        schema = replace(schema, numeric=(*schema.numeric, "dep_delay"))
    frame = frame.dropna(subset=[schema.target]).sample(frac=1, random_state=0).reset_index(drop=True)
    answers = (frame[schema.target] == schema.classes[1]).to_numpy().astype(np.int64)
    X = np.nan_to_num(encode(frame.iloc[:TAUGHT], frame, schema), nan=-999.0)
    forest = RandomForestClassifier(60, min_samples_leaf=5, n_jobs=1, random_state=0)
    chances = forest.fit(X[:TAUGHT], answers[:TAUGHT]).predict_proba(X[TAUGHT:])
    rest = frame.iloc[TAUGHT:].reset_index(drop=True)
    inside = ((rest["hour"] >= 17) & rest["carrier"].isin(["B6", "EV"])).to_numpy()
    doubtful = (chances * (1 - chances)).sum(axis=1)
    moved = np.exp((rest["hour"].to_numpy() - 13) / 5 + 3 * doubtful).clip(max=20)
    loss = brier(chances, answers[TAUGHT:]).mean()
    name = f"flights {'at departure' if at_departure else 'as scheduled'}, Brier {loss:.2f}"
    return Rows(name, rest, schema, answers[TAUGHT:], chances, moved, inside)


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
