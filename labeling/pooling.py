"""Rows drawn in several rounds as one sample."""

from collections import Counter
from collections.abc import Sequence

from records.label import Ask


def pooled(asks: Sequence[Ask]) -> dict[str, float]:
    """Return, by row key, the inclusion that makes all rounds of a purpose and slice one sample.

    A round of rows that were not drawn before tells of those rows alone; what was drawn before is known. Each round,
    with the rows before it, estimates the total without bias, and rounds count by their sizes (Raj 1956): with a_k the
    share of round k in all rows drawn, 1 / inclusion = a_r / π + Σ_{k > r} a_k for a row of round r drawn with π. It
    can exceed 1, where a later round draws every row that is left.

    >>> asks = [Ask("a", "audit", 0.1, "rest", "", 1), *(Ask(k, "audit", 0.5, "rest", "", 2) for k in "bcd")]
    >>> {key: round(inclusion, 3) for key, inclusion in pooled(asks).items()}
    {'a': 0.308, 'b': 0.667, 'c': 0.667, 'd': 0.667}
    """
    of_round = Counter((ask.purpose, ask.slice, ask.round) for ask in asks)
    of_all = Counter((ask.purpose, ask.slice) for ask in asks)
    weights: dict[str, float] = {}
    for ask in asks:
        group, n = (ask.purpose, ask.slice), of_all[ask.purpose, ask.slice]
        share = of_round[(*group, ask.round)] / n
        later = sum(count for key, count in of_round.items() if key[:2] == group and key[2] > ask.round) / n
        weights[ask.row_key] = share / ask.inclusion + later
    return {row_key: 1 / weight for row_key, weight in weights.items()}
