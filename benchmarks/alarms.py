"""False alarms where nothing changed: ours, and those of Evidently's and NannyML's defaults on the same rows."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import years
from benchmarks.batches import PROMISED, SAMPLE_ROWS, Outcome, Setting, interval, outcomes, worst_by_chance
from benchmarks.nannyml import Shares, flagged
from benchmarks.outside import INSTALL, PEERS_PYTHON
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.rows import Undrifted, random_days

ABOUT = "False alarms where nothing changed, by batch size and number of columns, and per year."
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


def measure(quick: bool, steps: Steps, *, python: Path = PEERS_PYTHON) -> Findings:
    """Measure every setting, random days of real flights, and years."""
    sources = sources_of(quick)
    small = [source for source in sources if source.n_nannyml]
    found: list[list[Outcome]] = []
    with ThreadPoolExecutor(1) as beside:  # NannyML is another process, whose import alone takes 8 s
        nannyml = beside.submit(flagged, [(one.drawn(), one.n_nannyml) for one in small], python=python)
        with steps.counted("settings", len(sources)) as count:
            for source in sources:
                found.append(list(outcomes(source.drawn(), n_compared=source.n_compared, n_judged=source.n_judged)))
                count()
        yearly, alarms_per_year = years.measure(quick, steps)
        with steps.counted("NannyML", 1):
            told = nannyml.result()
    by_source = dict(zip([source.label for source in small], told or (), strict=False))
    ours, figures = _ours(sources, found)
    peers, peer_rates = _peers(sources, found, by_source)
    return Findings(
        "Snapshot and batch are drawn alike, so every alarm is false. We promise that at most 5 % of such batches have"
        " a p-value of .05, that at most 5 % have any column called drifted, and as many alarms a year as the user"
        " allows. Real days are the flights of 2013, their days in random order: 240 are the snapshot, others batches.",
        [ours, peers, yearly],
        {**figures, "promised": PROMISED, "false_alarms_per_year": alarms_per_year, "peer_rates": peer_rates},
    )


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


def _ours(sources: Sequence[Source], found: Sequence[Sequence[Outcome]]) -> tuple[Table, dict[str, object]]:
    rows, rates, lows = [], [], []
    for source, batches in zip(sources, found, strict=True):
        n_hits = sum(one.p_value <= PROMISED for one in batches)
        low, high = interval(n_hits, len(batches))
        judged = [one.column_drifted for one in batches if not math.isnan(one.column_drifted)]
        shown = f"{low:.3f} to {high:.3f}"
        rates.append(n_hits / len(batches))
        lows.append(low)
        rows.append((source.name, source.n_rows, source.n_columns, len(batches), rates[-1], shown,
                     len(judged), float(np.mean(judged)) if judged else math.nan))  # fmt: skip
    n_batches = [len(batches) for batches in found]
    worst, above = int(np.argmax(rates)), sum(low > PROMISED for low in lows)
    every = [one for batches in found for one in batches]
    n_hits = sum(one.p_value <= PROMISED for one in every)
    low, high = interval(n_hits, len(every))
    judged = [one.column_drifted for one in every if not math.isnan(one.column_drifted)]
    chance = worst_by_chance(n_batches)
    note = (
        f"{above} of {len(rows)} intervals lie above the promised {PROMISED:g}; were all true rates exactly that, about"
        f" {0.025 * len(rows):.1f} would. The worst setting has {rates[worst]:.3f}; by chance alone it would be"
        f" {chance:.3f} or less in 95 of 100 runs. Over all {len(every):,} batches the rate is"
        f" {n_hits / len(every):.4f} ({low:.4f} to {high:.4f}); of {len(judged):,} batches judged by column"
        f" {float(np.mean(judged)) if judged else math.nan:.3f} had one called drifted. A window of 1 000 000 rows is"
        f" judged by its sample of {SAMPLE_ROWS:,} rows. Five to 25 batches share a snapshot and its luck,"
        " which makes intervals too narrow by a few per cent, and more where a snapshot has few days."
    )
    header = ("rows like", "batch rows", "columns", "batches", "p ≤ .05", "95 % interval", "judged by column",
              "a column drifted")  # fmt: skip
    return Table("Share of undrifted batches that we flag", header, rows, note), {
        "worst_false_alarm_rate": rates[worst],
        "worst_interval": rows[worst][5],
        "worst_setting": sources[worst].label,
        "worst_by_chance": chance,
        "intervals_above_promised": above,
        "n_settings": len(rows),
        "mean_false_alarm_rate": n_hits / len(every),
        "mean_interval": f"{low:.4f} to {high:.4f}",
    }


def _peers(
    sources: Sequence[Source], found: Sequence[Sequence[Outcome]], nannyml: dict[str, Shares]
) -> tuple[Table, dict[str, float]]:
    rows = []
    rates: dict[str, dict[str, float]] = {"evidently": {}, "nannyml": {}, "nannyml, daily chunks": {}}
    for source, batches in zip(sources, found, strict=True):
        own = nannyml.get(source.label)
        shares = (
            [one.evidently_share for one in batches if not math.isnan(one.evidently_share)],
            own.default if own else (),
            own.daily if own else (),
        )
        cells = [cell for some in shares for cell in _any_and_share(some)]
        rows.append((source.name, source.n_rows, source.n_columns, len(shares[0]), len(shares[1]), *cells))
        for name, some in zip(rates, shares, strict=True):
            if some:
                rates[name][source.label] = _any_and_share(some)[0]
    header = ("rows like", "batch rows", "columns", "batches", "of them NannyML",
              "Evidently: any column", "share of columns", "NannyML: any column", "share of columns",
              "NannyML, daily chunks: any column", "share of columns")  # fmt: skip
    note = (
        "The first batches of the table above. Evidently: distance 0.1, p-value .05. NannyML: Jensen-Shannon distance"
        " beyond three standard deviations of the snapshot's chunks, in any chunk; by default it cuts a batch into ten"
        " chunks, and the snapshot too, so that the chunks it compares have other sizes. It is run where batches are"
        " small." + ("" if nannyml else f" NannyML is not installed. {INSTALL}")
    )
    return Table("Share of the same batches that peers' defaults flag", header, rows, note), {
        f"{name}, {label}": rate for name, by_label in rates.items() for label, rate in by_label.items()
    }


def _any_and_share(shares: Sequence[float]) -> tuple[float, float]:
    if not shares:
        return math.nan, math.nan
    return float(np.mean([share > 0 for share in shares])), float(np.mean(shares))


if __name__ == "__main__":
    run("alarms", measure, about=ABOUT)
