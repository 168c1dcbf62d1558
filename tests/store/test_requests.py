from dataclasses import replace
from datetime import timedelta

import pytest

from records.errors import BadData, Conflict, NotFound
from records.label import OpenRequest
from store.ledger import Ledger
from tests.store.examples import MODEL, annotation, request, week


def test_a_request_comes_back_with_its_asks_in_order(ledger: Ledger) -> None:
    asked = request(week(0), "c", "a", "b")
    ledger.requests.save(asked)
    assert ledger.requests.get(MODEL, week(0)) == asked
    assert ledger.requests.get(MODEL, week(1)) is None
    assert ledger.requests.asked_keys(MODEL) == {"a", "b", "c"}


def test_saving_a_request_again_is_no_change_and_another_one_is_a_conflict(ledger: Ledger) -> None:
    asked = request(week(0), "a", "b")
    ledger.requests.save(asked)
    ledger.requests.save(asked)
    with pytest.raises(Conflict, match="has another label request"):
        ledger.requests.save(replace(asked, budget=11))
    assert ledger.requests.get(MODEL, week(0)) == asked


def test_no_row_of_a_model_is_ever_asked_twice(ledger: Ledger) -> None:
    ledger.requests.save(request(week(0), "a", "b"))
    with pytest.raises(Conflict, match="1 rows of 'flights' were asked before, such as 'b'"):
        ledger.requests.save(request(week(1), "b", "c"))
    assert ledger.requests.get(MODEL, week(1)) is None
    assert ledger.requests.asked_keys(MODEL) == {"a", "b"}
    ledger.requests.save(request(week(0), "a", "b", model="other"))
    assert ledger.requests.asked_keys("other") == {"a", "b"}


def test_a_request_that_names_a_row_twice_is_refused(ledger: Ledger) -> None:
    with pytest.raises(BadData, match="names a row twice"):
        ledger.requests.save(request(week(0), "a", "a"))


def test_an_impossible_inclusion_probability_is_refused_and_leaves_nothing(ledger: Ledger) -> None:
    asked = request(week(0), "a", "b")
    wrong = replace(asked, asks=(asked.asks[0], replace(asked.asks[1], inclusion=0.0)))
    with pytest.raises(Conflict, match="inclusion"):
        ledger.requests.save(wrong)
    assert ledger.requests.asked_keys(MODEL) == frozenset()


def test_tasks_can_be_noted_in_parts_and_again(ledger: Ledger) -> None:
    asked = request(week(0), "a", "b", "c")
    ledger.requests.save(asked)
    (new,) = ledger.requests.open(MODEL)
    assert new == OpenRequest(asked, None, (), 0, new.asked_at)
    for tasks in ({"b": 12}, {"a": 11, "c": 13}, {"b": 12}):
        ledger.outbox.pushed(MODEL, week(0), 7, tasks)
    there = OpenRequest(asked, 7, (("a", 11), ("b", 12), ("c", 13)), 0, new.asked_at)
    assert ledger.requests.open(MODEL) == (there,)


def test_tasks_made_anew_in_another_project_replace_the_old_ones(ledger: Ledger) -> None:
    ledger.requests.save(request(week(0), "a", "b"))
    ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11, "b": 12})
    ledger.outbox.pushed(MODEL, week(0), 8, {"a": 21})
    (found,) = ledger.requests.open(MODEL)
    assert (found.project, found.task_ids) == (8, (("a", 21),))


def test_a_task_of_a_row_that_was_not_asked_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="has no label request"):
        ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11})
    ledger.requests.save(request(week(0), "a"))
    with pytest.raises(NotFound, match="row 'z' was not asked"):
        ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11, "z": 12})
    assert ledger.requests.open(MODEL)[0].task_ids == ()


def test_answered_counts_rows_with_an_answer_not_skips_nor_deleted_ones(ledger: Ledger) -> None:
    ledger.requests.save(request(week(0), "a", "b", "c"))
    ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11, "b": 12, "c": 13})
    tasks = {11: "a", 12: "b", 13: "c"}
    two, skip = [annotation(1, 11, "a"), annotation(2, 11, "a", "on time")], annotation(3, 12, "b", None)
    ledger.annotations.replace(7, tasks, [*two, skip, annotation(4, 13, "c")])
    assert ledger.requests.open(MODEL)[0].n_answered == 2
    ledger.annotations.replace(7, tasks, [*two, skip])
    assert ledger.requests.open(MODEL)[0].n_answered == 1


def test_a_closed_request_is_not_open_any_more_but_still_known(ledger: Ledger) -> None:
    for number, key in enumerate("ab"):
        ledger.requests.save(request(week(number), key))
    ledger.requests.close(MODEL, week(0), "promoted")
    ledger.requests.close(MODEL, week(0), "and again")
    ledger.requests.close(MODEL, week(5), "never asked")
    assert [found.request.window for found in ledger.requests.open(MODEL)] == [week(1)]
    assert ledger.requests.get(MODEL, week(0)) == request(week(0), "a")
    assert ledger.requests.asked_keys(MODEL) == {"a", "b"}


def test_row_keys_are_data_whatever_they_hold(ledger: Ledger) -> None:
    keys = ("'; DROP TABLE asks; --", "ключ", "{{x}}", "%s", "a\tb", " ")
    ledger.requests.save(request(week(0), *keys))
    assert ledger.requests.asked_keys(MODEL) == set(keys)


def test_a_round_is_added_once_and_its_tasks_are_pushed_beside_the_others(ledger: Ledger) -> None:
    first = request(week(0), "a", "b")
    ledger.requests.save(first)
    ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11, "b": 12})
    more = tuple(replace(ask, round=2) for ask in request(week(0), "c", "d").asks)
    whole = ledger.requests.extend(MODEL, week(0), more)
    assert whole.asks == (*first.asks, *more)
    assert ledger.requests.extend(MODEL, week(0), more) == whole
    (item,) = ledger.requests.open(MODEL)
    assert (item.request, item.project, item.task_ids) == (whole, 7, (("a", 11), ("b", 12)))
    other = tuple(replace(ask, round=2) for ask in request(week(0), "e").asks)
    again = tuple(replace(ask, round=3) for ask in request(week(0), "a", "f").asks)
    for refused in (other, again):
        with pytest.raises(Conflict, match="was asked before"):
            ledger.requests.extend(MODEL, week(0), refused)
    with pytest.raises(BadData, match="mixes rounds"):
        ledger.requests.extend(MODEL, week(0), (more[0], again[1]))
    with pytest.raises(NotFound, match="no label request"):
        ledger.requests.extend(MODEL, week(1), more)
    assert ledger.requests.get(MODEL, week(0)) == whole
    assert ledger.requests.n_asked_since(MODEL, item.asked_at) == 4
    assert ledger.requests.n_asked_since(MODEL, item.asked_at + timedelta(seconds=1)) == 0


def test_rows_that_nobody_is_asked_about_any_more_are_told(ledger: Ledger) -> None:
    ledger.requests.save(request(week(0), "a", "b"))
    for _ in range(2):
        ledger.outbox.spare(MODEL, week(0), {"b"})
    (item,) = ledger.requests.open(MODEL)
    assert item.gone == ("b",)


def test_a_sending_is_in_doubt_until_its_tasks_are_noted(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="has no label request"):
        ledger.outbox.sending(MODEL, week(0))
    ledger.requests.save(request(week(0), "a", "b"))
    assert not ledger.outbox.in_doubt(MODEL, week(0))
    assert not ledger.outbox.sending(MODEL, week(0))
    assert ledger.outbox.in_doubt(MODEL, week(0))
    ledger.outbox.pushed(MODEL, week(0), 7, {})
    assert ledger.outbox.sending(MODEL, week(0))
    assert ledger.requests.open(MODEL)[0].project == 7
    ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11, "b": 12})
    assert not ledger.outbox.in_doubt(MODEL, week(0))


def test_the_known_tasks_of_a_project_are_those_of_every_request_of_the_model_in_it(ledger: Ledger) -> None:
    for number, key in enumerate("abc"):
        ledger.requests.save(request(week(number), key))
        ledger.outbox.pushed(MODEL, week(number), 7 if number < 2 else 8, {key: 11 + number})
    ledger.requests.close(MODEL, week(0), "promoted")
    assert ledger.outbox.known(MODEL, 7) == {11: "a", 12: "b"}
    assert ledger.outbox.known(MODEL, 9) == ledger.outbox.known("other", 7) == {}


def test_a_gone_row_is_resolved_its_answers_are_deleted_and_it_may_come_back(ledger: Ledger) -> None:
    ledger.requests.save(request(week(0), "a", "b", "c"))
    ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11, "b": 12})
    ledger.annotations.replace(7, {11: "a", 12: "b"}, [annotation(1, 11, "a"), annotation(2, 12, "b")])
    assert ledger.outbox.gone(MODEL, 7, ["a", "c", "never asked"]) == 2
    assert ledger.outbox.gone(MODEL, 7, ["a", "c"]) == 0
    (found,) = ledger.requests.open(MODEL)
    assert (found.gone, found.n_answered) == (("a", "c"), 1)
    assert ledger.outbox.known(MODEL, 7) == {12: "b"}
    assert ledger.annotations.of(MODEL, week(0)) == (annotation(2, 12, "b"),)
    ledger.outbox.seen(MODEL, 7, [(31, "a"), (21, "a"), (12, "b"), (41, "z")])
    (found,) = ledger.requests.open(MODEL)
    assert (found.gone, found.task_ids) == (("c",), (("a", 21), ("b", 12)))


def test_rows_are_given_up_once_they_are_gone_and_their_request_is_closed(ledger: Ledger) -> None:
    for number, key in enumerate("ab"):
        ledger.requests.save(request(week(number), key, f"{key}{key}"))
        ledger.outbox.pushed(MODEL, week(number), 7, {key: number})
    ledger.outbox.gone(MODEL, 7, ["a", "b"])
    assert ledger.outbox.given_up(MODEL, 7) == frozenset()
    ledger.requests.close(MODEL, week(0), "withdrawn")
    assert ledger.outbox.given_up(MODEL, 7) == {"a"}
    assert ledger.outbox.given_up(MODEL, 8) == frozenset()


def test_a_gone_row_of_another_project_is_no_business_of_this_one(ledger: Ledger) -> None:
    ledger.requests.save(request(week(0), "a"))
    ledger.outbox.pushed(MODEL, week(0), 7, {"a": 11})
    assert ledger.outbox.gone(MODEL, 8, ["a"]) == ledger.outbox.gone("other", 7, ["a"]) == 0
    assert ledger.outbox.known(MODEL, 7) == {11: "a"}
