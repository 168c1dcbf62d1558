"""Weights that make every class count the same, for models whose rare class matters as much as the common one."""

import numpy as np
from numpy.typing import NDArray

MOST_TIMES = 50.0


def balanced(answers: NDArray[np.generic], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights scaled per class so that all classes weigh the same together, shape (n_rows,).

    The sum stays. No row's weight grows more than fifty times: a handful of rows cannot stand for half of the world.

    >>> balanced(np.array(["a", "a", "a", "b"]), np.ones(4)).round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    """
    if not len(answers) or weights.sum() <= 0:
        return weights
    names, places = np.unique(answers.astype(str), return_inverse=True)
    of_class = np.bincount(places, weights=weights)
    taught = of_class > 0
    times = np.ones(len(names))
    times[taught] = np.minimum(weights.sum() / (taught.sum() * of_class[taught]), MOST_TIMES)
    scaled = weights * times[places]
    return np.asarray(scaled * weights.sum() / scaled.sum())


def counted_alike(answers: NDArray[np.generic], inclusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return inclusion probabilities by which all classes of a sample weigh the same together, each at most 1.

    >>> counted_alike(np.array(["a", "a", "a", "b"]), np.full(4, 0.5)).round(2).tolist()
    [1.0, 1.0, 1.0, 0.33]
    """
    if not len(answers):
        return inclusion
    weights = balanced(answers, 1 / inclusion)
    return np.asarray(weights.min() / weights)
