"""Promotions and rollbacks that are killed between any two steps, or made by two at once, on a real MLflow store."""

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

from benchmarks.payments import CHANGED, week
from flows.adopt import adopt
from flows.learn import learn
from flows.promote import make_champion, promote_by_hand, rollback, settle_promotions
from flows.retrain import save_generation
from flows.settings import load_settings
from flows.site import Site
from labeling.studio import InMemoryStudio
from models.entry import Draft
from models.memory_registry import InMemoryRegistry
from models.registry import MlflowRegistry
from models.train import fit
from records.comparison import Verdict
from records.errors import Conflict, LockLost
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


def with_candidates(first_day: World, folder: Path, ledger: str | None = None) -> Registered:
    """Make champion and candidates, on the ledger at an address or on a file of its own."""
    shutil.copytree(first_day.folder, folder)
    if ledger:
        settings = folder / "driftloop.toml"
        settings.write_text(settings.read_text().replace("[services]", f'[services]\nledger = "{ledger}"'))
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


@pytest.fixture(scope="module")
def candidates(first_day: World, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    return with_candidates(first_day, tmp_path_factory.mktemp("candidates") / "site")


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
    """Promote generation 3, and be killed at one point."""
    die_at(point)
    promote(registered, 3)


def roll_back_and_die(registered: Registered, point: int) -> None:
    """Roll back, and be killed at one point."""
    die_at(point)
    rollback(registered.site(), why="complaints")


def die_at(point: int) -> None:
    """Be killed at one point: before or after one outside effect."""
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


def promote_at_once(registered: Registered, number: int, barrier: Any) -> None:
    barrier.wait()
    try:
        promote(registered, number)
    except Conflict as error:
        os._exit(_CONFLICT if "has taken charge since" in str(error) else 1)


def roll_back_at_once(registered: Registered, barrier: Any) -> None:
    barrier.wait()
    rollback(registered.site(), why="complaints")


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


@pytest.fixture(params=["sqlite", "postgresql"])
def contested(request: pytest.FixtureRequest, first_day: World, tmp_path: Path) -> Registered:
    """A model whose ledger is of one kind and then of the other."""
    if request.param == "sqlite":
        made: Registered = request.getfixturevalue("registered")
        return made
    return with_candidates(first_day, tmp_path / "site", request.getfixturevalue("postgres_url")())


@pytest.mark.services
def test_of_two_promotions_at_once_exactly_one_wins_and_the_history_is_whole(contested: Registered) -> None:
    barrier = PROCESSES.Barrier(2)
    processes = [run(promote_at_once, contested, number, barrier) for number in (2, 3)]
    for process in processes:
        process.join()
    assert sorted(process.exitcode for process in processes) == [0, _CONFLICT]
    winner = 2 if processes[0].exitcode == 0 else 3
    number, _, history = state(contested)
    assert (number, history) == (winner, [(None, 1), (1, winner)])


PROMOTED: list[tuple[int | None, int]] = [(None, 1), (1, 2), (2, 3)]


def promote_both(registered: Registered) -> None:
    for number in (2, 3):
        promote_by_hand(registered.site(), number, why="a test")


@pytest.mark.services
@pytest.mark.parametrize("point", range(1, N_POINTS - 1))  # there is no alias `challenger` to delete
def test_a_rollback_killed_at_any_point_has_happened_once_after_a_rerun(registered: Registered, point: int) -> None:
    """The last point is after the confirmation, before anybody was told."""
    promote_both(registered)
    process = run(roll_back_and_die, registered, point)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    for _ in range(2):
        assert rollback(registered.site(), why="complaints").number == 2
        assert (state(registered)[0], state(registered)[2]) == (2, [*PROMOTED, (3, 2)])
    assert rollback(registered.site(), why="complaints about this one too").number == 1
    assert state(registered)[2] == [*PROMOTED, (3, 2), (2, 1)]


@pytest.mark.services
def test_the_same_rollback_twice_at_once_happens_once(contested: Registered) -> None:
    promote_both(contested)
    barrier = PROCESSES.Barrier(2)
    processes = [run(roll_back_at_once, contested, barrier) for _ in range(2)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert (state(contested)[0], state(contested)[2]) == (2, [*PROMOTED, (3, 2)])


@pytest.mark.services
def test_whoever_promotes_next_finishes_what_a_killed_process_began(registered: Registered) -> None:
    process = run(promote_and_die, registered, 4)  # the alias has moved, the ledger does not know
    process.join()
    promote_by_hand(registered.site(), 2, why="a test")
    assert state(registered)[2] == [(None, 1), (1, 3), (3, 2)]


class LosesTheLock(MlflowRegistry):
    """Takes the locks away once it has moved an alias, as a restart of the ledger's server does."""

    def __init__(self, uri: str, locks: Path) -> None:
        super().__init__(uri)
        self._locks = locks

    def promote(self, model: str, version: str, *, expected: str | None) -> None:
        super().promote(model, version, expected=expected)
        shutil.rmtree(self._locks)


@pytest.mark.services
def test_who_lost_the_lock_moves_no_alias_any_more_and_the_next_one_settles_it(registered: Registered) -> None:
    process = run(promote_and_die, registered, 4)
    process.join()
    settings, locks = registered.site().settings, Path(f"{registered.site().ledger.database.file}.locks")
    registry = LosesTheLock(f"sqlite:///{registered.folder}/mlflow.db", locks)
    site = Site(settings, studio=InMemoryStudio(), registry=registry)
    second = site.ledger.generations.get(site.model, 2)
    with pytest.raises(LockLost):  # while it settles what the killed one began
        make_champion(site, second, Verdict("promote", ("It gains.",)), why="a test", expected=3)
    assert registered.aliases()["champion"] == site.ledger.generations.get(site.model, 3).version
    assert [one.generation for one in site.ledger.promotions.pending(site.model)] == [2]
    settle_promotions(registered.site())
    assert state(registered)[2] == [(None, 1), (1, 3), (3, 2)]


class LosesTheLockInMemory(InMemoryRegistry):
    """Takes the locks away once it has moved an alias."""

    def __init__(self, before: InMemoryRegistry, locks: Path) -> None:
        vars(self).update(vars(before))
        self._locks = locks

    def promote(self, model: str, version: str, *, expected: str | None) -> None:
        super().promote(model, version, expected=expected)
        shutil.rmtree(self._locks)


def test_a_lost_lock_is_no_verdict_and_the_next_learn_draws_it(asked: World) -> None:
    asked.answer()
    asked.registry = LosesTheLockInMemory(asked.registry, Path(f"{asked.site().ledger.database.file}.locks"))
    with pytest.raises(LockLost):
        learn(asked.site())
    learn(asked.site())
    site = asked.site()
    verdict = site.ledger.steps.get(site.model, week(CHANGED[0]), "promote", Verdict)
    assert verdict is not None
    assert (verdict.outcome, site.champion().number) == ("promote", 2)
