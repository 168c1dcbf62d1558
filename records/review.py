"""What a reviewer is shown about a generation, gathered in one place: measured and decided elsewhere."""

from dataclasses import dataclass
from datetime import datetime

from records.comparison import Comparison, Verdict
from records.decay import Judgement
from records.drift import Alarm, DriftReport, Estimate
from records.generation import FitRecord, Generation
from records.label import Crowd
from records.slice import Slice
from records.window import Window


@dataclass(frozen=True, slots=True)
class Gain:
    """Champion and challenger on the same rows; `gain` is the champion's mean loss minus the challenger's, at 95 %."""

    name: str
    n_rows: int
    champion_loss: float
    challenger_loss: float
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure people know, such as accuracy, of both models on the same rows: `audit`, or `holdout.g1`.

    The bounds are `nan` where there are none.
    """

    rows: str
    name: str
    champion: Estimate
    challenger: Estimate


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows with like predictions: their mean prediction, what was observed, and their share of all rows."""

    predicted: float
    observed: Estimate
    share: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far a generation's predictions can be taken at their word; `of` says what is predicted.

    `error` is the mean distance between predicted and observed over the bins, weighted by their shares.
    """

    generation: int
    of: str
    error: float
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on the audit labels that judged a challenger, for people to look at; it decides nothing."""

    champion: int
    challenger: int
    loss: str
    n_audit: int
    windows: tuple[Window, ...]
    gains: tuple[Gain, ...]
    measures: tuple[Measured, ...]
    calibrations: tuple[Calibration, ...]
    crowd: Crowd | None


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a generation's lineage: what it is, what to call it, and where it can be opened, if it can."""

    what: str
    name: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Reign:
    """One stretch of time in which a generation was champion; `end` is None while it is."""

    generation: int
    start: datetime
    end: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class ShadowScore:
    """A challenger that was not used and the champion, on rows of a later window whose answers are known by now.

    `gain` is the champion's mean loss minus the challenger's, with its interval at 95 %.
    """

    window: Window
    champion: int
    challenger: int
    n_rows: int
    source: str
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a challenger said about a later window beside the champion, without being used.

    `share_different` of the rows got another answer (of numbers: one over 1 % of the predictions' range away), and
    `mean_distance` is how far the predictions lie apart: the mean total variation distance of the probabilities in
    [0, 1], or the mean absolute difference.
    """

    model: str
    window: Window
    champion: int
    challenger: int
    n_rows: int
    share_different: float
    mean_distance: float


@dataclass(frozen=True, slots=True)
class Review:
    """Everything on a generation's review page; what is not known, or does not apply, is None or empty.

    A gain had to lie above `margin` where the challenger must gain, and above `-tolerance` where it must not lose;
    fewer than `minimum_labels` labels decide nothing. `rival` is how the generation it is compared with was fitted.
    """

    generation: Generation
    champion: int | None
    candidates: tuple[FitRecord, ...]
    reigns: tuple[Reign, ...]
    links: tuple[Link, ...]
    window: Window | None = None
    report: DriftReport | None = None
    alarm: Alarm | None = None
    slices: tuple[Slice, ...] = ()
    n_asked: int = 0
    n_labels: int = 0
    n_audit: int = 0
    n_taught: int = 0
    judgement: Judgement | None = None
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    figures: Figures | None = None
    shadows: tuple[Shadow, ...] = ()
    shadow_scores: tuple[ShadowScore, ...] = ()
    margin: float = 0.0
    tolerance: float = 0.0
    minimum_labels: int = 0
    rival: FitRecord | None = None
