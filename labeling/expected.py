"""Which numbers a labeler may be expected to type, as the snapshot's targets have it."""

from dataclasses import dataclass
from math import ceil, floor, log10
from statistics import median

import pandas as pd

from records.schema import Schema


@dataclass(frozen=True, slots=True)
class Expected:
    """The range `[low, high]` of a regression's answers; two answers at most `close` apart say the same."""

    low: float
    high: float
    close: float

    def words(self, schema: Schema) -> str:
        """Return the range as a labeler reads it.

        >>> Expected(0, 1250, 5).words(Schema("id", "t", "delay", "regression", (), (), units=(("delay", "minutes"),)))
        'between 0 and 1,250 minutes'
        """
        unit = schema.unit(schema.target)
        return f"between {self.low:,.6g} and {self.high:,.6g}" + (f" {unit}" if unit else "")

    def clear(self, numbers: list[float]) -> bool:
        """Say whether `numbers` (one or more) speak for their median: it is in the range, and most are close to it.

        >>> expected = Expected(0, 100, 5)
        >>> expected.clear([40.0, 42.0, 90.0]), expected.clear([40.0, 90.0]), expected.clear([400.0])
        (True, False, False)
        """
        middle = median(numbers)
        n_close = sum(abs(number - middle) <= self.close for number in numbers)
        return self.low <= middle <= self.high and 2 * n_close > len(numbers)


def expect(targets: "pd.Series[float]") -> Expected:
    """Return what follows from the snapshot's targets, of which there must be one at least.

    The range is theirs, widened on either side by half its width, but not across 0; it is rounded outwards, so that a
    snapshot with some more rows mostly gives the same. Close is a quarter of the width that holds nine in ten.

    >>> expect(pd.Series([0.0, 10.0, 20.0, 30.0, 40.0]))
    Expected(low=0.0, high=60.0, close=9.0)
    """
    lowest, highest = float(targets.min()), float(targets.max())
    width = highest - lowest or abs(highest) or 1.0
    step = 10.0 ** (floor(log10(width)) - 1)
    low, high = floor((lowest - width / 2) / step) * step, ceil((highest + width / 2) / step) * step
    usual = targets.quantile([0.05, 0.95])
    return Expected(
        low=max(low, 0.0) if lowest >= 0 else low,
        high=min(high, 0.0) if highest <= 0 else high,
        close=float(usual.iloc[1] - usual.iloc[0]) / 4,
    )
