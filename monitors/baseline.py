"""Everything a check needs to know of a reference, found out once, so that checking a batch is cheap."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from pandas import DataFrame

from monitors.calibration import Null, calibrate
from monitors.parts import bounded
from monitors.past import Past, pasts_of
from monitors.pieces import largest_batch
from monitors.thresholds import null_scores
from records.calibration import NullScores
from records.schema import Schema

STEP = 1.1


@dataclass(frozen=True, slots=True)
class Baseline:
    """What batches of about `null.pieces.n_batch` rows are compared with.

    `sample` has at most 10 000 rows of the `n_rows` of the reference, for Evidently; `null` ranks a batch as a whole,
    `scores` judge its columns' scores, and `pasts` say how large a change is. `tests` names Evidently's test for the
    features that do not have the one it would choose.
    """

    schema: Schema
    n_rows: int
    sample: DataFrame
    null: Null
    pasts: Mapping[str, Past]
    scores: NullScores
    tests: Mapping[str, str]

    def comparable(self, current: DataFrame) -> DataFrame:
        """Return the rows of a batch that are compared, in order of time: half the reference's number at most."""
        return bounded(current, self.schema, largest_batch(self.n_rows))


def prepare(
    reference: DataFrame,
    schema: Schema,
    n_current: int,
    *,
    length: timedelta,
    seed: int = 0,
    n_chunks: int = 120,
    tests: Mapping[str, str] = MappingProxyType({}),
    scores: NullScores | None = None,
) -> Baseline:
    """Find out what is ordinary for batches of about `n_current` rows over `length` of time.

    `reference` is normalised, train and holdout together. The costly part are the `scores`, which are made anew unless
    those that an earlier call made of the same reference, seed and number of rows are given. Raises `BadData` for a
    reference of fewer than 20 rows or a column that Evidently cannot test.
    """
    n_batch = batch_size(reference, schema.time, n_current, length=length)
    null = calibrate(reference, schema, n_batch, length=length, seed=seed, n_chunks=n_chunks)
    if scores is None:
        scores = null_scores(reference, schema, null.pieces, tests=tests, seed=seed)
    pasts = pasts_of(reference, null.columns, null.pieces, null.sums)
    return Baseline(schema, len(reference), bounded(reference, schema), null, pasts, scores, tests)


def batch_size(reference: DataFrame, time: str, n_current: int, *, length: timedelta) -> int:
    """Return the number of rows that a batch is calibrated for: within 5 % of its own, and the same for many.

    It is the usual number of the reference's rows in a window of this `length`, times a power of 1.1; half the
    reference's rows at most. Statistics are standardised by the true numbers of rows, so being off by 5 % matters
    little, and windows of about the usual size share one calibration.

    >>> import pandas as pd
    >>> days = DataFrame({"at": pd.date_range("2013-01-01", periods=57 * 24, freq="h", tz="UTC")})
    >>> [batch_size(days, "at", n, length=timedelta(days=7)) for n in (162, 168, 175, 180, 9999)]
    [168, 168, 168, 185, 684]
    """
    span = reference[time].max() - reference[time].min()
    most = largest_batch(len(reference))
    usual = min(max(len(reference) * (length / span), 1.0), most) if span else float(most)
    steps = round(math.log(max(n_current, 1) / usual) / math.log(STEP))
    return min(max(round(usual * STEP**steps), 1), most)
