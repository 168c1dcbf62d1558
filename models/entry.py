"""What goes into the registry of generations and comes out of it, and what any registry must do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd
from sklearn.pipeline import Pipeline

from records.generation import FitRecord, Generation, Snapshot
from records.schema import Schema


@dataclass(frozen=True, slots=True)
class Draft:
    """A fitted generation on its way to the registry; it stays inside one step.

    `train` and `holdout` are the rows it learned from and was scored on: their first rows give the signature and the
    example, and the snapshot says where the whole is. Each of `candidates` becomes a child run. `metrics` beside the
    holdout's loss, `tags` for lineage (values are text), `artifacts` are files, `description` is Markdown.
    """

    model: str
    number: int
    schema: Schema
    pipeline: Pipeline
    fit: FitRecord
    snapshot: Snapshot
    train: pd.DataFrame
    holdout: pd.DataFrame
    candidates: tuple[FitRecord, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()
    description: str = ""

    @property
    def key(self) -> str:
        """What makes logging it twice the same as once."""
        return f"{self.model}/{self.number}/{self.snapshot.digest}"

    @property
    def name(self) -> str:
        """The generation's name in lists, such as `gen-003`."""
        return f"gen-{self.number:03d}"


class Entry(NamedTuple):
    """Where a generation was put: its run, its version of the registered model, the address, and its files' digest."""

    run_id: str
    version: str
    model_uri: str
    digest: str


@dataclass(frozen=True, slots=True)
class Server:
    """What a registry's server says of itself: its version, and its time as an HTTP date, None if it does not tell."""

    version: str
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that a generation was scored on later, as the registry lists them: what they are, and where they are.

    Metrics whose name begins with `name` and a point were measured on them.
    """

    name: str
    digest: str
    head: pd.DataFrame
    source: str


@dataclass(frozen=True, slots=True)
class Note:
    """What is added to a generation's run later: a comparison, a drift report, a decision.

    `texts` and `files` are files by name, such as `comparison.md` or `plots/gains.png`; `tables` are rows by file name,
    such as `comparison.json`. `version_tags` and `description` also go to the registered version. Writing the same
    note again changes nothing; another one replaces the files, metrics and tags of the same name. `step` orders the
    values that a metric had.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    description: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    version_tags: Mapping[str, str] = field(default_factory=dict)
    rows: Rows | None = None
    step: int = 0


class Registry(Protocol):
    """Where generations are kept; `MlflowRegistry` and `InMemoryRegistry` pass the same contract tests.

    Every method may raise `ServiceDown` and `NotAllowed`.
    """

    def log(self, draft: Draft) -> Entry:
        """Write a generation down, give it a version and the alias `challenger`; a draft of the same key only once.

        Raises `BadData` when the pipeline cannot be kept safely.
        """

    def discard(self, model: str, *, up_to: int, known: Collection[str], key: str = "") -> tuple[str, ...]:
        """Discard what a crash left of generations up to a number, and return the versions that went.

        It is the runs that are not `known` nor of the draft with this `key`, that nobody promoted or decided about.
        """

    def load(self, generation: Generation) -> Pipeline:
        """Return the fitted pipeline of a generation on the ledger, by its version here.

        Raises `Altered`, before anything of it is loaded, when its files are not those that were logged, `NotFound`,
        or `BadData` when no pipeline is there.
        """

    def fetch(self, address: str) -> Pipeline:
        """Return a fitted pipeline that a person names, unchecked: loading runs what is in it.

        Raises `NotFound`, or `BadData` when no pipeline is there.
        """

    def digest(self, generation: Generation) -> str:
        """Return the digest of a generation's files as they are now, and load nothing; raises `NotFound`."""

    def server(self) -> Server | None:
        """Return what the server says of itself, None where the registry has none."""

    def versions(self, model: str) -> frozenset[str]:
        """Return every version there is of a model; none of a model that is not known."""

    def champion(self, model: str) -> str | None:
        """Return the version in charge of a model, None when there is none."""

    def approval(self, model: str, version: str) -> str:
        """Return what a reviewer wrote in the tag `approved` of a version; empty without it, or if it says no.

        Raises `NotFound` when there is no such version.
        """

    def promote(self, model: str, version: str, *, expected: str | None) -> None:
        """Put a version in charge in place of `expected`; nothing happens when it is in charge already.

        Raises `Conflict` when another version is in charge than expected, `NotFound` when there is no such version.
        """

    def annotate(self, run_id: str, note: Note) -> None:
        """Add a note to a generation's run; the same note again changes nothing. Raises `NotFound`."""
