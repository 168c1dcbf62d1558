"""What every command of the command line shares: its options, its two consoles, and how it opens a site."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

Config = Annotated[
    Path, typer.Option("--config", "-c", envvar="DRIFTLOOP_CONFIG", help="The monitored model's settings file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON and nothing else on standard output.")]
ALARM = 10
"""The exit code when a window alarms, so that a scheduler can tell an alarm (10) from a failure (1)."""

out = Console()
err = Console(stderr=True)


@contextmanager
def opened(config: Path) -> Iterator[Any]:
    """The site of a settings file; Ctrl-C says how to go on."""
    from flows.settings import load_settings

    settings = load_settings(config)
    from flows.site import Site  # only now: it loads pandas and the doors, which a typo should not wait for

    try:
        yield Site(settings)
    except KeyboardInterrupt:
        err.print("driftloop: stopped; run the same command again to go on where it stopped.")
        raise typer.Exit(130) from None


@contextmanager
def steps(silent: bool) -> Iterator[Any]:
    """A way to run steps that names the one at work, on standard error."""
    from flows.site import Site
    from flows.watch import by_hand

    if silent or not err.is_terminal:
        yield by_hand
        return
    with err.status("opening the doors") as shown:

        def run(step: Any, *arguments: Any) -> Any:
            name = step.__name__.replace("_", " ")
            shown.update(name)
            if isinstance(arguments[0], Site):
                arguments[0].count = lambda what, done, of: shown.update(f"{name}: {what}, {done} of {of}")
            return step(*arguments)

        yield run


def print_record(record: Any) -> None:
    """Print a record as JSON on standard output."""
    from store.wire import encode

    print(json.dumps(json.loads(encode(record)), indent=2))
