"""What backfill, replay and doctor print on the terminal."""

from collections.abc import Sequence
from math import isnan
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from flows.backfill import Filled
from flows.replay import Course, Replayed
from records.check import Check

_STYLE = {"alarm": "bold red", "quiet": "green", "done before": "dim", "empty": "yellow", "failed": "bold red"}


def progress(console: Console, *, silent: bool) -> Progress:
    """A bar with the number of windows done, the time taken and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
        disable=silent or not console.is_terminal,
        transient=True,
    )


def filled_table(model: str, items: Sequence[Filled]) -> Table:
    """One line per window, and how many of each outcome there are."""
    kinds = dict.fromkeys(item.outcome for item in items)
    counts = ", ".join(f"{sum(item.outcome == kind for item in items)} {kind}" for kind in kinds)
    table = Table(
        title=f"{model}: {len(items)} windows: {counts}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("window", "outcome", "asked", "why"):
        table.add_column(name, justify="right" if name == "asked" else "left", overflow="fold")
    for item in items:
        outcome = Text(item.outcome, _STYLE[item.outcome])
        table.add_row(item.window.name, outcome, str(item.n_asked or ""), Text(item.reason))
    return table


def replay_table(model: str, task: str, items: Sequence[Replayed]) -> Table:
    """One line per window: what was, and what would have been."""
    score = "accuracy" if task == "classification" else "error"
    title = f"{model}: was → would have been"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_footer=True)
    asked = [sum(item.n_asked for item in side) for side in _sides(items)]
    unknown = sum(item.would.n_unknown for item in items)
    alarms = [sum(bool(item.alarm) for item in side) for side in _sides(items)]
    scores = [_mean([item.score for item in side]) for side in _sides(items)]
    table.add_column("window", f"{len(items)} windows")
    table.add_column("alarm", f"{alarms[0]} → {alarms[1]}")
    table.add_column("asked (unknown)", f"{asked[0]} → {asked[1]} ({unknown})")
    table.add_column("verdict", "")
    table.add_column("gen.", "")
    table.add_column(f"{score} (labels)", f"{scores[0]} → {scores[1]}")
    for item in items:
        was, would = item.was, item.would
        table.add_row(
            item.window.name,
            f"{_ALARMED[was.alarm]} → {_ALARMED[would.alarm]}",
            f"{was.n_asked} → {would.n_asked} ({would.n_unknown})" if was.n_asked or would.n_asked else "",
            f"{was.verdict or '·'} → {would.verdict or '·'}" if was.verdict or would.verdict else "",
            f"{was.champion or '·'} → {would.champion or '·'}",
            f"{_score(was.score)} → {_score(would.score)} ({item.n_judged})" if item.n_judged else "",
        )
    return table


def check_line(check: Check) -> Text:
    """One line: green or red, what was found, and what to do or what was done."""
    line = Text.assemble(("✔ " if check.ok else "✘ ", "green" if check.ok else "bold red"), (check.name, "bold"))
    line.append(f": {check.sentence}")
    if check.repaired:
        line.append(f"; repaired: {check.repaired}", "green")
    elif check.advice:
        line.append(f"; {check.advice}", "yellow")
    return line


_ALARMED = {None: "not watched", False: "quiet", True: "ALARM"}


def _sides(items: Sequence[Replayed]) -> tuple[list[Course], list[Course]]:
    return [item.was for item in items], [item.would for item in items]


def _score(value: float) -> str:
    return "not known" if isnan(value) else f"{value:.3f}"


def _mean(values: list[float]) -> str:
    known = [value for value in values if not isnan(value)]
    return _score(fmean(known)) if known else ""
