"""The loop on a table with dates and texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.payments import CHANGED, QUIET, TOML, payments, week
from flows.adopt import adopt
from flows.learn import learn
from flows.watch import watch
from labeling.studio import InMemoryStudio
from models.memory_registry import InMemoryRegistry
from tests.flows.conftest import World, watch_until_asked

WORDS = np.array(["rent", "gift", "order", "thanks", "refund", "invoice", "june", "share", "trip", "late"])


def described(frame: pd.DataFrame, *, urgent: float, seed: int) -> pd.DataFrame:
    """Payments with a note, which says `urgent` in a share of the rows, and the day the account was opened."""
    rng = np.random.default_rng(seed)
    notes = pd.Series([" ".join(rng.choice(WORDS, 4)) for _ in range(len(frame))], dtype=object)
    is_urgent = rng.random(len(frame)) < urgent
    notes[is_urgent] = notes[is_urgent] + " urgent"
    opened = frame["at"] - pd.to_timedelta(rng.exponential(400, len(frame)).round(), unit="D")
    fraud = frame["fraud"].mask(pd.Series(is_urgent) & (urgent > 0.1), "yes")
    return frame.assign(note=notes.mask(rng.random(len(frame)) < 0.02, None), opened=opened, fraud=fraud)


@pytest.fixture
def world(tmp_path: Path) -> World:
    before, quiet = (
        described(payments(8), urgent=0.02, seed=0),
        described(payments(2, first_week=8), urgent=0.02, seed=1),
    )
    changed = described(payments(3, first_week=10), urgent=0.3, seed=2)
    later = pd.concat([quiet, changed], ignore_index=True)
    before.to_parquet(tmp_path / "training.parquet")
    later.drop(columns="fraud").to_parquet(tmp_path / "production.parquet")
    kinds = 'categorical = ["channel", "country"]\ndatetime = ["opened"]\ntext = ["note"]'
    (tmp_path / "driftloop.toml").write_text(TOML.replace('categorical = ["channel", "country"]', kinds))
    return World(tmp_path, InMemoryStudio(), InMemoryRegistry(), dict(zip(later["id"], later["fraud"], strict=True)))


def test_a_word_that_came_asks_people_and_is_learned(world: World) -> None:
    adopt(world.site(), "training.parquet")
    quiet = watch(world.site(), week(QUIET[0]))
    assert not quiet.alarm.raised
    assert {fact.column for fact in quiet.batch.compared.facts} >= {"note"}  # a few are missing
    watch_until_asked(world)
    alarmed = next(found for k in CHANGED if (found := watch(world.site(), week(k))).alarm.raised)
    assert "“urgent” in 1.9 % → 28 % of rows" in alarmed.alarm.reason
    (task, *_) = [task for project in world.studio.projects() for task in world.studio.tasks(project).values()]
    data: Any = task["data"]
    assert isinstance(data["row"]["note"], str | None)
    assert isinstance(data["row"]["opened"], float)
    assert ">days before</span>" in data["row_html"]
    world.answer()
    (learned,) = learn(world.site())
    assert learned.verdict is not None
    assert learned.judgement is not None
    assert learned.verdict.outcome == "promote"
    assert learned.judgement.decay.total.low > 0
