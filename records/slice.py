"""A slice: a conjunction of conditions on columns that a person can read, and a program can read back."""

import json
import re
from dataclasses import dataclass

from records.drift import Estimate
from records.window import Window

_WORD = re.compile(r"[^\s{}()<>=,'\"\\]+")
_OUR_WORDS = frozenset({"and", "or", "in", "is", "missing", "known"})


@dataclass(frozen=True, slots=True)
class Between:
    """`low <= column < high`, where `None` is open; missing values are inside only if `missing` is true.

    Edges are finite and written with all the digits they need, so that the sentence says the same as the numbers.

    >>> str(Between("hour", low=18.0))
    'hour >= 18'
    >>> str(Between("temp", low=20.5, high=30.0))
    '20.5 <= temp < 30'
    >>> str(Between("temp", high=0.1, missing=True)), str(Between("temp", missing=True))
    ('(temp < 0.1 or missing)', 'temp is missing')
    """

    column: str
    low: float | None = None
    high: float | None = None
    missing: bool = False

    def __str__(self) -> str:
        column = _column(self.column)
        if self.low is None and self.high is None:
            return f"{column} is missing" if self.missing else f"{column} is known"
        low, high = ("" if edge is None else repr(float(edge)).removesuffix(".0") for edge in (self.low, self.high))
        above, below = f"{column} >= {low}", f"{column} < {high}"
        text = f"{low} <= {below}" if low and high else above if low else below
        return f"({text} or missing)" if self.missing else text


@dataclass(frozen=True, slots=True)
class OneOf:
    """`column` is one of `values`; a missing value is inside only if `missing` is true.

    A value is quoted, as JSON quotes text, only where it could be misread: around signs, the sentence's own words,
    and unusual spaces. So is a column, also where its name has a space.

    >>> str(OneOf("carrier", ("B6", "EV"))), str(OneOf("carrier", ("B6",)))
    ('carrier in {B6, EV}', 'carrier = B6')
    >>> print(OneOf("paid by", ("card", "cash, or card", "missing"), missing=True))
    "paid by" in {card, "cash, or card", "missing", missing}
    """

    column: str
    values: tuple[str, ...]
    missing: bool = False

    def __str__(self) -> str:
        column = _column(self.column)
        values = [_value(value) for value in self.values]
        if self.missing:
            values.append("missing")
        if len(values) == 1:
            return f"{column} is missing" if self.missing else f"{column} = {values[0]}"
        return f"{column} in {{{', '.join(values)}}}"


Condition = Between | OneOf


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that satisfy every condition, with how common they were and are.

    `share_reference` and `share_current` are in `[0, 1]`; `ratio` is their quotient (current / reference) with its
    95 % interval, estimated on rows that were not used to find the slice; `p_value` is from those rows too, after
    correction for the number of slices tested. `n_current` is the number of sampled batch rows inside. `examples` are
    the keys of a few of these; where the batch has none, of rows that the reference had.

    A slice may also be one of the losses of labelled rows (`monitors.harm`): then the reference is the rows and
    "current" their loss, so `ratio` compares the mean loss inside with that of all rows.
    """

    conditions: tuple[Condition, ...]
    share_reference: float
    share_current: float
    ratio: Estimate
    p_value: float
    n_current: int
    examples: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The conditions as one sentence, such as `hour >= 18 and carrier in {B6, EV}`."""
        return " and ".join(str(condition) for condition in self.conditions)

    @property
    def contribution(self) -> float:
        """How much the slice contributes to the shift: by how much its share rose (positive) or fell."""
        return self.share_current - self.share_reference


@dataclass(frozen=True, slots=True)
class SliceReport:
    """The slices of one batch: those that grew, then those that shrank, each by contribution to the shift.

    Empty when nothing stood out or nothing alarmed.
    """

    model: str
    window: Window
    generation: int
    slices: tuple[Slice, ...] = ()

    @property
    def grown(self) -> tuple[Slice, ...]:
        """The slices with more rows than before: only about these can people be asked."""
        return tuple(slice_ for slice_ in self.slices if slice_.contribution > 0)


def _column(name: str) -> str:
    return _quoted(name) if " " in name else _value(name)


def _value(text: str) -> str:
    words = text.split(" ")
    return text if all(_WORD.fullmatch(word) and word not in _OUR_WORDS for word in words) else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
