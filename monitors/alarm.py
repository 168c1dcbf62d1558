"""When the evidence of one batch after another is worth waking people for.

Under no drift, the average number of batches until a false alarm is at least the limit, whatever the dependence
between batches: each p-value becomes an e-value (a bet that breaks even under no drift; Vovk & Wang 2021, "E-values:
calibration, combination and applications") and the bets are added up by a Shiryaev-Roberts e-detector (Shin, Ramdas
& Rinaldo 2023, "E-detectors").
"""

import math
from functools import cache

from monitors.words import listed
from records.drift import Alarm, ColumnDrift, DriftReport

ALPHA = 0.05
_MOST_TIMES_LIMIT = 1e6
_MOST_COLUMNS = 3


def e_value(p_value: float, n_draws: int) -> float:
    """Turn the rank of a batch among `n_draws` draws, a p-value in steps of `1 / (n_draws + 1)`, into an e-value.

    It is the integral of `k * p ** (k - 1)` over `k` in `[0, 1]`, that is `(1 - p + p ln p) / (p (ln p)**2)`: large for
    a small p, 1/2 for p = 1, and 1 on average for a uniform p. A rank among few draws is never tiny, so its average
    would be lower; it is divided by that, which makes the bet fair again. Raises `ValueError` for a p-value outside
    `(0, 1]` or fewer draws than one.

    >>> [round(e_value(p, 120), 3) for p in (1 / 121, 2 / 121, 0.5, 1.0)]
    [6.123, 4.024, 0.781, 0.611]
    """
    if not 0 < p_value <= 1 or n_draws < 1:
        raise ValueError(f"a p-value lies in (0, 1], and is a rank among a draw or more, got {p_value!r}, {n_draws!r}")
    return _mixture(p_value) / _mean_of_ranks(n_draws)


@cache
def _mean_of_ranks(n_draws: int) -> float:
    return sum(_mixture(place / (n_draws + 1)) for place in range(1, n_draws + 2)) / (n_draws + 1)


def _mixture(p_value: float) -> float:
    y = -math.log(p_value)
    if y < 1e-3:  # the quotient of two tiny numbers; its series is exact to 13 digits here
        return 0.5 + y / 6 + y**2 / 24
    return (math.expm1(y) - y) / y**2


def carried(alarm: Alarm | None) -> float:
    """Return the evidence that the next batch of the same generation starts from: none after an alarm or at the start.

    An alarm ends what was bet on; what comes after it is a new watch, with its own promise.

    >>> carried(None)
    0.0
    """
    return 0.0 if alarm is None or alarm.raised else alarm.evidence


def decide(
    report: DriftReport,
    *,
    previous_evidence: float,
    windows_per_year: float,
    false_alarms_per_year: float,
    minimum_effect: float,
) -> Alarm:
    """Decide whether a batch is an alarm, from its report and the evidence carried over from the one before.

    The evidence becomes `(previous_evidence + 1) * e`; the limit is `windows_per_year / false_alarms_per_year`, and at
    least 1. It is an alarm when the evidence reaches the limit *and* this batch shows a change of at least
    `minimum_effect`: in a drifted column, in a column that carries a joint p-value of at most 0.05, or in the joint
    table of the two or three columns that carry it (which no single one need show). Otherwise the change is real but
    small, and the evidence is kept. Evidence is cut at a million times the limit, which can only delay an alarm.

    Raises `ValueError` for evidence or a minimum below 0, or rates that are not above 0.
    """
    if previous_evidence < 0 or minimum_effect < 0 or windows_per_year <= 0 or false_alarms_per_year <= 0:
        raise ValueError(
            "evidence and minimum effect must be at least 0 and rates above 0, got"
            f" {previous_evidence!r}, {minimum_effect!r}, {windows_per_year!r}, {false_alarms_per_year!r}"
        )
    limit = max(1.0, windows_per_year / false_alarms_per_year)
    joint = report.joint
    evidence = min((previous_evidence + 1) * e_value(joint.p_value, report.n_chunks), _MOST_TIMES_LIMIT * limit)
    likely = joint.p_value <= ALPHA
    moved = [
        column
        for column in sorted(report.columns, key=_by_size)
        if abs(column.effect.value) >= minimum_effect
        and (column.drifted or (likely and column.column in joint.columns))
    ]
    pair_moved = likely and joint.effect >= minimum_effect  # false for nan: no table
    raised = evidence >= limit and bool(moved or pair_moved)
    standing = f"evidence {evidence:.3g}, limit {limit:.3g}, p = {joint.p_value:.2g}"
    together = f"{listed(joint.columns)} go together in another way (distance {joint.effect:.2f})"
    sentences = {column.column: column.sentence for column in report.columns}
    telling = sentences.get(joint.columns[0], joint.columns[0]) if math.isnan(joint.effect) else together
    if raised:
        said = ([together] if pair_moved else []) + [column.sentence for column in moved]
        more = f"; and {len(said) - _MOST_COLUMNS} more" if len(said) > _MOST_COLUMNS else ""
        reason = f"Alarm ({standing}): {'; '.join(said[:_MOST_COLUMNS])}{more}."
    elif evidence < limit and likely:
        reason = (
            f"No alarm yet: out of the ordinary, but the evidence does not reach the limit ({standing}): {telling}."
        )
    elif evidence < limit:
        reason = f"No alarm: not enough evidence that anything changed ({standing})."
    else:
        reason = f"Real, small: nothing in this batch moved by {minimum_effect:g} or more ({standing}): {telling}."
    return Alarm(report.model, report.window, report.generation, raised, evidence, limit, reason)


def _by_size(column: ColumnDrift) -> tuple[float, str]:
    size = abs(column.effect.value)
    return (math.inf if math.isnan(size) else -size, column.column)
