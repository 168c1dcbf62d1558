"""History is run again on a copy, answered by recorded labels, and nothing outside changes."""

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.payments import CHANGED, QUIET, week
from flows.adopt import adopt
from flows.backfill import missed
from flows.changed import changed
from flows.replay import Replayed, replay
from flows.site import Site
from flows.status import status
from records.errors import BadSettings
from records.label import LabelRequest
from records.window import Window
from store.history import copy_before
from tests.flows.conftest import World

FROM, TO = week(QUIET[0]).start, week(CHANGED[-1]).end


def digest(world: World) -> dict[str, str]:
    """What the folder, the label projects and the registry hold."""
    files = {
        str(path.relative_to(world.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in world.folder.rglob("*")
        if path.is_file() and path.suffix not in (".db-wal", ".db-shm", ".lock") and ".locks" not in str(path)
    }
    inside = pickle.dumps([[world.studio.tasks(p), world.studio.said(p)] for p in world.studio.projects()])
    return files | {
        "studio": hashlib.sha256(inside).hexdigest(),
        "registry": repr(sorted(world.registry.aliases.items())),
    }


def run(world: World, folder: Path, *changes: str, start: datetime = FROM) -> dict[Window, Replayed]:
    site = world.site()
    return {item.window: item for item in replay(site, missed(site, start, TO), changes, folder)}


def test_the_same_settings_give_the_same_history(learned, tmp_path):
    before = digest(learned)
    done = run(learned, tmp_path / "replay")
    assert digest(learned) == before
    real = [item for item in status(learned.site()).windows if item.window in done]
    assert [done[item.window].would.alarm for item in real if item.alarm is not None] == [item.alarm for item in real]
    (asked,) = [item for item in done.values() if item.was.n_asked]
    assert asked.would == asked.was
    assert (asked.would.n_asked, asked.would.n_unknown, asked.would.verdict) == (400, 0, "promote")
    later = [item for item in done.values() if item.window > asked.window]
    assert all(item.was.alarm is None and item.would.alarm is not None for item in later)  # never watched in truth
    assert all(item.would.champion == 2 for item in later)


def test_a_smaller_budget_asks_less_and_says_what_it_does_not_know(learned, tmp_path):
    done = run(learned, tmp_path / "replay", "labels.budget=100", start=week(CHANGED[0]).start)
    (asked,) = [item for item in done.values() if item.was.n_asked]
    assert asked.would.n_asked == 100
    assert asked.would.n_unknown < 100
    assert asked.n_judged > 0
    assert asked.was.score == asked.would.score  # the same champion met the window
    others = [item for item in done.values() if item.window > asked.window and item.would.n_asked]
    assert all(item.would.n_unknown == item.would.n_asked and item.note for item in others)


def test_answers_that_production_knows_by_now_answer_too(learned, tmp_path):
    """Rows that nobody was asked about then are no longer unknown."""
    path = learned.folder / "production.parquet"
    rows = pd.read_parquet(path)
    path.unlink()
    rows.assign(fraud=rows["id"].map(learned.truth)).to_parquet(path)
    done = run(learned, tmp_path / "replay", "labels.budget=100", start=week(CHANGED[0]).start)
    assert all(item.would.n_unknown == 0 for item in done.values())
    assert all(item.n_judged > 0 for item in done.values())


def test_an_alarm_that_is_not_allowed_asks_nobody(learned, tmp_path):
    done = run(learned, tmp_path / "replay", "alarms.minimum_effect=50")
    assert not any(item.would.alarm or item.would.n_asked or item.would.verdict for item in done.values())
    assert {item.would.champion for item in done.values()} == {1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("labels.buget=1", "changes nothing"),
        ("services.mlflow=x", "changes nothing"),
        ("labels.budget", "changes nothing"),
        ("labels.budget=many", "labels.budget"),
        ("gate.alpha=0.9", "gate.alpha"),
        ("training.loss=squared", "does not fit"),
    ],
)
def test_a_change_that_does_not_fit_is_one_sentence(change, sentence, adopted):
    with pytest.raises(BadSettings, match=sentence):
        changed(adopted.settings, [change])


def test_a_change_wins_over_the_environment_and_the_rest_stays(adopted, monkeypatch):
    monkeypatch.setenv("DRIFTLOOP_LABELS__BUDGET", "77")
    monkeypatch.setenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", "canary")
    assert adopted.settings.labels.budget == 77
    new = changed(adopted.settings, ["labels.budget=5", "gate.approval=manual", "gate.groups=['channel']"])
    assert (new.labels.budget, new.gate.approval, new.gate.groups) == (5, "manual", ("channel",))
    assert new.label_studio_token.get_secret_value() == "canary"
    changed_parts = {"labels", "gate", "label_studio_token"}
    assert new.model_dump(exclude=changed_parts) == adopted.settings.model_dump(exclude=changed_parts)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.services
def test_a_copy_knows_what_was_known_then_and_no_more(engine, learned, tmp_path, request):
    source = learned.site().ledger
    (lesson,) = [w for w in source.steps.windows("payments") if (r := source.requests.get("payments", w)) and r.asks]
    if engine == "postgresql":
        source = copy_before(source, request.getfixturevalue("postgres_url")(), "payments", TO)
    whole = copy_before(source, f"sqlite:///{tmp_path}/whole.db", "payments", TO)
    assert whole.generations.all("payments") == source.generations.all("payments")
    assert whole.labels.of("payments") == source.labels.of("payments")
    assert whole.steps.windows("payments") == source.steps.windows("payments")
    assert [p.generation for p in whole.promotions.history("payments")] == [1, 2]
    before = copy_before(source, f"sqlite:///{tmp_path}/before.db", "payments", lesson.start, keep=("ingest",))
    champion = before.generations.champion("payments")
    assert champion is not None
    assert [g.number for g in before.generations.all("payments")] == [champion.number] == [1]
    assert before.requests.get("payments", lesson) is None
    assert before.steps.get("payments", lesson, "ask", LabelRequest) is None
    assert lesson in before.steps.windows("payments")  # what was ingested is kept


def test_the_command_refuses_a_change_before_anything_is_read(adopted):
    program = [str(Path(sys.executable).with_name("driftloop")), "replay", "--config"]
    options = [str(adopted.folder / "driftloop.toml"), "--from", "2024-02-26", "--set", "labels.x=1"]
    done = subprocess.run([*program, *options], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "'labels.x=1' changes nothing" in done.stderr


@pytest.mark.services
def test_the_command_prints_both_courses_and_a_real_mlflow_keeps_what_it_had(adopted, tmp_path):
    """The champion's model is read from MLflow; nothing is written there."""
    store = adopted.folder / "mlflow.db"
    site = Site(adopted.settings, studio=adopted.studio)
    shutil.rmtree(adopted.folder / ".driftloop")
    adopt(site, "training.parquet")
    before = store.read_bytes()
    program = [str(Path(sys.executable).with_name("driftloop")), "replay", "--config"]
    options = [str(adopted.folder / "driftloop.toml"), "--from", "2024-02-26", "--to", "2024-03-18"]
    wide = dict(os.environ) | {"COLUMNS": "200"}
    done = subprocess.run([*program, *options], env=wide, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "payments: was → would have been" in done.stdout
    assert "not watched → quiet" in done.stdout
    assert store.read_bytes() == before
    assert site.ledger.steps.windows("payments") == ()
