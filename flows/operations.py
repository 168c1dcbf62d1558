"""The commands of whoever keeps Driftloop running: deploy, backfill."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.terminal import Config, Json, err, opened, out

app = typer.Typer()

_ALARM = 10


@app.command()
def deploy(
    configs: Annotated[
        list[Path] | None,
        typer.Argument(help="Settings files, and folders in which every *.toml is one; driftloop.toml by default."),
    ] = None,
    work_pool: Annotated[str, typer.Option(help="The Prefect work pool that workers take runs from.")] = "driftloop",
    keep: Annotated[bool, typer.Option("--keep", help="Keep deployments of models that are gone.")] = False,
    as_json: Json = False,
) -> None:
    """Register the Prefect deployments watch/MODEL and learn/MODEL, scheduled, and backfill/MODEL, for use by hand.

    Reads every settings file first: where one is wrong, nothing is registered. Writes to the Prefect server at
    PREFECT_API_URL; running it again updates them. Of a folder, deployments whose settings file is gone are removed.
    """
    from flows.deployments import register

    done = register(configs or [Path("driftloop.toml")], work_pool=work_pool, keep=keep)
    if as_json:
        print(json.dumps({"work_pool": work_pool, "deployments": done.deployments, "removed": done.removed}))
        return
    out.print(f"Registered {', '.join(done.deployments)}.", highlight=False)
    if done.removed:
        out.print(f"Removed {', '.join(done.removed)}: their settings files are gone.", highlight=False)
    out.print(f"Start a worker with [bold]prefect worker start --pool {work_pool}[/].", highlight=False)


@app.command()
def backfill(
    start: Annotated[datetime, typer.Option("--from", help="Where the first window may begin, UTC without a zone.")],
    end: Annotated[
        datetime | None, typer.Option("--to", help="Where the last window must have ended; now by default.")
    ] = None,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Watch every missed window between two moments, in order.

    Does what the schedule would have done: a window that was watched is skipped, an alarm asks people unless a label
    request is open, a window that cannot be watched is named and the next one follows. Only a service that is away
    stops it; the same command goes on there. Exit code 0: quiet; 10: a window alarms; 1: a window failed.
    """
    from flows import backfill as run
    from flows.operation_tables import filled_table, progress

    with opened(config) as site:
        windows = run.missed(site, run.in_utc(start), run.in_utc(end) if end else site.now())
        with progress(err, silent=as_json) as bar:
            done = list(bar.track(run.fill(site, windows), total=len(windows), description=site.model))
    if as_json:
        print(json.dumps([run.as_json(item) for item in done], indent=2))
    else:
        out.print(filled_table(site.model, done))
    outcomes = {item.outcome for item in done}
    if "failed" in outcomes:
        raise typer.Exit(1)
    if "alarm" in outcomes:
        raise typer.Exit(_ALARM)
