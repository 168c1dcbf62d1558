"""Which rows are so alike that a label of one tells as much as labels of all."""

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from records.schema import Schema

DIGITS = 3
"""Numbers that are equal to so many significant digits are the same to a person."""


def alike(frame: pd.DataFrame, schema: Schema) -> list[Hashable]:
    """Return one value per row, equal for rows that are near-duplicates in every feature.

    Numbers are compared to three significant digits, moments by day, categories as they are, and texts without case
    and with single spaces.

    >>> schema = Schema("id", "t", "y", "regression", ("age",), ("sex",))
    >>> rows = pd.DataFrame({"age": [30.0, 30.01, 31.0, None], "sex": ["f", "f", "f", "m"]})
    >>> marks = alike(rows, schema)
    >>> [marks.index(mark) for mark in marks]
    [0, 0, 2, 3]
    """
    columns: list[pd.Series] = []
    for name in (*schema.numeric, *schema.datetime):
        values = frame[name].to_numpy(dtype=float)
        columns.append(pd.Series(np.round(values) if name in schema.datetime else _rounded(values), index=frame.index))
    columns += [frame[name].astype(object) for name in schema.categorical]
    for name in schema.text:
        columns.append(frame[name].map(lambda said: " ".join(said.lower().split()) if isinstance(said, str) else None))
    if not columns:
        return [*range(len(frame))]
    together = pd.concat(columns, axis=1, keys=range(len(columns)))
    return [*together.groupby(list(together.columns), dropna=False, sort=False).ngroup().tolist()]


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values) & (values != 0)
    size = np.floor(np.log10(np.abs(values), where=known, out=np.zeros_like(values)))
    step = 10.0 ** (size - DIGITS + 1)
    return np.where(known, np.round(np.where(known, values, 0.0) / step) * step, values)
