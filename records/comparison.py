"""Champion against challenger on the same rows, and the verdict drawn from it."""

from dataclasses import dataclass
from typing import Literal

from records.drift import Estimate

Outcome = Literal["promote", "keep", "needs review"]


@dataclass(frozen=True, slots=True)
class RegimeComparison:
    """Both models on one set of rows: a drifted slice's audit labels, or a kept holdout.

    `gain` is the champion's mean loss minus the challenger's, weighted by 1 / inclusion probability and paired by
    row, so positive is better. `kind` says whether the challenger must gain here or must not lose.
    """

    name: str
    kind: Literal["must gain", "must not lose"]
    n_rows: int
    champion_loss: float
    challenger_loss: float
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """Champion against challenger over every regime that matters; measured, not judged."""

    model: str
    champion: int
    challenger: int
    loss: str
    regimes: tuple[RegimeComparison, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided, with every reason as a sentence.

    `n_labels_needed` is about how many more audit labels would settle it (0 when it is settled).
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    n_labels_needed: int = 0
