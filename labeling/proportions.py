"""Shares of small numbers of rows, with intervals that keep what they promise."""

from math import nan, sqrt
from statistics import NormalDist

from records.drift import Estimate

LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


def share(n_hits: float, n: float) -> Estimate:
    """Return `n_hits / n` with Wilson's score interval (1927), which never leaves [0, 1].

    Where `n` is 0 the share is `nan` and its interval is [0, 1].

    >>> tuple(round(number, 4) for number in (lambda e: (e.value, e.low, e.high))(share(8, 10)))
    (0.8, 0.4902, 0.9433)
    """
    if n <= 0:
        return Estimate(nan, 0.0, 1.0)
    p = min(max(n_hits / n, 0.0), 1.0)  # fractions of rows may pass the ends by a rounding error
    middle, width = p + _Z**2 / (2 * n), _Z * sqrt(max(p * (1 - p), 0.0) / n + _Z**2 / (4 * n**2))
    total = 1 + _Z**2 / n
    return Estimate(p, min(max((middle - width) / total, 0.0), p), max(min((middle + width) / total, 1.0), p))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return the difference of two independent shares, with the interval made of theirs (Newcombe 1998, method 10).

    >>> told = difference(share(56, 70), share(48, 80))
    >>> round(told.value, 4), round(told.low, 4), round(told.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    value = first.value - second.value
    if value != value:
        return Estimate(nan, -1.0, 1.0)
    below = sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    above = sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    return Estimate(value, value - below, value + above)
