import pytest

from records.errors import NotFound
from records.label import SecondLook
from store.ledger import Ledger
from tests.store.examples import MODEL, annotation, request, week


@pytest.fixture
def asked(ledger: Ledger) -> Ledger:
    ledger.requests.save(request(week(0), "a", "b", "c"))
    ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11, "b": 12, "c": 13})
    return ledger


def test_the_intent_is_there_before_the_task_and_again_is_no_change(asked: Ledger) -> None:
    for _ in range(2):
        asked.second_opinions.intend(MODEL, week(0), ["c", "a"])
    assert asked.second_opinions.of(MODEL, week(0)) == (SecondLook("a", None, None), SecondLook("c", None, None))
    for _ in range(2):
        asked.second_opinions.pushed(MODEL, week(0), 8, {"a": 21})
    assert asked.second_opinions.of(MODEL, week(0)) == (SecondLook("a", 8, 21), SecondLook("c", None, None))
    asked.second_opinions.intend(MODEL, week(0), ["a", "b"])
    assert [look.task_id for look in asked.second_opinions.of(MODEL, week(0))] == [21, None, None]
    assert asked.second_opinions.of(MODEL, week(1)) == ()


def test_only_rows_of_the_request_are_asked_again_and_only_noted_ones_pushed(asked: Ledger) -> None:
    asked.requests.save(request(week(1), "d"))
    with pytest.raises(NotFound, match="'d' is not among those asked"):
        asked.second_opinions.intend(MODEL, week(0), ["a", "d"])
    asked.second_opinions.intend(MODEL, week(0), ["a"])
    with pytest.raises(NotFound, match="'b' is not among those asked"):
        asked.second_opinions.pushed(MODEL, week(0), 8, {"a": 21, "b": 22})
    assert asked.second_opinions.of(MODEL, week(0)) == (SecondLook("a", None, None),)


def test_what_is_said_in_a_second_look_is_among_the_windows_annotations(asked: Ledger) -> None:
    asked.second_opinions.intend(MODEL, week(0), ["a"])
    asked.second_opinions.pushed(MODEL, week(0), 8, {"a": 21})
    first, second = annotation(1, 11, "a"), annotation(2, 21, "a", "on time", annotator="bob")
    asked.annotations.replace(7, {11: "a"}, [first])
    asked.annotations.replace(8, {21: "a"}, [second])
    assert asked.annotations.of(MODEL, week(0)) == (first, second)


def test_a_task_of_the_same_number_in_another_project_is_another_task(asked: Ledger) -> None:
    asked.second_opinions.intend(MODEL, week(0), ["a"])
    asked.second_opinions.pushed(MODEL, week(0), 8, {"a": 12})
    asked.annotations.replace(8, {12: "a", 11: "x"}, [annotation(1, 12, "a"), annotation(2, 11, "x")])
    assert asked.annotations.of(MODEL, week(0)) == (annotation(1, 12, "a"),)
