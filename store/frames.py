"""Rows as they come back from an engine, in the types that every room expects."""

from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from records.schema import Schema


def fetched(rows: Any, schema: Schema) -> DataFrame:
    """Run a query for canonical rows: the time in UTC, numbers `float64` with NaN, texts `str` or None."""
    frame: DataFrame = rows.execute()
    columns = {}
    for name in frame.columns:
        column = frame[name]
        if name == schema.time:
            columns[name] = moments(column)
        elif rows[name].type().is_floating():
            columns[name] = pd.to_numeric(column).astype(np.float64)
        else:
            texts = column.to_numpy(dtype=object, copy=True)
            texts[column.isna().to_numpy()] = None
            columns[name] = Series(texts, dtype=object)
    return DataFrame(columns)


def ordered(frame: DataFrame, schema: Schema) -> DataFrame:
    """Return the rows in order of their key, and of their time where a key is repeated."""
    return frame.sort_values([schema.row_key, schema.time], kind="stable", ignore_index=True)


def moments(times: Series) -> Series:
    """Return times as UTC in nanoseconds, whatever an engine calls them."""
    return pd.to_datetime(times, utc=True).dt.as_unit("ns")
