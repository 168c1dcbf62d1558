"""How well each person answers: against the others, and on rows whose answer was known."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from math import nan
from statistics import median

from labeling.proportions import share
from labeling.votes import Votes, last_words, votes
from records.drift import Estimate
from records.label import Annotation, Annotator
from records.schema import Schema


def annotators(
    annotations: Iterable[Annotation], schema: Schema, *, gold: Mapping[str, str], close: float = 0.0
) -> tuple[Annotator, ...]:
    """Return what is known of every person, sorted by name; `gold` has the true answers of some rows.

    The others' answer to a row is their majority, or for numbers their median; where they tie, the row does not
    count. Numbers are the same if they are at most `close` apart.

    The accuracy is the mean of a Beta distribution whose prior has the group's mean, and so much weight as the spread
    between people deserves (see `shrunk`): somebody with three gold rows is mostly told by the group.

    >>> from datetime import UTC, datetime
    >>> schema = Schema("id", "t", "late", "classification", (), (), classes=("no", "yes"))
    >>> noon = datetime(2013, 4, 1, 12, tzinfo=UTC)
    >>> said = [("r1", "ada", "yes"), ("r1", "ben", "yes"), ("r2", "ada", "no"), ("r2", "ben", "yes")]
    >>> both = annotators([Annotation(i, 1, *who, noon, 3.0) for i, who in enumerate(said)], schema, gold={"r2": "no"})
    >>> [(one.annotator, one.agreement, one.accuracy.value) for one in both]
    [('ada', 0.5, 0.75), ('ben', 0.5, 0.25)]
    """
    words = last_words(annotations)
    rows = votes(words, schema)
    people = sorted({word.annotator for word in words})
    shared, known = _shared(rows, schema, close), _known(rows, schema, gold, close)
    accuracy = dict(zip(people, shrunk([_counts(known.get(person, ())) for person in people]), strict=True))
    times: dict[str, list[float]] = {}
    for word in words:
        if word.lead_time_seconds == word.lead_time_seconds:
            times.setdefault(word.annotator, []).append(word.lead_time_seconds)
    answered = Counter(person for answers in rows.values() for person in answers)
    skipped = Counter(word.annotator for word in words if word.answer is None)
    return tuple(
        Annotator(
            annotator=person,
            n_answered=answered[person],
            n_skipped=skipped[person],
            n_shared=len(shared.get(person, ())),
            agreement=sum(shared[person]) / len(shared[person]) if person in shared else nan,
            n_gold=len(known.get(person, ())),
            accuracy=accuracy[person],
            lead_time_seconds=median(times[person]) if person in times else nan,
        )
        for person in people
    )


def shrunk(counts: Collection[tuple[int, int]]) -> tuple[Estimate, ...]:
    """Return each person's accuracy from (right, asked) of everybody, drawn towards their common mean.

    The prior's weight in rows, `1 / rho - 1`, is by the method of moments: `rho` is how much more people differ than
    chance makes them (Kleinman 1973). It is never more than the number of rows the others were asked, so one person
    alone keeps their own share. The interval is Wilson's for the rows asked and the prior's together.

    >>> [round(one.value, 3) for one in shrunk([(19, 20), (14, 20), (1, 2), (0, 0)])]
    [0.921, 0.723, 0.724, 0.81]
    """
    asked = sum(n for _, n in counts)
    if not asked:
        return tuple(share(0, 0) for _ in counts)
    mean = sum(right for right, _ in counts) / asked
    seen = [(right, n) for right, n in counts if n]
    room = sum((n - 1) * (1 - n / asked) for _, n in seen)
    rho = 0.0
    if 0 < mean < 1 and room > 0:
        spread = sum(n * (right / n - mean) ** 2 for right, n in seen) / (mean * (1 - mean))
        rho = min(max((spread - (len(seen) - 1)) / room, 0.0), 1.0)
    told = []
    for right, n in counts:
        weight = asked - n if rho == 0 else min(1 / rho - 1, asked - n)
        if n == 0:
            weight = max(weight, 1.0)  # of somebody new nothing but the mean is known, however much people differ
        told.append(share(right + weight * mean, n + weight))
    return tuple(told)


def same(answer: str, other: str, schema: Schema, close: float) -> bool:
    """Say whether two answers are the same: one class, or numbers at most `close` apart."""
    if schema.task == "regression":
        return abs(float(answer) - float(other)) <= close
    return answer == other


def _shared(rows: Votes, schema: Schema, close: float) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for answers in rows.values():
        for person, answer in answers.items():
            others = _together([said for other, said in answers.items() if other != person], schema)
            if others is not None:
                found.setdefault(person, []).append(same(answer, others, schema, close))
    return found


def _together(answers: list[str], schema: Schema) -> str | None:
    if not answers:
        return None
    if schema.task == "regression":
        return repr(median(map(float, answers)))
    ranked = Counter(answers).most_common(2)
    return None if len(ranked) == 2 and ranked[0][1] == ranked[1][1] else ranked[0][0]


def _known(rows: Votes, schema: Schema, gold: Mapping[str, str], close: float) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for key in sorted(rows.keys() & gold.keys()):
        for person, answer in rows[key].items():
            found.setdefault(person, []).append(same(answer, gold[key], schema, close))
    return found


def _counts(right: Collection[bool]) -> tuple[int, int]:
    return sum(right), len(right)
