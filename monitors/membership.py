"""Which rows of a normalised frame are inside a slice."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from records.errors import BadData
from records.slice import Between, Condition, OneOf, Slice

REST = "rest"


def inside(slice_: Slice, frame: DataFrame) -> NDArray[np.bool_]:
    """Tell for each row of `frame` whether it satisfies every condition of `slice_`; shape `(n_rows,)`.

    A missing value (NaN, None) is inside a condition only where that says `missing`; a category the condition does
    not list is outside; `Between` without any edge means "is missing" or "is known". A slice without conditions
    holds every row. Raises `BadData` if a column is absent, or not numeric under a `Between`.

    >>> import pandas as pd
    >>> from records.drift import Estimate
    >>> late = Slice((Between("hour", low=18.0), OneOf("carrier", ("B6",), missing=True)), 0.1, 0.3,
    ...              Estimate(3.0, 2.0, 4.5), 0.001, 3)
    >>> frame = pd.DataFrame({"hour": [17.9, 18, 23, float("nan"), 20], "carrier": ["B6", "B6", None, "B6", "ZZ"]})
    >>> inside(late, frame).tolist()
    [False, True, True, False, False]
    """
    return meet(slice_.conditions, frame)


def meet(conditions: Iterable[Condition], frame: DataFrame) -> NDArray[np.bool_]:
    """Tell for each row of `frame` whether it satisfies all of some conditions; see `inside`."""
    rows = np.ones(len(frame), dtype=np.bool_)
    for condition in conditions:
        rows &= satisfies(condition, frame)
    return rows


def satisfies(condition: Condition, frame: DataFrame) -> NDArray[np.bool_]:
    """Tell for each row of `frame` whether it satisfies one condition; shape `(n_rows,)`.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"temp": [1.0, 2.0, float("nan")], "sky": ["clear", None, "new"]})
    >>> satisfies(Between("temp", missing=True), frame).tolist(), satisfies(Between("temp"), frame).tolist()
    ([False, False, True], [True, True, False])
    >>> satisfies(Between("temp", high=2.0, missing=True), frame).tolist()
    [True, False, True]
    >>> satisfies(OneOf("sky", ("clear",)), frame).tolist()
    [True, False, False]
    """
    if condition.column not in frame.columns:
        raise BadData(
            f"a slice asks for column {condition.column!r}, which is not among {list(map(str, frame.columns))!r}; "
            "read the rows with the schema the slice was found with"
        )
    column = frame[condition.column]
    missing = column.isna().to_numpy(dtype=np.bool_)
    if isinstance(condition, OneOf):
        listed = column.isin(list(condition.values)).to_numpy(dtype=np.bool_)
        return (listed & ~missing) | (missing & condition.missing)
    if not is_numeric_dtype(column) or is_bool_dtype(column):
        raise BadData(
            f"a slice compares column {condition.column!r} with numbers, but it holds {str(column.dtype)!r}; "
            "normalise the rows with the schema first"
        )
    return _within(condition, column.to_numpy(dtype=np.float64, na_value=np.nan), missing)


def assign(slices: Sequence[Slice], frame: DataFrame) -> NDArray[np.object_]:
    """Name for each row of `frame` the first of `slices` it is inside, else `"rest"`; shape `(n_rows,)`.

    >>> import pandas as pd
    >>> from records.drift import Estimate
    >>> cold, dry = (Slice((Between(name, high=5.0),), 0.1, 0.2, Estimate(2.0, 1.5, 2.7), 0.01, 9)
    ...              for name in ("temp", "rain"))
    >>> assign([cold, dry], pd.DataFrame({"temp": [0.0, 9.0, 9.0], "rain": [0.0, 0.0, 9.0]})).tolist()
    ['temp < 5', 'rain < 5', 'rest']
    """
    names = np.full(len(frame), REST, dtype=object)
    for slice_ in reversed(slices):
        names[inside(slice_, frame)] = slice_.name
    return names


def _within(condition: Between, values: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if condition.low is None and condition.high is None:
        return missing if condition.missing else ~missing
    rows = ~missing
    if condition.low is not None:
        rows = rows & (values >= condition.low)
    if condition.high is not None:
        rows = rows & (values < condition.high)
    return rows | (missing & condition.missing)
