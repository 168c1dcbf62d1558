"""The settings that false alarms are measured in: generated rows of every size, and random days of real flights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.batches import SAMPLE_ROWS, Setting
from benchmarks.rows import EQUAL, Undrifted, random_days

SETTING_SECONDS = 5.0  # what the p-values of one setting may take, about
_MOST_NANNYML_ROWS, _MOST_NANNYML_COLUMNS = 500, 30


@dataclass(frozen=True, slots=True)
class Source:
    """Where undrifted rows come from: `drawn()` always yields the same ones.

    Evidently scores the first `n_compared` batches, of which `n_judged` are judged by column; NannyML the first
    `n_nannyml`.
    """

    name: str
    n_rows: int | str
    n_columns: int
    drawn: Callable[[], Iterator[Undrifted]]
    n_compared: int
    n_judged: int
    n_nannyml: int

    @property
    def label(self) -> str:
        """The source in words."""
        return f"{self.name}, {self.n_rows} rows, {self.n_columns} columns"


def sources_of(quick: bool) -> list[Source]:
    """Return every setting of the tables."""
    return [*_generated(quick), *_flights(quick)]


def _generated(quick: bool) -> list[Source]:
    if quick:
        some = [Setting("mixed", n_rows, n_columns, 2, 10) for n_rows, n_columns in ((50, 2), (50, 12), (500, 6))]
        return [_source(one, n_compared=6, n_judged=3, n_nannyml=6 * (one.n_columns == 2)) for one in some]
    found = []
    for kind in ("normal", "heavy-tailed", "Zipf categories", "mixed"):
        for n_rows in (50, 100, 200, 500, 2_000, 20_000, 1_000_000):
            for n_columns in (2, 30, 200):
                large = min(n_rows, SAMPLE_ROWS) * n_columns > 2_000_000
                if (large or n_columns == 30) if kind == "mixed" else not large:  # the largest are measured once
                    found.append(_sized(kind, n_rows, n_columns))
    found += [_sized(EQUAL, n_rows, n_columns) for n_rows in (50, 500, 20_000) for n_columns in (2, 30)]
    return found


def _sized(kind: str, n_rows: int, n_columns: int) -> Source:
    """Return a setting with as many snapshots as fit into its time, by a model of what one and a batch cost."""
    n_sampled = min(n_rows, SAMPLE_ROWS)
    n_days = Setting(kind, n_rows, n_columns, 1, 1).n_days
    n_batches = 5 if n_columns == 2 else 10
    n_cells, n_pairs = n_sampled * n_columns, min(n_columns * (n_columns - 1) // 2, 600)
    batch_seconds = 0.003 + 2.5e-4 * n_pairs + 2e-7 * n_cells
    seconds = 0.005 + 4e-7 * n_cells * n_days + n_batches * batch_seconds
    n_snapshots = int(np.clip(SETTING_SECONDS / seconds, 2, 60))
    n_judged = n_batches
    if n_columns == 200:  # the scores of as many columns take 20 s a snapshot
        n_judged = 4 if (kind, n_rows) == ("normal", 200) else 0
    small = n_rows <= _MOST_NANNYML_ROWS and n_columns <= _MOST_NANNYML_COLUMNS
    return _source(
        Setting(kind, n_rows, n_columns, n_snapshots, n_batches),
        n_compared={2: 40, 30: 20}.get(n_columns, 4),
        n_judged=n_judged,
        n_nannyml=n_batches * (4 if n_columns == 2 else 1) if small else 0,
    )


def _source(setting: Setting, *, n_compared: int, n_judged: int, n_nannyml: int) -> Source:
    drawn = partial(setting.drawn, 1)
    return Source(setting.kind, setting.n_rows, setting.n_columns, drawn, n_compared, n_judged, n_nannyml)


def _flights(quick: bool) -> list[Source]:
    from deploy import flights

    frame = flights.read().drop(columns=flights.SCHEMA.target)
    sizes = {50: (2, 5)} if quick else dict.fromkeys((50, 200, 500, None), (12, 25))
    return [
        Source(
            "real flights, random days",
            n_rows or "all",
            len(flights.SCHEMA.features),
            partial(random_days, frame, flights.SCHEMA, n_rows=n_rows, n_snapshots=n, n_batches=n_batches, seed=1),
            n_compared=4 if quick else 25,
            n_judged=0 if quick else 25,
            n_nannyml=0 if quick or n_rows is None else 25,
        )
        for n_rows, (n, n_batches) in sizes.items()
    ]
