"""Checks of Prefect: deployments that are missing or paused, runs that are late or stuck, slots that nobody holds."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectHTTPStatusError

from flows.deployments import full_name, ours
from flows.site import Site
from records.check import Check
from records.errors import ServiceDown

LATE = timedelta(minutes=15)
"""A run that should have started this long ago has no worker."""

STUCK = timedelta(minutes=15)
"""A run without a heartbeat for this long, or that has been about to start for this long, has lost its process."""

FLOWS = ("watch", "learn", "backfill")
_BUSY = ["RUNNING", "PENDING", "CANCELLING"]


def deployments(site: Site, _: bool) -> Iterator[Check]:
    """Look whether everything is registered and not paused, and a worker listens."""
    with _client() as client:
        mine = _mine(client, site)
        names = {full_name(one) for one in mine}
        missing = [f"{flow}/{site.model}" for flow in FLOWS if f"{flow}/{site.model}" not in names]
        if missing:
            advice = f"run `driftloop deploy {site.settings.path}`"
            yield Check("deployments", False, f"{', '.join(missing)} not registered for {site.settings.path}", advice)
        paused = [full_name(one) for one in mine if one.paused]
        if paused:
            yield Check(
                "deployments", False, f"{', '.join(paused)} paused", "resume them in Prefect if nobody meant it"
            )
        if mine and not missing and not paused:
            yield Check("deployments", True, ", ".join(sorted(names)))
        for pool in sorted({one.work_pool_name for one in mine if one.work_pool_name}):
            workers = client.request("POST", f"/work_pools/{pool}/workers/filter", json={}).json()  # type: ignore[arg-type]
            online = [one["name"] for one in workers if one["status"] == "ONLINE"]
            advice = "" if online else f"start one: `prefect worker start --pool {pool}`"
            said = f"{len(online)} online on work pool {pool}" if online else f"none is online on work pool {pool}"
            yield Check("worker", bool(online), said, advice)


def runs(site: Site, repair: bool, *, patience: timedelta = STUCK) -> Iterator[Check]:
    """Look for runs that are late, or in a state that nobody will end; a repair marks the latter as crashed."""
    with _client() as client:
        now = datetime.now(UTC)
        ids = [str(one.id) for one in _mine(client, site)]
        late = [run for run in _runs(client, ids, ["SCHEDULED"]) if _at(run["expected_start_time"]) < now - LATE]
        if late:
            oldest = min(_at(run["expected_start_time"]) for run in late)
            said = f"{len(late)} runs are late, the first since {oldest:%Y-%m-%d %H:%M} UTC"
            yield Check("flow runs", False, said, "see that a worker is online and has a free slot")
        stuck = [run for run in _runs(client, ids, _BUSY) if _is_stuck(client, run, now, patience)]
        for run in stuck:
            said = f"{run['name']} is {run['state_name']} since {_at(run['state']['timestamp']):%Y-%m-%d %H:%M} UTC"
            if repair:
                crashed = {"type": "CRASHED", "message": "Its process was gone; set by driftloop doctor --repair."}
                client.request("POST", f"/flow_runs/{run['id']}/set_state", json={"state": crashed, "force": True})  # type: ignore[arg-type]
                yield Check("flow runs", True, said, repaired="marked as crashed, which frees its slot")
            else:
                advice = "its process is gone: --repair marks it as crashed"
                yield Check("flow runs", False, f"{said} without a sign of life", advice)
        if not late and not stuck:
            yield Check("flow runs", True, "none is late or stuck")


def end_lost(site: Site, *, patience: timedelta = STUCK) -> tuple[str, ...]:
    """Mark the model's runs as crashed that nobody will end, and return what is said of each.

    Where Prefect does not answer nothing is ended: the next call does it.
    """
    with suppress(ServiceDown):
        return tuple(check.sentence for check in runs(site, True, patience=patience) if check.repaired)
    return ()


def slots(site: Site, repair: bool) -> Iterator[Check]:
    """Look for taken concurrency slots that belong to no run: they keep a deployment from ever running."""
    with _client() as client:
        leaked = 0
        for deployment in _mine(client, site):
            limit = deployment.global_concurrency_limit
            if limit is None:
                continue
            held = len(_runs(client, [str(deployment.id)], _BUSY))
            if limit.active_slots <= held:
                continue
            leaked += 1
            said = f"{limit.active_slots} slots of {full_name(deployment)} are taken by {held} runs"
            if repair:
                change = {"active_slots": held}
                client.request("PATCH", f"/v2/concurrency_limits/{limit.id}", json=change)  # type: ignore[arg-type]
                yield Check("concurrency", True, said, repaired="freed the slots that nobody holds")
            else:
                yield Check("concurrency", False, said, "wait five minutes for its lease to lapse, or --repair")
        if not leaked:
            yield Check("concurrency", True, "every taken slot belongs to a run")


def _mine(client: SyncPrefectClient, site: Site) -> list[DeploymentResponse]:
    path = str(site.settings.path)
    return [one for one in ours(client) if one.name == site.model and one.parameters.get("settings") == path]


def _runs(client: SyncPrefectClient, deployment_ids: list[str], states: list[str]) -> list[dict[str, Any]]:
    if not deployment_ids:
        return []
    wanted = {"deployments": {"id": {"any_": deployment_ids}}, "flow_runs": {"state": {"type": {"any_": states}}}}
    found: list[dict[str, Any]] = client.request("POST", "/flow_runs/filter", json=wanted).json()
    return found


def _is_stuck(client: SyncPrefectClient, run: dict[str, Any], now: datetime, patience: timedelta) -> bool:
    """Say whether a run has been in its state for long and nothing has been heard of it since."""
    if _at(run["state"]["timestamp"]) > now - patience:
        return False
    heard = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run['id']}"]},
        "occurred": {"since": (now - patience).isoformat(), "until": now.isoformat()},
    }
    return not client.request("POST", "/events/filter", json={"filter": heard, "limit": 1}).json()["events"]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        raise ServiceDown(f"Prefect's server failed ({' '.join(str(error).split())}); see its log") from None
