"""A registry in memory, for tests and trials: it keeps the same promises as MLflow's."""

import itertools
from dataclasses import dataclass, field

from sklearn.pipeline import Pipeline

from models.candidates import CandidateRun, candidate_runs
from models.entry import Draft, Entry, Note, Rows
from models.naming import approved, candidate_table, defined, fit_metrics
from records.errors import Conflict, NotFound


@dataclass(slots=True)
class Run:
    """What is on record about one generation."""

    entry: Entry
    draft: Draft
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[str, object] = field(default_factory=dict)
    candidates: tuple[CandidateRun, ...] = ()
    rows: dict[str, Rows] = field(default_factory=dict)
    version_tags: dict[str, str] = field(default_factory=dict)
    description: str = ""


class InMemoryRegistry:
    """Generations in dictionaries; `runs` and `aliases` are open to tests."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self._keys: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def check(self) -> None:
        """Return: memory always answers."""

    def log(self, draft: Draft) -> Entry:
        """See `Registry.log`."""
        if draft.key in self._keys:
            return self.runs[self._keys[draft.key]].entry
        run_id = next(name for name in (f"run-{number}" for number in self._numbers) if name not in self.runs)
        taken = [int(run.entry.version) for run in self.runs.values() if run.draft.model == draft.model]
        version = str(1 + max(taken, default=0))
        entry = Entry(run_id, version, f"models:/{draft.model}/{version}")
        tags = {"generation": str(draft.number), "snapshot": draft.snapshot.digest} | dict(draft.tags)
        run = Run(entry, draft, defined(fit_metrics(draft.fit) | dict(draft.metrics)), tags)
        run.files |= {path.name: path for path in draft.artifacts}
        run.files["candidates.json"] = candidate_table(draft.candidates or (draft.fit,))
        run.candidates = candidate_runs(draft)
        run.version_tags = {"generation": str(draft.number), "status": "candidate"}
        run.description = draft.description or draft.name
        self.runs[run_id], self._keys[draft.key] = run, run_id
        self.aliases[draft.model, "challenger"] = version
        return entry

    def load(self, model_uri: str) -> Pipeline:
        """See `Registry.load`."""
        for run in self.runs.values():
            alias = f"models:/{run.draft.model}@"
            by_alias = model_uri.startswith(alias) and (
                self.aliases.get((run.draft.model, model_uri.removeprefix(alias))) == run.entry.version
            )
            if model_uri == run.entry.model_uri or by_alias:
                return run.draft.pipeline
        raise NotFound(f"the registry in memory does not have model {model_uri!r}; log it first")

    def champion(self, model: str) -> str | None:
        """See `Registry.champion`."""
        return self.aliases.get((model, "champion"))

    def approval(self, model: str, version: str) -> str:
        """See `Registry.approval`."""
        for run in self.runs.values():
            if (run.draft.model, run.entry.version) == (model, version):
                return approved(run.version_tags)
        raise NotFound(f"the registry in memory does not have version {version!r} of {model!r}; log it first")

    def promote(self, model: str, version: str, *, expected: str | None) -> None:
        """See `Registry.promote`."""
        versions = {run.entry.version: run for run in self.runs.values() if run.draft.model == model}
        if version not in versions:
            raise NotFound(f"the registry in memory does not have version {version!r} of {model!r}; log it first")
        current = self.champion(model)
        if current not in (expected, version):
            raise Conflict(
                f"version {current!r} of {model!r} is champion, not {expected!r}; see what changed and promote again"
            )
        self.aliases[model, "champion"] = version
        if current not in (None, version):
            versions[str(current)].version_tags["status"] = "retired"
        versions[version].version_tags["status"] = "champion"
        if self.aliases.get((model, "challenger")) == version:
            del self.aliases[model, "challenger"]

    def annotate(self, run_id: str, note: Note) -> None:
        """See `Registry.annotate`."""
        if run_id not in self.runs:
            raise NotFound(f"the registry in memory does not have run {run_id!r}; log it first")
        run = self.runs[run_id]
        run.metrics |= defined(note.metrics)
        run.tags |= dict(note.tags)
        run.files |= {path.name: path for path in note.artifacts}
        run.files |= dict(note.texts) | dict(note.files) | dict(note.tables)
        run.version_tags |= dict(note.version_tags)
        run.description = note.description or run.description
        if note.rows is not None:
            run.rows[note.rows.name] = note.rows
