"""Gold rows: rows of the holdout, whose answers are known, asked among the others to see how well people answer."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b

from records.label import Ask

REASON = "gold: its answer is known from the snapshot"


def draw_gold(
    known: Mapping[str, str], *, n: int, classes: Sequence[str], taken: Collection[str], seed: int
) -> tuple[Ask, ...]:
    """Draw at most `n` rows of `known` (row key → true answer), none of them in `taken`, in an order that is a hash.

    They take turns over the classes, or over fourths of the numbers if there are no `classes`, so that who always
    says the commonest answer is found out. A gold row neither judges nor teaches, hence its inclusion is 1.

    >>> known = {f"h{i}": "no" if i % 10 else "yes" for i in range(100)}
    >>> [known[ask.row_key] for ask in draw_gold(known, n=4, classes=("no", "yes"), taken=(), seed=1)]
    ['no', 'yes', 'no', 'yes']
    """
    free = sorted((key for key in known if key not in taken), key=lambda key: (_hash(key, seed), key))
    if classes:
        parts = [[key for key in free if known[key] == name] for name in classes]
    else:
        cuts = sorted(float(known[key]) for key in free)
        edges = [cuts[len(cuts) * fourth // 4] for fourth in (1, 2, 3)] if cuts else []
        place = {key: sum(float(known[key]) >= edge for edge in edges) for key in free}
        parts = [[key for key in free if place[key] == fourth] for fourth in range(4)]
    turns = sorted((turn, part, key) for part, keys in enumerate(parts) for turn, key in enumerate(keys))
    return tuple(Ask(key, "gold", 1.0, "rest", REASON) for _, _, key in turns[: max(n, 0)])


def mix(asks: Sequence[Ask], gold: Sequence[Ask], *, seed: int) -> tuple[Ask, ...]:
    """Return `asks` in their order with each of `gold` at a place that follows from its row key.

    >>> asks = [Ask(f"r{i}", "audit", 0.5, "rest", "audit") for i in range(6)]
    >>> [ask.row_key for ask in mix(asks, draw_gold({"h1": "a"}, n=1, classes=("a",), taken=(), seed=1), seed=1)]
    ['r0', 'r1', 'h1', 'r2', 'r3', 'r4', 'r5']
    """
    places = [((i + 0.5) / len(asks), ask.row_key, ask) for i, ask in enumerate(asks)]
    places += [(_hash("place " + ask.row_key, seed), ask.row_key, ask) for ask in gold]
    return tuple(ask for _, _, ask in sorted(places, key=lambda one: one[:2]))


def _hash(text: str, seed: int) -> float:
    digest = blake2b(text.encode(), digest_size=8, salt=seed.to_bytes(16, "big", signed=True)).digest()
    return int.from_bytes(digest, "big") / 2**64
