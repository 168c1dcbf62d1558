"""The commands of whoever keeps Driftloop running: deploy, receive, backfill, replay, doctor."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.terminal import ALARM, Config, Json, err, opened, out
from records.window import in_utc

app = typer.Typer()


@app.command()
def deploy(
    configs: Annotated[
        list[Path] | None,
        typer.Argument(help="Settings files, and folders in which every *.toml is one; driftloop.toml by default."),
    ] = None,
    work_pool: Annotated[str, typer.Option(help="The Prefect work pool that workers take runs from.")] = "driftloop",
    keep: Annotated[bool, typer.Option("--keep", help="Keep deployments of models that are gone.")] = False,
    automations: Annotated[
        bool, typer.Option("--automations", help="Also make the automation that starts learn when labels are ready.")
    ] = False,
    notify: Annotated[
        str | None,
        typer.Option(
            help="Also announce alarms, verdicts and failures through this Prefect block, such as slack-webhook/team."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Register the Prefect deployments watch/MODEL and learn/MODEL, scheduled, and backfill/MODEL, for use by hand.

    Reads every settings file first: where one is wrong, nothing is registered. Writes to the Prefect server at
    PREFECT_API_URL; running it again updates them. Of a folder, deployments whose settings file is gone are removed,
    all of them where it was the last.
    """
    from flows.deployments import register

    paths = configs or [Path("driftloop.toml")]
    done = register(paths, work_pool=work_pool, keep=keep, automations=automations, notify=notify)
    if as_json:
        print(json.dumps({"work_pool": work_pool, **asdict(done)}))
        return
    out.print(f"Registered {', '.join(done.deployments) or 'nothing: no settings file is left'}.", highlight=False)
    if done.automations:
        out.print(f"Automated {', '.join(done.automations)}.", highlight=False, markup=False)
    if done.removed:
        out.print(f"Removed {', '.join(done.removed)}: their settings files are gone.", highlight=False)
    if done.deployments:
        out.print(f"Start a worker with [bold]prefect worker start --pool {work_pool}[/].", highlight=False)


@app.command()
def receive(
    configs: Annotated[
        list[Path] | None, typer.Argument(help="Settings files and folders of them; driftloop.toml by default.")
    ] = None,
    port: Annotated[int, typer.Option(help="The port to listen at.")] = 8090,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    pause: Annotated[float, typer.Option(help="Seconds in which calls about the same project count as one.")] = 10.0,
) -> None:
    """Listen to Label Studio's webhooks, and tell Prefect when the answers that were asked for are there.

    A call needs the secret in DRIFTLOOP_WEBHOOK_SECRET in its header X-Driftloop-Secret. What it says is not believed:
    the answers are fetched from Label Studio, and only the ledger decides. Runs until it is stopped.
    """
    from flows.receive import serve

    serve(configs or [Path("driftloop.toml")], host=host, port=port, pause_seconds=pause)


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
        windows = run.missed(site, in_utc(start), in_utc(end) if end else site.now())
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
        raise typer.Exit(ALARM)


@app.command()
def replay(
    start: Annotated[datetime, typer.Option("--from", help="Where the first window may begin, UTC without a zone.")],
    end: Annotated[
        datetime | None, typer.Option("--to", help="Where the last window must have ended; now by default.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A setting to change, such as labels.budget=100; may be repeated.")
    ] = None,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Run history again on recorded labels under other settings, and print what would have been beside what was.

    Reads the ledger, the production table and, once, the champion's model in MLflow; asks nobody and changes nothing:
    Label Studio and MLflow are twins in memory, the ledger is a copy in a folder that is removed afterwards. A row that
    nobody has labelled stays unknown. Costs what the windows' drift tests and retraining cost.
    """
    import tempfile

    from flows import replay as run
    from flows.backfill import missed
    from flows.operation_tables import progress, replay_table

    with opened(config) as site, tempfile.TemporaryDirectory(prefix="driftloop-replay-") as folder:
        windows = missed(site, in_utc(start), in_utc(end) if end else site.now())
        with progress(err, silent=as_json) as bar:
            course = run.replay(site, windows, changes or [], Path(folder))
            done = list(bar.track(course, total=len(windows), description=site.model))
    if as_json:
        print(json.dumps([run.as_json(item) for item in done], indent=2))
        return
    out.print(replay_table(site.model, site.schema.task, done))
    for item in done:
        if item.note:
            out.print(f"{item.window.name}: {item.note}", highlight=False, markup=False)
    if unknown := sum(item.would.n_unknown for item in done):
        out.print(f"{unknown} rows that would have been asked have no recorded label; they count as skipped.")


@app.command()
def doctor(
    configs: Annotated[
        list[Path] | None, typer.Argument(help="Settings files and folders of them; driftloop.toml by default.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Also repair what can be repaired safely.")] = False,
    as_json: Json = False,
) -> None:
    """Look at everything a model depends on, one line each, and say what to do where something is wrong.

    Asks every service; reads the ledger, the folder and Label Studio's tasks. Changes nothing without --repair, which
    finishes half-done promotions and sendings, puts MLflow's alias back on the ledger's champion, upgrades the ledger,
    and frees Prefect of runs and slots whose process is gone; repeating it is safe. Exit code 0: all is well; 1: not.
    """
    from flows.doctor import examine
    from flows.fleet import files_in
    from flows.operation_tables import check_line

    found = []
    for path in files_in(configs or [Path("driftloop.toml")]):
        for check in examine(path, repair=repair):
            found.append({"settings": str(path), **asdict(check)})
            if not as_json:
                out.print(check_line(check), soft_wrap=True)
    if as_json:
        print(json.dumps(found, indent=2))
    if not all(check["ok"] for check in found):
        raise typer.Exit(1)
