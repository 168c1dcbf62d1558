"""No value of a personal column in what an engine complains about."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from records.errors import BadData
from records.schema import Schema

_COLUMN = re.compile(r"source column (\S+)$", re.MULTILINE)


@contextmanager
def discreet(schema: Schema, *, name: str) -> Iterator[None]:
    """Let no engine's complaint about rows quote a value that may be personal; `name` is the table's.

    An engine quotes the value it cannot convert and seldom says of which column. Where it names one that is not
    personal, and for a model without personal columns, its words stay.
    """
    try:
        yield
    except BadData as error:
        engine = error.__cause__
        if engine is None or not schema.pii:
            raise
        found = _COLUMN.search(str(engine))
        if found and found[1] not in schema.pii:
            raise BadData(str(error)) from None
        columns = ", ".join(map(repr, (schema.time, *schema.numbers)))
        raise BadData(
            f"the table {name} cannot be read ({type(engine).__name__}; what the engine says may quote a personal value"
            f" and is not shown); look for values of another kind in the columns {columns}"
        ) from None
