"""What the snapshot has seen of each feature, for the engine to look for what is beyond it in every row."""

from pandas import DataFrame, Series

from records.facts import Familiar
from records.schema import Schema

MOST_VALUES = 5000
COMMON_SHARE = 0.01


def familiar(reference: DataFrame, schema: Schema) -> tuple[Familiar, ...]:
    """Return the range of each numeric feature and the values of each categorical one, in the schema's order.

    `reference` is normalised (`monitors.schema.check_frame`). The values are those of every row, and become part of a
    query, so a column with more than 5 000 of them has None: they are not looked for. Those of at least 1 % of the
    rows are `common`, the commonest first. Values of a text are not looked for either.

    >>> schema = Schema("id", "at", "late", "classification", ("temp",), ("carrier",), ("no", "yes"))
    >>> rows = DataFrame({"temp": [3.0, None, -2.5], "carrier": ["EV", "B6", "EV"]})
    >>> familiar(rows, schema)[0].low, familiar(rows, schema)[1].values
    (-2.5, ('EV', 'B6'))
    """
    ranges = (Familiar(name, float(reference[name].min()), float(reference[name].max())) for name in schema.numbers)
    texts = (Familiar(name, values=None) for name in schema.text)
    return (*ranges, *(_values(reference[name]) for name in schema.categorical), *texts)


def _values(column: Series) -> Familiar:
    counts = {str(value): int(count) for value, count in column.value_counts().items()}
    values = sorted(counts, key=lambda value: (-counts[value], value))
    common = tuple(value for value in values if counts[value] >= COMMON_SHARE * len(column))
    return Familiar(str(column.name), values=tuple(values) if len(values) <= MOST_VALUES else None, common=common)
