"""A registry in memory, for tests and trials: it keeps the same promises as MLflow's."""

import itertools
import pickle
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256

from sklearn.pipeline import Pipeline

from models.candidates import CandidateRun, candidate_runs
from models.entry import Draft, Entry, Note, Rows, Server
from models.model_files import address_of, demand_logged
from models.naming import approved, candidate_table, defined, fit_metrics
from records.errors import Conflict, NotFound
from records.generation import Generation


@dataclass(slots=True)
class Run:
    """What is on record about one generation; `digest` is that of its model as it is kept now."""

    entry: Entry
    draft: Draft
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[str, object] = field(default_factory=dict)
    candidates: tuple[CandidateRun, ...] = ()
    rows: dict[str, Rows] = field(default_factory=dict)
    version_tags: dict[str, str] = field(default_factory=dict)
    description: str = ""
    digest: str = ""


class InMemoryRegistry:
    """Generations in dictionaries; `runs` and `aliases` are open to tests."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self._keys: dict[str, str] = {}
        self._discarded: dict[str, int] = {}
        self._numbers = itertools.count(1)

    def check(self) -> None:
        """Return: memory always answers."""

    def log(self, draft: Draft) -> Entry:
        """See `Registry.log`."""
        if draft.key in self._keys:
            return self.runs[self._keys[draft.key]].entry
        run_id = next(name for name in (f"run-{number}" for number in self._numbers) if name not in self.runs)
        taken = [int(run.entry.version) for run in self.runs.values() if run.draft.model == draft.model]
        version = str(1 + max([self._discarded.get(draft.model, 0), *taken]))
        digest = sha256(pickle.dumps(draft.pipeline)).hexdigest()
        entry = Entry(run_id, version, f"models:/{draft.model}/{version}", digest)
        tags = {"generation": str(draft.number), "snapshot": draft.snapshot.digest} | dict(draft.tags)
        run = Run(entry, draft, defined(fit_metrics(draft.fit) | dict(draft.metrics)), tags, digest=digest)
        run.files |= {path.name: path for path in draft.artifacts}
        run.files["candidates.json"] = candidate_table(draft.candidates or (draft.fit,))
        run.candidates = candidate_runs(draft)
        run.version_tags = {"generation": str(draft.number), "status": "candidate"}
        run.description = draft.description or draft.name
        self.runs[run_id], self._keys[draft.key] = run, run_id
        self.aliases[draft.model, "challenger"] = version
        return entry

    def discard(self, model: str, *, up_to: int, known: Collection[str], key: str = "") -> tuple[str, ...]:
        """See `Registry.discard`."""
        champion, gone = self.champion(model), []
        for run_id, run in tuple(self.runs.items()):
            ours = run.draft.model == model and run.draft.number <= up_to and run.draft.key != key
            untouched = run.version_tags.get("status") == "candidate" and run.entry.version != champion
            if ours and untouched and run_id not in known:
                del self.runs[run_id]
                self._keys.pop(run.draft.key, None)
                gone.append(run.entry.version)
        for name in [at for at, version in self.aliases.items() if at[0] == model and version in gone]:
            del self.aliases[name]
        self._discarded[model] = max([self._discarded.get(model, 0), *map(int, gone)])
        return tuple(gone)

    def load(self, generation: Generation) -> Pipeline:
        """See `Registry.load`."""
        run = self._run(address_of(generation))
        demand_logged(generation, run.digest)
        return run.draft.pipeline

    def fetch(self, address: str) -> Pipeline:
        """See `Registry.fetch`."""
        return self._run(address).draft.pipeline

    def digest(self, generation: Generation) -> str:
        """See `Registry.digest`."""
        return self._run(address_of(generation)).digest

    def _run(self, address: str) -> Run:
        for run in self.runs.values():
            alias = f"models:/{run.draft.model}@"
            by_alias = address.startswith(alias) and (
                self.aliases.get((run.draft.model, address.removeprefix(alias))) == run.entry.version
            )
            if address == run.entry.model_uri or by_alias:
                return run
        raise NotFound(f"the registry in memory does not have model {address!r}; log it first")

    def server(self) -> Server | None:
        """See `Registry.server`."""
        return None

    def versions(self, model: str) -> frozenset[str]:
        """See `Registry.versions`."""
        return frozenset(run.entry.version for run in self.runs.values() if run.draft.model == model)

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
