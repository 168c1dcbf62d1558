"""Take a model under watch: its training data becomes the first snapshot, its pipeline generation 1."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flows.site import Site
from records.generation import Generation


def in_holdout(row_keys: pd.Series, share: float, *, seed: int) -> NDArray[np.bool_]:
    """Return which rows belong to the holdout, by a hash of the key, so that the same rows do every time.

    >>> in_holdout(pd.Series(["a", "b", "c", "d"]), 0.5, seed=0).tolist()
    [False, True, True, True]
    """
    digests = [hashlib.sha256(f"{seed} {key}".encode()).digest()[:8] for key in row_keys]
    position = np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64) / 2.0**64
    return position < share
