import numpy as np

from benchmarks.alarms import Setting, outcomes
from benchmarks.power import EFFECTS
from benchmarks.rows import Maker


def test_batches_are_judged_against_their_own_snapshot_and_evidently_flags_small_ones() -> None:
    found = list(outcomes(Setting("normal", 50, 2, 2, 3).pairs(seed=0)))
    assert len(found) == 6
    assert all(0 < one.p_value <= 1 and 0 <= one.evidently_share <= 1 for one in found)
    assert np.mean([one.evidently_share for one in found]) > 0.5


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
