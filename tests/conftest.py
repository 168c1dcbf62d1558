"""The real services the tests run against, each started once per session when a test first asks, and a small disk."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

START_SECONDS = 240.0
_LOGS = pytest.StashKey[list[Path]]()


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """A real, empty Label Studio server: where it is, its administrator's token, and its data folder."""

    url: str
    token: str = field(repr=False)
    folder: Path


@dataclass(frozen=True, slots=True)
class PrefectServer:
    """A real Prefect server: its web address, its API's, and its home."""

    url: str
    api_url: str
    folder: Path


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    disk = tmp_path / "tiny"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture
def four_threads() -> Iterator[None]:
    """Four threads for oneDAL, as on a machine of four cores."""
    from daal4py import daalinit, num_threads

    before = num_threads()
    daalinit(4)
    yield
    daalinit(before)


@pytest.fixture(scope="session")
def label_studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    from deploy import services, studio

    folder = tmp_path_factory.mktemp("label-studio")
    service = services.label_studio(folder, port=services.free_ports(1)[0])
    _remember(request, service.log)
    running = services.start(service, timeout_seconds=START_SECONDS)
    yield LabelStudio(running.url, studio.read_access(folder).token, folder)
    services.stop(running)


@pytest.fixture(scope="session")
def prefect_server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    any_postgres: Callable[[], str] | None,
) -> Iterator[PrefectServer]:
    """Also points this process, and those it starts, to the server, so that flows called here run on it.

    On PostgreSQL where it is installed: under load SQLite keeps the server's answers waiting for its lock, for minutes.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE, temporary_settings

    from deploy import services
    from deploy.demo import flush_prefect

    folder = tmp_path_factory.mktemp("prefect")
    database = any_postgres().replace("+psycopg", "+asyncpg") if any_postgres else None
    service = services.prefect_server(folder, port=services.free_ports(1)[0], database=database)
    _remember(request, service.log)
    running = services.start(service, timeout_seconds=START_SECONDS)
    api_url = f"{running.url}/api"
    quiet = {"PREFECT_API_URL": api_url, "PREFECT_HOME": str(folder), "DO_NOT_TRACK": "true"}
    settings = {PREFECT_API_URL: api_url, PREFECT_HOME: str(folder), PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}
    with pytest.MonkeyPatch.context() as patch, temporary_settings(settings):
        for name, value in quiet.items():
            patch.setenv(name, value)
        yield PrefectServer(running.url, api_url, folder)
        flush_prefect()
    services.stop(running)


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of an MLflow store with its tables made; its folder also serves an MLflow server."""
    import mlflow

    from deploy import services

    uri = services.mlflow_store(tmp_path_factory.mktemp("mlflow"))
    mlflow.MlflowClient(tracking_uri=uri).search_experiments(max_results=1)  # makes the tables, once
    return uri


@pytest.fixture(scope="session")
def any_postgres() -> Iterator[Callable[[], str] | None]:
    """What `postgres_url` is, or None where no PostgreSQL is installed."""
    from tests import postgres

    binaries = postgres.programs()
    if binaries is None:
        yield None
        return
    with postgres.server(binaries, timeout_seconds=START_SECONDS) as running:
        yield running.fresh


@pytest.fixture(scope="session")
def postgres_url(any_postgres: Callable[[], str] | None) -> Callable[[], str]:
    """A function that makes a fresh, empty database on a real PostgreSQL server and returns its URL."""
    from tests import postgres

    if any_postgres is None:
        pytest.skip(postgres.MISSING)
    return any_postgres


def pytest_configure(config: pytest.Config) -> None:
    """Give property tests all the time they need: the machine may be busy."""
    settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("unhurried")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out the tests of Spark where it cannot run."""
    if item.get_closest_marker("spark") is not None:
        from tests import spark

        if reason := spark.missing():
            pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """After a failure, say where the logs of the services are."""
    failed = terminalreporter.stats.get("failed", []) + terminalreporter.stats.get("error", [])
    for log in config.stash.get(_LOGS, []) if failed else []:
        terminalreporter.write_line(f"service log: {log}")


def _remember(request: pytest.FixtureRequest, log: Path) -> None:
    request.config.stash.setdefault(_LOGS, []).append(log)
