"""Who was champion when, and why: the promotions on the ledger as stretches of time."""

from collections.abc import Iterable
from datetime import datetime

from records.errors import NotFound
from records.promotion import Promotion
from records.review import Reign


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
