"""How people answered, for the terminal, for machines and for the page of a flow run."""

from collections.abc import Mapping
from dataclasses import asdict
from math import isnan
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flows.crowd import crowd
from flows.markdown import table
from flows.site import Site
from flows.status import plain
from records.drift import Estimate
from records.label import Annotator, Crowd

HEAD = ("who", "answers", "skips", "agrees with others", "right on gold rows", "seconds per row")


def crowds(site: Site) -> dict[str, Crowd]:
    """Return how people answered the request of each window that somebody has answered, by the window's name."""
    found: dict[str, Crowd] = {}
    for window in site.ledger.steps.windows(site.model):
        request = site.ledger.requests.get(site.model, window)
        if request is not None and site.ledger.annotations.of(site.model, window):
            found[window.name] = crowd(site, request)
    return found


def sentences(told: Crowd) -> list[str]:
    """Say in sentences how well people agree, and what suggestions do to them.

    >>> from records.label import Anchoring
    >>> nothing = Estimate(float("nan"), 0.0, 1.0)
    >>> sentences(Crowd(0.7312, (), Anchoring(0, 80, nothing, nothing), 4))
    ['Their agreement beyond chance (Krippendorff) is 0.73; 4 rows were given a second look.']
    """
    agreement = "not known: nobody shares a row" if isnan(told.alpha) else f"{told.alpha:.2f}"
    looks = f"{told.n_second_looks} row{'s were' if told.n_second_looks != 1 else ' was'} given a second look"
    lines = [f"Their agreement beyond chance (Krippendorff) is {agreement}; {looks}."]
    if told.anchoring.n_suggested:
        lines.append(
            f"Of {told.anchoring.n_suggested} suggested answers they changed {share(told.anchoring.overrides)}."
        )
    if told.anchoring.n_suggested and told.anchoring.n_blind:
        bias = told.anchoring.bias
        lines.append(
            f"Seeing the model's answer makes them agree with it by {100 * bias.value:+.0f} percentage points"
            f" ({100 * bias.low:+.0f} to {100 * bias.high:+.0f})."
        )
    return lines


def page(told: Crowd) -> str:
    """Return the part of a flow run's page that is about people, in Markdown."""
    return "\n\n".join(["## People", *sentences(told), table(HEAD, [_cells(one) for one in told.annotators])])


def as_tables(told: Mapping[str, Crowd]) -> RenderableType:
    """Return a table of people for each window, with what they are together."""
    parts: list[RenderableType] = []
    for name, one in told.items():
        shown = Table(title=name, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for column in HEAD:
            shown.add_column(column, justify="left" if column == "who" else "right")
        for person in one.annotators:
            shown.add_row(*(Text(cell) for cell in _cells(person)))
        parts += [shown, *(Text(line) for line in sentences(one)), Text()]
    return Group(*parts)


def as_json(told: Mapping[str, Crowd]) -> dict[str, Any]:
    """Return the same as JSON-ready dictionaries by window; an undefined number is None."""
    return {name: plain(asdict(one)) for name, one in told.items()}


def share(estimate: Estimate) -> str:
    """Return a share with its interval for people.

    >>> share(Estimate(0.8, 0.49, 0.943)), share(Estimate(float("nan"), 0.0, 1.0))
    ('80 % (49 to 94)', '')
    """
    if isnan(estimate.value):
        return ""
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


def _cells(one: Annotator) -> tuple[str, ...]:
    agreement = "" if isnan(one.agreement) else f"{100 * one.agreement:.0f} % of {one.n_shared}"
    gold = f"{share(one.accuracy)} of {one.n_gold}" if one.n_gold else ""
    seconds = "" if isnan(one.lead_time_seconds) else f"{one.lead_time_seconds:.0f}"
    return one.annotator, str(one.n_answered), str(one.n_skipped), agreement, gold, seconds
