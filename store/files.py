"""Files that DuckDB reads: with how much memory, and what their columns are called in them."""

import os
import tempfile
from pathlib import Path
from typing import Any

from records.errors import BadData

_MEMORY = "700MB"
_THREADS = 4  # each takes its share of the memory, so more would run out of it


def means() -> dict[str, Any]:
    """Return the settings of a connection: bounded memory, a folder for what does not fit, and nothing from outside."""
    return {
        "memory_limit": _MEMORY,
        "threads": min(_THREADS, os.cpu_count() or 1),
        "temp_directory": str(Path(tempfile.gettempdir()) / "driftloop-duckdb"),
        "TimeZone": "UTC",
        "autoinstall_known_extensions": False,
    }


def names_in_csv(path: str, connection: Any) -> list[str]:
    """Return the names in a CSV file's first line as they stand there: DuckDB renames repeated ones.

    Raises `BadData` for a file without a line.
    """
    header = "SELECT * FROM read_csv(?, all_varchar = true, header = false) LIMIT 1"
    found = connection.execute(header, [path]).fetchall()
    if not found:
        raise BadData(f"the table {path} is empty and has not even a header; write one, and rows")
    return [str(name) for line in found for name in line]


def names_in_parquet(pattern: str, connection: Any) -> list[str]:
    """Return the names of the columns as the first of a table's Parquet files has them."""
    import pyarrow.parquet

    ((first,),) = connection.execute("SELECT min(file) FROM glob(?)", [pattern]).fetchall()
    return list(pyarrow.parquet.read_schema(first).names)
