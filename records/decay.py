"""Whether the model got worse on a batch, and why."""

from dataclasses import dataclass
from typing import Literal

from records.drift import Estimate
from records.slice import Slice
from records.window import Window

Finding = Literal["harm", "no harm", "unclear"]


@dataclass(frozen=True, slots=True)
class Decay:
    """The loss change of a generation on a batch since its own holdout: total = covariate + concept part.

    Positive is worse. `loss` names the loss per row (`zero_one`, `brier`, `squared`, `absolute`). `n_labels` audit
    labels were used, `effective_share` of the holdout remains effective after reweighting, and
    `unsupported_share` of the batch has no like in the snapshot (there the covariate part is extrapolation).
    `sentence` says in words what follows.
    """

    model: str
    window: Window
    generation: int
    loss: str
    baseline: float
    total: Estimate
    covariate: Estimate
    concept: Estimate
    n_labels: int
    effective_share: float
    unsupported_share: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the labels of one window say: the measured decay, the finding drawn from it, and where the loss is higher.

    `harmful` are slices of the labelled rows: their shares are of rows and of loss (see `Slice`).
    """

    decay: Decay
    finding: Finding
    harmful: tuple[Slice, ...] = ()
