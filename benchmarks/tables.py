"""The door to production tables at scale: seconds and memory of a window's facts and its sample, on every engine."""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import Steps, Table
from records.schema import Schema
from records.window import Window

N_NUMERIC, N_CATEGORICAL = 20, 8
N_SNAPSHOT, N_SAMPLE = 100_000, 50_000
WINDOW = Window(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC))
SCHEMA = Schema(
    "row_key",
    "at",
    "target",
    "classification",
    tuple(f"number_{place:02d}" for place in range(N_NUMERIC)),
    tuple(f"category_{place}" for place in range(N_CATEGORICAL)),
    ("no", "yes"),
)
T = TypeVar("T")
_CHUNK = 250_000
_SQL_TYPES = {"double": "double precision", "string": "text", "timestamp[us]": "timestamp"}


def rows(n_rows: int, *, first: int = 0, window: Window = WINDOW, seed: int = 0) -> pa.Table:
    """Return made-up rows of 30 columns: a text key, a time in the window, numbers with 2 % gaps, and categories.

    The categories have from 4 to 1 024 values, one of ten thousand rows a value of its own.
    """
    rng = np.random.default_rng([seed, first])
    start = np.datetime64(window.start.replace(tzinfo=None), "us")
    seconds = rng.integers(0, window.length // timedelta(microseconds=1), n_rows)
    columns = {
        "row_key": pa.array([f"row-{number:09d}" for number in range(first, first + n_rows)]),
        "at": pa.array(start + seconds.astype("timedelta64[us]")),
    }
    for name in SCHEMA.numeric:
        columns[name] = pa.array(rng.normal(size=n_rows), mask=rng.random(n_rows) < 0.02)
    for place, name in enumerate(SCHEMA.categorical):
        codes = rng.integers(0, 4 ** (1 + min(place, 4)), n_rows)
        codes[rng.random(n_rows) < 1e-4] = 5000 + first % 1000
        columns[name] = pa.array([f"value {code}" for code in range(6000)]).take(pa.array(codes))
    return pa.table(columns)


def write_parquet(path: Path, n_rows: int) -> None:
    """Write the table piece by piece, so that it may be larger than memory."""
    with pq.ParquetWriter(path, rows(1).schema) as writer:
        for first in range(0, n_rows, _CHUNK):
            writer.write_table(rows(min(_CHUNK, n_rows - first), first=first))


def measure(address: str, n_rows: int, table: str | None = None) -> dict[str, float]:
    """Do what `watch` does to ingest a window, in this process; seconds, and the process's peak memory in MiB."""
    from monitors.facts import compare_facts
    from monitors.familiar import familiar
    from monitors.schema import check_frame
    from store.warehouse import open_table

    earlier = Window(WINDOW.start - 8 * WINDOW.length, WINDOW.start)
    reference = check_frame(rows(N_SNAPSHOT, window=earlier, seed=1).to_pandas(), SCHEMA, where="the snapshot")
    known = familiar(reference, SCHEMA)
    door = open_table(address, SCHEMA, table=table)
    begun = time.perf_counter()
    door.check()
    opened = time.perf_counter()
    facts = door.facts(WINDOW, known)
    counted = time.perf_counter()
    sample = check_frame(door.sample(WINDOW, N_SAMPLE, among=facts.n_rows), SCHEMA, where="the sample")
    sampled = time.perf_counter()
    compared = compare_facts(facts, known, reference, SCHEMA, times=reference["at"], window=WINDOW)
    if (facts.n_rows, facts.n_duplicate_keys, len(sample)) != (n_rows, 0, min(n_rows, N_SAMPLE)):
        raise RuntimeError(f"wrong facts of {address}: {facts.n_rows} rows, {facts.n_duplicate_keys} repeated keys")
    return {
        "check": opened - begun,
        "facts": counted - opened,
        "sample": sampled - counted,
        "compare": time.perf_counter() - sampled,
        "striking": len(compared.striking),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def tables(quick: bool, steps: Steps) -> tuple[Table, dict[str, float]]:
    """Measure Parquet, PostgreSQL and Spark where they are present; the table, and the named figures."""
    n_rows, n_server = (300_000, 50_000) if quick else (10_000_000, 1_000_000)
    found: list[tuple[str, int, dict[str, float]]] = []
    with tempfile.TemporaryDirectory(prefix="driftloop-tables-") as name, steps.counted("tables", 5) as step:
        large, small = Path(name) / "large.parquet", Path(name) / "small.parquet"
        in_a_fresh_process(write_parquet, large, n_rows)
        step()
        in_a_fresh_process(write_parquet, small, n_server)
        step()
        found.append(("Parquet (DuckDB)", n_rows, in_a_fresh_process(measure, str(large), n_rows)))
        step()
        with _postgres(small, Path(name) / "small.csv") as url:
            if url is not None:
                found.append(("PostgreSQL", n_server, in_a_fresh_process(measure, url, n_server, "events")))
        step()
        if not quick and _spark_can_run():  # Java alone would take most of a quick run's time
            address = f"spark://local[2]/{small}"
            found.append(("Spark (local)", n_server, in_a_fresh_process(measure, address, n_server)))
        step()
    engines = {"Parquet (DuckDB)": "parquet", "PostgreSQL": "postgresql", "Spark (local)": "spark"}
    figures = {"peak_mib_10m": found[0][2]["peak_mib"]}
    for engine, _, seconds in found:
        figures |= {f"{what}_seconds_{engines[engine]}": seconds[what] for what in ("facts", "sample")}
    shown = [
        (engine, n, 2 + N_NUMERIC + N_CATEGORICAL, *(seconds[w] for w in ("check", "facts", "sample", "peak_mib")))
        for engine, n, seconds in found
    ]
    header = ("engine", "rows", "columns", "check (s)", "facts (s)", "sample (s)", "peak memory (MiB)")
    note = (
        f"Facts of every row beside a snapshot of {N_SNAPSHOT:,} rows, and a sample of {N_SAMPLE:,}, each time in a"
        " fresh process. Its peak memory is of the whole process, libraries and all; what a PostgreSQL server or"
        " Spark's Java needs beside it is not in it. Spark's check starts Java."
    )
    return Table("A window of production", header, shown, note), figures


def in_a_fresh_process(work: Callable[..., T], *arguments: Any) -> T:
    """Its peak memory starts at that of this process, so everything that needs memory is done in such a one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _write_csv(parquet: Path, csv: Path) -> None:
    import duckdb

    duckdb.execute(f"COPY (FROM '{parquet}') TO '{csv}' (HEADER false)")


@contextmanager
def _postgres(path: Path, csv: Path) -> Iterator[str | None]:
    """A fresh server with the rows of a Parquet file as the table `events`; None where it is not installed."""
    import psycopg

    from tests import postgres

    binaries = postgres.programs()
    if binaries is None:
        yield None
        return
    in_a_fresh_process(_write_csv, path, csv)
    columns = ", ".join(f"{field.name} {_SQL_TYPES[str(field.type)]}" for field in pq.read_schema(path))
    with postgres.server(binaries, timeout_seconds=60) as running:
        url = running.fresh()
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection, csv.open("rb") as lines:
            connection.execute(f"CREATE TABLE events ({columns})".encode())
            with connection.cursor().copy("COPY events FROM STDIN (FORMAT csv)") as copy:
                while chunk := lines.read(1 << 20):
                    copy.write(chunk)
            connection.execute("VACUUM ANALYZE events")
        yield url


def _spark_can_run() -> bool:
    from tests import spark

    return spark.missing() is None
