"""The exchange of one label request with the in-memory studio: who dies where, and what the next one makes of it."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.exchange import Place, bring_home, hand_out, take_back
from labeling.interface import config
from labeling.memory_studio import InMemoryStudio
from records.errors import BadData, Conflict, LockLost, NotFound, ServiceDown
from store.annotations import Changes
from store.ledger import Ledger, open_ledger
from tests.labeling.examples import TWO, task
from tests.labeling.places import said
from tests.store.examples import MODEL, request, week

PLACE = Place("Driftloop flights", config(TWO, "Late?"), "Look closely.")
KEYS = ("a", "b", "c")
TASKS = [task(key) for key in KEYS]
ASKED = request(week(0), *KEYS)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    opened.requests.save(ASKED)
    yield opened
    opened.close()


def ids(ledger: Ledger) -> dict[str, int]:
    return dict(ledger.requests.open(MODEL)[0].task_ids)


def test_tasks_are_handed_out_once_however_often(ledger: Ledger) -> None:
    studio = InMemoryStudio()
    project = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    first = ids(ledger)
    assert hand_out(ledger, studio, ASKED, PLACE, TASKS) == project
    assert ids(ledger) == first
    assert {number: key for key, number in first.items()} == dict(
        studio.pull(project, TWO, known=ledger.outbox.known(MODEL, project)).tasks
    )


class LosesTheLock(InMemoryStudio):
    """Takes the locks away at the first opening of a project, as whoever tidies up the folder of the ledger."""

    def __init__(self, locks: Path) -> None:
        super().__init__()
        self._locks: list[Path] = [locks]

    def open_project(self, *arguments: Any, **named: Any) -> int:
        while self._locks:
            shutil.rmtree(self._locks.pop())
        return super().open_project(*arguments, **named)


def test_who_lost_the_lock_pushes_nothing_and_the_next_one_does(ledger: Ledger) -> None:
    studio = LosesTheLock(Path(f"{ledger.database.file}.locks"))
    with pytest.raises(LockLost, match="the lock 'exchange of flights with Label Studio' was lost"):
        hand_out(ledger, studio, ASKED, PLACE, TASKS)
    (project,) = studio.projects()
    assert studio.tasks(project) == {}
    assert hand_out(ledger, studio, ASKED, PLACE, TASKS) == project


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_push_that_broke_is_in_doubt_its_project_is_noted_and_the_next_one_ends_it(
    ledger: Ledger, after: int
) -> None:
    studio = InMemoryStudio(break_after=after)
    with pytest.raises(ServiceDown):
        hand_out(ledger, studio, ASKED, PLACE, TASKS)
    assert ledger.outbox.in_doubt(MODEL, week(0))
    (project,) = studio.projects()
    assert ledger.requests.open(MODEL)[0].project == project
    assert hand_out(ledger, studio, ASKED, PLACE, TASKS) == project
    assert not ledger.outbox.in_doubt(MODEL, week(0))
    assert len(studio.tasks(project)) == 3


def test_a_row_deleted_by_hand_is_resolved_loses_its_answers_and_is_never_pushed_again(ledger: Ledger) -> None:
    studio = InMemoryStudio()
    project = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    studio.annotate(ids(ledger)["a"], said("late", TWO))
    studio.annotate(ids(ledger)["b"], said("late", TWO))
    assert bring_home(ledger, studio, MODEL, project, TWO).n_new == 2
    studio.delete_task(ids(ledger)["a"])
    fetched = bring_home(ledger, studio, MODEL, project, TWO)
    assert (fetched.n_gone, fetched.n_new, fetched.n_edited) == (1, 0, 0)
    assert ": 1 task gone since the pull" in fetched.sentence
    assert ledger.requests.open(MODEL)[0].gone == ("a",)
    assert [one.row_key for one in ledger.annotations.of(MODEL, week(0))] == ["b"]
    hand_out(ledger, studio, ASKED, PLACE, TASKS)
    assert len(studio.tasks(project)) == 2
    assert bring_home(ledger, studio, MODEL, project, TWO).n_gone == 0


def test_a_project_deleted_by_hand_is_said_and_made_anew_only_by_handing_out(ledger: Ledger) -> None:
    studio = InMemoryStudio(break_after=2)
    with pytest.raises(ServiceDown):
        hand_out(ledger, studio, ASKED, PLACE, TASKS)
    (old,) = studio.projects()
    studio.delete_project(old)
    with pytest.raises(NotFound, match="it was deleted"):
        bring_home(ledger, studio, MODEL, old, TWO)
    new = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    assert new != old
    assert len(studio.tasks(new)) == 3


def test_what_a_pull_brought_is_told_in_a_sentence(ledger: Ledger) -> None:
    studio = InMemoryStudio()
    project = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    first = studio.annotate(ids(ledger)["a"], said("late", TWO))
    fetched = bring_home(ledger, studio, MODEL, project, TWO)
    assert fetched.sentence == f"Up to date at {fetched.up_to:%Y-%m-%d %H:%M:%S}: 1 new answer."
    studio.edit(first, said("on time", TWO))
    studio.change_config(project, PLACE.config.replace('<Choice value="late" hotkey="2"/>', ""))
    sentence = bring_home(ledger, studio, MODEL, project, TWO).sentence
    assert re.search(r": 1 edited since the pull \d+ s before\. Mind: the labelling config", sentence)
    assert sentence.endswith("it lacks the choice 'late'; put it back.")
    with pytest.raises(BadData, match="lacks the choice 'late'"):
        hand_out(ledger, studio, *later(ledger))


def later(ledger: Ledger):
    asked = request(week(1), "d")
    ledger.requests.save(asked)
    return asked, PLACE, [task("d")]


def test_two_requests_in_one_project_do_not_disturb_each_other(ledger: Ledger) -> None:
    studio = InMemoryStudio()
    project = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    assert hand_out(ledger, studio, *later(ledger)) == project
    assert bring_home(ledger, studio, MODEL, project, TWO).n_gone == 0
    taken = take_back(ledger, studio, ASKED, TWO, why="a test")
    assert set(taken) == {*KEYS}
    assert bring_home(ledger, studio, MODEL, project, TWO).n_gone == 0
    assert len(studio.tasks(project)) == 1


def test_a_withdrawal_finds_tasks_that_were_never_noted_and_brings_the_last_answers_home(ledger: Ledger) -> None:
    studio = InMemoryStudio(break_after=2)
    with pytest.raises(ServiceDown):
        hand_out(ledger, studio, ASKED, PLACE, TASKS)
    (project,) = studio.projects()
    answered = min(studio.tasks(project))
    studio.annotate(answered, said("late", TWO))
    assert take_back(ledger, studio, ASKED, TWO, why="a test") == ("b", "c")
    assert set(studio.tasks(project)) == {answered}
    assert [one.answer for one in ledger.annotations.of(MODEL, week(0))] == ["late"]
    assert ledger.requests.open(MODEL) == ()
    assert take_back(ledger, studio, ASKED, TWO, why="again") == ()
    with pytest.raises(Conflict, match="was closed meanwhile; nothing is pushed"):
        hand_out(ledger, studio, ASKED, PLACE, TASKS)
    assert set(studio.tasks(project)) == {answered}


def test_a_task_that_arrives_after_its_withdrawal_is_withdrawn_by_the_next_pull_unless_answered(
    ledger: Ledger,
) -> None:
    studio = InMemoryStudio()
    project = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    take_back(ledger, studio, ASKED, TWO, why="a test")
    late = studio.push(project, TASKS)
    studio.annotate(late["a"], said("late", TWO))
    bring_home(ledger, studio, MODEL, project, TWO)
    assert set(studio.tasks(project)) == {late["a"]}
    assert ledger.outbox.known(MODEL, project) == {late["a"]: "a"}
    assert [one.answer for one in ledger.annotations.of(MODEL, week(0))] == ["late"]


def test_a_pull_that_dies_before_its_end_is_repeated_whole(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = InMemoryStudio()
    project = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    studio.annotate(ids(ledger)["a"], said("late", TWO))
    pull = studio.pull(project, TWO, known=ledger.outbox.known(MODEL, project))
    assert ledger.annotations.replace(project, dict(pull.tasks), pull.annotations) == Changes(n_new=1)
    assert bring_home(ledger, studio, MODEL, project, TWO).n_new == 0
    assert ledger.annotations.watermark(project) is not None
    assert len(ledger.annotations.of(MODEL, week(0))) == 1


def test_another_generation_of_the_same_window_is_still_a_conflict(ledger: Ledger) -> None:
    with pytest.raises(Conflict, match="has another label request"):
        ledger.requests.save(replace(ASKED, generation=2))


def test_a_request_given_up_while_its_sending_was_in_doubt_is_looked_at_again_for_a_day(ledger: Ledger) -> None:
    studio = InMemoryStudio(break_after=2)
    with pytest.raises(ServiceDown):
        hand_out(ledger, studio, ASKED, PLACE, TASKS)
    (project,) = studio.projects()
    take_back(ledger, studio, ASKED, TWO, why="a test")
    closed = datetime.now(UTC)
    assert ledger.outbox.doubtful(MODEL, since=closed - timedelta(days=1)) == (project,)
    assert ledger.outbox.doubtful(MODEL, since=closed + timedelta(seconds=1)) == ()


def test_a_request_given_up_after_its_sending_was_confirmed_is_not_looked_at_again(ledger: Ledger) -> None:
    studio = InMemoryStudio()
    hand_out(ledger, studio, ASKED, PLACE, TASKS)
    take_back(ledger, studio, ASKED, TWO, why="a test")
    assert ledger.outbox.doubtful(MODEL, since=datetime.now(UTC) - timedelta(days=1)) == ()


def test_a_skip_of_a_row_that_was_given_up_is_withdrawn_with_its_task(ledger: Ledger) -> None:
    studio = InMemoryStudio()
    project = hand_out(ledger, studio, ASKED, PLACE, TASKS)
    take_back(ledger, studio, ASKED, TWO, why="a test")
    late = studio.push(project, TASKS)
    studio.annotate(late["b"], [], skipped=True)
    bring_home(ledger, studio, MODEL, project, TWO)
    assert studio.tasks(project) == {}
    assert ledger.annotations.of(MODEL, week(0)) == ()
