"""How long our door takes for many tasks, beside Label Studio's own bare import and export of the same tasks."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx

from benchmarks.courier import SCHEMA, WINDOW, place, request, tasks
from flows.exchange import bring_home, hand_out
from labeling.answers import write
from labeling.studio import LabelStudio
from labeling.wire import PAGE
from store.ledger import Ledger, open_ledger


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of our door and of the bare requests for the same tasks, over all rounds, and of one small pull."""

    n_tasks: int
    push: float
    bare_import: float
    pull: float
    bare_export: float
    again: float
    n_again: int


class Yard:
    """A server, and a folder for ledgers."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.api = httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=600, trust_env=False)
        self.studio = LabelStudio(url, token, overlap=timedelta(seconds=1))
        self.studio.check()  # loads the SDK, which takes seconds
        self._folder = folder

    def ledger(self, name: str) -> AbstractContextManager[Ledger]:
        """Return a new ledger."""
        return closing(open_ledger(f"sqlite:///{self._folder / name}.db"))


def measure(yard: Yard, n_tasks: int, *, n_rounds: int, count: Callable[[], None]) -> Times:
    """Push and pull `n_tasks` in each round, ours and bare by turns; `count` is called after each measurement."""
    keys = tuple(f"row {i}" for i in range(n_tasks))
    spent = dict.fromkeys(("push", "bare_import", "pull", "bare_export"), 0.0)

    def timed(what: str, act: Callable[[], object]) -> None:
        started = time.perf_counter()
        act()
        spent[what] += time.perf_counter() - started
        count()

    for number in range(n_rounds):
        with yard.ledger(f"push {number}") as ledger:
            turns: list[tuple[str, Callable[[], object]]] = [
                ("push", partial(_push, yard, ledger, f"push {number}", keys)),
                ("bare_import", partial(_bare_import, yard, f"bare import {number}", keys)),
            ]
            for what, act in turns if number % 2 else reversed(turns):
                timed(what, act)
    project = _answered(yard, "answered", keys)
    for number in range(n_rounds):
        with yard.ledger(f"pull {number}") as ledger:
            asked = request("answered", keys)
            ledger.requests.save(asked)
            ledger.outbox.pushed("answered", WINDOW, project, yard.studio.push(project, tasks(asked)))
            turns = [
                ("pull", partial(bring_home, ledger, yard.studio, "answered", project, SCHEMA)),
                ("bare_export", partial(_bare_export, yard, project)),
            ]
            for what, act in turns if number % 2 else reversed(turns):
                timed(what, act)
            found = len(ledger.annotations.of("answered", WINDOW))
            if found != n_tasks:
                raise RuntimeError(f"{found} of {n_tasks} answers came home")
            if number == n_rounds - 1:
                n_again, again = _again(yard, ledger, project, n_tasks // 100)
    return Times(n_tasks, again=again, n_again=n_again, **spent)


def _push(yard: Yard, ledger: Ledger, model: str, keys: tuple[str, ...]) -> None:
    asked = request(model, keys)
    ledger.requests.save(asked)
    hand_out(ledger, yard.studio, asked, place(model), tasks(asked))


def _bare_import(yard: Yard, model: str, keys: tuple[str, ...]) -> None:
    fields = {"title": model, "label_config": place(model).config}
    project = yard.api.post("/api/projects/", json=fields).raise_for_status().json()["id"]
    made = tasks(request(model, keys))
    for start in range(0, len(made), PAGE):
        yard.api.post(f"/api/projects/{project}/import", json=made[start : start + PAGE]).raise_for_status()


def _answered(yard: Yard, model: str, keys: tuple[str, ...]) -> int:
    asked = place(model)
    project = yard.studio.open_project(asked.title, asked.config, asked.instructions)
    answers = [{"result": write("late", SCHEMA), "was_cancelled": False}]
    yard.studio.push(project, [{**task, "annotations": answers} for task in tasks(request(model, keys))])
    return project


def _bare_export(yard: Yard, project: int) -> None:
    parameters = {"exportType": "JSON", "download_all_tasks": "true"}
    yard.api.get(f"/api/projects/{project}/export", params=parameters).raise_for_status().json()


def _again(yard: Yard, ledger: Ledger, project: int, n_changed: int) -> tuple[int, float]:
    """Return how many answers were edited, and the seconds of the pull that brings them home."""
    for one in ledger.annotations.of("answered", WINDOW)[:n_changed]:
        body = {"result": write("on time", SCHEMA)}
        yard.api.patch(f"/api/annotations/{one.annotation_id}/", json=body).raise_for_status()
    started = time.perf_counter()
    fetched = bring_home(ledger, yard.studio, "answered", project, SCHEMA)
    seconds = time.perf_counter() - started
    if fetched.n_edited != n_changed:
        raise RuntimeError(f"{fetched.n_edited} of {n_changed} edited answers came home")
    return n_changed, seconds
