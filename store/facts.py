"""What an engine is asked about every row of a window, and the facts its answers make.

Expressions are Ibis tables and columns, typed `Any` because Ibis itself is known to `store.warehouse` alone. Two
queries are asked: one aggregate over all columns, and one that groups each categorical column by its values. Both
return few numbers, however many rows and values there are.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from records.facts import ColumnFacts, Familiar, TableFacts, ValueCount

MOST_UNSEEN = 5
"""How many of the values that are not familiar are named per column, commonest first."""

Row = Mapping[str, Any]


def totals(rows: Any, familiar: Mapping[str, Familiar]) -> Any:
    """Return the aggregate query: one row that counts rows, keys, known values, and numbers out of their range.

    `rows` are canonical, the key first. Columns of the answer are named by the column's place.
    """
    asked = {"rows": rows.count(), "keys": rows[rows.columns[0]].nunique()}
    for place, name in enumerate(rows.columns):
        column = rows[name]
        asked[f"known{place}"] = column.count()
        if not column.type().is_floating():
            continue
        asked |= {f"low{place}": column.min(), f"high{place}": column.max()}
        if name in familiar:
            known = familiar[name]
            # A sum, because DuckDB copies every column of every row for each count with a condition of its own.
            asked |= {f"below{place}": (column < known.low).sum(), f"above{place}": (column > known.high).sum()}
    return rows.aggregate(**asked)


def values(rows: Any, familiar: Mapping[str, Familiar], md5: Callable[[Any], Any]) -> Any | None:
    """Return the query for categorical values: the common ones that are there, and the commonest unseen ones.

    Each row of the answer has the column's `place`, a `value`, its `n_rows`, whether it is `unseen`, and over all such
    values of the column how many rows (`of_rows`) and values (`of_values`) there are. None if there is nothing to ask.
    """
    parts = []
    for place, name in enumerate(rows.columns):
        known = familiar.get(name)
        if known is None or known.values is None or rows[name].type().is_floating():
            continue
        column = rows.filter(rows[name].notnull()).select(value=rows[name])
        counted = column.group_by("value").aggregate(n_rows=column.count())
        counted = counted.mutate(unseen=~counted["value"].isin(known.values), hashed=md5(counted["value"]))
        ranked = counted.mutate(
            place=place,
            of_rows=counted["n_rows"].sum().over(group_by="unseen"),
            of_values=counted["n_rows"].count().over(group_by="unseen"),
            # The commonest first; engines sort texts in different orders, but not their hashes.
            before=counted["hashed"].rank().over(group_by="unseen", order_by=-counted["n_rows"]),
        )
        most = ranked["unseen"].ifelse(MOST_UNSEEN, 0)  # a condition on `unseen` itself would be asked of every row
        named = (ranked["before"] < most) | ranked["value"].isin(known.common)
        parts.append(ranked.filter(named).select("place", "value", "n_rows", "unseen", "of_rows", "of_values"))
    return reduce(lambda above, below: above.union(below), parts) if parts else None


def table_facts(
    names: Sequence[str], dtypes: Sequence[str], total: Row, found: Sequence[Row], familiar: Mapping[str, Familiar]
) -> TableFacts:
    """Return the facts that the answers to both queries make; columns as in `names`, of which the key is first.

    >>> total = {"rows": 5, "keys": 4, "known0": 5, "known1": 3}
    >>> b6 = {"place": 1, "value": "B6", "n_rows": 1, "unseen": False, "of_rows": 1, "of_values": 1}
    >>> zz = {"place": 1, "value": "ZZ", "n_rows": 2, "unseen": True, "of_rows": 2, "of_values": 1}
    >>> known = {"carrier": Familiar("carrier", values=("B6", "EV"), common=("B6", "EV"))}
    >>> facts = table_facts(("flight", "carrier"), ("int64", "string"), total, [b6, zz], known)
    >>> facts.n_duplicate_keys, facts.columns[1].n_missing, facts.columns[1].unseen, facts.columns[1].vanished
    (1, 2, (ValueCount(value='ZZ', n_rows=2),), ('EV',))
    """
    columns = tuple(
        _column_facts(place, name, dtype, total, [row for row in found if int(row["place"]) == place], familiar)
        for place, (name, dtype) in enumerate(zip(names, dtypes, strict=True))
    )
    n_rows = int(total["rows"])
    return TableFacts(n_rows, n_rows - columns[0].n_missing - int(total["keys"]), columns)


def _column_facts(
    place: int, name: str, dtype: str, total: Row, found: Sequence[Row], familiar: Mapping[str, Familiar]
) -> ColumnFacts:
    unseen = sorted((row for row in found if row["unseen"]), key=lambda row: (-int(row["n_rows"]), str(row["value"])))
    present = {row["value"] for row in found}
    common = familiar[name].common if name in familiar else ()
    return ColumnFacts(
        name=name,
        dtype=dtype,
        n_missing=int(total["rows"]) - int(total[f"known{place}"]),
        low=_number(total.get(f"low{place}")),
        high=_number(total.get(f"high{place}")),
        n_below=_count(total.get(f"below{place}")),
        n_above=_count(total.get(f"above{place}")),
        n_unseen=int(unseen[0]["of_rows"]) if unseen else 0,
        n_unseen_values=int(unseen[0]["of_values"]) if unseen else 0,
        unseen=tuple(ValueCount(str(row["value"]), int(row["n_rows"])) for row in unseen),
        vanished=tuple(value for value in common if value not in present),
    )


def _count(value: Any) -> int:
    return 0 if value is None or value != value else int(value)  # the sum of no known value is unknown


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
