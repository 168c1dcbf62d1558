"""How well people agree with each other, beyond chance."""

from collections.abc import Iterable
from math import nan

from labeling.votes import votes
from records.label import Annotation
from records.schema import Schema


def alpha(annotations: Iterable[Annotation], schema: Schema) -> float:
    """Return Krippendorff's alpha: 1 for perfect agreement, 0 for what chance gives, below 0 for less.

    It is `nan` where no row has two people's answers, or all answers are the same, so that chance agrees too. Classes
    are alike or not (nominal); numbers differ by their squared distance (interval), to a thousandth of their range.
    Rows with one answer have no say, and people need not have seen the same rows.
    Krippendorff 2011, "Computing Krippendorff's alpha-reliability", by NLTK.

    >>> from datetime import UTC, datetime
    >>> schema = Schema("id", "t", "late", "classification", (), (), classes=("no", "yes"))
    >>> noon = datetime(2013, 4, 1, 12, tzinfo=UTC)
    >>> said = {"r1": ("no", "no"), "r2": ("yes", "yes"), "r3": ("no", "yes"), "r4": ("yes", "yes")}
    >>> pairs = [(key, f"user {i}", answer) for key, answers in said.items() for i, answer in enumerate(answers)]
    >>> round(alpha([Annotation(i, 1, *who, noon, 3.0) for i, who in enumerate(pairs)], schema), 4)
    0.5333
    """
    rows = votes(annotations, schema)
    shared = {key: answers for key, answers in rows.items() if len(answers) > 1}
    given = {answer for answers in shared.values() for answer in answers.values()}
    if len(given) < 2:
        return nan
    from nltk.metrics.agreement import AnnotationTask  # takes a second to import
    from nltk.metrics.distance import binary_distance, interval_distance

    value: dict[str, object]
    if schema.task == "regression":
        numbers = [float(answer) for answer in given]
        step = (max(numbers) - min(numbers)) / 1000  # the time it takes is quadratic in how many there are
        value, distance = {answer: round(float(answer) / step) * step for answer in given}, interval_distance
    else:
        value, distance = {answer: answer for answer in given}, binary_distance
    told = [(person, key, value[said]) for key, answers in shared.items() for person, said in answers.items()]
    return float(AnnotationTask(told, distance=distance).alpha())
