"""Champion against challenger on the same rows, and the verdict drawn from it."""

from dataclasses import dataclass
from typing import Literal

from records.drift import Estimate
from records.window import Window

Outcome = Literal["promote", "keep", "needs review"]
Rule = Literal["must gain", "must not lose", "must not clearly lose"]


@dataclass(frozen=True, slots=True)
class RegimeComparison:
    """Both models on one set of rows: a drifted slice's audit labels, or a kept holdout.

    `gain` is the champion's mean loss minus the challenger's, weighted by 1 / inclusion probability and paired by
    row, so positive is better. `kind` says what is demanded here: a gain, that there is no loss beyond the tolerance,
    or (of few rows, which could not show that) only that such a loss is not shown.
    """

    name: str
    kind: Rule
    n_rows: int
    champion_loss: float
    challenger_loss: float
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Bias:
    """Calibration in the large: what both models predict on average minus what people answered, weighted.

    `name` is a class, then the bias is in probability; or the target, then it is in standard deviations of the answers.
    """

    name: str
    n_rows: int
    champion: Estimate
    challenger: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """Champion against challenger over every regime that matters; measured, not judged.

    `level` is how often this look at the audit labels may promote what gains nothing, 0 if they were too few to promote
    (all of the usual alpha where an older Driftloop compared). `windows` are the ones whose audit labels were pooled:
    the undecided ones before, and the one that was decided about. `unasked` says in sentences what was left out, and
    why.
    """

    model: str
    champion: int
    challenger: int
    loss: str
    regimes: tuple[RegimeComparison, ...]
    biases: tuple[Bias, ...] = ()
    level: float = 0.05
    windows: tuple[Window, ...] = ()
    unasked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided, with every reason as a sentence.

    `n_labels_needed` is about how many more audit labels would settle it (0 when it is settled).
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    n_labels_needed: int = 0
