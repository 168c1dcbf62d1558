"""Columns that NannyML calls drifted, run by its own environment: `python univariate.py FOLDER`.

FOLDER holds `0.reference.parquet` and `0.batches.parquet`, and so on; a column `batch` of the latter numbers the
batches, `time of the row` has no zone, and every other column is judged. Prints one JSON list with an entry
for each number, `{"default": [...], "daily": [...]}`: the share of columns that `UnivariateDriftCalculator` alerts on
in any chunk of each batch. Its methods and thresholds are its defaults: Jensen-Shannon distance, and three standard
deviations above the mean of the reference's chunks. By default it cuts whatever it is given into ten chunks, and what
is left over is a smaller one; "daily" has one chunk per day instead.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # it would report every call to its makers

TIME = "time of the row"
CHUNKS: dict[str, dict[str, Any]] = {"default": {}, "daily": {"chunk_period": "D"}}


def shares(reference: pd.DataFrame, batches: list[pd.DataFrame], how: str) -> list[float]:
    """Return for each batch the share of columns with an alert in any of its chunks."""
    from nannyml import UnivariateDriftCalculator  # type: ignore[import-not-found]  # it is not in our environment

    names = [name for name in reference if name != TIME]
    calculator = UnivariateDriftCalculator(names, timestamp_column_name=TIME, **CHUNKS[how]).fit(reference)
    found = []
    for batch in batches:
        told = calculator.calculate(batch).filter(period="analysis").to_df()
        alerts = [told[name, "jensen_shannon", "alert"].fillna(False).astype(bool).any() for name in names]
        found.append(sum(alerts) / len(alerts))
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    answers = []
    for place in range(len(list(folder.glob("*.reference.parquet")))):
        before, now = (pd.read_parquet(folder / f"{place}.{part}.parquet") for part in ("reference", "batches"))
        parts = [rows.drop(columns="batch").reset_index(drop=True) for _, rows in now.groupby("batch")]
        answers.append({how: shares(before.reset_index(drop=True), parts, how) for how in CHUNKS})
    print(json.dumps(answers))
