"""Whether the model got worse on a batch, and why."""

from dataclasses import dataclass
from typing import Literal

from records.drift import Estimate
from records.slice import Slice
from records.window import Window

Finding = Literal["harm", "no harm", "unclear"]
Action = Literal["nothing", "wait", "ask", "retrain"]


@dataclass(frozen=True, slots=True)
class SliceDecay:
    """The concept part inside one slice: how much more its labelled rows lost than such rows did before.

    `share` is the slice's share of the batch, in `[0, 1]`, and `freedom` the degrees of freedom of the interval.
    """

    slice: str
    share: float
    n_labels: int
    concept: Estimate
    freedom: float


@dataclass(frozen=True, slots=True)
class Decay:
    """The loss change of a generation on a batch since its own holdout: total = covariate + concept part.

    Positive is worse. `loss` names the loss per row (`zero_one`, `brier`, `squared`, `absolute`). `n_labels` audit
    labels were used, `effective_share` of the holdout remains effective after reweighting, and
    `unsupported_share` of the batch has no like in the snapshot (there the covariate part is extrapolation).
    `sentence` says in words what follows. `freedom` are the degrees of freedom of the total's and the concept part's
    intervals, which are at 95 %, and `slices` hold the concept part of each slice.
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
    freedom: float = float("inf")
    slices: tuple[SliceDecay, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure people know, such as accuracy: its value `before`, on the holdout, and `now`, on labelled rows."""

    name: str
    before: float
    now: Estimate


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next about a window: `n_labels` more labels are meant, for `cost`; `sentence` says it in words."""

    action: Action
    n_labels: int
    cost: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the labels of one window say: the measured decay, the finding drawn from it, and where the loss is higher.

    `harmful` are slices of the labelled rows: their shares are of rows and of loss (see `Slice`). `looks` are the
    shares of the labels at which it was decided so far, this time last.
    """

    decay: Decay
    finding: Finding
    harmful: tuple[Slice, ...] = ()
    advice: Advice | None = None
    looks: tuple[float, ...] = (1.0,)
    metrics: tuple[Metric, ...] = ()
