"""Which columns a monitored model has and what each is for."""

from dataclasses import dataclass
from typing import Literal

Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one monitored model.

    `target` need not be in the production table (labels may be unknown there); it is in every snapshot.
    `classes` lists the labels of a classification in the order of `predict_proba`; it is empty for a regression.
    Booleans are categorical. `units` holds `(column, unit)` pairs for people, such as `("distance", "miles")`.
    """

    row_key: str
    time: str
    target: str
    task: Task
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    classes: tuple[str, ...] = ()
    units: tuple[tuple[str, str], ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """The columns the model sees: numeric first, then categorical."""
        return self.numeric + self.categorical

    @property
    def production(self) -> tuple[str, ...]:
        """The columns the production table must have: key, time and features."""
        return (self.row_key, self.time, *self.features)
