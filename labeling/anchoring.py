"""What a suggestion does to people: a known share of the rows shows the model's answer filled in, the others do not."""

from collections.abc import Iterable
from hashlib import blake2b

from labeling.proportions import difference, share
from labeling.quality import same
from labeling.votes import votes
from records.label import Anchoring, Annotation, Ask
from records.schema import Schema


def suggested(row_key: str, *, share: float) -> bool:
    """Say whether a row shows the model's answer filled in; a hash of its key decides, so anybody can tell again.

    >>> sum(suggested(f"r{i}", share=0.25) for i in range(1000)), suggested("r1", share=0), suggested("r1", share=1)
    (239, False, True)
    """
    digest = blake2b(row_key.encode(), digest_size=8, person=b"suggested").digest()
    return int.from_bytes(digest, "big") < share * 2**64


def anchoring(
    annotations: Iterable[Annotation], asks: Iterable[Ask], schema: Schema, *, close: float = 0.0
) -> Anchoring:
    """Return how often people override a suggestion, and how much more they agree with the model for seeing it.

    Which rows show it is chance, so the difference is what seeing it does. Each row counts once, by the share of its
    people who agree, since answers to one row are not independent. Numbers agree if they are at most `close` apart;
    any other number than the suggested one is an override. Give no annotations of second looks: they suggest nothing.

    >>> from datetime import UTC, datetime
    >>> schema = Schema("id", "t", "late", "classification", (), (), classes=("no", "yes"))
    >>> noon = datetime(2013, 4, 1, 12, tzinfo=UTC)
    >>> asks = [Ask(f"r{i}", "audit", 0.5, "rest", "audit", prediction="yes", suggested=i < 20) for i in range(40)]
    >>> said = [Annotation(i, i, f"r{i}", "ada", "no" if i % 5 < (1 if i < 20 else 2) else "yes", noon, 3.0)
    ...         for i in range(40)]
    >>> found = anchoring(said, asks, schema)
    >>> found.overrides.value, round(found.bias.value, 3), round(found.bias.low, 3), round(found.bias.high, 3)
    (0.2, 0.2, -0.082, 0.445)
    """
    rows = votes(annotations, schema)
    agreed: dict[bool, list[float]] = {True: [], False: []}
    kept = 0.0
    for ask in asks:
        answers = rows.get(ask.row_key)
        if answers and ask.prediction is not None:
            alike = [same(answer, ask.prediction, schema, close) for answer in answers.values()]
            agreed[ask.suggested].append(sum(alike) / len(alike))
            if ask.suggested:
                kept += sum(same(answer, ask.prediction, schema, 0.0) for answer in answers.values()) / len(answers)
    n_suggested, n_blind = len(agreed[True]), len(agreed[False])
    seeing, blind = share(sum(agreed[True]), n_suggested), share(sum(agreed[False]), n_blind)
    overrides = share(n_suggested - kept, n_suggested)
    return Anchoring(n_suggested, n_blind, overrides, difference(seeing, blind))
