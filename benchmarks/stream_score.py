"""How good a model is on a window of a stream, and how much of what could be regained was regained."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import recall_score
from sklearn.pipeline import Pipeline

from benchmarks.stream_rows import Stream
from models.predictions import probabilities, truths, values

Floats = NDArray[np.float64]
FLOOR = 0.005
"""What every label must gain over none before a share of it means anything."""


def predicted(pipeline: Pipeline, stream: Stream, window: int) -> Floats:
    """Return what a pipeline says of a window: the probabilities of the classes, or numbers."""
    rows, schema = stream.windows[window], stream.schema
    return probabilities(pipeline, rows, schema) if schema.classes else values(pipeline, rows, schema)


def score(said: Floats, stream: Stream, window: int) -> float:
    """Return the balanced accuracy on a window; for a regression minus the RMSE, in standard deviations of the target.

    The balanced accuracy is over the classes that occur in the window. The standard deviation is that of the whole
    stream, so that a quiet window does not count more than a lively one.
    """
    right = truths(stream.windows[window], stream.schema)
    if not stream.schema.classes:
        everything = pd.concat([part[stream.schema.target] for part in (stream.train, *stream.windows)])
        return -float(np.sqrt(np.mean((right - said) ** 2)) / everything.std())
    classes = np.unique(right)
    return float(recall_score(right, said.argmax(axis=1), labels=classes, average="macro", zero_division=0.0))


def recovered_gain(ours: Sequence[float], frozen: Sequence[float], full: Sequence[float]) -> float:
    """Return (ours - frozen) / (full - frozen) of mean scores; `nan` if full gains less than `FLOOR` over frozen.

    >>> recovered_gain([0.7, 0.8], [0.7, 0.7], [0.7, 0.9])
    0.5
    >>> recovered_gain([0.7], [0.7], [0.7])
    nan
    """
    there = float(np.mean(full) - np.mean(frozen))
    return round(float(np.mean(ours) - np.mean(frozen)) / there, 4) if there >= FLOOR else float("nan")
