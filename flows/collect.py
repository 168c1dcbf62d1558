"""Bring answers home: from people in Label Studio, and from the production table once it knows them."""

from dataclasses import dataclass

from flows.ask import push_rest
from flows.crowd import consensus
from flows.exchange import Fetched, bring_home, spare
from flows.second_look import hear_second_looks, second_look
from flows.site import Site
from flows.truth import SOURCE, known_answers
from records.errors import Conflict
from records.label import LabelRequest
from records.window import Window


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one label request is: `n_resolved` of `n_asked` rows are answered, skipped, or deleted by hand.

    `n_answered` rows have a label, of which `n_known` came from the production table; `fetched` is what the last pull
    brought home.
    """

    window: Window
    n_asked: int
    n_answered: int
    n_resolved: int
    ready: bool
    n_known: int = 0
    fetched: Fetched | None = None


def collect(site: Site, request: LabelRequest) -> Progress:
    """Bring new answers home and say whether there are enough of them; safe to repeat at any time.

    Raises `Conflict` when the request was closed meanwhile.
    """
    settings, ledger = site.settings.labels, site.ledger
    known = known_answers(site, request.window, [ask.row_key for ask in request.asks if ask.purpose != "gold"])
    if known:
        spare(ledger, site.studio, request, known.keys())
    project = push_rest(site, request)
    fetched = None if project is None else bring_home(ledger, site.studio, site.model, project, site.schema)
    hear_second_looks(site, request)
    annotations = ledger.annotations.of(site.model, request.window)
    said = {label.row_key: label for label in consensus(site, request, annotations)}
    before = {
        item.label.row_key: item.label
        for item in ledger.labels.of(site.model, window=request.window)
        if item.label.annotators == (SOURCE,)
    }
    known = before | known  # an answer that production knew and forgot was the truth all the same
    labels = said | known
    ledger.labels.save(site.model, request.window, labels.values())
    awaited = second_look(site, request, annotations, tuple(labels.values()))
    looked_at: dict[str, set[str]] = {}
    for annotation in annotations:
        looked_at.setdefault(annotation.row_key, set()).add(annotation.annotator)
    enough = {row_key for row_key, people in looked_at.items() if len(people) >= settings.overlap}
    item = next((item for item in ledger.requests.open(site.model) if item.request.window == request.window), None)
    if item is None:
        raise Conflict(
            f"the label request of window {request.window.name} of {site.model!r} was closed by another process"
            " meanwhile; there is nothing left to do for it"
        )
    n_resolved = len((enough - awaited) | known.keys() | set(item.gone))
    waited_days = (site.now() - item.asked_at).total_seconds() / 86_400
    complete = n_resolved >= settings.complete_share * len(request.asks)
    late = waited_days > settings.patience_days and len(labels) > 0
    ready = complete or late
    return Progress(request.window, len(request.asks), len(labels), n_resolved, ready, len(known), fetched)
