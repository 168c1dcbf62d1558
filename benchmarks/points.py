"""Every touch of the outside by a process as two points, before and after it, at any of which it can be struck."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MLFLOW = (
    *("create_experiment", "create_run", "create_logged_model", "log_batch", "log_inputs", "log_outputs"),
    *("log_model_artifacts", "log_artifacts"),
    *("finalize_logged_model", "log_artifact", "log_text", "log_metric", "set_tag", "set_terminated"),
    *("create_registered_model", "create_model_version", "set_model_version_tag"),
    *("delete_registered_model_alias", "set_logged_model_tags", "update_model_version"),
    *("search_experiments", "get_experiment_by_name", "search_runs", "get_run", "get_logged_model"),
    *("search_registered_models", "search_model_versions", "get_model_version", "get_model_version_download_uri"),
)


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to a process, and where: at the point of a number, or at the first of a name."""

    act: Callable[[], None]
    number: int | None = None
    name: str | None = None


def kill() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Points:
    """The points a process has passed, in order, by name; at one of them it is struck."""

    def __init__(self, strike: Strike | None = None) -> None:
        self.passed: list[str] = []
        self._n_commits = 0
        self._strike = strike

    def at(self, name: str) -> None:
        """Pass a point; what is to happen there happens once."""
        self.passed.append(name)
        strike = self._strike
        if strike is not None and (len(self.passed) == strike.number or name == strike.name):
            self._strike = None
            strike.act()

    def watch(self) -> None:
        """Watch this process from now on: commits, each by its number; files put in place; MLflow; Label Studio."""
        import httpx
        from mlflow import MlflowClient
        from sqlalchemy import event
        from sqlalchemy.orm import Session

        for owner, name, what in (
            (os, "fsync", "files: written"),
            (Path, "rename", "files: put in place"),
            (Path, "replace", "files: put in place"),
            *((MlflowClient, name, f"MLflow: {name}") for name in _MLFLOW),
        ):
            if hasattr(owner, name):
                setattr(owner, name, self._watched(getattr(owner, name), lambda *_, what=what: what))
        move = MlflowClient.set_registered_model_alias
        MlflowClient.set_registered_model_alias = self._watched(move, lambda *said: f"MLflow: move alias {said[2]}")
        event.listen(Session, "before_commit", lambda one: self._commit("before", one))
        event.listen(Session, "after_commit", lambda one: self._commit("after", one))
        httpx.Client.send = self._watched(httpx.Client.send, _request)  # type: ignore[method-assign]

    def _commit(self, when: str, session: Any) -> None:
        if session.get_bind().get_execution_options().get("driftloop_writes", False):
            self._n_commits += when == "before"
            self.at(f"{when} ledger: commit {self._n_commits}")

    def _watched(self, effect: Callable[..., Any], named: Callable[..., str]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            name = named(*arguments)
            self.at(f"before {name}")
            result = effect(*arguments, **options)
            self.at(f"after {name}")
            return result

        return call


def _request(_client: object, request: Any, *_: object) -> str:
    """What a request does at Label Studio, without the numbers in its address."""
    parts = [part for part in request.url.path.split("/") if part and not part.isdigit()]
    return f"Label Studio: {request.method} {'/'.join(parts)}"
