"""One answer, as a text of ours and as the `result` Label Studio stores.

Label Studio checks nothing it is sent, so everything is checked here. One unreadable answer must not stop a pull:
`read` returns None for it and the door reports how many there were.
"""

from collections.abc import Mapping
from math import isfinite

from records.errors import BadData
from records.schema import Schema

CONTROL = "label"
"""The name of the control in the labelling config that holds the answer."""

TARGET = "row"
"""The name of the object the control speaks about."""

_ORIGINS = ("manual", "prediction", "prediction-changed")

MOST_CHOICES = 9
"""Up to so many classes are choices with a hotkey each; more are a list with a search field."""


def read(result: object, schema: Schema) -> str | None:
    """Return the answer in an annotation's `result`, or None if there is none that can be used.

    None means: no or several answers, a class the schema does not have, or a text that is not a finite number
    (a decimal comma is refused rather than guessed at).

    >>> schema = Schema("id", "t", "late", "classification", (), (), classes=("no", "yes"))
    >>> read([{"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": ["yes"]}}], schema)
    'yes'
    >>> read([{"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": ["perhaps"]}}], schema)
    >>> read([], schema)
    """
    found = [item for item in result if _is_answer(item)] if isinstance(result, list) else []
    if len(found) != 1:
        return None
    said = _said(found[0]["value"])
    if said is None:
        return None
    return _number(said) if schema.task == "regression" else {shown(name): name for name in schema.classes}.get(said)


def write(answer: str, schema: Schema) -> list[dict[str, object]]:
    """Return the `result` Label Studio stores when a person gives `answer`; `read` returns that answer again.

    Raises `BadData` if `answer` is not one of the classes, or not a finite number in a regression.

    >>> write("1.5", Schema("id", "t", "y", "regression", (), ()))
    [{'from_name': 'label', 'to_name': 'row', 'type': 'textarea', 'value': {'text': ['1.5']}}]
    """
    value: dict[str, object]
    if schema.task == "regression":
        number = _number(answer)
        if number is None:
            raise BadData(f"{answer!r} is no answer to a regression of {schema.target!r}; give a finite number")
        kind, value = "textarea", {"text": [number]}
    elif answer not in schema.classes:
        raise BadData(f"{answer!r} is no class of {schema.target!r}; give one of {', '.join(schema.classes)}")
    elif len(schema.classes) <= MOST_CHOICES:
        kind, value = "choices", {"choices": [shown(answer)]}
    else:
        kind, value = "taxonomy", {"taxonomy": [[shown(answer)]]}
    return [{"from_name": CONTROL, "to_name": TARGET, "type": kind, "value": value}]


def origin(result: object) -> str | None:
    """Return how the answer in a `result` came about, in Label Studio's word, or None if it says nothing.

    >>> origin([{"from_name": "label", "value": {"choices": ["yes"]}, "origin": "prediction"}])
    'prediction'
    """
    found = [item for item in result if _is_answer(item)] if isinstance(result, list) else []
    word = found[0].get("origin") if len(found) == 1 else None
    return word if word in _ORIGINS else None


def shown(text: str) -> str:
    r"""Return `text` as it must stand in a labelling config, where `$word` would be replaced by task data.

    An invisible joiner behind the dollar sign prevents that and looks the same.

    >>> shown("under $200")
    'under $\u2060200'
    """
    return text.replace("$", "$\u2060")


def _is_answer(item: object) -> bool:
    return isinstance(item, Mapping) and item.get("from_name") == CONTROL and isinstance(item.get("value"), Mapping)


def _said(value: Mapping[str, object]) -> str | None:
    """Return the one thing that was chosen, picked from the tree, typed, or entered as a number."""
    for kind in ("choices", "taxonomy", "text"):
        said = value.get(kind)
        while isinstance(said, list) and len(said) == 1:
            said = said[0]
        if isinstance(said, str):
            return said
    number = value.get("number")
    return repr(number) if isinstance(number, int | float) and not isinstance(number, bool) else None


def _number(text: str) -> str | None:
    try:
        number = float(text) if "_" not in text else float("nan")
    except ValueError:
        return None
    return repr(number) if isfinite(number) else None
