"""What a reviewer reads first: the state of a generation in a sentence, and what to do about it."""

from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Literal

from records.drift import Estimate
from records.review import Review

Tone = Literal["good", "bad", "open", "calm"]


@dataclass(frozen=True, slots=True)
class Headline:
    """The mark at the top, the sentence beside it, and what a reviewer can do; `command` does it."""

    mark: str
    tone: Tone
    sentence: str
    todo: str
    command: str = ""


def headline(review: Review) -> Headline:
    """Return what to read first about a generation.

    The status says what is, the verdict what the comparison said; where they differ a person decided, or is to.
    """
    number, status = review.generation.number, review.generation.status
    outcome = review.verdict.outcome if review.verdict else None
    in_charge = f"generation {review.champion}" if review.champion else "nobody"
    if status == "champion":
        since = f" since {review.reigns[-1].start:%-d %B %Y %H:%M} UTC" if review.reigns else ""
        sentence = f"Generation {number} is in charge{since}."
        if outcome in ("keep", "needs review"):
            return Headline("champion", "open", f"{sentence} A person decided so; the verdict was: {outcome}.", _UNDO)
        if review.comparison is None:
            return Headline("champion", "calm", sentence, "Nothing is to be done.")
        return Headline("champion", "good", sentence, _UNDO, 'driftloop rollback --why "…"')
    if status == "retired":
        sentence = f"Generation {number} was in charge; now {in_charge} is."
        return Headline("retired", "calm", sentence, "To put it back:", f'driftloop rollback --to {number} --why "…"')
    by_hand = f'driftloop promote {number} --why "…"'
    if status == "rejected" or outcome == "keep":
        sentence = f"Generation {number} was not better where it had to be; {in_charge} stays in charge."
        return Headline("kept out", "bad", sentence, "Nothing is to be done. To promote it all the same:", by_hand)
    if outcome == "promote":
        sentence = f"Generation {number} passed every check and waits for your word; {in_charge} is in charge."
        return Headline("promote?", "good", sentence, "To promote it:", by_hand)
    if outcome == "needs review":
        n = review.verdict.n_labels_needed if review.verdict else 0
        settle = f"About {n:,} more labels would settle it; the next alarm asks for some." if n else ""
        sentence = f"It is not clear whether generation {number} is better; {in_charge} is in charge."
        return Headline("needs review", "open", sentence, f"{settle} To promote it all the same:".strip(), by_hand)
    return Headline("candidate", "open", f"Generation {number} was not compared yet; {in_charge} is in charge.", "")


def rival_of(review: Review) -> int | None:
    """Return the generation that this one is compared with, None for an adopted one."""
    return review.comparison.champion if review.comparison else review.generation.parent


_UNDO = "If that was wrong:"


def number(value: float, *, signed: bool = False, like: float | None = None) -> str:
    """Return a number as people read it, `–` where it is not known.

    It has three decimals, or two significant digits where it, or what it stands beside (`like`), is small.

    >>> number(0.81234), number(0.00012), number(float("nan")), number(0.05, signed=True), number(1234.5)
    ('0.812', '0.00012', '–', '+0.050', '1,234')
    >>> number(0.00012, like=0.5), number(float("inf"))
    ('0.000', 'inf')
    """
    if not isfinite(value):
        return "–" if value != value else f"{value:+}" if signed else f"{value}"
    scale = max(abs(value), abs(like or 0.0))
    decimals = 0 if scale >= 1000 else 3 if scale >= 0.0095 or scale == 0 else 1 - floor(log10(scale))
    return f"{value + 0.0:{'+' if signed else ''},.{decimals}f}".replace("-0.000", "0.000")


def interval(estimate: Estimate, *, signed: bool = False) -> str:
    """Return an estimate with its bounds, all with the same number of decimals.

    >>> interval(Estimate(0.05, 0.01, 0.09), signed=True), interval(Estimate(0.0001, -0.011, 0.012))
    ('+0.050 (+0.010 to +0.090)', '0.000 (-0.011 to 0.012)')
    >>> interval(Estimate(0.8, float("nan"), float("nan")))
    '0.800'
    """
    like = max((abs(end) for end in (estimate.value, estimate.low, estimate.high) if isfinite(end)), default=None)
    value, low, high = (number(end, signed=signed, like=like) for end in (estimate.value, estimate.low, estimate.high))
    return value if estimate.low != estimate.low else f"{value} ({low} to {high})"


def percent(share: float) -> str:
    """Return a share in percent.

    >>> percent(0.4567), percent(0.004), percent(0.0)
    ('46 %', '0.4 %', '0 %')
    """
    if share != share:
        return "–"
    return f"{100 * share:.0f} %" if share >= 0.0095 or share == 0 else f"{100 * share:.1g} %"
