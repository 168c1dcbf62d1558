"""The people of the chaos: they answer, skip, edit, retract, answer twice and delete tasks, at any time."""

import random
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.courier import SCHEMA
from labeling.answers import write


class People:
    """Everybody who labels in one project, found by its title; they go straight to the server.

    What the server confirmed is kept: `answered` (annotation id → row key), which of it `skipped`, `retracted` and
    `deleted` (row key → when, on the monotonic clock, if the ledger knew the task as `is_known(project, task id)`
    says, else None).
    """

    def __init__(
        self, url: str, token: str, title: str, chance: random.Random, is_known: Callable[[int, int], bool]
    ) -> None:
        self.answered: dict[int, str] = {}
        self.skipped: set[int] = set()
        self.retracted: set[int] = set()
        self.deleted: dict[str, float | None] = {}
        self._title = title
        self._project = 0
        self._chance = chance
        self._is_known = is_known
        self._api = httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=20, trust_env=False)

    def act(self) -> bool:
        """Do one thing; return whether there was something to do it to and the server did it."""
        try:
            tasks = self._tasks()
            if tasks:
                acts = (self._answer, self._answer, self._answer, self._skip, self._edit, self._retract, self._delete)
                self._chance.choice(acts)(self._chance.choice(tasks))
            return bool(tasks)
        except httpx.HTTPError:
            return False  # an answer that was not confirmed was not given

    def _tasks(self) -> list[dict[str, Any]]:
        if not self._project:
            listed = self._get("/api/projects/", include="id,title", page_size=1000)["results"]
            self._project = min((one["id"] for one in listed if one["title"] == self._title), default=0)
        if not self._project:
            return []
        found = self._get("/api/tasks/", project=self._project, include="id,data", page_size=100)["tasks"]
        return [task for task in found if "row_key" in task["data"]]

    def _answer(self, task: dict[str, Any]) -> None:
        self._say(task, {"result": write(self._chance.choice(SCHEMA.classes), SCHEMA)})

    def _skip(self, task: dict[str, Any]) -> None:
        self._say(task, {"result": [], "was_cancelled": True})

    def _say(self, task: dict[str, Any], body: dict[str, Any]) -> None:
        said = self._api.post(f"/api/tasks/{task['id']}/annotations/", json=body).raise_for_status().json()
        self.answered[said["id"]] = task["data"]["row_key"]
        self.skipped |= {said["id"]} if body.get("was_cancelled") else set()

    def _edit(self, task: dict[str, Any]) -> None:
        if mine := self._present():
            result = write(self._chance.choice(SCHEMA.classes), SCHEMA)
            self._api.patch(f"/api/annotations/{self._chance.choice(mine)}/", json={"result": result})
        else:
            self._answer(task)

    def _retract(self, task: dict[str, Any]) -> None:
        if mine := self._present():
            number = self._chance.choice(mine)
            self.retracted.add(number)  # before: the answer may get lost
            self._api.delete(f"/api/annotations/{number}/")
        else:
            self._skip(task)

    def _delete(self, task: dict[str, Any]) -> None:
        if len(self.deleted) < 2:
            key, known = task["data"]["row_key"], self._is_known(self._project, task["id"])
            self.deleted[key] = None  # until the server says that it is
            self._api.delete(f"/api/tasks/{task['id']}/").raise_for_status()
            self.deleted[key] = time.monotonic() if known else None

    def _present(self) -> list[int]:
        return [
            number for number, key in self.answered.items() if number not in self.retracted and key not in self.deleted
        ]

    def _get(self, path: str, **parameters: Any) -> Any:
        return self._api.get(path, params=parameters).raise_for_status().json()
