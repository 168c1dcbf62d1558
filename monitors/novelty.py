"""Which rows of the snapshot would have been new to the rest of it: what a new window may bring too."""

import numpy as np
import pandas as pd
from pandas import Series

from monitors.ordinary import Marks
from monitors.pieces import Ids


def below_the_rest(numbers: Series, ids: Ids) -> Marks:
    """Mark the rows that are lower than any row of the other pieces; `ids` gives each row's piece.

    >>> below_the_rest(Series([3.0, 1.0, 2.0, 5.0, float("nan")]), np.array([0, 0, 0, 1, 1])).tolist()
    [True, True, True, False, False]
    """
    lowest = numbers.groupby(ids).min().dropna().sort_values()
    if len(lowest) < 2:
        return np.zeros(len(numbers), dtype=np.bool_)
    return np.asarray((ids == lowest.index[0]) & (numbers < lowest.iloc[1]).to_numpy())


def only_here(values: Series, ids: Ids) -> Marks:
    """Mark the rows whose value no row of another piece has; a missing value is none.

    >>> only_here(Series(["a", "b", "b", "c", None]), np.array([0, 0, 1, 1, 1])).tolist()
    [True, False, False, True, False]
    """
    codes, _ = pd.factorize(values)
    pieces = Series(ids).groupby(codes)
    lonely = (pieces.transform("min") == pieces.transform("max")).to_numpy()
    return np.asarray(lonely & (codes >= 0))
