"""How fast a check is beside Evidently's preset on all rows, and how long a calibration and a year of checks take."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame

from benchmarks.report import Steps, Table
from benchmarks.rows import DAY, START, Maker
from monitors.baseline import Baseline, prepare
from monitors.drift import measure
from monitors.parts import bounded
from monitors.slices import find
from records.schema import Schema
from records.window import Window

SAMPLE_ROWS = 50_000  # what `watch` looks at of a larger window
N_DAYS = 60
PLANTED = ("x0", "x7", "c1")


@dataclass(frozen=True, slots=True)
class Timed:
    """What a call returned, and how long it took."""

    value: Any
    seconds: float


def timed(call: Callable[[], Any]) -> Timed:
    """Call once and return the value with the seconds it took."""
    begun = time.perf_counter()
    value = call()
    return Timed(value, time.perf_counter() - begun)


def beside_evidently(sizes: tuple[int, ...], steps: Steps) -> tuple[Table, dict[str, float]]:
    """Time one check of a drifted batch beside Evidently's preset on all rows of the same frames; 30 columns."""
    maker = Maker("mixed", 30)
    rows, speedups = [], {}
    with steps.counted("beside Evidently", 2 * len(sizes)) as count:
        for n_rows in sizes:
            generator = np.random.default_rng(n_rows)
            reference = maker.rows(n_rows, N_DAYS, generator)
            batch = _drifted(maker.rows(n_rows, 1, generator))
            baseline = prepare(reference, maker.schema, min(n_rows, SAMPLE_ROWS), length=DAY)
            window = Window(START, START + DAY)
            check = _check(baseline, bounded(batch, maker.schema, SAMPLE_ROWS), window)
            check()
            ours = timed(check)
            count()
            theirs = timed(partial(_evidently, reference, batch, maker.schema))
            count()
            found = {column.column for column in ours.value.columns if column.drifted}
            speedups[f"{n_rows:,}"] = theirs.seconds / ours.seconds
            rows.append((n_rows, ours.seconds, theirs.seconds, speedups[f"{n_rows:,}"],
                         ", ".join(sorted(found)), ", ".join(sorted(theirs.value))))  # fmt: skip
    header = ("rows a side", "ours, s", "Evidently, s", "times faster", "columns we call drifted", "Evidently calls")
    note = (
        f"Planted: {', '.join(PLANTED)}. Ours is one check with a calibration that is kept; it looks at a sample of"
        f" {SAMPLE_ROWS:,} rows, because an estimate's error depends on the sample and not on the table."
    )
    return Table("One check of 30 columns", header, rows, note), speedups


def calibration(n_columns: int, n_rows: int) -> float:
    """Return the seconds that the calibration of a new generation takes."""
    maker = Maker("mixed", n_columns)
    reference = maker.rows(n_rows, N_DAYS, np.random.default_rng(0))
    return timed(lambda: prepare(reference, maker.schema, n_rows // N_DAYS, length=DAY)).seconds


def wide(columns: tuple[int, ...], steps: Steps) -> Table:
    """Time the parts of a check of tables with many columns: 20 000 rows of snapshot, a batch of 2 000 that drifted."""
    found = []
    with steps.counted("wide tables", len(columns)) as count:
        for n_columns in columns:
            maker, generator = Maker("mixed", n_columns), np.random.default_rng(n_columns)
            reference, batch = maker.rows(20_000, N_DAYS, generator), _drifted(maker.rows(2_000, 6, generator))
            begun = timed(partial(prepare, reference, maker.schema, len(batch), length=6 * DAY))
            checked = timed(_check(begun.value, batch, Window(START, START + 6 * DAY)))
            slices = timed(partial(find, reference, batch, maker.schema))
            found.append((n_columns, begun.seconds, checked.seconds, slices.seconds, checked.value.joint.p_value))
            count()
    header = ("columns", "calibration, s", "check, s", "slices, s", "p")
    note = f"Planted: {', '.join(PLANTED)}."
    return Table("Wide tables", header, found, note)


def backfill(n_days: int, n_rows: int, steps: Steps) -> float:
    """Return the seconds of so many daily checks of `n_rows` rows × 30 columns; the calibration is counted too."""
    maker, generator = Maker("mixed", 30), np.random.default_rng(0)
    reference = maker.rows(n_rows * N_DAYS, N_DAYS, generator)
    begun = timed(lambda: prepare(reference, maker.schema, n_rows, length=DAY))
    seconds, baseline = begun.seconds, begun.value
    batch = maker.rows(n_rows, 1, generator)
    with steps.counted("days", n_days) as count:
        for day in range(n_days):
            window = Window(START + day * DAY, START + (day + 1) * DAY)
            some = batch.iloc[generator.permutation(n_rows)[: n_rows - day % 50]].reset_index(drop=True)
            seconds += timed(_check(baseline, some, window)).seconds
            count()
    return seconds


def _check(baseline: Baseline, batch: DataFrame, window: Window) -> Callable[[], Any]:
    return partial(measure, baseline, batch, model="m", window=window, generation=1)


def _drifted(batch: DataFrame) -> DataFrame:
    return batch.assign(
        x0=batch["x0"] + 0.4, x7=batch["x7"] - 0.4, c1=np.where(np.arange(len(batch)) % 3 == 0, "v50", batch["c1"])
    )


def _evidently(reference: DataFrame, current: DataFrame, schema: Schema) -> set[str]:
    """Run Evidently's preset with its defaults on all rows; return the columns it calls drifted."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=list(schema.numeric), categorical_columns=list(schema.categorical))
    sides = [Dataset.from_pandas(frame[list(schema.features)], definition) for frame in (current, reference)]
    metrics = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
    drifts = [metric for metric in metrics if "ValueDrift" in metric["metric_name"]]
    return {
        metric["config"]["column"]
        for metric in drifts
        if ("p_value" in metric["config"]["method"] or metric["config"]["method"] in ("ks", "chisquare", "z"))
        != (metric["value"] >= metric["config"]["threshold"])
    }
