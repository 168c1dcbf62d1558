"""A generation: a fitted pipeline, the snapshot it learned from, and its MLflow run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["candidate", "champion", "retired", "rejected"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable training data, Parquet, named by the hash of its content; `train` taught, `holdout` did not.

    Both files have the key, the time, the features, the target and a `weight` column (1 where nothing else is known).
    """

    digest: str
    train: Path
    holdout: Path
    n_train: int
    n_holdout: int


@dataclass(frozen=True, slots=True)
class StepEngine:
    """Which engine really fitted one step of a pipeline: `accelerated` or not, and why not."""

    step: str
    estimator: str
    accelerated: bool
    reason: str


@dataclass(frozen=True, slots=True)
class FitRecord:
    """How one pipeline was fitted: its settings, its engine per step, its seconds and its score.

    `params` are `(name, value)` pairs for people; `holdout_loss` is the mean loss on the snapshot's holdout.
    """

    estimator: str
    recipe: str
    params: tuple[tuple[str, str], ...]
    engines: tuple[StepEngine, ...]
    fit_seconds: float = field(compare=False)  # a retry after a crash takes another time
    loss: str
    holdout_loss: float


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of a monitored model, as the ledger and MLflow both know it.

    `parent` is the generation it challenged (None for the first), `cause` the window name whose labels taught it.
    `digest` is the hash of the model's files as they were logged, empty if an older Driftloop logged them.
    """

    model: str
    number: int
    status: Status
    snapshot: Snapshot
    mlflow_run_id: str
    version: str
    model_uri: str
    fit: FitRecord
    parent: int | None = None
    cause: str | None = None
    digest: str = ""
