"""How a benchmark runs: progress on standard error, tables to read, a page in the docs, and JSON as the last line."""

import argparse
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
_PACKAGES = ("numpy", "pandas", "scikit-learn", "scikit-learn-intelex", "evidently", "duckdb", "ibis-framework")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a benchmark: a title, the names of its columns, and rows of cells; numbers are rounded when shown.

    `note` says below it what a reader needs to know to read it right.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a benchmark found: a sentence or two on what was measured and how, its tables, and its named figures."""

    about: str
    tables: Sequence[Table]
    figures: Mapping[str, object]


class Steps:
    """The progress of a benchmark, as steps that are counted."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def counted(self, what: str, n_steps: int) -> Iterator[Callable[[], None]]:
        """Show a bar of `n_steps`; what is yielded counts one step."""
        task = self._progress.add_task(what, total=n_steps)
        yield lambda: self._progress.advance(task)
        self._progress.update(task, completed=n_steps)


def run(name: str, measure: Callable[[bool, Steps], Findings], *, about: str) -> None:
    """Run a benchmark as the command `python -m benchmarks.NAME [--quick]`.

    `measure(quick, steps)` does the work. Its tables are printed; a full run also writes them, with the machine, the
    versions and the date, to `docs/benchmarks/NAME.md`. The last line is one JSON object of its figures.
    """
    quick: bool = arguments(name, about=about).parse_args().quick
    carry_out(name, lambda steps: measure(quick, steps), page=None if quick else DOCS / f"{name}.md")


def arguments(name: str, *, about: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark's command line, which knows `--quick`."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--quick", action="store_true", help="reduced size, within 50 seconds; writes no page")
    return parser


def carry_out(name: str, measure: Callable[[Steps], Findings], *, page: Path | None) -> None:
    """Measure with progress, print the tables, write them to a `page` if asked, and end with the figures as JSON."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    begun = datetime.now(UTC)
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        findings = measure(Steps(progress))
    seconds = (datetime.now(UTC) - begun).total_seconds()
    text = as_page(name, findings, begun=begun, seconds=seconds)
    print(text)
    if page:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
        print(f"Written to {page}.", file=sys.stderr)
    print(json.dumps({key: _plain(value) for key, value in findings.figures.items()}))


def as_page(name: str, findings: Findings, *, begun: datetime, seconds: float) -> str:
    """Return the findings as a Markdown page."""
    parts = [f"# Benchmark: {name}", findings.about]
    for table in findings.tables:
        parts += [f"## {table.title}", _as_markdown(table)]
        if table.note:
            parts.append(table.note)
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    parts.append(
        f"Measured by `{command(name, sys.argv[1:])}` on {begun:%Y-%m-%d} in {seconds:,.0f} s on {machine()},"
        f"{_at_commit()} with Python {platform.python_version()}, {versions}."
    )
    return "\n\n".join(parts) + "\n"


def command(name: str, given: Sequence[str]) -> str:
    """Return the command that runs a benchmark with what was given to it, files by their names alone.

    >>> command("streams", ["../data/sky.parquet", "--target", "rain", "--page", "docs/sky.md"])
    'python -m benchmarks.streams sky.parquet --target rain'
    """
    shown = [word for word in given if not word.startswith("--page=")]
    if "--page" in shown:
        place = shown.index("--page")
        del shown[place : place + 2]
    words = [Path(word).name if word.endswith(".parquet") else word for word in shown]
    return shlex.join(["python", "-m", f"benchmarks.{name}", *words])


def _at_commit() -> str:
    """Say what code was measured, where git knows it."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return f" at commit {asked.stdout.strip()}," if asked.returncode == 0 else ""


def machine() -> str:
    """Return the machine's processor, cores and memory in words."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor} ({os.cpu_count()} cores, {memory_gib:.0f} GiB)"


def shown(value: object) -> str:
    """Return a cell as text, a number with three significant digits.

    >>> [shown(cell) for cell in (0.95714, 1234567.0, 12, "ours", float("nan"))]
    ['0.957', '1,234,567', '12', 'ours', '–']
    """
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _as_markdown(table: Table) -> str:
    lines = [table.header, ["---"] * len(table.header), *([shown(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
