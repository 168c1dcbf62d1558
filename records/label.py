"""What is asked of people about rows, and what they answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from records.drift import Estimate
from records.window import Window

Purpose = Literal["audit", "train", "gold"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One row chosen for people, drawn with the known probability `inclusion`, in `(0, 1]`.

    `slice` is the name of the slice the row was drawn for, or `"rest"`; `reason` says why in a few words.
    An `audit` row judges and is never trained on while it judges; a `train` row teaches; the answer of a `gold` row
    is known from the snapshot and tells how well people answer. `inclusion` is the probability within `round`, of
    the rows not drawn before it. `prediction` is the model's answer, and `suggested` says that the labeler sees it
    filled in.
    """

    row_key: str
    purpose: Purpose
    inclusion: float
    slice: str
    reason: str
    round: int = 1
    prediction: str | None = None
    suggested: bool = False


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """One campaign: the rows of one window that people are asked about, under `budget`.

    `reason` is a sentence that says why these rows are asked, or why none is.
    """

    model: str
    window: Window
    generation: int
    budget: int
    asks: tuple[Ask, ...] = ()
    reason: str = ""

    @property
    def row_keys(self) -> tuple[str, ...]:
        """The keys of the rows that are asked."""
        return tuple(ask.row_key for ask in self.asks)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One person's answer to one task, as Label Studio has it; `answer` is None for a skipped task.

    `annotation_id` and `updated_at` identify one state of one answer; `lead_time_seconds` is `nan` if unknown.
    `origin` is Label Studio's word on how the answer came about: `manual`, `prediction` (a suggestion that was left as
    it was), `prediction-changed`, or None if it says nothing.
    """

    annotation_id: int
    task_id: int
    row_key: str
    annotator: str
    answer: str | None
    updated_at: datetime
    lead_time_seconds: float
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """The consensus answer for one row.

    `answer` is a class name, or a number as text for a regression. `agreement` is the share of annotators who gave
    that answer (classification), or 1 for a single one.
    """

    row_key: str
    answer: str
    n_annotators: int
    agreement: float
    annotators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A label request that is not closed yet, and how far it is.

    `project` is the label project its tasks are in, None until the first task is known to be pushed; `task_ids` holds
    `(row_key, task id)` of the pushed rows; `n_answered` counts rows with at least one answer that is not a skip.
    `gone` are the keys of rows nobody will answer: their tasks were deleted by hand, or taken back. The last round was
    written down at `asked_at`.
    """

    request: LabelRequest
    project: int | None
    task_ids: tuple[tuple[str, int], ...]
    n_answered: int
    asked_at: datetime
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """A label with the ask that bought it; `trained` lists the generations that learned from it."""

    label: Label
    ask: Ask
    window: Window
    trained: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A row that people disagreed on, so that it is asked once more; `task_id` is None until its task is pushed."""

    row_key: str
    project: int | None
    task_id: int | None


@dataclass(frozen=True, slots=True)
class Annotator:
    """How well one person answers.

    Of their latest words on rows, `n_answered` are answers and `n_skipped` skips. `agreement` is the share of
    `n_shared` rows where they say what the others there do; `accuracy` is on `n_gold` rows whose answer was known,
    drawn towards what people have together. `nan` where there is none.
    """

    annotator: str
    n_answered: int
    n_skipped: int
    n_shared: int
    agreement: float
    n_gold: int
    accuracy: Estimate
    lead_time_seconds: float


@dataclass(frozen=True, slots=True)
class Anchoring:
    """What it does to people to see the model's answer filled in, over `n_suggested` rows and `n_blind` others.

    `overrides` is the share of suggested rows where people answer something else. `bias` is by how much more often
    they agree with the model where they see its answer than where they do not.
    """

    n_suggested: int
    n_blind: int
    overrides: Estimate
    bias: Estimate


@dataclass(frozen=True, slots=True)
class Crowd:
    """How people answered one label request: their agreement (Krippendorff's alpha), and what each is worth."""

    alpha: float
    annotators: tuple[Annotator, ...]
    anchoring: Anchoring
    n_second_looks: int
