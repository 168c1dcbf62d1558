"""How pipelines are to be fitted, as those who fit, choose and tell need to know it."""

from dataclasses import dataclass
from typing import Literal

from records.window import Window

Serving = Literal["accelerated", "stock"]


@dataclass(frozen=True, slots=True)
class How:
    """The loss that decides, the seed, who serves, whether classes count the same, and which window today is in."""

    loss: str
    seed: int
    serving: Serving
    balance: bool = False
    window: Window | None = None
