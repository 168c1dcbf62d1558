"""Where the next labels tell most: how much the loss of every row is expected to vary, after the first labels."""

import numpy as np
from numpy.typing import NDArray

from monitors.likeness import Likeness
from monitors.loss_change import LEAST_LABELS, PRIOR_LABELS, Labelled

LARGEST_FACTOR = 3.0


def sharpened(likeness: Likeness, labelled: Labelled) -> NDArray[np.float64]:
    """Return the spread each row's loss is expected to have, corrected in each stratum by what its labels show.

    Where answers changed, the loss varies more than the holdout led to expect, so that stratum's interval is the
    widest and the next round gives it more labels. The factor is the root of observed over expected squared residual,
    drawn towards 1 with the weight of 5 labels, and within a third and three times.

    >>> like = Likeness(np.zeros(4), np.zeros(12), np.ones(4), np.ones(12), np.full(12, 0.5))
    >>> strata = np.array([0] * 6 + [1] * 6)
    >>> drawn = Labelled(np.arange(12), np.array([0.5] * 6 + [1.0] * 6), np.ones(12), strata)
    >>> sharpened(like, drawn)[[0, -1]].round(3).tolist()
    [0.5, 0.812]
    """
    spread = likeness.spread_batch.copy()
    residual = (labelled.losses - likeness.expected_batch[labelled.position]) ** 2
    expected = likeness.spread_batch[labelled.position] ** 2
    for stratum in np.unique(labelled.strata):
        here = labelled.strata[labelled.position] == stratum
        if here.sum() < LEAST_LABELS:
            continue
        weights = 1 / labelled.inclusion[here]
        ratio = float(weights @ residual[here] / max(float(weights @ expected[here]), 1e-12))
        ratio = (here.sum() * ratio + PRIOR_LABELS) / (here.sum() + PRIOR_LABELS)
        spread[labelled.strata == stratum] *= np.clip(ratio**0.5, 1 / LARGEST_FACTOR, LARGEST_FACTOR)
    return spread
