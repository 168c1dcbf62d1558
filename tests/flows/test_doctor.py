"""`driftloop doctor` names each trouble in one line, and `--repair` mends what is safe, as often as it is asked."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from benchmarks.payments import CHANGED, QUIET, week
from flows import check_deployments, check_machine, check_models, check_prefect, check_records, check_services
from flows.backfill import catch_up, fill, passed_over
from flows.deployments import register
from flows.doctor import examine, examine_site
from flows.registered import asking
from flows.site import Site
from flows.status import status
from flows.watch import by_hand, watch
from models.entry import Server
from records.check import Check
from records.comparison import Verdict
from records.errors import ServiceDown
from tests.conftest import PrefectServer
from tests.flows.conftest import World

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


def test_a_version_that_mlflow_lost_or_that_the_ledger_does_not_know_is_named(learned):
    (check,) = check_models.versions(learned.site(), False)
    assert (check.ok, check.sentence) == (True, "2 in MLflow, as on the ledger")
    site = learned.site()
    lost, kept = (learned.registry.runs[one.mlflow_run_id] for one in site.ledger.generations.all("payments"))
    lost.entry = lost.entry._replace(version="9")
    assert [check.sentence for check in bad(check_models.versions, learned.site())] == [
        "MLflow has lost version 1",
        "the ledger does not know version 9",
    ]
    assert kept.entry.version == "2"


def test_mlflow_is_asked_through_its_door_alone(asked, monkeypatch):
    """Which knows the user and the password; nothing listens at the address in the settings."""
    monkeypatch.setenv("DRIFTLOOP_SERVICES__MLFLOW", "http://127.0.0.1:9")
    monkeypatch.setattr(asked.registry, "server", lambda: Server("1.0", "Sun, 02 Jun 2013 12:00:40 GMT"))
    assert not bad(check_models.versions, asked.site())
    version, clock = bad(check_services.mlflow, asked.site())
    assert version.sentence == "version 1.0 at http://127.0.0.1:9"
    assert clock.name == "MLflow's clock"


@pytest.mark.parametrize("url", ["http://ada:s3/cr#et@prefect:4200/api", "http://prefect:port/api"])
def test_an_address_that_is_none_is_one_sentence_without_its_password(url, asked, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("DRIFTLOOP_SERVICES__LABEL_STUDIO", url.removesuffix("/api"))
    looks = (check_services.prefect, check_deployments.deployments, check_services.label_studio)
    with temporary_settings({PREFECT_API_URL: url}):
        for look in looks:
            with pytest.raises(ServiceDown) as told:
                list(look(asked.site(), False))
            assert "s3" not in str(told.value)
            assert "cr#et" not in str(told.value)


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


MISSED = [week(QUIET[1])]
PASSED_OVER = f"1 had no rows that could be used, the last {week(QUIET[1]).name}"


def spoil(world: World, change: Callable[[pd.DataFrame, pd.Series], pd.DataFrame]) -> pd.DataFrame:
    """Change the rows of the second quiet week in production, watch the weeks around it, and return the good rows."""
    path = world.folder / "production.parquet"
    rows = pd.read_parquet(path)
    change(rows, rows["at"].between(week(QUIET[1]).start, week(QUIET[1]).end, inclusive="left")).to_parquet(path)
    for number in (QUIET[0], CHANGED[0]):
        watch(world.site(), week(number))
    return rows


def later(world: World) -> Site:
    """The site a day after the last of those weeks."""
    site = world.site()
    site.now = lambda: week(CHANGED[0]).end + timedelta(days=1)
    return site


@pytest.mark.parametrize("look", [lambda site: catch_up(site, week(CHANGED[0])), lambda site: fill(site, MISSED)])
def test_a_window_without_rows_is_missed_until_it_was_looked_at_and_watched_when_rows_come(adopted, look):
    rows = spoil(adopted, lambda rows, within: rows[~within])
    assert bad(check_records.windows, later(adopted))
    for _ in range(2):
        assert [item.outcome for item in look(later(adopted))] == ["empty"]
    (check,) = check_records.windows(later(adopted), False)
    assert (check.ok, check.sentence) == (True, f"2 watched, none missed; {PASSED_OVER}")
    told = {item.window: item.reason for item in status(later(adopted)).windows}
    assert "has no row in window" in told[week(QUIET[1])]
    rows.to_parquet(adopted.folder / "production.parquet")
    (late,) = look(later(adopted))
    assert late.outcome in ("quiet", "alarm")
    (check,) = check_records.windows(later(adopted), False)
    assert (check.ok, check.sentence) == (True, "3 watched, none missed")


def test_a_window_whose_rows_cannot_be_used_is_missed_until_a_person_fills_it(adopted):
    rows = spoil(adopted, lambda rows, within: rows.assign(id=rows["id"].mask(within, "the same")))
    assert [item.outcome for item in catch_up(later(adopted), week(CHANGED[0]))] == ["failed"]
    assert bad(check_records.windows, later(adopted))
    assert [item.outcome for item in fill(later(adopted), MISSED)] == ["failed"]
    (check,) = check_records.windows(later(adopted), False)
    assert (check.ok, check.sentence) == (True, f"2 watched, none missed; {PASSED_OVER}")
    rows.to_parquet(adopted.folder / "production.parquet")
    (mended_rows,) = fill(later(adopted), MISSED)
    assert mended_rows.outcome in ("quiet", "alarm")


def test_a_window_that_was_passed_over_and_then_left_half_way_is_named_again(adopted):
    def broken(step: Callable[..., Any], *arguments: Any) -> Any:
        if step.__name__ == "monitor":
            raise ServiceDown("a service is away, says the test")
        return by_hand(step, *arguments)

    rows = spoil(adopted, lambda rows, within: rows[~within])
    list(fill(later(adopted), MISSED))
    rows.to_parquet(adopted.folder / "production.parquet")
    with pytest.raises(ServiceDown):
        list(fill(later(adopted), MISSED, run=broken))
    (half,) = bad(check_records.windows, later(adopted))
    assert week(QUIET[1]).name in half.sentence


def test_a_window_that_is_not_over_is_never_noted_as_one_without_rows(adopted):
    site = adopted.site()
    site.now = lambda: week(QUIET[1]).start
    assert [item.outcome for item in fill(site, MISSED)] == ["empty"]
    assert passed_over(site) == ()


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


def test_a_folder_that_cannot_be_made_is_one_line_and_the_checks_after_it_run(adopted):
    (adopted.folder / "file").write_text("where a folder should be")
    path = adopted.folder / "driftloop.toml"
    path.write_text(path.read_text() + 'folder = "file/inside"\n')
    for repair in (False, True):
        found = {check.name: check for check in examine_site(adopted.site(), repair=repair)}
        assert "cannot be made" in found["folder"].sentence
        assert found["folder"].advice == "correct services.folder, or its owner"
        assert found["ledger"].ok
        assert found["champion"].ok


def test_settings_that_cannot_be_used_are_one_line(tmp_path):
    (tmp_path / "driftloop.toml").write_text("model = 7")
    (check,) = examine(tmp_path / "driftloop.toml")
    assert (check.name, check.ok) == ("settings", False)


def test_one_that_is_away_hides_only_what_depends_on_it(asked):
    """Without Prefect, its five checks are left out; every other trouble is still told."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    asked.studio.fault = ServiceDown("Label Studio is away, says the test")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        found = list(examine_site(asked.site()))
    by_name = {check.name: check for check in found}
    assert [name for name, check in by_name.items() if not check.ok] == ["Prefect", "Label Studio", "windows", "labels"]
    assert not {"deployments", "schedule", "automations", "flow runs", "concurrency"} & by_name.keys()
    assert by_name["champion"].ok


def test_the_label_studio_that_is_tested_is_the_one_in_the_lock():
    lock = tomllib.loads((ROOT / "deploy" / "label-studio" / "uv.lock").read_text())
    (locked,) = [package["version"] for package in lock["package"] if package["name"] == "label-studio"]
    assert locked == check_services.LABEL_STUDIO


@pytest.mark.services
def test_runs_that_lost_their_process_and_slots_that_nobody_holds_are_freed(asked, prefect_server):
    """Both would keep the deployment from ever running again, and nothing else would tell."""
    api, watching = registered(asked, prefect_server)
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
    names = {check.name: check.sentence for check in bad(check_deployments.deployments, asked.site())}
    assert names == {
        "deployments": "watch/payments paused",
        "worker": "none is online on work pool driftloop-test",
    }


@pytest.mark.services
def test_a_run_that_ended_by_itself_meanwhile_stays_as_it_ended(asked, prefect_server):
    """And one that was being cancelled may end in no other way."""
    api, watching = registered(asked, prefect_server)
    site = asked.site()
    path = f"/deployments/{watching['id']}/create_flow_run"
    seen, cancelled = (api.post(path, json={"state": {"type": "RUNNING"}}).raise_for_status().json() for _ in range(2))
    api.post(f"/flow_runs/{seen['id']}/set_state", json={"state": {"type": "COMPLETED"}}).raise_for_status()
    with asking() as client:
        assert check_prefect.end(client, seen, "it looked stuck") == Check(
            "flow runs", True, f"{seen['name']} has ended by itself"
        )
    assert api.get(f"/flow_runs/{seen['id']}").json()["state_type"] == "COMPLETED"
    api.post(f"/flow_runs/{cancelled['id']}/set_state", json={"state": {"type": "CANCELLING"}}).raise_for_status()
    (check,) = check_prefect.runs(site, True, patience=timedelta(0))
    assert check.repaired == "marked as cancelled, which frees its slot"
    assert api.get(f"/flow_runs/{cancelled['id']}").json()["state_type"] == "CANCELLED"


@pytest.mark.services
def test_a_run_that_lives_and_takes_very_long_is_named_and_left_to_people(asked, prefect_server):
    """Its heartbeat goes on while it waits for a service that has vanished, and it holds the deployment's only slot."""
    api, watching = registered(asked, prefect_server)
    path = f"/deployments/{watching['id']}/create_flow_run"
    run = api.post(path, json={"state": {"type": "RUNNING"}}).raise_for_status().json()

    def now_long(site: Site, repair: bool) -> Iterator[Check]:
        return check_prefect.runs(site, repair, longest=timedelta(0))

    assert not bad(check_prefect.runs, asked.site())
    for repair in (False, True):
        (check,) = bad(now_long, asked.site(), repair=repair)
        began = datetime.fromisoformat(run["state"]["timestamp"])
        since = f"{run['name']} is Running since {began:%Y-%m-%d %H:%M} UTC"
        assert check.sentence == f"{since}, for more than 0 hours: it may hang"
        assert f"`prefect flow-run cancel {run['id']}`" in check.advice
    assert api.get(f"/flow_runs/{run['id']}").json()["state_type"] == "RUNNING"
    api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "COMPLETED"}}).raise_for_status()
    assert not bad(now_long, asked.site())


@pytest.mark.services
def test_more_late_runs_than_a_page_of_prefect_holds_are_counted_from_the_first(asked, prefect_server):
    api, watching = registered(asked, prefect_server)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    for hour in range(205):
        due = {"type": "SCHEDULED", "state_details": {"scheduled_time": (first + timedelta(hours=hour)).isoformat()}}
        api.post(f"/deployments/{watching['id']}/create_flow_run", json={"state": due}).raise_for_status()
    (check,) = bad(check_prefect.runs, asked.site())
    assert check.sentence == "205 runs are late, the first since 2024-01-01 00:00 UTC"


@pytest.mark.services
def test_a_slot_that_is_taken_only_while_doctor_looks_is_no_leak(asked, prefect_server):
    """A run that starts or ends holds its slot a moment longer than it is seen to be busy."""
    api, watching = registered(asked, prefect_server)
    slot = {"names": [watching["global_concurrency_limit"]["name"]], "slots": 1}
    api.post("/v2/concurrency_limits/increment", json={**slot, "mode": "concurrency"}).raise_for_status()

    def given_back() -> None:
        api.post("/v2/concurrency_limits/decrement", json=slot).raise_for_status()

    found = check_prefect.slots(asked.site(), True, pause=given_back)
    assert [check.sentence for check in found] == ["every taken slot belongs to a run"]


def registered(world: World, server: PrefectServer) -> tuple[httpx.Client, dict[str, Any]]:
    """Register the world's model, and return the server's API and the deployment that watches."""
    path = world.folder / "driftloop.toml"
    register([path], work_pool="driftloop-test")
    api = httpx.Client(base_url=server.api_url, timeout=60)
    wanted = {"deployments": {"name": {"any_": ["payments"]}}, "flows": {"name": {"any_": ["watch"]}}}
    found = api.post("/deployments/filter", json=wanted).raise_for_status().json()
    (watching,) = [one for one in found if one["parameters"]["settings"] == str(path)]
    return api, watching


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
