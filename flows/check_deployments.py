"""Checks of what is registered with Prefect: deployments, their schedules, their workers, and the automations."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse

from flows.automations import names_of
from flows.deployments import deployments_of
from flows.registered import ask, asking, flow_of, full_name, mine, unlike
from flows.site import Site
from records.check import Check

FLOWS = ("watch", "learn", "backfill")
SETTLED = timedelta(minutes=5)
"""Prefect plans the runs of a schedule within a minute or two of its last change."""

RECENT = timedelta(days=1)
"""How long a failure of an automation is worth telling, unless it was registered again since."""


def deployments(site: Site, _: bool) -> Iterator[Check]:
    """Look whether everything is registered and not paused, and a worker listens."""
    with asking() as client:
        found = mine(client, site)
        names = {full_name(one) for one in found}
        missing = [f"{flow}/{site.model}" for flow in FLOWS if f"{flow}/{site.model}" not in names]
        if missing:
            said = f"{', '.join(missing)} not registered for {site.settings.path}"
            yield Check("deployments", False, said, _deploy(site))
        paused = [full_name(one) for one in found if one.paused]
        if paused:
            yield Check(
                "deployments", False, f"{', '.join(paused)} paused", "resume them in Prefect if nobody meant it"
            )
        if found and not missing and not paused:
            yield Check("deployments", True, ", ".join(sorted(names)))
        for pool in sorted({one.work_pool_name for one in found if one.work_pool_name}):
            online = [one for one in ask(client, f"/work_pools/{pool}/workers/filter", {}) if one["status"] == "ONLINE"]
            advice = "" if online else f"start one: `prefect worker start --pool {pool}`"
            said = f"{len(online)} online on work pool {pool}" if online else f"none is online on work pool {pool}"
            yield Check("worker", bool(online), said, advice)


def schedules(site: Site, _: bool, *, patience: timedelta = SETTLED) -> Iterator[Check]:
    """Look whether each deployment runs when and with what the settings say, and whether its next run is planned."""
    with asking() as client:
        ill, planned = False, []
        for one in mine(client, site):
            wanted = {item.flow_name: item for item in deployments_of(site.settings, one.work_pool_name or "")}
            for said in unlike(wanted[flow_of(one.entrypoint)], one):
                ill = True
                yield Check("schedule", False, f"{full_name(one)} {said}", f"{_deploy(site)}, or correct prefect.yaml")
            if one.paused or not any(schedule.active for schedule in one.schedules):
                continue
            due = _next_run(client, one)
            if due:
                planned.append(f"{full_name(one)} {due:%Y-%m-%d %H:%M}")
            elif _changed(one) < datetime.now(UTC) - patience:
                ill = True
                said = f"{full_name(one)} has a schedule, but no run is planned"
                yield Check("schedule", False, said, "see the log of Prefect's server: its scheduler does not work")
        if not ill and planned:
            yield Check("schedule", True, f"as the settings say; next, in UTC: {', '.join(sorted(planned))}")


def automations(site: Site, _: bool) -> Iterator[Check]:
    """Look whether an automation of the model could not do what it is for; only Prefect's events tell."""
    with asking() as client:
        now = datetime.now(UTC)
        named = {"automations": {"name": {"any_": list(names_of(site.model))}}}
        for one in ask(client, "/automations/filter", named):
            since = max(now - RECENT, datetime.fromisoformat(one["updated"]))
            failed = {
                "event": {"name": ["prefect.automation.action.failed"]},
                "resource": {"id": [f"prefect.automation.{one['id']}"]},
                "occurred": {"since": since.isoformat(), "until": now.isoformat()},
                "order": "DESC",
            }
            answer = ask(client, "/events/filter", {"filter": failed, "limit": 1})
            if not answer["events"]:
                yield Check("automations", True, f"{one['name']!r} has not failed since {since:%Y-%m-%d %H:%M} UTC")
                continue
            (last,) = answer["events"]
            why = " ".join(str(last["payload"].get("reason", "no reason given")).split())
            said = f"{one['name']!r} failed {answer['total']} times, last on {last['occurred'][:16]} UTC: {why}"
            advice = f"{_deploy(site, '--automations')}, with --notify if it notifies, or see that the worker runs"
            yield Check("automations", False, said, advice)


def _deploy(site: Site, *options: str) -> str:
    return f"run `{' '.join(('driftloop deploy', str(site.settings.path), *options))}`"


def _next_run(client: SyncPrefectClient, deployment: DeploymentResponse) -> datetime | None:
    wanted = {
        "deployments": {"id": {"any_": [str(deployment.id)]}},
        "flow_runs": {
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "expected_start_time": {"after_": datetime.now(UTC).isoformat()},
        },
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": 1,
    }
    found = ask(client, "/flow_runs/filter", wanted)
    return datetime.fromisoformat(found[0]["expected_start_time"]) if found else None


def _changed(deployment: DeploymentResponse) -> datetime:
    """When its schedules were last changed; the deployment itself is touched by every worker that asks for runs."""
    return max(one.updated or one.created or datetime.min.replace(tzinfo=UTC) for one in deployment.schedules)
