"""The region of up to three columns where one sample is most over-represented, by a beam over exact scans.

Seeds are every single column and the most telling pairs; each seed climbs by re-optimising one column given the
others, the best grow by a column, and the winner is refined by dropping and replacing each of its conditions.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from monitors.pairs import seeds
from monitors.region import Contrast, Pair, Region, climb, grow

DEPTH = 3
WIDTH = 12
LEAST_SHARE_OF_GAIN = 0.05


def search(contrast: Contrast, pairs: Sequence[Pair]) -> Region | None:
    """Return the region with the largest penalised gain, or None if no gain is positive; `pairs` are also seeds."""
    pool = _best([*grow(contrast, Region((), -np.inf)), *seeds(contrast, pairs)], 2 * WIDTH)
    for _ in range(DEPTH - 1):
        grown = [region for parent in pool[:WIDTH] if len(parent.choices) < DEPTH for region in grow(contrast, parent)]
        pool = _best([*pool, *(climb(contrast, region) for region in _best(grown, 2 * WIDTH))], 2 * WIDTH)
    if not pool:
        return None
    best = max((_refine(contrast, region) for region in pool[:3]), key=lambda region: region.gain)
    return _shorten(contrast, best) if best.gain > 0 else None


def _refine(contrast: Contrast, region: Region) -> Region:
    """Drop each condition, climb, grow by the best column, climb; keep whatever gains, until nothing does."""
    best = region
    while True:
        trials: list[Region] = []
        for column in best.columns:
            shorter = best.without(column)
            if shorter.choices:
                shorter = climb(contrast, shorter)
                trials.append(shorter)
            trials.extend(climb(contrast, grown) for grown in _best(grow(contrast, shorter), 2))
        better = _best(trials, 1)
        if not better or better[0].gain <= best.gain + 1e-9:
            return best
        best = better[0]


def _shorten(contrast: Contrast, region: Region) -> Region:
    """Drop conditions that bring under 5 % of the gain: the penalty alone means nothing where there are many rows."""
    shorter = [climb(contrast, region.without(column)) for column in region.columns if len(region.choices) > 1]
    best = max(shorter, key=lambda each: each.gain, default=region)
    return _shorten(contrast, best) if shorter and best.gain >= (1 - LEAST_SHARE_OF_GAIN) * region.gain else region


def _best(regions: Iterable[Region], most: int) -> list[Region]:
    distinct = {
        tuple((column, choice.keep.tobytes()) for column, choice in region.choices): region
        for region in regions
        if np.isfinite(region.llr)
    }
    return sorted(distinct.values(), key=lambda region: -region.gain)[:most]
