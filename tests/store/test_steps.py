from datetime import UTC, datetime, timedelta, timezone

import pytest

from records.drift import Alarm, Estimate
from records.errors import BadData, Conflict
from records.slice import Between, Slice
from records.window import Window
from store.ledger import Ledger
from tests.store.examples import MODEL, alarm, week


def test_a_finished_step_gives_its_record_to_whoever_claims_it_next(ledger: Ledger) -> None:
    with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
        assert claim.done(Alarm) is None
        claim.finish(alarm(week(0)))
    with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
        assert claim.done(Alarm) == alarm(week(0))
    assert ledger.steps.get(MODEL, week(0), "alarm", Alarm) == alarm(week(0))


def test_nothing_is_stored_when_the_body_raises_after_finishing(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
            claim.finish(alarm(week(0)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
        assert claim.done(Alarm) is None


def test_a_claim_without_a_record_leaves_the_step_undone(ledger: Ledger) -> None:
    with ledger.steps.claim(MODEL, week(0), "alarm"):
        pass
    assert ledger.steps.get(MODEL, week(0), "alarm", Alarm) is None
    assert ledger.steps.windows(MODEL) == ()


def test_the_same_record_again_is_no_change_and_another_one_is_a_conflict(ledger: Ledger) -> None:
    for _ in range(2):
        with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
            claim.finish(alarm(week(0)))
    with (
        pytest.raises(Conflict, match="was finished before"),
        ledger.steps.claim(MODEL, week(0), "alarm") as claim,
    ):
        claim.finish(alarm(week(0), evidence=9.0))
    assert ledger.steps.get(MODEL, week(0), "alarm", Alarm) == alarm(week(0))


def test_a_step_is_finished_once_in_a_claim(ledger: Ledger) -> None:
    with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
        claim.finish(alarm(week(0)))
        with pytest.raises(Conflict, match="twice"):
            claim.finish(alarm(week(0)))
    assert ledger.steps.get(MODEL, week(0), "alarm", Alarm) == alarm(week(0))


def test_a_step_can_finish_with_slices_even_with_none(ledger: Ledger) -> None:
    slices = (Slice((Between("hour", low=18.0),), 0.1, 0.2, Estimate(2.0, 1.5, 2.5), 0.01, 7),)
    for number, found in enumerate([slices, ()]):
        with ledger.steps.claim(MODEL, week(number), "slice") as claim:
            claim.finish(found)
    assert ledger.steps.get(MODEL, week(0), "slice", tuple[Slice, ...]) == slices
    assert ledger.steps.history(MODEL, "slice", tuple[Slice, ...]) == (slices, ())


def test_asking_for_another_type_of_record_is_refused(ledger: Ledger) -> None:
    with ledger.steps.claim(MODEL, week(0), "alarm") as claim:
        claim.finish(alarm(week(0)))
    with pytest.raises(BadData, match="holds a Alarm, not a Slice"):
        ledger.steps.get(MODEL, week(0), "alarm", Slice)


def test_history_is_in_the_order_of_windows_not_of_work(ledger: Ledger) -> None:
    for number in (2, 0, 1):
        with ledger.steps.claim(MODEL, week(number), "alarm") as claim:
            claim.finish(alarm(week(number)))
    with ledger.steps.claim("other", week(9), "alarm") as claim:
        claim.finish(alarm(week(9)))
    assert [found.window for found in ledger.steps.history(MODEL, "alarm", Alarm)] == [week(0), week(1), week(2)]
    assert ledger.steps.windows(MODEL) == ledger.steps.windows(MODEL, "alarm") == (week(0), week(1), week(2))
    assert ledger.steps.windows(MODEL, "ask") == ()


def test_a_window_is_the_same_in_every_time_zone(ledger: Ledger) -> None:
    start = datetime(2013, 3, 3, 19, tzinfo=timezone(timedelta(hours=-5)))
    with ledger.steps.claim(MODEL, Window(start, start + timedelta(weeks=1)), "alarm") as claim:
        claim.finish(alarm(week(0)))
    assert ledger.steps.get(MODEL, week(0), "alarm", Alarm) == alarm(week(0))
    assert ledger.steps.windows(MODEL)[0].start.tzinfo is UTC


def test_different_steps_windows_and_models_are_claimed_side_by_side(ledger: Ledger) -> None:
    with (
        ledger.steps.claim(MODEL, week(0), "alarm"),
        ledger.steps.claim(MODEL, week(1), "alarm"),
        ledger.steps.claim(MODEL, week(0), "slice"),
        ledger.steps.claim("other", week(0), "alarm"),
        pytest.raises(Conflict, match="step alarm of flights"),
        ledger.steps.claim(MODEL, week(0), "alarm"),
    ):
        pytest.fail("one step was claimed twice")
