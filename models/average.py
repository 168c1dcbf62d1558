"""An average of several models: how much each counts, found on labels, and one pipeline that holds them all.

With few labels the best of many candidates is mostly the luckiest; an average of the better ones errs less.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator

from records.schema import Task

Floats = NDArray[np.float64]
N_STEPS = 12


def greedy_weights(
    predictions: Floats, loss: Callable[[Floats], float], *, most: int, n_steps: int = N_STEPS
) -> Floats:
    """Return how much each candidate counts in the average, shape (n_candidates,), summing to 1.

    `predictions` is (n_candidates, ...); `loss` takes an average of them. In each step the candidate joins whose
    joining lowers the loss of the average most; one may join again (Caruana, Niculescu-Mizil, Crew & Ksikes 2004). At
    most `most` candidates count.

    >>> truth = np.array([0.0, 1.0])
    >>> squared = lambda said: float(((said - truth) ** 2).sum())
    >>> greedy_weights(np.array([[0.2, 1.2], [-0.2, 0.8], [5.0, 5.0]]), squared, most=2, n_steps=4).tolist()
    [0.5, 0.5, 0.0]
    """
    counts = np.zeros(len(predictions))
    total = np.zeros_like(predictions[0])
    for step in range(n_steps):
        allowed = np.flatnonzero(counts) if np.count_nonzero(counts) >= most else np.arange(len(predictions))
        losses = [loss((total + predictions[place]) / (step + 1)) for place in allowed]
        chosen = allowed[int(np.argmin(losses))]
        counts[chosen] += 1
        total = total + predictions[chosen]
    return counts / n_steps


def pruned_weights(predictions: Floats, loss: Callable[[Floats], float]) -> Floats:
    """Return equal weights of the candidates that stay, shape (n_candidates,), summing to 1.

    All are averaged; then the one whose leaving lowers the loss of the average most leaves, as long as one's does
    (backward elimination, Banfield, Hall, Bowyer & Kegelmeyer 2005). So one that does not suit goes, and those that are
    about as good share evenly, where `greedy_weights` would trust a small lead.

    >>> truth = np.array([0.0, 1.0])
    >>> squared = lambda said: float(((said - truth) ** 2).sum())
    >>> pruned_weights(np.array([[0.2, 1.2], [-0.2, 0.8], [5.0, 5.0]]), squared).tolist()
    [0.5, 0.5, 0.0]
    """
    stay = np.ones(len(predictions), dtype=bool)
    least = loss(predictions.mean(axis=0))
    while stay.sum() > 1:
        places = np.flatnonzero(stay)
        losses = [loss(predictions[places[places != place]].mean(axis=0)) for place in places]
        if not min(losses) < least:
            break
        least = min(losses)
        stay[places[int(np.argmin(losses))]] = False
    return np.asarray(stay / stay.sum())


def mixed(weights: Floats, predictions: Floats) -> Floats:
    """Return the average of what candidates said, (n_candidates, ...), by how much each counts, (n_candidates,).

    >>> mixed(np.array([0.25, 0.75]), np.array([[0.0, 4.0], [4.0, 0.0]])).tolist()
    [3.0, 1.0]
    """
    return np.asarray(np.tensordot(weights, predictions, 1), dtype=float)


def averaged(
    members: Sequence[BaseEstimator], weights: Floats, X: Floats, y: NDArray[np.generic], task: Task
) -> BaseEstimator:
    """Return one estimator that averages fitted ones by their weights; they are not fitted again.

    `X` and `y` tell the columns and the classes; every member must know the same classes.
    """
    named = [(f"member{place}", FrozenEstimator(member)) for place, member in enumerate(members, start=1)]
    if task == "classification":
        return VotingClassifier(named, voting="soft", weights=list(weights)).fit(X, y)
    return VotingRegressor(named, weights=list(weights)).fit(X, y)
