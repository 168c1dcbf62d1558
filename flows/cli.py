"""The command line, `driftloop COMMAND`: each command opens the doors it needs, runs one step and prints."""

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from flows import operations, views
from flows.terminal import ALARM as ALARM
from flows.terminal import Config, Json, err, out
from flows.terminal import opened as _site
from flows.terminal import print_record as _print_record
from flows.terminal import steps as _steps
from records.drift import Alarm
from records.errors import BadSettings, DriftloopError
from records.window import in_utc

_MOST_FACTS = 3

app = typer.Typer(
    name="driftloop",
    help="Keep a deployed tabular model honest: watch its data, ask people, learn from their answers.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(views.app)
app.add_typer(operations.app)


def main() -> None:
    """Run the command line; an error Driftloop knows becomes one sentence and exit code 1."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # Prefect's and Evidently's clients would tell their makers
    try:
        app()
    except DriftloopError as error:
        err.print(Text.assemble(("driftloop:", "bold red"), f" {error}"), soft_wrap=True)
        sys.exit(1)


@app.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"driftloop {installed('driftloop')}")
        raise typer.Exit


@app.command()
def init(
    model: Annotated[str, typer.Argument(help="The monitored model's name.")] = "my-model",
    path: Annotated[Path, typer.Option("--config", "-c", help="Where to write.")] = Path("driftloop.toml"),
    show: Annotated[bool, typer.Option("--print", help="Print instead of writing.")] = False,
) -> None:
    """Write a commented driftloop.toml to start from.

    Reads nothing, writes one file, never over an existing one.
    """
    from flows.settings import MODEL_NAME
    from flows.starter import starter

    if not re.fullmatch(MODEL_NAME, model):
        raise BadSettings(f"{model!r} cannot name a model; use up to 40 letters, digits, - and _, a letter first")
    if show:
        print(starter(model), end="")
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter(model))
    except FileExistsError:
        raise BadSettings(f"{str(path)!r} exists already; name another file with --config, or edit that one") from None
    except OSError as error:
        raise BadSettings(
            f"{str(path)!r} cannot be written ({error.strerror}); name another file with --config"
        ) from None
    out.print(f"Wrote {escape(str(path))}. Edit it, then run [bold]driftloop adopt TRAINING_DATA[/].", highlight=False)


@app.command()
def adopt(
    data: Annotated[str, typer.Argument(help="Training data: a Parquet or CSV file, or a database URL.")],
    table: Annotated[str | None, typer.Option(help="The table's name, for a database.")] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            help="A scikit-learn pipeline: models:/fraud/3 of the configured MLflow, or any address MLflow can"
            " download. Loading it runs what is in it: name only one you trust. Else one is trained."
        ),
    ] = None,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Take a model under watch: its training data becomes the snapshot, its pipeline generation 1.

    Reads the training data once. Writes the snapshot, one MLflow run and registry version, and the ledger. Costs the
    training of one model per configured estimator, or none with --pipeline.
    """
    with _site(config) as site, _steps(as_json) as run:
        from flows.adopt import adopt as run_adopt

        adopted_before = site.ledger.generations.champion(site.model) is not None
        generation = run_adopt(site, data, table=table, pipeline_uri=pipeline, run=run)
    if as_json:
        _print_record(generation)
    elif adopted_before:
        out.print(f"{site.model} was adopted before: generation {generation.number} is champion; nothing changed.")
    else:
        out.print(
            f"Generation {generation.number} of {site.model} is champion: {generation.fit.estimator},"
            f" {generation.fit.loss} loss {generation.fit.holdout_loss:.4f} on {generation.snapshot.n_holdout:,}"
            f" held-out rows. Next: [bold]driftloop watch[/].",
            highlight=False,
        )


@app.command()
def watch(
    at: Annotated[
        datetime | None,
        typer.Option(
            help="Watch the window that was complete at this moment, UTC if it names no zone; now by default."
        ),
    ] = None,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Compare one window of production with the snapshot, and ask people if it alarms.

    Reads one window of the production table (all rows for facts, a bounded sample for statistics). Writes the ledger,
    and on an alarm: a drift report to MLflow and at most labels.budget tasks to Label Studio. A window that was
    watched before is shown again and changes nothing. Exit code 0: quiet; 10: alarm; 1: failure.
    """
    with _site(config) as site, _steps(as_json) as run:
        from flows.watch import watch as run_watch

        window = site.settings.window_at(in_utc(at or datetime.now(UTC)))
        try:
            watched = run_watch(site, window, run=run)
        except DriftloopError:
            alarm = site.ledger.steps.get(site.model, window, "alarm", Alarm)
            if alarm is not None and alarm.raised:
                out.print(f"[bold red]ALARM[/] {window.name}", highlight=False)
                out.print(f"{alarm.reason}\nNobody is asked yet:", highlight=False, markup=False)
            raise
    if as_json:
        _print_record(watched)
    else:
        mark = "[bold red]ALARM[/]" if watched.alarm.raised else "[green]quiet[/]"
        out.print(f"{mark} {watched.batch.window.name}", highlight=False)
        striking = [f"* {fact.sentence}" for fact in watched.batch.compared.striking]
        if len(striking) > _MOST_FACTS:
            striking[_MOST_FACTS:] = [f"* and {len(striking) - _MOST_FACTS} more facts that are out of the ordinary"]
        told = "\n".join([watched.alarm.reason, *striking, watched.request.reason])
        out.print(told, highlight=False, markup=False)
    if watched.alarm.raised:
        raise typer.Exit(ALARM)


@app.command()
def learn(
    now: Annotated[bool, typer.Option("--now", help="Do not wait for the last answers, and ask nobody else.")] = False,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Collect answers; where there are enough, judge the champion, retrain, compare, and promote or say why not.

    Reads Label Studio. Writes the ledger, one MLflow run per challenger, and on a promotion moves the alias champion.
    Costs the training of a few candidates per finished label request.
    """
    with _site(config) as site, _steps(as_json) as run:
        from flows.learn import learn as run_learn

        learned = run_learn(site, run=run, impatient=now)
    if as_json:
        _print_record(learned)
        return
    if not learned:
        out.print("No label request is open.")
    for item in learned:
        progress = item.progress
        if progress.fetched is not None:
            out.print(progress.fetched.sentence, highlight=False, markup=False)
        out.print(f"{progress.window.name}: {progress.n_resolved} of {progress.n_asked} tasks looked at", end="")
        if item.judgement is None:
            out.print("; people are still at work.")
            continue
        out.print(f".\n{item.judgement.decay.sentence}", highlight=False, markup=False)
        if item.judgement.advice is not None:
            out.print(item.judgement.advice.sentence, highlight=False, markup=False)
        if item.verdict is None:
            out.print(f"{item.n_more} more rows are asked.", highlight=False)
            continue
        out.print(f"[bold]{item.verdict.outcome}[/]: ", end="")
        out.print("\n".join(item.verdict.reasons), highlight=False, markup=False)


@app.command()
def withdraw(
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Give the open label request up, so that the next alarm can ask people again.

    Deletes the tasks in Label Studio that nobody has answered and closes the request on the ledger; answers stay.
    """
    with _site(config) as site:
        from flows.withdraw import withdraw as run_withdraw

        given_up = run_withdraw(site, why=why)
    if as_json:
        _print_record(given_up)
        return
    for item in given_up:
        out.print(f"{item.window.name}: {item.n_taken_back} of {item.n_asked} tasks taken back.", highlight=False)
    if not given_up:
        out.print("No label request is open.")


@app.command()
def promote(
    generation: Annotated[int, typer.Argument(help="The generation to put in charge.")],
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Put a generation in charge by hand, for instance after a verdict that needs review.

    Writes the promotion to the ledger and moves the alias champion in MLflow.
    """
    with _site(config) as site:
        from flows.promote import promote_by_hand

        promoted = promote_by_hand(site, generation, why=why)
    if as_json:
        _print_record(promoted)
    else:
        out.print(f"Generation {generation} of {site.model} is champion.", highlight=False)


@app.command()
def rollback(
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    number: Annotated[
        int | None,
        typer.Argument(metavar="GENERATION", help="The generation to return to; the previous champion by default."),
    ] = None,
    to: Annotated[int | None, typer.Option(help="The same as GENERATION.")] = None,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Put the previous champion back in charge.

    Writes the rollback to the ledger and moves the alias champion in MLflow; nothing is deleted. The same command again
    changes nothing; another reason, or a GENERATION, goes further back.
    """
    if None not in (number, to) and number != to:
        raise typer.BadParameter(f"GENERATION is {number} and --to is {to}; name one")
    with _site(config) as site:
        from flows.promote import rollback as run_rollback

        generation = run_rollback(site, why=why, number=to if number is None else number)
    if as_json:
        _print_record(generation)
    else:
        out.print(f"Generation {generation.number} of {site.model} is champion again.", highlight=False)
        if number is None and to is None:
            further = "To go further back, name the generation; the same command again changes nothing."
            out.print(further, highlight=False)
