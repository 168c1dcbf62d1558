"""Give a label request up: take back the tasks nobody has answered, and close it on the ledger."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from flows.exchange import bring_home, take_back
from flows.site import Site
from records.errors import NotFound
from records.label import OpenRequest
from records.window import Window

_LATEST = timedelta(days=1)
"""How long an import may be under way at a server whose answer got lost."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """One label request that was given up: `n_taken_back` of its `n_asked` tasks were unanswered and are gone."""

    window: Window
    n_asked: int
    n_taken_back: int


def withdraw(site: Site, *, why: str) -> tuple[Withdrawn, ...]:
    """Give up every open label request; what was answered stays in Label Studio and on the ledger.

    Nothing is judged or taught by it later. A project that was deleted by hand has no task to take back. Running it
    again after a crash goes on where it stopped.
    """
    return tuple(_withdraw(site, item, why) for item in site.ledger.requests.open(site.model))


def take_late_tasks_back(site: Site) -> None:
    """Look again at projects of withdrawn requests for tasks whose sending was in doubt and that arrived since."""
    for project in site.ledger.outbox.doubtful(site.model, since=site.now() - _LATEST):
        with suppress(NotFound):  # deleted by hand, and its tasks with it
            bring_home(site.ledger, site.studio, site.model, project, site.schema)


def _withdraw(site: Site, item: OpenRequest, why: str) -> Withdrawn:
    try:
        taken_back = take_back(site.ledger, site.studio, item.request, site.schema, why=why)
    except NotFound:  # deleted by hand, and its tasks with it
        taken_back = ()
        site.ledger.requests.close(site.model, item.request.window, f"withdrawn: {why}")
    return Withdrawn(item.request.window, len(item.request.asks), len(taken_back))
