"""How one batch differs from the champion's snapshot, and whether that is an alarm."""

from dataclasses import dataclass

from records.window import Window


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval `[low, high]`; `nan` where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column's drift.

    `method` and `score` are Evidently's (its name for the test, and its value) and `threshold` is *our* calibrated
    threshold for that score at this batch's size, so `score` beyond `threshold` in the method's own direction means
    `drifted`. `p_value` is calibrated against the snapshot's own chunks, `adjusted_p` after correction for the number
    of columns. `effect` is the shift in snapshot standard deviations (numeric) or the total variation distance
    (categorical), in `[0, 1]`; where `method` ends with " of missing" the column's gaps are more telling than its
    values, and the effect is the change of their share, in `[-1, 1]`. `sentence` says it in the column's own words.
    """

    column: str
    method: str
    score: float
    threshold: float
    p_value: float
    adjusted_p: float
    effect: Estimate
    drifted: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class JointDrift:
    """The joint test of a whole batch: `statistic` is the largest family score, `columns` those that carry it.

    `effect` is, for the families "column pair" and "three columns", the total variation distance of the columns' joint
    table, in `[0, 1]`: how much they changed together even if none changed by itself. It is `nan` for the other
    families, whose effects the columns have.
    """

    statistic: float
    p_value: float
    family: str
    columns: tuple[str, ...]
    effect: float = float("nan")


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What was measured on one batch against one generation's snapshot; it decides nothing.

    `n_chunks` snapshot chunks of the batch's size are the null, `n_real_chunks` of them disjoint stretches of time.
    `notes` are sentences about what could not be tested and why. `outputs` are the drift of what the model predicts
    and, where production knows it, of the target, against the snapshot's holdout; they follow from the rows and the
    world, so they inform and do not alarm.
    """

    model: str
    window: Window
    generation: int
    n_reference: int
    n_current: int
    n_chunks: int
    n_real_chunks: int
    columns: tuple[ColumnDrift, ...]
    joint: JointDrift
    notes: tuple[str, ...] = ()
    outputs: tuple[ColumnDrift, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """The decision made from a drift report.

    `evidence` is the Shiryaev-Roberts statistic after this batch and `limit` the value at which it alarms, which
    keeps the average run length without drift at `limit` batches or more. `reason` is one sentence.
    """

    model: str
    window: Window
    generation: int
    raised: bool
    evidence: float
    limit: float
    reason: str
