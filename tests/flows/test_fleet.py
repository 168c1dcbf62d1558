"""Folders of settings files, and the deployments that follow from them."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.server.schemas import schedules

from benchmarks.payments import QUIET, TOML, week
from flows.adopt import adopt
from flows.deployments import deployments_of
from flows.fleet import muster
from flows.registered import flow_of
from flows.site import Site
from flows.watch import ingest
from records.errors import BadSettings

ROOT = Path(__file__).resolve().parents[2]


def write(path: Path, model: str, text: str = TOML) -> Path:
    path.write_text(text.replace('model = "payments"', f'model = "{model}"'))
    return path


def test_every_toml_of_a_folder_is_a_model_and_a_file_named_twice_counts_once(tmp_path):
    write(tmp_path / "b.toml", "second")
    first = write(tmp_path / "a.toml", "first")
    (tmp_path / "notes.txt").write_text("no settings")
    fleet = muster([tmp_path, first])
    assert [settings.model for settings in fleet.models] == ["first", "second"]
    assert fleet.folders == (tmp_path,)


def test_one_bad_file_names_itself(tmp_path):
    write(tmp_path / "a.toml", "first")
    write(tmp_path / "b.toml", "second", TOML.replace("budget", "buget"))
    with pytest.raises(BadSettings, match=r"b\.toml.*buget"):
        muster([tmp_path])


def test_two_files_for_one_model_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(BadSettings, match="holds no"):
        muster([tmp_path])
    assert muster([tmp_path], emptied=True).emptied == (tmp_path,)
    write(tmp_path / "a.toml", "same")
    write(tmp_path / "b.toml", "same")
    with pytest.raises(BadSettings, match=r"a\.toml.*b\.toml.*'same'"):
        muster([tmp_path])


@pytest.mark.parametrize("hours", [24, 168])
@pytest.mark.parametrize("change", ["2025-03-30", "2025-10-26", "2025-03-09", "2025-11-02"])
def test_runs_stay_on_the_grid_of_windows_in_weeks_whose_clocks_change(change, hours, tmp_path):
    """Prefect moves an interval of days with its time zone's clocks; the grid of windows does not move."""
    text = TOML.replace("[windows]", f"[windows]\nlength_hours = {hours}\ndelay_hours = 6")
    (settings,) = muster([write(tmp_path / "a.toml", "first", text)]).models
    (schedule,) = deployments_of(settings, "pool")[0].schedules or []
    assert isinstance(schedule.schedule, IntervalSchedule)
    scheduler = schedules.IntervalSchedule.model_validate(schedule.schedule.model_dump())
    change_of_clocks = datetime.fromisoformat(change).replace(tzinfo=UTC)
    dates = asyncio.run(scheduler.get_dates(5, start=change_of_clocks - 2 * timedelta(hours=hours)))
    windows = [settings.window_at(date) for date in dates]
    lags = [date.timestamp() - window.end.timestamp() for date, window in zip(dates, windows, strict=True)]
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(windows))
    assert lags == [6 * 3600] * 5


def test_deploying_again_moves_no_schedule_and_models_do_not_poll_all_at_once(tmp_path):
    fleet = muster([write(tmp_path / f"{name}.toml", name) for name in ("first", "second", "third")])
    anchors = []
    for settings in fleet.models:
        (before,), (again,) = (deployments_of(settings, "pool")[1].schedules or [] for _ in range(2))
        assert before == again
        assert isinstance(before.schedule, IntervalSchedule)
        anchors.append(before.schedule.anchor_date)
    assert len(set(anchors)) == 3


def test_the_deployment_file_declares_what_deploy_registers(tmp_path):
    (settings,) = muster([write(tmp_path / "a.toml", "first")]).models
    text = (ROOT / "deploy" / "prefect.yaml").read_text()
    content = yaml.safe_load(text.replace("{{ $MONITORED_MODEL }}", "first"))
    declared: dict[str | None, Any] = {flow_of(item["entrypoint"]): item for item in content["deployments"]}
    registered = {one.flow_name: one for one in deployments_of(settings, content["definitions"]["pool"]["name"])}
    assert list(declared) == list(registered) == ["watch", "learn", "backfill"]
    for name, one in registered.items():
        said = declared[name]
        assert one.name == said["name"]
        assert one.work_pool_name == said["work_pool"]["name"]
        assert one.tags == said["tags"]
        assert one.entrypoint == said["entrypoint"]
        assert list(one.parameters) == list(said["parameters"])
        assert one.concurrency_limit == said["concurrency_limit"]["limit"]
        assert one.concurrency_options is not None
        assert one.concurrency_options.collision_strategy == said["concurrency_limit"]["collision_strategy"]
        schedules = [item.schedule for item in one.schedules or [] if isinstance(item.schedule, IntervalSchedule)]
        assert [(item.interval.total_seconds(), item.timezone) for item in schedules] == [
            (item["interval"], item["timezone"]) for item in said.get("schedules", [])
        ]
    (watching,) = registered["watch"].schedules or []
    assert isinstance(watching.schedule, IntervalSchedule)
    assert watching.schedule.anchor_date.isoformat() == declared["watch"]["schedules"][0]["anchor_date"]


def test_models_that_share_a_folder_keep_their_windows_apart(adopted):
    """Their samples and reports have the same names, and each needs its own."""
    text = (adopted.folder / "driftloop.toml").read_text()
    rows = pd.read_parquet(adopted.folder / "production.parquet")
    rows.assign(id="other " + rows["id"]).to_parquet(adopted.folder / "other.parquet")
    path = write(adopted.folder / "second.toml", "second", text.replace("production.parquet", "other.parquet"))
    second = Site(muster([path]).models[0], studio=adopted.studio, registry=adopted.registry)
    adopt(second, "training.parquet")
    first = adopted.site()
    assert first.settings.folder == second.settings.folder
    for site in (first, second):
        ingest(site, week(QUIET[0]))
    own, others = (set(site.sample(week(QUIET[0]))["id"]) for site in (first, second))
    assert own
    assert not own & others
