"""Bring answers home: from people in Label Studio, and from the production table once it knows them."""

from collections.abc import Collection
from dataclasses import dataclass

from flows.ask import push_rest
from flows.crowd import consensus
from flows.second_look import hear_second_looks, second_look
from flows.site import Site
from flows.truth import known_answers
from records.label import LabelRequest, OpenRequest
from records.window import Window


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one label request is: `n_resolved` of `n_asked` rows are answered, skipped or gone.

    `n_answered` rows have a label, of which `n_known` came from the production table.
    """

    window: Window
    n_asked: int
    n_answered: int
    n_resolved: int
    ready: bool
    n_known: int = 0


def collect(site: Site, request: LabelRequest) -> Progress:
    """Bring new answers home and say whether there are enough of them; safe to repeat at any time."""
    settings, ledger = site.settings.labels, site.ledger
    known = known_answers(site, request.window, [ask.row_key for ask in request.asks])
    _take_back(site, request, known.keys())
    project = push_rest(site, request)
    if project is not None:
        pull = site.studio.pull(project, site.schema, ledger.annotations.watermark(project))
        ledger.annotations.replace(project, dict(pull.tasks), pull.annotations)
        ledger.annotations.advance(project, pull.seen_until)
    hear_second_looks(site, request)
    annotations = ledger.annotations.of(site.model, request.window)
    said = {label.row_key: label for label in consensus(site, request, annotations)}
    labels = said | known  # what production knows is the truth
    ledger.labels.save(site.model, request.window, labels.values())
    awaited = second_look(site, request, annotations, tuple(labels.values()))
    looked_at: dict[str, set[str]] = {}
    for annotation in annotations:
        looked_at.setdefault(annotation.row_key, set()).add(annotation.annotator)
    enough = {row_key for row_key, people in looked_at.items() if len(people) >= settings.overlap}
    n_resolved = len((enough - awaited) | known.keys())
    waited_days = (site.now() - _open(site, request).asked_at).total_seconds() / 86_400
    complete = n_resolved >= settings.complete_share * len(request.asks)
    late = waited_days > settings.patience_days and len(labels) > 0
    return Progress(request.window, len(request.asks), len(labels), n_resolved, complete or late, len(known))


def _take_back(site: Site, request: LabelRequest, row_keys: Collection[str]) -> None:
    """Ask nobody about these rows any more; what somebody has answered stays."""
    item = _open(site, request)
    open_keys = set(row_keys) - item.gone
    if not open_keys:
        return
    tasks = {task_id: row_key for row_key, task_id in item.task_ids if row_key in open_keys}
    gone = open_keys - set(tasks.values())
    if item.project is not None and tasks:
        gone |= {tasks[task_id] for task_id in site.studio.withdraw(item.project, list(tasks))}
    site.ledger.requests.gone(site.model, request.window, gone)


def _open(site: Site, request: LabelRequest) -> OpenRequest:
    (item,) = [item for item in site.ledger.requests.open(site.model) if item.request.window == request.window]
    return item
