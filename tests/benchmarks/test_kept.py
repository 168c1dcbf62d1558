"""What a fault may leave behind is seen: a snapshot that is not what was written, and files half written."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.kept import on_disk, on_ledger
from benchmarks.victim import Place
from records.generation import FitRecord, Generation
from store.ledger import Ledger, open_ledger
from store.snapshots import write


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Ledger, Generation]:
    frame = pd.DataFrame({"amount": [1.0, 2.0], "fraud": ["no", "yes"]})
    snapshot = write(frame, frame.head(1), tmp_path / ".driftloop" / "snapshots")
    fit = FitRecord("LogisticRegression", "plain", (), (), 0.1, "brier", 0.2)
    generation = Generation("payments", 1, "champion", snapshot, "run", "1", "models:/payments/1", fit, None, None)
    ledger = open_ledger(f"sqlite:///{tmp_path}/.driftloop/ledger.db")
    ledger.generations.save(generation)
    return ledger, generation


def told(ledger: Ledger) -> str:
    (fact,) = (fact for fact in on_ledger(ledger) if fact.startswith("snapshot"))
    return fact


def test_a_snapshot_is_read_anew_and_both_its_parts_are_held_against_the_ledger(kept):
    ledger, generation = kept
    assert told(ledger) == "snapshot of generation 1 is whole, with both its parts"
    shutil.copy(generation.snapshot.train, generation.snapshot.holdout)
    assert told(ledger).startswith("snapshot of generation 1 is broken: ")


def test_a_half_written_file_is_a_fact_and_the_ledger_itself_is_none(kept, tmp_path):
    (tmp_path / ".driftloop" / "snapshots" / ".partial-1").write_text("")
    names = {fact.rpartition("/")[2] for fact in on_disk(Place(tmp_path, "", ""))}
    assert names == {"train.parquet", "holdout.parquet", ".partial-1"}
