"""Power at known effects: ours, and two peers with thresholds tuned to the same rate of false alarms."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
from pandas import DataFrame
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from benchmarks.report import Findings, Steps, Table, run
from benchmarks.rows import Maker
from monitors.baseline import Baseline, prepare
from monitors.evidently_report import column_scores
from monitors.likeness import encode
from monitors.ranking import rank
from records.schema import Schema

ABOUT = "Power at fixed effects, at equal rates of false alarms."
LEVEL = 0.05
N_ROWS, N_COLUMNS, N_DAYS, DAY_SD = 1_000, 30, 120, 0.05

Effect = Callable[[DataFrame, np.random.Generator], DataFrame]


def _changed(frame: DataFrame, **columns: Any) -> DataFrame:
    return frame.assign(**columns)


def shifted(by: float) -> Effect:
    """One column's mean moves by so many standard deviations."""
    return lambda frame, _: _changed(frame, x0=frame["x0"] + by)


def all_shifted(by: float) -> Effect:
    """Every normal column's mean moves a little."""
    return lambda frame, _: _changed(frame, **{name: frame[name] + by for name in _normal(frame)})


def widened(frame: DataFrame, _: np.random.Generator) -> DataFrame:
    """One column's standard deviation grows by 30 %."""
    return _changed(frame, x0=frame["x0"] * 1.3)


def with_tail(frame: DataFrame, generator: np.random.Generator) -> DataFrame:
    """5 % of one column's values are three standard deviations higher."""
    return _changed(frame, x0=frame["x0"] + 3 * (generator.random(len(frame)) < 0.05))


def swapped(frame: DataFrame, generator: np.random.Generator) -> DataFrame:
    """Two in five rows of one column's commonest value have its tenth commonest instead."""
    hit = (frame["c0"] == "v00") & (generator.random(len(frame)) < 0.4)
    return _changed(frame, c0=frame["c0"].mask(hit, "v09"))


def missing(frame: DataFrame, generator: np.random.Generator) -> DataFrame:
    """One column misses 4 % of its values more."""
    return _changed(frame, x0=frame["x0"].mask(generator.random(len(frame)) < 0.04))


def flipped(frame: DataFrame, generator: np.random.Generator) -> DataFrame:
    """In 30 % of rows x1 goes against x0 instead of with it; no single column changes."""
    hit = generator.random(len(frame)) < 0.3
    return _changed(frame, x1=np.where(hit, -frame["x1"], frame["x1"]))


def three_way(frame: DataFrame, generator: np.random.Generator) -> DataFrame:
    """In 40 % of rows x5 is on the side that x6 and x7 together say; no pair of columns changes."""
    sides = np.sign(frame["x5"].fillna(0) * frame["x6"].fillna(0) * frame["x7"].fillna(0))
    hit = (generator.random(len(frame)) < 0.4) & (sides < 0)
    return _changed(frame, x5=np.where(hit, -frame["x5"], frame["x5"]))


def sliced(share: float) -> Effect:
    """So large a share of rows is copied from one slice of two conditions: `x0 >= 0.5` and `c0 = v01`."""

    def plant(frame: DataFrame, generator: np.random.Generator) -> DataFrame:
        rows = generator.permutation(len(frame))[: round(share * len(frame))]
        x0, c0 = frame["x0"].to_numpy(copy=True), frame["c0"].to_numpy(dtype=object, copy=True)
        x0[rows], c0[rows] = 0.5 + np.abs(generator.normal(size=len(rows))), "v01"
        return _changed(frame, x0=x0, c0=c0)

    return plant


EFFECTS: dict[str, Effect] = {
    "nothing (false alarms)": lambda frame, _: frame,
    "mean of one column +.2 sd": shifted(0.2),
    "mean of one column +.3 sd": shifted(0.3),
    "mean of one column +.4 sd": shifted(0.4),
    "mean of all columns +.1 sd": all_shifted(0.1),
    "sd of one column ×1.3": widened,
    "tail: 5 % of values +3 sd": with_tail,
    "category swapped": swapped,
    "missing +4 %": missing,
    "correlation flipped in 30 %": flipped,
    "three columns together in 40 %": three_way,
    "slice +3 %": sliced(0.03),
    "slice +5 %": sliced(0.05),
}


def measure(quick: bool, steps: Steps) -> Findings:
    """Measure the share of batches that each test flags, per effect."""
    effects = dict(list(EFFECTS.items())[:: 3 if quick else 1])
    n_snapshots, n_batches = (1, 8) if quick else (4, 25)
    n_days = 60 if quick else N_DAYS
    maker = Maker("mixed", N_COLUMNS, DAY_SD)
    ours: dict[str, list[float]] = {name: [] for name in effects}
    evidently: dict[str, list[float]] = {name: [] for name in effects}
    domain: dict[str, list[float]] = {name: [] for name in effects}
    with steps.counted("batches", n_snapshots * n_batches * len(effects)) as count:
        for snapshot in range(n_snapshots):
            generator = np.random.default_rng([7, snapshot])
            reference = _together(maker.rows(N_ROWS * n_days, n_days, generator))
            baseline = prepare(reference, maker.schema, N_ROWS, length=timedelta(days=1))
            for _ in range(n_batches):
                for name, change in effects.items():
                    batch = change(_together(maker.rows(N_ROWS, 1, generator)), generator)
                    ours[name].append(rank(baseline.null, batch, time="at").p_value)
                    evidently[name].append(_largest_score(baseline, batch))
                    domain[name].append(_auc(reference, batch, maker.schema, generator))
                    count()
    nothing = next(iter(effects))
    limits = [float(np.quantile(peer[nothing], 1 - LEVEL)) for peer in (evidently, domain)]
    powers = {
        name: (
            float(np.mean(np.array(ours[name]) <= LEVEL)),
            float(np.mean(np.array(evidently[name]) > limits[0])),
            float(np.mean(np.array(domain[name]) > limits[1])),
        )
        for name in effects
    }
    behind = [name for name, (mine, *peers) in powers.items() if name != nothing and mine < max(peers) - 0.05]
    note = (
        f"{n_snapshots * n_batches} batches per effect. Our limit is p ≤ .05 as it comes; the peers' limits are the"
        " 95 % quantiles of the batches in which nothing changed, which nobody knows in practice."
        + (f" Behind the better peer by more than .05: {', '.join(behind)}." if behind else "")
    )
    header = ("effect", "ours", "Evidently's largest score", "domain classifier")
    return Findings(
        f"One batch of {N_ROWS:,} rows × {N_COLUMNS} mixed columns against {n_days} days of as many, with a harmless"
        f" effect of each day (sd {DAY_SD:g}); one known change at a time.",
        [Table("Share of batches flagged", header, [(name, *found) for name, found in powers.items()], note)],
        {
            "power": {name: found[0] for name, found in powers.items()},
            "peer_power": {
                "evidently": {name: found[1] for name, found in powers.items()},
                "domain classifier": {name: found[2] for name, found in powers.items()},
            },
            "behind": behind,
        },
    )


def _normal(frame: DataFrame) -> list[str]:
    return [name for name in map(str, frame.columns) if name.startswith("x") and int(name[1:]) % 5 < 3]


def _together(frame: DataFrame) -> DataFrame:
    """Let x1 go with x0 (correlation .9)."""
    return _changed(frame, x1=0.9 * frame["x0"] + (1 - 0.81) ** 0.5 * frame["x1"])


def _largest_score(baseline: Baseline, batch: DataFrame) -> float:
    return max(score.score for score in column_scores(baseline.sample, batch, baseline.schema))


def _auc(reference: DataFrame, batch: DataFrame, schema: Schema, generator: np.random.Generator) -> float:
    """How well a classifier tells a batch from as many rows of the snapshot, out of fold."""
    rows = reference.iloc[np.sort(generator.choice(len(reference), 2 * len(batch), replace=False))]
    X = np.concatenate([encode(reference, rows, schema), encode(reference, batch, schema)])
    y = np.arange(len(X)) >= len(rows)
    trees = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, early_stopping=False, random_state=0)
    with threadpool_limits(1):
        return float(roc_auc_score(y, cross_val_predict(trees, X, y, cv=3, method="decision_function")))


if __name__ == "__main__":
    run("power", measure, about=ABOUT)
