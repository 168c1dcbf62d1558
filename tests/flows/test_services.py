"""The loop on the real services: Label Studio, Prefect's server and worker, MLflow, SQLite and PostgreSQL."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from benchmarks.payments import CHANGED, QUIET, payments, week
from deploy import bots, processes, services
from flows.adopt import adopt
from flows.backfill import overdue
from flows.check_prefect import end_lost
from flows.deployments import register
from flows.progress_bar import RetrainingBar
from flows.settings import Settings, load_settings
from flows.site import Site
from flows.status import status
from flows.watch import watch as watch_by_hand
from records.batch import Batch
from records.drift import Alarm
from tests.conftest import START_SECONDS, LabelStudio, PrefectServer
from tests.flows.conftest import World

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def labelers(label_studio: LabelStudio) -> tuple[bots.Bot, ...]:
    return bots.hire(label_studio.url, label_studio.token, names=("flora", "finn"))


@pytest.fixture
def place(
    first_day: World, label_studio: LabelStudio, mlflow_store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str, str], Settings]:
    """Make the settings of a model with its own name on the real services; secrets are in the environment."""

    def settled(model: str, ledger: str) -> Settings:
        world = first_day.copy(tmp_path / model)
        path = world.folder / "driftloop.toml"
        path.write_text(
            path.read_text()
            .replace('model = "payments"', f'model = "{model}"')
            .replace(
                'mlflow = "sqlite:///mlflow.db"', f'mlflow = "{mlflow_store}"\nlabel_studio = "{label_studio.url}"'
            )
        )
        monkeypatch.setenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", label_studio.token)
        monkeypatch.setenv("DRIFTLOOP_SERVICES__LEDGER", ledger)
        return load_settings(path)

    return settled


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_loop_closes_on_the_real_services(engine, place, first_day, labelers, prefect_server, request, tmp_path):
    from flows.deployed import learn, watch

    ledger = request.getfixturevalue("postgres_url")() if engine == "postgresql" else f"sqlite:///{tmp_path}/ledger.db"
    settings = place(f"payments-{engine}", ledger)
    site = Site(settings)
    adopt(site, "training.parquet")
    for number in (*QUIET, *CHANGED):
        watch(str(settings.path), week(number).end)
        if site.ledger.requests.open(site.model):
            break
    (item,) = site.ledger.requests.open(site.model)
    assert item.project is not None
    asked = item.request
    assert count_tasks(settings, item.project) == len(asked.asks) == 400

    watch(str(settings.path), asked.window.end)  # a window that was done pushes nothing again
    assert count_tasks(settings, item.project) == 400

    answered = bots.answer_all(
        settings.services.label_studio, labelers, item.project, first_day.truth, site.schema.classes, skip_rate=0.05
    )
    assert answered.n_answered + answered.n_skipped == 400
    learn(str(settings.path))
    state = status(site)
    learned = next(window for window in state.windows if window.labels_asked)
    assert (learned.labels_answered, learned.verdict) == (answered.n_answered, "promote")
    champion = site.champion()
    assert champion.number == 2
    assert site.registry.champion(site.model) == champion.version
    assert champion.cause == asked.window.name

    assert flow_runs(prefect_server, f"watch {site.model} {asked.window.name}")
    pages = artifacts(prefect_server, f"{site.model}-watch")
    assert any("ALARM" in page and "channel" in page for page in pages)
    (link,) = set(artifacts(prefect_server, f"{site.model}-watch-report"))  # the second run shows the same page
    assert f"drift-{asked.window.name}.html" in link
    assert any("promote" in page for page in artifacts(prefect_server, f"{site.model}-learn"))

    told = run_cli("status", "--json", config=settings.path)
    assert told.returncode == 0, told.stderr
    assert [g["number"] for g in json.loads(told.stdout)["generations"]] == [1, 2]
    back = run_cli("rollback", "--why", "a test", config=settings.path)
    assert back.returncode == 0, back.stderr
    assert site.registry.champion(site.model) == site.ledger.generations.get(site.model, 1).version


def test_a_scheduled_run_starts_by_itself_and_does_the_window_it_was_scheduled_for(place, prefect_server, tmp_path):
    """Two of the known version breaks show only here: the API refuses null, and the scheduler schedules nothing."""
    settings = place("scheduled", f"sqlite:///{tmp_path}/ledger.db")
    now = datetime.now(UTC).replace(microsecond=0)
    anchor = now - timedelta(seconds=now.second % 30)
    text = settings.path.read_text().replace("anchor = 2024-01-01T00:00:00Z", f"anchor = {anchor.isoformat()}")
    settings.path.write_text(text.replace("[windows]", f"[windows]\nlength_hours = {30 / 3600}"))
    frame = payments(1).head(600).drop(columns="fraud")
    seconds = np.linspace(-60, 540, 600)
    (settings.path.parent / "production.parquet").unlink()
    frame.assign(at=pd.Timestamp(anchor) + pd.to_timedelta(seconds, unit="s")).to_parquet(
        settings.path.parent / "production.parquet"
    )
    site = Site(load_settings(settings.path))
    adopt(site, "training.parquet")
    names = ("watch/scheduled", "learn/scheduled", "backfill/scheduled")
    pool = "driftloop-scheduled"  # its own: in another the worker would also do what other tests have left there
    assert register([settings.path], work_pool=pool).deployments == names
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "flows.py").write_text("raise ImportError('a file of the folder the worker was started in')")
    worker = services.prefect_worker(
        tmp_path / "worker",
        port=services.free_ports(1)[0],
        server_url=prefect_server.url,
        pool=pool,
        environment={name: value for name, value in os.environ.items() if name.startswith("DRIFTLOOP_")},
    )
    with services.serving([worker], timeout_seconds=START_SECONDS):
        deadline = time.monotonic() + 480
        done: list[dict[str, Any]] = []
        while not done and time.monotonic() < deadline:
            time.sleep(2)
            with contextlib.suppress(httpx.TimeoutException):  # a busy machine: asked again, until the deadline
                done = flow_runs(prefect_server, "watch scheduled")
    assert done, worker.log.read_text()[-3000:]
    run = done[0]
    assert run["auto_scheduled"]
    meant = datetime.fromisoformat(run["expected_start_time"])
    window = Site(load_settings(settings.path)).settings.window_at(meant)
    assert run["name"] == f"watch scheduled {window.name}"
    batch = site.ledger.steps.get("scheduled", window, "ingest", Batch)
    assert batch is not None
    assert batch.facts.n_rows == 30


def test_a_deployed_watch_goes_back_to_the_window_that_was_missed_before_it(place, prefect_server, tmp_path):
    """As after a run that was cancelled because the one before it still ran."""
    from flows.deployed import watch

    settings = place("behind", f"sqlite:///{tmp_path}/ledger.db")
    adopt(Site(settings), "training.parquet")
    watch(str(settings.path), week(QUIET[0]).end)
    state = watch(str(settings.path), week(CHANGED[0]).end, return_state=True)
    assert state.is_completed()
    assert (state.message or "").startswith("Missed before: 1 quiet.")
    assert overdue(Site(settings), week(CHANGED[0]).end) == ()
    (page,) = artifacts(prefect_server, "behind-backfill-windows")
    assert f"quiet |  | {week(QUIET[1]).name}" in page.replace("\\_", "_")


@pytest.mark.timeout(1200)
def test_runs_that_ended_with_their_worker_are_ended_in_prefect_and_their_window_is_watched_once(
    first_day, mlflow_store, prefect_server, tmp_path
):
    """Killed, Prefect leaves one Pending and one Running for ever and lets no other in; asked to stop, sometimes."""
    path = first_day.copy(tmp_path / "site").folder / "driftloop.toml"
    text = path.read_text().replace('model = "payments"', 'model = "killed"')
    path.write_text(text.replace("sqlite:///mlflow.db", mlflow_store))
    site, window = Site(load_settings(path)), week(QUIET[0])
    adopt(site, "training.parquet")
    register([path], work_pool="driftloop-killed")
    api = httpx.Client(base_url=prefect_server.api_url, timeout=60)
    watching = api.get("/deployments/name/watch/killed").raise_for_status().json()

    def ask_for_it() -> str:
        given = {"parameters": {"settings": str(path), "moment": window.end.isoformat()}}
        made = api.post(f"/deployments/{watching['id']}/create_flow_run", json=given).raise_for_status().json()
        return str(made["id"])

    def state(run: str) -> str:
        return str(api.get(f"/flow_runs/{run}").raise_for_status().json()["state_type"])

    def at_work(run: str) -> bool:
        return state(run) == "RUNNING" and site.ledger.steps.get("killed", window, "ingest", Batch) is not None

    def slots() -> int:
        limit = api.get(f"/v2/concurrency_limits/{watching['global_concurrency_limit']['id']}")
        return int(limit.raise_for_status().json()["active_slots"])

    worker = services.prefect_worker(
        tmp_path / "worker",
        port=services.free_ports(1)[0],
        server_url=prefect_server.url,
        pool="driftloop-killed",
        environment={"PREFECT_WORKER_QUERY_SECONDS": "1"},
    )
    at: dict[str, Callable[[str], bool]] = {"PENDING": lambda run: state(run) == "PENDING", "RUNNING": at_work}

    def ended(name: str, end: signal.Signals) -> str:
        """The run that was in this state when its worker, and if killed all its children, got this signal."""
        with services.serving([worker], timeout_seconds=START_SECONDS) as (running,):
            run = ask_for_it()
            assert wait(lambda: at[name](run), seconds=480), worker.log.read_text()[-3000:]
            children = processes.family(running) - {running.pid} if end == signal.SIGKILL else ()
            for pid in (running.pid, *children):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, end)
        time.sleep(5)
        return run

    for name in at:
        run = ended(name, signal.SIGKILL)
        assert (state(run), slots()) == (name, 1)
        kept_out = ask_for_it()
        api.post(f"/flow_runs/{kept_out}/set_state", json={"state": {"type": "PENDING"}}).raise_for_status()
        assert state(kept_out) == "CANCELLED"
        (said,) = wait(lambda: end_lost(site, patience=timedelta(seconds=10)), seconds=180)
        assert " since " in said
        assert (state(run), slots()) == ("CRASHED", 0)
    batch = site.ledger.steps.get("killed", window, "ingest", Batch)
    assert site.ledger.steps.windows("killed", "alarm") == ()  # it was in the middle

    run = ended("RUNNING", signal.SIGTERM)  # the run tells Prefect in time, or does not
    assert wait(lambda: state(run) == "CRASHED" or end_lost(site, patience=timedelta(seconds=10)), seconds=180)
    assert wait(lambda: (state(run), slots()) == ("CRASHED", 0), seconds=10)

    with services.serving([worker], timeout_seconds=START_SECONDS):
        again = ask_for_it()
        assert wait(lambda: state(again) == "COMPLETED", seconds=480), worker.log.read_text()[-3000:]
    assert site.ledger.steps.windows("killed") == (window,)
    assert site.ledger.steps.history("killed", "ingest", Batch) == (batch,)
    assert len(site.ledger.steps.history("killed", "alarm", Alarm)) == 1


def wait(happened: Callable[[], Any], *, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_a_deployed_backfill_and_the_retraining_after_it_show_how_far_they_are(adopted, prefect_server, monkeypatch):
    """On the twins, with the real Prefect."""
    from flows.deployed import backfill, learn

    monkeypatch.setattr("flows.deployed.Site", lambda _: adopted.site())
    path = str(adopted.folder / "driftloop.toml")
    windows = [week(number) for number in (*QUIET, *CHANGED)]
    state = backfill(path, windows[0].start, windows[-1].end, return_state=True)
    assert state.is_completed()
    assert (state.message or "").startswith("5 windows: 2 quiet, 3 alarm.")
    assert adopted.site().ledger.steps.windows("payments", "ask") == tuple(windows)
    assert artifacts(prefect_server, "payments-backfill") == ["100.0"]
    (page,) = (one.replace("\\_", "_") for one in artifacts(prefect_server, "payments-backfill-windows"))
    places = [page.index(f"| {window.name} |") for window in windows]
    assert places == sorted(places)
    assert "| quiet |  | " in page
    assert "| alarm | 400 | " in page

    before = len(artifacts(prefect_server, "payments-retraining"))  # of other tests
    adopted.answer()
    learn(path)
    assert adopted.site().champion().number == 2
    assert len(artifacts(prefect_server, "payments-retraining")) == before + 1
    assert latest(prefect_server, "payments-retraining") == "100.0"


def test_the_pages_of_an_alarm_and_of_a_verdict_lead_on_and_drift_is_a_table(asked, prefect_server, monkeypatch):
    from flows.deployed import learn, watch

    path = asked.folder / "driftloop.toml"
    path.write_text(
        path.read_text().replace("sqlite:///mlflow.db", "http://127.0.0.1:5000")
    )  # the twin is in its place
    monkeypatch.setattr("flows.deployed.Site", lambda _: asked.site())
    window, project = asked.request.request.window, asked.request.project
    watch(str(path), window.end)
    page = latest(prefect_server, "payments-watch")
    assert f"[the tasks in Label Studio](http://127.0.0.1:8080/projects/{project}/data)" in page
    run = asked.site().champion().mlflow_run_id
    assert f"[generation 1 in MLflow](http://127.0.0.1:5000/#/experiments/0/runs/{run}?" in page
    columns = json.loads(latest(prefect_server, "payments-watch-drift"))
    assert sorted(row["column"] for row in columns) == ["age", "amount", "channel", "country", "noise"]
    assert columns[0].keys() == {"column", "drifted", "effect", "size", "adjusted p"}
    assert (columns[0]["column"], columns[0]["drifted"]) == ("channel", "yes")
    asked.answer()
    learn(str(path))
    page = latest(prefect_server, "payments-learn")
    assert page.startswith(f"# Promote: payments\n\nWindow {window.name}: 400 of 400 rows answered")
    assert f"[the tasks in Label Studio](http://127.0.0.1:8080/projects/{project}/data)" in page
    assert "[the review of generation 2](http://127.0.0.1:5000/#/experiments/0/runs/" in page
    compared = (
        "[generation 2 beside generation 1 in MLflow](http://127.0.0.1:5000/#/compare-model-versions?name=%22payments"
    )
    assert compared in page


def test_a_bar_that_prefect_does_not_take_is_given_up_with_one_sentence(adopted, caplog):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        count = RetrainingBar(adopted.site())
        for number in range(3):
            count("candidates", number, 3)
    (said,) = [record.getMessage() for record in caplog.records if record.name == "flows.progress_bar"]
    assert said.startswith("Prefect does not show how far retraining is (")


def test_a_page_that_prefect_does_not_take_fails_nothing(asked, caplog):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.artifacts import publish_watched, show

    watched = watch_by_hand(asked.site(), asked.request.request.window)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        show(publish_watched, asked.site(), watched)
    (said,) = [record.getMessage() for record in caplog.records if record.name == "flows.artifacts"]
    assert said.startswith("Prefect did not take a page (")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DRIFTLOOP_SERVICES__LABEL_STUDIO", "http://127.0.0.1:9", "Label Studio"),
        ("DRIFTLOOP_LABEL_STUDIO_TOKEN", "0" * 40, "token"),
        ("DRIFTLOOP_SERVICES__MLFLOW", "http://127.0.0.1:9", "MLflow"),
        ("DRIFTLOOP_SERVICES__LEDGER", "postgresql+psycopg://nobody:canary@127.0.0.1:9/none", "ledger"),
        ("DRIFTLOOP_TABLE__URL", "absent.parquet", "absent.parquet"),
    ],
    ids=["no Label Studio", "wrong token", "no MLflow", "no ledger", "no table"],
)
def test_a_service_that_is_away_or_refuses_is_one_sentence(asked, variable, value, sentence, monkeypatch, request):
    monkeypatch.setenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", "1" * 40)
    monkeypatch.setenv(variable, value)
    command = ["watch", "--at", "2024-06-03"] if variable == "DRIFTLOOP_TABLE__URL" else ["learn"]
    if variable == "DRIFTLOOP_SERVICES__MLFLOW":
        command = ["adopt", "training.parquet"]
        monkeypatch.setenv("DRIFTLOOP_MODEL", "another")
    if variable == "DRIFTLOOP_LABEL_STUDIO_TOKEN":
        monkeypatch.setenv("DRIFTLOOP_SERVICES__LABEL_STUDIO", request.getfixturevalue("label_studio").url)
    failed = run_cli(*command, config=asked.folder / "driftloop.toml")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert failed.stderr.startswith("driftloop: ")
    assert len(failed.stderr.strip().splitlines()) == 1
    assert sentence in failed.stderr
    assert "canary" not in failed.stderr


def count_tasks(settings: Settings, project: int) -> int:
    """How many tasks the project has, asked of Label Studio itself."""
    headers = {"Authorization": f"Token {settings.label_studio_token.get_secret_value()}"}
    answer = httpx.get(f"{settings.services.label_studio}/api/projects/{project}", headers=headers, timeout=60)
    return int(answer.raise_for_status().json()["task_number"])


def flow_runs(server: PrefectServer, name: str) -> list[dict[str, Any]]:
    """The completed runs with that in their names, for a server that other tests used lists only some of its runs."""
    wanted = {"flow_runs": {"name": {"like_": name}, "state": {"type": {"any_": ["COMPLETED"]}}}}
    answer = httpx.post(f"{server.api_url}/flow_runs/filter", json=wanted, timeout=60)
    runs: list[dict[str, Any]] = answer.raise_for_status().json()
    return runs


def artifacts(server: PrefectServer, key: str) -> list[str]:
    wanted = {"artifacts": {"key": {"any_": [key]}}}
    found = httpx.post(f"{server.api_url}/artifacts/filter", json=wanted, timeout=60).raise_for_status().json()
    return [str(one["data"]) for one in found]


def latest(server: PrefectServer, key: str) -> str:
    """What the artifact shows now; other tests' copies of the model have written it too."""
    answer = httpx.get(f"{server.api_url}/artifacts/{key}/latest", timeout=60)
    return str(answer.raise_for_status().json()["data"])


def run_cli(*words: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("driftloop")
    options = ["--config", str(config)] if config else []
    return subprocess.run([program, *words, *options], capture_output=True, text=True, timeout=300, check=False)
