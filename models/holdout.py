"""Which rows are set aside, by a hash of the row key, so that the same rows are every time."""

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def in_holdout(row_keys: pd.Series, share: float, *, seed: int) -> NDArray[np.bool_]:
    """Return which rows belong to a share that is set aside.

    >>> in_holdout(pd.Series(["a", "b", "c", "d"]), 0.6, seed=0).tolist()
    [False, True, False, False]
    """
    digests = [hashlib.sha256(f"{seed} {key}".encode()).digest()[:8] for key in row_keys]
    position = np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64) / 2.0**64
    return np.asarray(position < share)
