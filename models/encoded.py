"""What types of values the encoders of a fitted pipeline know, which shows what it was fitted on."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline


def encoded_types(pipeline: Pipeline) -> dict[str, str]:
    """Return the type of the values each encoded column had, by the name of the column.

    Encoders are the steps with `categories_` (one-hot, ordinal and target encoders) inside column transformers; what
    stands elsewhere is not looked at. Missing values do not count.

    >>> import pandas as pd
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> frame = pd.DataFrame({"sky": ["clear", None], "wet": [True, False]})
    >>> columns = ColumnTransformer([("encode", OneHotEncoder(), ["sky", "wet"])])
    >>> encoded_types(Pipeline([("prepare", columns.fit(frame))]))
    {'sky': 'str', 'wet': 'bool'}
    """
    found: dict[str, str] = {}
    for _, step in pipeline.steps:
        for _, transformer, columns in step.transformers_ if isinstance(step, ColumnTransformer) else ():
            encoder = transformer[-1] if isinstance(transformer, Pipeline) else transformer
            known = getattr(encoder, "categories_", ())
            if len(known) == len(columns):
                found |= {str(name): _type(values) for name, values in zip(columns, known, strict=True)}
    return found


def _type(values: Any) -> str:
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    kinds = {type(value).__name__ for value in plain if value is not None and value == value}
    return "str" if kinds <= {"str"} else sorted(kinds - {"str"})[0]
