"""`make demo`: the whole loop on real flights, with the real services, in a few minutes.

It trains on winter and spring of 2013, then lives through the model's first summer week by week: watch, let bot
labelers answer in Label Studio, learn. Nothing is staged: what alarms, what is promoted and what is not follows from
the flights. Everything it leaves behind is in `.local/demo`.
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from deploy import bots, flights, processes, services, stack, studio
from flows.settings import load_settings
from records.errors import Conflict, DriftloopError
from records.label import OpenRequest
from records.window import Window

SNAPSHOT_WEEKS = 23
WEEKS = 6
ERROR_RATE = 0.05
SKIP_RATE = 0.04
START_SECONDS = 240.0

console = Console()

_SETTINGS = """\
# Written by `make demo`: flights out of New York in 2013.
model = "flights"

[table]
url = "production.parquet"
row_key = "{row_key}"
time = "{time}"

[columns]
target = "{target}"
task = "classification"
classes = {classes}
numeric = {numeric}
categorical = {categorical}

[columns.units]
{units}

[windows]
length_hours = 168
anchor = {anchor}

[labels]
question = "Did this flight arrive more than 15 minutes late?"
budget = 1000
audit_share = 0.6

[training]
estimators = ["random_forest"]

[services]
mlflow = "{mlflow}"
label_studio = "{label_studio}"
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: its settings file, the first week of production, the labelers and what they know."""

    settings: Path
    first: Window
    studio_url: str
    labelers: tuple[bots.Bot, ...]
    truth: dict[str, str]


def main() -> int:
    """Play the demo and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weeks", type=int, default=WEEKS, help="weeks of production to live through")
    parser.add_argument("--home", type=Path, default=studio.ROOT / ".local" / "demo", help="where everything is kept")
    chosen = parser.parse_args()
    begun = time.monotonic()
    try:
        with _stage(chosen.home) as stage:
            _play(stage, chosen.weeks)
            _show(stage, time.monotonic() - begun)
    except DriftloopError as error:
        console.print(f"[bold red]demo:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped, and the services with it. Run it again to start afresh.")
        exec("")  # noqa: S102: else `python -m` ends by the signal where it came inside such a string, as imports run
        return 130
    return 0


@contextmanager
def _stage(home: Path) -> Iterator[Stage]:
    """Start Label Studio, Prefect and MLflow in an empty folder, and build the tables while they start."""
    home = home.resolve()
    if stack.running(home):
        raise Conflict(f"the stack in {home} is running; stop it with `make down`, because the demo starts afresh")
    shutil.rmtree(home, ignore_errors=True)
    with ExitStack() as cleanup, console.status("starting Label Studio, Prefect and MLflow, and reading the flights"):
        laid_out = stack.layout(home, stack.Ports.free())
        running = []
        for service in laid_out.servers:
            running.append(processes.launch(service))
            cleanup.callback(services.stop, running[-1])
        frame = flights.read()
        files = flights.write(frame, home, weeks=SNAPSHOT_WEEKS)
        for service, process in zip(laid_out.servers, running, strict=True):
            processes.await_health(service, process, timeout_seconds=START_SECONDS)
        access = studio.read_access(home / "label-studio")
        os.environ |= {
            "DRIFTLOOP_LABEL_STUDIO_TOKEN": access.token,
            "PREFECT_API_URL": f"{laid_out.prefect.url}/api",
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "DO_NOT_TRACK": "true",
        }
        labelers = bots.hire(laid_out.label_studio.url, access.token)
        settings = _write_settings(home, label_studio=laid_out.label_studio.url, mlflow=laid_out.mlflow.url)
        stage = Stage(settings, files.first, laid_out.label_studio.url, labelers, flights.truth(frame))
        cleanup.callback(flush_prefect)
        yield stage


def _write_settings(home: Path, *, label_studio: str, mlflow: str) -> Path:
    schema, path = flights.SCHEMA, home / "driftloop.toml"
    path.write_text(
        _SETTINGS.format(
            row_key=schema.row_key,
            time=schema.time,
            target=schema.target,
            classes=json.dumps(schema.classes),
            numeric=json.dumps(schema.numeric),
            categorical=json.dumps(schema.categorical),
            units="\n".join(f"{column} = {json.dumps(unit)}" for column, unit in schema.units),
            anchor=flights.ANCHOR.isoformat(),
            mlflow=mlflow,
            label_studio=label_studio,
        ),
        encoding="utf-8",
    )
    return path


def _play(stage: Stage, n_weeks: int) -> None:
    """Live through the weeks; every step runs as a Prefect flow on the server that was started."""
    from flows.adopt import adopt
    from flows.deployed import learn, watch
    from flows.site import Site

    site = Site(load_settings(stage.settings))
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("weeks"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("training generation 1", total=n_weeks)
        adopt(site, "training.parquet")
        for number in range(n_weeks):
            week = Window(stage.first.start + number * flights.WEEK, stage.first.end + number * flights.WEEK)
            _tell(progress, bar, f"{week.start:%d %b}: watching")
            watch(str(stage.settings), week.end)
            while True:  # a request may ask more once its first rows are answered
                open_requests = site.ledger.requests.open(site.model)
                for item in open_requests:
                    _tell(progress, bar, f"{week.start:%d %b}: bots answer, {len(item.request.asks)} rows so far")
                    _answer(stage, item)
                _tell(progress, bar, f"{week.start:%d %b}: learning")
                learn(str(stage.settings))
                if site.ledger.requests.open(site.model) in ((), open_requests):
                    break
            progress.advance(bar)
        progress.update(bar, description="done")


def _tell(progress: Progress, bar: TaskID, doing: str) -> None:
    """Say what is being done: beside the bar, or in a line of its own where there is no terminal to draw a bar in."""
    progress.update(bar, description=doing)
    if not console.is_terminal:
        console.print(doing, highlight=False)


def _answer(stage: Stage, request: OpenRequest) -> None:
    assert request.project is not None, "watch pushes what it asks"
    bots.answer_all(
        stage.studio_url,
        stage.labelers,
        request.project,
        stage.truth,
        flights.SCHEMA.classes,
        error_rate=ERROR_RATE,
        skip_rate=SKIP_RATE,
    )


def _show(stage: Stage, seconds: float) -> None:
    """Print what happened and where to look."""
    from flows.site import Site
    from flows.status import status
    from flows.tables import as_tables

    state = status(Site(load_settings(stage.settings)))
    console.print()
    console.print(as_tables(state))
    lived = "1 week" if len(state.windows) == 1 else f"{len(state.windows)} weeks"
    config = stage.settings.relative_to(Path.cwd()) if stage.settings.is_relative_to(Path.cwd()) else stage.settings
    console.print(
        f"\n[bold]{lived} in {seconds / 60:.1f} minutes.[/] Where to look:\n\n"
        "  make up      Prefect, MLflow and Label Studio on what is left behind; make down stops them\n"
        f"  .venv/bin/driftloop status -c {config}\n"
        f"  .venv/bin/driftloop explain {state.generations[-1].number} -c {config}\n",
        highlight=False,
        soft_wrap=True,
    )


def flush_prefect() -> None:
    """Let Prefect's background threads deliver what they hold while its server still runs."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=10)


if __name__ == "__main__":
    raise SystemExit(main())
