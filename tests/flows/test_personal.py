"""No value of a column under `pii` reaches people: not Label Studio, reports, reviews, MLflow's pages or errors."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.payments import CHANGED, QUIET, week
from flows.adopt import adopt
from flows.artifacts import learned_page, watched_page
from flows.learn import learn
from flows.settings import load_settings
from flows.site import Site
from flows.watch import Watched, watch
from monitors.schema import check_frame
from records.errors import BadData, BadSettings
from tests.flows.conftest import World

CANARY = "canary"
_MODELS = ("model.pkl", "model.skops", ".parquet", ".db", ".db-wal")
"""What must hold the values: the model, the snapshots and samples of windows, the ledger's facts of the window."""


@pytest.fixture
def discreet(first_day: World, tmp_path: Path) -> World:
    """A model to which the column that will drift, and the one that is a number, are personal; a real MLflow store."""
    world = first_day.copy(tmp_path / "site")
    for name in ("training", "production"):
        path = world.folder / f"{name}.parquet"
        frame = pd.read_parquet(path)
        channel = f"{CANARY}-" + frame["channel"]
        if name == "production":
            channel[::60] = f"{CANARY}-new"
        frame.assign(channel=channel).to_parquet(path)
    settings = world.folder / "driftloop.toml"
    settings.write_text(settings.read_text().replace("[windows]", 'pii = ["channel", "amount"]\n\n[windows]'))
    return world


def leaks(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.endswith(_MODELS) and CANARY.encode() in path.read_bytes():
            yield path


def test_no_value_of_a_personal_column_reaches_people(discreet: World) -> None:
    site = Site(load_settings(discreet.folder / "driftloop.toml"), studio=discreet.studio)
    adopt(site, "training.parquet")
    seen: list[Watched] = []
    for number in (*QUIET, *CHANGED):
        seen.append(watch(site, week(number)))
        if seen[-1].request.asks:
            break
    (channel,) = (column for column in seen[-1].report.columns if column.column == "channel")
    assert channel.drifted  # it is tested as any other
    assert "personal" in channel.sentence
    kept: list[Any] = [discreet.studio.tasks(project) for project in discreet.studio.projects()]
    tasks = [task for project in kept for task in project.values()]
    assert tasks
    assert all(task["data"]["row"].keys() == {"age", "noise", "country"} for task in tasks)
    discreet.answer()
    learned = learn(site)
    pages = [*map(watched_page, seen), *(learned_page(site.model, one) for one in learned)]
    records = [asdict(record) for one in seen for record in (one.slices, one.report, one.batch.compared)]
    told = json.dumps([tasks, pages, records], default=str)
    assert "values the snapshot never had" in told
    assert CANARY not in told
    assert "<td>amount" not in told
    assert not list(leaks(discreet.folder))
    assert len(site.ledger.generations.all(site.model)) == 2


def test_an_error_quotes_no_personal_value(discreet: World) -> None:
    frame = pd.read_parquet(discreet.folder / "training.parquet").assign(amount=f"{CANARY}-12")
    with pytest.raises(BadData, match=r"'amount'.* personal") as refused:
        check_frame(frame, discreet.schema, where="the table")
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("pii", "more"), [('["age", "absent"]', "[gate]"), ('["country"]', '[gate]\ngroups = ["country"]')]
)
def test_what_cannot_be_kept_from_people_is_refused(discreet: World, pii: str, more: str) -> None:
    path = discreet.folder / "driftloop.toml"
    text = path.read_text().replace('["channel", "amount"]', pii).replace("[gate]", more)
    path.write_text(text)
    with pytest.raises(BadSettings, match="pii"):
        load_settings(path)
