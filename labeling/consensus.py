"""The one answer that follows from what several people said about a row."""

from collections import Counter
from collections.abc import Iterable
from statistics import median

from records.label import Annotation, Label
from records.schema import Schema


def agree(annotations: Iterable[Annotation], schema: Schema) -> tuple[Label, ...]:
    """Return one label per row that people agree on, sorted by row key.

    A person's latest word on a row counts, also over several tasks; if that is a skip, they have no say. Classes: the
    majority, and a tie for the most votes gives *no* label, since neither answer is known to be right. An answer that
    is no longer one of the schema's classes has no say. Numbers: the median; `agreement` is then the share of people
    who gave exactly that number.

    >>> from datetime import UTC, datetime
    >>> schema = Schema("id", "t", "late", "classification", (), (), classes=("no", "yes"))
    >>> noon = datetime(2013, 4, 1, 12, tzinfo=UTC)
    >>> said = [("r1", "user 1", "yes"), ("r1", "user 2", "yes"), ("r1", "user 3", "no"), ("r2", "user 1", None)]
    >>> agree([Annotation(i, 1, *who, noon, 3.0) for i, who in enumerate(said)], schema)
    (Label(row_key='r1', answer='yes', n_annotators=3, agreement=0.6666666666666666, \
annotators=('user 1', 'user 2', 'user 3')),)
    """
    latest: dict[tuple[str, str], Annotation] = {}
    for annotation in sorted(annotations, key=lambda one: (one.updated_at, one.annotation_id)):
        latest[annotation.row_key, annotation.annotator] = annotation
    rows: dict[str, dict[str, str]] = {}
    for (row_key, annotator), annotation in sorted(latest.items()):
        if annotation.answer is not None and (schema.task == "regression" or annotation.answer in schema.classes):
            rows.setdefault(row_key, {})[annotator] = annotation.answer
    labels = (_label(row_key, answers, schema) for row_key, answers in rows.items())
    return tuple(label for label in labels if label is not None)


def _label(row_key: str, answers: dict[str, str], schema: Schema) -> Label | None:
    if schema.task == "regression":
        numbers = [float(answer) for answer in answers.values()]
        answer, votes = repr(median(numbers)), numbers.count(median(numbers))
    else:
        ranked = Counter(answers.values()).most_common(2)
        answer, votes = ranked[0]
        if len(ranked) == 2 and ranked[1][1] == votes:
            return None
    return Label(row_key, answer, len(answers), votes / len(answers), tuple(answers))
