"""What a Prefect server holds of Driftloop's deployments, and whether it is what the settings say."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import SCHEDULE_TYPES, IntervalSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import PrefectHTTPStatusError

from flows.site import Site
from records.address import without_secrets
from records.errors import ServiceDown

TAG = "driftloop"
"""The tag of every deployment; the model's name is another."""

_PAGE = 200
_ENTRYPOINT = re.compile(r"(?:.*/)?flows(?:\.deployed\.|/deployed\.py:)(?P<flow>\w+)")


def flow_of(entrypoint: str | None) -> str:
    """Return the flow that an entrypoint of ours names, as a module or as a file; empty for somebody else's.

    >>> flow_of("flows.deployed.watch"), flow_of("flows/deployed.py:learn"), flow_of("theirs.py:watch")
    ('watch', 'learn', '')
    """
    found = _ENTRYPOINT.fullmatch(entrypoint or "")
    return found["flow"] if found else ""


def full_name(deployment: DeploymentResponse) -> str:
    """Return `FLOW/MODEL`, as Prefect's own commands want it."""
    return f"{flow_of(deployment.entrypoint)}/{deployment.name}"


def ours(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    """Every deployment of our flows on this server, whether `driftloop deploy` made it or a `prefect.yaml`."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    found: list[DeploymentResponse] = []
    while page := client.read_deployments(deployment_filter=tagged, limit=_PAGE, offset=len(found)):
        found += page
    return (one for one in found if flow_of(one.entrypoint) and "settings" in one.parameters)


def mine(client: SyncPrefectClient, site: Site) -> list[DeploymentResponse]:
    """The deployments of one model, registered for its settings file."""
    path = str(site.settings.path)
    return [one for one in ours(client) if one.name == site.model and one.parameters.get("settings") == path]


def unlike(wanted: RunnerDeployment, found: DeploymentResponse) -> tuple[str, ...]:
    """Say in what a registered deployment is not the one that `deploy` would write: parameters, and when it runs.

    At which moment of its interval `learn` polls is free; `watch` has to keep to the grid of windows.
    """
    said = []
    if found.parameters != wanted.parameters:
        said.append(f"runs with {found.parameters} and not with {wanted.parameters}")
    for one in wanted.schedules or ():
        active = [other for other in found.schedules if other.active]
        if one.schedule and not any(_same(one.schedule, other, free=wanted.flow_name == "learn") for other in active):
            is_now = f"runs {', '.join(map(_words, active))}" if active else "has no active schedule"
            said.append(f"{is_now}, not {_when(one.schedule)}")
    return tuple(said)


def _same(wanted: SCHEDULE_TYPES, found: DeploymentSchedule, *, free: bool) -> bool:
    other = found.schedule
    if not (isinstance(wanted, IntervalSchedule) and isinstance(other, IntervalSchedule)) or found.parameters:
        return False
    if (other.interval, other.timezone) != (wanted.interval, wanted.timezone):
        return False
    apart = other.anchor_date.timestamp() - wanted.anchor_date.timestamp()
    return free or apart % wanted.interval.total_seconds() == 0


def _words(found: DeploymentSchedule) -> str:
    return f"{_when(found.schedule)}{f' with {found.parameters}' if found.parameters else ''}"


def _when(schedule: SCHEDULE_TYPES) -> str:
    if isinstance(schedule, IntervalSchedule):
        length = timedelta(seconds=schedule.interval.total_seconds())
        return f"every {length} counted from {schedule.anchor_date:%Y-%m-%d %H:%M:%S} {schedule.timezone}"
    return f"at {getattr(schedule, 'cron', None) or getattr(schedule, 'rrule', None) or 'no time'}"


@contextmanager
def asking() -> Iterator[SyncPrefectClient]:
    """Open a client of the server; what fails while asking it is `ServiceDown`."""
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.InvalidURL:  # it may quote a part of the password
        raise ServiceDown("PREFECT_API_URL is no address that can be used; correct it") from None
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        why = without_secrets(" ".join(str(error).split()))
        raise ServiceDown(f"Prefect's server failed ({why}); see its log") from None


def ask(client: SyncPrefectClient, path: str, about: dict[str, Any]) -> Any:
    """Post a question to the server's API, such as a filter, and return what its answer holds."""
    return client.request("POST", path, json=about).json()  # type: ignore[arg-type]
