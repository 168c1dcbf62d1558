"""Subgroups of a Parquet file by pysubgroup, run by its own environment: `python subgroups.py FILE TARGET N`.

Prints one JSON object: the seconds of the search, and the N best conjunctions of up to three selectors for rows whose
TARGET is true, each a list of `{"column", "low", "high"}` or `{"column", "value"}` (None: open, or missing).
"""

import json
import math
import sys
import time
from typing import Any

import pandas as pd
import pysubgroup as ps

N_BINS = 16
DEPTH = 3
BEAM_WIDTH = 20


def search(frame: pd.DataFrame, target: str, n_best: int) -> list[list[dict[str, Any]]]:
    """Return the selectors of the best subgroups that a beam search finds, by a quality near a z score."""
    texts = frame.select_dtypes(include="object").columns
    frame = frame.assign(**{name: frame[name].where(frame[name].notna(), float("nan")) for name in texts})
    task = ps.SubgroupDiscoveryTask(
        frame,
        ps.BinaryTarget(target, True),
        ps.create_selectors(frame, nbins=N_BINS, intervals_only=False, ignore=[target]),
        result_set_size=n_best,
        depth=DEPTH,
        qf=ps.StandardQF(0.5),
    )
    found = ps.BeamSearch(beam_width=BEAM_WIDTH).execute(task).to_descriptions()
    return [[plain(selector) for selector in description.selectors] for _, description, *_ in found]


def plain(selector: Any) -> dict[str, Any]:
    """Return one selector as JSON-ready data."""
    if isinstance(selector, ps.IntervalSelector):
        return {
            "column": selector.attribute_name,
            "low": edge(selector.lower_bound),
            "high": edge(selector.upper_bound),
        }
    value = selector.attribute_value
    if isinstance(value, str):
        return {"column": selector.attribute_name, "value": value}
    if pd.isna(value):
        return {"column": selector.attribute_name, "value": None}
    return {"column": selector.attribute_name, "low": float(value), "high": math.nextafter(value, math.inf)}


def edge(value: float) -> float | None:
    """Return a finite edge, or None for an open one."""
    return float(value) if math.isfinite(value) else None


if __name__ == "__main__":
    path, target, n_best = sys.argv[1:]
    rows = pd.read_parquet(path)
    begun = time.perf_counter()
    subgroups = search(rows, target, int(n_best))
    print(json.dumps({"seconds": time.perf_counter() - begun, "subgroups": subgroups}))
