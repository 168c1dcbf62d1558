"""Every generation is on the ledger and in MLflow or in neither, and its files are those that were logged."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine, text

from benchmarks.payments import CHANGED, week
from flows import check_models, check_records
from flows.adopt import adopt
from flows.baseline import baseline_of
from flows.collect import collect
from flows.learn import Learned, learn
from flows.promote import promote_by_hand, rollback
from flows.review import folder_of
from flows.site import Site
from flows.watch import watch
from flows.withdraw import withdraw
from labeling import answers
from models.choice import Candidate
from models.entry import Note
from models.how import How
from models.members import Chosen, assemble
from models.recipe import SNAPSHOT
from models.train import Challenge
from records.batch import Batch
from records.check import Check
from records.errors import Altered, Conflict, NotFound, ServiceDown
from records.label import Ask
from store.calibrations import Calibrations
from store.generations import Generations
from tests.flows.conftest import World, watch_until_asked


class StoredWorld(World):
    """A monitored model whose generations are in a real MLflow store."""

    def site(self) -> Site:
        return Site(self.settings, studio=self.studio)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"


@pytest.fixture(params=["memory", pytest.param("store", marks=pytest.mark.services)])
def waiting(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A monitored model that has asked people, with MLflow's twin or a real store."""
    if request.param == "memory":
        world: World = request.getfixturevalue("asked")
        return world
    bare: World = request.getfixturevalue("first_day").copy(tmp_path / "stored")
    world = StoredWorld(bare.folder, bare.studio, bare.registry, bare.truth)
    adopt(world.site(), "training.parquet")
    watch_until_asked(world)
    return world


def late_rows(world: World) -> list[str]:
    """Three rows for learning whose answers come late; without them there are enough."""
    return [ask.row_key for ask in world.request.request.asks if ask.purpose == "train"][:3]


def answer_late(world: World, late: list[str]) -> None:
    (project,) = world.studio.projects()
    for task_id, task in world.studio.tasks(project).items():
        if (key := task["data"]["row_key"]) in late:  # type: ignore[index]
            world.studio.annotate(task_id, answers.write(world.truth[key], world.schema))


def learn_and_die(world: World, monkeypatch: pytest.MonkeyPatch, *, saved: bool = False) -> list[str]:
    """Learn from all but three answers, die before or after the generation is `saved`, and let those three come.

    Returns their rows.
    """
    late, save = late_rows(world), Generations.save
    world.answer(unseen=lambda key: key in late)

    def dies(*arguments: Any, **options: Any) -> None:
        if saved:
            save(*arguments, **options)
        raise ServiceDown("the ledger went away")

    with monkeypatch.context() as patch:
        patch.setattr(Generations, "save", dies)
        with pytest.raises(ServiceDown):
            learn(world.site())
    answer_late(world, late)
    return late


def taught(world: World, number: int) -> set[str]:
    labels = world.site().ledger.labels.of("payments")
    return {item.label.row_key for item in labels if number in item.trained}


def snapshot_alone(train: Any, holdout: Any, labelled: Any, schema: Any, **how: Any) -> Challenge:
    """What comes of choosing the snapshot's model as it is."""
    chosen, told = Chosen(((Candidate(SNAPSHOT, "linear"), 1.0),)), How(how["loss"], how["seed"], how["serving"])
    made = assemble(train, holdout, labelled, labelled.head(0), schema, chosen, told, lambda *_: None)
    return Challenge(made[0], made[1], (made[1],), made[2])


def test_labels_that_chose_a_generation_and_did_not_teach_it_are_not_said_to(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.retrain.challenge", snapshot_alone)
    asked.answer()
    learn(asked.site())
    site = asked.site()
    generation = site.ledger.generations.get("payments", 2)
    run = asked.registry.runs[generation.mlflow_run_id]
    assert taught(asked, 2) == set()
    assert run.draft.description.startswith("Chosen by ")
    assert " labels and taught by none, the latest of window" in run.draft.description
    assert run.tags["labels"] == "0"
    assert "labels.csv" not in run.files
    assert set(pd.read_parquet(folder_of(site, 2) / "training.parquet")["source"]) == {"snapshot"}
    page = str(run.files["review.html"])
    assert ", chosen by the labels of " in page
    assert "0 labels taught this generation" in page


def versions(world: World) -> list[tuple[str, str]]:
    """Run and version of everything that the registry shows as a generation."""
    if not isinstance(world, StoredWorld):
        return sorted((run.entry.run_id, run.entry.version) for run in world.registry.runs.values())
    client = MlflowClient(world.uri, registry_uri=world.uri)
    found = client.search_model_versions("name = 'payments'")
    runs = client.search_runs([client.get_experiment_by_name("payments").experiment_id])
    left = {run.info.run_id for run in runs if "driftloop.key" in run.data.tags} - {one.run_id for one in found}
    return sorted([(one.run_id, str(one.version)) for one in found] + [(run_id, "") for run_id in left])


def on_ledger(world: World) -> list[tuple[str, str]]:
    return sorted((one.mlflow_run_id, one.version) for one in world.site().ledger.generations.all("payments"))


def test_a_generation_that_never_came_to_the_ledger_goes_when_its_successor_is_made(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more answer came after the crash, so what is made now is not what was registered then."""
    late = learn_and_die(waiting, monkeypatch)
    assert len(versions(waiting)) == 1 + len(on_ledger(waiting)) == 2
    (done,) = learn(waiting.site())
    assert done.challenger == 2
    assert set(late) <= taught(waiting, 2)
    assert versions(waiting) == on_ledger(waiting)


def test_a_generation_that_never_came_to_the_ledger_goes_by_repair(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_and_die(waiting, monkeypatch)
    (done,) = [check for check in check_models.versions(waiting.site(), True) if check.repaired]
    assert (done.ok, done.sentence) == (True, "the ledger did not know version 2")
    assert versions(waiting) == on_ledger(waiting)
    assert not [check for check in check_models.versions(waiting.site(), True) if check.repaired]
    learn(waiting.site())
    assert versions(waiting) == on_ledger(waiting)


def test_a_generation_that_came_to_the_ledger_is_taken_up_with_the_labels_that_taught_it(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more answer came after the crash; it would make another generation of the same number."""
    late = learn_and_die(waiting, monkeypatch, saved=True)
    before = on_ledger(waiting)
    (done,) = learn(waiting.site())
    assert done.challenger == 2
    assert on_ledger(waiting) == versions(waiting) == before
    assert taught(waiting, 2) == {ask.row_key for ask in asks_for_learning(waiting)} - set(late)


def asks_for_learning(world: World) -> list[Ask]:
    ledger = world.site().ledger
    (window,) = ledger.steps.windows("payments", "judge")
    request = ledger.requests.get("payments", window)
    assert request is not None
    return [ask for ask in request.asks if ask.purpose == "train"]


def only(checks: Iterator[Check]) -> Check:
    (check,) = checks
    return check


@pytest.fixture
def tampered(asked: World) -> World:
    asked.answer()
    asked.registry.runs[asked.site().champion().mlflow_run_id].digest = "0" * 64
    return asked


def test_nothing_is_predicted_by_a_champion_whose_files_were_changed(tampered: World) -> None:
    for act in (learn, lambda site: watch(site, week(CHANGED[-1]))):
        with pytest.raises(Altered, match="the files of generation 1 of 'payments', version 1"):
            act(tampered.site())
    (item,) = tampered.site().ledger.requests.open("payments")
    assert item.request.generation == 1


def test_the_doctor_names_a_champion_whose_files_were_changed_and_mends_nothing(tampered: World) -> None:
    for repair in (False, True):
        check = only(check_models.model(tampered.site(), repair))
        assert (check.ok, check.repaired) == (False, "")
        assert "generation 1, version 1" in check.sentence
        assert "restore" in check.advice


def test_files_of_an_older_driftloop_are_believed_and_noted_by_repair(learned: World) -> None:
    assert only(check_models.model(learned.site(), False)).ok
    engine = create_engine(f"sqlite:///{learned.settings.folder}/ledger.db")
    with engine.begin() as connection:
        for number, body in connection.execute(text("SELECT number, body FROM generations")).all():
            older = {name: value for name, value in json.loads(body).items() if name != "digest"}
            connection.execute(
                text("UPDATE generations SET body = :body WHERE number = :number"),
                {"body": json.dumps(older), "number": number},
            )
    engine.dispose()
    site = learned.site()
    assert [one.digest for one in site.ledger.generations.all("payments")] == ["", ""]
    assert site.registry.load(site.champion()) is not None
    check = only(check_models.model(site, False))
    assert (check.ok, "generation 1, 2" in check.sentence) == (False, True)
    assert only(check_models.model(site, True)).repaired
    again = learned.site().ledger.generations
    assert [one.digest for one in again.all("payments")] == [run.digest for run in learned.registry.runs.values()]
    assert only(check_models.model(learned.site(), False)).ok
    with pytest.raises(Conflict, match="restore its files from a backup"):
        again.note_digest("payments", 1, "0" * 64)


def approved_beside_a_moved_alias(world: World) -> Learned:
    """Generation 2 is approved in MLflow, and somebody has moved the alias to a version of their own."""
    settings = world.folder / "driftloop.toml"
    settings.write_text(settings.read_text().replace("[gate]", '[gate]\napproval = "manual"'))
    world.answer()
    (item,) = learn(world.site())
    waits = world.site().ledger.generations.get("payments", 2)
    world.registry.annotate(waits.mlflow_run_id, Note(version_tags={"approved": "fine"}))
    draft = world.registry.runs[waits.mlflow_run_id].draft
    theirs = world.registry.log(replace(draft, number=9))
    world.registry.aliases["payments", "champion"] = theirs.version
    return item


def test_an_approval_waits_while_the_alias_is_elsewhere_and_learning_goes_on(asked: World) -> None:
    approved_beside_a_moved_alias(asked)
    ledger = asked.site().ledger
    before = ledger.promotions.history("payments", abandoned=True)
    for _ in range(2):
        assert learn(asked.site()) == ()
    assert ledger.promotions.history("payments", abandoned=True) == before
    assert ledger.promotions.pending("payments") == ()
    with pytest.raises(Conflict, match=r"somebody moved it; `driftloop doctor --repair` moves it back"):
        promote_by_hand(asked.site(), 2, why="a test")
    assert not only(check_records.champion(asked.site(), False)).ok
    assert only(check_records.champion(asked.site(), True)).repaired
    learn(asked.site())
    assert asked.site().champion().number == 2


def deleted(world: World, number: int) -> None:
    """Somebody tidies up in the registry: the version of a generation is gone."""
    version = world.site().ledger.generations.get("payments", number).version
    for run_id, run in tuple(world.registry.runs.items()):
        if run.entry.version == version:
            del world.registry.runs[run_id]


def test_a_generation_whose_version_was_deleted_cannot_take_charge_and_stops_nobody(learned: World) -> None:
    deleted(learned, 1)
    with pytest.raises(NotFound, match="'models:/payments/1'"):
        rollback(learned.site(), why="a test")
    assert learned.site().ledger.promotions.pending("payments") == ()
    assert learn(learned.site()) == ()
    assert learned.site().champion().number == 2


def test_an_intent_whose_version_was_deleted_meanwhile_is_abandoned(learned: World) -> None:
    promotions = learned.site().ledger.promotions
    promotions.intend("payments", generation=1, previous=2, why="a test", verdict=None)
    deleted(learned, 1)
    assert learn(learned.site()) == ()
    assert promotions.pending("payments") == ()
    assert "'1' of 'payments'" in (promotions.history("payments", abandoned=True)[-1].abandoned_why or "")
    assert learned.site().champion().number == 2


def test_a_challenger_whose_version_was_deleted_keeps_nobody_from_learning(asked: World) -> None:
    settings = asked.folder / "driftloop.toml"
    settings.write_text(settings.read_text().replace("[gate]", '[gate]\napproval = "manual"'))
    asked.answer()
    learn(asked.site())
    assert asked.site().ledger.generations.get("payments", 2).status == "candidate"
    deleted(asked, 2)
    assert learn(asked.site()) == ()


def n_calibrations(world: World) -> int:
    with create_engine(f"sqlite:///{world.folder}/.driftloop/ledger.db").connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM calibrations")) or 0)


@pytest.mark.parametrize("change", [rollback, partial(promote_by_hand, number=2), None])
def test_what_is_ordinary_for_a_champion_that_a_person_chose_is_found_out_by_the_next_learn(
    asked: World, change: Callable[..., object] | None
) -> None:
    """A person in a hurry does not wait for it; the next watch finds it done."""
    settings = asked.folder / "driftloop.toml"
    if change is not rollback:
        settings.write_text(settings.read_text().replace("[gate]", '[gate]\napproval = "manual"'))
    asked.answer()
    learn(asked.site())
    before = n_calibrations(asked)
    if change is None:
        run_id = asked.site().ledger.generations.get("payments", 2).mlflow_run_id
        asked.registry.annotate(run_id, Note(version_tags={"approved": "it looks right"}))
    else:
        change(asked.site(), why="a test")
    assert n_calibrations(asked) == before
    learn(asked.site())
    assert n_calibrations(asked) == before + 1
    learn(asked.site())
    batch = asked.site().ledger.steps.get(
        "payments", asked.site().ledger.steps.windows("payments")[-1], "ingest", Batch
    )
    assert batch is not None
    baseline_of(asked.site(), asked.site().champion(), batch)
    assert n_calibrations(asked) == before + 1


def test_a_calibration_that_cannot_be_made_fails_no_learn(learned: World) -> None:
    rollback(learned.site(), why="a test")
    train = learned.site().champion().snapshot.train  # other tests read it too
    away = train.rename(train.with_suffix(".away"))
    try:
        assert learn(learned.site()) == ()
    finally:
        away.rename(train)


def test_a_calibration_that_a_crash_left_out_is_made_by_the_next_run(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise ServiceDown("the ledger went away")

    asked.answer()
    before = n_calibrations(asked)
    with monkeypatch.context() as patch:
        patch.setattr(Calibrations, "save", dies)
        with pytest.raises(ServiceDown):
            learn(asked.site())
    assert (asked.site().champion().number, n_calibrations(asked)) == (2, before)
    (done,) = learn(asked.site())
    assert done.verdict is not None
    assert n_calibrations(asked) == before + 1
    assert learn(asked.site()) == ()


def test_an_alias_that_nobody_here_set_keeps_a_model_from_being_adopted_in_its_place(world: World) -> None:
    adopt(world.site(), "training.parquet")
    (world.settings.folder / "ledger.db").unlink()
    training = world.folder / "training.parquet"
    fewer = pd.read_parquet(training).head(2_000)
    training.unlink()  # other copies of this model refer to the same file
    fewer.to_parquet(training)
    with pytest.raises(Conflict, match="is version 1, of which this ledger knows nothing"):
        adopt(world.site(), "training.parquet")
    assert world.registry.champion("payments") == "1"
    assert world.site().ledger.promotions.pending("payments") == ()


def test_a_request_that_another_process_closed_meanwhile_is_one_sentence(asked: World) -> None:
    request = asked.request.request
    withdraw(asked.site(), why="somebody was quicker")
    with pytest.raises(Conflict, match=f"window {request.window.name} of 'payments' was closed by another process"):
        collect(asked.site(), request)
