"""One thing that was looked at in a running installation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """Whether one thing is well: `sentence` says how it is, `advice` what to do, `repaired` what was done."""

    name: str
    ok: bool
    sentence: str
    advice: str = ""
    repaired: str = ""
