"""A small monitored model that can go through the whole loop in seconds, on twins of the services."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.settings import Settings, load_settings
from flows.site import Site
from labeling import answers
from labeling.studio import InMemoryStudio
from models.memory_registry import InMemoryRegistry
from records.schema import Schema
from records.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
N_SNAPSHOT_WEEKS = 8
N_PER_WEEK = 700

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

[training]
estimators = ["linear", "random_forest"]

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


@dataclass
class World:
    """A monitored model on disk, the truth about every row, and what people do."""

    folder: Path
    settings: Settings
    training: Path
    truth: dict[str, str]
    studio: InMemoryStudio
    registry: InMemoryRegistry

    def site(self) -> Site:
        """A site as a fresh process would open it."""
        return Site(self.settings, studio=self.studio, registry=self.registry)

    @property
    def schema(self) -> Schema:
        return self.settings.roles

    def n_tasks(self) -> int:
        """How many tasks Label Studio has."""
        return sum(len(self.studio.tasks(project)) for project in self.studio.projects())

    def answer(self, *, wrong: Callable[[str], bool] = lambda _: False) -> None:
        """Let a person answer every task that has no answer yet, from the truth."""
        for project in self.studio.projects():
            done = {said.task_id for said in self.studio.said(project)}
            for task_id, task in self.studio.tasks(project).items():
                if task_id not in done:
                    key = task["data"]["row_key"]  # type: ignore[index]
                    answer = self.truth[key]
                    if wrong(key):
                        answer = "no" if answer == "yes" else "yes"
                    self.studio.annotate(task_id, answers.write(answer, self.schema))


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training data of eight weeks, then two quiet weeks and three changed ones in production."""
    folder = tmp_path_factory.mktemp("payments")
    payments(N_SNAPSHOT_WEEKS).to_parquet(folder / "training.parquet")
    later = [payments(2, first_week=N_SNAPSHOT_WEEKS), payments(3, first_week=N_SNAPSHOT_WEEKS + 2, changed=True)]
    everything = pd.concat(later, ignore_index=True)
    everything[["id", "fraud"]].to_parquet(folder / "truth.parquet")
    everything.drop(columns="fraud").to_parquet(folder / "production.parquet")
    return folder


@pytest.fixture
def world(history: Path, tmp_path: Path) -> World:
    """A fresh monitored model over that history, not adopted yet."""
    for name in ("training", "production"):
        (tmp_path / f"{name}.parquet").symlink_to(history / f"{name}.parquet")
    (tmp_path / "driftloop.toml").write_text(TOML)
    truth = pd.read_parquet(history / "truth.parquet")
    return World(
        tmp_path,
        load_settings(tmp_path / "driftloop.toml"),
        tmp_path / "training.parquet",
        dict(zip(truth["id"], truth["fraud"], strict=True)),
        InMemoryStudio(),
        InMemoryRegistry(),
    )
