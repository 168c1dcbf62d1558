"""The slices in which the loss of labelled rows is higher, judged on labels that did not find them."""

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from scipy import stats

from monitors.candidates import candidates, near_disjoint
from monitors.evidence import LEVEL, UNKNOWN, Rows, halves, holm
from monitors.membership import meet
from monitors.pieces import rank_p
from monitors.weighted import Weighted
from records.drift import Estimate
from records.errors import BadData
from records.schema import Schema
from records.slice import Slice

N_DRAWS = 999
N_EXAMPLES = 3

Numbers = NDArray[np.float64]


def find_harmful(
    frame: DataFrame, losses: Numbers, inclusion: Numbers, schema: Schema, *, seed: int = 0, most: int = 3
) -> tuple[Slice, ...]:
    """Find up to `most` slices in which the loss is higher than elsewhere; with few labels there is mostly none.

    `frame` holds the labelled rows, normalised; `losses` are 0 or more, and `inclusion` the probabilities with which
    the rows were drawn: each counts with 1 / inclusion. The search is that of `monitors.slices`, with the rows as
    what was before and their loss as what is now, both weighed to their effective number. On the other half of the
    rows the mean loss inside must be higher than outside by a studentised permutation test (Janssen 1997), p < .05
    after Holm's correction; what an earlier slice holds is left out of the test.

    In a slice returned `share_reference` is its share of the rows and `share_current` of the loss, both of the second
    half, so `ratio` is the mean loss inside over that of all rows; `n_current` counts labels, and `examples` are the
    keys with the largest loss. Raises `BadData` for lengths that differ, a loss below 0 and an impossible probability.
    """
    _check(len(frame), losses, inclusion)
    half, test = halves(len(frame), seed)
    if len(test) == 0 or not (schema.numbers or schema.categorical):
        return ()
    rows = Weighted(frame.iloc[half], 1 / inclusion[half])
    loss = Weighted(rows.frame, losses[half] / inclusion[half])
    found = candidates(rows.effective(), loss.effective(), schema, both=False, largest=1.0)
    kept = [found[k].conditions for k in near_disjoint(found, rows.frame, rows.frame, most=most)]
    held = [meet(conditions, frame.iloc[test]) for conditions in kept]
    weights, tested = 1 / inclusion[test], losses[test]
    p_values, free = [], np.ones(len(test), dtype=np.bool_)
    for inside in held:
        p_values.append(_p_value(inside[free], tested[free], weights[free], seed))
        free &= ~inside
    slices = []
    for conditions, inside, p_value in zip(kept, held, holm(p_values), strict=True):
        ratio = _loss_ratio(inside, tested, weights)
        if p_value < LEVEL and ratio.low > 1:
            everywhere = meet(conditions, frame)
            worst = np.flatnonzero(everywhere)[np.argsort(-losses[everywhere], kind="stable")[:N_EXAMPLES]]
            shares = [float(np.average(inside, weights=part)) for part in (weights, weights * tested)]
            examples = tuple(frame[schema.row_key].iloc[worst])
            slices.append(Slice(conditions, shares[0], shares[1], ratio, p_value, int(everywhere.sum()), examples))
    return tuple(sorted(slices, key=lambda each: -each.contribution))


def _p_value(inside: Rows, losses: Numbers, weights: Numbers, seed: int) -> float:
    """Test whether the weighted mean loss inside is higher, by drawing which rows are inside again and again."""
    n_inside = int(inside.sum())
    if not 0 < n_inside < len(inside) or losses.max() == 0:
        return 1.0
    scaled = losses / losses.max()
    terms = np.stack([weights, weights * scaled, weights**2, weights**2 * scaled, (weights * scaled) ** 2])
    rng = np.random.default_rng(seed)
    draws = [terms[:, rng.permutation(len(inside))[:n_inside]].sum(axis=1) for _ in range(N_DRAWS)]
    sums = np.stack([terms[:, inside].sum(axis=1), *draws], axis=1)
    (mean, variance), (mean_outside, variance_outside) = _moments(sums), _moments(terms.sum(1, keepdims=True) - sums)
    statistics = (mean - mean_outside) / np.sqrt(variance + variance_outside + 1e-12)
    return rank_p(float(statistics[0]), statistics[1:])


def _moments(sums: Numbers) -> tuple[Numbers, Numbers]:
    """Return weighted means and their variances from the sums of w, wx, w², w²x and w²x²."""
    n, total, squares, products, total_squares = sums
    mean = total / n
    return mean, np.maximum(total_squares - 2 * mean * products + mean**2 * squares, 0.0) / n**2


def _loss_ratio(inside: Rows, losses: Numbers, weights: Numbers) -> Estimate:
    """Return the mean loss inside over that of all rows, with a 95 % interval: log scale, linearised, Kish's freedom.

    >>> ratio = _loss_ratio(np.arange(100) < 20, np.arange(100) % 2 + 1.0 * (np.arange(100) < 20), np.ones(100))
    >>> round(ratio.value, 2), round(ratio.low, 2), round(ratio.high, 2)
    (2.14, 1.77, 2.59)
    """
    loss = weights * losses
    totals = loss[inside].sum(), loss.sum(), weights[inside].sum(), weights.sum()
    if min(totals) <= 0:
        return UNKNOWN
    shares = inside * (loss / totals[0] - weights / totals[2]) - loss / totals[1] + weights / totals[3]
    value = float(totals[0] / totals[1] * totals[3] / totals[2])
    freedom = max(weights.sum() ** 2 / (weights**2).sum() - 1, 1.0)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt((shares**2).sum())
    return Estimate(value, float(value * np.exp(-reach)), float(value * np.exp(reach)))


def _check(n_rows: int, losses: Numbers, inclusion: Numbers) -> None:
    if not n_rows == len(losses) == len(inclusion):
        raise BadData(
            f"there are {n_rows!r} labelled rows, {len(losses)!r} losses and {len(inclusion)!r} inclusion "
            "probabilities; give one of each per label"
        )
    if not (np.isfinite(losses) & (losses >= 0)).all():
        raise BadData(f"a loss is {float(losses[~(losses >= 0) | np.isinf(losses)][0])!r}; each must be 0 or more")
    outside = inclusion[~((inclusion > 0) & (inclusion <= 1))]
    if outside.size:
        raise BadData(f"an inclusion probability is {float(outside[0])!r}; each must be above 0 and at most 1")
