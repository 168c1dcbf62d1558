"""Looking at labels before all are in, without being wrong more often: what every look may spend of alpha.

Looks share one error: by the time a share t of the labels is in, at most t · alpha is spent (a spending function of Kim
& DeMets 1987; Lan & DeMets 1983 show that looks may then come at any time).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from records.errors import BadData

N_POINTS = 801


def spent(fractions: Sequence[float], alpha: float) -> float:
    """Return the one-sided level of the last look, after looks at these shares of the labels, of `alpha` in all.

    The statistics of the looks are correlated as sums of independent labels are, which is why the levels add up to
    more than `alpha`. Raises `BadData` unless the fractions rise within (0, 1].

    >>> round(spent([1.0], 0.025), 4)
    0.025
    >>> [round(spent([0.25, 0.5, 0.75, 1.0][:k], 0.025), 4) for k in (1, 2, 3, 4)]
    [0.0062, 0.008, 0.0101, 0.0124]
    """
    shares = tuple(float(share) for share in fractions)
    if not shares or any(low >= high for low, high in zip((0.0, *shares), shares, strict=False)) or shares[-1] > 1:
        raise BadData(f"looks come at rising shares of the labels above 0 and up to 1, got {list(shares)!r}")
    return float(stats.norm.sf(_limits(shares, alpha)[-1]))


@lru_cache(maxsize=256)
def _limits(shares: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """Return the limit of the statistic at every look, by integrating over the paths that passed none before.

    The statistic times √t is a random walk, so its density is carried from look to look (Armitage, McPherson & Rowe
    1969).
    """
    start = np.linspace(-8.0, 8.0, N_POINTS)
    places: NDArray[np.float64] = np.zeros(1)  # the walk starts at 0
    density: NDArray[np.float64] = np.ones(1)
    limits: list[float] = []
    for before, share in zip((0.0, *shares), shares, strict=False):
        step = (share - before) ** 0.5
        spend = (share - before) * alpha
        limits.append(float(optimize.brentq(_excess, 0.0, 8.0, args=(places, density, step, share, spend))))
        edge = limits[-1] * share**0.5
        reached = start * share**0.5
        reached = np.append(reached[reached < edge], edge)
        arrived = stats.norm.pdf((reached[:, None] - places) / step) @ density / step
        places, density = reached, arrived * _widths(reached)
    return tuple(limits)


def _excess(
    limit: float, places: NDArray[np.float64], density: NDArray[np.float64], step: float, share: float, spend: float
) -> float:
    """Return how much more than `spend` the walk passes the limit in its next step."""
    return float(density @ stats.norm.sf((limit * share**0.5 - places) / step)) - spend


def _widths(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the trapezoidal rule."""
    gaps = np.diff(points)
    return np.asarray((np.append(gaps, 0.0) + np.append(0.0, gaps)) / 2)


def chance(statistic: float, share: float, level: float) -> float:
    """Return the predictive probability that a statistic seen at a share of the labels passes `level` when all are in.

    The effect is taken to be as likely as the labels so far say (flat prior; Spiegelhalter, Freedman & Blackburn 1986):
    the final statistic is normal around z / √t with variance (1 - t) / t.

    >>> [round(chance(z, 0.5, 0.025), 3) for z in (-1.0, 0.0, 1.0, 2.0)]
    [0.0, 0.025, 0.293, 0.807]
    """
    if share >= 1:
        return float(statistic >= stats.norm.isf(level))
    return float(stats.norm.cdf((statistic / share**0.5 - stats.norm.isf(level)) * (share / (1 - share)) ** 0.5))
