"""How rows of today differ from the snapshot's: which old rows are like them, and where old values would lie today."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.accelerate import estimator
from records.schema import Schema

Floats = NDArray[np.float64]
LEAST, MOST = 0.1, 10.0
FEWEST_VALUES = 20
N_QUANTILES = 101


def importance(old: Floats, now: Floats, *, seed: int) -> Floats:
    """Return how much commoner rows like each old one are today, with a mean of 1, shape (n_old,).

    It is `likelihood_ratio` kept within 0.1 and 10 times its mean. Without rows of today all weights are 1.
    """
    if len(old) < FEWEST_VALUES or len(now) < FEWEST_VALUES:
        return np.ones(len(old))
    ratio = likelihood_ratio(old, now, seed=seed)
    weights = np.clip(ratio / ratio.mean(), LEAST, MOST)
    return np.asarray(weights / weights.mean())


def likelihood_ratio(old: Floats, now: Floats, *, seed: int) -> Floats:
    """Return how many times as likely a row like each old one is today, shape (n_old,).

    Both are prepared rows, (n_old, n_columns) and (n_now, n_columns). A forest that tells old rows from those of today
    is cross-fitted and recalibrated on its logit; the odds are the ratio (Bickel, Brückner & Scheffer 2009). Its mean
    is about 1 where old rows cover what is there today, and near 0 where no old row is like it.
    """
    X, is_now = np.vstack([old, now]), np.repeat([0, 1], [len(old), len(now)])
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    forest = estimator("random_forest", "classification", seed=seed, n_trees=50)
    chance = cross_val_predict(forest, X, is_now, cv=folds, method="predict_proba")[:, 1]
    logit = np.log(np.clip(chance, 0.01, 0.99) / (1 - np.clip(chance, 0.01, 0.99)))[:, None]
    calibrated = make_pipeline(StandardScaler(), LogisticRegression()).fit(logit, is_now)
    likely = calibrated.predict_proba(logit[: len(old)])[:, 1]
    return np.asarray(likely / (1 - likely) * len(old) / len(now))


def moved(old: pd.DataFrame, now: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the old rows with every number where its rank among the old ones lies among those of today.

    That is optimal transport column by column: right where a sensor drifts and the relation to ranks stays, wrong
    where other rows come, so it is one way to teach among others. Columns with fewer than 20 different values, and
    categories, stay as they are; so does what is missing.

    >>> schema = Schema("id", "at", "y", "regression", ("x",), ())
    >>> old = pd.DataFrame({"x": np.arange(100.0)})
    >>> moved(old, old + 50, schema)["x"].head(3).tolist()
    [50.0, 51.0, 52.0]
    """
    quantiles = np.linspace(0, 1, N_QUANTILES)
    columns = {}
    for name in schema.numbers:
        before, today = old[name].dropna(), now[name].dropna()
        if min(before.nunique(), today.nunique()) >= FEWEST_VALUES:
            mapped = np.interp(old[name], np.quantile(before, quantiles), np.quantile(today, quantiles))
            columns[name] = np.where(old[name].isna(), np.nan, mapped)
    return old.assign(**columns)
