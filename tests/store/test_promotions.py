import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from records.errors import Conflict, NotFound
from store.ledger import Ledger
from tests.store.examples import MODEL, PROMOTE, generation


@pytest.fixture
def three(ledger: Ledger) -> Ledger:
    for number in (1, 2, 3):
        ledger.generations.save(generation(number, "champion" if number == 1 else "candidate"))
    return ledger


def statuses(ledger: Ledger) -> list[str]:
    return [found.status for found in ledger.generations.all(MODEL)]


def test_the_first_promotion_has_no_one_to_replace(ledger: Ledger) -> None:
    ledger.generations.save(generation(1))
    intent = ledger.promotions.intend(MODEL, generation=1, previous=None, why="adopted", verdict=None)
    assert statuses(ledger) == ["candidate"]
    ledger.promotions.confirm(intent)
    assert statuses(ledger) == ["champion"]
    (found,) = ledger.promotions.history(MODEL)
    assert (found.generation, found.previous, found.why, found.verdict) == (1, None, "adopted", None)


def test_an_intent_changes_nothing_until_it_is_confirmed(three: Ledger) -> None:
    intent = three.promotions.intend(MODEL, generation=2, previous=1, why="it gains", verdict=PROMOTE)
    assert statuses(three) == ["champion", "candidate", "candidate"]
    (pending,) = three.promotions.pending(MODEL)
    assert (pending.id, pending.state, pending.verdict, pending.settled_at) == (intent, "intended", PROMOTE, None)
    assert three.promotions.history(MODEL) == ()
    for _ in range(2):
        three.promotions.confirm(intent)
    assert statuses(three) == ["retired", "champion", "candidate"]
    assert three.promotions.pending(MODEL) == ()
    (done,) = three.promotions.history(MODEL)
    assert done.state == "confirmed"
    assert done.settled_at is not None
    assert done.settled_at >= done.intended_at


def test_the_same_intent_again_is_the_same_intent_and_another_one_waits(three: Ledger) -> None:
    intent = three.promotions.intend(MODEL, generation=2, previous=1, why="it gains", verdict=PROMOTE)
    assert three.promotions.intend(MODEL, generation=2, previous=1, why="it gains", verdict=PROMOTE) == intent
    with pytest.raises(Conflict, match="a promotion of generation 2 of 'flights' is pending"):
        three.promotions.intend(MODEL, generation=3, previous=1, why="it gains", verdict=PROMOTE)


def test_a_change_is_told_once(three: Ledger) -> None:
    intent = three.promotions.intend(MODEL, generation=2, previous=1, why="it gains", verdict=PROMOTE)
    three.promotions.confirm(intent)
    assert three.promotions.history(MODEL)[0].told_at is None
    three.promotions.tell(intent)
    told_at = three.promotions.history(MODEL)[0].told_at
    assert told_at is not None
    three.promotions.tell(intent)
    assert three.promotions.history(MODEL)[0].told_at == told_at


def test_an_intent_against_another_champion_is_refused(three: Ledger) -> None:
    with pytest.raises(Conflict, match="the champion of 'flights' is generation 1, not 3"):
        three.promotions.intend(MODEL, generation=2, previous=3, why="", verdict=PROMOTE)
    with pytest.raises(NotFound, match="has no generation 9"):
        three.promotions.intend(MODEL, generation=9, previous=1, why="", verdict=PROMOTE)


def test_a_champion_that_changed_meanwhile_stops_the_confirmation(three: Ledger) -> None:
    intent = three.promotions.intend(MODEL, generation=2, previous=1, why="it gains", verdict=PROMOTE)
    three.generations.set_status(MODEL, 1, "retired")
    three.generations.set_status(MODEL, 3, "champion")
    with pytest.raises(Conflict, match="is generation 3, not 1"):
        three.promotions.confirm(intent)
    assert statuses(three) == ["retired", "candidate", "champion"]


def test_an_abandoned_intent_stays_on_record_with_its_reason(three: Ledger) -> None:
    intent = three.promotions.intend(MODEL, generation=2, previous=1, why="it gains", verdict=PROMOTE)
    for why in ("the alias was moved by hand", "another reason"):
        three.promotions.abandon(intent, why)
    assert three.promotions.pending(MODEL) == ()
    assert three.promotions.history(MODEL) == ()
    (found,) = three.promotions.history(MODEL, abandoned=True)
    assert found.abandoned_why == "the alias was moved by hand"
    with pytest.raises(Conflict, match="was abandoned"):
        three.promotions.confirm(intent)
    three.promotions.intend(MODEL, generation=3, previous=1, why="it gains", verdict=PROMOTE)


def test_a_confirmed_promotion_cannot_be_abandoned_but_rolled_back(three: Ledger) -> None:
    forth = three.promotions.intend(MODEL, generation=2, previous=1, why="it gains", verdict=PROMOTE)
    three.promotions.confirm(forth)
    with pytest.raises(Conflict, match="roll it back instead"):
        three.promotions.abandon(forth, "regret")
    back = three.promotions.intend(MODEL, generation=1, previous=2, why="regret", verdict=PROMOTE)
    three.promotions.confirm(back)
    assert statuses(three) == ["champion", "retired", "candidate"]
    assert [(found.previous, found.generation) for found in three.promotions.history(MODEL)] == [(1, 2), (2, 1)]


def test_an_unknown_intent_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="no promotion 5"):
        ledger.promotions.confirm(5)


def test_of_two_promotions_at_once_exactly_one_is_intended(three: Ledger) -> None:
    outcomes: list[str] = []
    ready = threading.Barrier(2)

    def promote(number: int) -> None:
        ready.wait()
        try:
            three.promotions.intend(MODEL, generation=number, previous=1, why="it gains", verdict=PROMOTE)
        except Conflict:
            outcomes.append("conflict")
        else:
            outcomes.append("intended")

    threads = [threading.Thread(target=promote, args=(number,)) for number in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "intended"]
    assert len(three.promotions.pending(MODEL)) == 1


def test_the_database_itself_refuses_a_second_champion(three: Ledger, ledger_url: str) -> None:
    engine = create_engine(ledger_url)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE generations SET status = 'champion' WHERE number = 2"))
    engine.dispose()
