"""A slice: a conjunction of conditions on columns that a person can read."""

from dataclasses import dataclass

from records.drift import Estimate
from records.window import Window


@dataclass(frozen=True, slots=True)
class Between:
    """`low <= column < high`, where `None` is open; missing values are inside only if `missing` is true.

    >>> str(Between("hour", low=18.0))
    'hour >= 18'
    >>> str(Between("temp", low=20.5, high=30.0))
    '20.5 <= temp < 30'
    >>> str(Between("temp", missing=True))
    'temp is missing'
    """

    column: str
    low: float | None = None
    high: float | None = None
    missing: bool = False

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return f"{self.column} is missing" if self.missing else f"{self.column} is known"
        if self.high is None:
            text = f"{self.column} >= {self.low:.10g}"
        elif self.low is None:
            text = f"{self.column} < {self.high:.10g}"
        else:
            text = f"{self.low:.10g} <= {self.column} < {self.high:.10g}"
        return f"({text} or missing)" if self.missing else text


@dataclass(frozen=True, slots=True)
class OneOf:
    """`column` is one of `values`; a missing value is inside only if `missing` is true.

    >>> str(OneOf("carrier", ("B6", "EV")))
    'carrier in {B6, EV}'
    >>> str(OneOf("carrier", ("B6",)))
    'carrier = B6'
    """

    column: str
    values: tuple[str, ...]
    missing: bool = False

    def __str__(self) -> str:
        values = (*self.values, "missing") if self.missing else self.values
        if len(values) == 1:
            return f"{self.column} is missing" if self.missing else f"{self.column} = {values[0]}"
        return f"{self.column} in {{{', '.join(values)}}}"


Condition = Between | OneOf


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that satisfy every condition, with how common they were and are.

    `share_reference` and `share_current` are in `[0, 1]`; `ratio` is their quotient (current / reference) with its
    95 % interval, estimated on rows that were not used to find the slice; `p_value` is from those rows too, after
    correction for the number of slices tested. `n_current` is the number of sampled batch rows inside.
    """

    conditions: tuple[Condition, ...]
    share_reference: float
    share_current: float
    ratio: Estimate
    p_value: float
    n_current: int

    @property
    def name(self) -> str:
        """The conditions as one sentence, such as `hour >= 18 and carrier in {B6, EV}`."""
        return " and ".join(str(condition) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class SliceReport:
    """The slices of one batch, most telling first; empty when nothing stood out or nothing alarmed."""

    model: str
    window: Window
    generation: int
    slices: tuple[Slice, ...] = ()
