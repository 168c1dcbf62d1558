"""What every studio promises, asked of the in-memory twin and of a real Label Studio server."""

import itertools
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labeling.exchange import OVERLAP
from labeling.interface import config
from records.errors import BadData, NotAllowed, NotFound, ServiceDown
from records.schema import Schema
from tests.labeling.examples import MANY, NUMBER, TWO, task
from tests.labeling.places import MemoryPlace, Place, RealPlace, said

_names = itertools.count()


@pytest.fixture(scope="module", params=["twin", pytest.param("real", marks=pytest.mark.services)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "twin":
        yield MemoryPlace()
    else:
        server = request.getfixturevalue("label_studio")
        yield RealPlace(server.url, server.token)


def opened(place: Place, schema: Schema = TWO, *, overlap: int = 1) -> int:
    title = f"contract {next(_names)}"
    return place.studio.open_project(title, config(schema, "Late?"), "Look closely.", overlap=overlap)


def test_a_studio_that_works_passes_its_check(place: Place) -> None:
    place.studio.check()


def test_opening_a_project_again_finds_it(place: Place) -> None:
    project = place.studio.open_project("the same", config(TWO, "Late?"), "Look closely.")
    assert place.studio.open_project("the same", config(TWO, "Late?"), "Look again.") == project


def test_another_question_or_overlap_or_suggestions_are_another_project(place: Place) -> None:
    opened_for: Any = [("Late?", 1, False), ("Very late?", 1, False), ("Late?", 2, False), ("Late?", 1, True)]
    for _ in range(2):
        projects = [
            place.studio.open_project("twins", config(TWO, question), "Look.", overlap=overlap, suggestions=suggestions)
            for question, overlap, suggestions in opened_for
        ]
        assert len(set(projects)) == 4


@pytest.mark.parametrize("title", ["ab", "x" * 51])
def test_a_title_the_server_would_refuse_is_refused_with_a_sentence(place: Place, title: str) -> None:
    with pytest.raises(BadData, match="give it 3 to 50"):
        place.studio.open_project(title, config(TWO, "Late?"), "")


def test_pushing_twice_makes_no_task_twice(place: Place) -> None:
    project = opened(place)
    first = place.studio.push(project, [task("a"), task("b")])
    again = place.studio.push(project, [task("c"), task("b"), task("a")])
    assert list(first) == ["a", "b"]
    assert list(again) == ["c", "b", "a"]
    assert {key: again[key] for key in first} == first
    assert len(set(again.values())) == 3
    pulled = place.studio.pull(project, TWO)
    assert sorted(pulled.tasks) == sorted((task_id, key) for key, task_id in again.items())
    assert pulled.annotations == ()


def test_pushing_nothing_does_nothing(place: Place) -> None:
    assert place.studio.push(opened(place), []) == {}


def test_a_row_asked_twice_in_one_push_is_refused(place: Place) -> None:
    project = opened(place)
    with pytest.raises(BadData, match="row key 'a' occurs twice"):
        place.studio.push(project, [task("a"), task("a")])
    assert place.studio.pull(project, TWO).tasks == ()


def test_row_keys_are_compared_exactly_whatever_they_hold(place: Place) -> None:
    keys = ["a,b", 'k"2', "o'x", "k\\1", "%_", "{{x}}", "[1]", "1", "null", " k", "k", "K", "a\nb", "ключ", "😀"]
    project = opened(place)
    first = place.studio.push(project, [task(key) for key in keys])
    assert place.studio.push(project, [task(key) for key in keys]) == first
    assert {key for _, key in place.studio.pull(project, TWO).tasks} == set(keys)


@pytest.mark.parametrize("after", [0, 2])
def test_a_push_that_failed_half_way_is_finished_by_pushing_again(place: Place, after: int) -> None:
    project = opened(place)
    tasks = [task(key) for key in "abc"]
    try:
        place.breaking(after).push(project, tasks)
    except ServiceDown:
        pass
    else:
        assert after, "a push of which nothing arrives must fail"
    ids = place.studio.push(project, tasks)
    assert sorted(place.studio.pull(project, TWO).tasks) == sorted((task_id, key) for key, task_id in ids.items())


@pytest.mark.parametrize(
    ("schema", "answer"), [(TWO, "late"), (MANY, "class 7"), (NUMBER, "-12.5")], ids=["classes", "many", "number"]
)
def test_an_answer_comes_home(place: Place, schema: Schema, answer: str) -> None:
    project = opened(place, schema)
    task_id = place.studio.push(project, [task("a", schema, prediction=None)])["a"]
    before = datetime.now(UTC)
    annotation_id = place.annotate(task_id, said(answer, schema))
    (annotation,) = place.studio.pull(project, schema).annotations
    assert (annotation.annotation_id, annotation.task_id, annotation.row_key) == (annotation_id, task_id, "a")
    assert annotation.answer == answer
    assert annotation.annotator.startswith("user ")
    assert abs(annotation.updated_at - before) < timedelta(minutes=5)


def test_a_skip_comes_home_as_no_answer_even_if_it_holds_one(place: Place) -> None:
    project = opened(place)
    task_id = place.studio.push(project, [task("a")])["a"]
    place.annotate(task_id, said("late", TWO), skipped=True)
    pulled = place.studio.pull(project, TWO)
    assert [annotation.answer for annotation in pulled.annotations] == [None]
    assert pulled.n_unreadable == 0


def test_an_unusable_answer_is_counted_and_stops_nothing(place: Place) -> None:
    project = opened(place)
    ids = place.studio.push(project, [task("a"), task("b")])
    nonsense: dict[str, object] = {"choices": ["never"]}
    bad = place.annotate(ids["a"], [{"from_name": "label", "to_name": "row", "type": "choices", "value": nonsense}])
    place.annotate(ids["b"], said("late", TWO))
    pulled = place.studio.pull(project, TWO)
    assert pulled.unreadable == (bad,)
    assert [(one.row_key, one.answer) for one in pulled.annotations] == [("b", "late")]


def test_two_people_are_told_apart(place: Place) -> None:
    project = opened(place, overlap=2)
    task_id = place.studio.push(project, [task("a")])["a"]
    place.annotate(task_id, said("late", TWO), person=1)
    place.annotate(task_id, said("on time", TWO), person=2)
    annotations = place.studio.pull(project, TWO).annotations
    assert sorted(str(one.answer) for one in annotations) == ["late", "on time"]
    assert len({one.annotator for one in annotations}) == 2


def test_an_edited_answer_replaces_the_old_one(place: Place) -> None:
    project = opened(place)
    task_id = place.studio.push(project, [task("a")])["a"]
    annotation_id = place.annotate(task_id, said("late", TWO))
    first = place.studio.pull(project, TWO)
    place.edit(annotation_id, said("on time", TWO))
    (edited,) = place.studio.pull(project, TWO, first.seen_until).annotations
    assert (edited.annotation_id, edited.answer) == (annotation_id, "on time")
    assert edited.updated_at > first.annotations[0].updated_at


def test_a_deleted_answer_is_seen_by_its_absence(place: Place) -> None:
    project = opened(place)
    task_id = place.studio.push(project, [task("a")])["a"]
    annotation_id = place.annotate(task_id, said("late", TWO))
    first = place.studio.pull(project, TWO)
    assert len(first.annotations) == 1
    place.retract(annotation_id)
    second = place.studio.pull(project, TWO, first.seen_until)
    assert second.tasks == ((task_id, "a"),)
    assert second.annotations == ()


def test_a_pull_reads_what_changed_since_and_a_little_before(place: Place) -> None:
    project = opened(place)
    ids = place.studio.push(project, [task("a"), task("b")])
    place.annotate(ids["a"], said("late", TWO))
    place.annotate(ids["b"], said("late", TWO))
    everything = place.studio.pull(project, TWO)
    assert len(everything.tasks) == 2
    later = next(one.updated_at for one in everything.annotations if one.row_key == "b")
    just_before = later - datetime.resolution
    assert place.studio.pull(project, TWO, just_before + OVERLAP).tasks == ((ids["b"], "b"),)
    assert len(place.studio.pull(project, TWO, just_before).tasks) == 2
    future = everything.seen_until + timedelta(hours=1)
    assert place.studio.pull(project, TWO, future).tasks == ()
    assert abs(everything.seen_until - datetime.now(UTC)) < timedelta(minutes=1)


def test_withdrawing_takes_back_what_nobody_has_answered(place: Place) -> None:
    project = opened(place)
    ids = place.studio.push(project, [task(key) for key in "abcd"])
    place.annotate(ids["a"], said("late", TWO))
    place.annotate(ids["b"], [], skipped=True)
    assert place.studio.withdraw(project, ["a", "b", "c", "never asked"]) == ("b", "c", "never asked")
    assert {key for _, key in place.studio.pull(project, TWO).tasks} == {"a", "d"}
    assert place.studio.withdraw(project, ["a", "b", "c"]) == ("b", "c")
    assert place.studio.withdraw(project, []) == ()
    known = {number: key for key, number in ids.items()}
    assert set(place.studio.pull(project, TWO, datetime.now(UTC), known=known).gone) == {"b", "c"}
    assert set(place.studio.push(project, [task("b"), task("e")])) == {"b", "e"}
    assert {key for _, key in place.studio.pull(project, TWO).tasks} == {"a", "b", "d", "e"}


def test_a_project_deleted_by_hand_is_named_with_what_to_do(place: Place) -> None:
    project = opened(place)
    place.delete_project(project)
    sentence = f"no project {project}: it was deleted; restore it, or give its label request up"
    with pytest.raises(NotFound, match=sentence):
        place.studio.push(project, [task("a")])
    with pytest.raises(NotFound, match=sentence):
        place.studio.pull(project, TWO)
    with pytest.raises(NotFound, match=sentence):
        place.studio.withdraw(project, ["a"])


def test_opening_a_project_that_was_deleted_by_hand_makes_it_anew(place: Place) -> None:
    arguments = ("deleted", config(TWO, "Late?"), "Look closely.")
    place.delete_project(place.studio.open_project(*arguments))
    project = place.studio.open_project(*arguments)
    assert set(place.studio.push(project, [task("a")])) == {"a"}


@pytest.mark.parametrize("error", [NotAllowed, ServiceDown])
def test_a_refused_or_unreachable_studio_says_so_whatever_is_asked(place: Place, error: type[Exception]) -> None:
    studio = place.faulty()[error]
    with pytest.raises(error):
        studio.check()
    with pytest.raises(error):
        studio.open_project("never", config(TWO, "Late?"), "")
    with pytest.raises(error):
        studio.push(1, [task("a")])
    with pytest.raises(error):
        studio.pull(1, TWO)
    with pytest.raises(error):
        studio.withdraw(1, ["a"])


def test_a_task_deleted_by_hand_is_told_to_who_knows_it_and_to_nobody_else(place: Place) -> None:
    project = opened(place)
    ids = place.studio.push(project, [task(key) for key in "abc"])
    known = {task_id: key for key, task_id in ids.items()}
    place.annotate(ids["a"], said("late", TWO))
    first = place.studio.pull(project, TWO, known=known)
    assert (first.gone, len(first.tasks)) == ((), 3)
    place.delete_task(ids["a"])
    place.delete_task(ids["b"])
    for since in (first.seen_until, None):
        pulled = place.studio.pull(project, TWO, since, known=known)
        assert (pulled.gone, pulled.annotations) == (("a", "b"), ())
    assert place.studio.pull(project, TWO, known={ids["c"]: "c"}).gone == ()
    assert place.studio.pull(project, TWO).gone == ()


def test_a_pull_tells_how_far_the_last_one_had_fallen_behind(place: Place) -> None:
    project = opened(place)
    first = place.studio.pull(project, TWO)
    assert math.isnan(first.behind_seconds)
    since = first.seen_until - timedelta(minutes=2)
    assert 120 <= place.studio.pull(project, TWO, since).behind_seconds < 180
    assert place.studio.pull(project, TWO, first.seen_until + timedelta(hours=1)).behind_seconds == 0


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('<Choice value="late" hotkey="2"/>', "", "it lacks the choice 'late'; put it back"),
        ('<Choice value="late" hotkey="2"/>', '<Choice value="late"/><Choice value="?"/>', "it has the choice '\\?'"),
    ],
)
def test_a_config_changed_by_hand_is_told_in_a_sentence_and_what_can_be_read_is(
    place: Place, old: str, new: str, sentence: str
) -> None:
    arguments = (f"changed by hand {next(_names)}", config(TWO, "Late?"), "")
    project = place.studio.open_project(*arguments)
    ids = place.studio.push(project, [task("a"), task("b")])
    place.annotate(ids["a"], said("on time", TWO))
    assert place.studio.pull(project, TWO).altered == ""
    assert old in arguments[1]
    place.change_config(project, arguments[1].replace(old, new))
    pulled = place.studio.pull(project, TWO)
    assert re.search(f"config of project {project} was changed by hand: {sentence}", pulled.altered)
    assert [one.answer for one in pulled.annotations] == ["on time"]
    with pytest.raises(BadData, match=sentence):
        place.studio.open_project(*arguments)
    place.change_config(project, arguments[1])
    assert place.studio.open_project(*arguments) == project


@pytest.mark.parametrize("word", ["manual", "prediction", "prediction-changed", None])
def test_how_an_answer_came_about_comes_home(place: Place, word: str | None) -> None:
    project = opened(place)
    task_id = place.studio.push(project, [task("a")])["a"]
    (item,) = said("late", TWO)
    place.annotate(task_id, [item | ({"origin": word} if word else {})])
    place.annotate(task_id, [item | {"origin": "manual"}], skipped=True)
    assert {one.origin for one in place.studio.pull(project, TWO).annotations if one.answer} == {word}
    assert {one.origin for one in place.studio.pull(project, TWO).annotations if not one.answer} == {None}
