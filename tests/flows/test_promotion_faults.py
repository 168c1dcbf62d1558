"""Promotions that are killed between any two steps, or made by two processes at once, on a real MLflow store."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from flows.adopt import adopt
from flows.promote import make_champion, promote_by_hand, settle_promotions
from flows.retrain import save_generation
from flows.settings import load_settings
from flows.site import Site
from labeling.studio import InMemoryStudio
from models.entry import Draft
from models.train import fit
from records.comparison import Verdict
from records.errors import Conflict
from store.promotions import Promotions
from store.snapshots import read
from tests.flows.conftest import World

PROCESSES = multiprocessing.get_context("forkserver")  # free of the threads that other tests left in this one
PROCESSES.set_forkserver_preload([__name__])
EFFECTS = (
    (Promotions, ("intend", "confirm")),
    (MlflowClient, ("set_registered_model_alias", "set_model_version_tag", "delete_registered_model_alias")),
)
N_POINTS = 12  # before and after each of six effects
_CONFLICT = 3


@dataclass(frozen=True)
class Registered:
    """A model with champion 1 and candidates 2 and 3 in a real MLflow store, in a folder of its own."""

    folder: Path

    def site(self) -> Site:
        return Site(load_settings(self.folder / "driftloop.toml"), studio=InMemoryStudio())

    def aliases(self) -> dict[str, str]:
        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db", registry_uri=f"sqlite:///{self.folder}/mlflow.db")
        (model,) = client.search_registered_models()
        return {alias: str(version) for alias, version in model.aliases.items()}


@pytest.fixture(scope="module")
def candidates(first_day: World, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    folder = tmp_path_factory.mktemp("candidates") / "site"
    shutil.copytree(first_day.folder, folder)
    registered = Registered(folder)
    site = registered.site()
    first = adopt(site, "training.parquet")
    train, holdout = read(first.snapshot)
    for number in (2, 3):
        pipeline, record = fit(
            train, holdout, site.schema, estimator="linear", loss="brier", seed=number, serving="stock"
        )
        draft = Draft(site.model, number, site.schema, pipeline, record, first.snapshot, train, holdout)
        save_generation(site, draft, parent=1, cause=None)
    return registered


@pytest.fixture
def registered(candidates: Registered, tmp_path: Path) -> Registered:
    shutil.copytree(candidates.folder, tmp_path / "site")
    return Registered(tmp_path / "site")


def run(job: Callable[..., None], *arguments: object) -> Any:
    process = PROCESSES.Process(target=job, args=arguments)
    process.start()
    return process


def promote(registered: Registered, number: int) -> None:
    site = registered.site()
    generation = site.ledger.generations.get(site.model, number)
    make_champion(site, generation, Verdict("promote", ("It gains.",)), why="a test", expected=1)


def promote_and_die(registered: Registered, point: int) -> None:
    """Promote generation 3, and be killed at one point: before or after one outside effect."""
    passed = 0

    def tick() -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(effect: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            tick()
            result = effect(*arguments, **named)
            tick()
            return result

        return call

    for owner, names in EFFECTS:
        for name in names:
            setattr(owner, name, watched(getattr(owner, name)))
    promote(registered, 3)


def promote_at_once(registered: Registered, number: int, barrier: Any) -> None:
    barrier.wait()
    try:
        promote(registered, number)
    except Conflict as error:
        os._exit(_CONFLICT if "has taken charge since" in str(error) else 1)


def state(registered: Registered) -> tuple[int, str, list[tuple[int | None, int]]]:
    site = registered.site()
    champion = site.champion()
    statuses = [one.status for one in site.ledger.generations.all(site.model)]
    assert statuses.count("champion") == 1
    assert site.ledger.promotions.pending(site.model) == ()
    assert registered.aliases()["champion"] == champion.version
    history = [(one.previous, one.generation) for one in site.ledger.promotions.history(site.model)]
    assert history[-1][1] == champion.number
    return champion.number, champion.version, history


@pytest.mark.services
@pytest.mark.parametrize("point", range(1, N_POINTS + 2))
def test_a_promotion_killed_at_any_point_leaves_one_champion_after_a_rerun(registered: Registered, point: int) -> None:
    process = run(promote_and_die, registered, point)
    process.join()
    assert process.exitcode == (-signal.SIGKILL if point <= N_POINTS else 0)
    settle_promotions(registered.site())
    number, _, history = state(registered)
    assert history == ([(None, 1)] if number == 1 else [(None, 1), (1, 3)])
    promote(registered, 3)
    assert (state(registered)[0], state(registered)[2]) == (3, [(None, 1), (1, 3)])
    assert "challenger" not in registered.aliases()


@pytest.mark.services
def test_of_two_promotions_at_once_exactly_one_wins_and_the_history_is_whole(registered: Registered) -> None:
    barrier = PROCESSES.Barrier(2)
    processes = [run(promote_at_once, registered, number, barrier) for number in (2, 3)]
    for process in processes:
        process.join()
    assert sorted(process.exitcode for process in processes) == [0, _CONFLICT]
    winner = 2 if processes[0].exitcode == 0 else 3
    number, _, history = state(registered)
    assert (number, history) == (winner, [(None, 1), (1, winner)])


@pytest.mark.services
def test_whoever_promotes_next_finishes_what_a_killed_process_began(registered: Registered) -> None:
    process = run(promote_and_die, registered, 4)  # the alias has moved, the ledger does not know
    process.join()
    promote_by_hand(registered.site(), 2, why="a test")
    assert state(registered)[2] == [(None, 1), (1, 3), (3, 2)]
