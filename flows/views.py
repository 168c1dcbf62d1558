"""The commands that show what there is: status, people, explain, champion, review."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.terminal import Config, Json, opened, out, print_record
from records.errors import BadSettings
from records.window import in_utc

app = typer.Typer()


@app.command()
def status(config: Config = Path("driftloop.toml"), as_json: Json = False) -> None:
    """Show every window and every generation.

    Reads the ledger alone, which it makes if there is none; asks no service.
    """
    from flows import status as states
    from flows.tables import as_tables

    with opened(config) as site:
        state = states.status(site)
    if as_json:
        print(json.dumps(states.as_json(state), indent=2))
    elif not state.generations:
        out.print(f"{state.model} was not adopted yet. Next: [bold]driftloop adopt TRAINING_DATA[/].", highlight=False)
    else:
        out.print(as_tables(state))


@app.command()
def people(config: Config = Path("driftloop.toml"), as_json: Json = False) -> None:
    """Show how people answered: who agrees with the others, who is right, and what suggestions do to them.

    Reads the ledger and the snapshots; writes nothing, asks no service.
    """
    from flows import people as crowds

    with opened(config) as site:
        told = crowds.crowds(site)
    if as_json:
        print(json.dumps(crowds.as_json(told), indent=2))
    elif not told:
        out.print("Nobody has answered yet.", highlight=False)
    else:
        out.print(crowds.as_tables(told))


@app.command()
def explain(
    generation: Annotated[int | None, typer.Argument(help="The generation to explain.")] = None,
    label: Annotated[str | None, typer.Option(help="The key of a row people were asked about, instead.")] = None,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Walk a generation back to its cause and on to what followed from it, or say what became of one row.

    Back: drift, slices, people, labels, comparison, verdict. On: when it was champion, what was asked about it, whom
    those labels taught, what descends from it. Reads the ledger alone; writes nothing.
    """
    if (generation is None) == (label is None):
        raise BadSettings("name either a generation, as in `driftloop explain 2`, or a row, with --label ROW_KEY")
    with opened(config) as site:
        from flows import explain as tell
        from flows.story import row_story, story_of

        if label is not None:
            row = row_story(site, label)
            print_record(row) if as_json else out.print(tell.row_as_tree(row))
        else:
            story = story_of(site, generation or 0)
            print_record(story) if as_json else out.print(tell.as_tree(story))


@app.command()
def champion(
    on: Annotated[
        datetime | None, typer.Option(help="Who was champion at this moment, UTC if it names no zone.")
    ] = None,
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Show who was champion when, and why: at one moment, or all of them in order.

    Reads the ledger alone; writes nothing.
    """
    with opened(config) as site:
        from flows.champions import in_charge, reigns
        from flows.explain import reign_text

        told = reigns(site.ledger.promotions.history(site.model))
        if on is not None:
            told = (in_charge(told, in_utc(on)),)
    if as_json:
        print_record(told)
    elif not told:
        out.print("Nobody was champion yet. Next: [bold]driftloop adopt TRAINING_DATA[/].", highlight=False)
    for reign in told if not as_json else ():
        out.print(reign_text(reign), highlight=False, markup=False)


@app.command()
def review(
    generation: Annotated[int, typer.Argument(help="The generation to review.")],
    config: Config = Path("driftloop.toml"),
    as_json: Json = False,
) -> None:
    """Write the review page of a generation, if it is not up to date, and say where it is.

    Reads the ledger and the snapshots. Writes the page in the site's folder and on the generation's MLflow run.
    """
    with opened(config) as site:
        from flows.review import publish_review

        path = publish_review(site, generation)
    if as_json:
        print(json.dumps({"generation": generation, "page": str(path)}))
    else:
        out.print(str(path), highlight=False, markup=False, soft_wrap=True)
