"""What a model of the holdout's losses and a classifier of the two domains say about each row, cross-fitted.

Cross-fitted means that no row is described by a model it taught, which keeps the estimates built on them unbiased
(Chernozhukov et al. 2018).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from monitors.texts import bags, lengths, read_text
from records.schema import Schema

FOLDS = 5
LARGEST_WEIGHT = 20.0
UNSUPPORTED_ODDS = 19.0  # a domain probability of .95 when both domains count alike
MOST_CATEGORIES = 200
ROWS_WORTH_THREADS = 20_000  # with fewer rows, threads of the trees wait for each other longer than they work

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Per row of the holdout and the batch: the loss its features led to expect; and how alike the two are.

    `weights` (one per holdout row, mean 1) make the holdout resemble the batch: clipped, normalised density ratios
    batch / holdout. `odds` are the same ratios at the batch's own rows, not clipped. `spread_batch` is the standard
    deviation of the loss that each row of the batch is expected to have about its expected loss.
    """

    expected_holdout: Numbers
    expected_batch: Numbers
    weights: Numbers
    odds: Numbers
    spread_batch: Numbers

    @property
    def effective_share(self) -> float:
        """Kish's effective sample size of the weights, as a share of the holdout, in `(0, 1]`."""
        return float(self.weights.sum() ** 2 / (len(self.weights) * (self.weights**2).sum()))

    @property
    def unsupported_share(self) -> float:
        """The share of the batch over 19 times as dense as the holdout is there (domain probability > .95)."""
        return float((self.odds > UNSUPPORTED_ODDS).mean())


def measure(
    holdout: DataFrame,
    losses: Numbers,
    batch: DataFrame,
    schema: Schema,
    *,
    seed: int,
    own: tuple[Numbers, Numbers] | None = None,
) -> Likeness:
    """Fit the models by 5-fold cross-fitting, on normalised frames with at least 5 rows each.

    `own` is what the monitored model itself expects to lose on every row of the holdout and of the batch, which tells
    more of the loss than the features do.
    """
    n_threads = 1 if len(holdout) + len(batch) < ROWS_WORTH_THREADS else None
    hint = np.zeros(len(holdout) + len(batch)) if own is None else np.concatenate(own)
    with threadpool_limits(n_threads, user_api="openmp"):
        return _measure(holdout, losses, batch, schema, hint, seed)


def _measure(
    holdout: DataFrame, losses: Numbers, batch: DataFrame, schema: Schema, hint: Numbers, seed: int
) -> Likeness:
    X = np.concatenate([encode(holdout, holdout, schema), encode(holdout, batch, schema)])
    X = np.column_stack([X, hint])  # also keeps one column whose values are all known
    n, is_batch = len(holdout), np.arange(len(X)) >= len(holdout)
    categorical = np.zeros(X.shape[1], dtype=np.bool_)
    categorical[len(schema.numbers) : len(schema.numbers) + len(schema.categorical)] = True
    expected_holdout, expected_batch, logits = np.zeros(n), np.zeros(len(X) - n), np.zeros(len(X))
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    for (teach, spare), (teach_batch, spare_batch) in zip(folds.split(X[:n]), folds.split(X[n:]), strict=True):
        known = ~np.isnan(X[teach]).all(axis=0)
        trees = HistGradientBoostingRegressor(**_settings(categorical[known], seed)).fit(
            X[teach][:, known], losses[teach]
        )
        expected_holdout[spare] = trees.predict(X[spare][:, known])
        expected_batch += trees.predict(X[n:][:, known]) / FOLDS
        both, apart = np.concatenate([teach, n + teach_batch]), np.concatenate([spare, n + spare_batch])
        known = ~np.isnan(X[both]).all(axis=0)
        domain = HistGradientBoostingClassifier(**_settings(categorical[known], seed)).fit(
            X[both][:, known], is_batch[both]
        )
        logits[apart] = domain.decision_function(X[apart][:, known])
    odds = _recalibrated_odds(logits, is_batch)
    weights = np.minimum(odds[:n], LARGEST_WEIGHT)
    known = ~np.isnan(X[:n]).all(axis=0)
    squares = (losses - expected_holdout) ** 2  # of rows that did not teach what was expected of them
    variance = HistGradientBoostingRegressor(**_settings(categorical[known], seed)).fit(X[:n][:, known], squares)
    spread_batch = np.sqrt(np.maximum(variance.predict(X[n:][:, known]), 0.0))
    return Likeness(expected_holdout, expected_batch, weights / weights.mean(), odds[n:], spread_batch)


def _settings(categorical: NDArray[np.bool_], seed: int) -> dict[str, Any]:
    """Return the settings of small, smooth trees, which suit both models: neither should follow single rows."""
    return {
        "learning_rate": 0.1,
        "max_iter": 40,
        "max_leaf_nodes": 8,
        "l2_regularization": 5.0,
        "early_stopping": False,
        "categorical_features": categorical,
        "random_state": seed,
    }


def encode(reference: DataFrame, frame: DataFrame, schema: Schema) -> Numbers:
    """Return the features as numbers, one row each: numbers as they are, then categories by their rank in `reference`.

    A text follows as its number of characters and whether it has each of the reference's words (`monitors.texts`).
    Missing stays NaN; a category `reference` lacks, or has too many of, gets the code after the last.

    >>> schema = Schema("id", "at", "y", "classification", ("hour",), ("sky",), ("no", "yes"))
    >>> known = DataFrame({"hour": [1.0, 2.0], "sky": ["rain", "clear"]})
    >>> encode(known, DataFrame({"hour": [3.0, 4.0, 5.0], "sky": ["clear", "ash", None]}), schema).tolist()
    [[3.0, 0.0], [4.0, 2.0], [5.0, nan]]
    """
    columns: list[Numbers] = [frame[name].to_numpy(dtype=np.float64) for name in schema.numbers]
    for name in schema.categorical:
        common = reference[name].value_counts().head(MOST_CATEGORIES).index
        ranks = {value: float(rank) for rank, value in enumerate(sorted(common))}
        codes = frame[name].map(ranks).fillna(float(len(ranks))).to_numpy(dtype=np.float64)
        columns.append(np.where(frame[name].isna(), np.nan, codes))
    for name in schema.text:
        words = read_text(name, reference[name]).buckets
        columns += [lengths(frame[name]).to_numpy(), *bags(frame[name])[:, words].toarray().T]
    return np.column_stack(columns) if columns else np.zeros((len(frame), 0))


def _recalibrated_odds(logits: Numbers, is_batch: NDArray[np.bool_]) -> Numbers:
    """Return density ratios batch / holdout from out-of-fold logits, recalibrated by Platt (1999)."""
    platt = LogisticRegression(C=1e6).fit(logits[:, None], is_batch)
    prior = is_batch.mean() / (1 - is_batch.mean())
    return np.asarray(np.exp(np.clip(platt.decision_function(logits[:, None]), -30, 30)) / prior, dtype=np.float64)
