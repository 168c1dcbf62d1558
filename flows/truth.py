"""Answers that production itself knows by now, which need no person."""

from collections.abc import Collection

from flows.site import Site
from records.label import Label
from records.window import Window

SOURCE = "production table"
"""Who answered, where it was no person."""


def known_answers(site: Site, window: Window, row_keys: Collection[str]) -> dict[str, Label]:
    """Return the labels of those rows whose answer has arrived in the production table, by row key.

    An answer that is no class of the schema, or no number, is left to people.
    """
    if not row_keys:
        return {}
    rows = site.table.rows(window, sorted(row_keys))
    schema = site.schema
    if schema.target not in rows.columns:
        return {}
    rows = rows[rows[schema.target].notna()]
    found = {}
    for key, value in zip(rows[schema.row_key], rows[schema.target], strict=True):
        answer = _answer(value, schema.classes)
        if answer is not None:
            found[str(key)] = Label(str(key), answer, 1, 1.0, (SOURCE,))
    return found


def _answer(value: object, classes: tuple[str, ...]) -> str | None:
    if classes:
        said = str(value)
        known = {name.lower(): name for name in classes} if isinstance(value, bool) or said in ("True", "False") else {}
        return said if said in classes else known.get(said.lower())
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return repr(number) if abs(number) < float("inf") else None
