"""Markdown for the Prefect UI, in which every value from a table is shown as text."""

import re
from collections.abc import Iterable, Sequence


def text(value: object) -> str:
    r"""Return a value so that Markdown and HTML show it and never read it as markup.

    Signs are escaped with backslashes, because Prefect's pages show HTML entities as they stand.

    >>> print(text("a|b <script> x_y"))
    a\|b \<script\> x\_y
    """
    return re.sub(r"([\\|`*_\[\]{}<>~#!$&])", r"\\\1", " ".join(str(value).split()))


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
