"""The second look: rows that people disagree on, or gave an unlikely answer to, are asked once more."""

from collections.abc import Collection

from flows.exchange import ask_again, bring_home
from flows.pages import pages, place
from flows.site import Site
from records.label import Annotation, Label, LabelRequest


def hear_second_looks(site: Site, request: LabelRequest) -> None:
    """Bring home what was said in the second looks of a request; safe to repeat at any time."""
    ledger = site.ledger
    looks = ledger.second_opinions.of(site.model, request.window)
    for project in sorted({look.project for look in looks if look.project is not None}):
        bring_home(ledger, site.studio, site.model, project, site.schema)


def second_look(
    site: Site, request: LabelRequest, annotations: Collection[Annotation], labels: Collection[Label]
) -> frozenset[str]:
    """Ask once more about rows that have all their answers and no label; return the rows whose second look is awaited.

    Each row is asked again once, in a project of its own, where whoever labels next takes it. The intent is in the
    ledger before a task is pushed, so a rerun pushes what a crash left out. Gold rows are not asked again.
    """
    if not site.settings.labels.second_look:
        return frozenset()
    notes = site.ledger.second_opinions
    labelled = {label.row_key for label in labels}
    doubtful = _doubtful(site, request, annotations, labelled)
    if doubtful:
        notes.intend(site.model, request.window, doubtful)
    looks = notes.of(site.model, request.window)
    missing = {look.row_key for look in looks if look.task_id is None}
    if missing:
        asks = [ask for ask in request.asks if ask.row_key in missing]
        tasks = pages(site, request, asks, again=True)
        ask_again(site.ledger, site.studio, request, place(site, again=True), tasks)
        looks = notes.of(site.model, request.window)
    seen = {annotation.task_id for annotation in annotations}
    return frozenset(look.row_key for look in looks if look.task_id not in seen and look.row_key not in labelled)


def _doubtful(
    site: Site, request: LabelRequest, annotations: Collection[Annotation], labelled: Collection[str]
) -> list[str]:
    people: dict[str, set[str]] = {}
    answered: set[str] = set()
    for annotation in annotations:
        people.setdefault(annotation.row_key, set()).add(annotation.annotator)
        if annotation.answer is not None:
            answered.add(annotation.row_key)
    return [
        ask.row_key
        for ask in request.asks
        if ask.purpose != "gold"
        and ask.row_key in answered
        and ask.row_key not in labelled
        and len(people[ask.row_key]) >= site.settings.labels.overlap
    ]
