"""What is usual for each feature in the snapshot, so that a person can see what is unusual about a row."""

from dataclasses import dataclass
from math import nan

import pandas as pd

from records.schema import Schema

N_COMMONEST = 3


@dataclass(frozen=True, slots=True)
class Usual:
    """One feature's usual values in the snapshot, missing ones left out.

    Numeric: the 5 %, 50 % and 95 % quantiles. Categorical: the commonest values with their shares, and every value
    that occurs at all in `known`. What does not apply is `nan` or empty; so is everything of an all-missing column.
    """

    column: str
    low: float = nan
    median: float = nan
    high: float = nan
    commonest: tuple[tuple[str, float], ...] = ()
    known: frozenset[str] = frozenset()


def usual_ranges(reference: pd.DataFrame, schema: Schema) -> dict[str, Usual]:
    """Return what is usual for each feature of a normalised frame but texts, by column name.

    >>> schema = Schema("id", "t", "y", "regression", numeric=("age",), categorical=("sex",))
    >>> frame = pd.DataFrame({"age": [20.0, 30.0, 40.0, None], "sex": ["f", "f", "m", None]})
    >>> ranges = usual_ranges(frame, schema)
    >>> ranges["age"].low, ranges["age"].median, ranges["age"].high
    (21.0, 30.0, 39.0)
    >>> [(value, round(share, 3)) for value, share in ranges["sex"].commonest]
    [('f', 0.667), ('m', 0.333)]
    """
    ranges = {name: _numeric(name, reference[name]) for name in schema.numbers}
    return ranges | {name: _categorical(name, reference[name]) for name in schema.categorical}


def _numeric(name: str, values: "pd.Series[float]") -> Usual:
    low, median, high = values.quantile([0.05, 0.5, 0.95])
    return Usual(name, low=float(low), median=float(median), high=float(high))


def _categorical(name: str, values: "pd.Series[str]") -> Usual:
    shares = values.value_counts(normalize=True)
    ordered = sorted(
        ((str(value), float(share)) for value, share in shares.items()), key=lambda pair: (-pair[1], pair[0])
    )
    return Usual(name, commonest=tuple(ordered[:N_COMMONEST]), known=frozenset(value for value, _ in ordered))
