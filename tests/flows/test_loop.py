"""The whole loop on a small model: two quiet weeks, then three in which a channel grows and its meaning flips."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.adopt import adopt
from flows.evidence import settled
from flows.learn import learn
from flows.promote import rollback, settle_promotions
from flows.status import as_json, status
from flows.watch import watch
from records.comparison import Verdict
from records.errors import BadData, Conflict, EmptyWindow, NotFound, ServiceDown
from tests.flows.conftest import N_SNAPSHOT_WEEKS, World, week

QUIET = (N_SNAPSHOT_WEEKS, N_SNAPSHOT_WEEKS + 1)
CHANGED = (N_SNAPSHOT_WEEKS + 2, N_SNAPSHOT_WEEKS + 3, N_SNAPSHOT_WEEKS + 4)


@pytest.fixture
def adopted(world: World) -> World:
    adopt(world.site(), str(world.training))
    return world


def watch_until_asked(world: World):
    """Watch week after week until people are asked; return what was found."""
    for number in (*QUIET, *CHANGED):
        watched = watch(world.site(), week(number))
        if watched.request.asks:
            return watched
    raise AssertionError("three changed weeks asked nobody")


def test_adopting_puts_generation_1_in_charge_in_ledger_and_registry(world):
    generation = adopt(world.site(), str(world.training))
    assert (generation.number, generation.status) == (1, "champion")
    assert world.registry.champion("payments") == generation.version
    assert generation.snapshot.n_train + generation.snapshot.n_holdout == 8 * 700
    assert [event.generation for event in world.site().ledger.promotions.history("payments")] == [1]


def test_adopting_twice_changes_nothing(adopted):
    again = adopt(adopted.site(), str(adopted.training))
    assert again == adopted.site().champion()
    assert len(adopted.site().ledger.generations.all("payments")) == 1


def test_a_window_before_adoption_says_what_to_run(world):
    with pytest.raises(NotFound, match="driftloop adopt"):
        watch(world.site(), week(QUIET[0]))


def test_a_quiet_window_asks_nobody(adopted):
    watched = watch(adopted.site(), week(QUIET[0]))
    assert not watched.alarm.raised
    assert watched.request.asks == ()
    assert adopted.n_tasks() == 0


def test_a_changed_window_alarms_names_the_slice_and_asks_within_the_budget(adopted):
    watched = watch_until_asked(adopted)
    assert watched.batch.window in [week(number) for number in CHANGED]
    assert "channel = app" in watched.slices.slices[0].name
    assert 0 < len(watched.request.asks) <= 400
    assert adopted.n_tasks() == len(watched.request.asks)
    assert {ask.purpose for ask in watched.request.asks} == {"audit", "train"}


def test_watching_a_window_again_changes_nothing(adopted):
    first = watch_until_asked(adopted)
    n_tasks = adopted.n_tasks()
    assert watch(adopted.site(), first.batch.window) == first
    assert adopted.n_tasks() == n_tasks


def test_while_a_request_is_open_nobody_else_is_asked(adopted):
    first = watch_until_asked(adopted)
    following = watch(adopted.site(), week(CHANGED[-1]))
    if following.batch.window == first.batch.window:
        pytest.fail("the alarm came too late for this test")
    assert following.request.asks == ()
    assert "still open" in following.request.reason or "no alarm" in following.request.reason


def test_nothing_is_decided_while_people_are_at_work(adopted):
    asked = watch_until_asked(adopted)
    (learned,) = learn(adopted.site())
    assert (learned.progress.n_asked, learned.progress.n_answered) == (len(asked.request.asks), 0)
    assert learned.judgement is None


def test_a_flipped_concept_is_judged_harmful_and_the_challenger_is_promoted(adopted):
    asked = watch_until_asked(adopted)
    adopted.answer()
    (learned,) = learn(adopted.site())
    assert learned.progress.n_answered == len(asked.request.asks)
    assert learned.judgement.finding == "harm"
    assert learned.judgement.decay.concept.low > 0
    assert learned.verdict.outcome == "promote", learned.verdict.reasons
    champion = adopted.site().champion()
    assert champion.number == learned.challenger == 2
    assert champion.cause == asked.batch.window.name
    assert adopted.registry.champion("payments") == champion.version
    assert settled(adopted.site()) == (asked.batch.window,)
    assert adopted.site().ledger.requests.open("payments") == ()


def test_audit_labels_are_not_trained_on_while_they_judge(adopted):
    asked = watch_until_asked(adopted)
    adopted.answer()
    learn(adopted.site())
    taught = pd.read_parquet(adopted.site().champion().snapshot.train)["id"]
    audit = {ask.row_key for ask in asked.request.asks if ask.purpose == "audit"}
    train = {ask.row_key for ask in asked.request.asks if ask.purpose == "train"}
    assert audit.isdisjoint(taught)
    assert train <= set(taught)


def test_learning_again_changes_nothing(adopted):
    watch_until_asked(adopted)
    adopted.answer()
    learn(adopted.site())
    before = as_json(status(adopted.site()))
    assert learn(adopted.site()) == ()
    assert as_json(status(adopted.site())) == before


def test_rolling_back_puts_the_previous_champion_in_charge_and_keeps_the_record(adopted):
    watch_until_asked(adopted)
    adopted.answer()
    learn(adopted.site())
    back = rollback(adopted.site(), why="complaints")
    assert back.number == 1
    assert adopted.site().champion().number == 1
    assert adopted.registry.champion("payments") == back.version
    history = [(event.generation, event.previous) for event in adopted.site().ledger.promotions.history("payments")]
    assert history == [(1, None), (2, 1), (1, 2)]


def test_the_first_generation_cannot_be_rolled_back(adopted):
    with pytest.raises(NotFound, match="nothing to roll back to"):
        rollback(adopted.site(), why="a test")


def test_a_crash_between_intent_and_alias_is_finished_by_the_next_run(adopted):
    watch_until_asked(adopted)
    adopted.answer()
    learn(adopted.site())
    site = adopted.site()
    verdict = Verdict("promote", ("by hand",))
    site.ledger.promotions.intend("payments", generation=1, previous=2, why="a test", verdict=verdict)
    settle_promotions(adopted.site())
    assert adopted.site().champion().number == 1
    assert adopted.registry.champion("payments") == site.ledger.generations.get("payments", 1).version


def test_a_push_that_broke_off_is_finished_without_a_double(adopted):
    adopted.studio.break_after = 7
    with pytest.raises(ServiceDown):
        watch_until_asked(adopted)
    assert adopted.n_tasks() == 7
    (item,) = adopted.site().ledger.requests.open("payments")
    watched = watch(adopted.site(), item.request.window)
    assert adopted.n_tasks() == len(watched.request.asks) == len(item.request.asks)


def test_a_push_that_broke_off_is_also_finished_by_learn(adopted):
    adopted.studio.break_after = 7
    with pytest.raises(ServiceDown):
        watch_until_asked(adopted)
    (learned,) = learn(adopted.site())
    assert adopted.n_tasks() == learned.progress.n_asked


def test_two_processes_at_the_same_step_do_not_both_do_it(adopted):
    site = adopted.site()
    with site.ledger.steps.claim("payments", week(QUIET[0]), "ingest"), pytest.raises(Conflict):
        watch(adopted.site(), week(QUIET[0]))


def test_a_label_project_deleted_by_hand_is_one_sentence(adopted):
    asked = watch_until_asked(adopted)
    (project,) = adopted.studio.projects()
    adopted.studio.delete_project(project)
    with pytest.raises(NotFound, match="project"):
        learn(adopted.site())
    assert len(adopted.site().ledger.requests.open("payments")[0].request.asks) == len(asked.request.asks)


def test_status_tells_every_window_and_generation(adopted):
    watch(adopted.site(), week(QUIET[0]))
    watch_until_asked(adopted)
    adopted.answer()
    learn(adopted.site())
    told = json.loads(json.dumps(as_json(status(adopted.site())), allow_nan=False))
    assert told["model"] == "payments"
    assert {"start", "end", "alarm", "slices", "labels_asked", "labels_answered", "decay"} <= set(told["windows"][0])
    assert [g["number"] for g in told["generations"]] == [1, 2]
    assert {"number", "status", "mlflow_run_id", "version", "verdict"} <= set(told["generations"][0])
    alarming = [window for window in told["windows"] if window["labels_asked"]]
    assert alarming[0]["labels_answered"] == alarming[0]["labels_asked"]
    assert alarming[0]["decay"]["low"] > 0
    assert told["generations"][1]["verdict"]["outcome"] == "promote"


@pytest.mark.parametrize(
    ("spoil", "error", "sentence"),
    [
        (lambda frame: frame.drop(columns="amount"), BadData, "amount"),
        (lambda frame: frame.assign(amount="much"), BadData, "amount"),
        (lambda frame: pd.concat([frame, frame.tail(3)]), BadData, "repeat a key"),
        (lambda frame: frame[frame["at"] < frame["at"].min()], EmptyWindow, "no row"),
        (lambda frame: frame.assign(at=frame["at"] - pd.Timedelta(days=365)), EmptyWindow, "no row"),
    ],
    ids=["missing column", "wrong type", "duplicate keys", "empty table", "no row in the window"],
)
def test_bad_production_rows_are_one_sentence_and_leave_nothing(adopted, spoil, error, sentence):
    path = adopted.folder / "production.parquet"
    frame = pd.read_parquet(path)
    path.unlink()
    spoil(frame).to_parquet(path)
    with pytest.raises(error, match=sentence) as caught:
        watch(adopted.site(), week(CHANGED[-1]))
    assert "\n" not in str(caught.value).strip()
    assert adopted.site().ledger.steps.windows("payments") == ()
    assert not (adopted.settings.folder / "batches").exists() or not list((adopted.settings.folder / "batches").iterdir())


def test_an_all_null_column_and_an_unseen_category_are_drift_not_errors(adopted):
    path = adopted.folder / "production.parquet"
    frame = pd.read_parquet(path)
    path.unlink()
    frame.assign(age=float("nan"), country=frame["country"].replace("it", "es")).to_parquet(path)
    report = watch(adopted.site(), week(QUIET[0])).report
    by_name = {column.column: column for column in report.columns}
    assert by_name["age"].drifted
    assert "missing" in by_name["age"].sentence
    assert by_name["country"].drifted
    assert "es" in by_name["country"].sentence


def test_a_window_in_the_future_is_refused(adopted):
    site = adopted.site()
    site.now = lambda: week(QUIET[0]).start
    with pytest.raises(EmptyWindow, match="in the future"):
        watch(site, week(QUIET[0]))


def test_training_data_with_an_all_null_column_is_refused_before_anything_is_kept(world):
    frame = pd.read_parquet(world.training).assign(age=float("nan"))
    frame.to_parquet(world.folder / "spoiled.parquet")
    with pytest.raises(BadData, match="age"):
        adopt(world.site(), "spoiled.parquet")
    assert world.site().ledger.generations.all("payments") == ()
    assert not (world.settings.folder / "snapshots").exists()


def test_an_unreachable_label_studio_loses_nothing_and_a_rerun_goes_on(adopted):
    for number in QUIET:
        watch(adopted.site(), week(number))
    adopted.studio.fault = ServiceDown("Label Studio is away")
    with pytest.raises(ServiceDown):
        for number in CHANGED:
            watch(adopted.site(), week(number))
    adopted.studio.fault = None
    (item,) = adopted.site().ledger.requests.open("payments")
    watched = watch(adopted.site(), item.request.window)
    assert adopted.n_tasks() == len(watched.request.asks)
    assert replace(watched.request) == item.request


def test_exit_codes_tell_an_alarm_from_a_failure(adopted, monkeypatch):
    from flows import cli

    monkeypatch.setattr("flows.site.Site", lambda _settings: adopted.site())
    config = ["--config", str(adopted.folder / "driftloop.toml")]
    runner = CliRunner()
    quiet = runner.invoke(cli.app, ["watch", "--at", f"{week(QUIET[0]).end:%Y-%m-%d}", *config])
    assert quiet.exit_code == 0, quiet.output
    codes = [
        runner.invoke(cli.app, ["watch", "--json", "--at", f"{week(number).end:%Y-%m-%d}", *config]).exit_code
        for number in (QUIET[1], *CHANGED)
    ]
    assert codes[-1] == cli.ALARM
    assert runner.invoke(cli.app, ["status", *config]).exit_code == 0
