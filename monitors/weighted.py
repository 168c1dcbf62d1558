"""Rows that count with a weight, and what remains of them once a slice has explained its part."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from monitors.membership import meet
from records.slice import Condition


@dataclass(frozen=True, slots=True)
class Weighted:
    """Rows of a normalised frame, and a weight of 0 or more for each, shape `(n_rows,)`."""

    frame: DataFrame
    weights: NDArray[np.float64]

    @property
    def total(self) -> float:
        """The weight of all rows."""
        return float(self.weights.sum())

    def effective(self) -> "Weighted":
        """Return the rows with weights that sum to their effective number, `(sum w)² / sum w²` (Kish 1965).

        >>> Weighted(DataFrame(index=range(3)), np.array([2.0, 2.0, 0.0])).effective().weights.tolist()
        [1.0, 1.0, 0.0]
        """
        squares = float((self.weights**2).sum())
        return replace(self, weights=self.weights * (self.total / squares)) if squares > 0 else self


def explain(dense: Weighted, other: Weighted, conditions: Iterable[Condition]) -> Weighted:
    """Weigh the rows of `dense` inside a slice down until they are as dense, against `other`, as those outside.

    >>> hours = DataFrame({"hour": [1.0, 2.0, 3.0, 4.0]})
    >>> from records.slice import Between
    >>> more = Weighted(hours, np.array([1.0, 1.0, 3.0, 3.0]))
    >>> explain(more, Weighted(hours, np.ones(4)), [Between("hour", low=3.0)]).weights.tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    rows, others = meet(conditions, dense.frame), meet(conditions, other.frame)
    inside, outside = other.weights[others].sum(), other.weights[~others].sum()
    density = dense.weights[rows].sum() / inside if inside > 0 else np.inf  # usual / inf = 0: all explained
    usual = dense.weights[~rows].sum() / outside if outside > 0 else 0.0
    return replace(dense, weights=np.where(rows, dense.weights * min(1.0, usual / density), dense.weights))
