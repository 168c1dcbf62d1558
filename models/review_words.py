"""What a reviewer reads first: the state of a generation in a sentence, and what to do about it."""

from dataclasses import dataclass
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


_UNDO = "If that was wrong:"


def number(value: float, *, signed: bool = False) -> str:
    """Return a number as people read it: three decimals, more digits where it is small, `–` where it is not known.

    >>> number(0.81234), number(0.00012), number(float("nan")), number(0.05, signed=True), number(1234.5)
    ('0.812', '0.00012', '–', '+0.050', '1,234')
    """
    if value != value:
        return "–"
    sign = "+" if signed else ""
    if abs(value) >= 1000:
        return f"{value:{sign},.0f}"
    if value == 0 or abs(value) >= 0.0095:
        return f"{value:{sign}.3f}"
    return f"{value:{sign}.2g}"


def interval(estimate: Estimate, *, signed: bool = False) -> str:
    """Return an estimate with its bounds.

    >>> interval(Estimate(0.05, 0.01, 0.09), signed=True)
    '+0.050 (+0.010 to +0.090)'
    >>> interval(Estimate(0.8, float("nan"), float("nan")))
    '0.800'
    """
    if estimate.low != estimate.low:
        return number(estimate.value, signed=signed)
    low, high = (number(bound, signed=signed) for bound in (estimate.low, estimate.high))
    return f"{number(estimate.value, signed=signed)} ({low} to {high})"


def percent(share: float) -> str:
    """Return a share in percent.

    >>> percent(0.4567), percent(0.004), percent(0.0)
    ('46 %', '0.4 %', '0 %')
    """
    if share != share:
        return "–"
    return f"{100 * share:.0f} %" if share >= 0.0095 or share == 0 else f"{100 * share:.1g} %"
