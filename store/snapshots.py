"""Training data that never changes, and frames on disk that are whole or not there at all."""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from records.errors import BadData, NotAllowed, NotFound, StorageFull
from records.generation import Snapshot

_STALE_SECONDS = 86_400


def write(train: DataFrame, holdout: DataFrame, folder: Path) -> Snapshot:
    """Write a snapshot as `folder/DIGEST/train.parquet` and `holdout.parquet`, both or neither, and return it.

    The digest depends on the columns, their order, and the rows in their order, not on the index or the clock: the
    same data again is the same snapshot and writes nothing. Raises `StorageFull` when the disk is full, `NotAllowed`
    when the folder is closed to us, and `BadData` for values Parquet cannot hold.
    """
    name = digest(train, holdout)
    home = folder.resolve() / name
    snapshot = Snapshot(name, home / "train.parquet", home / "holdout.parquet", len(train), len(holdout))
    if home.exists():
        read(snapshot)
        return snapshot
    with _whole(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        _sweep(home.parent)
        partial = Path(tempfile.mkdtemp(prefix=f".partial-{name[:8]}-", dir=home.parent))
        try:
            _write_parquet(train, partial / snapshot.train.name)
            _write_parquet(holdout, partial / snapshot.holdout.name)
            _sync(partial)
            try:
                partial.rename(home)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                read(snapshot)  # another process was faster with the same data
            _sync(home.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return snapshot


def read(snapshot: Snapshot) -> tuple[DataFrame, DataFrame]:
    """Return the train and holdout rows; `BadData` if they are not those that were written, `NotFound` if gone."""
    train, holdout = read_frame(snapshot.train), read_frame(snapshot.holdout)
    if digest(train, holdout) != snapshot.digest:
        raise BadData(
            f"the snapshot {snapshot.digest} in {str(snapshot.train.parent)!r} was changed after it was written;"
            " restore it from a backup"
        )
    return train, holdout


def write_frame(frame: DataFrame, path: Path) -> Path:
    """Write a frame to a Parquet file, replacing what was there in one step, and return the file's full path.

    Raises as `write` does; whatever goes wrong, the file is the old one or the new one.
    """
    path = path.resolve()
    with _whole(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=".parquet", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            _write_parquet(frame, partial)
            partial.replace(path)
            _sync(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    return path


def read_frame(path: Path) -> DataFrame:
    """Return the frame in a Parquet file; `NotFound` if there is no file, `BadData` if it is damaged."""
    import pyarrow

    try:
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise NotFound(f"the file {str(path)!r} does not exist; restore it, or make it again") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise BadData(f"the file {str(path)!r} cannot be read ({error}); restore it, or make it again") from error


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except PermissionError as error:
        raise NotAllowed(f"{str(path)!r} cannot be written ({error.strerror}); change its folder's owner") from error
    except OSError as error:
        raise StorageFull(
            f"{str(path)!r} could not be written ({error.strerror or error}), and nothing of it was kept; free some"
            " space"
        ) from error
    except pyarrow.ArrowException as error:
        raise BadData(f"{str(path)!r} cannot hold these rows ({error}); give each column one type") from error


def _write_parquet(frame: DataFrame, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    with path.open("wb") as file:
        pyarrow.parquet.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def _sweep(folder: Path) -> None:
    """Remove what a process left here that was killed while it wrote, once nobody can be writing it any more."""
    for partial in folder.glob(".partial-*"):
        with suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut, as the files themselves do."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(*frames: DataFrame) -> str:
    """Return 32 hexadecimal digits that stand for the content of frames: columns, rows and their order."""
    content = hashlib.sha256()
    for frame in frames:
        content.update(f"{len(frame)} {list(map(str, frame.columns))!r}".encode())
        for place in range(frame.shape[1]):
            for part in _bytes_of(frame.iloc[:, place]):
                content.update(part)
    return content.hexdigest()[:32]


def _bytes_of(column: Series) -> Iterator[Any]:
    """The values as bytes that are the same before and after Parquet, whichever way a missing value is written."""
    import pyarrow
    import pyarrow.compute

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        yield b"moment"
        yield column.dt.tz_convert("UTC").dt.as_unit("ns").dt.tz_localize(None).to_numpy().view("i8").tobytes()
    elif isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        values = column.to_numpy()
        yield str(values.dtype).encode()
        yield (np.where(np.isnan(values), np.nan, values) if values.dtype.kind == "f" else values).tobytes()
    else:
        try:
            texts = pyarrow.array(column.astype(object), pyarrow.large_string(), from_pandas=True)
        except (pyarrow.ArrowException, TypeError) as error:
            raise BadData(
                f"column {column.name!r} of a snapshot is neither number, time with a zone, nor text ({error})"
            ) from error
        yield b"text"
        yield texts.is_valid().to_numpy(zero_copy_only=False).tobytes()
        filled = texts.fill_null("")
        yield pyarrow.compute.binary_length(filled).to_numpy().tobytes()
        yield "".join(filled.to_pylist()).encode()
