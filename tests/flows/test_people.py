"""Several people per row, gold rows, suggestions and second looks, on the small model of the other tests."""

import io
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from benchmarks.payments import TOML, payments
from flows import people
from flows.adopt import adopt
from flows.collect import collect
from flows.crowd import crowd
from flows.evidence import audit_labels, teaching_labels
from flows.withdraw import withdraw
from labeling import answers
from labeling.studio import InMemoryStudio
from models.memory_registry import InMemoryRegistry
from records.errors import ServiceDown
from tests.flows.conftest import World, watch_until_asked

CROWD = "budget = 120\noverlap = 2\ngold_share = 0.1\nsuggest = 0.5"


@pytest.fixture(scope="module")
def first_crowd(first_champion: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = first_champion.copy(tmp_path_factory.mktemp("crowd") / "site")
    toml = world.folder / "driftloop.toml"
    toml.write_text(toml.read_text().replace("budget = 400", CROWD))
    watch_until_asked(world)
    return world


@pytest.fixture
def crowded(first_crowd: World, tmp_path: Path) -> World:
    return first_crowd.copy(tmp_path / "site")


def truth_of(world: World) -> dict[str, str]:
    site = world.site()
    holdout = site.holdout(site.champion())
    return world.truth | dict(zip(holdout["id"], holdout["fraud"], strict=True))


def say(world: World, project: int, user: int, *, wrong_on: Collection[str] = ()) -> None:
    """Let a user answer every task of a project from the truth, except some rows."""
    truth = truth_of(world)
    for task_id, task in world.studio.tasks(project).items():
        key = task["data"]["row_key"]  # type: ignore[index]
        said = {"no": "yes", "yes": "no"}[truth[key]] if key in wrong_on else truth[key]
        world.studio.annotate(task_id, answers.write(said, world.schema), user=user)


def asked_for(world: World, purpose: str) -> list[str]:
    return [ask.row_key for ask in world.request.request.asks if ask.purpose == purpose]


def test_gold_rows_come_on_top_of_the_budget_and_look_like_the_others(crowded: World) -> None:
    request, (project,) = crowded.request, crowded.studio.projects()
    gold = set(asked_for(crowded, "gold"))
    assert (len(gold), len(request.request.asks)) == (12, 132)
    holdout = crowded.site().holdout(crowded.site().champion()).set_index("id")
    assert set(holdout.loc[sorted(gold), "fraud"].value_counts()) == {6}
    tasks: Any = list(crowded.studio.tasks(project).values())
    assert [task["data"]["row_key"] for task in tasks] == [ask.row_key for ask in request.request.asks]
    shapes = {(tuple(task["data"]), tuple(task["meta"].items()), task["data"]["title"]) for task in tasks}
    assert len(shapes) == 1
    assert not any("2024-" in task["data"]["row_html"] or "gold" in str(task) for task in tasks), "gold rows are older"


def test_half_of_the_rows_come_with_the_models_answer_and_the_ledger_knows_which(crowded: World) -> None:
    (project,) = crowded.studio.projects()
    asks = {ask.row_key: ask for ask in crowded.request.request.asks}
    tasks: Any = list(crowded.studio.tasks(project).values())
    for task in tasks:
        ask = asks[task["data"]["row_key"]]
        filled_in = [one["result"] for one in task.get("predictions", ())]
        assert filled_in == ([answers.write(str(ask.prediction), crowded.schema)] if ask.suggested else [])
    assert 50 < sum(ask.suggested for ask in asks.values()) < 82


def test_rows_people_disagree_on_are_asked_again_once_and_awaited(crowded: World) -> None:
    (project,) = crowded.studio.projects()
    disputed = [*asked_for(crowded, "audit")[:3], *asked_for(crowded, "train")[:2]]
    say(crowded, project, 1)
    say(crowded, project, 2, wrong_on=[*disputed, asked_for(crowded, "gold")[0]])
    request = crowded.request.request
    first = collect(crowded.site(), request)
    again = crowded.studio.projects()[1]
    tasks: Any = crowded.studio.tasks(again)
    assert sorted(task["data"]["row_key"] for task in tasks.values()) == sorted(disputed)
    assert not any("predictions" in task for task in tasks.values())
    assert (first.n_answered, first.n_resolved) == (132 - 6, 132 - 5)
    assert replace(collect(crowded.site(), request), fetched=first.fetched) == first
    assert crowded.studio.tasks(again) == tasks, "a rerun asks nothing again"
    say(crowded, again, 3)
    second = collect(crowded.site(), request)
    assert (second.n_answered, second.n_resolved) == (132 - 1, 132)
    labels = {item.label.row_key: item.label for item in crowded.site().ledger.labels.of("payments")}
    assert all(labels[key].answer == crowded.truth[key] for key in disputed)
    assert {labels[key].n_annotators for key in disputed} == {3}
    assert crowded.studio.projects() == (project, again)


def test_a_crash_between_the_intent_and_the_push_of_a_second_look_is_finished_by_the_next(crowded: World) -> None:
    (project,) = crowded.studio.projects()
    disputed = asked_for(crowded, "audit")[:4]
    say(crowded, project, 1)
    say(crowded, project, 2, wrong_on=disputed)
    crowded.studio.break_after = 2
    request = crowded.request.request
    with pytest.raises(ServiceDown):
        collect(crowded.site(), request)
    collect(crowded.site(), request)
    looks = crowded.site().ledger.second_opinions.of("payments", request.window)
    assert [look.row_key for look in looks] == disputed
    tasks = crowded.studio.tasks(crowded.studio.projects()[1])
    assert sorted(tasks) == sorted(look.task_id or 0 for look in looks)


def test_without_second_looks_nobody_is_asked_again(crowded: World) -> None:
    toml = crowded.folder / "driftloop.toml"
    toml.write_text(toml.read_text().replace("overlap = 2", "overlap = 2\nsecond_look = false"))
    (project,) = crowded.studio.projects()
    say(crowded, project, 1)
    say(crowded, project, 2, wrong_on=asked_for(crowded, "audit")[:4])
    assert collect(crowded.site(), crowded.request.request).n_resolved == 132
    assert crowded.studio.projects() == (project,)


def test_giving_a_request_up_takes_its_second_looks_back(crowded: World) -> None:
    (project,) = crowded.studio.projects()
    say(crowded, project, 1)
    say(crowded, project, 2, wrong_on=asked_for(crowded, "audit")[:4])
    collect(crowded.site(), crowded.request.request)
    withdraw(crowded.site(), why="enough")
    assert crowded.studio.tasks(crowded.studio.projects()[1]) == {}


def test_how_people_answered_is_told_and_gold_neither_judges_nor_teaches(crowded: World) -> None:
    (project,) = crowded.studio.projects()
    gold = asked_for(crowded, "gold")
    say(crowded, project, 1)
    say(crowded, project, 2, wrong_on=[*gold[:6], *asked_for(crowded, "audit")[:6]])
    request = crowded.request.request
    collect(crowded.site(), request)
    told = crowd(crowded.site(), request)
    assert 0.7 < told.alpha < 0.9
    assert told.n_second_looks == 6
    ada, ben = told.annotators
    assert (ada.annotator, ada.n_answered, ada.n_gold, ben.n_gold) == ("user 1", 132, 12, 12)
    assert ada.agreement == ben.agreement == pytest.approx(120 / 132)
    assert 0.85 < ada.accuracy.value < 1
    assert 0.5 < ben.accuracy.value < 0.65
    assert told.anchoring.n_suggested + told.anchoring.n_blind == 132
    assert told.anchoring.bias.low < 0 < told.anchoring.bias.high
    table = io.StringIO()
    Console(file=table, width=140).print(people.as_tables(people.crowds(crowded.site())))
    for shown in (people.page(told), table.getvalue()):
        assert "6 rows were given a second look" in shown
        assert "91 % of 132" in shown
        assert "percentage points" in shown
    assert json.loads(json.dumps(people.as_json({"w": told})))["w"]["annotators"][0]["lead_time_seconds"] is None
    evidence = [audit_labels(crowded.site(), [request.window]), teaching_labels(crowded.site(), request.window)]
    assert not set(gold).intersection(key for part in evidence for key in part.frame["id"])


def test_an_unlikely_number_is_asked_again_before_it_is_a_label(tmp_path: Path) -> None:
    words = (
        'target = "fraud"\ntask = "classification"\nclasses = ["no", "yes"]',
        'target = "cost"\ntask = "regression"',
    )
    (tmp_path / "driftloop.toml").write_text(
        TOML.replace(*words).replace("budget = 400", "budget = 60\ngold_share = 0.1\nsuggest = 0.5")
    )
    before = payments(8)
    later = pd.concat([payments(2, first_week=8), payments(3, first_week=10, changed=True)], ignore_index=True)
    for frame in (before, later):
        frame["cost"] = frame["age"] + frame["amount"].clip(upper=100) * (frame["channel"] == "app")
    before.drop(columns="fraud").to_parquet(tmp_path / "training.parquet")
    later.drop(columns=["fraud", "cost"]).to_parquet(tmp_path / "production.parquet")
    truth = {key: repr(float(cost)) for key, cost in zip(later["id"], later["cost"], strict=True)}
    world = World(tmp_path, InMemoryStudio(), InMemoryRegistry(), truth)
    adopt(world.site(), "training.parquet")
    watch_until_asked(world)
    request, (project,) = world.request.request, world.studio.projects()
    known = truth | dict(zip(before["id"], before["cost"].map(repr), strict=True))
    absurd, typo = (ask.row_key for ask in [ask for ask in request.asks if ask.purpose == "audit"][:2])
    for task_id, task in world.studio.tasks(project).items():
        key = task["data"]["row_key"]  # type: ignore[index]
        said = "98765.0" if key in (absurd, typo) else known[key]
        world.studio.annotate(task_id, answers.write(said, world.schema))
    first = collect(world.site(), request)
    assert (first.n_answered, first.n_resolved) == (66 - 2, 66 - 2)
    for task_id, task in world.studio.tasks(world.studio.projects()[1]).items():
        key = task["data"]["row_key"]  # type: ignore[index]
        said = "98765.0" if key == absurd else known[key]
        world.studio.annotate(task_id, answers.write(said, world.schema), user=2)
    assert collect(world.site(), request).n_answered == 66
    labels = {item.label.row_key: item.label.answer for item in world.site().ledger.labels.of("payments")}
    assert (labels[absurd], labels[typo]) == ("98765.0", truth[typo])
    told = crowd(world.site(), request)
    assert told.annotators[0].accuracy.value == 1.0
    assert told.anchoring.n_suggested + told.anchoring.n_blind == 66
