"""Years without drift: how many false alarms there are beside the number that was promised."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.report import Steps, Table
from benchmarks.rows import DAY, START, Maker
from monitors.alarm import carried, decide
from monitors.calibration import calibrate
from monitors.ranking import rank
from records.drift import ColumnDrift, DriftReport, Estimate, JointDrift
from records.window import Window

PROMISES = (1.0, 4.0, 12.0)
N_COLUMNS, ROWS_PER_DAY = 6, 100
N_DRAWS = 120  # what `calibrate` draws


@dataclass(frozen=True, slots=True)
class Kind:
    """Years of windows of so many days, each year with a snapshot of its own; `day_sd` is a harmless day effect."""

    name: str
    n_windows: int
    window_days: int
    snapshot_days: int
    day_sd: float
    n_years: int

    def p_values(self, seed: int) -> Iterator[list[float]]:
        """Yield the p-values of a year's windows, year by year."""
        maker = Maker("mixed", N_COLUMNS, self.day_sd)
        n_rows = ROWS_PER_DAY * self.window_days
        for year in range(self.n_years):
            generator = np.random.default_rng([seed, year, self.n_windows])
            snapshot = maker.rows(ROWS_PER_DAY * self.snapshot_days, self.snapshot_days, generator)
            null = calibrate(snapshot, maker.schema, n_rows, length=self.window_days * DAY)
            yield [
                rank(null, maker.rows(n_rows, self.window_days, generator), time=maker.schema.time).p_value
                for _ in range(self.n_windows)
            ]


def kinds(quick: bool) -> tuple[Kind, ...]:
    """Return weekly and daily windows, with independent rows and with a day effect of 0.1 sd on every number."""
    n_weekly, n_daily = (2, 1) if quick else (40, 8)
    return tuple(
        kind
        for name, day_sd in (("independent rows", 0.0), ("a day effect", 0.1))
        for kind in (
            Kind(f"weekly, {name}", 52, 7, 26 * 7, day_sd, n_weekly),
            Kind(f"daily, {name}", 365, 1, 120, day_sd, n_daily),
        )
        if not (quick and kind.day_sd and kind.window_days == 1)  # the slowest
    )


def n_alarms(p_values: Sequence[float], *, windows_per_year: float, false_alarms_per_year: float) -> int:
    """Count the alarms that `monitors.alarm.decide` raises on windows with these p-values, one after another.

    Every window's report has a column that moved far, so that the evidence alone decides. In production an alarm needs
    a change of `minimum_effect` too, so there are fewer.

    >>> n_alarms([0.5, 1 / 121, 1 / 121, 1 / 121, 0.5], windows_per_year=52, false_alarms_per_year=1)
    1
    """
    moved = ColumnDrift("x", "", 1.0, 0.0, 1.0, 1.0, Estimate(9.0, 9.0, 9.0), True, "")
    count, alarm = 0, None
    for place, p_value in enumerate(p_values):
        window = Window(START + place * DAY, START + (place + 1) * DAY)
        joint = JointDrift(0.0, p_value, "one column", ("x",))
        alarm = decide(
            DriftReport("m", window, 1, 0, 0, N_DRAWS, N_DRAWS, (moved,), joint),
            previous_evidence=carried(alarm),
            windows_per_year=windows_per_year,
            false_alarms_per_year=false_alarms_per_year,
            minimum_effect=0.0,
        )
        count += alarm.raised
    return count


def per_year(counts: Sequence[int]) -> tuple[float, float, float]:
    """Return the mean number of alarms of years and its 95 % interval, exact for Poisson counts (Garwood 1936).

    Where years differ by more than such counts do, the counts are divided by that excess first, which widens it.

    >>> [round(number, 3) for number in per_year([0] * 100)]
    [0.0, 0.0, 0.037]
    >>> [round(number, 3) for number in per_year([0, 1, 2, 1])]
    [1.0, 0.272, 2.56]
    """
    total, n_years = sum(counts), len(counts)
    excess = max(1.0, float(np.var(counts, ddof=1)) * n_years / total) if total and n_years > 1 else 1.0
    low = stats.chi2.ppf(0.025, 2 * total / excess) if total else 0.0
    high = stats.chi2.ppf(0.975, 2 * (total / excess + 1))
    return total / n_years, float(low) * excess / 2 / n_years, float(high) * excess / 2 / n_years


def measure(quick: bool, steps: Steps) -> tuple[Table, dict[str, float]]:
    """Live through the years; the figures are the alarms per year where one is promised."""
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float] = {}
    every = kinds(quick)
    with steps.counted("years", sum(kind.n_years for kind in every)) as count:
        for kind in every:
            years = []
            for p_values in kind.p_values(seed=1):
                years.append(p_values)
                count()
            for promised in PROMISES:
                rates = {"windows_per_year": float(kind.n_windows), "false_alarms_per_year": promised}
                mean, low, high = per_year([n_alarms(p_values, **rates) for p_values in years])
                rows.append((kind.name, kind.snapshot_days, kind.n_years, promised, mean, f"{low:.2f} to {high:.2f}"))
                if promised == 1:
                    figures[kind.name] = mean
    header = ("windows", "days of the snapshot", "years", "promised", "measured", "95 % interval")
    note = (
        f"Mixed rows, {N_COLUMNS} columns, {ROWS_PER_DAY} rows a day; a fresh snapshot for every year. The day effect"
        " moves every number by 0.1 sd, each day and column anew. An alarm is counted when the evidence reaches its"
        " limit; in production a change of `minimum_effect` is needed too, so there are fewer. The promise is an upper"
        " bound: it holds for any dependence between windows, and a rank among 120 chunks is never below 1/121, which"
        " bets 6 to 1 at most."
    )
    return Table("False alarms per year, beside `false_alarms_per_year`", header, rows, note), figures
