"""How well planted slices are found, how often one is found where there is none, and how long it takes."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.outside import INSTALL, PEERS_PYTHON
from benchmarks.planted import SCHEMA, Plan, Planted, Rows, drawn_from, mixed_rows, plant
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.rivals import N_BEST, TREE_DEPTH, Masks, subgroups, tree_leaves
from deploy import flights
from monitors.membership import inside, meet
from monitors.slices import find
from records.schema import Schema

MATCH = 0.5
FIRST_SEED = 2000  # the method was tuned on lower ones
NOTHING = Plan("nothing", 0, 2, 1.0)
TWO, THREE = Plan("two conditions, ratio 3", 1, 2, 3.0), Plan("three conditions, ratio 3", 1, 3, 3.0)
PLANS = (
    TWO,
    THREE,
    Plan("two conditions, ratio 1.5", 1, 2, 1.5),
    Plan("three conditions, ratio 1.5", 1, 3, 1.5),
    Plan("two conditions, ratio 1/3", 1, 2, 1 / 3),
    Plan("two conditions, ratio 3, and a tilt of three columns", 1, 2, 3.0, tilt=0.3),
    Plan("three slices of two conditions at once, ratio 3", 3, 2, 3.0),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: the rows of each sample (0: not at all) and the number of runs of each kind."""

    n_mixed: int
    n_large: int
    n_flights: int
    n_runs: int
    n_null: int
    n_peer_runs: int
    n_subgroups: int
    peers_python: Path = PEERS_PYTHON
    plans: tuple[Plan, ...] = PLANS
    peer_plans: tuple[Plan, ...] = (TWO, THREE)


FULL = Sizes(100_000, n_large=200_000, n_flights=60_000, n_runs=8, n_null=60, n_peer_runs=3, n_subgroups=10_000)
QUICK = Sizes(
    20_000, n_large=0, n_flights=20_000, n_runs=1, n_null=4, n_peer_runs=1, n_subgroups=1_000, peer_plans=(TWO,)
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from: for each seed a function that draws fresh ones; samples have `n_rows` each."""

    name: str
    schema: Schema
    rows: Callable[[int], Rows]
    n_rows: int

    def plant(self, plan: Plan, seed: int) -> Planted:
        """Return two samples with what is planned between them, fresh for each seed."""
        fresh = FIRST_SEED + seed
        return plant(plan, self.rows(fresh), self.schema, self.n_rows, fresh)


@dataclass(frozen=True, slots=True)
class Score:
    """One search: the Jaccard index of each planted slice with the best one found, and how many found ones match."""

    jaccards: tuple[float, ...]
    n_found: int
    n_matched: int
    seconds: float


def measure(sizes: Sizes, steps: Steps) -> Findings:
    """Plant slices and find them, look where there is none, and let other methods look at the same data."""
    mixed, *others = _sources(sizes)
    kinds = [*((mixed, plan) for plan in sizes.plans), *((source, plan) for source in others for plan in (TWO, THREE))]
    with steps.counted("planted slices", len(kinds) * sizes.n_runs) as step:
        planted = {
            (source, plan): [_search(source, plan, seed, step) for seed in range(sizes.n_runs)]
            for source, plan in kinds
        }
    n_null = {mixed: sizes.n_null} | {source: sizes.n_null // 2 for source in others if source.schema != SCHEMA}
    with steps.counted("nothing planted", sum(n_null.values())) as step:
        nothing = {
            source: [_search(source, NOTHING, seed, step) for seed in range(n_runs)]
            for source, n_runs in n_null.items()
        }
    with steps.counted("other methods", len(sizes.peer_plans) * sizes.n_peer_runs) as step:
        beside = {
            plan: [_search_beside(mixed, plan, seed, sizes, step) for seed in range(sizes.n_peer_runs)]
            for plan in sizes.peer_plans
        }
    every = [score for scores in planted.values() for score in scores]
    null = [score for scores in nothing.values() for score in scores]
    return Findings(
        about=(
            "Slices are planted between a snapshot and a batch: inside them the batch's rows are denser, or thinner, by"
            " a ratio. Each holds 2 % to 10 % of the rows; columns, edges and rows are fresh in every run, and edges"
            " lie at arbitrary values. Mixed rows have 30 columns: 18 numeric ones (normal, log-normal, heavy-tailed,"
            " correlated, rounded, with gaps) and 12 categorical ones of 3 to 200 categories. Flights are the real"
            " ones of 2013, split at random."
        ),
        tables=[_planted_table(planted), _null_table(nothing), _peers_table(beside, sizes)],
        figures={
            "median_jaccard": float(np.median([jaccard for score in every for jaccard in score.jaccards])),
            "precision": _precision(every),
            "recall": _recall(every),
            "null_rate": float(np.mean([score.n_found > 0 for score in null])),
            "seconds": float(np.median([score.seconds for plan in sizes.plans for score in planted[mixed, plan]])),
        },
    )


def _sources(sizes: Sizes) -> list[Source]:
    sources = [Source("mixed", SCHEMA, lambda _: mixed_rows, sizes.n_mixed)]
    if sizes.n_large:
        sources.append(replace(sources[0], n_rows=sizes.n_large))
    if sizes.n_flights:
        table = flights.read()
        sources.append(Source("flights", flights.SCHEMA, lambda seed: drawn_from(table, seed), sizes.n_flights))
    return sources


def _search(source: Source, plan: Plan, seed: int, step: Callable[[], None]) -> Score:
    """Plant and find; a slice that grew where one was planted to shrink (or the reverse) matches nothing."""
    data = source.plant(plan, seed)
    begun = time.perf_counter()
    slices = find(data.before, data.now, source.schema, seed=seed)
    seconds = time.perf_counter() - begun
    step()
    dense = data.now if plan.ratio > 1 else data.before
    found = [inside(slice_, dense) for slice_ in slices if (slice_.contribution > 0) == (plan.ratio > 1)]
    return _scored(found, data, dense, len(slices), seconds)


def _search_beside(
    source: Source, plan: Plan, seed: int, sizes: Sizes, step: Callable[[], None]
) -> dict[str, Score | None]:
    """Let every method look at the same data; None for one that is not installed."""
    data = source.plant(plan, seed)
    tree = tree_leaves(data.before, data.now, source.schema)
    groups = subgroups(
        data.before, data.now, source.schema, n_rows=sizes.n_subgroups, python=sizes.peers_python, seed=seed
    )
    ours = _search(source, plan, seed, step)
    told = {"leaves of a domain tree": tree, "pysubgroup": groups}
    scored = {
        name: _scored(found[0], data, data.now, len(found[0]), found[1]) if found else None
        for name, found in told.items()
    }
    return {"Driftloop": ours, **scored}


def _scored(found: Masks, data: Planted, dense: pd.DataFrame, n_found: int, seconds: float) -> Score:
    truths = [meet(conditions, dense) for conditions in data.slices]
    index = np.array([[(rows & truth).sum() / (rows | truth).sum() for rows in found] for truth in truths])
    index = index.reshape(len(truths), len(found))
    n_matched = int((index.max(axis=0, initial=0.0) >= MATCH).sum())
    return Score(tuple(index.max(axis=1, initial=0.0).tolist()), n_found, n_matched, seconds)


def _precision(scores: Sequence[Score]) -> float:
    n_found = sum(score.n_found for score in scores)
    return sum(score.n_matched for score in scores) / n_found if n_found else math.nan


def _recall(scores: Sequence[Score]) -> float:
    return float(np.mean([jaccard >= MATCH for score in scores for jaccard in score.jaccards]))


def _planted_table(planted: Mapping[tuple[Source, Plan], Sequence[Score]]) -> Table:
    rows = []
    for (source, plan), scores in planted.items():
        jaccards = [jaccard for score in scores for jaccard in score.jaccards]
        rows.append(
            (
                f"{source.name}, {source.n_rows:,} + {source.n_rows:,} rows",
                plan.name,
                len(scores),
                float(np.median(jaccards)),
                min(jaccards),
                _precision(scores),
                _recall(scores),
                float(np.median([score.seconds for score in scores])),
            )
        )
    header = ("rows", "planted", "runs", "Jaccard, median", "smallest", "precision", "recall", "seconds")
    note = (
        "The Jaccard index compares the rows inside a planted slice with those of the best slice found (0 if none)."
        f" They match from {MATCH} on: recall is the share of planted slices that one matches, precision the share of"
        " found slices that match one. Slices that describe the tilt are real, but count against precision."
    )
    return Table("Slices that are there", header, rows, note)


def _null_table(nothing: Mapping[Source, Sequence[Score]]) -> Table:
    rows = [
        (
            f"{source.name}, {source.n_rows:,} + {source.n_rows:,} rows",
            len(scores),
            sum(score.n_found > 0 for score in scores),
            sum(score.n_found for score in scores),
            float(np.median([score.seconds for score in scores])),
        )
        for source, scores in nothing.items()
    ]
    return Table("Slices that are not there", ("rows", "runs", "runs with a slice", "false slices", "seconds"), rows)


def _peers_table(beside: Mapping[Plan, Sequence[Mapping[str, Score | None]]], sizes: Sizes) -> Table:
    rows: list[tuple[object, ...]] = []
    for plan, runs in beside.items():
        for name in runs[0] if runs else ():
            scores = [score for found in runs if (score := found[name]) is not None]
            if scores:
                jaccards = [jaccard for score in scores for jaccard in score.jaccards]
                seconds = float(np.median([score.seconds for score in scores]))
                rows.append((plan.name, name, len(scores), float(np.median(jaccards)), min(jaccards), seconds))
            else:
                rows.append((plan.name, name, "not installed", "", "", ""))
    header = ("planted", "method", "runs", "Jaccard, median", "smallest", "seconds")
    note = (
        f"The best of the {N_BEST} best of each method. The tree tells batch from snapshot, to depth {TREE_DEPTH}, with"
        " categories in the order of their share. pysubgroup searches by beam to depth 3, on"
        f" {sizes.n_subgroups:,} rows of each sample: on all of them one search takes minutes. {INSTALL}"
    )
    return Table("Beside other methods, on the same mixed rows", header, rows, note)


if __name__ == "__main__":
    run("slices", lambda quick, steps: measure(QUICK if quick else FULL, steps), about=__doc__ or "")
