"""Whether the snapshot still tells about today, by what its own model loses on labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.choice import Trial
from models.judges import FEWEST_LATEST, LATEST_WINDOWS, Judges
from models.loss import of_predictions
from models.recipe import SNAPSHOT
from models.shift import MOST
from models.weighted import effective, mean_and_error

Floats = NDArray[np.float64]
FAILS = 3.0
"""By how many standard errors the snapshot's model must lose more on labels than on old rows to fail."""
HOLDS = 1.0
"""By how many it may lose more where it holds again."""
LEAST_COVERED = 0.5


def is_past(every: Sequence[Trial], judging: Judges) -> bool:
    """Return whether the snapshot tells little about today: no old row holds, or its own model fails, for any reason.

    The best model of the snapshot alone fails when it loses more on the latest labels than on old rows set aside, by
    over three standard errors of the difference. Old rows count by how likely they are among the labels, which may be
    of a few slices only. Fewer than 20 effective labels or old rows, or old rows that cover less than half of what the
    labels are like, show nothing. A snapshot that failed in one window and held again in a later one is not past
    either: what came back once may come back again (recurring concepts, Widmer & Kubat 1996).
    """
    if not len(judging.old):
        return True
    if not len(judging.likeness) or judging.likeness.mean() < LEAST_COVERED:
        return False
    alike = judging.old_weights * np.clip(judging.likeness / judging.likeness.mean(), 0.0, MOST)
    if effective(alike) < FEWEST_LATEST:
        return False
    best = min((one for one in every if one.candidate.recipe == SNAPSHOT), key=lambda one: one.old_loss)
    before = mean_and_error(of_predictions(best.on_old, judging.old, judging.schema, judging.loss), alike)

    def lead(those: NDArray[np.bool_]) -> float:
        """How many standard errors more is lost on some labels than before; NaN where they are too few to tell."""
        weights = judging.label_weights[those]
        if effective(weights) < FEWEST_LATEST:
            return float("nan")
        losses = of_predictions(best.on_labels[those], judging.labels[those], judging.schema, judging.loss)
        mean, error = mean_and_error(losses, weights)
        difference, spread = mean - before[0], float(np.hypot(error, before[1]))
        return difference / spread if spread > 0 else 0.0

    if not lead(judging.ages <= LATEST_WINDOWS) > FAILS:
        return False
    return not _came_back([lead(judging.ages == age) for age in np.unique(judging.ages)[::-1]])


def _came_back(leads: Sequence[float]) -> bool:
    """Whether, from the oldest window on, one in which the snapshot failed is followed by one in which it held.

    >>> _came_back([0.2, 4.0, float("nan"), 0.5, 6.0]), _came_back([0.5, 4.0, 2.0, 6.0])
    (True, False)
    """
    failed = [place for place, one in enumerate(leads) if one > FAILS]
    return any(one < HOLDS for one in leads[failed[0] :]) if failed else False
