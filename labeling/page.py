"""The row as a person reads it: a small table in escaped HTML, for Label Studio's `<HyperText>`.

Inline styles only, since nothing else survives there; no colour of text is set and every tint is translucent, so the
page reads the same in the light and the dark theme.
"""

from collections.abc import Collection, Mapping
from html import escape
from math import isnan

from labeling.usual import Usual
from records.schema import Schema

LONG_TEXT = 60
"""A value with more characters than this gets the whole width instead of a cell."""
MOST_TEXT = 20_000
"""Of a value with more characters only so many are shown, from its beginning: pages of a megabyte cannot be read."""

_CELL = "padding:2px 14px 2px 8px;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.22)"
_FAINT = "opacity:.65"
_TINT = "background:rgba(255,160,0,.13)"
_PILL = "padding:0 7px;border-radius:9px;background:rgba(255,120,0,.28);white-space:nowrap"


def render(row: Mapping[str, object], schema: Schema, usual: Mapping[str, Usual], drifted: Collection[str]) -> str:
    """Return the HTML of one row: key and time, then a line per feature, drifted features first.

    A line has the feature's name, the row's value with its unit, where that lies against the snapshot's usual range
    (5 % to 95 %) or commonest categories, and a mark if it is unusual. `row` needs the schema's features; its key and
    time are shown if it has them. Everything that came from data is escaped.

    >>> schema = Schema("id", "t", "y", "regression", numeric=("age",), categorical=())
    >>> "&lt;b&gt;" in render({"id": "<b>", "age": 3.0}, schema, {"age": Usual("age", 21, 30, 39)}, drifted=())
    True
    """
    caption = " · ".join(_text(row[name]) for name in (schema.row_key, schema.time) if row.get(name) is not None)
    first = [name for name in schema.features if name in drifted]
    others = [name for name in schema.features if name not in drifted]
    lines = [_heading("drifted since the model was trained", tint=True)] if first else []
    lines += [_line(name, row.get(name), schema, usual.get(name), tint=True) for name in first]
    lines += [_heading("other features", tint=False)] if first and others else []
    lines += [_line(name, row.get(name), schema, usual.get(name), tint=False) for name in others]
    return (
        f'<div style="font-size:14px;line-height:1.45"><div style="{_FAINT};margin:2px 8px 6px">{escape(caption)}</div>'
        f'<table style="border-collapse:collapse;min-width:60%">{_head()}{"".join(lines)}</table></div>'
    )


def _head() -> str:
    names = ("feature", "this row", "", "", "usual range (middle), or commonest")
    cells = "".join(f'<td style="{_CELL};{_FAINT};font-size:12px">{name}</td>' for name in names)
    return f"<tr>{cells}</tr>"


def _heading(text: str, *, tint: bool) -> str:
    style = f"{_CELL};{_FAINT};font-size:12px;padding-top:8px" + (f";{_TINT}" if tint else "")
    return f'<tr><td colspan="5" style="{style}">{text}</td></tr>'


def _line(name: str, value: object, schema: Schema, usual: Usual | None, *, tint: bool) -> str:
    unit = schema.unit(name)
    if name in schema.datetime and isinstance(value, float):
        value, unit = float(f"{value:.4g}"), f"{unit} before"
    bar, range_text, mark = _against(value, unit, usual, numeric=name in schema.numbers)
    text = escape(_cut(_text(value))) if not _missing(value) else f'<i style="{_FAINT}">missing</i>'
    if unit and not _missing(value):
        text += f' <span style="{_FAINT};font-weight:400">{escape(unit)}</span>'
    pill = f'<span style="{_PILL}">{escape(mark)}</span>' if mark else ""
    wrap = "nowrap" if name in schema.numbers else "pre-wrap"
    row_style = f' style="{_TINT}"' if tint else ""
    breaks = "white-space:nowrap" if len(name) <= LONG_TEXT // 2 else "max-width:30ch;overflow-wrap:anywhere"
    label = f'<td style="{_CELL};{breaks}">{escape(name)}</td>'
    if len(_text(value)) > LONG_TEXT:
        block = f'<td colspan="4" style="{_CELL};white-space:pre-wrap;max-width:70ch">{text}</td>'
        return f"<tr{row_style}>{label}{block}</tr>"
    return (
        f'<tr{row_style}>{label}<td style="{_CELL};font-weight:600;white-space:{wrap}">{text}</td>'
        f'<td style="{_CELL};width:96px">{bar}</td><td style="{_CELL}">{pill}</td>'
        f'<td style="{_CELL};{_FAINT}">{escape(range_text)}</td></tr>'
    )


def _against(value: object, unit: str, usual: Usual | None, *, numeric: bool) -> tuple[str, str, str]:
    """Return the bar, the usual range in words and the mark of a value."""
    missing = _missing(value)
    if usual is None:
        return "", "", ""
    if not numeric:
        shares = dict(usual.commonest)
        words = ", ".join(f"{_short(name)} {_percent(share)}" for name, share in usual.commonest)
        if len(usual.known) > len(shares):
            words += f" … of {len(usual.known)}"
        mark = "new value" if not missing and str(value) not in usual.known else ""
        return "", words, mark
    if isnan(usual.low):
        return "", "", ""
    low, middle, high = (_text(number, digits=4) for number in (usual.low, usual.median, usual.high))
    words = (f"{low} – {high} ({middle})" if low != high else low) + (f" {unit}" if unit else "")
    if missing:
        return "", words, ""
    number = float(str(value))
    mark = "▲ above usual" if number > usual.high else "▼ below usual" if number < usual.low else ""
    return _bar(number, usual), words, mark


def _bar(number: float, usual: Usual) -> str:
    """Return a track whose darker middle is the usual range, with a dot where the value lies, at most at the ends."""
    width = usual.high - usual.low
    place = (number - usual.low) / width if width > 0 else 0.5 + (number > usual.high) - (number < usual.low)
    left = min(max(20 + 60 * place, 3), 97)
    return (
        '<div style="position:relative;width:96px;height:14px">'
        '<div style="position:absolute;left:0;top:5px;width:96px;height:4px;background:rgba(128,128,128,.25)"></div>'
        '<div style="position:absolute;left:20%;top:5px;width:60%;height:4px;background:rgba(128,128,128,.55)"></div>'
        f'<div style="position:absolute;left:{left:.0f}%;top:2px;width:10px;height:10px;margin-left:-5px;'
        'border-radius:5px;background:rgb(90,130,230)"></div></div>'
    )


def _cut(text: str) -> str:
    """Return the beginning of a text that is too long to be read, and how much there is.

    >>> _cut("a" * 20_001)[19_998:]
    'aa … (20,001 characters in all)'
    """
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} … ({len(text):,} characters in all)"


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and isnan(value))


def _text(value: object, *, digits: int = 6) -> str:
    """Return a value as people write it: some significant digits, whole numbers whole, commas from 10,000."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.{digits}g}" if abs(value) < 10 ** (digits - 1) or abs(value) >= 1e9 else f"{value:.0f}"
    whole, dot, decimals = text.partition(".")
    return f"{int(whole):,}{dot}{decimals}" if 1e4 <= abs(value) < 1e9 else text


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "<1%"


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:23] + "…"
