"""The tasks of given rows in a project, which has no key of its own to find them by; copies of a task are merged."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, TypeVar

from labeling.wire import PAGE, Wire, where
from records.errors import NotFound

_STATE = "id,data,is_labeled,overlap,total_annotations,cancelled_annotations"

SILENT = where("annotators", "empty", "List", True)
"""The condition that nobody has said anything. The server's counts follow an answer with a delay, this does not."""

MARK = "withdrawn"
"""The field in a task's data that says nobody is to be asked by it any more, and why."""

_TAKEN_BACK, _COPY = "yes", "copy"

OPEN = where(f"data.{MARK}", "empty", "String", True)
"""The condition that a task was not withdrawn."""

_CLOSED = where(f"data.{MARK}", "empty", "String", False)
_IS_COPY = where(f"data.{MARK}", "equal", "String", _COPY)
_ANSWERED = where("total_annotations", "greater", "Number", 0)
PRESENT = ((OPEN,), (_CLOSED, _ANSWERED))
"""The two sets of conditions that a task of a project meets one of, unless it was withdrawn and nobody answered."""

_T = TypeVar("_T")


def find(wire: Wire, project: int, row_keys: Sequence[str]) -> dict[str, int]:
    """Return the task ids of those row keys that have a task; copies of a task are merged first."""
    found, copied = _first(wire, project, row_keys)
    if copied:
        merge(wire, project, copied)
        again, _ = _first(wire, project, copied)
        found = {key: number for key, number in found.items() if key not in set(copied)} | again
    return found


def merge(wire: Wire, project: int, row_keys: Sequence[str]) -> None:
    """Leave one task of each row: one that was answered, else the first; no answer is lost.

    Copies without an annotation are marked as such and deleted, on condition that both still hold: such a request may
    reach the server late, when another copy was chosen to stay. Copies that were all answered become one if their data
    are the same, and stay if they are not.
    """
    spare: list[int] = []
    answered: list[int] = []
    for some in parts(row_keys):
        tasks = sorted(listed(wire, project, some, _STATE), key=_best_first)
        for _, group in groupby(tasks, key=lambda task: task.data["row_key"]):
            copies = list(group)
            said = [task for task in copies if _is_answered(task)]
            for task in said or copies[:1]:
                if task.data.get(MARK) == _COPY or (MARK in task.data and len(said) > 1):
                    _offer(wire, project, task)
            for task in copies[1:]:
                if not _is_answered(task):
                    _close(wire, project, task, why=_COPY)
                    spare.append(task.id)
            answered += [task.id for task in said] if len(said) > 1 else []
    if spare:
        wire.delete_tasks(project, spare, only=[SILENT, _IS_COPY])
    if answered:
        wire.merge_copies(project, answered)
        _close_again(wire, project)


def spared(wire: Wire, project: int) -> dict[int, str]:
    """Return the row key of each task that a merge marked as a copy and could not delete, by task id."""
    if not wire.count_tasks(project, [_IS_COPY]):
        return {}
    marked = wire.list_tasks(project, [_IS_COPY], include="id,data")
    return {task.id: task.data["row_key"] for task in marked if isinstance(task.data.get("row_key"), str)}


def close(wire: Wire, project: int, row_keys: Sequence[str]) -> set[str]:
    """Offer those rows that nobody has answered to nobody any more; return the row keys that have answers.

    A skip is no answer. Nothing is deleted, because Label Studio would delete an answer with its task that is being
    saved in the same moment: whoever has such a task open can still answer it. An import that ends meanwhile is found.
    """
    answered: set[str] = set()
    for some in parts(row_keys):
        while True:
            there = list(listed(wire, project, some, _STATE))
            unanswered = [task for task in there if not task.total_annotations and not is_closed(task)]
            for task in unanswered:
                _close(wire, project, task, why=_TAKEN_BACK)
            if not unanswered:
                break
        answered |= {task.data["row_key"] for task in there if task.total_annotations}
    return answered


def reopen(wire: Wire, project: int, row_keys: Sequence[str]) -> None:
    """Offer withdrawn rows to people again."""
    for some in parts(row_keys):
        wanted = [_CLOSED, where("data.row_key", "in_list", "List", list(some))]
        for task in list(wire.list_tasks(project, wanted, include=_STATE)):
            _offer(wire, project, task)


def is_closed(task: Any) -> bool:
    """Whether a task was withdrawn and is not offered; one that was answered and taken back is offered again."""
    return MARK in (task.data or {}) and bool(task.is_labeled)


def listed(wire: Wire, project: int, row_keys: Sequence[str], include: str) -> Iterable[Any]:
    """Return every task of those rows, at most a page of keys at once."""
    return wire.list_tasks(project, [where("data.row_key", "in_list", "List", list(row_keys))], include=include)


def parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield as many items at once as fit one request.

    >>> [len(part) for part in parts(range(1200))]
    [500, 500, 200]
    """
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last number of each unbroken run.

    >>> runs([3, 1, 2, 7, 8, 5])
    [(1, 3), (5, 5), (7, 8)]
    """
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _first(wire: Wire, project: int, row_keys: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """The first task of each row, and the rows that have another."""
    found: dict[str, int] = {}
    copied: set[str] = set()
    for keys in parts(row_keys):
        for task in listed(wire, project, keys, "id,data"):
            if found.setdefault(task.data["row_key"], task.id) != task.id:
                copied.add(task.data["row_key"])
    return found, sorted(copied)


def _is_answered(task: Any) -> bool:
    return bool(task.total_annotations or task.cancelled_annotations)


def _best_first(task: Any) -> tuple[str, bool, bool, int]:
    return task.data["row_key"], not _is_answered(task), task.data.get(MARK) == _COPY, task.id


def _close(wire: Wire, project: int, task: Any, *, why: str) -> None:
    with suppress(NotFound):  # deleted by hand meanwhile
        wire.close_task(project, task.id, task.data | {MARK: why})


def _offer(wire: Wire, project: int, task: Any) -> None:
    data = {name: value for name, value in task.data.items() if name != MARK}
    with suppress(NotFound):
        wire.reopen_task(project, task.id, data, answered=(task.total_annotations or 0) >= (task.overlap or 1))


def _close_again(wire: Wire, project: int) -> None:
    """Offer withdrawn tasks to nobody, again: merging answered copies makes the server offer every task anew."""
    for task in list(wire.list_tasks(project, [_CLOSED], include=_STATE)):
        if not task.is_labeled and not task.total_annotations:
            _close(wire, project, task, why=task.data[MARK])
