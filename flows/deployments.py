"""Register a monitored model's scheduled Prefect deployments."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.schedules import Interval
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from flows.deployed import learn, watch
from flows.settings import Settings, load_settings
from records.errors import ServiceDown

_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


def register(paths: Sequence[Path], *, work_pool: str) -> tuple[str, ...]:
    """Create or update `watch/MODEL` and `learn/MODEL` for every settings file, and the work pool they run on.

    Raises `ServiceDown` when no Prefect server answers. Returns the names of the deployments.
    """
    models = [load_settings(path) for path in paths]
    require_server()
    _make_pool(work_pool)
    deployments = [deployment for settings in models for deployment in _deployments(settings, work_pool)]
    for deployment in deployments:
        deployment.apply()
    return tuple(f"{deployment.flow_name}/{deployment.name}" for deployment in deployments)


def require_server() -> str:
    """Return the Prefect server's API address; raises `ServiceDown` when none is set or none answers."""
    url = get_current_settings().api.url
    if not url:
        raise ServiceDown("no Prefect server is set; start one with `make up` and set PREFECT_API_URL to its address")
    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise ServiceDown(
            f"no Prefect server answers at {url!r} ({error}); start it, or correct PREFECT_API_URL"
        ) from None
    return url


def _deployments(settings: Settings, work_pool: str) -> list[RunnerDeployment]:
    grid = settings.windows
    first_run = grid.anchor + grid.length + timedelta(hours=grid.delay_hours)
    watching = f"Compare each window of {settings.model} with what its champion knows; ask people on an alarm."
    learning = f"Collect answers about {settings.model}; judge, retrain, compare and promote."
    wanted = (
        (watch, watching, Interval(grid.length, anchor_date=first_run)),
        (learn, learning, Interval(timedelta(minutes=settings.labels.poll_minutes))),
    )
    return [
        cast(
            RunnerDeployment,  # outside a running event loop the call is not a coroutine
            flow.to_deployment(
                name=settings.model,
                description=description,
                schedules=[schedule],
                parameters={"settings": str(settings.path)},
                concurrency_limit=_ONE_AT_A_TIME,
                tags=["driftloop", settings.model],
                work_pool_name=work_pool,
                entrypoint_type=EntrypointType.MODULE_PATH,
            ),
        )
        for flow, description, schedule in wanted
    ]


def _make_pool(name: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        except ObjectAlreadyExists:
            return
