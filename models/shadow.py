"""What two generations say about the same rows, side by side: kept for later, used for nothing."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.compare import gain
from models.loss import of_predictions
from models.predictions import probabilities, truths, values
from records.drift import Estimate
from records.schema import Schema

SIDES = ("champion", "challenger")
NOTICEABLE = 0.01
Floats = NDArray[np.float64]


def beside(champion: Pipeline, challenger: Pipeline, frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return a row per row of `frame`: its `row_key`, and each side's answer in `champion` and `challenger`.

    A classification also has the probability of each class, in columns such as `champion p(late)`.
    """
    columns: dict[str, object] = {"row_key": frame[schema.row_key].astype(str).to_numpy()}
    for side, pipeline in zip(SIDES, (champion, challenger), strict=True):
        if schema.task == "regression":
            columns[side] = values(pipeline, frame, schema)
            continue
        chances = probabilities(pipeline, frame, schema)
        columns[side] = np.array(schema.classes, dtype=object)[chances.argmax(axis=1)]
        columns |= {_column(side, name): chances[:, place] for place, name in enumerate(schema.classes)}
    return pd.DataFrame(columns)


def apart(said: pd.DataFrame, schema: Schema) -> tuple[float, float]:
    """Return the share of rows with another answer, and the mean distance of the predictions; `nan` for no row.

    The distance is the total variation of the probabilities, in [0, 1], or the absolute difference of the numbers;
    numbers are another answer where they differ by over 1 % of the range of all of them.

    >>> schema = Schema("id", "at", "y", "regression", ("x",), ())
    >>> apart(pd.DataFrame({"row_key": ["a", "b"], "champion": [0.0, 10.0], "challenger": [0.05, 5.0]}), schema)
    (0.5, 2.525)
    """
    if said.empty:
        return float("nan"), float("nan")
    if schema.task == "regression":
        both = said[list(SIDES)].to_numpy(dtype=float)
        distance = np.abs(both[:, 0] - both[:, 1])
        return float((distance > NOTICEABLE * np.ptp(both)).mean()), float(distance.mean())
    old, new = (_chances(said, side, schema) for side in SIDES)
    different = (said["champion"] != said["challenger"]).mean()
    return float(different), float(np.abs(old - new).sum(axis=1).mean() / 2)


def paired_gain(said: pd.DataFrame, known: pd.DataFrame, inclusion: Floats, schema: Schema, *, loss: str) -> Estimate:
    """Return the champion's mean loss minus the challenger's where the answer is known, at 95 %.

    `known` has the key and the target of rows among `said`, each drawn with its `inclusion` probability.
    """
    rows = said.set_index("row_key").loc[known[schema.row_key].astype(str).tolist()]
    old, new = (_losses(rows, side, known, schema, loss) for side in SIDES)
    return gain(old - new, 1 / inclusion, alpha=0.05, steps=loss == "zero_one")


def _losses(said: pd.DataFrame, side: str, known: pd.DataFrame, schema: Schema, loss: str) -> Floats:
    numbers = said[side].to_numpy(dtype=float) if schema.task == "regression" else _chances(said, side, schema)
    return of_predictions(numbers, truths(known, schema), schema, loss)


def _chances(said: pd.DataFrame, side: str, schema: Schema) -> Floats:
    return said[[_column(side, name) for name in schema.classes]].to_numpy(dtype=float)


def _column(side: str, name: str) -> str:
    return f"{side} p({name})"
