"""A small monitored model that can go through the whole loop in seconds, on twins of the services."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.payments import CHANGED, N_SNAPSHOT_WEEKS, QUIET, TOML, payments, week
from flows.adopt import adopt
from flows.learn import learn
from flows.settings import Settings, load_settings
from flows.site import Site
from flows.watch import watch
from labeling import answers
from labeling.studio import InMemoryStudio
from models.memory_registry import InMemoryRegistry
from records.label import OpenRequest
from records.schema import Schema
from tests.conftest import LabelStudio


@dataclass
class World:
    """A monitored model on disk, the truth about every row, and what people do."""

    folder: Path
    studio: InMemoryStudio
    registry: InMemoryRegistry
    truth: dict[str, str]

    def copy(self, folder: Path) -> "World":
        """The same state in another folder, for a test to change."""
        shutil.copytree(self.folder, folder)
        return World(folder, deepcopy(self.studio), deepcopy(self.registry), self.truth)

    @property
    def settings(self) -> Settings:
        return load_settings(self.folder / "driftloop.toml")

    @property
    def request(self) -> OpenRequest:
        """The one open label request."""
        (item,) = self.site().ledger.requests.open("payments")
        return item

    def site(self) -> Site:
        """A site as a fresh process would open it."""
        return Site(self.settings, studio=self.studio, registry=self.registry)

    @property
    def schema(self) -> Schema:
        return self.settings.roles

    def n_tasks(self) -> int:
        """How many tasks Label Studio has."""
        return sum(len(self.studio.tasks(project)) for project in self.studio.projects())

    def answer(
        self, *, skipped: Callable[[str], bool] = lambda _: False, unseen: Callable[[str], bool] = lambda _: False
    ) -> None:
        """Let a person answer every task from the truth, or skip it, except those left `unseen`."""
        for project in self.studio.projects():
            for task_id, task in self.studio.tasks(project).items():
                key = task["data"]["row_key"]  # type: ignore[index]
                if unseen(key):
                    continue
                if skipped(key):
                    self.studio.annotate(task_id, [], skipped=True)
                else:
                    self.studio.annotate(task_id, answers.write(self.truth[key], self.schema))


def watch_until_asked(world: World) -> None:
    """Watch week after week until people are asked."""
    for number in (*QUIET, *CHANGED):
        if watch(world.site(), week(number)).request.asks:
            return
    raise AssertionError("three changed weeks asked nobody")


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training data of eight weeks, then two quiet weeks and three changed ones in production."""
    folder = tmp_path_factory.mktemp("payments")
    payments(N_SNAPSHOT_WEEKS).to_parquet(folder / "training.parquet")
    later = [payments(2, first_week=N_SNAPSHOT_WEEKS), payments(3, first_week=N_SNAPSHOT_WEEKS + 2, changed=True)]
    everything = pd.concat(later, ignore_index=True)
    everything[["id", "fraud"]].to_parquet(folder / "truth.parquet")
    everything.drop(columns="fraud").to_parquet(folder / "production.parquet")
    (folder / "driftloop.toml").write_text(TOML)
    return folder


@pytest.fixture(scope="session")
def first_day(history: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A monitored model over that history, not adopted yet; tests get copies of it."""
    truth = pd.read_parquet(history / "truth.parquet")
    answers_by_key = dict(zip(truth["id"], truth["fraud"], strict=True))
    return World(history, InMemoryStudio(), InMemoryRegistry(), answers_by_key)


@pytest.fixture(scope="session")
def first_champion(first_day: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = first_day.copy(tmp_path_factory.mktemp("adopted") / "site")
    adopt(world.site(), "training.parquet")
    return world


@pytest.fixture(scope="session")
def first_request(first_champion: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = first_champion.copy(tmp_path_factory.mktemp("asked") / "site")
    watch_until_asked(world)
    return world


@pytest.fixture(scope="session")
def first_lesson(first_request: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = first_request.copy(tmp_path_factory.mktemp("learned") / "site")
    world.answer()
    learn(world.site())
    return world


@pytest.fixture
def world(first_day: World, tmp_path: Path) -> World:
    """A monitored model that was not adopted yet."""
    return first_day.copy(tmp_path / "site")


@pytest.fixture
def adopted(first_champion: World, tmp_path: Path) -> World:
    """A monitored model with generation 1 in charge."""
    return first_champion.copy(tmp_path / "site")


@pytest.fixture
def asked(first_request: World, tmp_path: Path) -> World:
    """A monitored model that has alarmed and asked people, who have not answered yet."""
    return first_request.copy(tmp_path / "site")


@pytest.fixture
def learned(first_lesson: World, tmp_path: Path) -> World:
    """A monitored model that has learned from every answer to its first request."""
    return first_lesson.copy(tmp_path / "site")


@dataclass
class RealWorld(World):
    """A monitored model on the real Label Studio and a real MLflow store."""

    def site(self) -> Site:
        return Site(self.settings)


@pytest.fixture
def real(
    first_day: World, label_studio: LabelStudio, mlflow_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RealWorld:
    """A model of its own name that has asked people about 40 rows in the real Label Studio."""
    copied = first_day.copy(tmp_path / "site")
    path = copied.folder / "driftloop.toml"
    text = path.read_text().replace('model = "payments"', f'model = "real-{abs(hash(tmp_path)) % 10**8}"')
    services = f'mlflow = "{mlflow_store}"\nlabel_studio = "{label_studio.url}"'
    text = text.replace("budget = 400", "budget = 40").replace('mlflow = "sqlite:///mlflow.db"', services)
    path.write_text(text)
    monkeypatch.setenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", label_studio.token)
    world = RealWorld(copied.folder, copied.studio, copied.registry, copied.truth)
    adopt(world.site(), "training.parquet")
    watch_until_asked(world)
    return world
