"""Batches in which nothing changed, and what we and Evidently's defaults say of each."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain

import numpy as np
from scipy import stats

from benchmarks.rows import DAY, KINDS, Maker, Undrifted
from monitors.baseline import batch_size, prepare
from monitors.calibration import calibrate
from monitors.evidently_report import ColumnScore, column_scores, is_p_value
from monitors.parts import bounded
from monitors.ranking import rank
from monitors.thresholds import judge_columns
from records.calibration import NullScores

PROMISED = 0.05
SAMPLE_ROWS = 50_000  # what `watch` looks at of a larger window
_EVIDENTLY_DISTANCE, _EVIDENTLY_P = 0.1, 0.05


@dataclass(frozen=True, slots=True)
class Setting:
    """What rows, how many per batch, and how many batches of how many snapshots.

    Of these batches the first `n_compared` are scored by Evidently, and the first `n_judged` of those are judged
    column by column too; both cost more than the p-value.
    """

    kind: str
    n_rows: int
    n_columns: int
    n_snapshots: int
    n_batches: int
    n_compared: int = 0
    n_judged: int = 0

    @property
    def n_days(self) -> int:
        """The days of a snapshot, each of a batch's size: 120, and fewer of large ones."""
        return int(np.clip(2_000_000 // (min(self.n_rows, SAMPLE_ROWS) * self.n_columns), 6, 120))

    def drawn(self, seed: int) -> Iterator[Undrifted]:
        """Yield snapshots with their batches: the same ones for the same seed, however many batches are taken."""
        n_sampled = min(self.n_rows, SAMPLE_ROWS)
        maker = Maker(self.kind, self.n_columns)
        for snapshot in range(self.n_snapshots):
            generator = np.random.default_rng([seed, snapshot, self.n_rows, self.n_columns, KINDS.index(self.kind)])
            reference = maker.rows(n_sampled * self.n_days, self.n_days, generator)
            batches = partial(maker.rows, n_sampled, 1, generator)
            yield Undrifted(maker.schema, reference, (batches() for _ in range(self.n_batches)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one batch got: our p-value, 1 if we called a column drifted, and the share of columns Evidently did.

    The latter two are `nan` where they were not looked at.
    """

    p_value: float
    column_drifted: float = math.nan
    evidently_share: float = math.nan


def outcomes(
    drawn: Iterable[Undrifted], *, n_compared: int = 0, n_judged: int = 0, length: timedelta = DAY
) -> Iterator[Outcome]:
    """Judge all batches; what a snapshot needs is made once, and only if one of its batches needs it."""
    place = 0
    for one in drawn:
        first = next(one.batches)
        sample = bounded(one.reference, one.schema) if place < n_compared else None
        scores = None
        if place < n_judged:
            baseline = prepare(one.reference, one.schema, len(first), length=length)
            null, scores = baseline.null, baseline.scores
        else:
            n_batch = batch_size(one.reference, one.schema.time, len(first), length=length)
            null = calibrate(one.reference, one.schema, n_batch, length=length)
        for batch in chain([first], one.batches):
            p_value = rank(null, batch, time=one.schema.time).p_value
            if sample is not None and place < n_compared:
                found = column_scores(sample, batch, one.schema)
                yield Outcome(p_value, _any_drifted(found, scores if place < n_judged else None), _share(found))
            else:
                yield Outcome(p_value)
            place += 1


def interval(n_hits: int, n_trials: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper & Pearson 1934).

    >>> [round(end, 3) for end in interval(3, 60)]
    [0.01, 0.139]
    """
    found = stats.binomtest(n_hits, n_trials).proportion_ci(0.95)
    return float(found.low), float(found.high)


def worst_by_chance(n_batches: Sequence[int], *, rate: float = PROMISED, quantile: float = 0.95) -> float:
    """Return the quantile of the worst observed rate of settings whose true rates are all exactly `rate`.

    >>> worst_by_chance([20]), worst_by_chance([20] * 60), round(worst_by_chance([400] * 60), 3)
    (0.15, 0.25, 0.087)
    """
    rates = np.unique([hits / n for n in set(n_batches) for hits in range(n + 1)])
    below = np.prod([stats.binom.cdf(np.floor(rates * n + 1e-9), n, rate) for n in n_batches], axis=0)
    return float(rates[np.argmax(below >= quantile)])


def _any_drifted(found: Sequence[ColumnScore], ordinary: NullScores | None) -> float:
    if ordinary is None:
        return math.nan
    return float(any(test.drifted for test in judge_columns(found, ordinary).values()))


def _share(found: Sequence[ColumnScore]) -> float:
    """The share of columns that Evidently's own thresholds call drifted; gaps are no columns to it."""
    flagged = [
        one.score < _EVIDENTLY_P if is_p_value(one.method) else one.score >= _EVIDENTLY_DISTANCE
        for one in found
        if not one.part.of_missing
    ]
    return float(np.mean(flagged))
