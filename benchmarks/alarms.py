"""False alarms where nothing changed: ours, and those of Evidently's and NannyML's defaults on the same rows."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import years
from benchmarks.batches import PROMISED, SAMPLE_ROWS, Outcome, interval, outcomes, worst_by_chance
from benchmarks.nannyml import Shares, flagged
from benchmarks.outside import INSTALL, PEERS_PYTHON
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.sources import Source, sources_of

ABOUT = "False alarms where nothing changed, by batch size and number of columns, and per year."


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
