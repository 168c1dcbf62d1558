"""The door to Label Studio: exactly-once exchange with a server that promises nothing of the kind.

Label Studio has no unique key of its own, imports the same list twice as two lists of tasks, and may finish a request
whose answer got lost. So the row key in `task.data` is the identity, keys are read before anything is imported, and
after a lost answer they are read again before anything is repeated.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import nan
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_type, retry_if_not_result, stop_after_delay, wait_exponential

from labeling import answers, control, rows
from labeling.exchange import OVERLAP, Pull, Studio, by_row_key
from labeling.memory_studio import InMemoryStudio
from labeling.projects import Projects
from labeling.wire import PAGE, MaybeDone, Wire, where
from records.errors import ServiceDown
from records.label import Annotation
from records.schema import Schema

if TYPE_CHECKING:
    import httpx

__all__ = ["InMemoryStudio", "LabelStudio", "Pull", "Studio"]

_N_ATTEMPTS = 3
_IDS_AT_ONCE = 4 * PAGE
_MOST_COUNTS = 10
# `include` also filters the fields of the annotations inside a task, so both are named.
_WITH_ANSWERS = "id,data,is_labeled,annotations,result,completed_by,was_cancelled,lead_time,updated_at"


class LabelStudio:
    """A `Studio` on a real Label Studio server; `token` is never shown.

    After a lost answer, `push` and `open_project` look for up to `settle_seconds` whether the server finished anyway;
    it should exceed the time the server needs for 500 tasks. One process at a time may open, push to, pull from or
    withdraw from a project: whoever calls holds a lock. A pull reads `overlap` of the time before `since` again.
    `transport` carries the requests (the network by default).
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = 300.0,
        settle_seconds: float = 30.0,
        overlap: timedelta = OVERLAP,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._wire = Wire(url, token, timeout_seconds=timeout_seconds, transport=transport)
        self._settle_seconds = settle_seconds
        self._overlap = overlap
        self._projects = Projects(self._wire, self._settle)

    def __repr__(self) -> str:
        return f"LabelStudio({self._wire.shown!r})"

    def check(self) -> None:
        """Raise `ServiceDown` or `NotAllowed` with a sentence unless the server answers and accepts the token."""
        self._wire.whoami()

    def open_project(
        self,
        title: str,
        config: str,
        instructions: str,
        *,
        overlap: int = 1,
        suggestions: bool = False,
        in_doubt: bool = False,
    ) -> int:
        """Return the one project with this title, config, overlap and suggestions, found by a mark it bears."""
        return self._projects.open(
            title, config, instructions, overlap=overlap, suggestions=suggestions, in_doubt=in_doubt
        )

    def push(self, project: int, tasks: Sequence[Mapping[str, object]], *, in_doubt: bool = False) -> dict[str, int]:
        """Import the tasks whose row keys the project does not have; return the task id of each row key."""
        wanted = by_row_key(tasks)
        if in_doubt:
            found = self._await_tasks(project, list(wanted))
        else:
            found = rows.find(self._wire, project, list(wanted)) if self._wire.look(project)[1] else {}
        if found:
            rows.reopen(self._wire, project, list(found))
        for keys in rows.parts([key for key in wanted if key not in found]):
            found |= self._import(project, {key: wanted[key] for key in keys})
        return {key: found[key] for key in wanted}

    def pull(
        self,
        project: int,
        schema: Schema,
        since: datetime | None = None,
        *,
        known: Mapping[int, str] | None = None,
    ) -> Pull:
        """Return the tasks that changed after `since`, each with all its annotations."""
        self._wire.server_time = None
        config, _ = self._wire.look(project)
        altered = control.altered(project, control.needed(schema), control.present(config))
        seen_until = self._wire.server_time or since or datetime.fromtimestamp(0, UTC)
        # Not the export: each one leaves a file of its size behind on the server.
        filters = [] if since is None else [where("updated_at", "greater", "Datetime", _stamp(since - self._overlap))]
        tasks = {task.id: task for task in self._list_ours(project, filters)}
        gone: tuple[str, ...] = ()
        if known is not None:
            ids = set(tasks) if since is None else self._list_ids(project, known)
            gone = self._reconcile(project, known, ids, tasks)
        pairs = tuple((task.id, task.data["row_key"]) for _, task in sorted(tasks.items()))
        annotations: list[Annotation] = []
        unreadable: list[int] = []
        for task_id, row_key in pairs:
            for item in tasks[task_id].annotations or []:
                annotation = _annotation(item, task_id, row_key, schema)
                if annotation.answer is None and not item["was_cancelled"]:
                    unreadable.append(annotation.annotation_id)
                else:
                    annotations.append(annotation)
        return Pull(pairs, tuple(annotations), tuple(unreadable), seen_until, since, gone, altered)

    def withdraw(self, project: int, row_keys: Collection[str], *, in_doubt: bool = False) -> tuple[str, ...]:
        """Offer the tasks of those rows that nobody has answered to nobody any more; a skip is no answer."""
        keys = list(dict.fromkeys(row_keys))
        if in_doubt:
            self._await_tasks(project, keys)
        answered = rows.close(self._wire, project, keys)
        return tuple(key for key in keys if key not in answered)

    def _list_ids(self, project: int, known: Collection[int]) -> set[int]:
        """Return the id of every task; counting shows much sooner that they are just those that are known.

        Tasks that were withdrawn and not answered are left out.
        """
        runs = rows.runs(known)
        if self._count(project) == len(known) and len(runs) <= _MOST_COUNTS:
            inside = [[where("id", "greater", "Number", a - 1), where("id", "less", "Number", b + 1)] for a, b in runs]
            if all(self._count(project, one) == b - a + 1 for one, (a, b) in zip(inside, runs, strict=True)):
                return set(known)
        return {
            task.id
            for one in rows.PRESENT
            for task in self._wire.list_tasks(project, one, include="id", page_size=_IDS_AT_ONCE)
        }

    def _count(self, project: int, filters: Sequence[Any] = ()) -> int:
        """Return how many tasks there are that meet the conditions, without those that `_list_ids` leaves out."""
        return sum(self._wire.count_tasks(project, [*one, *filters]) for one in rows.PRESENT)

    def _reconcile(
        self, project: int, known: Mapping[int, str], ids: Collection[int], tasks: dict[int, Any]
    ) -> tuple[str, ...]:
        """Return the row keys of known tasks that are gone, and put copies of known rows in order.

        `tasks` are made those of the pull: with what is new under a known row, and without what a merge has taken away.
        """
        strange = [number for number in ids if number not in known and number not in tasks]
        for some in rows.parts(strange):
            tasks |= {task.id: task for task in self._list_ours(project, [where("id", "in_list", "List", some)])}
        holders: dict[str, set[int]] = {}
        for number, key in [(n, key) for n, key in known.items() if n in ids] + [
            (n, task.data["row_key"]) for n, task in tasks.items()
        ]:
            holders.setdefault(key, set()).add(number)
        spared, keys = rows.spared(self._wire, project), set(known.values())
        for number, key in spared.items():
            if key in holders or key in keys:
                holders.setdefault(key, set()).add(number)
        unsettled = [key for key, numbers in holders.items() if len(numbers) > 1 or numbers <= spared.keys()]
        rows.merge(self._wire, project, unsettled)
        for key in unsettled:
            for number in holders[key]:
                tasks.pop(number, None)
        for some_keys in rows.parts(unsettled):
            again = self._list_ours(project, [where("data.row_key", "in_list", "List", some_keys)])
            tasks |= {task.id: task for task in again}
        missing = [number for number, key in known.items() if number not in ids and key not in holders]
        for some in rows.parts(missing):  # the server's counts may be wrong for good; an answer that is there tells
            tasks |= {task.id: task for task in self._list_ours(project, [where("id", "in_list", "List", some)])}
        return tuple(known[number] for number in missing if number not in tasks)

    def _list_ours(self, project: int, filters: Sequence[Any]) -> Iterator[Any]:
        """Yield tasks with their answers; one that was made by hand is not ours, one that was withdrawn is none."""
        for task in self._wire.list_tasks(project, filters, include=_WITH_ANSWERS):
            answered = any(not said["was_cancelled"] for said in task.annotations or ())
            if isinstance((task.data or {}).get("row_key"), str) and (answered or not rows.is_closed(task)):
                yield task

    def _await_tasks(self, project: int, row_keys: list[str]) -> dict[str, int]:
        """Give an import that may be under way the time to end; return the tasks that are there then."""
        self._settle(lambda: len(rows.find(self._wire, project, row_keys)) == len(row_keys))
        return rows.find(self._wire, project, row_keys)

    def _import(self, project: int, wanted: Mapping[str, Mapping[str, object]]) -> dict[str, int]:
        found: dict[str, int] = {}
        for attempt in range(1, _N_ATTEMPTS + 1):
            missing = [key for key in wanted if key not in found]
            try:
                ids = self._wire.import_tasks(project, [wanted[key] for key in missing])
                return found | dict(zip(missing, ids, strict=True))
            except MaybeDone:
                found = self._await_tasks(project, list(wanted))
                if len(found) == len(wanted):
                    return found
                if attempt == _N_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _settle(self, done: Callable[[], bool]) -> None:
        """Wait until `done()`, at most `settle_seconds`; the server may be busy or away meanwhile."""
        Retrying(
            retry=retry_if_not_result(bool) | retry_if_exception_type(ServiceDown),
            wait=wait_exponential(multiplier=0.2, max=2.0),
            stop=stop_after_delay(self._settle_seconds),
            retry_error_callback=lambda _: None,  # the caller reads once more and lets a failure out
        )(done)


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
        origin=None if item["was_cancelled"] else answers.origin(item["result"]),
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the one form that does not make it fail
