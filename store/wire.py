"""Records as JSON text and back, without losing a bit."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_origin

from cattrs import Converter
from cattrs.errors import CattrsError
from cattrs.strategies import configure_tagged_union

from records.errors import BadData
from records.slice import Condition

T = TypeVar("T")


def encode(record: object) -> str:
    """Return a record, or a tuple of records, as JSON.

    NaN becomes `null` and infinity a string, because JSON has neither; times are ISO in UTC and paths are strings.
    Raises `BadData` for a time without a time zone and for a value JSON cannot hold.

    >>> from records.drift import Estimate
    >>> encode(Estimate(0.25, float("-inf"), float("nan")))
    '{"value":0.25,"low":"-inf","high":null}'
    """
    try:
        return json.dumps(_converter().unstructure(record), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise BadData(f"a {type(record).__name__} cannot be kept: {error}; hand over plain records only") from error


def decode(kind: type[T], text: str) -> T:
    """Return the record of type `kind` that `text` holds; raises `BadData` if it holds something else.

    >>> from records.drift import Estimate
    >>> decode(Estimate, '{"value":0.25,"low":"-inf","high":null}')
    Estimate(value=0.25, low=-inf, high=nan)
    """
    try:
        return _converter().structure(json.loads(text), kind)
    except (CattrsError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise BadData(
            f"the text {text[:80]!r} is not a {kind_name(kind)} ({error!r}); it was written by another version"
        ) from error


def kind_name(kind: Any) -> str:
    """Return the name under which records of a type are filed; every tuple of records is a `tuple`.

    >>> from records.slice import Slice
    >>> kind_name(Slice), kind_name(tuple[Slice, ...]), kind_name(tuple)
    ('Slice', 'tuple', 'tuple')
    """
    return str((get_origin(kind) or kind).__name__)


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    exact: dict[type, Callable[[Any], Any]] = {bool: bool, int: int, str: str, float: _float_out, datetime: _time_out}
    for kind, out in exact.items():  # numbers of numpy become Python's own
        converter.register_unstructure_hook(kind, out)
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(str, _text_in)
    converter.register_structure_hook(float, lambda value, _: math.nan if value is None else float(value))
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    # `null` already means "absent" where a float is optional, so NaN needs a name there.
    converter.register_unstructure_hook_func(
        _is_optional_float, lambda v: "nan" if v is not None and v != v else _float_out(v)
    )
    converter.register_structure_hook_func(_is_optional_float, lambda value, _: None if value is None else float(value))
    configure_tagged_union(Condition, converter, tag_name="kind")
    return converter


def _is_optional_float(kind: Any) -> bool:
    return bool(kind == (float | None))


def _float_out(value: float | None) -> float | str | None:
    if value is None or math.isnan(value):
        return None
    return str(float(value)) if math.isinf(value) else float(value)


def _time_out(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment!r} has no time zone")
    return moment.astimezone(UTC).isoformat()


def _text_in(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    return value
