"""Whether training data fit into memory, before they are read."""

import os
from pathlib import Path

from records.errors import BadData

BYTES_PER_VALUE = 300
"""What one value takes while candidates learn: as it was read, checked, prepared, and copied for several models."""


def affordable(n_rows: int, n_columns: int, *, max_rows: int | None, free_bytes: int | None = None) -> int:
    """Return from how many of `n_rows` rows can be learned: all of them, or `max_rows` where that is fewer.

    `free_bytes` is what memory is free (what the machine says, by default). Raises `BadData` when they would not fit.

    >>> affordable(2_000_000, 20, max_rows=100_000, free_bytes=2**30)
    100000
    >>> affordable(2_000_000, 20, max_rows=None, free_bytes=2**30)
    Traceback (most recent call last):
    records.errors.BadData: 2,000,000 training rows of 20 columns need about 11.2 GiB of memory and 1.0 GiB are free; \
set training.max_rows to 178,000 or fewer to learn from a random sample, or use a larger machine
    """
    wanted = n_rows if max_rows is None else min(n_rows, max_rows)
    free = _free_bytes() if free_bytes is None else free_bytes
    needed = wanted * n_columns * BYTES_PER_VALUE
    if needed > free:
        fitting = max(free // (n_columns * BYTES_PER_VALUE) // 1000 * 1000, 1000)
        raise BadData(
            f"{wanted:,} training rows of {n_columns} columns need about {needed / 2**30:.1f} GiB of memory and"
            f" {free / 2**30:.1f} GiB are free; set training.max_rows to {fitting:,} or fewer to learn from a random"
            " sample, or use a larger machine"
        )
    return wanted


def _free_bytes() -> int:
    """What the kernel says can be had without swapping; half of the memory where it does not say."""
    try:
        facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
