"""Weighted samples: how many equal rows they are worth, and a mean with its standard error."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def effective(weights: Floats) -> float:
    """Return how many rows of the same weight tell as much (Kish 1965): (sum w)² / sum(w²), 0 without any.

    >>> effective(np.array([2.0, 2.0, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def as_one(samples: Sequence[Floats]) -> Floats:
    """Return the inclusion probabilities of several samples as of one, (n_rows,), where each counts by its rows.

    A sample of a hundred out of a million rows would drown one of a hundred out of a thousand: what counts within a
    sample is the ratio of its probabilities alone.

    >>> as_one([np.array([0.5, 0.25]), np.array([0.01, 0.005])]).tolist()
    [1.0, 0.5, 1.0, 0.5]
    """
    drawn = np.concatenate([np.empty(0), *(each * np.mean(1 / each) for each in samples if len(each))])
    return np.asarray(drawn / drawn.max()) if len(drawn) else drawn


def mean_and_error(values: Floats, weights: Floats) -> tuple[float, float]:
    """Return the weighted mean of values, (n_rows,), and its standard error by linearization.

    >>> mean_and_error(np.array([0.0, 2.0]), np.ones(2))
    (1.0, 0.7071067811865476)
    """
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(((weights * (values - mean)) ** 2).sum()) / weights.sum())
