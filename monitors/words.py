"""One column's change in a sentence that a person can read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import Series

from records.drift import Estimate

_MOST_MOVES = 2
_MOST_NEW = 2
_LONGEST_VALUE, _LONGEST_QUOTE = 40, 60
_SAME = 0.05  # in snapshot standard deviations: less is called the same
_GAPS_FIRST = 0.01


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric column in words: its `mean` and `sd` (`nan` without a value), `n_known` values, share missing."""

    name: str
    n_known: int
    share_missing: float
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Shares:
    """A categorical column in words: the share of rows of each value, "missing" among them, commonest first."""

    name: str
    shares: "Series[float]"


@dataclass(frozen=True, slots=True)
class Texts:
    """A text column in words: the logarithms of its `length`, the `typical` number of characters, and words `seen`.

    Words are the buckets of `monitors.texts`.
    """

    length: Numbers
    typical: float
    seen: NDArray[np.bool_]


def numbers_of(column: Series) -> Numbers:
    """Return what is said of a numeric column, `nan` where missing."""
    known = column.dropna()
    missing = float(column.isna().mean())
    return Numbers(str(column.name), len(known), missing, float(known.mean()), float(known.std(ddof=0)))


def shares_of(column: Series) -> Shares:
    """Return what is said of a categorical column, `None` where missing."""
    return Shares(str(column.name), column.fillna("missing").value_counts(normalize=True))


def about_number(before: Numbers, now: Numbers, effect: Estimate, *, unit: str = "") -> str:
    """Say how a numeric column changed: its mean, its spread if that moved by a fifth, its share missing.

    `effect` is the shift in snapshot standard deviations. Gaps come first where their share moved by a hundredth.

    >>> before = numbers_of(Series([10.0, 20.0, 30.0], name="temp"))
    >>> gaps, now = (numbers_of(Series(x, name="temp")) for x in ([10.0, 20.0, 30.0, None], [16.0, 26.0, 36.0, 26.0]))
    >>> about_number(before, now, Estimate(0.73, 0.2, 1.3), unit="°F")
    'temp is higher by 6.0 °F (0.73 snapshot sd): mean 20.0 → 26.0'
    >>> about_number(gaps, now, Estimate(0.73, 0.2, 1.3))
    'temp is missing less often (25 % → 0 %), higher by 6.0 (0.73 snapshot sd): mean 20.0 → 26.0'
    """
    if said := gaps(before, now):
        if not (now.n_known and before.n_known):
            return said
        return f"{said}, {_about_values(before, now, effect, unit)}"
    often = f", missing {share(before.share_missing)} → {share(now.share_missing)}"
    words = f"{before.name} is {_about_values(before, now, effect, unit)}"
    return words + often * bool(before.share_missing or now.share_missing)


def gaps(before: Numbers, now: Numbers) -> str | None:
    """Say how much more or less often values are missing, if that moved by a hundredth or there is none at all."""
    name, was, is_ = before.name, before.share_missing, now.share_missing
    if not now.n_known:
        return f"{name} has no value at all, missing {share(was)} → 100 %"
    if not before.n_known:
        return f"{name} had no value in the snapshot, missing 100 % → {share(is_)}"
    if abs(is_ - was) < _GAPS_FIRST:
        return None
    return f"{name} is missing {'more' if is_ > was else 'less'} often ({share(was)} → {share(is_)})"


def _about_values(before: Numbers, now: Numbers, effect: Estimate, unit: str) -> str:
    difference = now.mean - before.mean
    old, new, by = (number(value, before.sd or now.sd) for value in (before.mean, now.mean, abs(difference)))
    size = f"({abs(effect.value):.2f} snapshot sd)"
    if abs(effect.value) < _SAME:
        words = f"about the same on average {size}: mean {old} → {new}"
    else:
        side = "higher" if difference > 0 else "lower"
        words = f"{side} by {f'{by} {unit}'.strip()} {size}: mean {old} → {new}"
    if before.sd > 0 and now.n_known >= 10 and not 0.8 <= now.sd / before.sd <= 1.25:
        words += f", spread (sd) {number(before.sd, before.sd)} → {number(now.sd, before.sd)}"
    return words


def about_category(before: Shares, now: Shares) -> str:
    """Say which values of a categorical column moved most, and which are new.

    >>> before = shares_of(Series(["EV"] * 1 + ["B6"] * 9, name="carrier"))
    >>> about_category(before, shares_of(Series(["EV"] * 3 + ["B6"] * 6 + ["ZZ"], name="carrier")))
    'carrier: B6 90 % → 60 %, EV 10 % → 30 %, new value ZZ 10 %'
    """
    name, old, new = before.name, before.shares, now.shares
    moves = new.reindex(old.index, fill_value=0.0) - old
    if "missing" in new.index and "missing" not in moves.index:
        moves["missing"] = new["missing"]
    top = sorted(moves.index, key=lambda value: (-abs(moves[value]), str(value)))[:_MOST_MOVES]
    words = [
        f"{value_text(value)} {share(old.get(value, 0.0))} → {share(new.get(value, 0.0))}"
        for value in top
        if abs(moves[value]) > 0
    ]
    fresh = sorted(set(new.index) - set(moves.index), key=lambda value: (-new[value], str(value)))
    words += [f"new value {value_text(value)} {share(new[value])}" for value in fresh[:_MOST_NEW]]
    if len(fresh) > _MOST_NEW:
        words.append(f"{len(fresh) - _MOST_NEW} more new values")
    return f"{name}: {', '.join(words)}" if words else f"{name} is the same"


def share(part: float) -> str:
    """Write a share as a percentage.

    >>> [share(part) for part in (0.0, 0.00004, 0.0123, 0.1449, 1.0)]
    ['0 %', '<0.01 %', '1.2 %', '14 %', '100 %']
    """
    if part == 0:
        return "0 %"
    if part < 0.0001:
        return "<0.01 %"
    return f"{part:.2%}".replace("%", " %") if part < 0.001 else f"{_percent(part)} %"


def _percent(part: float) -> str:
    return f"{100 * part:.0f}" if part >= 0.0995 else f"{100 * part:.1f}"


def number(value: float, sd: float) -> str:
    """Write a number so that a hundredth of a standard deviation can just be seen."""
    places = 2 - math.floor(math.log10(2 * sd)) if sd > 0 and math.isfinite(sd) else 3
    if abs(value) >= 1e9 or places > 9:
        return f"{value:.4g}"
    return f"{round(value, min(places, 9)) + 0.0:.{max(places, 0)}f}"


def listed(names: Sequence[str]) -> str:
    """Write names as a list.

    >>> listed(("temp",)), listed(("temp", "wind", "rain"))
    ('temp', 'temp, wind and rain')
    """
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def value_text(value: object) -> str:
    r"""One short line of a value that may be anything.

    >>> value_text("a\n" + "b" * 100)
    'a bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…'
    """
    text = " ".join(str(value)[: 4 * _LONGEST_VALUE].split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def quoted(value: object) -> str:
    """Return a value as an error shows it: as it is written in code, 60 characters at most."""
    return shortened(repr(value), _LONGEST_QUOTE)


def shortened(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters.

    >>> shortened("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
