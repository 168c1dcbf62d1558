"""The real services: that they start, answer, keep to loopback and stop."""

import json
import textwrap
import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from deploy import processes, proctable, services, studio
from deploy.processes import Running, Service
from tests.conftest import START_SECONDS, LabelStudio, PrefectServer

FLOW = """
from prefect import flow

@flow
def says(text: str, path: str) -> None:
    with open(path, "w") as file:
        file.write(text)
"""


def test_settings_of_the_caller_do_not_reach_the_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "postgresql+asyncpg://work/prefect")
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_work")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://work.example.com")

    for service in _described(tmp_path):
        assert not [value for value in service.environment.values() if "work" in value], service.name


def test_every_service_keeps_to_loopback_and_tells_nobody(tmp_path: Path) -> None:
    for service in _described(tmp_path):
        assert service.url.startswith("http://127.0.0.1:")
        quiet = _QUIET_STUDIO if service.name == "Label Studio" else _QUIET
        assert quiet.items() <= service.environment.items(), service.name


def test_both_ways_to_start_a_server_keep_its_leases_in_files(tmp_path: Path) -> None:
    name = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
    compose = yaml.safe_load((Path(services.__file__).parent / "compose.yaml").read_text())
    native = services.prefect_server(tmp_path, port=1).environment
    for environment in (native, compose["services"]["prefect"]["environment"]):
        assert environment[name] == "prefect.server.concurrency.lease_storage.filesystem"
    assert compose["services"]["prefect"]["volumes"] == ["prefect:/data/prefect"]  # which holds the files


def test_both_ways_to_start_a_server_delete_events_and_runs_that_ended_90_days_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Prefect's own settings read it."""
    from prefect.settings import Settings

    compose = yaml.safe_load((Path(services.__file__).parent / "compose.yaml").read_text())
    native = services.prefect_server(tmp_path, port=1).environment
    for environment in (native, compose["services"]["prefect"]["environment"]):
        for name in ("ENABLED", "RETENTION_PERIOD"):
            full_name = f"PREFECT_SERVER_SERVICES_DB_VACUUM_{name}"
            monkeypatch.setenv(full_name, environment[full_name])
        found = Settings().server.services.db_vacuum
        assert found.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
        assert found.retention_period == timedelta(days=90)
        monkeypatch.undo()


@pytest.mark.services
def test_a_restarted_server_still_knows_which_run_has_the_slot_and_gets_it_back(tmp_path: Path) -> None:
    """With leases in memory, a run that lives is told at its next sign of life that its slot is lost, and stops; one
    that was killed keeps the deployment's only slot for ever."""
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.states import Completed, Pending, Running

    service = services.prefect_server(tmp_path, port=services.free_ports(1)[0])
    hasty = {
        "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "30",
        "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1",
    }
    service = replace(service, environment={**service.environment, **hasty})

    def taken(client: SyncPrefectClient, deployment: UUID) -> int:
        limit = client.read_deployment(deployment).global_concurrency_limit
        assert limit is not None
        return limit.active_slots

    running = services.start(service, timeout_seconds=START_SECONDS)
    try:
        with SyncPrefectClient(f"{service.url}/api") as client:
            flow = client.create_flow_from_name("of the test")
            alive, killed = (client.create_deployment(flow, name, concurrency_limit=1) for name in ("alive", "killed"))
            runs = {one: client.create_flow_run_from_deployment(one).id for one in (alive, killed)}
            for run in runs.values():
                client.set_flow_run_state(run, Pending())
                client.set_flow_run_state(run, Running())
            state = client.read_flow_run(runs[alive]).state
            assert state is not None
            lease = state.state_details.deployment_concurrency_lease_id
            assert lease is not None
        services.stop(running)
        running = services.start(service, timeout_seconds=START_SECONDS)
        with SyncPrefectClient(f"{service.url}/api") as client:
            client.renew_concurrency_lease(lease, lease_duration=300)  # as a flow does while it runs
            assert taken(client, alive) == 1
            client.set_flow_run_state(runs[alive], Completed())
            assert taken(client, alive) == 0
            deadline = time.monotonic() + 90
            while taken(client, killed) and time.monotonic() < deadline:
                time.sleep(0.5)
            assert taken(client, killed) == 0
            assert client.read_flow_run(runs[killed]).state_name == "Running"
    finally:
        services.stop(running)


@pytest.mark.services
def test_nobody_signs_up_to_label_studio_without_an_invitation(label_studio: LabelStudio) -> None:
    form = urllib.request.Request(f"{label_studio.url}/user/signup/", data=b"email=a@b.org&password=secret-pass")

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(form, timeout=30)
    assert refused.value.code == 403


@pytest.mark.services
def test_label_studio_listens_on_loopback_only(label_studio: LabelStudio) -> None:
    port = int(label_studio.url.rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}

    assert listening == {f"0100007F:{port:04X}"}


@pytest.mark.services
def test_label_studio_starts_again_on_its_folder_with_the_same_token(tmp_path: Path) -> None:
    def project_titles(running: Running, **body: str) -> list[str]:
        headers = {"Authorization": f"Token {studio.read_access(tmp_path).token}", "Content-Type": "application/json"}
        if body:
            _ask(urllib.request.Request(f"{running.url}/api/projects/", json.dumps(body).encode(), headers))
        return [project["title"] for project in _ask(f"{running.url}/api/projects/", headers)["results"]]

    bodies: tuple[dict[str, str], ...] = ({"title": "kept"}, {})
    for body in bodies:
        service = services.label_studio(tmp_path, port=services.free_ports(1)[0])
        running = services.start(service, timeout_seconds=START_SECONDS)
        try:
            assert project_titles(running, **body) == ["kept"]
        finally:
            services.stop(running)
        assert processes.family(running) == frozenset()


@pytest.mark.services
def test_a_flow_called_here_runs_on_the_session_s_server(prefect_server: PrefectServer) -> None:
    from prefect import flow

    @flow
    def doubles(number: int) -> int:
        return 2 * number

    assert doubles(21) == 42
    runs = _ask(urllib.request.Request(f"{prefect_server.api_url}/flow_runs/filter", b"{}", _JSON))
    assert [run["state_type"] for run in runs if run["parameters"] == {"number": 21}] == ["COMPLETED"]


@pytest.mark.services
def test_prefect_s_api_takes_null_for_a_limit(prefect_server: PrefectServer) -> None:
    """Newer FastAPI releases install, start, and answer 422 here, which breaks every listing."""
    body = json.dumps({"sort": None, "limit": None}).encode()

    assert isinstance(_ask(urllib.request.Request(f"{prefect_server.api_url}/flows/filter", body, _JSON)), list)


@pytest.mark.services
def test_a_worker_runs_a_scheduled_deployment_and_leaves_nothing(prefect_server: PrefectServer, tmp_path: Path) -> None:
    """Newer SQLAlchemy releases install, start, and never schedule a run."""
    from datetime import timedelta

    from prefect import Flow

    (tmp_path / "says.py").write_text(textwrap.dedent(FLOW))
    service = services.prefect_worker(
        tmp_path / "worker", port=services.free_ports(1)[0], server_url=prefect_server.url, pool="tests"
    )
    running = services.start(service, timeout_seconds=START_SECONDS)
    try:
        deployed = Flow.from_source(source=str(tmp_path), entrypoint="says.py:says")
        assert isinstance(deployed, Flow)
        deployed.deploy(
            name="every-5-seconds",
            work_pool_name="tests",
            interval=timedelta(seconds=5),
            parameters={"text": "a scheduled run started", "path": str(tmp_path / "said")},
            build=False,
            push=False,
            print_next_steps=False,
        )
        _wait_for(tmp_path / "said", seconds=180)
        assert (tmp_path / "said").read_text() == "a scheduled run started"
    finally:
        services.stop(running)

    assert proctable.marked(running.mark) == frozenset()


@pytest.mark.services
def test_mlflow_serves_what_was_logged_without_it_and_stops_with_all_its_processes(
    mlflow_store: str, tmp_path: Path
) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=mlflow_store)
    experiment = client.create_experiment("served", artifact_location=(tmp_path / "mlartifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "<h1>drift</h1>", "drift.html")
    service = services.mlflow_server(tmp_path, port=services.free_ports(1)[0], store=mlflow_store)
    running = services.start(service, timeout_seconds=START_SECONDS)
    try:
        with urllib.request.urlopen(f"{running.url}/get-artifact?path=drift.html&run_uuid={run}", timeout=60) as answer:
            assert answer.read() == b"<h1>drift</h1>"
        assert len(processes.family(running)) <= 4  # no job runners, which would outlive it
    finally:
        services.stop(running)

    assert processes.family(running) == frozenset()


_JSON = {"Content-Type": "application/json"}

_QUIET = {"DO_NOT_TRACK": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
_QUIET_STUDIO = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
}


def _described(folder: Path) -> tuple[Service, ...]:
    return (
        services.prefect_server(folder, port=1),
        services.prefect_worker(folder, port=2, server_url="http://127.0.0.1:1", pool="tests"),
        services.mlflow_server(folder, port=3),
        services.label_studio(folder / "label-studio", port=4),
    )


def _ask(request: urllib.request.Request | str, headers: dict[str, str] | None = None) -> Any:
    if isinstance(request, str):
        request = urllib.request.Request(request, headers=headers or {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _wait_for(path: Path, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.2)
