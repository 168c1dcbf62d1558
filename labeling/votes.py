"""What each person last said about each row: the votes that consensus, agreement and quality are counted from."""

from collections.abc import Iterable

from records.label import Annotation
from records.schema import Schema

Votes = dict[str, dict[str, str]]
"""Row key → annotator → answer."""


def last_words(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """Return each person's latest annotation of each row, over all its tasks, sorted by row key and annotator."""
    latest: dict[tuple[str, str], Annotation] = {}
    for annotation in sorted(annotations, key=lambda one: (one.updated_at, one.annotation_id)):
        latest[annotation.row_key, annotation.annotator] = annotation
    return tuple(annotation for _, annotation in sorted(latest.items()))


def votes(annotations: Iterable[Annotation], schema: Schema) -> Votes:
    """Return the votes on every row that has one, both sorted.

    A person whose latest word is a skip has no vote, nor has an answer that is no longer one of the schema's classes.

    >>> from datetime import UTC, datetime
    >>> schema = Schema("id", "t", "late", "classification", (), (), classes=("no", "yes"))
    >>> said = [("r1", "ada", "no", 1), ("r1", "ada", "yes", 2), ("r1", "ben", None, 1), ("r2", "ben", "maybe", 1)]
    >>> when = [datetime(2013, 4, hour, tzinfo=UTC) for *_, hour in said]
    >>> votes([Annotation(i, 1, *one[:3], when[i], 3.0) for i, one in enumerate(said)], schema)
    {'r1': {'ada': 'yes'}}
    """
    rows: Votes = {}
    for word in last_words(annotations):
        if word.answer is not None and (schema.task == "regression" or word.answer in schema.classes):
            rows.setdefault(word.row_key, {})[word.annotator] = word.answer
    return rows
