"""`driftloop deploy` on a real Prefect server."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow

from benchmarks.payments import TOML
from flows import check_deployments, check_prefect
from flows.deployments import register
from flows.events import READY, event_of
from flows.settings import load_settings
from flows.site import Site
from records.errors import BadSettings, ServiceDown
from tests.conftest import PrefectServer

pytestmark = pytest.mark.services
ROOT = Path(__file__).resolve().parents[2]
POOL = "driftloop-test"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two monitored models whose names no other test uses."""
    for name in ("one", "two"):
        write(tmp_path, name)
    return tmp_path


def write(folder: Path, name: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(TOML.replace('model = "payments"', f'model = "{model(folder, name)}"'))
    return path


def model(folder: Path, name: str) -> str:
    return f"{name}-{abs(hash(folder)) % 10**8}"


def names(folder: Path, *models: str) -> set[str]:
    return {f"{flow}/{model(folder, name)}" for name in models for flow in ("watch", "learn", "backfill")}


def deployed(server: PrefectServer, folder: Path) -> list[dict[str, Any]]:
    found = httpx.post(f"{server.api_url}/deployments/filter", json={}, timeout=60).raise_for_status().json()
    return [one for one in found if str((one["parameters"] or {}).get("settings", "")).startswith(str(folder))]


def test_deploying_twice_registers_once_and_keeps_what_was_paused(folder, prefect_server):
    assert set(register([folder], work_pool=POOL).deployments) == names(folder, "one", "two")
    first = deployed(prefect_server, folder)
    assert len(first) == 6
    paused = next(one for one in first if one["schedules"])
    httpx.patch(f"{prefect_server.api_url}/deployments/{paused['id']}", json={"paused": True}).raise_for_status()
    program = Path(sys.executable).with_name("driftloop")
    done = subprocess.run(
        [program, "deploy", str(folder), "--work-pool", POOL, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["deployments"]) == names(folder, "one", "two")
    again = deployed(prefect_server, folder)
    assert {one["id"] for one in again} == {one["id"] for one in first}
    assert [one["id"] for one in again if one["paused"]] == [paused["id"]]
    for one in again:
        assert one["global_concurrency_limit"]["limit"] == 1
        assert one["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
        assert set(one["tags"]) == {"driftloop", one["name"]}
        assert one["description"]
        assert one["work_pool_name"] == POOL
        is_backfill = one["entrypoint"] == "flows.deployed.backfill"
        assert [item["schedule"]["timezone"] for item in one["schedules"]] == ([] if is_backfill else ["UTC"])


def test_a_model_that_is_gone_is_removed_and_nothing_else(folder, prefect_server, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere, "other")
    register([folder, elsewhere], work_pool=POOL)

    @flow(name="watch of another team")
    def theirs(settings: str) -> None: ...

    own = theirs.to_deployment(
        name="theirs", tags=["driftloop"], parameters={"settings": str(folder / "gone.toml")}, work_pool_name=POOL
    )
    own.apply()  # type: ignore[union-attr]
    (folder / "two.toml").unlink()
    assert register([folder / "one.toml"], work_pool=POOL).removed == ()  # one file says nothing about the others
    assert register([folder], work_pool=POOL, keep=True).removed == ()
    assert len(deployed(prefect_server, folder)) == 7
    assert set(register([folder], work_pool=POOL).removed) == names(folder, "two")
    assert {one["name"] for one in deployed(prefect_server, folder)} == {model(folder, "one"), "theirs"}
    assert len(deployed(prefect_server, elsewhere)) == 3


def test_a_model_that_was_renamed_is_removed_under_its_old_name(folder, prefect_server):
    register([folder / "one.toml"], work_pool=POOL)
    text = (folder / "one.toml").read_text()
    (folder / "one.toml").write_text(text.replace(model(folder, "one"), model(folder, "new")))
    assert set(register([folder / "one.toml"], work_pool=POOL).removed) == names(folder, "one")


def test_one_bad_file_names_itself_and_nothing_is_registered(folder, prefect_server):
    (folder / "three.toml").write_text(TOML.replace("budget", "buget"))
    with pytest.raises(BadSettings, match=r"three\.toml"):
        register([folder], work_pool=POOL)
    assert deployed(prefect_server, folder) == []


def test_no_server_is_one_sentence(folder, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(ServiceDown, match="no Prefect"),
    ):
        register([folder], work_pool=POOL)


def test_the_last_model_of_a_folder_is_removed_with_its_automations_and_said_so(folder, prefect_server):
    """Only what belonged to that folder; a folder that never held a model is a mistake."""
    register([folder], work_pool=POOL, automations=True)
    (folder / "two.toml").unlink()
    register([folder], work_pool=POOL)
    assert automations(prefect_server, folder) == {model(folder, "one")}
    (folder / "one.toml").unlink()
    with pytest.raises(BadSettings, match=r"holds no \*\.toml"):
        register([folder], work_pool=POOL, keep=True)
    program = Path(sys.executable).with_name("driftloop")
    done = subprocess.run(
        [program, "deploy", str(folder), "--work-pool", POOL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert said.startswith("Registered nothing: no settings file is left. Removed backfill/one")
    assert said.endswith("their settings files are gone.")
    assert deployed(prefect_server, folder) == []
    assert automations(prefect_server, folder) == set()
    with pytest.raises(BadSettings, match=r"holds no \*\.toml"):
        register([folder], work_pool=POOL)


def automations(server: PrefectServer, folder: Path) -> set[str]:
    """The models of the folder that have one."""
    wanted = {f"driftloop {model(folder, name)}: labels ready, learn": model(folder, name) for name in ("one", "two")}
    about = {"automations": {"name": {"any_": list(wanted)}}}
    found = httpx.post(f"{server.api_url}/automations/filter", json=about, timeout=60).raise_for_status().json()
    return {wanted[one["name"]] for one in found}


@pytest.mark.parametrize("entrypoint", ["flows.deployed.", "flows/deployed.py:"])
def test_doctor_knows_what_a_deployment_file_registered(entrypoint, folder, prefect_server):
    """That of this project names the module; one of a team's own may name the file."""
    settings = folder / "one.toml"
    program = [str(Path(sys.executable).with_name("prefect")), "--no-prompt"]
    (folder / "prefect.yaml").write_text(
        (ROOT / "deploy" / "prefect.yaml").read_text().replace("flows.deployed.", entrypoint)
    )
    steps = (
        ["work-pool", "create", "driftloop", "--type", "process", "--overwrite"],
        ["deploy", "--all", "--prefect-file", str(folder / "prefect.yaml")],
    )
    environment = {**os.environ, "DRIFTLOOP_CONFIG": str(settings), "MONITORED_MODEL": model(folder, "one")}
    for step in steps:
        done = subprocess.run(
            [*program, *step], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    found = deployed(prefect_server, folder)
    assert {one["entrypoint"] for one in found} == {f"{entrypoint}{name}" for name in ("watch", "learn", "backfill")}
    assert {one["concurrency_options"]["collision_strategy"] for one in found} == {"CANCEL_NEW"}
    assert [bool(one["schedules"]) for one in found].count(True) == 2

    site = Site(load_settings(settings))
    said = [check for check in check_deployments.deployments(site, False) if check.name == "deployments"]
    assert [(check.ok, set(check.sentence.split(", "))) for check in said] == [(True, names(folder, "one"))]
    assert [check for check in check_deployments.schedules(site, False) if not check.ok] == []
    watching = next(one["id"] for one in found if one["entrypoint"].endswith("watch"))
    run = {"state": {"type": "RUNNING"}}
    httpx.post(f"{prefect_server.api_url}/deployments/{watching}/create_flow_run", json=run).raise_for_status()
    assert len(check_prefect.end_lost(site, patience=timedelta(0))) == 1


def test_doctor_names_a_schedule_that_is_off_or_is_not_the_settings_and_parameters_that_deploy_did_not_write(
    folder, prefect_server
):
    register([folder / "one.toml"], work_pool=POOL)
    site = Site(load_settings(folder / "one.toml"))
    api = httpx.Client(base_url=prefect_server.api_url, timeout=60)
    watching = next(one for one in deployed(prefect_server, folder) if one["entrypoint"].endswith("watch"))
    here = f"/deployments/{watching['id']}"
    (schedule,) = watching["schedules"]

    def ill(**patience: timedelta) -> list[str]:
        return [check.sentence for check in check_deployments.schedules(site, False, **patience) if not check.ok]

    def change(**parts: Any) -> None:
        api.patch(f"{here}/schedules/{schedule['id']}", json=parts).raise_for_status()

    wanted = "every 7 days, 0:00:00 counted from 2024-01-08 00:00:00 UTC"
    assert ill() == []
    change(active=False)
    assert ill() == [f"watch/{site.model} has no active schedule, not {wanted}"]
    daily = {**schedule["schedule"], "interval": 86400.0}
    change(active=True, schedule=daily)
    (said,) = ill()
    assert said == f"watch/{site.model} runs {wanted.replace('7 days', '1 day')}, not {wanted}"
    change(schedule={**schedule["schedule"], "anchor_date": "2024-01-22T00:00:00Z"})
    assert ill() == []  # the same grid
    change(schedule={**schedule["schedule"], "anchor_date": "2024-01-09T00:00:00Z"})
    assert "counted from 2024-01-09" in ill()[0]
    change(schedule=schedule["schedule"])
    fixed = {"settings": str(folder / "one.toml"), "moment": "2024-06-03T00:00:00Z"}
    api.patch(here, json={"parameters": fixed}).raise_for_status()
    (said,) = ill()
    assert said.startswith(f"watch/{site.model} runs with")
    assert "2024-06-03" in said
    register([folder / "one.toml"], work_pool=POOL)
    assert ill() == []

    def unplanned() -> list[str]:
        about = {"deployments": {"id": {"any_": [watching["id"]]}}}
        for run in api.post("/flow_runs/filter", json=about).raise_for_status().json():
            api.delete(f"/flow_runs/{run['id']}")
        return ill(patience=timedelta(0))

    planned_by_itself = f"watch/{site.model} has a schedule, but no run is planned"
    assert any(planned_by_itself in unplanned() for _ in range(20))  # Prefect plans it again at any moment
    assert ill() == []  # it was changed a moment ago


def test_doctor_tells_that_an_automation_failed_until_it_is_registered_again(folder, prefect_server):
    """Its learn was deleted and made again, so that it starts one that is gone: Prefect says so in an event alone."""
    from prefect.client.orchestration import get_client

    path = folder / "one.toml"
    register([path], work_pool=POOL, automations=True)
    site = Site(load_settings(path))
    learning = next(one["id"] for one in deployed(prefect_server, folder) if one["entrypoint"].endswith("learn"))
    httpx.delete(f"{prefect_server.api_url}/deployments/{learning}", timeout=60).raise_for_status()
    register([path], work_pool=POOL)
    assert [check.ok for check in check_deployments.automations(site, False)] == [True]
    with get_client(sync_client=True) as client:
        event = event_of(site.model, site.settings.window_at(site.now()), READY, {})
        client.request("POST", "/events", json=[event.model_dump(mode="json")])
    deadline = time.monotonic() + 60
    while all(check.ok for check in check_deployments.automations(site, False)) and time.monotonic() < deadline:
        time.sleep(0.5)
    (check,) = check_deployments.automations(site, False)
    assert check.sentence.startswith(f"'driftloop {site.model}: labels ready, learn' failed 1 times, last on ")
    assert f"driftloop deploy {path} --automations" in check.advice
    register([path], work_pool=POOL, automations=True)
    assert [check.ok for check in check_deployments.automations(site, False)] == [True]
