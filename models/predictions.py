"""What a pipeline says about rows, in the order of the schema's classes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from records.errors import BadData
from records.schema import Schema


def probabilities(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64]:
    """Return the probability of every class, shape (n_rows, n_classes), columns in the order of `schema.classes`.

    A class the pipeline never saw has probability 0; a pipeline without probabilities gives 1 to the class it names.
    Raises `BadData` when the pipeline cannot take the rows or names a class the schema does not.
    """
    n_classes = len(schema.classes)
    if frame.empty:
        return np.empty((0, n_classes))
    known = {name: place for place, name in enumerate(schema.classes)}
    if not hasattr(pipeline, "predict_proba"):
        return np.eye(n_classes)[_places([_text(value) for value in _ask(pipeline.predict, frame, schema)], known)]
    given = np.asarray(_ask(pipeline.predict_proba, frame, schema), dtype=float)
    aligned = np.zeros((len(frame), n_classes))
    aligned[:, _places([_text(value) for value in pipeline.classes_], known)] = given
    return aligned


def values(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64]:
    """Return the predicted number of every row; raises `BadData` when the pipeline cannot take the rows."""
    if frame.empty:
        return np.empty(0)
    return np.asarray(_ask(pipeline.predict, frame, schema), dtype=float)


def of_matrix(model: Pipeline, X: NDArray[np.float64], schema: Schema) -> NDArray[np.float64]:
    """Return what a model of prepared rows says of them: (n_rows, n_classes) probabilities, or (n_rows,) numbers."""
    if schema.task == "regression":
        return np.asarray(model.predict(X), dtype=float) if len(X) else np.empty(0)
    aligned = np.zeros((len(X), len(schema.classes)))
    if len(X):
        known = {name: place for place, name in enumerate(schema.classes)}
        aligned[:, _places([_text(value) for value in model.classes_], known)] = model.predict_proba(X)
    return aligned


def named(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema) -> list[str]:
    """Return the answer the pipeline gives for every row, as a person would write it: a class, or a number as text."""
    if schema.task == "classification":
        return [schema.classes[place] for place in probabilities(pipeline, frame, schema).argmax(axis=1)]
    return [f"{value:.6g}" for value in values(pipeline, frame, schema)]


def answers(frame: pd.DataFrame, schema: Schema) -> NDArray[np.intp]:
    """Return each row's class as its place in `schema.classes`; raises `BadData` for any other answer."""
    return _places(frame[schema.target].tolist(), {name: place for place, name in enumerate(schema.classes)})


def truths(frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64] | NDArray[np.intp]:
    """Return what is true of each row: the place of its class in `schema.classes`, or of a regression the number."""
    if schema.task == "regression":
        return frame[schema.target].to_numpy(dtype=float)
    return answers(frame, schema)


def _ask(method: Any, frame: pd.DataFrame, schema: Schema) -> Any:
    try:
        return method(frame[list(schema.features)])
    except (ValueError, TypeError, KeyError) as error:
        problem = str(error).splitlines()[0]
        raise BadData(
            f"the model cannot predict these {len(frame)} rows: {problem}; check the columns in the settings"
        ) from None


def _places(names: list[Any], known: dict[str, int]) -> NDArray[np.intp]:
    unknown = sorted({repr(name) for name in names if name not in known})
    if unknown:
        raise BadData(
            f"class {unknown[0]} is not one of {', '.join(map(repr, known))}; correct `classes` in the settings"
        )
    return np.array([known[name] for name in names], dtype=np.intp)


def _text(value: Any) -> str:
    """A class as the schema writes it: adopted models may know 0 and 1 as integers or floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
