"""What the loop tells Prefect, for automations to act on: each event follows from what the ledger says.

Events are hints. Prefect may lose one without a word; then the scheduled `learn` does the same a little later. An event
has the same identity however often it is sent, and the ledger notes that it was handed over.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
from prefect.client.orchestration import get_client
from prefect.events import Event
from prefect.events.schemas.events import Resource
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows.collect import Progress
from flows.links import report_link, run_link, tasks_link
from flows.review import cause_of
from flows.site import Site
from records.address import without_secrets
from records.comparison import Verdict
from records.drift import Alarm, DriftReport
from records.errors import Conflict
from records.event import Told
from records.generation import Generation
from records.label import LabelRequest
from records.promotion import Promotion
from records.slice import SliceReport
from records.window import Window

ALARM = "driftloop.drift.alarm"
READY = "driftloop.labels.ready"
VERDICTS = {
    "promote": "driftloop.generation.promoted",
    "keep": "driftloop.generation.rejected",
    "needs review": "driftloop.generation.review",
}

_MOST = 10
_SECONDS = 10.0
_log = logging.getLogger(__name__)


def resource_id(model: str) -> str:
    """The Prefect resource that a model's events are about.

    >>> resource_id("fraud")
    'driftloop.model.fraud'
    """
    return f"driftloop.model.{model}"


def tell_alarm(site: Site, window: Window) -> bool:
    """Tell that a window alarms, if the ledger says so and it was not told before; return whether it was told now."""
    steps, model = site.ledger.steps, site.model
    alarm = steps.get(model, window, "alarm", Alarm)
    if alarm is None or not alarm.raised:
        return False
    report = steps.get(model, window, "monitor", DriftReport)
    found = steps.get(model, window, "slice", SliceReport)
    request = steps.get(model, window, "ask", LabelRequest)
    columns = sorted(report.columns, key=lambda one: -abs(one.effect.value)) if report else []
    payload = {
        "generation": alarm.generation,
        "reason": alarm.reason,
        "columns": [one.column for one in columns if one.drifted][:_MOST],
        "slices": [one.name for one in found.grown][:_MOST] if found else [],
        "n_asked": len(request.asks) if request else 0,
        "people": request.reason if request else "Nobody is asked yet.",
        "links": {"report": report_link(site, alarm), "tasks": tasks_link(site, window)},
    }
    return _tell(site, window, ALARM, payload)


def tell_ready(site: Site, request: LabelRequest, progress: Progress) -> bool:
    """Tell that a label request has its answers, once per round."""
    if not progress.ready:
        return False
    payload = {
        "generation": request.generation,
        "reason": f"{progress.n_resolved} of {progress.n_asked} tasks are looked at.",
        "n_asked": progress.n_asked,
        "n_answered": progress.n_answered,
        "n_resolved": progress.n_resolved,
        "n_known": progress.n_known,
        "links": {"tasks": tasks_link(site, request.window)},
    }
    return _tell(site, request.window, READY, payload, part=f"round {max(ask.round for ask in request.asks)}")


def tell_verdict(site: Site, window: Window) -> bool:
    """Tell what became of the challenger that a window's labels taught, if there was one."""
    verdict = site.ledger.steps.get(site.model, window, "promote", Verdict)
    taught = [one for one in site.ledger.generations.all(site.model) if one.cause == window.name]
    if verdict is None or not taught:
        return False
    challenger = taught[-1]
    payload = {
        "generation": challenger.number,
        "version": challenger.version,
        "mlflow_run_id": challenger.mlflow_run_id,
        "reason": verdict.reasons[0],
        "reasons": list(verdict.reasons),
        "links": _links(site, challenger),
    }
    return _tell(site, window, VERDICTS[verdict.outcome], payload)


def tell_change(site: Site) -> bool:
    """Tell of the last change of champion, if a person made or approved it and it was not told before.

    Returns whether it was told now. A change that a window's verdict made is told with the verdict.
    """
    change = next(reversed(site.ledger.promotions.history(site.model)), None)
    if change is None or change.previous is None or change.told_at is not None:
        return False
    generation = site.ledger.generations.get(site.model, change.generation)
    if _is_of_window(site, generation, change):
        return False
    payload = {
        "generation": generation.number,
        "previous": change.previous,
        "version": generation.version,
        "mlflow_run_id": generation.mlflow_run_id,
        "reason": change.why,
        "reasons": list(change.verdict.reasons) if change.verdict else [],
        "links": _links(site, generation),
    }
    if not _sent(_event(site.model, VERDICTS["promote"], payload, identity=f"change {change.intended_at.isoformat()}")):
        return False
    site.ledger.promotions.tell(change.id)
    return True


def _is_of_window(site: Site, generation: Generation, change: Promotion) -> bool:
    """Whether a window's verdict made a change of champion, or is still to be written down after a crash."""
    window = cause_of(site, generation)
    if window is None:
        return False
    return site.ledger.steps.get(site.model, window, "promote", Verdict) in (None, change.verdict)


def event_of(model: str, window: Window, name: str, payload: Mapping[str, Any], *, part: str = "") -> Event:
    """Describe an event about one window of a model; its identity follows from `name`, model, window and `part`."""
    period = {"name": window.name, "start": window.start.isoformat(), "end": window.end.isoformat()}
    return _event(model, name, {"window": period, **payload}, identity=f"{period['start']} {period['end']} {part}")


def _event(model: str, name: str, payload: Mapping[str, Any], *, identity: str) -> Event:
    return Event(
        id=uuid5(NAMESPACE_URL, f"{name} {model} {identity}"),
        event=name,
        resource=Resource({"prefect.resource.id": resource_id(model), "prefect.resource.name": model}),
        payload={"model": model, **payload},
    )


def _links(site: Site, generation: Generation) -> dict[str, str]:
    return {"run": run_link(site, generation)} if site.settings.services.mlflow.startswith("http") else {}


def _tell(site: Site, window: Window, name: str, payload: Mapping[str, Any], *, part: str = "") -> bool:
    event = event_of(site.model, window, name, payload, part=part)
    with suppress(Conflict), site.ledger.steps.claim(site.model, window, f"event {name} {part}".strip()) as claim:
        if claim.done(Told) is None and _sent(event):  # else another process is telling it, or somebody has
            claim.finish(Told(name, str(event.id)))
            return True
    return False


def _sent(event: Event) -> bool:
    """Hand an event over; Prefect's own way reports no failure."""
    if not get_current_settings().api.url:
        return False
    try:
        with get_client(sync_client=True, httpx_settings={"timeout": _SECONDS}) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])
    except (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError) as error:
        _log.warning(
            "The event %s was not handed over (%s); the schedule does without it.",
            event.event,
            without_secrets(str(error)),
        )
        return False
    return True
