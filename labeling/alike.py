"""Which rows are so alike that a label of one tells as much as labels of all."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from records.schema import Schema

STEPS_PER_SD = 20
"""Numbers that round to the same twentieth of their standard deviation are the same to a person."""


def alike(frame: pd.DataFrame, schema: Schema) -> list[Hashable]:
    """Return one value per row, equal for rows that are near-duplicates in every feature.

    Numbers are compared in twentieths of their standard deviation in `frame`, moments by day, categories as they are,
    and texts without case and with single spaces.

    >>> schema = Schema("id", "t", "y", "regression", ("age",), ("sex",))
    >>> rows = pd.DataFrame({"age": [30.0, 30.01, 50.0, None], "sex": ["f", "f", "f", "m"]})
    >>> marks = alike(rows, schema)
    >>> [marks.index(mark) for mark in marks]
    [0, 0, 2, 3]
    """
    columns: list[pd.Series] = []
    for name in (*schema.numeric, *schema.datetime):
        values = frame[name].astype(float)
        step = 1.0 if name in schema.datetime else float(values.std(ddof=0)) / STEPS_PER_SD
        columns.append((values / step).round() if np.isfinite(step) and step > 0 else values)
    columns += [frame[name].astype(object) for name in schema.categorical]
    for name in schema.text:
        columns.append(frame[name].map(lambda said: " ".join(said.lower().split()) if isinstance(said, str) else None))
    if not columns:
        return [*range(len(frame))]
    together = pd.concat(columns, axis=1, keys=range(len(columns)))
    return [*together.groupby(list(together.columns), dropna=False, sort=False).ngroup().tolist()]
