"""Who was champion when, and why: the promotions on the ledger as stretches of time, and as the way back."""

from collections.abc import Iterable
from datetime import datetime

from records.errors import NotFound
from records.promotion import Promotion
from records.review import Reign

ROLLED_BACK = "Rolled back from generation"
"""How the verdict of a rollback begins, which tells it from a promotion."""


def reigns(history: Iterable[Promotion]) -> tuple[Reign, ...]:
    """Return who was in charge from when to when, oldest first; the last one has no end.

    `history` are confirmed promotions in their order, rollbacks among them.

    >>> from datetime import UTC
    >>> days = [datetime(2024, 3, day, tzinfo=UTC) for day in (1, 5)]
    >>> past = [Promotion(n, "m", n, None, "why", None, "confirmed", day, day) for n, day in enumerate(days, 1)]
    >>> [(reign.generation, reign.start.day, reign.end and reign.end.day) for reign in reigns(past)]
    [(1, 1, 5), (2, 5, None)]
    """
    moved = [(one, one.settled_at or one.intended_at) for one in history]
    ends = [start for _, start in moved[1:]]
    return tuple(
        Reign(one.generation, start, end, one.why) for (one, start), end in zip(moved, [*ends, None], strict=False)
    )


def in_charge(stretches: Iterable[Reign], moment: datetime) -> Reign:
    """Return who was champion at a moment; raises `NotFound` for one before there was any.

    At the very moment of a change it is the new one.
    """
    begun = [reign for reign in stretches if reign.start <= moment]
    if not begun:
        raise NotFound(f"nobody was champion on {moment:%Y-%m-%d %H:%M %Z}; `driftloop champion` shows since when")
    return begun[-1]


def is_rollback(change: Promotion) -> bool:
    """Whether a change of champion went back to an earlier one, by a person's `driftloop rollback`."""
    return change.verdict is not None and " ".join(change.verdict.reasons).startswith(ROLLED_BACK)


def way_back(history: Iterable[Promotion]) -> tuple[int, ...]:
    """Return the champions that rollbacks go back to one after the other, the next one last; the champion is not among.

    `history` are confirmed promotions in their order. A rollback takes what it left out of the way, so that the next
    goes further back; only a promotion puts a generation in again, and each is there once.

    >>> from datetime import UTC
    >>> from records.comparison import Verdict
    >>> day, back = datetime(2024, 3, 1, tzinfo=UTC), Verdict("promote", (f"{ROLLED_BACK} 3: a test",))
    >>> moved = [(1, None), (2, None), (3, None), (2, back)]
    >>> past = [Promotion(0, "m", number, None, "why", said, "confirmed", day) for number, said in moved]
    >>> [way_back(past[:n]) for n in (1, 2, 3, 4)]
    [(), (1,), (1, 2), (1,)]
    """
    way: list[int] = []
    for change in history:
        number = change.generation
        if is_rollback(change) and number in way:
            del way[way.index(number) + 1 :]
        else:
            way = [*(one for one in way if one != number), number]
    return tuple(way[:-1])
