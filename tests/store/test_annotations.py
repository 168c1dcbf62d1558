import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.errors import BadData
from store.annotations import Changes
from store.ledger import Ledger
from tests.store.examples import MODEL, START, annotation, request, week

TASKS = {11: "a", 12: "b", 13: "c"}


@pytest.fixture
def asked(ledger: Ledger) -> Ledger:
    ledger.requests.save(request(week(0), "a", "b", "c"))
    ledger.outbox.pushed(MODEL, week(0), 7, {key: task for task, key in TASKS.items()})
    return ledger


def test_pulled_annotations_come_back_as_they_were(asked: Ledger) -> None:
    pulled = (annotation(1, 11, "a"), annotation(2, 12, "b", None), annotation(3, 11, "a", "on time", annotator="bob"))
    for _ in range(2):
        asked.annotations.replace(7, TASKS, pulled)
    assert asked.annotations.of(MODEL, week(0)) == pulled
    assert asked.annotations.of(MODEL, week(1)) == ()


def test_an_unknown_lead_time_stays_unknown(asked: Ledger) -> None:
    asked.annotations.replace(7, TASKS, [replace(annotation(1, 11, "a"), lead_time_seconds=math.nan)])
    assert math.isnan(asked.annotations.of(MODEL, week(0))[0].lead_time_seconds)


def test_an_edit_updates_a_deletion_vanishes_and_an_undeletion_returns(asked: Ledger) -> None:
    first, second = annotation(1, 11, "a"), annotation(2, 12, "b")
    edited = replace(first, answer="on time", updated_at=START + timedelta(hours=1))
    asked.annotations.replace(7, TASKS, [first, second])
    asked.annotations.replace(7, TASKS, [edited])
    assert asked.annotations.of(MODEL, week(0)) == (edited,)
    asked.annotations.replace(7, TASKS, [edited, second])
    assert asked.annotations.of(MODEL, week(0)) == (edited, second)


def test_tasks_that_were_not_pulled_keep_their_annotations(asked: Ledger) -> None:
    first, second = annotation(1, 11, "a"), annotation(2, 12, "b")
    asked.annotations.replace(7, TASKS, [first, second])
    asked.annotations.replace(7, {12: "b"}, [])
    assert asked.annotations.of(MODEL, week(0)) == (first,)


def test_an_annotation_that_moved_to_a_surviving_duplicate_task_moves_along(asked: Ledger) -> None:
    asked.annotations.replace(7, TASKS, [annotation(1, 11, "a")])
    asked.outbox.pushed(MODEL, week(0), 7, {"a": 99})
    asked.annotations.replace(7, {99: "a"}, [annotation(1, 99, "a")])
    assert asked.annotations.of(MODEL, week(0)) == (annotation(1, 99, "a"),)


def test_a_row_keeps_its_annotations_when_its_task_gets_another_id(asked: Ledger) -> None:
    asked.annotations.replace(7, TASKS, [annotation(1, 11, "a"), annotation(2, 12, "b")])
    asked.outbox.pushed(MODEL, week(0), 7, {"a": 99})
    assert asked.annotations.of(MODEL, week(0)) == (annotation(1, 11, "a"), annotation(2, 12, "b"))
    assert asked.annotations.replace(7, {99: "a"}, []) == Changes(n_deleted=1)
    assert asked.annotations.of(MODEL, week(0)) == (annotation(2, 12, "b"),)


def test_what_came_changed_and_went_is_counted(asked: Ledger) -> None:
    first, second = annotation(1, 11, "a"), annotation(2, 12, "b")
    assert asked.annotations.replace(7, TASKS, [first, second]) == Changes(n_new=2)
    assert asked.annotations.replace(7, TASKS, [first, second]) == Changes()
    edited = replace(first, answer="on time", origin="prediction-changed")
    assert asked.annotations.replace(7, TASKS, [edited]) == Changes(n_edited=1, n_deleted=1)
    assert asked.annotations.replace(7, TASKS, [edited]) == Changes()
    assert asked.annotations.replace(7, TASKS, [edited, second]) == Changes(n_edited=1)
    assert asked.annotations.of(MODEL, week(0)) == (edited, second)


def test_ten_thousand_annotations_come_back_as_they_were(ledger: Ledger) -> None:
    keys = [f"row {i:05}" for i in range(10_000)]
    ledger.requests.save(request(week(0), *keys))
    ledger.outbox.pushed(MODEL, week(0), 7, {key: i for i, key in enumerate(keys)})
    pulled = tuple(annotation(i, i, key) for i, key in enumerate(keys))
    assert ledger.annotations.replace(7, dict(enumerate(keys)), pulled) == Changes(n_new=10_000)
    assert ledger.annotations.replace(7, dict(enumerate(keys)), pulled[5_000:]) == Changes(n_deleted=5_000)
    assert ledger.annotations.of(MODEL, week(0)) == pulled[5_000:]


def test_an_annotation_of_a_task_that_was_not_pulled_is_refused(asked: Ledger) -> None:
    for wrong in (annotation(1, 14, "d"), annotation(1, 11, "b")):
        with pytest.raises(BadData, match="annotation 1 says task"):
            asked.annotations.replace(7, TASKS, [wrong])
    assert asked.annotations.of(MODEL, week(0)) == ()


def test_projects_do_not_mix_even_with_equal_ids(asked: Ledger) -> None:
    asked.annotations.replace(7, TASKS, [annotation(1, 11, "a")])
    asked.annotations.replace(8, TASKS, [annotation(1, 11, "a", "on time")])
    assert asked.annotations.of(MODEL, week(0)) == (annotation(1, 11, "a"),)


def test_ids_beyond_32_bits_fit(asked: Ledger) -> None:
    asked.outbox.pushed(MODEL, week(0), 2**40, {"a": 2**41})
    big = annotation(2**42, 2**41, "a")
    asked.annotations.replace(2**40, {2**41: "a"}, [big])
    assert asked.annotations.of(MODEL, week(0)) == (big,)


def test_the_watermark_only_moves_forward(ledger: Ledger) -> None:
    assert ledger.annotations.watermark(7) is None
    for minutes in (5, 3):
        ledger.annotations.advance(7, START + timedelta(minutes=minutes, microseconds=1))
    assert ledger.annotations.watermark(7) == START + timedelta(minutes=5, microseconds=1)
    assert ledger.annotations.watermark(8) is None


PULLS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(sorted(TASKS)), min_size=1),
        st.dictionaries(st.integers(1, 4), st.tuples(st.sampled_from(sorted(TASKS)), st.sampled_from("xy"))),
    ),
    max_size=5,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PULLS)
def test_after_any_pulls_each_task_has_what_was_pulled_for_it_last(
    asked: Ledger, pulls: list[tuple[set[int], dict[int, tuple[int, str]]]]
) -> None:
    """An annotation hangs on one task; the last pull that saw it, or its task without it, decides."""
    asked.annotations.replace(7, TASKS, [])
    expected: dict[int, tuple[int, str]] = {}
    for tasks, state in pulls:
        seen = {number: (task, answer) for number, (task, answer) in state.items() if task in tasks}
        expected = {number: where for number, where in expected.items() if where[0] not in tasks} | seen
        pulled = [annotation(number, task, TASKS[task], answer) for number, (task, answer) in seen.items()]
        asked.annotations.replace(7, {task: TASKS[task] for task in tasks}, pulled)
    found = {item.annotation_id: (item.task_id, item.answer) for item in asked.annotations.of(MODEL, week(0))}
    assert found == expected
