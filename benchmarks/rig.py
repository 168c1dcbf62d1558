"""The real services that faults happen to: each can be taken away and brought back at the same place."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd

from benchmarks.payments import N_SNAPSHOT_WEEKS, TOML, payments
from benchmarks.remains import client, projects
from benchmarks.victim import Place
from deploy import ports, services, studio
from labeling import answers
from tests import postgres

_SETTINGS = TOML.replace('["linear", "random_forest"]', '["linear"]\nserving = "stock"')
_START_SECONDS = 240.0
_EVERY = slice(None)


class Held:
    """A service that runs until it is stopped, and can be started again as it was."""

    def __init__(self, service: services.Service) -> None:
        self._service = service
        self._running = services.start(service, timeout_seconds=_START_SECONDS)
        self.url = service.url

    def stop(self) -> None:
        """Stop it; what it kept stays."""
        services.stop(self._running)

    def start(self) -> None:
        """Start it again and wait until it answers; another program may hold its port for a moment."""
        deadline = time.monotonic() + _START_SECONDS
        while ports.taken(self._service.port) and time.monotonic() < deadline:
            time.sleep(1)
        self._running = services.start(self._service, timeout_seconds=_START_SECONDS)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()


@dataclass(frozen=True, slots=True)
class Rig:
    """Label Studio, PostgreSQL where it is installed, and the folder of a model before its first day."""

    folder: Path
    label_studio: Held
    token: str
    postgres: postgres.Server | None

    @property
    def home(self) -> Place:
        """The model before its first day."""
        return self.at(self.folder / "before adopt")

    def at(self, folder: Path) -> Place:
        """A folder with its people on this Label Studio."""
        return Place(folder, self.label_studio.url, self.token)

    def api(self) -> httpx.Client:
        """Return a client of Label Studio."""
        return client(self.home)

    def clear(self) -> None:
        """Delete every project."""
        with self.api() as api:
            for project in projects(api):
                api.delete(f"/api/projects/{project}/").raise_for_status()

    def answer(self, place: Place, part: slice = _EVERY) -> None:
        """Let a person answer the tasks of the open request, or a part of them in their order, from the truth."""
        site = place.site()
        truth = pd.read_parquet(place.folder / "truth.parquet").set_index("id")["fraud"]
        (item,) = site.ledger.requests.open(site.model)
        with self.api() as api:
            for key, task in item.task_ids[part]:
                body = {"result": answers.write(truth[key], site.schema), "lead_time": 5.0}
                api.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()


@contextmanager
def opened(folder: Path, *, with_postgres: bool = True) -> Iterator[Rig]:
    """Start what there is, PostgreSQL only if wanted, and write down a model's first day."""
    home = folder / "before adopt"
    home.mkdir()
    payments(N_SNAPSHOT_WEEKS).to_parquet(home / "training.parquet")
    later = [payments(2, first_week=N_SNAPSHOT_WEEKS), payments(3, first_week=N_SNAPSHOT_WEEKS + 2, changed=True)]
    everything = pd.concat(later, ignore_index=True)
    everything[["id", "fraud"]].to_parquet(home / "truth.parquet")
    everything.drop(columns="fraud").to_parquet(home / "production.parquet")
    (home / "driftloop.toml").write_text(_SETTINGS, encoding="utf-8")
    site = Place(home, "", "").site()
    site.registry.champion(site.model)  # makes MLflow's tables, once
    service = services.label_studio(folder / "label-studio", port=services.free_ports(1)[0])
    held = Held(service)
    try:
        with _postgres(wanted=with_postgres) as server:
            yield Rig(folder, held, studio.read_access(service.folder).token, server)
    finally:
        held.stop()


@contextmanager
def _postgres(*, wanted: bool) -> Iterator[postgres.Server | None]:
    binaries = postgres.programs() if wanted else None
    if binaries is None:
        yield None
        return
    with postgres.server(binaries, timeout_seconds=_START_SECONDS) as server:
        yield server
