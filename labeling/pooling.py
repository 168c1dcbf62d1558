"""Rows drawn in several rounds as one sample."""

from collections import Counter
from collections.abc import Sequence

from records.label import Ask


def pooled(asks: Sequence[Ask]) -> dict[str, float]:
    """Return, by row key, the inclusion that makes all rounds of a purpose and slice one sample, up to one factor.

    Each round is a probability sample of its own; together they estimate best when a round counts by its size, which
    is to multiply its probabilities by (rows of all rounds) / (rows of the round), within purpose and slice. Rows
    drawn before are few among those that a later round draws from, and left out of account.

    >>> asks = [Ask("a", "audit", 0.1, "rest", "", 1), *(Ask(k, "audit", 0.3, "rest", "", 2) for k in "bcd")]
    >>> {key: round(inclusion, 3) for key, inclusion in pooled(asks).items()}
    {'a': 0.4, 'b': 0.4, 'c': 0.4, 'd': 0.4}
    """
    of_round = Counter((ask.purpose, ask.slice, ask.round) for ask in asks)
    of_all = Counter((ask.purpose, ask.slice) for ask in asks)
    factors = {key: of_all[key[:2]] / n for key, n in of_round.items()}
    return {ask.row_key: ask.inclusion * factors[ask.purpose, ask.slice, ask.round] for ask in asks}
