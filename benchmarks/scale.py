"""How the loop scales: `python -m benchmarks.scale [--quick]`."""

from benchmarks.checks import backfill, beside_evidently, calibration, wide
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.tables import tables
from benchmarks.whole import watch_command

ABOUT = "Seconds and memory of a window of production, from its table to its verdict."


def measure(quick: bool, steps: Steps) -> Findings:
    """Measure every part; `quick` at a fraction of the size."""
    # What is measured in processes of their own comes first: their peak memory starts at that of this one.
    read, figures = tables(quick, steps)
    shown = [read]
    if not quick:  # the command takes longer than a quick run may
        command, figures["peak_mib_10m"] = watch_command(10_000_000, steps)
        shown.append(command)
    checks, speedups = beside_evidently((10_000,) if quick else (100_000, 1_000_000), steps)
    n_columns, n_snapshot = (10, 60_000) if quick else (50, 600_000)
    n_days, n_rows = (10, 2_000) if quick else (365, 20_000)
    calibration_seconds = calibration(n_columns, n_snapshot)
    backfill_seconds = backfill(n_days, n_rows, steps)
    once = Table(
        "Calibrations, and a year of checks",
        ("what", "s"),
        (
            (f"calibration of a new generation, {n_columns} columns, {n_snapshot:,} rows", calibration_seconds),
            (f"{n_days} daily windows of {n_rows:,} rows × 30 columns, with their calibration", backfill_seconds),
        ),
        "The time of the statistics alone: reading a day from its table is in the table below.",
    )
    many = wide((60,) if quick else (30, 200), steps)
    return Findings(
        ABOUT,
        [checks, once, many, *shown],
        {
            "speedup_vs_evidently_1m": list(speedups.values())[-1],
            "calibration_seconds_50_columns": calibration_seconds,
            "backfill_365_seconds": backfill_seconds,
            **figures,
        },
    )


if __name__ == "__main__":
    run("scale", measure, about=ABOUT)
