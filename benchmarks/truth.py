"""What a schedule left behind: Label Studio's state beside the ledger's, and every difference counted."""

import time
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.courier import SCHEMA, WINDOW
from labeling import answers
from labeling.rows import MARK
from store.ledger import Ledger

_MOST_TRIES = 60
_MOST_TASKS = 1_000


@dataclass(frozen=True, slots=True)
class Differences:
    """Sentences on what was lost (rows without a task, answers that did not come home) and on what is there twice."""

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class People:
    """What the server confirmed to people: their answers (annotation id → row key), and the rows they deleted.

    `excused` are answers that may be gone because people, or a withdrawal, took them back.
    """

    answered: Mapping[int, str]
    excused: Set[int]
    deleted: Set[str]


def compare(
    api: httpx.Client, ledger: Ledger, model: str, row_keys: tuple[str, ...], said: People, *, withdrawn: bool
) -> Differences:
    """Compare a schedule's projects in Label Studio with its model in the ledger."""
    lost, duplicated = [], []
    projects = _projects(api, f"Driftloop {model}")
    tasks = [task for project in projects for task in _tasks(api, project)]
    copies = Counter(task["data"]["row_key"] for task in tasks)
    known = {key: number for project in projects for number, key in ledger.outbox.known(model, project).items()}
    duplicated += [f"{model}: row {key} has {n} tasks" for key, n in copies.items() if n > 1]
    for key in row_keys:
        excused = withdrawn or key in said.deleted
        if key not in copies and not excused:
            lost.append(f"{model}: row {key} has no task")
        if key in copies and key not in known:
            lost.append(f"{model}: the ledger does not know the task of row {key}")
        if key in known and key not in copies:
            duplicated.append(f"{model}: the ledger has a task of row {key} that is gone")
    silent = {task["data"]["row_key"] for task in tasks if not task["annotations"]}
    spoken = set(said.answered.values())
    if withdrawn:
        duplicated += [f"{model}: row {key} is still asked about" for key in sorted(silent - spoken)]
    ids = {task["id"] for task in tasks}
    strays = [(key, number) for key, number in known.items() if number not in ids]
    lost += [f"{model}: the ledger has task {number} of row {key}, which is none" for key, number in strays]
    there = {
        one["id"]: None if one["was_cancelled"] else answers.read(one["result"], SCHEMA)
        for task in tasks
        for one in task["annotations"]
    }
    here = {one.annotation_id: one.answer for one in ledger.annotations.of(model, WINDOW)}
    lost += [f"{model}: annotation {n} is not in the ledger" for n in there.keys() - here.keys()]
    lost += [f"{model}: annotation {n} has another answer" for n in there.keys() & here.keys() if there[n] != here[n]]
    duplicated += [f"{model}: annotation {n} is in the ledger alone" for n in here.keys() - there.keys()]
    lost += [
        f"{model}: annotation {n} of row {key}, which people were told is saved, is gone"
        for n, key in said.answered.items()
        if n not in there and n not in said.excused and key not in said.deleted
    ]
    for project in projects:
        titles = Counter(tab["data"]["title"] for tab in _get(api, "/api/dm/views/", project=project))
        duplicated += [f"{model}: {n} tabs {title!r}" for title, n in titles.items() if n > 1]
    return Differences(tuple(lost), tuple(duplicated))


def _projects(api: httpx.Client, title: str) -> list[int]:
    listed = _get(api, "/api/projects/", include="id,title", page_size=1000)["results"]
    return sorted(one["id"] for one in listed if one["title"] == title)


def _tasks(api: httpx.Client, project: int) -> list[dict[str, Any]]:
    listed = _get(api, "/api/tasks/", project=project, fields="all", page_size=_MOST_TASKS)["tasks"]
    return [task for task in listed if "row_key" in task["data"] and not _is_closed(task)]


def _is_closed(task: Mapping[str, Any]) -> bool:
    """Whether a task was taken back unanswered: nobody is asked about it."""
    answered = any(not one["was_cancelled"] for one in task["annotations"])
    return MARK in task["data"] and not answered and bool(task["is_labeled"])


def _get(api: httpx.Client, path: str, **parameters: Any) -> Any:
    """Read, however often it takes: the server may be restarting under the other schedules."""
    for _ in range(_MOST_TRIES):
        try:
            return api.get(path, params=parameters).raise_for_status().json()
        except (httpx.TransportError, httpx.HTTPStatusError):
            time.sleep(2.0)
    return api.get(path, params=parameters).raise_for_status().json()
