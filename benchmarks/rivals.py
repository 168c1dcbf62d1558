"""What else finds slices: the leaves of a domain decision tree, and pysubgroup in an environment of its own."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from benchmarks.outside import installed, told
from monitors.membership import meet
from monitors.scan import Totals, log_likelihood_ratio
from records.schema import Schema
from records.slice import Between, Condition, OneOf

N_BEST = 3
TREE_DEPTH = 6
TREE_SMALLEST_LEAF = 0.005

Masks = list[NDArray[np.bool_]]


def tree_leaves(before: pd.DataFrame, now: pd.DataFrame, schema: Schema) -> tuple[Masks, float]:
    """Return which rows of `now` the three most telling leaves hold, by the scan statistic, and the seconds it took.

    The tree tells `now` from `before`; a category is coded by its share of `now`, which is the best order for a tree.
    """
    begun = time.perf_counter()
    both = pd.concat([before, now], ignore_index=True)
    is_now = np.arange(len(both)) >= len(before)
    coded = both[list(schema.numeric)].copy()
    for name in schema.categorical:
        kinds = both[name].fillna("missing")
        coded[name] = kinds.map(pd.Series(is_now).groupby(kinds).mean())
    tree = DecisionTreeClassifier(
        criterion="entropy", max_depth=TREE_DEPTH, min_samples_leaf=TREE_SMALLEST_LEAF, random_state=0
    )
    leaves = tree.fit(coded, is_now).apply(coded)
    counts = [np.bincount(leaves[rows], minlength=leaves.max() + 1).astype(float) for rows in (~is_now, is_now)]
    llr = log_likelihood_ratio(counts[0], counts[1], Totals(float(len(before)), float(len(now))))
    best = [leaf for leaf in np.argsort(-llr)[:N_BEST] if np.isfinite(llr[leaf])]
    return [leaves[is_now] == leaf for leaf in best], time.perf_counter() - begun


def subgroups(
    before: pd.DataFrame, now: pd.DataFrame, schema: Schema, *, n_rows: int, python: Path, seed: int
) -> tuple[Masks, float] | None:
    """Return which rows of `now` pysubgroup's three best subgroups hold, and its seconds; None if it is not installed.

    It gets at most `n_rows` of each frame.
    """
    if not installed("pysubgroup", python):
        return None
    sampled = [
        frame[list(schema.features)].sample(min(n_rows, len(frame)), random_state=seed).assign(now=is_now)
        for frame, is_now in ((before, False), (now, True))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pd.concat(sampled, ignore_index=True).to_parquet(path)
        answer = told("subgroups.py", str(path), "now", str(N_BEST), python=python)
    found = [[_condition(selector, schema) for selector in selectors] for selectors in answer["subgroups"]]
    return [meet(conditions, now) for conditions in found], float(answer["seconds"])


def _condition(selector: Mapping[str, Any], schema: Schema) -> Condition:
    name, value = selector["column"], selector.get("value")
    if "value" not in selector:
        return Between(name, selector["low"], selector["high"])
    if value is None:
        return Between(name, missing=True) if name in schema.numeric else OneOf(name, (), missing=True)
    return OneOf(name, (value,))
