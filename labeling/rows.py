"""The tasks of given rows in a project, which has no key of its own to find them by; copies of a task are merged."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from labeling.wire import PAGE, Wire, where

_COUNTS = ("total_annotations", "cancelled_annotations")

SILENT = where("annotators", "empty", "List", True)
"""The condition that nobody has said anything. The server's counts follow an answer with a delay, this does not."""

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

    Copies without an annotation are deleted, on condition that this is still so. Copies that were all answered become
    one if their data are the same, and stay if they are not.
    """
    spare: list[int] = []
    answered: list[int] = []
    for some in parts(row_keys):
        tasks = sorted(listed(wire, project, some, f"id,data,{','.join(_COUNTS)}"), key=_answered_first)
        for _, group in groupby(tasks, key=lambda task: task.data["row_key"]):
            copies = list(group)
            said = [task.id for task in copies if _is_answered(task)]
            spare += [task.id for task in copies[1:] if not _is_answered(task)]
            answered += said if len(said) > 1 else []
    if spare:
        wire.delete_tasks(project, spare, only=[SILENT])
    if answered:
        wire.merge_copies(project, answered)


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


def _answered_first(task: Any) -> tuple[str, bool, int]:
    return task.data["row_key"], not _is_answered(task), task.id
