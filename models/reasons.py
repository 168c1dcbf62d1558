"""Why a row is worth a label: small functions of probabilities, and of a pipeline and its rows.

The pure ones take the probabilities of every class, shape (n_rows, n_classes), and return a number per row in [0, 1]:
0 where the model is certain, 1 where all classes are alike. Settles (2010) compares them.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import MiniBatchKMeans
from sklearn.ensemble import VotingRegressor
from sklearn.ensemble._forest import BaseForest
from sklearn.pipeline import Pipeline

from models.predictions import probabilities
from records.schema import Schema

N_KINDS = 24
Floats = NDArray[np.float64]


def doubt(chances: Floats) -> Floats:
    """Return how far the likeliest class is from certain.

    >>> doubt(np.array([[1.0, 0.0], [0.5, 0.5], [0.75, 0.25]])).tolist()
    [0.0, 1.0, 0.5]
    """
    n_classes = chances.shape[1]
    return np.asarray(np.clip((1 - chances.max(axis=1, initial=0.0)) * n_classes / (n_classes - 1), 0.0, 1.0))


def margin(chances: Floats) -> Floats:
    """Return one less the lead of the likeliest class over the second.

    >>> margin(np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.25, 0.25]])).tolist()
    [0.0, 1.0, 0.75]
    """
    ordered = np.sort(chances, axis=1)
    return np.asarray(1 - (ordered[:, -1] - ordered[:, -2]))


def entropy(chances: Floats) -> Floats:
    """Return Shannon's entropy of the classes as a share of the largest there can be.

    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
    [0.0, 1.0]
    """
    logarithms = np.log(np.where(chances > 0, chances, 1.0))
    return np.asarray(np.clip(-(chances * logarithms).sum(axis=1) / np.log(chances.shape[1]), 0.0, 1.0) + 0.0)


REASONS: Mapping[str, Callable[[Floats], Floats]] = {"doubt": doubt, "margin": margin, "entropy": entropy}


def uncertainty(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema, reason: str = "doubt") -> Floats:
    """Return how unsure the pipeline is of every row, in [0, 1], to choose rows by.

    For a classification by the `reason` of that name. For a regression by a forest or an average of models it is the
    standard deviation between the trees, or between the models by their weights, as a share of the largest one among
    these rows (query by committee, Burbidge, Rowland & King 2007); any other regression is equally unsure (1) of all.
    """
    if schema.task == "classification":
        return REASONS[reason](probabilities(pipeline, frame, schema))
    committee = pipeline[-1] if isinstance(pipeline, Pipeline) else None
    if frame.empty or not isinstance(committee, BaseForest | VotingRegressor):
        return np.ones(len(frame))
    X = frame[list(schema.features)]
    X = pipeline[:-1].transform(X) if len(pipeline) > 1 else X
    said = np.array([one.predict(X) for one in committee.estimators_])
    weights = getattr(committee, "weights", None)
    spread = np.sqrt(np.average((said - np.average(said, axis=0, weights=weights)) ** 2, axis=0, weights=weights))
    return spread / spread.max() if spread.max() > 0 else np.ones(len(frame))


def kinds(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema, *, seed: int) -> NDArray[np.int64]:
    """Return a number per row, equal for rows that lie near each other as the pipeline prepares them (k-means).

    Rows drawn from all kinds differ more from each other than the most doubtful ones do. A pipeline that prepares
    nothing, or prepares no numbers, has one kind.
    """
    if not isinstance(pipeline, Pipeline) or len(pipeline) < 2 or len(frame) <= N_KINDS:
        return np.zeros(len(frame), dtype=np.int64)
    try:
        X = csr_array(pipeline[:-1].transform(frame[list(schema.features)]), dtype=np.float64)
    except (ValueError, TypeError):  # texts, or values of several types
        return np.zeros(len(frame), dtype=np.int64)
    X.data = np.nan_to_num(X.data)  # some estimators take missing values as they are
    means = MiniBatchKMeans(N_KINDS, n_init=1, random_state=seed).fit_predict(X)
    return np.asarray(means, dtype=np.int64)
