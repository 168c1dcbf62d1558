"""Whether predictions can be taken at their word: the predicted beside the observed (DeGroot & Fienberg 1983).

It is for people to look at; `models.compare` decides on losses, which calibration is a part of.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.pipeline import Pipeline

from models.predictions import answers, probabilities, values
from models.weighted import effective
from records.drift import Estimate
from records.review import Calibration, CalibrationBin
from records.schema import Schema

N_BINS = 10
FEWEST_ROWS = 15
Floats = NDArray[np.float64]


def reliability(
    pipeline: Pipeline, frame: pd.DataFrame, inclusion: Floats, schema: Schema, *, generation: int
) -> Calibration:
    """Return the calibration of a generation on labelled rows, each counted with 1 / inclusion.

    Of two classes the probability of the last one is looked at, of more the probability of the class that is named,
    of a regression the predicted number.
    """
    if schema.task == "regression":
        said, truth = values(pipeline, frame, schema), frame[schema.target].to_numpy(dtype=float)
        of = schema.target
    else:
        chances, right = probabilities(pipeline, frame, schema), answers(frame, schema)
        if len(schema.classes) == 2:
            said, truth, of = chances[:, 1], (right == 1).astype(float), f"chance of {schema.classes[1]}"
        else:
            named = chances.argmax(axis=1) if len(chances) else np.empty(0, dtype=np.intp)
            said, truth, of = chances.max(axis=1, initial=0.0), (named == right).astype(float), "chance of being right"
    bins = binned(said, truth, 1 / inclusion, shares=schema.task == "classification")
    error = sum(one.share * abs(one.predicted - one.observed.value) for one in bins) if bins else float("nan")
    return Calibration(generation, of, float(error), bins)


def binned(predicted: Floats, observed: Floats, weights: Floats, *, shares: bool) -> tuple[CalibrationBin, ...]:
    """Return up to ten bins of about equal weight, by rising prediction; at least 15 rows a bin, where there are.

    All arrays have shape (n_rows,). Where the observed are 0 or 1 (`shares`) the interval at 95 % is Wilson's (1927) on
    the effective number of rows, (sum w)² / sum(w²), else Student's t.

    >>> two = binned(np.repeat([0.2, 0.8], 20), np.tile([0.0, 1.0], 20), np.ones(40), shares=True)
    >>> [(one.predicted, one.observed.value, one.share) for one in two]
    [(0.2, 0.5, 0.5), (0.8, 0.5, 0.5)]
    """
    n = len(predicted)
    if not n:
        return ()
    n_bins = max(1, min(N_BINS, n // FEWEST_ROWS))
    order = np.argsort(predicted, kind="stable")
    reached = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    edges = np.unique(predicted[order][np.searchsorted(reached, np.arange(1, n_bins) / n_bins).clip(max=n - 1)])
    place = np.searchsorted(edges, predicted, side="right")
    found = []
    for number in np.unique(place):
        inside = place == number
        w = weights[inside]
        found.append(
            CalibrationBin(
                round(float(np.average(predicted[inside], weights=w)), 12),
                _wilson(observed[inside], w) if shares else _student(observed[inside], w),
                float(w.sum() / weights.sum()),
            )
        )
    return tuple(found)


def _wilson(observed: Floats, weights: Floats) -> Estimate:
    share = float(np.average(observed, weights=weights))
    n, z = effective(weights), float(stats.norm.ppf(0.975))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return Estimate(share, max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0))


def _student(observed: Floats, weights: Floats) -> Estimate:
    mean = float(np.average(observed, weights=weights))
    n = effective(weights)
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"))
    spread = float(np.sqrt(np.average((observed - mean) ** 2, weights=weights) / (n - 1)))
    half = float(stats.t.ppf(0.975, n - 1)) * spread
    return Estimate(mean, mean - half, mean + half)
