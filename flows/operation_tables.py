"""What backfill, replay and doctor print on the terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from flows.backfill import Filled

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
