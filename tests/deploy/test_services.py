"""The real services: that they start, answer, keep to loopback and stop."""

import json
import textwrap
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

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
        assert service.environment["DO_NOT_TRACK"] == "true"
        assert service.environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
        assert service.environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


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


def _described(folder: Path) -> tuple[Service, ...]:
    return (
        services.prefect_server(folder, port=1),
        services.prefect_worker(folder, port=2, server_url="http://127.0.0.1:1", pool="tests"),
        services.mlflow_server(folder, port=3),
    )


def _ask(request: urllib.request.Request | str, headers: dict[str, str] | None = None) -> Any:
    if isinstance(request, str):
        request = urllib.request.Request(request, headers=headers or {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _wait_for(path: Path, *, seconds: float) -> None:
    import time

    deadline = time.monotonic() + seconds
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.2)
