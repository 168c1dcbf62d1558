"""Schemas, rows and tasks the tests of this room share."""

from typing import Any

from hypothesis import settings

from labeling.tasks import to_task
from labeling.usual import Usual
from records.label import Ask
from records.schema import Schema

CALM = settings(max_examples=50)

TWO = Schema(
    "key",
    "time",
    "late",
    "classification",
    numeric=("distance", "temp"),
    categorical=("carrier",),
    classes=("on time", "late"),
    units=(("distance", "miles"), ("delay", "minutes")),
)
MANY = Schema(
    "key", "time", "kind", "classification", ("distance",), (), classes=tuple(f"class {i}" for i in range(12))
)
NUMBER = Schema("key", "time", "delay", "regression", ("distance",), (), units=(("delay", "minutes"),))
USUAL = {
    "distance": Usual("distance", low=187.0, median=872.0, high=2475.0),
    "temp": Usual("temp", low=20.0, median=36.0, high=49.0),
    "carrier": Usual("carrier", commonest=(("UA", 0.6), ("B6", 0.3)), known=frozenset({"UA", "B6", "EV"})),
}


def ask(row_key: str) -> Ask:
    return Ask(row_key, "audit", 0.25, "carrier = EV", "audit: random row of carrier = EV")


def task(
    row_key: str, schema: Schema = TWO, *, prediction: str | None = "late", show_reason: bool = False
) -> dict[str, Any]:
    row = {"distance": 1107.0, "temp": 68.0, "carrier": "EV"}
    words: Any = {"title": "Late?", "model": "flights generation 1", "window": "2013-06-01_2013-06-08"}
    words |= {"prediction": prediction, "show_reason": show_reason}
    return to_task(row, ask(row_key), schema, USUAL, ("temp",), "Probably late.", **words)
