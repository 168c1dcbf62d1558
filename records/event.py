"""What the world was told, so that it is told once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """An event that was handed over: `event_id` is the same however often it is sent, so a second one is dropped."""

    name: str
    event_id: str
