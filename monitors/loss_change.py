"""The change of the mean loss from a holdout P to a batch Q, split in a covariate and a concept part.

With loss ℓ, m(x) the loss expected from the features, w(x) the density ratio batch Q / holdout P, λ in [0, 1], and the
batch's rows in strata s with shares W_s:

    covariate part  C = mean_Q m + mean_P w(ℓ - m) - mean_P ℓ         rows moved; needs no label (doubly robust)
    total           T = λ mean_Q m + Σ W_s HT_s(ℓ - λ m) - mean_P ℓ   HT_s: labelled rows of s weighted by 1/π (Hájek)
    concept part    D = T - C                                         the same kind of row, another answer

Cai, Namkoong and Yadlowsky (2023) split a loss change so; λ is the power tuning of Angelopoulos et al. (2023, PPI++);
strata whose shares are known take the spread between them out of the interval (Särndal et al. 1992, 7.6).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitors.likeness import Likeness
from records.drift import Estimate

LEAST_LABELS = 5
PRIOR_LABELS = 5.0
CROSS_FIT_INFLATION = 1.1  # the covariate part undercovers by 3-5 % without it (measured on census data)
LEVEL = 0.95
UNKNOWN = Estimate(np.nan, np.nan, np.nan)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labelled rows of a batch: their positions in it, losses, and inclusion probabilities up to one factor.

    `strata` numbers the stratum of *every* row of the batch, from 0; rows were drawn within strata.
    """

    position: NDArray[np.int64]
    losses: Numbers
    inclusion: Numbers
    strata: NDArray[np.int64]

    def merged(self) -> "Labelled":
        """Return the same rows with every stratum of fewer than 5 labels merged into one, or all if that has few."""
        counts = np.bincount(self.strata[self.position], minlength=int(self.strata.max(initial=0)) + 1)
        small = counts < LEAST_LABELS
        if small.any() and counts[small].sum() < LEAST_LABELS:  # join the smallest of the others too
            small |= counts == counts[~small].min(initial=np.iinfo(np.int64).max)
        names = np.where(small, 0, np.cumsum(~small))
        return Labelled(self.position, self.losses, self.inclusion, np.asarray(names[self.strata], dtype=np.int64))


def split(likeness: Likeness, losses: Numbers, labelled: Labelled) -> tuple[Estimate, Estimate, Estimate, float]:
    """Return the total, the covariate and the concept part, and the labels' degrees of freedom.

    Total and concept are `nan` under 5 labels. The variance of each adds its independent pieces: the holdout's rows,
    the batch's rows (whose mean expected loss enters total and covariate part alike, so the concept part keeps
    (λ - 1)² of it) and the draw of the labels. The labels' spread is drawn towards the holdout's with the weight of 5
    labels per stratum, so that a handful of equal losses does not look certain.

    >>> like = Likeness(np.full(4, 0.5), np.full(8, 0.5), np.ones(4), np.ones(8), np.ones(8))
    >>> drawn = Labelled(np.arange(6), np.ones(6), np.full(6, 0.75), np.zeros(8, dtype=int))
    >>> parts = split(like, np.array([0.0, 1.0, 0.0, 1.0]), drawn)
    >>> [round(part.value, 3) for part in parts[:3]], round(parts[3], 3)
    ([0.5, 0.0, 0.5], 5.0)
    """
    m_P, m_Q, w = likeness.expected_holdout, likeness.expected_batch, likeness.weights
    n_P, n_Q = len(losses), len(m_Q)
    corrected = w * (losses - m_P)
    C = float(m_Q.mean() + corrected.mean() - losses.mean())
    var_C = _variance(corrected - losses) / n_P + _variance(m_Q) / n_Q
    covariate = interval(C, CROSS_FIT_INFLATION * np.sqrt(var_C), np.inf)
    if len(labelled.position) < LEAST_LABELS:
        return UNKNOWN, covariate, UNKNOWN, 0.0

    labelled = labelled.merged()
    power = _power(likeness, losses, labelled)
    mean, var_labels, freedom, together = _labelled_mean(likeness, losses, labelled, power)
    T = power * float(m_Q.mean()) + mean - float(losses.mean())
    rows = [max(0.0, k**2 * _variance(m_Q) + 2 * k * together) / n_Q for k in (power, power - 1)]
    se_T = float(np.sqrt(_variance(losses) / n_P + rows[0] + var_labels))
    se_D = float(np.sqrt(_variance(corrected) / n_P + rows[1] + var_labels))
    return interval(T, se_T, freedom), covariate, interval(T - C, se_D, freedom), freedom


def within(likeness: Likeness, losses: Numbers, labelled: Labelled, stratum: int, of_P: NDArray[np.bool_]) -> Estimate:
    """Return the concept part inside one stratum, whose holdout rows are `of_P`; `nan` under 5 labels.

    It is HT_s(ℓ - m) less what the holdout's own rows of the stratum lost above m, so a slice in which the model always
    was worse than expected does not count as changed.
    """
    here = labelled.strata[labelled.position] == stratum
    if here.sum() < LEAST_LABELS:
        return UNKNOWN
    position = labelled.position[here]
    residual = labelled.losses[here] - likeness.expected_batch[position]
    rest, w = losses - likeness.expected_holdout, likeness.weights
    value, variance, freedom = _hajek(residual, 1 / labelled.inclusion[here], _weighted_variance(rest, w))
    known = w * of_P
    if known.sum() > 0 and (effective := known.sum() ** 2 / (known**2).sum()) >= LEAST_LABELS:
        value -= float(known @ rest / known.sum())
        variance += _weighted_variance(rest, known) / effective
    return interval(value, float(np.sqrt(variance)), freedom)


def interval(value: float, standard_error: float, freedom: float, level: float = LEVEL) -> Estimate:
    """Return a number with Student's interval at `level`."""
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * float(standard_error)
    return Estimate(value, value - reach, value + reach)


def at_level(part: Estimate, freedom: float, level: float) -> Estimate:
    """Return the interval at another level of an estimate whose interval is at 95 %.

    >>> part = at_level(Estimate(0.0, -1.96, 1.96), np.inf, 0.99)
    >>> round(part.high, 3)
    2.576
    """
    factor = float(stats.t.ppf((1 + level) / 2, freedom) / stats.t.ppf((1 + LEVEL) / 2, freedom))
    return Estimate(part.value, *(part.value + factor * (end - part.value) for end in (part.low, part.high)))


def _power(likeness: Likeness, losses: Numbers, labelled: Labelled) -> float:
    """Return how much of the expected loss to subtract, by its covariance with the loss on labels and holdout."""
    h = 1 / labelled.inclusion / (1 / labelled.inclusion).sum()
    w, n, prior = likeness.weights, len(labelled.position), PRIOR_LABELS
    spread = _moments(likeness.expected_batch[labelled.position], labelled.losses, h)
    prior_spread = _moments(likeness.expected_holdout, losses, w / w.sum())
    power = (n * spread[1] + prior * prior_spread[1]) / max(n * spread[0] + prior * prior_spread[0], 1e-300)
    return float(np.clip(power, 0.0, 1.0))


def _labelled_mean(
    likeness: Likeness, losses: Numbers, labelled: Labelled, power: float
) -> tuple[float, float, float, float]:
    """Return the batch's mean of ℓ - λ m from its strata, its variance, degrees of freedom, and covariance with m."""
    m_Q = likeness.expected_batch
    prior_variance = _weighted_variance(losses - power * likeness.expected_holdout, likeness.weights)
    residual = labelled.losses - power * m_Q[labelled.position]
    mean = variance = together = inverse_freedom = 0.0
    for stratum in np.unique(labelled.strata):
        here = labelled.strata[labelled.position] == stratum
        share = float((labelled.strata == stratum).mean())
        weights = 1 / labelled.inclusion[here]
        value, spread, freedom = _hajek(residual[here], weights, prior_variance)
        mean += share * value
        variance += share**2 * spread
        inverse_freedom += (share**2 * spread) ** 2 / freedom
        m = m_Q[labelled.position[here]]
        together += share * float(weights @ ((m - m_Q.mean()) * (residual[here] - value)) / weights.sum())
    return mean, variance, variance**2 / max(inverse_freedom, 1e-300), together  # Satterthwaite


def _hajek(values: Numbers, weights: Numbers, prior_variance: float) -> tuple[float, float, float]:
    """Return the weighted mean, its variance, drawn towards `prior_variance` by 5 labels, and degrees of freedom."""
    h = weights / weights.sum()
    mean = float(h @ values)
    freedom = float(max(1 / (h @ h) - 1, 1.0))
    deviation = (values - mean) / (1 - h).clip(min=0.5)
    own = freedom * float(h**2 @ deviation**2)
    return mean, (own + PRIOR_LABELS * prior_variance * float(h @ h)) / (freedom + PRIOR_LABELS), freedom


def _variance(values: Numbers) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _weighted_variance(values: Numbers, weights: Numbers) -> float:
    return float(np.average((values - np.average(values, weights=weights)) ** 2, weights=weights))


def _moments(m: Numbers, losses: Numbers, weights: Numbers) -> tuple[float, float]:
    """Return the weighted variance of `m` and its covariance with `losses`."""
    centred = m - weights @ m
    return float(weights @ centred**2), float(weights @ (centred * losses))
