"""Weighted samples: how many equal rows they are worth, and a mean with its standard error."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def effective(weights: Floats) -> float:
    """Return how many rows of the same weight tell as much (Kish 1965): (sum w)² / sum(w²), 0 without any.

    >>> effective(np.array([2.0, 2.0, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def mean_and_error(values: Floats, weights: Floats) -> tuple[float, float]:
    """Return the weighted mean of values, (n_rows,), and its standard error by linearization.

    >>> mean_and_error(np.array([0.0, 2.0]), np.ones(2))
    (1.0, 0.7071067811865476)
    """
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(((weights * (values - mean)) ** 2).sum()) / weights.sum())
