"""One awkward table of 400 flights, written in every way a production table can come."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from records.schema import Schema
from records.window import Window

SCHEMA = Schema(
    "flight",
    "at",
    "late",
    "classification",
    ("temp", "hour"),
    ("carrier", "gate", "delayed"),
    ("no", "yes"),
    datetime=("booked",),
    text=("remark",),
)
WEEK = Window(datetime(2013, 1, 8, tzinfo=UTC), datetime(2013, 1, 15, tzinfo=UTC))
CARRIERS = ["B6", "EV", "O'Brien; --", "ключ", "NULL", "a,b", r"C:\new\table", "100 % {x} :y", None]


def flights() -> pd.DataFrame:
    """Row 0 has temp NaN, row 1 an infinity, row 2 minus infinity; a fifth of the rest is missing."""
    rng = np.random.default_rng(7)
    n = 400
    temp = np.where(rng.random(n) < 0.2, np.nan, rng.integers(-20, 100, n) / 4)
    temp[100:103] = [np.nan, np.inf, -np.inf]
    gate = pd.array(rng.choice(["7", "12.5", "31"], n), dtype=object)
    gate[::9] = None
    booked = pd.Timestamp("2012-12-24 12:00") + pd.to_timedelta(rng.integers(0, 30 * 86_400_000, n), unit="ms")
    remark = rng.choice(np.array(["wing de-iced, late crew", "crew late; O'Hare\n", "  ", None], dtype=object), n)
    return pd.DataFrame(
        {
            "flight": np.arange(1000, 1000 + n),
            "at": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 28 * 86_400_000, n), unit="ms"),
            "temp": temp,
            "hour": rng.integers(0, 24, n),
            "carrier": rng.choice(np.array(CARRIERS, dtype=object), n),
            "gate": gate,
            "delayed": rng.random(n) < 0.3,
            "booked": pd.Series(booked.as_unit("us"))
            .mask(np.arange(n) % 7 == 0)
            .mask(np.arange(n) % 11 == 0, pd.Timestamp("9999-12-31").as_unit("us")),
            "remark": remark,
            "late": rng.choice(["no", "yes"], n),
            "unused": "x",
        }
    )


def write(engine: str, folder: Path, fresh_database: Callable[[], str]) -> tuple[str, str | None]:
    """Write the flights for an engine; return the table's address and name."""
    frame = flights()
    if engine == "folder":
        for number in range(4):
            part = folder / "flights" / f"part={number}" / "rows.parquet"
            part.parent.mkdir(parents=True)
            _parquet(frame.iloc[number * 100 : (number + 1) * 100], part)
        return str(folder / "flights"), None
    path = folder / f"flights.{engine}"
    if engine == "parquet":
        _parquet(frame.assign(gate=pd.to_numeric(frame["gate"])), path)
    elif engine == "spark":
        path = folder / "flights.parquet"
        _parquet(
            frame.assign(
                gate=pd.to_numeric(frame["gate"]),
                at=frame["at"].astype("datetime64[us]"),
            ),
            path,
        )
        return f"spark://local[2]/{path}", None
    elif engine == "csv":
        frame.to_csv(path, index=False)
    elif engine == "duckdb":
        with duckdb.connect(path) as connection:
            connection.execute("CREATE TABLE flights AS SELECT * FROM frame")
            connection.execute("UPDATE flights SET temp = 'nan' WHERE flight = 1100")
            connection.execute("CREATE TABLE other AS SELECT 1 AS one")
    elif engine == "sqlite":
        with sqlite3.connect(path) as lite:
            frame.to_sql("flights", lite, index=False, dtype={"delayed": "BOOLEAN"})
        lite.close()
    else:
        url = fresh_database()
        _postgres(frame, url)
        return url, "ops.flights"
    return str(path), "flights" if engine in ("duckdb", "sqlite") else None


def _parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write NaN as NaN, not as null: both occur in the wild."""
    columns = {name: pa.array(frame[name], from_pandas=name != "temp") for name in frame.columns}
    pq.write_table(pa.table(columns), path)


def _postgres(frame: pd.DataFrame, url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA ops"))
        frame.to_sql("flights", connection, schema="ops", index=False)
        connection.execute(sa.text("UPDATE ops.flights SET temp = 'NaN' WHERE flight = 1100"))
    engine.dispose()


def in_week(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the one week, by plain pandas."""
    start = WEEK.start.replace(tzinfo=None)
    return frame[(frame["at"] >= start) & (frame["at"] < start + timedelta(days=7))]
