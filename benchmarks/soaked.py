"""What Prefect, the ledger, Label Studio and MLflow say about a time in which the loop was left alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import httpx

from flows.site import Site
from records.drift import Alarm

_LATE = timedelta(minutes=1)
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Run:
    """One run: of which deployment, when it was due, when it began if it did, how it ended, what it said, how long."""

    deployment: str
    due: datetime
    began: datetime | None
    state: str
    said: str
    seconds: float

    @property
    def late(self) -> bool:
        """Whether it began more than a minute after it was due, or not at all."""
        if self.state == "CANCELLED":
            return False
        return self.began is None or self.began - self.due > _LATE


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a while, those that an event started in rows of their own."""

    all: tuple[Run, ...]

    @property
    def n(self) -> int:
        """How many there were."""
        return len(self.all)

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """Those that have not ended."""
        return tuple(run for run in self.all if run.state not in _ENDED)

    @property
    def crashed(self) -> tuple[Run, ...]:
        """Those that failed, crashed, or began and never ended."""
        ended_badly = ("FAILED", "CRASHED", "RUNNING", "PENDING", "CANCELLING")
        return tuple(run for run in self.all if run.state in ended_badly)

    @property
    def n_cancelled(self) -> int:
        """Those that were not let in because the one before them still ran."""
        return sum(run.state == "CANCELLED" for run in self.all)

    @property
    def n_late(self) -> int:
        """Those that were late."""
        return sum(run.late for run in self.all)

    @property
    def duplicated(self) -> list[str]:
        """Moments for which a deployment had more than one run."""
        counts = Counter((run.deployment, run.due) for run in self.all)
        return [f"{name} at {due:%H:%M:%S}: {n} runs" for (name, due), n in counts.items() if n > 1]

    def table(self) -> list[Sequence[object]]:
        """Return a row per deployment."""
        rows: list[Sequence[object]] = []
        for name in sorted({run.deployment for run in self.all}):
            some = Runs(tuple(run for run in self.all if run.deployment == name))
            seconds = [run.seconds for run in some.all if run.state == "COMPLETED"] or [float("nan")]
            ended = sum(run.state == "COMPLETED" for run in some.all)
            counts = (some.n, ended, len(some.crashed), some.n_cancelled, some.n_late)
            rows.append((name, *counts, median(seconds), max(seconds)))
        return rows


@dataclass(frozen=True, slots=True)
class Left:
    """What one model left: a row of figures, and what is missing from it or twice in it."""

    row: Sequence[object]
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]


def runs(prefect_url: str, *, due_from: datetime, due_until: datetime) -> Runs:
    """Return every run that was due between two moments, on schedule or because labels were ready."""
    wanted = {"expected_start_time": {"after_": due_from.isoformat(), "before_": due_until.isoformat()}}
    found: list[dict[str, Any]] = []
    with httpx.Client(base_url=f"{prefect_url}/api", timeout=60) as api:
        listed = api.post("/deployments/filter", json={}).raise_for_status().json()
        names = {one["id"]: one["name"] for one in listed}
        flows = {one["id"]: one["name"] for one in api.post("/flows/filter", json={}).raise_for_status().json()}
        while True:
            body = {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_ASC", "limit": _PAGE, "offset": len(found)}
            page = api.post("/flow_runs/filter", json=body).raise_for_status().json()
            found += page
            if len(page) < _PAGE:
                break
    return Runs(tuple(_run(one, f"{flows[one['flow_id']]}/{names[one['deployment_id']]}") for one in found))


def _run(told: dict[str, Any], deployment: str) -> Run:
    return Run(
        deployment if told["auto_scheduled"] else f"{deployment}, by an event",
        datetime.fromisoformat(told["expected_start_time"]),
        datetime.fromisoformat(told["start_time"]) if told["start_time"] else None,
        told["state_type"],
        (told["state"] or {}).get("message") or "",
        float(told["total_run_time"]),
    )


def left(site: Site, studio_url: str) -> Left:
    """Compare what the ledger holds of a model with Label Studio's tasks and answers and MLflow's alias."""
    ledger, model = site.ledger, site.model
    windows = ledger.steps.windows(model)
    alarms = [alarm for window in windows if (alarm := ledger.steps.get(model, window, "alarm", Alarm))]
    requests = [request for window in windows if (request := ledger.requests.get(model, window))]
    asked = [key for request in requests for key in request.row_keys]
    labels = {item.label.row_key for item in ledger.labels.of(model)}
    tasks = _tasks(studio_url, site.settings.label_studio_token.get_secret_value(), model)
    counts = Counter(task["data"]["row_key"] for task in tasks)
    answered = {
        task["data"]["row_key"]
        for task in tasks
        for annotation in task["annotations"]
        if not annotation["was_cancelled"] and annotation["result"]
    }
    generations = ledger.generations.all(model)
    champions = [one for one in generations if one.status == "champion"]
    lost = [f"{model}: row {key} is asked and has no task" for key in asked if key not in counts]
    lost += [f"{model}: the answer of row {key} is not on the ledger" for key in sorted(answered - labels)]
    if len(champions) != 1 or site.registry.champion(model) != champions[0].version:
        lost.append(f"{model}: the champion is not one, or MLflow's alias is on another")
    twice = [f"{model}: row {key} has {n} tasks" for key, n in counts.items() if n > 1]
    row = (
        *(model, len(windows), sum(alarm.raised for alarm in alarms), len(asked), len(labels)),
        *(len(generations), len(ledger.promotions.history(model)), len(champions)),
    )
    return Left(row, tuple(lost), tuple(twice))


def _tasks(url: str, token: str, model: str) -> list[dict[str, Any]]:
    """Every task of the projects of a model."""
    found: list[dict[str, Any]] = []
    with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=120) as api:
        listed = api.get("/api/projects/", params={"page_size": 1000}).raise_for_status().json()["results"]
        for project in listed:
            if model not in project["title"]:
                continue
            query = {"project": project["id"], "fields": "all", "page_size": 10_000}
            found += api.get("/api/tasks/", params=query).raise_for_status().json()["tasks"]
    return found
