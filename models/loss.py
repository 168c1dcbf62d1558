"""The loss per row that decides, and what a pipeline makes of rows: its opinion and its uncertainty."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.predictions import answers, probabilities, values
from records.errors import BadData, BadSettings
from records.schema import Schema

CLASSIFICATION = ("brier", "log", "zero_one", "cost")
REGRESSION = ("squared", "absolute")


def per_row(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema, loss: str) -> NDArray[np.float64]:
    """Return the loss of every row, shape (n_rows,); `frame` has the features and the target.

    Raises `BadSettings` when the loss does not fit the task, `BadData` when an answer is no class of the schema, is
    missing, or the pipeline cannot take the rows.
    """
    fitting = CLASSIFICATION if schema.task == "classification" else REGRESSION
    if loss not in fitting:
        raise BadSettings(f"loss {loss!r} does not fit a {schema.task}; use one of {', '.join(fitting)}")
    if schema.task == "classification":
        return of_predictions(probabilities(pipeline, frame, schema), answers(frame, schema), schema, loss)
    truth = frame[schema.target].to_numpy(dtype=float)
    if np.isnan(truth).any():
        raise BadData(f"column {schema.target!r} has no value in {np.isnan(truth).sum()} rows; remove those rows")
    return of_predictions(values(pipeline, frame, schema), truth, schema, loss)


def of_predictions(
    said: NDArray[np.float64], truth: NDArray[np.float64] | NDArray[np.intp], schema: Schema, loss: str
) -> NDArray[np.float64]:
    """Return the loss of every row, shape (n_rows,), from what was predicted for it.

    `said` has the probabilities (n_rows, n_classes) and `truth` the true class's place; of a regression both are
    numbers. Raises `BadSettings` for a loss that needs costs where nobody named them.

    >>> schema = Schema("id", "at", "y", "regression", ("x",), ())
    >>> of_predictions(np.array([1.0, 2.0]), np.array([1.0, 4.0]), schema, "squared").tolist()
    [0.0, 4.0]
    """
    if schema.task == "classification":
        return _of_chances(loss, schema)(said, np.asarray(truth, dtype=np.intp))
    error = np.abs(truth - said)
    return np.asarray(error**2 if loss == "squared" else error)


def brier(chances: NDArray[np.float64], right: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return half the squared distance between the probabilities and the truth, in [0, 1].

    With two classes it is (p - y)² (Brier 1950). `chances` is (n_rows, n_classes), `right` the true class's column.

    >>> brier(np.array([[0.75, 0.25], [0.0, 1.0]]), np.array([0, 0])).tolist()
    [0.0625, 1.0]
    """
    truth = np.eye(chances.shape[1])[right]
    return np.asarray(((chances - truth) ** 2).sum(axis=1) / 2)


def log(chances: NDArray[np.float64], right: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return minus the natural logarithm of the true class's probability, which is clipped at 1e-6.

    Forests say 0 at times; the clip keeps one such row from deciding alone (it costs 13.8).

    >>> log(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 0])).round(4).tolist()
    [0.6931, 13.8155]
    """
    return np.asarray(-np.log(np.clip(chances[np.arange(len(right)), right], 1e-6, 1.0)))


def zero_one(chances: NDArray[np.float64], right: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return 1 where the likeliest class is wrong, else 0.

    >>> zero_one(np.array([[0.75, 0.25], [0.4, 0.6]]), np.array([0, 0])).tolist()
    [0.0, 1.0]
    """
    return np.asarray(chances.argmax(axis=1) != right, dtype=float)


def expected(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema, loss: str) -> NDArray[np.float64]:
    """Return the loss the pipeline itself expects on every row, if its probabilities are right; 0 for a regression."""
    if schema.task == "regression":
        return np.zeros(len(frame))
    chances = probabilities(pipeline, frame, schema)
    of_class = _of_chances(loss, schema)
    right = (np.full(len(chances), place, dtype=np.intp) for place in range(chances.shape[1]))
    return np.asarray(sum(chances[:, place[0]] * of_class(chances, place) for place in right if len(place)))


def cost(chances: NDArray[np.float64], right: NDArray[np.intp], costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what every row costs when the class with the lowest expected cost is said (Elkan 2001).

    `costs` is (n_classes, n_classes): what saying the column's class costs where the row's is true.

    >>> missed_costs_ten = np.array([[0.0, 1.0], [10.0, 0.0]])
    >>> cost(np.array([[0.8, 0.2], [0.95, 0.05]]), np.array([0, 1]), missed_costs_ten).tolist()
    [1.0, 10.0]
    """
    return np.asarray(costs[right, (chances @ costs).argmin(axis=1)], dtype=float)


def _of_chances(loss: str, schema: Schema) -> Callable[[NDArray[np.float64], NDArray[np.intp]], NDArray[np.float64]]:
    if loss == "cost":
        if not schema.costs:
            raise BadSettings("loss 'cost' needs to know what mistakes cost; add columns.costs to the settings")
        return partial(cost, costs=np.array(schema.costs))
    return {"brier": brier, "log": log, "zero_one": zero_one}[loss]


def opinion(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema) -> list[str]:
    """Return what the pipeline thinks of every row in a few words, such as `late (62 %)` or `12.4 minutes`."""
    if schema.task == "classification":
        chances = probabilities(pipeline, frame, schema)
        return [
            f"{schema.classes[best]} ({row[best]:.0%})".replace("%", " %")
            for row, best in zip(chances, chances.argmax(axis=1), strict=True)
        ]
    unit = schema.unit(schema.target)
    return [f"{value:.4g} {unit}".strip() for value in values(pipeline, frame, schema)]
