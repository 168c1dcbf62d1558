import json
from pathlib import Path

from rich.progress import Progress

from benchmarks.planted import SCHEMA, Plan, mixed_rows, plant
from benchmarks.report import Steps
from benchmarks.rivals import tree_leaves
from benchmarks.slices import TWO, Sizes, measure
from monitors.membership import meet

TINY = Sizes(
    4_000,
    n_large=0,
    n_flights=0,
    n_runs=1,
    n_null=1,
    n_peer_runs=1,
    n_subgroups=0,
    peers_python=Path("not installed"),
    plans=(TWO, Plan("two slices at once", 2, 2, 3.0)),
    peer_plans=(TWO,),
)


def test_the_benchmark_tells_its_five_figures_and_a_row_for_each_plan() -> None:
    findings = measure(TINY, Steps(Progress(disable=True)))
    figures = json.loads(json.dumps(findings.figures))
    assert list(figures) == ["median_jaccard", "precision", "recall", "null_rate", "seconds"]
    assert all(0 <= figures[name] <= 1 for name in ("precision", "recall", "null_rate"))
    assert 0.5 < figures["median_jaccard"] <= 1
    assert figures["seconds"] > 0
    planted, nothing, beside = findings.tables
    assert [row[1] for row in planted.rows] == [plan.name for plan in TINY.plans]
    assert [row[1] for row in nothing.rows] == [1]
    assert [row[1:3] for row in beside.rows if row[1] == "pysubgroup"] == [("pysubgroup", "not installed")]


def test_what_is_planted_is_as_dense_as_planned() -> None:
    for ratio in (3.0, 1 / 3):
        data = plant(Plan("", 1, 2, ratio), mixed_rows, SCHEMA, 20_000, seed=1)
        before, now = (meet(data.slices[0], frame).mean() for frame in (data.before, data.now))
        assert 0.02 <= before <= 0.1
        assert 0.85 < now / (1 - now) * (1 - before) / before / ratio < 1.15


def test_the_tree_finds_a_plain_slice_too() -> None:
    data = plant(Plan("", 1, 1, 3.0), mixed_rows, SCHEMA, 4_000, seed=2)
    truth = meet(data.slices[0], data.now)
    leaves, seconds = tree_leaves(data.before, data.now, SCHEMA)
    assert seconds > 0
    assert 0 < len(leaves) <= 3
    assert max((rows & truth).sum() / (rows | truth).sum() for rows in leaves) > 0.3
