"""Markdown for the Prefect UI, in which every value from a table is shown as text."""

import html
from collections.abc import Iterable, Sequence


def text(value: object) -> str:
    """Return a value so that Markdown and HTML show it and never read it as markup.

    >>> text("a|b <script> `x`")
    'a&#124;b &lt;script&gt; &#96;x&#96;'
    """
    escaped = html.escape(str(value)).replace("\n", " ")
    for sign in "|`*_[]{}~#!$\\":
        escaped = escaped.replace(sign, f"&#{ord(sign)};") if sign != "#" else escaped
    return escaped


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table whose cells are shown as text.

    >>> print(table(["column", "p"], [["temp", 0.008]]))
    | column | p |
    | --- | --- |
    | temp | 0.008 |
    """
    lines = [header, ["---"] * len(header), *([text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bar(share: float, *, width: int = 10) -> str:
    """Return a bar of `width` blocks, full at a share of 1.

    >>> bar(0.34)
    '███▍'
    >>> bar(0)
    ''
    """
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
