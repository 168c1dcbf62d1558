"""Which columns a monitored model has and what each is for."""

from dataclasses import dataclass, replace
from typing import Literal

FARTHEST_DAYS = 73_050.0
"""Two centuries."""

Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one monitored model.

    `target` need not be in the production table (labels may be unknown there); it is in every snapshot.
    `classes` lists the labels of a classification in the order of `predict_proba`; it is empty for a regression.
    Booleans are categorical. `datetime` features count as numbers, in days from the value to the row's own time: the
    date itself moves on by itself. One that is over `FARTHEST_DAYS` away is how people write "never" and counts as
    missing. `text` features are free text, in which words matter and no two rows need be alike.
    `pii` names the features whose values are personal: the model may see them, people and reports do not.
    `units` holds `(column, unit)` pairs for people, such as `("distance", "miles")`. `costs` has a row per true class
    and in it what saying each class costs, both in the order of `classes`; it is empty where nobody named costs.
    """

    row_key: str
    time: str
    target: str
    task: Task
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    classes: tuple[str, ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    costs: tuple[tuple[float, ...], ...] = ()
    pii: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The features that are numbers: the numeric ones, and the datetimes as days."""
        return self.numeric + self.datetime

    @property
    def features(self) -> tuple[str, ...]:
        """The columns the model sees: numbers first, then categories, then texts."""
        return self.numbers + self.categorical + self.text

    @property
    def production(self) -> tuple[str, ...]:
        """The columns the production table must have: key, time and features."""
        return (self.row_key, self.time, *self.features)

    @property
    def shown(self) -> "Schema":
        """The schema of what people and reports may see: without the features in `pii`.

        >>> Schema("id", "at", "y", "regression", ("age", "income"), (), pii=("income",)).shown.features
        ('age',)
        """
        numeric, categorical, datetime, text = (
            tuple(name for name in part if name not in self.pii)
            for part in (self.numeric, self.categorical, self.datetime, self.text)
        )
        return replace(self, numeric=numeric, categorical=categorical, datetime=datetime, text=text)

    def unit(self, column: str) -> str:
        """The unit of a column for people, `days` of a datetime; empty where there is none.

        >>> Schema("id", "at", "y", "regression", (), (), datetime=("signup",)).unit("signup")
        'days'
        """
        return dict(self.units).get(column, "days" if column in self.datetime else "")
