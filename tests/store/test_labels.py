import pytest

from records.errors import BadData, NotFound
from records.label import StoredLabel
from store.ledger import Ledger
from tests.store.examples import MODEL, generation, label, request, week


@pytest.fixture
def asked(ledger: Ledger) -> Ledger:
    ledger.requests.save(request(week(0), "a", "b", "c"))
    ledger.requests.save(request(week(1), "d"))
    return ledger


def test_labels_come_back_with_the_ask_that_bought_them(asked: Ledger) -> None:
    for _ in range(2):
        asked.labels.save(MODEL, week(0), (label("b"), label("a", "on time")))
    asks = request(week(0), "a", "b", "c").asks
    assert asked.labels.of(MODEL, window=week(0)) == (
        StoredLabel(label("a", "on time"), asks[0], week(0)),
        StoredLabel(label("b"), asks[1], week(0)),
    )


def test_labels_are_found_by_window_and_by_purpose(asked: Ledger) -> None:
    asked.labels.save(MODEL, week(0), (label("a"), label("b"), label("c")))
    asked.labels.save(MODEL, week(1), (label("d"),))
    assert [item.label.row_key for item in asked.labels.of(MODEL)] == ["a", "b", "c", "d"]
    assert [item.label.row_key for item in asked.labels.of(MODEL, purpose="audit")] == ["a", "c", "d"]
    assert [item.label.row_key for item in asked.labels.of(MODEL, window=week(0), purpose="train")] == ["b"]
    assert asked.labels.of("other") == ()


def test_a_label_changes_with_its_answers_and_goes_when_they_are_gone(asked: Ledger) -> None:
    asked.labels.save(MODEL, week(0), (label("a"), label("b")))
    asked.labels.save(MODEL, week(1), (label("d"),))
    asked.labels.save(MODEL, week(0), (label("b", "on time"),))
    assert [item.label for item in asked.labels.of(MODEL)] == [label("b", "on time"), label("d")]


def test_a_label_of_a_row_that_was_not_asked_in_the_window_is_refused(asked: Ledger) -> None:
    with pytest.raises(NotFound, match="row 'd' was not asked in window 2013-03-04_2013-03-11"):
        asked.labels.save(MODEL, week(0), (label("a"), label("d")))
    with pytest.raises(BadData, match="name a row twice"):
        asked.labels.save(MODEL, week(0), (label("a"), label("a", "on time")))
    assert asked.labels.of(MODEL) == ()


def test_the_training_manifest_says_who_learned_from_which_label(asked: Ledger) -> None:
    asked.labels.save(MODEL, week(0), (label("a"), label("b")))
    for number, keys in ((2, ["a", "b"]), (3, ["b"]), (3, ["b"])):
        asked.generations.save(generation(number), taught_by=keys)
    assert [item.trained for item in asked.labels.of(MODEL)] == [(2,), (2, 3)]
    with pytest.raises(NotFound, match="row 'z' of 'flights' was never asked"):
        asked.generations.save(generation(4), taught_by=["a", "z"])
    assert [one.number for one in asked.generations.all(MODEL)] == [2, 3]
    assert [item.trained for item in asked.labels.of(MODEL)] == [(2,), (2, 3)]
