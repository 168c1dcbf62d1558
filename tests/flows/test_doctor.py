"""`driftloop doctor` names each trouble in one line, and `--repair` mends what is safe, as often as it is asked."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.payments import CHANGED, QUIET, week
from flows import check_machine, check_prefect, check_records, check_services
from flows.deployments import register
from flows.doctor import examine, examine_site
from flows.site import Site
from flows.watch import watch
from records.check import Check
from records.comparison import Verdict
from records.errors import ServiceDown

ROOT = Path(__file__).resolve().parents[2]
Look = Callable[[Site, bool], Iterator[Check]]


def bad(look: Look, site: Site, *, repair: bool = False) -> list[Check]:
    return [check for check in look(site, repair) if not check.ok]


def mended(look: Look, site: Callable[[], Site]) -> Check:
    """What a repair says that it did; afterwards all is well, and repairing again does nothing."""
    assert bad(look, site())
    (done,) = [check for check in look(site(), True) if check.repaired]
    assert done.ok
    assert not bad(look, site())
    assert not [check for check in look(site(), True) if check.repaired]
    return done


def test_a_promotion_that_a_crash_left_is_finished(learned):
    site = learned.site()
    verdict = Verdict("promote", ("by a test",))
    site.ledger.promotions.intend("payments", generation=1, previous=2, why="a test", verdict=verdict)
    assert "generation 1" in mended(check_records.promotions, learned.site).sentence
    assert learned.site().champion().number == 1
    assert not bad(check_records.champion, learned.site())


def test_an_alias_that_somebody_moved_goes_back_to_the_ledgers_champion(learned):
    learned.registry.aliases["payments", "champion"] = "1"
    assert "version 1" in mended(check_records.champion, learned.site).sentence
    assert learned.registry.champion("payments") == learned.site().champion().version


def test_an_alias_is_left_alone_while_a_promotion_is_pending(learned):
    site = learned.site()
    site.ledger.promotions.intend("payments", generation=1, previous=2, why="a test", verdict=None)
    learned.registry.aliases["payments", "champion"] = "1"
    assert bad(check_records.champion, site, repair=True)


def test_windows_that_were_missed_are_named_with_the_command_that_fills_them(adopted):
    site = adopted.site()
    site.now = lambda: week(CHANGED[0]).end + timedelta(days=1)
    assert not bad(check_records.windows, site)
    watch(site, week(QUIET[0]))
    watch(site, week(CHANGED[0]))
    (missed,) = bad(check_records.windows, site)
    assert week(QUIET[1]).name in missed.sentence
    assert missed.advice == "run `driftloop backfill --from 2024-03-04T00:00:00 --to 2024-03-11T00:00:00`"


def test_an_alarm_about_which_nobody_could_be_asked_is_named(adopted):
    adopted.studio.fault = ServiceDown("Label Studio is away, says the test")
    site = adopted.site()
    for number in (*QUIET, *CHANGED):
        try:
            watch(site, week(number))
        except ServiceDown:
            break
    site.now = lambda: week(number).end + timedelta(days=4)
    (half,) = bad(check_records.windows, site)
    assert "1 of them with an alarm about which nobody was asked" in half.sentence


def test_files_that_are_gone_are_named(learned):
    site = learned.site()
    assert not bad(check_records.files, site)
    lost = Path(site.champion().snapshot.train)
    content = lost.read_bytes()
    lost.unlink()
    try:
        (check,) = bad(check_records.files, site)
    finally:
        lost.write_bytes(content)  # every copy of this model refers to the same file
    assert str(lost) in check.sentence


def test_tasks_that_were_not_sent_are_sent_and_deleted_ones_are_noted(asked):
    (project,) = asked.studio.projects()
    first, *_ = asked.studio.tasks(project)
    assert not bad(check_records.labels, asked.site())
    asked.studio.delete_task(first)
    assert "1 of 400" in mended(check_records.labels, asked.site).sentence
    assert len(asked.request.gone) == 1


def test_what_a_sending_that_failed_left_out_is_sent(adopted):
    adopted.studio.break_after = 7
    for number in (*QUIET, *CHANGED):
        try:
            watch(adopted.site(), week(number))
        except ServiceDown:
            break
    assert "400 of 400 tasks" in mended(check_records.labels, adopted.site).sentence
    assert adopted.n_tasks() == 400


def test_tasks_of_strangers_and_a_deleted_project_are_named(asked):
    (project,) = asked.studio.projects()
    asked.studio.push(project, [{"data": {"row_key": "a stranger"}}])
    (check,) = bad(check_records.labels, asked.site(), repair=True)
    assert "a stranger" in check.sentence
    asked.studio.delete_project(project)
    (check,) = bad(check_records.labels, asked.site(), repair=True)
    assert "driftloop withdraw" in check.sentence


def test_a_folder_that_cannot_be_written_and_a_ledger_that_is_not_there_are_named(world):
    (ledger,) = bad(check_services.ledger, world.site())
    assert "adopt" in ledger.advice
    assert not (world.folder / ".driftloop").exists()  # looking makes nothing
    assert not bad(check_machine.folder, world.site())
    (world.folder / ".driftloop").write_text("a file where the folder should be")
    assert "cannot be written" in bad(check_machine.folder, world.site())[0].sentence


def test_settings_that_cannot_be_used_are_one_line(tmp_path):
    (tmp_path / "driftloop.toml").write_text("model = 7")
    (check,) = examine(tmp_path / "driftloop.toml")
    assert (check.name, check.ok) == ("settings", False)


def test_one_that_is_away_hides_only_what_depends_on_it(asked):
    """Without Prefect, its three checks are left out; every other trouble is still told."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    asked.studio.fault = ServiceDown("Label Studio is away, says the test")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        found = list(examine_site(asked.site()))
    by_name = {check.name: check for check in found}
    assert [name for name, check in by_name.items() if not check.ok] == ["Prefect", "Label Studio", "windows", "labels"]
    assert not {"deployments", "flow runs", "concurrency"} & by_name.keys()
    assert by_name["champion"].ok


def test_the_label_studio_that_is_tested_is_the_one_in_the_lock():
    lock = tomllib.loads((ROOT / "deploy" / "label-studio" / "uv.lock").read_text())
    (locked,) = [package["version"] for package in lock["package"] if package["name"] == "label-studio"]
    assert locked == check_services.LABEL_STUDIO


@pytest.mark.services
def test_runs_that_lost_their_process_and_slots_that_nobody_holds_are_freed(asked, prefect_server):
    """Both would keep the deployment from ever running again, and nothing else would tell."""
    register([asked.folder / "driftloop.toml"], work_pool="driftloop-test")
    api = httpx.Client(base_url=prefect_server.api_url, timeout=60)
    mine = {"deployments": {"name": {"any_": ["payments"]}}, "flows": {"name": {"any_": ["watch"]}}}
    found = api.post("/deployments/filter", json=mine).json()
    (watching,) = [one for one in found if one["parameters"]["settings"] == str(asked.folder / "driftloop.toml")]
    run = api.post(f"/deployments/{watching['id']}/create_flow_run", json={}).raise_for_status().json()
    for state in ({"type": "PENDING", "name": "Submitting"}, {"type": "RUNNING"}):
        api.post(f"/flow_runs/{run['id']}/set_state", json={"state": state}).raise_for_status()

    def now_stuck(site: Site, repair: bool) -> Iterator[Check]:
        return check_prefect.runs(site, repair, patience=timedelta(0))

    assert not bad(check_prefect.runs, asked.site())  # it may be at work
    assert "marked as crashed" in mended(now_stuck, asked.site).repaired
    assert api.get(f"/flow_runs/{run['id']}").json()["state_type"] == "CRASHED"

    limit = watching["global_concurrency_limit"]
    taken = api.post(
        "/v2/concurrency_limits/increment", json={"names": [limit["name"]], "slots": 1, "mode": "concurrency"}
    )
    assert taken.raise_for_status().json()
    assert "1 slots" in mended(check_prefect.slots, asked.site).sentence
    assert api.get(f"/v2/concurrency_limits/{limit['id']}").json()["active_slots"] == 0

    api.patch(f"/deployments/{watching['id']}", json={"paused": True}).raise_for_status()
    names = {check.name: check.sentence for check in bad(check_prefect.deployments, asked.site())}
    assert names == {
        "deployments": "watch/payments paused",
        "worker": "none is online on work pool driftloop-test",
    }


@pytest.mark.services
def test_the_command_looks_at_real_services(real, prefect_server):
    program = [str(Path(sys.executable).with_name("driftloop")), "doctor", str(real.folder), "--json"]

    def told() -> dict[str, Any]:
        done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
        found = json.loads(done.stdout)
        assert done.returncode == (0 if all(check["ok"] for check in found) else 1), done.stderr
        return {check["name"]: check for check in found}

    first = told()
    assert [name for name, check in first.items() if not check["ok"]] == ["deployments", "windows"]
    assert first["labels"]["sentence"].startswith("40 tasks")
    for name in ("Prefect", "Label Studio"):
        assert first[name]["sentence"].startswith("version ")
    register([real.folder], work_pool="driftloop-test")
    assert [name for name, check in told().items() if not check["ok"]] == ["worker", "windows"]
