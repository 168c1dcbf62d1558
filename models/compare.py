"""Champion against challenger on the same rows: paired differences with an interval; it judges nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.weighted import effective
from records.comparison import Bias, Comparison, RegimeComparison, Rule
from records.drift import Estimate
from records.errors import BadData
from records.window import Window

PLANNED = 300
"""Audit labels by which a gate is planned to have decided: 5 points mostly show by then, if a tenth of rows differs."""
PLANNED_SHARE = 0.95
LEAST_SHARE = 1e-6
"""What a look may err with that adds no label: next to nothing, so that its interval is a number."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Both models' losses on the same rows, each of shape (n_rows,), with the rows' inclusion probabilities."""

    name: str
    kind: Rule
    champion_losses: NDArray[np.float64]
    challenger_losses: NDArray[np.float64]
    inclusion: NDArray[np.float64]


def compare(
    regimes: Sequence[Regime],
    *,
    model: str,
    champion: int,
    challenger: int,
    loss: str,
    alpha: float,
    biases: Sequence[Bias] = (),
    n_labels: int = PLANNED,
    spent: float = 0.0,
    minimum_labels: int = 2,
    windows: tuple[Window, ...] = (),
    unasked: tuple[str, ...] = (),
) -> Comparison:
    """Return the gain in every regime with its interval (see `gain`).

    The audit labels, `n_labels` with those that are in no regime here, may have been looked at before, with other
    challengers; `spent` is what those looks could err with together. Each end of the interval of what must gain errs
    with what is left (`spent_alpha`), so that all looks at the labels promote one that gains nothing with at most
    `alpha`; it is the comparison's level, or 0 where fewer than `minimum_labels` rows must gain, which promote nothing.
    What protects errs in each decision with 95 % of `alpha`, however many there are: a challenger that forgets passes
    any one of them with at most `alpha`. Regimes that must not clearly lose share one level (Bonferroni), for each of
    them may refuse a good challenger. `champion` and `challenger` are generation numbers, `windows` those the labels
    are of, `unasked` says what was left out. Raises `BadData` for arrays that do not fit together or an inclusion
    probability outside (0, 1].
    """
    gaining = [len(regime.inclusion) for regime in regimes if regime.kind == "must gain"]
    could_promote = bool(gaining) and min(gaining) >= minimum_labels
    first = spent_alpha(alpha)
    now = max(spent_alpha(alpha, n_labels=n_labels) - spent, alpha * LEAST_SHARE)
    n_vetoes = max(sum(regime.kind == "must not clearly lose" for regime in regimes), 1)
    levels: dict[Rule, float] = {"must gain": now, "must not lose": first, "must not clearly lose": first / n_vetoes}
    measured = []
    for regime in regimes:
        weights = _weights(regime)
        old, new = (np.asarray(each, dtype=float) for each in (regime.champion_losses, regime.challenger_losses))
        measured.append(
            RegimeComparison(
                name=regime.name,
                kind=regime.kind,
                n_rows=len(weights),
                champion_loss=_mean(old, weights),
                challenger_loss=_mean(new, weights),
                gain=gain(old - new, weights, alpha=min(2 * levels[regime.kind], 1.0), steps=loss == "zero_one"),
            )
        )
    level = now if could_promote else 0.0
    return Comparison(model, champion, challenger, loss, tuple(measured), tuple(biases), level, windows, unasked)


def spent_alpha(alpha: float, *, n_labels: int = PLANNED) -> float:
    """Return how often all looks at up to `n_labels` audit labels together may promote what gains nothing.

    Audit labels of an undecided window are looked at again with the next window's, so each look gets what is left by
    the number of labels. That is 0.95 alpha √(n / 300) up to 300 labels: a spending function (Lan & DeMets 1983) of the
    power family (Kim & DeMets 1987). The last 5 % follow slowly, 1 - 300 / n of them by n labels. The levels of all
    looks add up to at most `alpha`, so it holds whatever challengers they judge (union bound).

    >>> [round(spent_alpha(0.05, n_labels=n), 4) for n in (30, 75, 300, 600)]
    [0.015, 0.0238, 0.0475, 0.0488]
    """
    spent = PLANNED_SHARE * np.sqrt(min(n_labels / PLANNED, 1.0))
    return alpha * float(spent + (1 - PLANNED_SHARE) * max(1 - PLANNED / max(n_labels, 1), 0.0))


def gain(
    differences: NDArray[np.float64], weights: NDArray[np.float64], *, alpha: float, steps: bool = False
) -> Estimate:
    """Return the weighted mean difference with its interval; all `nan` for fewer than two rows.

    The mean is Hájek's, sum(w d) / sum(w). The interval is Student's t on its linearised residuals w (d - mean) with
    (sum w)² / sum(w²) - 1 degrees of freedom, so uneven weights widen it (Särndal, Swensson & Wretman 1992, 5.11).
    Simulated (600 samples each of 30, 100 and 300 rows; Brier, log, squared and zero-one losses; weighted or not) it
    covered .93-1.0 at nominal .95, where the percentile bootstrap covered .77-.97 and the bootstrap-t .77-.96.
    `steps` says that differences are -1, 0 or 1: two more rows of mean weight, one half each way in both, keep
    the interval from closing when the models hardly ever differ (Agresti & Min 2005).

    >>> gain(np.array([0.0, 1.0, 1.0, 2.0]), np.ones(4), alpha=0.05).value
    1.0
    >>> estimate = gain(np.array([0.0, 1.0, 1.0, 2.0]), np.ones(4), alpha=0.05)
    >>> (round(estimate.low, 3), round(estimate.high, 3))
    (-0.299, 2.299)
    """
    n = len(differences)
    if n < 2:
        return Estimate(float("nan"), float("nan"), float("nan"))
    total = weights.sum()
    value = centre = float((weights * differences).sum() / total)
    added = 0.0
    if steps:
        added = total / n
        centre = value * total / (total + 2 * added)
    squares = ((weights * (differences - centre)) ** 2).sum() + added**2
    spread = np.sqrt(squares * n / (n - 1)) / (total + 2 * added)
    freedom = max(effective(weights) - 1, 1.0)
    half = float(-special.stdtrit(freedom, alpha / 2) * spread)  # 1 - alpha / 2 may round to 1
    return Estimate(value, min(centre - half, value), max(centre + half, value))


def _weights(regime: Regime) -> NDArray[np.float64]:
    lengths = {len(regime.champion_losses), len(regime.challenger_losses), len(regime.inclusion)}
    if len(lengths) > 1:
        raise BadData(
            f"regime {regime.name!r} has arrays of {sorted(lengths)} rows; both models must be scored on the same rows"
        )
    inclusion = np.asarray(regime.inclusion, dtype=float)
    if not ((inclusion > 0) & (inclusion <= 1)).all():
        wrong = float(inclusion[~((inclusion > 0) & (inclusion <= 1))][0])
        raise BadData(
            f"regime {regime.name!r} has an inclusion probability of {wrong!r}; each must be above 0 and at most 1"
        )
    return 1 / inclusion


def _mean(losses: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float((losses * weights).sum() / weights.sum()) if len(losses) else float("nan")
