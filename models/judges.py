"""The rows that judge candidates: labels, and old rows set aside, with how much each counts."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.balance import balanced
from models.lessons import Lessons
from models.loss import of_predictions
from models.predictions import truths
from models.recipe import positions
from models.shift import likelihood_ratio
from models.weighted import effective
from records.schema import Schema

Floats = NDArray[np.float64]
CHOICE_HALVING = 4.0
"""After how many windows a label counts half in the choice: what is true now is looked for."""
LATEST_WINDOWS = 1.0
FEWEST_LATEST = 20.0


@dataclass(frozen=True, slots=True)
class Judges:
    """The rows that judge: labels and old rows set aside, as truths and weights, and the loss.

    `ages` (n_labels,) are how many windows ago each label was taken; the latest are of about this window and the one
    before. `likeness` is how many times as likely each old row is among those, (n_old,); it is empty where they are too
    few to tell.
    """

    labels: NDArray[np.float64] | NDArray[np.intp]
    label_weights: Floats
    ages: Floats
    old: NDArray[np.float64] | NDArray[np.intp]
    old_weights: Floats
    schema: Schema
    loss: str
    likeness: Floats = field(default_factory=lambda: np.empty(0))

    def of_labels(self, said: Floats) -> float:
        """The mean loss on labels."""
        return _mean(of_predictions(said, self.labels, self.schema, self.loss), self.label_weights)

    def of_old(self, said: Floats) -> float:
        """The mean loss on old rows, 0 without any."""
        return _mean(of_predictions(said, self.old, self.schema, self.loss), self.old_weights)


def judges(
    labelled: pd.DataFrame,
    aside: pd.DataFrame,
    X_aside: Floats,
    lessons: Lessons,
    schema: Schema,
    *,
    loss: str,
    seed: int,
) -> Judges:
    """Return the rows that judge; a label counts 1 / inclusion, the less the older, and classes alike if wanted.

    `X_aside` are the old rows set `aside`, prepared.
    """
    drawn = 1 / labelled["inclusion"].to_numpy(dtype=float)
    weights, latest = drawn * 0.5 ** (lessons.ages / CHOICE_HALVING), lessons.ages <= LATEST_WINDOWS
    even: Floats = np.ones(len(aside))
    if lessons.balance:
        weights = balanced(labelled[schema.target].to_numpy(), weights)
        even = balanced(aside[schema.target].to_numpy(), even)
    likeness: Floats = np.empty(0)
    if len(aside) >= FEWEST_LATEST and effective(drawn[latest]) >= FEWEST_LATEST:
        n = int(latest.sum())
        now = lessons.new[latest][positions(drawn[latest], n=n, seed=seed)]
        likeness = likelihood_ratio(X_aside, now, seed=seed)
    return Judges(truths(labelled, schema), weights, lessons.ages, truths(aside, schema), even, schema, loss, likeness)


def _mean(losses: Floats, weights: Floats) -> float:
    return float(np.average(losses, weights=weights)) if len(losses) else 0.0
