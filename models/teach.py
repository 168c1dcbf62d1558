"""Fit one pipeline on weighted rows: weights become copies, and what cannot teach is said in a sentence."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from models.accelerate import FEW_SUPPORTED, MOST_SUPPORTED, learns_from_few
from models.recipe import positions
from records.errors import BadData
from records.schema import Schema


def teach(
    pipeline: Pipeline,
    X: pd.DataFrame | NDArray[np.float64],
    y: NDArray[np.generic],
    weights: NDArray[np.float64] | None,
    schema: Schema,
    *,
    seed: int,
    every_class: bool = False,
    most: int | None = None,
) -> int:
    """Fit a pipeline in place and return from how many rows, copies counted.

    With `every_class` one row of each class in `y` is taken even where its weight is 0, so that a classifier knows them
    all. Support vectors get a random part of the rows where there are more than `most` (10 000). Raises `BadData` when
    the rows cannot teach.
    """
    rows: NDArray[np.intp] = np.arange(len(y), dtype=np.intp)
    if weights is not None and not np.array_equal(weights, np.ones(len(y))):
        rows = positions(weights, n=max(round(float(weights.sum())), 1), seed=seed)
    most = MOST_SUPPORTED if most is None else most
    if len(rows) > most and learns_from_few(pipeline[-1] if isinstance(pipeline, Pipeline) else pipeline):
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    if every_class and schema.task == "classification":
        _, first = np.unique(y.astype(str), return_index=True)
        unseen = ~np.isin(y[first].astype(str), y[rows].astype(str))
        rows = np.concatenate([rows, first[unseen]])
    answers = y[rows]
    n_known = pd.Series(answers).nunique()
    if schema.task == "classification" and n_known < 2:
        raise BadData(f"{len(rows)} training rows hold {n_known} classes of {schema.target!r}; two are needed")
    with _told(len(rows)):
        pipeline.fit(X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows], answers)
    return len(rows)


def teach_one_of_many(
    pipeline: Pipeline,
    name: str,
    X: NDArray[np.float64],
    y: NDArray[np.generic],
    weights: NDArray[np.float64],
    schema: Schema,
    *,
    seed: int,
) -> int:
    """Fit a candidate or a member of an average, of the estimator `name`, in place and return from how many rows.

    All must know every class, to be averaged; support vectors learn from 1 000 rows at most, as there are many to fit.
    Raises `BadData` when the rows cannot teach.
    """
    with one_thread(name):
        return teach(pipeline, X, y, weights, schema, seed=seed, every_class=True, most=FEW_SUPPORTED)


def fit_preparation(prepared: ColumnTransformer, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Fit what prepares rows, in place, and return the first of them prepared; raises `BadData` like `teach`."""
    with _told(len(rows)):
        return np.asarray(prepared.fit(rows).transform(rows.head(1)))


@contextmanager
def one_thread(estimator: str) -> Iterator[None]:
    """Keep gradient boosting to one thread: on few rows its threads mostly wait for each other."""
    with threadpool_limits(1, user_api="openmp") if estimator == "boosting" else nullcontext():
        yield


@contextmanager
def _told(n_rows: int) -> Iterator[None]:
    """Say in one sentence what the library has against the rows."""
    try:
        with warnings.catch_warnings():  # texts of a few words have fewer topics than are asked for
            warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"sklearn\.decomposition")
            yield
    except (ValueError, TypeError) as error:
        problem = str(error).splitlines()[0]
        raise BadData(
            f"{n_rows} training rows cannot be learned from: {problem}; check the columns in the settings"
        ) from None
