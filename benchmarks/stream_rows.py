"""Any table in order of time becomes a stream: a schema is inferred, a snapshot is cut, the rest is ten windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from models.holdout import in_holdout
from monitors.schema import check_frame
from records.errors import BadData, NotFound
from records.schema import Schema, Task

KEY, AT = "row key of the stream", "time of the stream"
N_WINDOWS = 10
MOST_CLASSES = 50
FEWEST_ROWS = 500
_START = pd.Timestamp(datetime(2020, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it is played: what was known before it, and its windows in order; every row has its answer."""

    name: str
    schema: Schema
    train: pd.DataFrame
    holdout: pd.DataFrame
    windows: tuple[pd.DataFrame, ...]
    note: str = ""

    @property
    def n_rows(self) -> int:
        """How many rows it has in all."""
        return len(self.train) + len(self.holdout) + sum(map(len, self.windows))


def read_stream(
    path: Path, target: str, time: str, *, task: Task | None, max_rows: int, n_windows: int = N_WINDOWS, seed: int = 0
) -> Stream:
    """Read a Parquet file; raises `NotFound` without one, `BadData` when it cannot be a stream."""
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise NotFound(f"there is no file {str(path)!r}; give the path of a Parquet file") from None
    except (OSError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise BadData(f"{str(path)!r} cannot be read as Parquet: {problem}; give a Parquet file") from None
    return as_stream(path.stem, frame, target, time, task=task, max_rows=max_rows, n_windows=n_windows, seed=seed)


def as_stream(
    name: str,
    frame: pd.DataFrame,
    target: str,
    time: str,
    *,
    task: Task | None = None,
    max_rows: int,
    n_windows: int = N_WINDOWS,
    seed: int = 0,
) -> Stream:
    """Return a table as a stream: its first fifth is the snapshot, the rest windows of as many rows.

    Rows are taken in the order of `time` (rows of the same time as they stand), at most `max_rows` of them, drawn at
    random. Rows without a target or a time are left out. Columns that name rows, and what no model here can take, are
    left out; `note` says which.
    """
    frame = frame.rename(columns=str)
    for column in (target, time):
        if column not in frame.columns:
            raise BadData(f"{name}: there is no column {column!r} (there are: {', '.join(frame.columns)}); correct it")
    frame = frame[frame[target].notna() & frame[time].notna()].sort_values(time, kind="stable")
    n_known = len(frame)
    if n_known > max_rows:
        drawn = np.random.default_rng(seed).permutation(n_known)[:max_rows]
        frame = frame.iloc[np.sort(drawn)]
    if n_known < FEWEST_ROWS:
        raise BadData(f"{name}: {n_known} rows have a target and a time; a stream needs at least {FEWEST_ROWS}")
    frame = frame.reset_index(drop=True)
    n_old = len(frame) // 5
    task = task or _task(frame[target])
    columns, left_out = _columns(frame.drop(columns=[target, time]), frame[time], n_old)
    kinds = {
        kind: tuple(str(c) for c, (k, _) in columns.items() if k == kind) for kind in ("number", "category", "text")
    }
    # A stream's order is all that counts here, so its rows are a minute apart; numbers would not do as a time.
    clock = _START + pd.to_timedelta(np.arange(len(frame)), unit="min")
    answers = frame[target].astype(float) if task == "regression" else _texts(frame[target])
    plain = pd.DataFrame({KEY: [f"row {i}" for i in range(len(frame))], AT: clock})
    plain = pd.concat([plain, *(values.rename(c) for c, (_, values) in columns.items()), answers], axis=1)
    classes = tuple(sorted(answers.unique())) if task == "classification" else ()
    _check_classes(name, target, answers, classes, n_old, task)
    schema = Schema(KEY, AT, target, task, kinds["number"], kinds["category"], classes, text=kinds["text"])
    if not schema.features:
        raise BadData(f"{name}: no column is left to learn from; give a file with features")
    checked = check_frame(plain, schema, where=name)
    old, later = checked.iloc[:n_old], checked.iloc[n_old:]
    held = in_holdout(old[KEY], 0.25, seed=seed)
    edges = np.linspace(0, len(later), n_windows + 1).round().astype(int)
    note = f"{n_known - len(frame)} of {n_known} rows not drawn" if n_known > len(frame) else ""
    note = "; ".join(part for part in (note, f"left out: {', '.join(left_out)}" if left_out else "") if part)
    return Stream(
        name,
        schema,
        old[~held].reset_index(drop=True),
        old[held].reset_index(drop=True),
        tuple(later.iloc[a:b].reset_index(drop=True) for a, b in pairwise(edges.tolist())),
        note,
    )


def _task(answers: pd.Series) -> Task:
    """A number with many values is a regression; few values, or anything else, are classes."""
    if pd.api.types.is_bool_dtype(answers) or not pd.api.types.is_numeric_dtype(answers):
        return "classification"
    known = answers.unique()
    whole = bool((answers % 1 == 0).all())
    return "regression" if len(known) > (MOST_CLASSES if whole else 20) else "classification"


def _check_classes(
    name: str, target: str, answers: pd.Series, classes: tuple[str, ...], n_old: int, task: Task
) -> None:
    if task == "regression":
        return
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise BadData(
            f"{name}: target {target!r} has {len(classes)} classes; give one with 2 to {MOST_CLASSES}, or numbers with"
            " --task regression"
        )
    if answers.iloc[:n_old].nunique() < 2:
        raise BadData(f"{name}: the first {n_old} rows know one answer of {target!r} only; nothing can be learned")


def _columns(frame: pd.DataFrame, time: pd.Series, n_old: int) -> tuple[Mapping[str, tuple[str, pd.Series]], list[str]]:
    """Each usable column with its kind, and the names of the others."""
    found: dict[str, tuple[str, pd.Series]] = {}
    left_out = []
    for name, column in frame.items():
        kind = _kind(column, time)
        if kind is None or column.iloc[:n_old].isna().all():
            left_out.append(str(name))
        elif kind == "moment":
            found |= {f"{name} ({part})": ("number", values) for part, values in _parts(column, time).items()}
        else:
            found[str(name)] = (kind, _numbers(column) if kind == "number" else _texts(column))
    return found, left_out


def _kind(column: pd.Series, time: pd.Series) -> str | None:
    """What a column is: a number, a category, a text, a moment, or None for what only names rows or holds no values."""
    known = column.dropna()
    if known.empty or pd.api.types.is_complex_dtype(column):
        return None
    if pd.api.types.is_bool_dtype(column):
        return "category"
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        names_rows = known.is_unique and len(known) == len(time) and known.is_monotonic_increasing
        return None if names_rows and pd.api.types.is_integer_dtype(column) else "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "moment"
    values = known.astype(object)
    if values.map(lambda value: isinstance(value, (list, dict, set, tuple, np.ndarray, bytes))).any():
        return None
    if pd.api.types.infer_dtype(values) in ("date", "datetime"):
        return "moment"
    if pd.api.types.infer_dtype(values) in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "number"
    texts = values.astype(str)
    if texts.nunique() > 0.5 * len(texts) and len(texts) > 100:
        return "text" if texts.head(1000).str.split().str.len().mean() > 3 else None
    return "category"


def _parts(column: pd.Series, time: pd.Series) -> dict[str, pd.Series]:
    """The calendar parts of moments that repeat, and the days from them to the row's time (or to one fixed day)."""
    moments = pd.to_datetime(column, utc=True, errors="coerce")
    clocked = pd.api.types.is_datetime64_any_dtype(time)
    since = (pd.to_datetime(time, utc=True) if clocked else _START) - moments
    parts = {"days before": since / pd.Timedelta("1D"), "weekday": moments.dt.dayofweek, "month": moments.dt.month}
    if (moments.dt.hour.dropna() != 0).any():
        parts["hour"] = moments.dt.hour + moments.dt.minute / 60
    return {part: pd.Series(values, dtype=float) for part, values in parts.items()}


def _numbers(column: pd.Series) -> pd.Series:
    if pd.api.types.is_timedelta64_dtype(column):
        seconds: pd.Series = column.dt.total_seconds()
        return seconds
    numbers: pd.Series = pd.to_numeric(column, errors="coerce").astype("float64")
    return numbers


def _texts(column: pd.Series) -> pd.Series:
    """Values as people write them, None where missing: 1 and 1.0 are one category."""
    values = column.astype(object)
    codes, known = pd.factorize(values)
    texts = np.array([*(_text(value) for value in known), None], dtype=object)
    return pd.Series(texts[codes], index=column.index, name=column.name, dtype=object)


def _text(value: object) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
