"""A canary in every place that may hold a secret is in nothing that is written or printed.

The loop and the commands run beside twins, or services that are away, with canaries as Label Studio's token, the
webhook's and Prefect's secret, and the passwords of MLflow and Label Studio. The last test runs the deployed flows on a
real Prefect server, with canaries in the addresses of the ledger and the table too, against services that are away:
what servers that take the passwords answer and keep is looked at in `test_production`.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.changed import changed
from flows.deployments import _explained
from flows.doctor import examine_site
from flows.events import event_of, tell_alarm, tell_verdict
from flows.learn import learn
from flows.links import generation_link, lineage, report_link, run_link, tasks_link
from flows.progress_bar import ProgressBar
from flows.receive import SECRET, serve
from flows.registered import asking
from flows.site import Site
from records.drift import Alarm
from records.errors import BadSettings, ServiceDown
from tests.flows.conftest import World

CANARY = "canary-7f3a9c"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def guarded(asked: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A model whose every secret is a canary: the token, and the passwords in four addresses."""
    for name, value in {
        "DRIFTLOOP_LABEL_STUDIO_TOKEN": CANARY,
        "DRIFTLOOP_SERVICES__MLFLOW": f"http://ada:{CANARY}@127.0.0.1:9",
        "DRIFTLOOP_SERVICES__LABEL_STUDIO": f"http://ada:{CANARY}@127.0.0.1:9",
        SECRET: CANARY,
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_API_AUTH_STRING": f"ada:{CANARY}",
    }.items():
        monkeypatch.setenv(name, value)
    return asked


def written(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and CANARY.encode() in path.read_bytes():
            yield path


def test_no_secret_is_written_by_the_whole_loop(guarded, capfd, caplog):
    guarded.answer()
    learn(guarded.site())
    site = guarded.site()
    window = next(item.window for item in site.ledger.labels.of("payments"))
    tell_alarm(site, window)
    tell_verdict(site, window)
    told = [repr(check) for check in examine_site(site, repair=True)]
    assert len(told) > 8
    assert not list(written(guarded.folder))
    said = capfd.readouterr()
    for text in (*told, repr(site.settings), said.out, said.err, caplog.text, repr(site.ledger), str(site.settings)):
        assert CANARY not in text


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "CONFIG"),
        ("doctor", "CONFIG", "--json", "--repair"),
        ("learn", "--config", "CONFIG"),
        ("status", "--json", "--config", "CONFIG"),
        ("deploy", "CONFIG"),
        ("replay", "--from", "2024-02-26", "--config", "CONFIG"),
    ],
    ids=lambda words: " ".join(words),
)
def test_no_command_prints_a_secret(words, guarded):
    config = str(guarded.folder / "driftloop.toml")
    program = str(Path(sys.executable).with_name("driftloop"))
    done = subprocess.run(
        [program, *(config if word == "CONFIG" else word for word in words)],
        env=dict(os.environ) | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout or done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert not list(written(guarded.folder))


def test_no_error_quotes_a_secret(guarded, monkeypatch):
    for change in ("services.mlflow=x", "labels.budget=-1"):
        with pytest.raises(BadSettings) as refused:
            changed(guarded.settings, [change])
        assert CANARY not in str(refused.value)
    monkeypatch.setenv(SECRET, CANARY[:9])
    with pytest.raises(BadSettings) as refused:
        serve([guarded.folder], host="127.0.0.1", port=1, pause_seconds=1)
    assert CANARY[:9] not in str(refused.value)


@pytest.mark.parametrize("secret", [f"{CANARY}-ünïcode", f"{CANARY}\t{CANARY}", f"{CANARY}-more "])
def test_a_secret_that_no_header_carries_is_refused_at_the_start(secret, guarded, monkeypatch):
    monkeypatch.setenv(SECRET, secret)
    with pytest.raises(BadSettings, match="characters that no header carries unchanged") as refused:
        serve([guarded.folder], host="127.0.0.1", port=-1, pause_seconds=1)  # which nobody can listen on
    assert CANARY not in str(refused.value)


def test_a_page_links_to_the_services_and_to_no_secret(guarded, monkeypatch):
    monkeypatch.setenv("DRIFTLOOP_SERVICES__LEDGER", f"postgresql://db:5432/loop?user=ada&password={CANARY}")
    settings = guarded.settings
    monkeypatch.delenv("DRIFTLOOP_SERVICES__LEDGER")
    site = Site(settings, ledger=guarded.site().ledger)
    (item,) = site.ledger.requests.open("payments")
    alarm = site.ledger.steps.get("payments", item.request.window, "alarm", Alarm)
    assert alarm is not None
    links = lineage(site, site.champion(), item.request.window, alarm)
    champion, window = site.champion(), item.request.window
    pages = (
        report_link(site, alarm),
        run_link(site, champion),
        generation_link(site, champion),
        tasks_link(site, window),
    )
    told = f"{pages} {links}"
    assert CANARY not in told
    assert "http://127.0.0.1:9/#/models/payments/versions/1?workflowType=machine_learning" in told
    assert "http://127.0.0.1:9/projects" in told
    assert "postgresql://db:5432/loop'" in told


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
@pytest.mark.parametrize(("name", "ignored"), [("deploy/.env", True), (".env", True), ("deploy/.env.example", False)])
def test_git_passes_over_the_file_that_holds_the_secrets(name, ignored):
    done = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", name], cwd=ROOT, check=False)
    assert done.returncode == (0 if ignored else 1)


@pytest.mark.parametrize("told", [asking, _explained])
def test_what_prefect_complains_of_shows_no_password(told):
    away = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"})
    with away, pytest.raises(ServiceDown) as complaint, told():
        raise httpx.ConnectError(f"no answer from http://ada:{CANARY}@prefect:4200/api")
    assert "http://prefect:4200/api" in str(complaint.value)
    assert CANARY not in str(complaint.value)


class Refusing(BaseHTTPRequestHandler):
    """A server that tells its version and refuses all else, as Prefect's does to whom it does not know."""

    def do_GET(self) -> None:
        known = self.path.endswith("/version")
        content = json.dumps(version("prefect")).encode() if known else b""
        self.send_response(200 if known else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_bar_that_prefect_does_not_show_says_why_without_the_password(caplog):
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        place = f"127.0.0.1:{server.server_port}/api"
        with temporary_settings({PREFECT_API_URL: f"http://ada:{CANARY}@{place}"}):
            ProgressBar("canary", "windows done").show(0.0)
        server.shutdown()
        thread.join()
    (said,) = [record.getMessage() for record in caplog.records if record.name == "flows.progress_bar"]
    assert f"http://{place}" in said
    assert CANARY not in said


def test_an_event_says_what_it_is_given_and_no_more(guarded):
    (item,) = guarded.site().ledger.requests.open("payments")
    event = event_of("payments", item.request.window, "driftloop.test", {"reason": "x"})
    assert set(event.payload) == {"model", "window", "reason"}
    assert event.id == event_of("payments", item.request.window, "driftloop.test", {"reason": "y"}).id


@pytest.mark.services
def test_prefect_keeps_no_secret_of_flows_that_end_well_or_fail(asked, prefect_server, monkeypatch):
    """Pages, logs with their tracebacks, states, parameters, events and deployments, and the ledger's file."""
    from deploy.demo import flush_prefect
    from flows.deployed import learn as learn_deployed
    from flows.deployed import watch as watch_deployed
    from flows.deployments import register

    away = f"://ada:50%-{CANARY}@127.0.0.1:9"
    monkeypatch.setenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", CANARY)
    monkeypatch.setenv("DRIFTLOOP_SERVICES__MLFLOW", f"http{away}")
    monkeypatch.setenv("DRIFTLOOP_SERVICES__LABEL_STUDIO", f"http{away}")
    path, window = str(asked.folder / "driftloop.toml"), asked.request.request.window
    register([Path(path)], work_pool="driftloop-secrets")
    states = [watch_deployed(path, window.end, return_state=True)]
    assert states[0].is_completed()
    states.append(learn_deployed(path, return_state=True))
    monkeypatch.setenv("DRIFTLOOP_TABLE__URL", f"postgresql{away}/d?sslpassword={CANARY}")
    monkeypatch.setenv("DRIFTLOOP_TABLE__NAME", "payments")
    states.append(watch_deployed(path, window.end + (window.end - window.start), return_state=True))
    monkeypatch.setenv("DRIFTLOOP_SERVICES__LEDGER", f"postgresql{away}/d?sslpassword={CANARY}")
    states.append(watch_deployed(path, window.end, return_state=True))
    assert all(state.is_failed() for state in states[1:])
    flush_prefect()
    runs = [str(state.state_details.flow_run_id) for state in states]
    kept = {
        "artifacts": {"artifacts": {"flow_run_id": {"any_": runs}}},
        "logs": {"logs": {"flow_run_id": {"any_": runs}}},
        "flow_runs": {"flow_runs": {"id": {"any_": runs}}},
        "task_runs": {"flow_runs": {"id": {"any_": runs}}},
        "deployments": {"deployments": {"name": {"any_": ["payments"]}}},
        "events": {},
    }
    told = {}
    for name, wanted in kept.items():
        answer = httpx.post(f"{prefect_server.api_url}/{name}/filter", json=wanted, timeout=60)
        told[name] = answer.raise_for_status().text
    assert "http://127.0.0.1:9/#/experiments/0/runs/" in told["artifacts"]
    for away_with in (
        "Label Studio at 'http://127.0.0.1:9'",
        "the production table postgresql://",
        "the ledger postgr",
    ):
        assert away_with in told["logs"]
    assert len(json.loads(told["flow_runs"])) == 4
    assert len(json.loads(told["deployments"])) == 3
    for name, text in told.items():
        assert CANARY not in text, name
    assert not list(written(asked.folder))
