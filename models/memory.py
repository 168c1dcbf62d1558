"""Whether training data fit into memory, before they are read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.pipeline import SPREAD
from records.errors import BadData
from records.schema import Schema

BYTES_PER_VALUE = 300
"""What one value takes while candidates learn: as it was read, checked, prepared, and copied for several models."""
BYTES_PER_CATEGORY = 1_000
"""What a category takes where each gets a column: 50 numbers at most, and the copy that puts all columns together."""


def affordable(
    n_rows: int, schema: Schema, estimators: Sequence[str], *, max_rows: int | None, free_bytes: int | None = None
) -> int:
    """Return from how many of `n_rows` rows can be learned: all of them, or `max_rows` where that is fewer.

    `free_bytes` is what memory is free (`free_memory`, by default). Raises `BadData` when they would not fit.

    >>> schema = Schema("id", "at", "y", "regression", tuple("abcdefghijklmnopqr"), ())
    >>> affordable(2_000_000, schema, ("extra_trees",), max_rows=100_000, free_bytes=2**30)
    100000
    >>> affordable(2_000_000, schema, ("extra_trees",), max_rows=None, free_bytes=2**30)
    Traceback (most recent call last):
    records.errors.BadData: 2,000,000 training rows of 20 columns need about 11.2 GiB of memory and 1.0 GiB are free; \
set training.max_rows to 178,000 or fewer to learn from a random sample, or use a larger machine
    """
    wanted = n_rows if max_rows is None else min(n_rows, max_rows)
    row_bytes = BYTES_PER_VALUE * len(schema.production) + _spread_bytes(schema, estimators)
    free = free_memory() if free_bytes is None else free_bytes
    if wanted * row_bytes > free:
        fitting = max(free // row_bytes // 1000 * 1000, 1000)
        raise BadData(
            f"{_too_many(wanted, schema, wanted * row_bytes, free)}; set training.max_rows to {fitting:,} or fewer to"
            " learn from a random sample, or use a larger machine"
        )
    return wanted


def check_retraining(
    n_rows: int, n_taught: int, schema: Schema, estimators: Sequence[str], *, free_bytes: int | None = None
) -> None:
    """Raise `BadData` when a snapshot of `n_rows` rows does not fit, of which at most `n_taught` teach.

    >>> schema = Schema("id", "at", "y", "regression", ("x",), ())
    >>> check_retraining(1_000_000, 50_000, schema, ("linear",), free_bytes=2**30)
    >>> check_retraining(2_000_000, 50_000, schema, ("linear",), free_bytes=2**30)
    Traceback (most recent call last):
    records.errors.BadData: 2,000,000 training rows of 3 columns need about 1.7 GiB of memory and 1.0 GiB are free; \
use a larger machine, or adopt the model anew under another name with a lower training.max_rows
    """
    free = free_memory() if free_bytes is None else free_bytes
    spread = min(n_rows, n_taught) * _spread_bytes(schema, estimators)
    needed = n_rows * BYTES_PER_VALUE * len(schema.production) + spread
    if needed > free:
        raise BadData(
            f"{_too_many(n_rows, schema, needed, free)}; use a larger machine, or adopt the model anew under another"
            " name with a lower training.max_rows"
        )


def free_memory(kernel: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many bytes can be had without swapping: what the kernel says, within what a container may take.

    It is half of the memory where the kernel does not say.
    """
    try:
        facts = dict(line.split(":", 1) for line in (kernel / "meminfo").read_text().splitlines())
        free = int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return max(min([free, *_left(kernel, groups)]), 0)


def _left(kernel: Path, groups: Path) -> Iterator[int]:
    """What each control group that this process is in may still take, by version 2 or 1 of the kernel's interface.

    Inside a container the path it names may not exist: the container sees its own group as the topmost.
    """
    try:
        lines = [line.split(":", 2) for line in (kernel / "self/cgroup").read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in lines:
        if not controllers:
            top, most, taken, idle = groups, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, most, taken = groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            idle = "total_inactive_file"
        else:
            continue
        own = top / path.lstrip("/")
        for folder in (one for one in (own, *own.parents) if one.is_relative_to(top)):
            try:
                limit, used = (int((folder / name).read_text()) for name in (most, taken))
                facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                yield limit - used + int(facts[idle])  # files that were read are let go of first
            except (OSError, KeyError, ValueError):  # no such group, or "max"
                continue


def _spread_bytes(schema: Schema, estimators: Sequence[str]) -> int:
    """What a row takes beyond its values where an estimator gets a column for each category."""
    spread = any(name in SPREAD for name in estimators)
    return (BYTES_PER_CATEGORY - BYTES_PER_VALUE) * len(schema.categorical) if spread else 0


def _too_many(n_rows: int, schema: Schema, needed: int, free: int) -> str:
    return (
        f"{n_rows:,} training rows of {len(schema.production)} columns need about {needed / 2**30:.1f} GiB of memory"
        f" and {free / 2**30:.1f} GiB are free"
    )
