"""The number a person would write for a limit that may lie anywhere in an interval."""

import math


def readable(edge: float, low: float, high: float) -> float:
    """Return the roundest number in `[low, high]`, the one nearest to `edge` where several are as round.

    Round means a multiple of 1 or 5 times a large power of ten, as people write limits.

    >>> readable(17.93, 17.2, 18.4), readable(0.3147, 0.3, 0.3147), readable(1755.0, 1755.0, 1799.0)
    (18.0, 0.3, 1760.0)
    >>> readable(-0.02, -0.1, 0.3), readable(3.7, 3.7, 3.7)
    (0.0, 3.7)
    """
    if low <= 0 <= high:
        return 0.0
    if low < high and math.isfinite(low) and math.isfinite(high):
        top = math.floor(math.log10(max(abs(low), abs(high)))) + 1
        for power in range(top, top - 17, -1):
            for unit in (5, 1) if power < top else (1,):
                rounded = _nearest_multiple(edge, unit, power, low, high)
                if rounded is not None:
                    return rounded
    return edge


def _nearest_multiple(edge: float, unit: int, power: int, low: float, high: float) -> float | None:
    step = unit * 10.0**power
    if step == 0:  # below the smallest number there is
        return None
    first, last = math.ceil(low / step), math.floor(high / step)
    if first > last:
        return None
    times = min(max(round(edge / step), first), last)
    value = times * unit * 10**power if power >= 0 else times * unit / 10**-power
    return float(value) if low <= value <= high else None
