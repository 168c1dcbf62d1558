"""One Label Studio task for one row, and the row back from the task."""

from collections.abc import Collection, Mapping
from datetime import datetime
from math import isfinite, nan

import numpy as np
import pandas as pd

from labeling import answers, page
from labeling.usual import Usual, usual_ranges
from records.label import Ask
from records.schema import Schema

__all__ = ["Usual", "to_row", "to_task", "usual_ranges"]

_GOLD_SHOWS = "audit: random row of the rest"  # what any row might say


def to_task(
    row: Mapping[str, object],
    ask: Ask,
    schema: Schema,
    usual: Mapping[str, Usual],
    drifted: Collection[str],
    opinion: str,
    *,
    title: str,
    model: str,
    window: str,
    prediction: str | None = None,
    show_time: bool = True,
    show_reason: bool = False,
) -> dict[str, object]:
    """Return the task that asks about one row, ready for JSON.

    `data` depends on the row, its batch and the model alone, so that asking again makes the same task. What the row
    was drawn for stays in the ledger: anybody can open a task's `data` and `meta`, and a gold row must look like the
    others. `opinion` is a sentence for people, folded away on the page. `prediction`, the model's answer, is stored
    beside the task; a project opened with suggestions shows it filled in.

    `row` has the schema's features (missing: None or NaN); its time is shown if it has one, unless `show_time` is off,
    as it must be where gold rows, which are older, are among the others. `show_reason` puts `ask.reason` on the page.

    >>> schema = Schema("id", "t", "late", "classification", ("age",), (), classes=("no", "yes"))
    >>> ask = Ask("r1", "audit", 0.25, "rest", "audit: random row of the rest")
    >>> words = {"title": "A row", "model": "m", "window": "w", "prediction": "yes"}
    >>> task = to_task({"age": float("nan")}, ask, schema, {}, (), "Probably yes.", **words)
    >>> task["data"]["row_key"], task["data"]["row"], task["predictions"][0]["result"][0]["value"]
    ('r1', {'age': None}, {'choices': ['yes']})
    """
    names = (*schema.features, schema.time) if show_time else schema.features
    shown = {name: row.get(name) for name in names} | {schema.row_key: ask.row_key}
    data = {
        "row_key": ask.row_key,
        "title": title,
        "row_html": page.render({k: _plain(v) for k, v in shown.items()}, schema, usual, drifted),
        "row": {name: _json(row.get(name)) for name in schema.features},
        "opinion": opinion,
    }
    if show_reason:
        data["reason"] = _GOLD_SHOWS if ask.purpose == "gold" else ask.reason
    task: dict[str, object] = {"data": data, "meta": {"window": window, "model": model}}
    if prediction is not None:
        task["predictions"] = [{"model_version": model, "result": answers.write(prediction, schema)}]
    return task


def to_row(data: Mapping[str, object], schema: Schema) -> dict[str, object]:
    """Return the features in a task's `data` as a normalised row: floats with NaN, and texts or None.

    >>> schema = Schema("id", "t", "y", "regression", numeric=("age",), categorical=("sex",))
    >>> to_row({"row": {"age": None, "sex": "f"}}, schema)
    {'age': nan, 'sex': 'f'}
    """
    row = data["row"]
    assert isinstance(row, Mapping)
    numbers: dict[str, object] = {name: nan if row[name] is None else float(row[name]) for name in schema.numbers}
    return numbers | {name: row[name] for name in (*schema.categorical, *schema.text)}


def _plain(value: object) -> object:
    """Return a value without numpy's or pandas' own types; every kind of missing value is None."""
    if isinstance(value, pd.Timestamp | datetime | np.datetime64):
        moment = pd.Timestamp(value)
        return None if pd.isna(moment) else moment.strftime("%Y-%m-%d %H:%M %Z").strip()
    plain = value.item() if isinstance(value, np.generic) else value
    return None if plain is None or plain is pd.NA or plain is pd.NaT or plain != plain else plain


def _json(value: object) -> object:
    """Return a plain value as strict JSON has it: infinities, which JSON lacks, as the texts `inf` and `-inf`."""
    plain = _plain(value)
    if isinstance(plain, float) and not isfinite(plain):
        return str(plain)
    return plain if plain is None or isinstance(plain, bool | int | float | str) else str(plain)
