"""One window of production as it was found: exact facts of all rows and a bounded sample on disk, or nothing of use."""

from dataclasses import dataclass
from pathlib import Path

from records.facts import FactReport, TableFacts
from records.window import Window


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one window; its identity is (model, window).

    `sample` is a Parquet file with at most the configured number of rows, chosen by a hash of the row key; `compared`
    sets the facts beside those of the snapshot that was the champion's then.
    """

    model: str
    window: Window
    facts: TableFacts
    sample: Path
    n_sampled: int
    compared: FactReport


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A window that was over when it was looked at and had no rows, or none that could be used: `reason` says why."""

    model: str
    window: Window
    reason: str
