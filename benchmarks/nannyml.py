"""What NannyML's defaults call drifted, in an environment of its own."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from benchmarks.outside import PEERS_PYTHON, installed, told
from benchmarks.rows import Undrifted

TIME = "time of the row"


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of columns flagged in each batch: by `default`, in ten chunks a batch, and with `daily` chunks."""

    default: tuple[float, ...]
    daily: tuple[float, ...]


def flagged(sources: Sequence[tuple[Iterable[Undrifted], int]], *, python: Path = PEERS_PYTHON) -> list[Shares] | None:
    """Judge the first so many batches of each source, all in one call; None if NannyML is not installed."""
    if not installed("nannyml", python):
        return None
    source_of: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for source, (drawn, most) in enumerate(sources):
            for one in drawn:
                batches = list(islice(one.batches, most))
                if not batches:
                    break
                most -= len(batches)
                _write(one, batches, Path(folder) / str(len(source_of)))
                source_of.append(source)
        answers = told("univariate.py", folder, python=python)
    own = [[answer for of, answer in zip(source_of, answers, strict=True) if of == s] for s in range(len(sources))]
    return [Shares(*(tuple(chain(*(answer[how] for answer in some))) for how in ("default", "daily"))) for some in own]


def _write(one: Undrifted, batches: list[DataFrame], stem: Path) -> None:
    """Write the features and the times, which get one name and lose their zone: NannyML would warn at every chunk."""
    names = {one.schema.time: TIME} | {name: name for name in one.schema.features}
    numbered = [batch.assign(batch=place) for place, batch in enumerate(batches)]
    for part, rows in (("reference", one.reference), ("batches", pd.concat(numbered))):
        kept = rows.rename(columns=names)[[*names.values(), *rows.columns.intersection(["batch"])]]
        kept = kept.assign(**{TIME: kept[TIME].dt.tz_localize(None)}).sort_values(TIME)
        kept.to_parquet(f"{stem}.{part}.parquet")
