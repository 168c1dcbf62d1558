"""A small monitored model that goes through the whole loop in seconds: payments, some of them frauds, then a change."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from records.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
N_SNAPSHOT_WEEKS = 8
N_PER_WEEK = 700
QUIET = (N_SNAPSHOT_WEEKS, N_SNAPSHOT_WEEKS + 1)
CHANGED = (N_SNAPSHOT_WEEKS + 2, N_SNAPSHOT_WEEKS + 3, N_SNAPSHOT_WEEKS + 4)

TOML = """\
model = "payments"

[table]
url = "production.parquet"
row_key = "id"
time = "at"

[columns]
target = "fraud"
task = "classification"
classes = ["no", "yes"]
numeric = ["amount", "age", "noise"]
categorical = ["channel", "country"]

[windows]
anchor = 2024-01-01T00:00:00Z

[alarms]
false_alarms_per_year = 12

[labels]
question = "Is this payment a fraud?"
budget = 400
audit_share = 0.6
rounds = 1

[training]
estimators = ["linear", "random_forest"]

[gate]
tolerance = 0.02

[services]
mlflow = "sqlite:///mlflow.db"
"""


def payments(n_weeks: int, *, first_week: int = 0, changed: bool = False, seed: int = 0) -> pd.DataFrame:
    """Payments with their true answer.

    When `changed`, the channel `app` grows from 20 % to 45 % of the rows and its frauds are the *small* amounts.
    """
    rng = np.random.default_rng([seed, first_week, changed])
    n = n_weeks * N_PER_WEEK
    app = 0.45 if changed else 0.2
    channel = rng.choice(["app", "web", "shop"], n, p=[app, (1 - app) * 0.6, (1 - app) * 0.4])
    amount = rng.lognormal(3, 1, n)
    high = 1 / (1 + np.exp(-2.5 * (np.log(amount) - 3)))
    risk = np.where((channel == "app") & changed, 1 - high, high)
    seconds = np.sort(rng.uniform(0, n_weeks * WEEK.total_seconds(), n)) + first_week * WEEK.total_seconds()
    return pd.DataFrame(
        {
            "id": [f"w{first_week}-{i}" for i in range(n)],
            "at": pd.Timestamp(START) + pd.to_timedelta(seconds, unit="s"),
            "amount": amount,
            "age": rng.normal(45, 12, n),
            "noise": rng.normal(size=n),
            "channel": channel,
            "country": rng.choice(["de", "fr", "it"], n),
            "fraud": np.where(rng.uniform(size=n) < risk, "yes", "no"),
        }
    )


def week(k: int) -> Window:
    """The k-th week since the start."""
    return Window(START + k * WEEK, START + (k + 1) * WEEK)
