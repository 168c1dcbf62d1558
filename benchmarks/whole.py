"""The command `driftloop watch` on a large table, from its start to its exit: seconds and peak memory."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import Steps, Table
from benchmarks.tables import N_SNAPSHOT, SCHEMA, WINDOW, in_a_fresh_process, rows, write_parquet
from records.window import Window

_SETTINGS = """\
model = "events"

[table]
url = "{table}"
row_key = "row_key"
time = "at"

[columns]
target = "target"
task = "classification"
classes = ["no", "yes"]
numeric = {numeric}
categorical = {categorical}

[windows]
anchor = 2024-03-04T00:00:00Z

[labels]
question = "Is it?"

[training]
estimators = ["linear"]

[services]
mlflow = "sqlite:///mlflow.db"
"""


def watch_command(n_rows: int, steps: Steps) -> tuple[Table, float]:
    """Measure both commands on a Parquet file of so many rows; the table, and the peak memory of `watch` in MiB."""
    with tempfile.TemporaryDirectory(prefix="driftloop-watch-") as name, steps.counted("driftloop watch", 2) as count:
        table = Path(name) / "events.parquet"
        in_a_fresh_process(write_parquet, table, n_rows)
        count()
        found = watch(Path(name), table)
    note = "From the start of the command to its exit: facts of every row, sample, check, ledger. Nothing had drifted."
    row = (n_rows, 2 + len(SCHEMA.features), found["seconds"], found["peak_mib"])
    return Table("`driftloop watch`", ("rows", "columns", "s", "peak memory (MiB)"), [row], note), found["peak_mib"]


def watch(folder: Path, table: Path) -> dict[str, float]:
    """Adopt a model on 100 000 rows of earlier weeks, and watch the window of a table as users do.

    Raises `RuntimeError` if the command fails, or alarms: nothing changed.
    """
    earlier = Window(WINDOW.start - 8 * WINDOW.length, WINDOW.start)
    snapshot = rows(N_SNAPSHOT, window=earlier, seed=1)
    high = snapshot["number_00"].fill_null(0).to_numpy() + np.random.default_rng(0).normal(size=N_SNAPSHOT) > 0
    snapshot = snapshot.append_column("target", pa.array(np.where(high, "yes", "no").tolist()))
    pq.write_table(snapshot, folder / "training.parquet")
    settings = _SETTINGS.format(table=table, numeric=list(SCHEMA.numeric), categorical=list(SCHEMA.categorical))
    (folder / "driftloop.toml").write_text(settings)
    _run(folder, "adopt", "training.parquet")
    return _run(folder, "watch", "--at", f"{WINDOW.end:%Y-%m-%d}")


def _run(folder: Path, *arguments: str) -> dict[str, float]:
    """Run a command; its seconds, and its peak memory in MiB as the system counted it."""
    command = [str(Path(sys.executable).with_name("driftloop")), *arguments]
    log = folder / f"{arguments[0]}.log"
    begun = time.perf_counter()
    with log.open("w") as output:
        child = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        _, status, usage = os.wait4(child.pid, 0)  # the one way to its own peak memory
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}: {log.read_text()[-500:]}")
    return {"seconds": time.perf_counter() - begun, "peak_mib": usage.ru_maxrss / 1024}
