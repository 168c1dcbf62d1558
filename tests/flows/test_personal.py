"""No value of a column under `pii` reaches people: not Label Studio, reports, reviews, MLflow's pages or errors."""

import json
import re
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
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
from store.warehouse import open_table
from store.wire import encode
from tests.flows.conftest import World

CANARY = "canary"
FAR = 7_770_000
"""Where the amounts begin: no other number is near."""
TELLTALE = re.compile(CANARY + r"|(?<![\w.])(?:7,?77[0-3],?\d{3}(?!\w)|7\.77\d*e\+?0?6)")
_MODELS = ("model.pkl", "model.skops", ".parquet")
"""What must hold the values: the model, the snapshots and the samples of windows."""


@pytest.fixture
def discreet(first_day: World, tmp_path: Path) -> World:
    """A model to which the column that will drift, and the one that is a number, are personal; a real MLflow store."""
    world = first_day.copy(tmp_path / "site")
    for name in ("training", "production"):
        path = world.folder / f"{name}.parquet"
        frame = pd.read_parquet(path)
        channel, amount = f"{CANARY}-" + frame["channel"], frame["amount"] + FAR
        if name == "production":
            channel[::60] = f"{CANARY}-new"
        frame.assign(channel=channel, amount=amount).to_parquet(path)
    settings = world.folder / "driftloop.toml"
    settings.write_text(settings.read_text().replace("[windows]", 'pii = ["channel", "amount"]\n\n[windows]'))
    return world


def leaks(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.endswith(_MODELS) and (found := TELLTALE.search(content(path))):
            yield path, found[0]


def content(path: Path) -> str:
    """The text of a file, or every row of a database: its file cuts long texts in pieces."""
    if path.suffix != ".db":
        return path.read_text(encoding="latin-1")
    with closing(sqlite3.connect(path)) as lite:
        return "\n".join(lite.iterdump())


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
    told = json.dumps([tasks, pages, records, [encode(one) for one in seen]], default=str)  # as `watch --json` prints
    (facts,) = (column for column in seen[-1].batch.facts.columns if column.name == "amount")
    assert facts.low != facts.low
    assert facts.high != facts.high
    assert "values the snapshot never had" in told
    assert not TELLTALE.search(told)
    assert "<td>amount" not in told
    assert TELLTALE.fullmatch(f"{pd.read_parquet(discreet.folder / 'training.parquet')['amount'].max():.0f}")
    assert "mlflow.note.content" in content(discreet.folder / "mlflow.db")
    assert list(leaks(discreet.folder)) == []
    assert len(site.ledger.generations.all(site.model)) == 2


def test_an_error_quotes_no_personal_value(discreet: World) -> None:
    frame = pd.read_parquet(discreet.folder / "training.parquet").assign(amount=f"{CANARY}-12")
    with pytest.raises(BadData, match=r"'amount'.* personal") as refused:
        check_frame(frame, discreet.schema, where="the table")
    assert CANARY not in str(refused.value)


def odd_table(folder: Path, kind: str, frame: pd.DataFrame, column: str) -> str:
    """A table in which a column holds a canary: in every row of a file, in the first of a database."""
    path, odd = folder / f"odd.{kind}", frame.assign(**{column: f"{CANARY}-12"})
    if kind == "csv":
        odd.to_csv(path, index=False)
    elif kind == "parquet":
        odd.to_parquet(path)
    else:
        with sqlite3.connect(path) as lite:
            frame.astype({"at": str}).to_sql("payments", lite, index=False)
            lite.execute(f"UPDATE payments SET {column} = '{CANARY}-12' WHERE rowid = 1")
        lite.close()
    return str(path)


@pytest.mark.parametrize(
    ("kind", "column", "shown"),
    [
        ("csv", "amount", False),
        ("sqlite", "amount", False),
        ("csv", "born", False),
        ("parquet", "born", False),
        ("sqlite", "born", False),
        ("csv", "at", True),
        ("sqlite", "at", True),
        ("sqlite", "age", True),
    ],
)
def test_an_engine_quotes_no_personal_value(kind: str, column: str, shown: bool, discreet: World) -> None:
    schema = replace(discreet.schema, datetime=("born",), pii=("amount", "born"))
    rows = pd.read_parquet(discreet.folder / "training.parquet").head(50).assign(born="1999-01-01")
    table = open_table(odd_table(discreet.folder, kind, rows, column), schema)
    for read in (lambda: table.facts(week(0)), lambda: table.sample(week(0), 40)):
        with pytest.raises(BadData, match=column) as refused:
            read()
        told = "".join(traceback.format_exception(refused.value))
        assert (f"{CANARY}-12" in str(refused.value)) == shown
        assert (CANARY in told.replace(str(discreet.folder), "")) == shown


def test_an_engine_quotes_what_is_wrong_where_nothing_is_personal(discreet: World) -> None:
    rows = pd.read_parquet(discreet.folder / "training.parquet").head(50)
    table = open_table(odd_table(discreet.folder, "csv", rows, "amount"), replace(discreet.schema, pii=()))
    with pytest.raises(BadData, match=f"{CANARY}-12"):
        table.facts(week(0))


@pytest.mark.parametrize(
    ("pii", "more"), [('["age", "absent"]', "[gate]"), ('["country"]', '[gate]\ngroups = ["country"]')]
)
def test_what_cannot_be_kept_from_people_is_refused(discreet: World, pii: str, more: str) -> None:
    path = discreet.folder / "driftloop.toml"
    text = path.read_text().replace('["channel", "amount"]', pii).replace("[gate]", more)
    path.write_text(text)
    with pytest.raises(BadSettings, match="pii"):
        load_settings(path)
