from datetime import UTC, datetime, timedelta
from math import nan
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labeling.consensus import agree
from labeling.expected import Expected
from records.label import Annotation, Label
from tests.labeling.examples import CALM, NUMBER, TWO

NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)


def said(number: int, row: str, who: str, answer: str | None, minute: int = 0) -> Annotation:
    return Annotation(number, 1, row, who, answer, NOON + timedelta(minutes=minute), nan)


def test_the_majority_wins_and_its_share_is_the_agreement() -> None:
    people = [said(1, "r", "user 1", "late"), said(2, "r", "user 2", "on time"), said(3, "r", "user 3", "late")]
    assert agree(people, TWO) == (Label("r", "late", 3, 2 / 3, ("user 1", "user 2", "user 3")),)


def test_a_tie_gives_no_label() -> None:
    assert agree([said(1, "r", "user 1", "late"), said(2, "r", "user 2", "on time")], TWO) == ()


def test_a_skip_counts_for_nothing() -> None:
    people = [said(1, "r", "user 1", "late"), said(2, "r", "user 2", None), said(3, "s", "user 2", None)]
    assert agree(people, TWO) == (Label("r", "late", 1, 1.0, ("user 1",)),)


def test_a_persons_latest_word_counts_also_if_it_is_a_skip() -> None:
    changed = [said(1, "r", "user 1", "late", 5), said(2, "r", "user 1", "on time", 3)]
    assert [label.answer for label in agree(changed, TWO)] == ["late"]
    assert agree([said(1, "r", "user 1", "late", 3), said(2, "r", "user 1", None, 5)], TWO) == ()


def test_a_class_that_is_gone_has_no_say() -> None:
    assert agree([said(1, "r", "user 1", "cancelled")], TWO) == ()


def test_numbers_meet_at_their_median() -> None:
    people = [said(i, "r", f"user {i}", answer) for i, answer in enumerate(["10.0", "12.0", "90.0"])]
    assert agree(people, NUMBER) == (Label("r", "12.0", 3, 1 / 3, ("user 0", "user 1", "user 2")),)
    assert agree(people[:2], NUMBER)[0].answer == "11.0"


@CALM
@given(
    people=st.lists(
        st.builds(
            said,
            st.integers(1, 99),
            st.sampled_from("rs"),
            st.sampled_from(["user 1", "user 2", "user 3"]),
            st.sampled_from(["late", "on time", None]),
            st.integers(0, 9),
        ),
        unique_by=lambda one: one.annotation_id,
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_order_of_annotations_does_not_matter(people: Any, shuffle: Any) -> None:
    shuffled = list(people)
    shuffle.shuffle(shuffled)
    labels = agree(people, TWO)
    assert labels == agree(shuffled, TWO)
    assert all(0.5 < label.agreement <= 1 and label.n_annotators == len(label.annotators) for label in labels)


def in_task(task_id: int, number: int, row: str, who: str, answer: str | None, minute: int = 0) -> Annotation:
    return Annotation(number, task_id, row, who, answer, NOON + timedelta(minutes=minute), nan)


TIED = [in_task(1, 1, "r", "user 1", "late"), in_task(1, 2, "r", "user 2", "on time")]


def test_a_new_person_in_the_second_look_has_one_vote_more() -> None:
    looked = [*TIED, in_task(9, 3, "r", "user 3", "late", 5)]
    assert agree(looked, TWO, second_looks={9}) == (Label("r", "late", 3, 2 / 3, ("user 1", "user 2", "user 3")),)


def test_a_second_look_by_somebody_who_had_answered_replaces_their_word() -> None:
    looked = [*TIED, in_task(9, 3, "r", "user 2", "late", 5)]
    assert agree(looked, TWO, second_looks={9}) == (Label("r", "late", 2, 1.0, ("user 1", "user 2")),)


def test_a_tie_that_stays_is_decided_by_the_second_look() -> None:
    again = [*TIED, in_task(9, 3, "r", "user 2", "on time", 5)]
    assert agree(again, TWO) == ()
    assert agree(again, TWO, second_looks={9}) == (Label("r", "on time", 2, 0.5, ("user 1", "user 2")),)
    assert agree([*TIED, in_task(9, 3, "r", "user 2", None, 5)], TWO, second_looks={9})[0].answer == "late"


def test_a_doubtful_number_gives_no_label_until_the_second_look_says_it_again() -> None:
    expected = Expected(low=0, high=100, close=10)
    first = [in_task(1, 1, "r", "user 1", "900.0")]
    assert agree(first, NUMBER, expected=expected) == ()
    confirmed = [*first, in_task(9, 2, "r", "user 2", "900.0", 5)]
    label = Label("r", "900.0", 2, 1.0, ("user 1", "user 2"))
    assert agree(confirmed, NUMBER, expected=expected, second_looks={9}) == (label,)
    corrected = [*first, in_task(9, 2, "r", "user 2", "90.0", 5)]
    assert agree(corrected, NUMBER, expected=expected, second_looks={9})[0].answer == "90.0"
