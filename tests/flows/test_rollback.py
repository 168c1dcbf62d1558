"""Going back: one further with every rollback, never forward again, and the same command only once."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from flows import cli
from flows.champions import ROLLED_BACK, way_back
from flows.learn import learn
from flows.promote import make_champion, promote_by_hand, rollback
from flows.retrain import save_generation
from models.entry import Draft
from models.train import fit
from records.comparison import Verdict
from records.errors import NotFound, ServiceDown
from records.promotion import Promotion
from store.promotions import Promotions
from store.snapshots import read
from tests.flows.conftest import World

NOW = datetime(2024, 3, 1, tzinfo=UTC)
BACK = Verdict("promote", (f"{ROLLED_BACK} 3: complaints",))


def history(world: World) -> list[tuple[int | None, int]]:
    return [(one.previous, one.generation) for one in world.site().ledger.promotions.history("payments")]


@pytest.fixture
def third(adopted: World) -> World:
    """A monitored model whose generations 1, 2 and 3 were in charge, each after the other."""
    site = adopted.site()
    first = site.champion()
    train, holdout = read(first.snapshot)
    for number in (2, 3):
        pipeline, record = fit(
            train, holdout, site.schema, estimator="linear", loss="brier", seed=number, serving="stock"
        )
        draft = Draft(site.model, number, site.schema, pipeline, record, first.snapshot, train, holdout)
        generation = save_generation(site, draft, parent=number - 1, cause=None)
        make_champion(site, generation, Verdict("promote", ("It gains.",)), why="a test", expected=number - 1)
    return adopted


def test_every_rollback_for_another_reason_goes_one_further_back(third: World) -> None:
    assert [rollback(third.site(), why=why).number for why in ("complaints", "still complaints")] == [2, 1]
    with pytest.raises(NotFound, match="nothing to roll back to"):
        rollback(third.site(), why="and still")
    assert history(third)[3:] == [(3, 2), (2, 1)]


def test_the_same_rollback_again_changes_nothing_until_something_is_promoted(third: World) -> None:
    assert [rollback(third.site(), why="complaints").number for _ in range(3)] == [2, 2, 2]
    promote_by_hand(third.site(), 3, why="it was fine")
    assert rollback(third.site(), why="complaints").number == 2
    assert history(third)[3:] == [(3, 2), (2, 3), (3, 2)]


@pytest.mark.parametrize("alias_moved", [False, True])
@pytest.mark.parametrize("why", ["complaints", "another's words"])
def test_a_rollback_finishes_the_one_that_is_pending_and_is_no_second_one(
    third: World, alias_moved: bool, why: str
) -> None:
    """Killed before or after the alias moved, or another process at it just now: nobody saw its outcome yet."""
    site = third.site()
    site.ledger.promotions.intend("payments", generation=2, previous=3, why="complaints", verdict=BACK)
    if alias_moved:
        new, old = (site.ledger.generations.get("payments", number).version for number in (2, 3))
        third.registry.promote("payments", new, expected=old)
    assert rollback(third.site(), why=why).number == 2
    assert history(third)[3:] == [(3, 2)]
    assert third.registry.champion("payments") == third.site().champion().version


def test_a_rollback_after_a_promotion_that_a_crash_left_undoes_that(third: World) -> None:
    rollback(third.site(), why="complaints")
    third.site().ledger.promotions.intend("payments", generation=3, previous=2, why="a test", verdict=None)
    assert rollback(third.site(), why="complaints").number == 2
    assert history(third)[3:] == [(3, 2), (2, 3), (3, 2)]


def test_what_is_rolled_back_to_a_named_one_goes_on_from_there(third: World) -> None:
    assert [rollback(third.site(), why="a test", number=1).number for _ in range(2)] == [1, 1]
    with pytest.raises(NotFound, match="nothing to roll back to"):
        rollback(third.site(), why="another test")
    assert rollback(third.site(), why="it was fine", number=3).number == 3
    assert rollback(third.site(), why="it was not").number == 1


def test_a_rollback_undoes_a_promotion_by_hand_of_an_earlier_champion(third: World) -> None:
    promote_by_hand(third.site(), 2, why="a mistake")
    assert [rollback(third.site(), why=why).number for why in ("a mistake", "a real problem")] == [3, 1]


def test_a_promotion_that_was_rolled_back_is_not_made_again_by_the_learn_that_a_crash_stopped(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(promotions: Promotions, intent: int) -> None:
        confirm(promotions, intent)
        raise ServiceDown("the ledger went away")

    asked.answer()
    confirm = Promotions.confirm
    with monkeypatch.context() as patch:
        patch.setattr(Promotions, "confirm", dies)
        with pytest.raises(ServiceDown):
            learn(asked.site())
    rollback(asked.site(), why="complaints")
    (done,) = learn(asked.site())
    assert done.verdict is not None
    assert (done.verdict.outcome, asked.site().champion().number) == ("promote", 1)
    assert history(asked) == [(None, 1), (1, 2), (2, 1)]


changes = st.lists(st.tuples(st.sampled_from(["promote", "back", "to"]), st.integers(1, 5)), max_size=12)


@given(changes)
def test_going_back_ends_and_meets_nobody_twice(moves: list[tuple[str, int]]) -> None:
    past = [change(1)]
    for move, number in moves:
        if move == "back" and (way := way_back(past)):
            past.append(change(way[-1], BACK))
        elif move != "back" and number != past[-1].generation:
            past.append(change(number, BACK if move == "to" else None))
    left = {past[-1].generation}
    while way := way_back(past):
        assert way[-1] not in left
        left.add(way[-1])
        past.append(change(way[-1], BACK))


def change(number: int, verdict: Verdict | None = None) -> Promotion:
    return Promotion(0, "payments", number, None, "a test", verdict, "confirmed", NOW)


@pytest.mark.parametrize(
    ("words", "exit_code"), [(["1"], 0), (["--to", "1"], 0), (["1", "--to", "1"], 0), (["1", "--to", "2"], 2)]
)
def test_the_generation_to_return_to_is_named_with_or_without_an_option(
    third: World, monkeypatch: pytest.MonkeyPatch, words: list[str], exit_code: int
) -> None:
    monkeypatch.setattr("flows.site.Site", lambda _settings: third.site())
    config = ["--config", str(third.folder / "driftloop.toml")]
    told = CliRunner().invoke(cli.app, ["rollback", *words, "--why", "a test", *config])
    assert told.exit_code == exit_code, told.output
    assert third.site().champion().number == (3 if exit_code else 1)
