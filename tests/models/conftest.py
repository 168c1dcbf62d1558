"""Small drifting data, and drafts of generations fitted on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.entry import Draft
from models.train import fit
from records.generation import Snapshot
from records.schema import Schema

FLIGHTS = Schema(
    "id",
    "at",
    "late",
    "classification",
    ("hour", "wind"),
    ("carrier", "rainy"),
    ("yes", "no"),
    (("wind", "knots"),),
    datetime=("booked",),
    text=("remark",),
)
DELAYS = Schema("id", "at", "delay", "regression", ("hour", "wind"), ("carrier", "rainy"), (), (("delay", "minutes"),))


def flights(n: int, *, seed: int, flipped: bool = False, start: str = "2013-01-01") -> pd.DataFrame:
    """Normalised rows with a truth a model can learn; `flipped` turns the truth of late hours round."""
    generator = np.random.default_rng(seed)
    hour = generator.uniform(5, 23, n)
    wind = np.where(generator.uniform(size=n) < 0.1, np.nan, generator.gamma(2, 5, n))
    carrier = generator.choice(np.array(["B6", "EV", "UA", None], dtype=object), n, p=[0.4, 0.3, 0.2, 0.1])
    rainy = generator.choice(np.array(["True", "False"], dtype=object), n, p=[0.2, 0.8])
    pull = (hour - 14) / 4 + (rainy == "True") + 0.5 * (carrier == "EV") + np.nan_to_num(wind) / 40
    if flipped:
        pull = np.where(hour >= 17, -pull, pull)
    late = generator.uniform(size=n) < 1 / (1 + np.exp(-pull))
    return pd.DataFrame(
        {
            "id": [f"{seed}-{row}" for row in range(n)],
            "at": pd.date_range(start, periods=n, freq="7min", tz="UTC").astype("datetime64[ns, UTC]"),
            "hour": hour,
            "wind": wind,
            "carrier": carrier,
            "rainy": rainy,
            "booked": generator.exponential(30, n),
            "remark": generator.choice(np.array(["wet wing", "crew late again", "", None], dtype=object), n),
            "late": np.where(late, "yes", "no").astype(object),
            "delay": 10 * pull + generator.normal(0, 5, n),
        }
    )


@pytest.fixture(scope="session")
def make_draft(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Draft]:
    """Fitted drafts by serving; fitted once each, as logging is what the tests are about."""
    folder = tmp_path_factory.mktemp("snapshot")
    train, holdout = flights(400, seed=1), flights(100, seed=2)
    fitted = {
        serving: fit(train, holdout, FLIGHTS, estimator="random_forest", loss="brier", seed=0, serving=serving)
        for serving in ("accelerated", "stock")
    }

    def make(model: str, number: int, *, serving: str = "accelerated", digest: str = "0123abcd", **more: Any) -> Draft:
        pipeline, record = fitted[serving]
        snapshot = Snapshot(digest, folder / "train.parquet", folder / "holdout.parquet", len(train), len(holdout))
        return Draft(model, number, FLIGHTS, pipeline, record, snapshot, train, holdout, **more)

    return make


@pytest.fixture
def note_file(tmp_path: Path) -> Path:
    path = tmp_path / "drift.html"
    path.write_text("<p>drift</p>")
    return path
