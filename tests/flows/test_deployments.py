"""`driftloop deploy` on a real Prefect server."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow

from benchmarks.payments import TOML
from flows.deployments import register
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


def test_the_deployment_file_registers_the_same_three_deployments(folder, prefect_server):
    settings = folder / "one.toml"
    program = [str(Path(sys.executable).with_name("prefect")), "--no-prompt"]
    steps = (
        ["work-pool", "create", "driftloop", "--type", "process", "--overwrite"],
        ["deploy", "--all", "--prefect-file", "deploy/prefect.yaml"],
    )
    environment = {**os.environ, "DRIFTLOOP_ROOT": str(ROOT), "DRIFTLOOP_CONFIG": str(settings)}
    for step in steps:
        done = subprocess.run(
            [*program, *step], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    mine = deployed(prefect_server, folder)
    assert {one["name"] for one in mine} == {"monitored-model"}
    assert {one["entrypoint"] for one in mine} == {
        f"flows/deployed.py:{name}" for name in ("watch", "learn", "backfill")
    }
    assert {one["concurrency_options"]["collision_strategy"] for one in mine} == {"CANCEL_NEW"}
    assert [bool(one["schedules"]) for one in mine].count(True) == 2
