"""A change of champion, as the ledger keeps it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from records.comparison import Verdict

State = Literal["intended", "confirmed", "abandoned"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """One change of champion: meant before the alias moves, settled after.

    `previous` is the champion it replaces (None for the first); a rollback is a promotion of an earlier generation.
    `settled_at` and, for an abandoned one, `abandoned_why` are None until it is settled, `told_at` is until Prefect has
    taken the event of a change that a person made.
    """

    id: int
    model: str
    generation: int
    previous: int | None
    why: str
    verdict: Verdict | None
    state: State
    intended_at: datetime
    settled_at: datetime | None = None
    abandoned_why: str | None = None
    told_at: datetime | None = None
