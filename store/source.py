"""Where a production table is, as its address says."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from records.address import public
from records.errors import BadSettings, NotFound

Kind = Literal["parquet", "csv", "duckdb", "sqlite", "postgres", "spark"]

_SUFFIXES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    ((".parquet", ".pq"), "parquet"),
    ((".csv", ".csv.gz"), "csv"),
    ((".duckdb", ".ddb"), "duckdb"),
    ((".sqlite", ".sqlite3", ".db"), "sqlite"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A table's whereabouts: a path or a PostgreSQL URL, the table's name where that holds several, Spark's master."""

    kind: Kind
    address: str
    table: str | None = None
    master: str = ""

    def __repr__(self) -> str:
        return f"Source({self.kind!r}, {self.name!r})"

    @property
    def name(self) -> str:
        """The source as it may be shown to people."""
        return public(self.address) + (f" ({self.table})" if self.table else "")


def source_of(url: str, table: str | None) -> Source:
    """Understand an address: a path, or one of the schemes `duckdb://`, `sqlite:///`, `postgresql://` and `spark://`.

    `spark://local[2]/flights.parquet` is a path that Spark reads, with two cores (`local[*]`: all); as with `sqlite:///`
    an absolute path begins with one more slash. A folder, like a pattern with `*`, is taken for Parquet unless its
    name ends otherwise. Raises `BadSettings` for an address of another kind, and for PostgreSQL without a table name.
    Whether the thing exists is not looked at.

    >>> source_of("data/flights.parquet", None)
    Source('parquet', 'data/flights.parquet')
    >>> source_of("postgresql+psycopg://ada:s3cret@db/loop", "ops.flights")
    Source('postgres', 'postgresql://db/loop (ops.flights)')
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme.partition("+")[0] in ("postgresql", "postgres"):
        if not table:
            raise BadSettings(f"the table in {public(url)!r} has no name; set table.name in the settings")
        return Source("postgres", f"postgresql://{rest}", table)
    if separator and scheme in ("duckdb", "sqlite"):
        return Source("duckdb" if scheme == "duckdb" else "sqlite", rest.removeprefix("/"), table)
    if separator and scheme == "spark":
        master, _, path = rest.partition("/")
        if not re.fullmatch(r"local(\[(\d+|\*)\])?", master) or not path:
            raise BadSettings(
                f"Spark cannot be run as {public(url)!r} says; write spark://local[*]/ and a path to Parquet"
            )
        return Source("spark", path, master=master)
    if separator and scheme != "file":
        raise BadSettings(
            f"a production table cannot be read from {public(url)!r}; give a path to Parquet, CSV, DuckDB or"
            " SQLite, or an address with postgresql:// or spark://"
        )
    path = rest if separator else url
    kind = next((kind for suffixes, kind in _SUFFIXES if path.lower().endswith(suffixes)), None)
    if kind is None and (Path(path).is_dir() or "*" in path):
        kind = "parquet"
    if kind is None and not Path(path).exists():
        raise NotFound(f"the production table {public(path)!r} does not exist; correct table.url in the settings")
    if kind is None:
        raise BadSettings(f"the file {public(path)!r} has no known ending; name it .parquet, .csv, .duckdb or .sqlite")
    return Source(kind, path, table)
