"""Events, automations and webhooks on the real Prefect and Label Studio: they change nothing but when things happen."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.payments import CHANGED, QUIET, TOML, week
from deploy import bots
from deploy.ports import free_ports
from flows.check_prefect import end_lost
from flows.deployments import register
from flows.events import ALARM, READY, tell_alarm, tell_change, tell_verdict
from flows.learn import learn
from flows.promote import promote_by_hand, rollback
from flows.receive import HEADER, SECRET
from flows.site import Site
from flows.untold import tell_untold
from flows.watch import watch
from records.drift import Alarm
from records.errors import BadSettings, ServiceDown
from store.promotions import Promotions
from tests.conftest import PrefectServer
from tests.flows.conftest import World

pytestmark = pytest.mark.services
WORD = "a-secret-of-the-test"


def site_of(world: World) -> Site:
    return Site(world.settings)


@pytest.fixture
def listening(real: World, prefect_server: PrefectServer, tmp_path: Path, monkeypatch) -> Iterator[str]:
    """The address of a receiver for that model."""
    monkeypatch.setenv(SECRET, WORD)
    port = free_ports(1)[0]
    program = [str(Path(sys.executable).with_name("driftloop")), "receive", str(real.folder), "--port", str(port)]
    with (tmp_path / "receive.log").open("w") as log:
        process = subprocess.Popen([*program, "--pause", "1"], env=dict(os.environ), stdout=log, stderr=log)
        try:
            wait(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}/health"), seconds=120)
            assert process.poll() is None, (tmp_path / "receive.log").read_text()
            yield f"http://127.0.0.1:{port}/label-studio"
        finally:
            process.terminate()
            process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def wait(happened: Callable[[], Any], *, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def events(server: PrefectServer, model: str, name: str) -> list[dict[str, Any]]:
    wanted = {"filter": {"event": {"name": [name]}, "resource": {"id": [f"driftloop.model.{model}"]}}}
    answer = httpx.post(f"{server.api_url}/events/filter", json=wanted, timeout=60).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def learn_runs(server: PrefectServer, model: str) -> list[dict[str, Any]]:
    wanted = {"deployments": {"name": {"any_": [model]}}, "flows": {"name": {"any_": ["learn"]}}}
    found = httpx.post(f"{server.api_url}/flow_runs/filter", json=wanted, timeout=60).raise_for_status().json()
    return [run for run in found if not run["auto_scheduled"]]


def test_webhooks_that_are_forged_or_doubled_change_nothing_and_real_ones_start_learn(
    real, listening, prefect_server, label_studio, first_day
):
    site = site_of(real)
    (item,) = site.ledger.requests.open(site.model)
    assert item.project is not None
    register([real.folder / "driftloop.toml"], work_pool="driftloop-test", automations=True)
    about = {"action": "ANNOTATION_CREATED", "project": {"id": item.project, "finished_task_number": 10**6}}
    assert httpx.post(listening, json=about, headers={HEADER: "forged"}).status_code == 401
    for _ in range(3):  # with the secret, but of tasks that nobody has answered
        assert httpx.post(listening, json=about, headers={HEADER: WORD}).status_code == 202
    time.sleep(5)
    assert events(prefect_server, site.model, READY) == []

    bearer = {"Authorization": f"Token {label_studio.token}"}
    hook = {
        "url": listening,
        "headers": {HEADER: WORD},
        "project": item.project,
        "send_payload": True,
        "is_active": True,
    }
    httpx.post(f"{label_studio.url}/api/webhooks/", json=hook, headers=bearer, timeout=60).raise_for_status()
    people = bots.hire(label_studio.url, label_studio.token, names=(f"vera-{item.project}",))
    bots.answer_all(label_studio.url, people, item.project, first_day.truth, site.schema.classes)
    (event,) = wait(lambda: events(prefect_server, site.model, READY), seconds=120)
    assert event["payload"]["n_asked"] == len(item.request.asks)
    assert event["payload"]["n_resolved"] >= 0.9 * len(item.request.asks)  # what `labels.complete_share` asks for
    assert event["payload"]["window"]["name"] == item.request.window.name
    assert event["payload"]["links"]["tasks"].endswith(f"/projects/{item.project}/data")
    assert wait(lambda: learn_runs(prefect_server, site.model), seconds=60)

    for _ in range(3):  # doubled and late
        assert httpx.post(listening, json=about, headers={HEADER: WORD}).status_code == 202
    time.sleep(5)
    assert len(events(prefect_server, site.model, READY)) == 1
    assert len(learn_runs(prefect_server, site.model)) == 1
    assert site.ledger.requests.open(site.model)  # the receiver judges nothing: that is for `learn`


def test_an_alarm_is_told_once_and_reaches_a_chat_as_text(real, prefect_server):
    """What a row says cannot ring everybody's bell: `<!channel>` stays text."""
    site = site_of(real)
    (item,) = site.ledger.requests.open(site.model)
    with chat() as (url, heard):
        block = told_to(url)
        with pytest.raises(BadSettings, match="no block 'custom-webhook/absent'"):
            register([real.folder], work_pool="driftloop-test", notify="custom-webhook/absent")
        done = register([real.folder], work_pool="driftloop-test", notify=block)
        assert len(done.automations) == 3
        assert tell_alarm(site, item.request.window)
        assert not tell_alarm(site_of(real), item.request.window)
        assert wait(lambda: heard, seconds=60)
        time.sleep(3)
    (said,) = heard
    assert site.model in said["text"]
    assert item.request.window.name in said["text"]
    (event,) = wait(lambda: events(prefect_server, site.model, ALARM), seconds=60)  # it is stored a little later
    assert event["payload"]["n_asked"] == len(item.request.asks)
    assert event["payload"]["reason"] in said["text"].replace("&lt;", "<").replace("&gt;", ">")
    assert "channel" in event["payload"]["columns"]
    assert "<" not in said["text"].split("report:")[0]


def test_each_deployment_that_fails_or_crashes_is_told_once_a_day_and_what_completes_is_not(prefect_server, tmp_path):
    """What the message says stays text and is cut, and another model's failure is not this one's."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import State
    from prefect.states import Completed, Crashed, Failed, Running

    ours, theirs = (f"{name}-{abs(hash(tmp_path)) % 10**8}" for name in ("ours", "theirs"))
    for name in (ours, theirs):
        (tmp_path / f"{name}.toml").write_text(TOML.replace('model = "payments"', f'model = "{name}"'))
    with chat() as (url, heard), get_client(sync_client=True) as client:
        register([tmp_path / f"{theirs}.toml"], work_pool="driftloop-test")
        done = register([tmp_path / f"{ours}.toml"], work_pool="driftloop-test", notify=told_to(url))
        assert done.automations[2] == f"driftloop {ours}: a run failed"

        def end(deployment: str, state: State[Any]) -> str:
            made = client.read_deployment_by_name(deployment).id
            run = client.create_flow_run_from_deployment(made, state=Running())
            client.set_flow_run_state(run.id, state)
            return run.name

        end(f"learn/{ours}", Completed(message="fine"))
        end(f"watch/{theirs}", Failed(message="not ours"))
        failed = end(f"watch/{ours}", Failed(message="<!channel> the token is void & old"))
        end(f"watch/{ours}", Failed(message="at the next poll"))
        crashed = end(f"learn/{ours}", Crashed(message=f"killed {'x' * 1000}"))
        wait(lambda: len(heard) > 1, seconds=60)
        time.sleep(3)
        (tmp_path / f"{ours}.toml").unlink()
        register([tmp_path], work_pool="driftloop-test")
        assert [client.read_automations_by_name(name) for name in done.automations] == [[], [], []]
    second, first = sorted(one["text"] for one in heard)
    assert first.startswith(f"Failed: watch/{ours}\n{failed}:\n&lt;!channel&gt; the token is void &amp; old\n")
    assert second.startswith(f"Crashed: learn/{ours}\n{crashed}:\nkilled xxx")
    assert second.count("x") < 500


def test_a_run_whose_process_is_gone_is_ended_and_one_that_is_heard_of_or_done_is_not(first_day, prefect_server):
    """The heartbeat is what Prefect's engine sends as long as a process lives."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import State
    from prefect.events import emit_event
    from prefect.states import Completed, Pending, Running

    register([first_day.folder / "driftloop.toml"], work_pool="driftloop-test")
    with get_client(sync_client=True) as client:
        watching = client.read_deployment_by_name("watch/payments").id
        begun: list[State[Any]] = [Running(), Pending(), Running(), Running()]
        lost, starting, alive, done = (client.create_flow_run_from_deployment(watching, state=one) for one in begun)
        client.set_flow_run_state(done.id, Completed())
        assert end_lost(first_day.site()) == ()  # all are young
        time.sleep(12)
        emit_event("prefect.flow-run.heartbeat", resource={"prefect.resource.id": f"prefect.flow-run.{alive.id}"})

        def heard() -> bool:
            wanted = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}}
            told = httpx.post(f"{prefect_server.api_url}/events/filter", json=wanted, timeout=60).json()["events"]
            return any(str(alive.id) in one["resource"]["prefect.resource.id"] for one in told)

        assert wait(heard, seconds=60)
        said = end_lost(first_day.site(), patience=timedelta(seconds=10))
        states = [client.read_flow_run(run.id).state_name for run in (lost, starting, alive, done)]
        for run in (lost, starting, alive, done):
            client.delete_flow_run(run.id)
    assert states == ["Crashed", "Crashed", "Running", "Completed"]
    assert len(said) == 2


def test_a_verdict_is_told_once(learned, prefect_server):
    site = learned.site()
    window = site.ledger.generations.get("payments", 2).cause
    (window,) = [one for one in site.ledger.steps.windows("payments") if one.name == window]
    assert tell_verdict(site, window)
    assert not tell_verdict(learned.site(), window)

    def told() -> list[dict[str, Any]]:  # other tests' copies of the model tell the same, which is one event to Prefect
        every = [one["payload"] for one in events(prefect_server, "payments", "driftloop.generation.promoted")]
        return [one for one in every if one.get("window", {}).get("name") == window.name]  # a change by hand has none

    (said,) = wait(told, seconds=30)
    assert said["generation"] == 2
    assert said["reasons"]


def test_alarms_that_a_kill_or_a_command_left_untold_are_told_by_the_next_run_once(real, prefect_server):
    """Only recent ones: `windows.catch_up` is 1, so those of the last two windows."""
    from flows.deployed import watch as scheduled

    path = real.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("[windows]", "[windows]\ncatch_up = 1"))
    for number in CHANGED:
        watch(real.site(), week(number))
    alarms = [one for one in real.site().ledger.steps.history(real.settings.model, "alarm", Alarm) if one.raised]
    assert len(alarms) == len(CHANGED)
    assert events(prefect_server, real.settings.model, ALARM) == []
    scheduled(str(path), week(QUIET[0]).end)
    recent = sorted(one.window.name for one in alarms[1:])
    wait(lambda: told_windows(prefect_server, real.settings.model, ALARM) == recent, seconds=60)
    scheduled(str(path), week(QUIET[0]).end)
    assert tell_untold(real.site()) == 0
    time.sleep(3)
    assert told_windows(prefect_server, real.settings.model, ALARM) == recent


@pytest.mark.parametrize(
    ("gate", "name", "reason"),
    [
        ("margin = 5", "driftloop.generation.rejected", "clearly not above 5."),
        ("minimum_labels = 10000", "driftloop.generation.review", "at least 10000 rows are needed."),
    ],
)
def test_a_verdict_that_was_decided_and_not_told_is_told_by_the_next_run_once(
    gate, name, reason, asked, prefect_server, monkeypatch
):
    from flows.deployed import learn as scheduled

    monkeypatch.setattr("flows.deployed.Site", lambda _: asked.site())
    path = asked.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("[gate]", f"[gate]\n{gate}"))
    window = asked.request.request.window
    asked.answer()
    learn(asked.site())
    assert events(prefect_server, "payments", name) == []
    scheduled(str(path))
    (event,) = wait(lambda: events(prefect_server, "payments", name), seconds=30)
    said, challenger = event["payload"], asked.site().ledger.generations.get("payments", 2)
    assert said["model"] == "payments"
    assert said["window"] == {"name": window.name, "start": window.start.isoformat(), "end": window.end.isoformat()}
    assert (said["generation"], said["version"], said["mlflow_run_id"]) == (
        2,
        challenger.version,
        challenger.mlflow_run_id,
    )
    assert said["reason"] == said["reasons"][0]
    assert said["reason"].endswith(reason)
    assert said["links"] == {}  # MLflow is a file here
    scheduled(str(path))
    assert tell_untold(asked.site()) == 0
    time.sleep(3)
    assert len(events(prefect_server, "payments", name)) == 1


def told_windows(server: PrefectServer, model: str, name: str) -> list[str]:
    return sorted(one["payload"]["window"]["name"] for one in events(server, model, name))


def test_a_change_of_champion_by_hand_is_told_with_the_reason_that_was_given(learned, prefect_server):
    name = "driftloop.generation.promoted"
    before = {one["id"] for one in events(prefect_server, "payments", name)}
    rollback(learned.site(), why="it looks odd")
    promote_by_hand(learned.site(), 2, why="it was fine")

    def told() -> list[dict[str, Any]]:
        return [one["payload"] for one in events(prefect_server, "payments", name) if one["id"] not in before]

    assert wait(lambda: len(told()) == 2, seconds=60)
    changes = {(one["previous"], one["generation"]): one["reason"] for one in told()}
    assert changes == {(2, 1): "it looks odd", (1, 2): "it was fine"}


def test_a_change_of_champion_that_could_not_be_told_is_told_by_the_next_run_once(learned, prefect_server):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):  # as a kill before it would leave it
        rollback(learned.site(), why="nobody heard of this")
    change = learned.site().ledger.promotions.history("payments")[-1]
    assert change.told_at is None
    tell_untold(learned.site())
    assert tell_untold(learned.site()) == 0
    assert learned.site().ledger.promotions.history("payments")[-1].told_at is not None

    def told() -> list[str]:
        every = events(prefect_server, "payments", "driftloop.generation.promoted")
        return [one["payload"]["reason"] for one in every if one["payload"]["reason"] == change.why]

    assert wait(told, seconds=60) == ["nobody heard of this"]


def test_a_promotion_by_a_verdict_that_a_crash_kept_from_the_ledger_is_told_with_the_verdict_alone(
    asked, prefect_server, monkeypatch
):
    confirm = Promotions.confirm

    def dies(self: Promotions, promotion: int) -> None:
        confirm(self, promotion)
        raise ServiceDown("the ledger went away")

    asked.answer()
    window = asked.request.request.window
    monkeypatch.setattr(Promotions, "confirm", dies)
    with pytest.raises(ServiceDown, match="the ledger went away"):
        learn(asked.site())
    monkeypatch.setattr(Promotions, "confirm", confirm)
    assert asked.site().champion().number == 2
    assert not tell_change(asked.site())
    learn(asked.site())
    assert not tell_change(asked.site())
    assert tell_verdict(asked.site(), window)


def test_the_loop_needs_no_event(asked, monkeypatch):
    """Where no event gets through, the ledger ends the same."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    asked.answer()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        (window,) = [item.request.window for item in asked.site().ledger.requests.open("payments")]
        assert not tell_alarm(asked.site(), window)
        (done,) = learn(asked.site())
        assert not tell_verdict(asked.site(), window)
    assert done.verdict is not None
    assert done.verdict.outcome == "promote"


def told_to(url: str) -> str:
    """Make a block that posts to a chat, and return its name."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock.model_validate(
        {"name": "test chat", "url": url, "method": "POST", "json_data": {"text": "{{subject}}\n{{body}}"}}
    )
    block.save("chat-of-the-test", overwrite=True)
    return "custom-webhook/chat-of-the-test"


class chat:  # noqa: N801 - reads like a verb in `with`
    """A chat's incoming webhook that keeps what it is told."""

    def __enter__(self) -> tuple[str, list[dict[str, Any]]]:
        heard: list[dict[str, Any]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook", heard

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
