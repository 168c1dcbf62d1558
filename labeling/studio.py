"""The door to Label Studio: exactly-once exchange with a server that promises nothing of the kind.

Label Studio has no unique key of its own, imports the same list twice as two lists of tasks, and may finish a request
whose answer got lost. So the row key in `task.data` is the identity, keys are read before anything is imported, and
after a lost answer they are read again before anything is repeated.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from math import nan
from typing import TYPE_CHECKING, Any, TypeVar

from labeling import answers
from labeling.exchange import OVERLAP, Pull, Studio, by_row_key, check_title
from labeling.memory_studio import InMemoryStudio
from labeling.wire import PAGE, MaybeDone, Wire, where
from records.errors import ServiceDown
from records.label import Annotation
from records.schema import Schema

if TYPE_CHECKING:
    import httpx

__all__ = ["InMemoryStudio", "LabelStudio", "Pull", "Studio"]

# The list of tasks shows neither the page's raw text nor what the model thinks, which would sway who sees it.
_HIDDEN = (
    *("data.opinion", "data.row_html", "data.row", "data.title", "predictions_results", "predictions_score"),
    *("predictions_model_versions", "total_predictions", "annotations_results", "annotations_ids", "inner_id"),
    *("file_upload", "storage_filename", "draft_exists", "avg_lead_time", "updated_by", "created_at"),
)
_N_ATTEMPTS = 3
# `include` also filters the fields of the annotations inside a task, so both are named.
_WITH_ANSWERS = "id,data,annotations,result,completed_by,was_cancelled,lead_time,updated_at"

_T = TypeVar("_T")


class LabelStudio:
    """A `Studio` on a real Label Studio server; `token` is never shown.

    After a lost answer, `push` and `open_project` look for up to `settle_seconds` whether the server finished anyway;
    it should exceed the time the server needs for 500 tasks. One process at a time may push to a project.
    `transport` carries the requests (the network by default).
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = 300.0,
        settle_seconds: float = 30.0,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._wire = Wire(url, token, timeout_seconds=timeout_seconds, transport=transport)
        self._settle_seconds = settle_seconds

    def __repr__(self) -> str:
        return f"LabelStudio({self._wire.url!r})"

    def check(self) -> None:
        """Raise `ServiceDown` or `NotAllowed` with a sentence unless the server answers and accepts the token."""
        self._wire.whoami()

    def open_project(
        self, title: str, config: str, instructions: str, *, overlap: int = 1, suggestions: bool = False
    ) -> int:
        """Return the one project with this title, config, overlap and suggestions, found by a mark it bears."""
        kind = f"{overlap} suggestions" if suggestions else f"{overlap}"
        identity = "\n".join((check_title(title), kind, config))
        mark = f"driftloop {sha256(identity.encode()).hexdigest()[:16]}"
        found = self._find_project(mark) or self._make_project(mark, title, config, instructions, overlap, suggestions)
        self._wire.show_columns(found, hidden=_HIDDEN)
        return found

    def _make_project(
        self, mark: str, title: str, config: str, instructions: str, overlap: int, suggestions: bool
    ) -> int:
        try:
            self._wire.make_project(
                title=title,
                description=f"Made by Driftloop, which finds it by this mark: {mark}",
                label_config=config,
                expert_instruction=instructions,
                show_instruction=True,
                maximum_annotations=overlap,
                show_collab_predictions=suggestions,  # a pre-selected answer makes people agree with the model
                enable_empty_annotation=False,
            )
        except MaybeDone:
            self._settle(lambda: self._find_project(mark) is not None)
        found = self._find_project(mark)
        if found is None:
            raise ServiceDown(f"Label Studio at {self._wire.url!r} did not make the project {title!r}; try again")
        return found

    def push(self, project: int, tasks: Sequence[Mapping[str, object]]) -> dict[str, int]:
        """Import the tasks whose row keys the project does not have; return the task id of each row key."""
        wanted = by_row_key(tasks)
        found = self._find_tasks(project, list(wanted))
        for keys in _chunks([key for key in wanted if key not in found]):
            found |= self._import(project, {key: wanted[key] for key in keys})
        return {key: found[key] for key in wanted}

    def pull(self, project: int, schema: Schema, since: datetime | None = None) -> Pull:
        """Return the tasks that changed after `since`, each with all its annotations."""
        filters = [] if since is None else [where("updated_at", "greater", "Datetime", _stamp(since - OVERLAP))]
        tasks: list[tuple[int, str]] = []
        annotations: list[Annotation] = []
        unreadable: list[int] = []
        self._wire.server_time = None
        for task in self._wire.list_tasks(project, filters, include=_WITH_ANSWERS):
            row_key = (task.data or {}).get("row_key")
            if not isinstance(row_key, str):
                continue  # a task made by hand is not ours
            tasks.append((task.id, row_key))
            for item in task.annotations or []:
                annotation = _annotation(item, task.id, row_key, schema)
                if annotation.answer is None and not item["was_cancelled"]:
                    unreadable.append(annotation.annotation_id)
                else:
                    annotations.append(annotation)
        seen_until = self._wire.server_time or since or datetime.fromtimestamp(0, UTC)
        return Pull(tuple(tasks), tuple(annotations), tuple(unreadable), seen_until)

    def withdraw(self, project: int, task_ids: Collection[int]) -> tuple[int, ...]:
        """Delete those of the tasks that nobody has answered; a skip is no answer."""
        gone: list[int] = []
        for ids in _chunks(sorted(set(task_ids))):
            listed = self._wire.list_tasks(
                project, [where("id", "in_list", "List", ids)], include="id,total_annotations"
            )
            unanswered = [task.id for task in listed if not task.total_annotations]
            if unanswered:
                self._wire.delete_tasks(project, unanswered)
            gone += unanswered
        return tuple(gone)

    def _find_project(self, mark: str) -> int | None:
        marked = (project for project, description in self._wire.list_projects() if description.endswith(mark))
        return min(marked, default=None)

    def _find_tasks(self, project: int, row_keys: list[str], *, merge: bool = True) -> dict[str, int]:
        """Return the task ids of those row keys that have a task; copies of a task are merged first."""
        found: dict[str, int] = {}
        n_copies = 0
        for keys in _chunks(row_keys):
            for task in self._wire.list_tasks(
                project, [where("data.row_key", "in_list", "List", keys)], include="id,data"
            ):
                n_copies += task.data["row_key"] in found
                found.setdefault(task.data["row_key"], task.id)
        if n_copies and merge:
            self._wire.merge_copies(project)
            return self._find_tasks(project, row_keys, merge=False)
        return found

    def _import(self, project: int, wanted: Mapping[str, Mapping[str, object]]) -> dict[str, int]:
        found: dict[str, int] = {}
        for attempt in range(1, _N_ATTEMPTS + 1):
            missing = [key for key in wanted if key not in found]
            try:
                ids = self._wire.import_tasks(project, [wanted[key] for key in missing])
                return found | dict(zip(missing, ids, strict=True))
            except MaybeDone:
                self._settle(lambda: len(self._find_tasks(project, list(wanted))) == len(wanted))
                found = self._find_tasks(project, list(wanted))
                if len(found) == len(wanted):
                    return found
                if attempt == _N_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _settle(self, done: Callable[[], bool]) -> None:
        """Wait until `done()`, at most `settle_seconds`; the server may be busy or away meanwhile."""
        deadline = time.monotonic() + self._settle_seconds
        pause = 0.2
        while (left := deadline - time.monotonic()) > 0:
            try:
                if done():
                    return
            except ServiceDown:
                pass  # asked again until the deadline; the caller reads once more and lets that failure out
            time.sleep(min(pause, left))
            pause = min(2 * pause, 2.0)


def _annotation(item: Mapping[str, Any], task_id: int, row_key: str, schema: Schema) -> Annotation:
    # A skipped annotation may hold the model's prediction, so its result is never read.
    answer = None if item["was_cancelled"] else answers.read(item["result"], schema)
    lead_time = item.get("lead_time")
    return Annotation(
        annotation_id=item["id"],
        task_id=task_id,
        row_key=row_key,
        annotator=f"user {item['completed_by']}",
        answer=answer,
        updated_at=datetime.fromisoformat(item["updated_at"]),
        lead_time_seconds=nan if lead_time is None else float(lead_time),
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the one form that does not make it fail


def _chunks(items: list[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]
