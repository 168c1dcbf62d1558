"""Register the Prefect deployments of monitored models, and remove those of models that are gone."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.schedules import Interval, Schedule
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from flows.automations import automate, block_id, forget
from flows.deployed import backfill, learn, watch
from flows.fleet import Fleet, empty, muster
from flows.registered import TAG, full_name, ours
from flows.settings import Settings
from records.address import public, without_secrets
from records.errors import DriftloopError, ServiceDown

_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


@dataclass(frozen=True, slots=True)
class Registered:
    """The names of the deployments that were made or updated, of those that were removed, and of the automations."""

    deployments: tuple[str, ...]
    removed: tuple[str, ...] = ()
    automations: tuple[str, ...] = ()


def register(
    paths: Sequence[Path], *, work_pool: str, keep: bool = False, automations: bool = False, notify: str | None = None
) -> Registered:
    """Create or update `watch/MODEL`, `learn/MODEL` and `backfill/MODEL` of every settings file, and their work pool.

    Every file is read before anything is registered. Deployments that were registered from a file of the same folders
    for a model that is not there any more are removed, unless `keep`, also where the folder has no file left; nobody
    else's are touched. What a person has paused stays paused. With `automations`, ready labels start `learn`; with
    `notify`, a block `TYPE/NAME`, people are told of alarms, verdicts and failed runs too. Raises `BadSettings` for a
    file that cannot be used, and for a folder that holds none and never did; `ServiceDown` when no Prefect server
    answers: run it again then.
    """
    fleet = muster(paths, emptied=not keep)
    require_server()
    made = [deployment for settings in fleet.models for deployment in deployments_of(settings, work_pool)]
    with _explained(), get_client(sync_client=True) as client:
        present = list(ours(client))
        for folder in fleet.emptied:
            if not any(Path(one.parameters["settings"]).parent == folder for one in present):
                raise empty(folder)
        if made:
            _make_pool(client, work_pool)
        paused = {full_name(one) for one in present if one.paused}
        if notify:
            block_id(client, notify)  # before anything is registered
        learners = {}
        for deployment in made:
            deployment.paused = f"{deployment.flow_name}/{deployment.name}" in paused  # else Prefect lets it run again
            made_id = deployment.apply()
            if deployment.flow_name == "learn":
                learners[deployment.name] = cast(UUID, made_id)
        automated: list[str] = []
        for model, learner in learners.items() if automations or notify else ():
            automated += automate(client, model, learner, notify)
        names = tuple(f"{deployment.flow_name}/{deployment.name}" for deployment in made)
        return Registered(names, () if keep else _remove_gone(client, fleet), tuple(automated))


def require_server() -> str:
    """Return the Prefect server's API address; raises `ServiceDown` when none is set or none answers."""
    url = get_current_settings().api.url
    if not url:
        raise ServiceDown("no Prefect server is set; start one with `make up` and set PREFECT_API_URL to its address")
    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.InvalidURL:  # it may quote a part of the password
        raise ServiceDown(f"PREFECT_API_URL {public(url)!r} is no address that can be used; correct it") from None
    except httpx.HTTPError as error:
        raise ServiceDown(
            f"no Prefect server answers at {public(url)!r} ({without_secrets(str(error))}); start it, or correct"
            " PREFECT_API_URL"
        ) from None
    return url


def deployments_of(settings: Settings, work_pool: str) -> tuple[RunnerDeployment, ...]:
    """Describe the three deployments of one model.

    Windows lie on a grid in UTC, and so do the schedules: a week in which clocks change has 168 hours too. When `learn`
    runs within its interval follows from the model's name, so that many models do not start at once.
    """
    grid, poll = settings.windows, timedelta(minutes=settings.labels.poll_minutes)
    first_watch = grid.anchor + grid.length + timedelta(hours=grid.delay_hours)
    first_learn = grid.anchor + timedelta(seconds=zlib.crc32(settings.model.encode()) % int(poll.total_seconds()))
    watching = f"Compare each window of {settings.model} with what its champion knows; ask people on an alarm."
    learning = f"Collect answers about {settings.model}; judge, retrain, compare and promote."
    filling = f"Watch the windows of {settings.model} that were missed between two moments. Start it by hand."
    wanted: tuple[tuple[Any, str, list[Schedule]], ...] = (
        (watch, watching, [Interval(grid.length, anchor_date=first_watch, timezone="UTC", slug="every-window")]),
        (learn, learning, [Interval(poll, anchor_date=first_learn, timezone="UTC", slug="poll")]),
        (backfill, filling, []),
    )
    return tuple(
        cast(
            RunnerDeployment,  # outside a running event loop the call is not a coroutine
            flow.to_deployment(
                name=settings.model,
                description=description,
                schedules=schedules,
                parameters={"settings": str(settings.path)},
                concurrency_limit=_ONE_AT_A_TIME,
                tags=[TAG, settings.model],
                version=version("driftloop"),
                work_pool_name=work_pool,
                entrypoint_type=EntrypointType.MODULE_PATH,  # found from whichever directory a worker is started
            ),
        )
        for flow, description, schedules in wanted
    )


def _remove_gone(client: SyncPrefectClient, fleet: Fleet) -> tuple[str, ...]:
    present = {(settings.path, settings.model) for settings in fleet.models}
    removed = []
    for deployment in ours(client):
        path = Path(deployment.parameters["settings"])
        if fleet.covers(path) and (path, deployment.name) not in present:
            try:
                client.delete_deployment(deployment.id)
            except ObjectNotFound:  # somebody else was faster
                continue
            forget(client, deployment.name)
            removed.append(full_name(deployment))
    return tuple(sorted(removed))


def _make_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    except ObjectAlreadyExists:
        return


@contextmanager
def _explained() -> Iterator[None]:
    """Say Prefect's errors in one sentence."""
    try:
        yield
    except DriftloopError:
        raise
    except (DeploymentApplyError, PrefectHTTPStatusError, httpx.HTTPError) as error:
        why = without_secrets(" ".join(str(error).split()))
        raise ServiceDown(f"Prefect's server did not register everything ({why}); run it again") from None
