"""Checks of what runs on Prefect: runs that are late, or that nobody will end, and slots that nobody holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from flows.registered import ask, asking, full_name, mine
from flows.site import Site
from records.check import Check
from records.errors import ServiceDown

LATE = timedelta(minutes=15)
"""A run that should have started this long ago has no worker."""

STUCK = timedelta(minutes=15)
"""A run without a heartbeat for this long, or that has been about to start for this long, has lost its process."""

_LONG = timedelta(hours=6)
_BUSY = ["RUNNING", "PENDING", "CANCELLING"]
_PAGE = 200


def slowest(window: timedelta) -> timedelta:
    """Return how long a run whose process lives may take before it is taken to hang, given how long a window is.

    >>> str(slowest(timedelta(hours=1))), str(slowest(timedelta(hours=24)))
    ('6:00:00', '1 day, 0:00:00')
    """
    return max(_LONG, window)


def runs(site: Site, repair: bool, *, patience: timedelta = STUCK, longest: timedelta | None = None) -> Iterator[Check]:
    """Look for runs that are late, that hang, or whose process is gone; a repair marks the last as crashed.

    One that hangs may only be slow, so ending it is left to people.
    """
    with asking() as client:
        now = datetime.now(UTC)
        ids = [str(one.id) for one in mine(client, site)]
        late = _late(client, ids, now)
        if late:
            yield Check("flow runs", False, late, "see that a worker is online and has a free slot")
        busy = _busy(client, ids)
        stuck = [run for run in busy if _is_stuck(client, run, now, patience)]
        longest = slowest(site.settings.windows.length) if longest is None else longest
        hanging = [run for run in busy if run not in stuck and _at(run["state"]["timestamp"]) < now - longest]
        for run in hanging:
            said = f"{_since(run)}, for more than {longest.total_seconds() / 3600:g} hours: it may hang"
            advice = f"unless its log goes on, `prefect flow-run cancel {run['id']}`; it keeps later runs from starting"
            yield Check("flow runs", False, said, advice)
        for run in stuck:
            said = _since(run)
            if repair:
                yield end(client, run, said)
            else:
                advice = "its process is gone: --repair marks it as crashed"
                yield Check("flow runs", False, f"{said} without a sign of life", advice)
        if not late and not stuck and not hanging:
            yield Check("flow runs", True, "none is late or stuck")


def end(client: SyncPrefectClient, run: dict[str, Any], said: str) -> Check:
    """Mark a run as crashed, or as cancelled if it was being cancelled, unless it has ended by itself meanwhile."""
    kind = "CANCELLED" if run["state_type"] == "CANCELLING" else "CRASHED"
    state = {"type": kind, "message": "Its process was gone; set by Driftloop, to free its slot."}
    answer = ask(client, f"/flow_runs/{run['id']}/set_state", {"state": state})
    if answer["status"] == "ACCEPT":
        return Check("flow runs", True, said, repaired=f"marked as {kind.lower()}, which frees its slot")
    if client.read_flow_run(UUID(run["id"])).state_type not in _BUSY:
        return Check("flow runs", True, f"{run['name']} has ended by itself")
    why = answer["details"].get("reason")
    return Check("flow runs", False, f"{said}; Prefect did not let it be ended ({why})", "delete the run in Prefect")


def end_lost(site: Site, *, patience: timedelta = STUCK) -> tuple[str, ...]:
    """Mark the model's runs as crashed that nobody will end, and return what is said of each.

    Where Prefect does not answer nothing is ended: the next call does it.
    """
    with suppress(ServiceDown):
        return tuple(check.sentence for check in runs(site, True, patience=patience) if check.repaired)
    return ()


def _pause() -> None:
    time.sleep(2)


def slots(site: Site, repair: bool, *, pause: Callable[[], object] = _pause) -> Iterator[Check]:
    """Look for taken concurrency slots that belong to no run: they keep a deployment from ever running.

    A run takes its slot a moment before it is seen to be busy, so what looks leaked is looked at again after a
    pause. A repair takes off what is too many instead of writing a number: a slot taken in that moment stays taken.
    """
    with asking() as client:
        leaked = _leaked(client, site)
        if leaked:
            pause()
            again = _leaked(client, site)
            leaked = {name: min(leaked[name], again[name], key=lambda one: one[0]) for name in leaked.keys() & again}
        for (name, limit), (n_leaked, said) in sorted(leaked.items()):
            if repair:
                ask(client, "/v2/concurrency_limits/decrement", {"names": [limit], "slots": n_leaked})
                yield Check("concurrency", True, f"{name}: {said}", repaired="freed the slots that nobody holds")
            else:
                advice = "wait five minutes for its lease to lapse, or --repair"
                yield Check("concurrency", False, f"{name}: {said}", advice)
        if not leaked:
            yield Check("concurrency", True, "every taken slot belongs to a run")


def _leaked(client: SyncPrefectClient, site: Site) -> dict[tuple[str, str], tuple[int, str]]:
    """How many slots nobody holds, by deployment and limit, and how to say so."""
    found = {}
    for deployment in mine(client, site):
        limit = deployment.global_concurrency_limit
        held = len(_busy(client, [str(deployment.id)]))
        if limit is not None and limit.active_slots > held:
            said = f"{limit.active_slots} slots are taken by {held} runs"
            found[full_name(deployment), limit.name] = (limit.active_slots - held, said)
    return found


def _busy(client: SyncPrefectClient, deployment_ids: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    wanted = {**_of(deployment_ids, _BUSY), "sort": "EXPECTED_START_TIME_ASC", "limit": _PAGE}
    while page := ask(client, "/flow_runs/filter", {**wanted, "offset": len(found)}) if deployment_ids else []:
        found += page
    return found


def _late(client: SyncPrefectClient, deployment_ids: list[str], now: datetime) -> str:
    """Say how many runs should have started long ago, and since when; empty if none."""
    wanted = _of(deployment_ids, ["SCHEDULED"])
    wanted["flow_runs"]["expected_start_time"] = {"before_": (now - LATE).isoformat()}
    first = {**wanted, "sort": "EXPECTED_START_TIME_ASC", "limit": 1}
    oldest = ask(client, "/flow_runs/filter", first) if deployment_ids else []
    if not oldest:
        return ""
    since = _at(oldest[0]["expected_start_time"])
    return f"{ask(client, '/flow_runs/count', wanted)} runs are late, the first since {since:%Y-%m-%d %H:%M} UTC"


def _of(deployment_ids: list[str], states: list[str]) -> dict[str, Any]:
    return {"deployments": {"id": {"any_": deployment_ids}}, "flow_runs": {"state": {"type": {"any_": states}}}}


def _is_stuck(client: SyncPrefectClient, run: dict[str, Any], now: datetime, patience: timedelta) -> bool:
    """Say whether a run has been in its state for long and nothing has been heard of it since."""
    if _at(run["state"]["timestamp"]) > now - patience:
        return False
    heard = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run['id']}"]},
        "occurred": {"since": (now - patience).isoformat(), "until": now.isoformat()},
    }
    return not ask(client, "/events/filter", {"filter": heard, "limit": 1})["events"]


def _since(run: dict[str, Any]) -> str:
    return f"{run['name']} is {run['state_name']} since {_at(run['state']['timestamp']):%Y-%m-%d %H:%M} UTC"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
