"""The pipeline of a generation: impute, scale and encode, then one estimator; library classes only.

The fitted pipeline must load without Driftloop, so nothing of ours may be in it: no class, no function.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from models.accelerate import estimator
from records.schema import Schema

MISSING = "(missing)"
N_TOPICS = 20


def build(schema: Schema, name: str, *, seed: int, accelerated: bool = True) -> Pipeline:
    """Return an unfitted pipeline of two steps, `prepare` and `model`, that takes a frame with the schema's features.

    Numeric columns: the median replaces a missing value, a column of 0 and 1 says where (if any was missing in
    training), and all are scaled. Categorical columns: missing is a category of its own; rare categories share one.
    For a linear model the 50 commonest get a column each and a category never seen counts as rare; for a forest the
    categories are numbered, a category never seen is -1. A text becomes 20 topics: the main directions (latent semantic
    analysis, Deerwester et al. 1990) of its words' tf-idf weights. The output is dense, as accelerated estimators need
    it. Raises `BadSettings` for an unknown estimator.

    >>> schema = Schema("id", "at", "late", "classification", ("hour",), ("carrier",), ("no", "yes"))
    >>> [name for name, _ in build(schema, "linear", seed=0, accelerated=False).steps]
    ['prepare', 'model']
    """
    model = estimator(name, schema.task, seed=seed, accelerated=accelerated)
    numeric = [
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("scale", StandardScaler()),
    ]
    categorical = [
        # Frames hold None; a service that scores rows of JSON may hand over NaN.
        ("nan", SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True)),
        ("none", SimpleImputer(missing_values=None, strategy="constant", fill_value=MISSING, keep_empty_features=True)),
        ("encode", _encoder(is_forest=hasattr(model, "n_estimators"))),
    ]
    parts = [
        ("numeric", Pipeline(numeric), list(schema.numbers)),
        ("categorical", Pipeline(categorical), list(schema.categorical)),
        *((f"text {name}", _topics(seed), [name]) for name in schema.text),
    ]
    prepare = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)
    return Pipeline([("prepare", prepare), ("model", model)])


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


def _encoder(*, is_forest: bool) -> BaseEstimator:
    if is_forest:
        # On 20 000 flights an accelerated forest took 0.8 s of CPU on numbered categories and 2.1 s on one column
        # per category, at a Brier loss of .178 and .179. oneDAL cuts a column in at most 256 bins.
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=5, max_categories=250)
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, max_categories=50, sparse_output=False)
