"""The pipeline of a generation: impute, scale and encode, then one estimator; library classes only.

The fitted pipeline must load without Driftloop, so nothing of ours may be in it: no class, no function.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from models.accelerate import N_TREES, estimator
from records.schema import Schema

MISSING = "(missing)"
N_TOPICS = 20
SPREAD = ("linear", "logistic", "ridge", "neighbors", "support_vectors")
"""Estimators to which a category's number says nothing: each category gets a column."""


def build(schema: Schema, name: str, *, seed: int, accelerated: bool = True) -> Pipeline:
    """Return an unfitted pipeline of two steps, `prepare` and `model`, that takes a frame with the schema's features.

    The first step is that of `preparation`. Raises `BadSettings` for an unknown estimator.

    >>> schema = Schema("id", "at", "late", "classification", ("hour",), ("carrier",), ("no", "yes"))
    >>> [name for name, _ in build(schema, "linear", seed=0, accelerated=False).steps]
    ['prepare', 'model']
    """
    model = estimator(name, schema.task, seed=seed, accelerated=accelerated)
    return Pipeline([("prepare", preparation(schema, seed=seed, spread=name in SPREAD)), ("model", model)])


def preparation(schema: Schema, *, seed: int, spread: bool) -> ColumnTransformer:
    """Return what makes a dense matrix of a frame with the schema's features, as accelerated estimators need it.

    Numeric columns: the median replaces a missing value, a column of 0 and 1 says where (if any was missing in
    training), and all are scaled. Categorical columns: missing is a category of its own; rare categories share one.
    With `spread`, for linear models and neighbours, the 50 commonest get a column each and a category never seen counts
    as rare; without, for trees, the categories are numbered, a category never seen is -1. A text becomes 20 topics: the
    main directions (latent semantic analysis, Deerwester et al. 1990) of its words' tf-idf weights.
    """
    numeric = [
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("scale", StandardScaler()),
    ]
    categorical = [
        # Frames hold None; a service that scores rows of JSON may hand over NaN.
        ("nan", SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True)),
        ("none", SimpleImputer(missing_values=None, strategy="constant", fill_value=MISSING, keep_empty_features=True)),
        ("encode", _encoder(spread=spread)),
    ]
    parts = [
        ("numeric", Pipeline(numeric), list(schema.numbers)),
        ("categorical", Pipeline(categorical), list(schema.categorical)),
        *((f"text {name}", _topics(seed), [name]) for name in schema.text),
    ]
    return ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)


def member(
    schema: Schema,
    prepared: ColumnTransformer,
    name: str,
    *,
    seed: int,
    corrected: BaseEstimator | None = None,
    accelerated: bool = True,
    n_trees: int = N_TREES,
    n_jobs: int | None = None,
) -> Pipeline:
    """Return an unfitted pipeline that takes what a fitted `preparation` without spread makes of a frame.

    So estimators of every kind can learn from one matrix and be averaged: where one needs a column per category, it
    makes them of the numbers. With a fitted model to be `corrected`, what that says is put before the other columns
    (stacking, Wolpert 1992).
    """
    model = estimator(name, schema.task, seed=seed, accelerated=accelerated, n_trees=n_trees, n_jobs=n_jobs)
    if corrected is not None:
        kind = StackingClassifier if schema.task == "classification" else StackingRegressor
        last = make_pipeline(StandardScaler(), model)
        before = [("snapshot", FrozenEstimator(corrected))]
        return Pipeline([("model", kind(before, last, cv="prefit", passthrough=True))])
    place = prepared.output_indices_.get("categorical", slice(0, 0))
    if name not in SPREAD or place.start == place.stop:
        return Pipeline([("model", model)])
    columns = list(range(place.start, place.stop))
    encode = ColumnTransformer(
        [("categorical", _encoder(spread=True), columns)], remainder="passthrough", sparse_threshold=0
    )
    return Pipeline([("encode", encode), ("model", model)])


def learner(pipeline: Pipeline) -> BaseEstimator:
    """Return the estimator of a pipeline that learns from labels: the last step, or what corrects another model.

    >>> learner(Pipeline([("prepare", StandardScaler()), ("model", "drop")]))
    'drop'
    """
    last = pipeline[-1]
    return last.final_estimator[-1] if isinstance(last, StackingClassifier | StackingRegressor) else last


def _topics(seed: int) -> Pipeline:
    return Pipeline(
        [
            ("nan", SimpleImputer(strategy="constant", fill_value="", keep_empty_features=True)),
            ("none", SimpleImputer(missing_values=None, strategy="constant", fill_value="", keep_empty_features=True)),
            ("flat", FunctionTransformer(np.ravel)),
            ("words", HashingVectorizer(n_features=2**15, alternate_sign=False, norm=None)),
            ("weights", TfidfTransformer(sublinear_tf=True)),
            ("topics", TruncatedSVD(N_TOPICS, random_state=seed)),
        ]
    )


def _encoder(*, spread: bool) -> BaseEstimator:
    if not spread:
        # On 20 000 flights an accelerated forest took 0.8 s of CPU on numbered categories and 2.1 s on one column
        # per category, at a Brier loss of .178 and .179. oneDAL cuts a column in at most 256 bins.
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=5, max_categories=250)
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, max_categories=50, sparse_output=False)
