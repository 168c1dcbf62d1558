"""A registry in memory, for tests and trials: it keeps the same promises as MLflow's."""

import itertools
from dataclasses import dataclass, field

from sklearn.pipeline import Pipeline

from models.entry import Draft, Entry, Note
from models.naming import defined
from records.errors import Conflict, NotFound


@dataclass(slots=True)
class Run:
    """What is on record about one generation."""

    entry: Entry
    draft: Draft
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[str, object] = field(default_factory=dict)


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
        metrics = {f"holdout_{draft.fit.loss}": draft.fit.holdout_loss} | dict(draft.metrics)
        run = Run(entry, draft, defined(metrics), tags)
        run.files |= {path.name: path for path in draft.artifacts}
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

    def promote(self, model: str, version: str, *, expected: str | None) -> None:
        """See `Registry.promote`."""
        if not any(run.draft.model == model and run.entry.version == version for run in self.runs.values()):
            raise NotFound(f"the registry in memory does not have version {version!r} of {model!r}; log it first")
        current = self.champion(model)
        if current not in (expected, version):
            raise Conflict(
                f"version {current!r} of {model!r} is champion, not {expected!r}; see what changed and promote again"
            )
        self.aliases[model, "champion"] = version
        if self.aliases.get((model, "challenger")) == version:
            del self.aliases[model, "challenger"]

    def annotate(self, run_id: str, note: Note) -> None:
        """See `Registry.annotate`."""
        if run_id not in self.runs:
            raise NotFound(f"the registry in memory does not have run {run_id!r}; log it first")
        run = self.runs[run_id]
        run.metrics |= defined(note.metrics)
        run.tags |= dict(note.tags)
        run.files |= {path.name: path for path in note.artifacts} | dict(note.texts) | dict(note.tables)
