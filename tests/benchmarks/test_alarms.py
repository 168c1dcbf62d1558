import json
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from benchmarks import alarms, years
from benchmarks.batches import Setting, outcomes
from benchmarks.nannyml import flagged
from benchmarks.outside import installed
from benchmarks.power import EFFECTS
from benchmarks.report import Steps
from benchmarks.rows import Maker, random_days
from benchmarks.sources import Source
from benchmarks.years import n_alarms, per_year

TINY = Setting("mixed", 50, 2, 2, 3)


def test_batches_are_judged_against_their_own_snapshot_and_evidently_flags_small_ones() -> None:
    found = list(outcomes(Setting("normal", 50, 2, 2, 3).drawn(seed=0), n_compared=4, n_judged=1))
    assert len(found) == 6
    assert all(0 < one.p_value <= 1 for one in found)
    assert [np.isnan(one.column_drifted) for one in found] == [False] + [True] * 5
    assert [np.isnan(one.evidently_share) for one in found] == [False] * 4 + [True] * 2
    assert np.mean([one.evidently_share for one in found[:4]]) > 0.5


def test_who_looks_at_fewer_batches_sees_the_same_ones() -> None:
    every = [batch for one in TINY.drawn(seed=0) for batch in one.batches]
    first = [next(one.batches) for one in TINY.drawn(seed=0)]
    assert first[0].equals(every[0])
    assert first[1].equals(every[3])
    assert not first[0].equals(every[1])


def test_random_days_stay_whole_and_are_the_snapshot_s_or_a_batch_s() -> None:
    maker = Maker("mixed", 6)
    frame = maker.rows(250 * 20, 250, np.random.default_rng(0))
    (drawn,) = random_days(frame, maker.schema, n_rows=15, n_snapshots=1, n_batches=5, seed=0)
    batches = list(drawn.batches)
    days = frame.set_index("id")["at"].dt.floor("D")
    assert len(drawn.reference) == 240 * 15
    assert [len(batch) for batch in batches] == [15] * 5
    assert [days[batch["id"]].nunique() for batch in batches] == [1] * 5
    assert len({days[part["id"].iloc[0]] for part in batches} | {*days[drawn.reference["id"]]}) == 245
    assert (
        drawn.reference.groupby(drawn.reference["at"].dt.floor("D"))["id"]
        .agg(lambda ids: days[ids].nunique())
        .eq(1)
        .all()
    )
    moved, before = drawn.reference["at"], frame.set_index("id")["at"][drawn.reference["id"]]
    assert (moved.dt.time.to_numpy() == before.dt.time.to_numpy()).all()
    with pytest.raises(ValueError, match="are no snapshot of 240 and 11 batches"):
        next(random_days(frame, maker.schema, n_rows=15, n_snapshots=1, n_batches=11, seed=0))


def test_a_year_s_alarms_follow_from_its_p_values() -> None:
    # The smallest rank of 120 chunks bets 5.009: evidence 5.009, 30.1, 155.8; then anew, from nothing.
    rates = {"windows_per_year": 52.0, "false_alarms_per_year": 1.0}
    assert n_alarms([1 / 121] * 2, **rates) == 0
    assert n_alarms([1 / 121] * 3, **rates) == 1
    assert n_alarms([1 / 121] * 5, **rates) == 1
    assert n_alarms([1 / 121] * 6, **rates) == 2
    assert n_alarms([1.0] * 365, **rates) == 0  # each bets 0.6: evidence stays below 2
    assert n_alarms([1 / 121] * 6, windows_per_year=52, false_alarms_per_year=12) == 6
    assert per_year([0] * 100) == pytest.approx((0.0, 0.0, -np.log(0.025) / 100))


@pytest.mark.skipif(not installed("nannyml"), reason="the peers' environment is not installed")
def test_nannyml_flags_small_batches_by_default() -> None:
    found = (flagged([(TINY.drawn(seed=0), 3)]) or [])[0]
    assert len(found.default) == len(found.daily) == 3
    assert min(found.default) > 0.5
    assert max(found.daily) <= 0.5


def test_the_benchmark_runs_without_nannyml_and_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("mixed", 50, 2, lambda: TINY.drawn(seed=0), 2, 1, 2)
    monkeypatch.setattr(alarms, "sources_of", lambda _: [source])
    monkeypatch.setattr(years, "kinds", lambda _: (years.Kind("weekly", 3, 7, 56, 0.1, 2),))
    findings = alarms.measure(True, Steps(Progress(disable=True)), python=Path("not installed"))
    figures = json.loads(json.dumps(findings.figures))
    assert {"worst_false_alarm_rate", "promised", "peer_rates", "false_alarms_per_year"} <= {*figures}
    assert figures["promised"] == 0.05
    assert figures["peer_rates"].keys() == {"evidently, mixed, 50 rows, 2 columns"}
    assert figures["false_alarms_per_year"].keys() == {"weekly"}
    ours, peers, yearly = findings.tables
    assert [row[:4] for row in ours.rows] == [("mixed", 50, 2, 6)]
    assert "uv sync --locked --project benchmarks/peers" in peers.note
    assert len(yearly.rows) == 3


def test_every_effect_changes_the_columns_it_names_and_nothing_changes_none() -> None:
    maker, generator = Maker("mixed", 30), np.random.default_rng(0)
    batch = maker.rows(1_000, 1, generator)
    changed = {
        name: {column for column in batch if not batch[column].equals(effect(batch, generator)[column])}
        for name, effect in EFFECTS.items()
    }
    assert changed["nothing (false alarms)"] == set()
    assert changed["mean of one column +.2 sd"] == changed["missing +4 %"] == {"x0"}
    assert changed["category swapped"] == {"c0"}
    assert changed["correlation flipped in 30 %"] == {"x1"}
    assert changed["slice +5 %"] == {"x0", "c0"}
    assert len(changed["mean of all columns +.1 sd"]) == 15
