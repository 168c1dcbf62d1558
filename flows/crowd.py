"""The people of one label request together: what they agree on, and how well each answers."""

from collections.abc import Collection, Sequence

from flows.pages import expected, gold_answers, rows_of
from flows.site import Site
from labeling.agreement import alpha
from labeling.anchoring import anchoring
from labeling.consensus import agree
from labeling.quality import annotators
from models.predictions import probabilities
from records.label import Annotation, Crowd, Label, LabelRequest


def consensus(site: Site, request: LabelRequest, annotations: Collection[Annotation]) -> tuple[Label, ...]:
    """Return the labels that a request's annotations give, second looks counted.

    Where several people answer each row, the model's chances help to weigh the answers to `train` rows; the `audit`
    rows judge it, so it has no hand in them. Unlikely numbers wait for a second look, if there is to be one.
    """
    looks = site.ledger.second_opinions.of(site.model, request.window)
    labels = site.settings.labels
    return agree(
        annotations,
        site.schema,
        chances=_chances(site, request) if labels.overlap > 1 and site.schema.classes else None,
        expected=expected(site) if labels.second_look else None,
        second_looks={look.task_id for look in looks if look.task_id is not None},
    )


def crowd(site: Site, request: LabelRequest) -> Crowd:
    """Return how people answered one request: their agreement, the quality of each, and what suggestions did."""
    annotations = site.ledger.annotations.of(site.model, request.window)
    looks = site.ledger.second_opinions.of(site.model, request.window)
    again = {look.task_id for look in looks}
    first = [annotation for annotation in annotations if annotation.task_id not in again]
    gold = {ask.row_key for ask in request.asks if ask.purpose == "gold"}
    known = gold_answers(site, request.generation) if gold else {}
    numbers = expected(site)
    close = numbers.close if numbers else 0.0
    return Crowd(
        alpha=alpha(first, site.schema),
        annotators=annotators(annotations, site.schema, gold={key: known[key] for key in gold}, close=close),
        anchoring=anchoring(first, request.asks, site.schema, close=close),
        n_second_looks=len(looks),
    )


def _chances(site: Site, request: LabelRequest) -> dict[str, Sequence[float]]:
    asks = [ask for ask in request.asks if ask.purpose == "train"]
    generation = site.ledger.generations.get(site.model, request.generation)
    pipeline = site.pipeline(generation)
    told = probabilities(pipeline, rows_of(site, request.window, request.generation, asks), site.schema)
    return {ask.row_key: row.tolist() for ask, row in zip(asks, told, strict=True)}
