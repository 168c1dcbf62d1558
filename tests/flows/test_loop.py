"""The whole loop on a small model: two quiet weeks, then three in which a channel grows and its meaning flips."""

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from typer.testing import CliRunner

from benchmarks.payments import CHANGED, QUIET, week
from flows import cli
from flows.adopt import adopt
from flows.artifacts import learned_page, watched_page
from flows.baseline import baseline_of
from flows.evidence import settled
from flows.explain import explain
from flows.learn import Learned, Progress, learn
from flows.markdown import text
from flows.promote import rollback, settle_promotions
from flows.reference import reference_rows
from flows.site import Site
from flows.status import as_json, status
from flows.tables import ratio_text
from flows.watch import watch
from flows.withdraw import withdraw
from models.entry import Draft
from models.train import fit
from monitors.baseline import prepare
from monitors.schema import check_frame
from records.comparison import Verdict
from records.decay import Judgement
from records.drift import Alarm, Estimate
from records.errors import BadData, BadSettings, Conflict, EmptyWindow, NotAllowed, NotFound, ServiceDown
from records.generation import Snapshot
from records.label import Ask
from records.slice import OneOf, Slice, SliceReport
from store.wire import encode
from tests.flows.conftest import World, watch_until_asked


def test_adopting_puts_generation_1_in_charge_in_ledger_and_registry(world):
    generation = adopt(world.site(), "training.parquet")
    assert (generation.number, generation.status) == (1, "champion")
    assert world.registry.champion("payments") == generation.version
    assert generation.snapshot.n_train + generation.snapshot.n_holdout == 8 * 700
    assert [event.generation for event in world.site().ledger.promotions.history("payments")] == [1]


def test_adopting_twice_changes_nothing(adopted):
    again = adopt(adopted.site(), "training.parquet")
    assert again == adopted.site().champion()
    assert len(adopted.site().ledger.generations.all("payments")) == 1


def test_adopting_again_makes_the_review_page_that_a_crash_left_out(adopted):
    page = adopted.settings.folder / "reviews" / "payments" / "gen-001" / "review.html"
    page.unlink()
    adopt(adopted.site(), "training.parquet")
    assert page.exists()


def test_adopting_with_other_data_or_another_pipeline_is_refused_and_keeps_nothing(adopted):
    pd.read_parquet(adopted.folder / "training.parquet").head(900).to_parquet(adopted.folder / "other.parquet")
    with pytest.raises(Conflict, match="other training data"):
        adopt(adopted.site(), "other.parquet")
    with pytest.raises(Conflict, match="other pipeline"):
        adopt(adopted.site(), "training.parquet", pipeline_uri="models:/payments/1")
    assert len(list((adopted.settings.folder / "snapshots").iterdir())) == 1


def test_training_data_with_one_answer_are_refused_before_anything_is_kept(world):
    everything = pd.read_parquet(world.folder / "training.parquet")
    everything[everything["fraud"] == "no"].to_parquet(world.folder / "training.parquet")
    with pytest.raises(BadData, match="one answer only, 'no'"):
        adopt(world.site(), "training.parquet")
    assert not (world.settings.folder / "snapshots").exists()


def test_a_pipeline_that_encodes_other_types_than_text_is_refused_before_anything_is_kept(world):
    frame = pd.read_parquet(world.folder / "training.parquet")
    encoder = ColumnTransformer([("encode", OneHotEncoder(handle_unknown="ignore"), ["channel", "country"])])
    pipeline = Pipeline([("prepare", encoder), ("model", LogisticRegression())])
    pipeline.fit(frame.assign(country=frame["country"] == "de"), frame["fraud"])
    draft = replace(draft_like(world, number=1, pipeline=pipeline), model="theirs")
    uri = world.registry.log(draft).model_uri
    with pytest.raises(BadData, match="encodes bool values of column 'country'"):
        adopt(world.site(), "training.parquet", pipeline_uri=uri)
    assert not (world.settings.folder / "snapshots").exists()


def test_a_moment_with_a_zone_of_its_own_is_taken_as_it_is(adopted, monkeypatch):
    monkeypatch.setattr("flows.site.Site", lambda _settings: adopted.site())
    at = f"{week(QUIET[0]).end:%Y-%m-%dT%H:%M:%S}+05:00"  # five hours before that week ends in UTC
    told = CliRunner().invoke(cli.app, ["watch", "--at", at, "--config", str(adopted.folder / "driftloop.toml")])
    assert isinstance(told.exception, EmptyWindow)
    assert week(QUIET[0] - 1).name in str(told.exception)


def test_an_error_is_printed_as_it_is_whatever_signs_are_in_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["driftloop", "status", "--config", str(tmp_path / "[bold]x[/y].toml")])
    with pytest.raises(SystemExit):
        cli.main()
    assert "[bold]x[/y].toml" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_put_anywhere_is_one_sentence(world, monkeypatch):
    monkeypatch.setenv("DRIFTLOOP_SERVICES__LEDGER", "sqlite:///driftloop.toml/ledger.db")
    with pytest.raises(NotAllowed, match=r"the ledger's folder .* cannot be made"):
        _ = world.site().ledger


def test_a_window_before_adoption_says_what_to_run(world):
    with pytest.raises(NotFound, match="driftloop adopt"):
        watch(world.site(), week(QUIET[0]))


def test_a_quiet_window_asks_nobody(adopted):
    watched = watch(adopted.site(), week(QUIET[0]))
    assert not watched.alarm.raised
    assert watched.request.asks == ()
    assert adopted.n_tasks() == 0


def test_a_second_window_uses_the_calibration_of_the_first_and_judges_as_a_fresh_one_would(adopted):
    first = watch(adopted.site(), week(QUIET[0]))
    site = adopted.site()
    baseline, _ = baseline_of(site, site.champion(), first.batch)
    assert site.baselines.keys() == {key for key in site.baselines if site.ledger.calibrations.get("payments", key)}
    fresh = prepare(reference_rows(site, site.champion())[0], site.schema, first.batch.n_sampled, length=week(0).length)
    assert baseline.scores == fresh.scores


def test_a_report_tells_the_drift_of_predictions_and_of_targets_where_production_knows_them(adopted):
    table = pd.read_parquet(adopted.folder / "production.parquet")
    known = table["at"] < week(QUIET[1]).start
    table["fraud"] = [
        adopted.truth[key] if is_known else None for key, is_known in zip(table["id"], known, strict=True)
    ]
    table.to_parquet(adopted.folder / "production.parquet")
    with_answers, without = (watch(adopted.site(), week(number)).report.outputs for number in QUIET)
    assert [output.column for output in with_answers] == ["predicted probability of yes", "fraud"]
    assert [output.column for output in without] == ["predicted probability of yes"]
    assert not any(output.drifted for output in (*with_answers, *without))


def test_a_changed_window_alarms_names_the_slice_and_asks_within_the_budget(asked):
    site, request = asked.site(), asked.request.request
    assert request.window in [week(number) for number in CHANGED]
    assert site.ledger.steps.get("payments", request.window, "alarm", Alarm).raised
    found = site.ledger.steps.get("payments", request.window, "slice", SliceReport)
    assert "channel = app" in found.slices[0].name
    assert asked.n_tasks() == len(request.asks) == 400
    assert {ask.purpose for ask in request.asks} == {"audit", "train"}


def test_the_page_of_a_window_shows_its_slices_with_examples(asked):
    watched = watch(asked.site(), asked.request.request.window)
    (slice_,) = watched.slices.slices
    page = watched_page(watched)
    assert "## Slices" in page
    for part in (text(slice_.name), ratio_text(slice_.ratio), *map(text, slice_.examples)):
        assert part in page
    sample = asked.site().sample(watched.batch.window).set_index("id")
    assert (sample.loc[list(slice_.examples), "channel"] == "app").all()


def test_nobody_is_asked_about_a_slice_that_shrank(adopted, first_request):
    site, window = adopted.site(), first_request.request.request.window
    shrunk = Slice((OneOf("channel", ("shop",)),), 0.3, 0.2, Estimate(0.67, 0.6, 0.75), 0.001, 140, ("w10-1",))
    with site.ledger.steps.claim("payments", window, "slice") as claim:
        claim.finish(SliceReport("payments", window, 1, (shrunk,)))
    watch_until_asked(adopted)
    request = adopted.request.request
    assert (request.window, {ask.slice for ask in request.asks}) == (window, {"rest"})
    assert "the whole window: no slice grew" in request.reason
    assert "channel = shop" in watched_page(watch(site, window))
    (told,) = [item for item in status(site).windows if item.labels_asked]
    assert told.slices == ()


def test_an_alarm_leaves_its_report_as_a_page_and_as_an_artifact_of_the_champion(asked):
    (page,) = (asked.settings.folder / "reports" / "payments").iterdir()
    assert page.name == f"drift-{asked.request.request.window.name}.html"
    assert "channel = app" not in page.name
    text = page.read_text()
    assert "payments" in text
    assert "channel" in text


def test_watching_a_window_again_changes_nothing(asked):
    window = asked.request.request.window
    first = watch(asked.site(), window)
    assert encode(watch(asked.site(), window)) == encode(first)
    assert asked.n_tasks() == len(first.request.asks)


def test_while_a_request_is_open_nobody_else_is_asked(asked):
    windows = [week(number) for number in CHANGED if week(number) > asked.request.request.window]
    reasons = [watch(asked.site(), window).request.reason for window in windows]
    assert any("is still open" in reason for reason in reasons)
    assert asked.n_tasks() == 400


def test_nothing_is_decided_while_people_are_at_work(asked):
    (item,) = learn(asked.site())
    assert (item.progress.n_asked, item.progress.n_answered) == (400, 0)
    assert item.judgement is None


def test_skipped_tasks_count_as_looked_at_and_not_as_answered(asked):
    asked.answer(skipped=lambda key: int(key.rpartition("-")[2]) % 10 == 0)
    (item,) = learn(asked.site())
    n_skipped = sum(int(ask.row_key.rpartition("-")[2]) % 10 == 0 for ask in asked_rows(asked))
    assert n_skipped > 10
    assert (item.progress.n_resolved, item.progress.n_answered) == (400, 400 - n_skipped)
    assert item.verdict is not None


def test_a_flipped_concept_is_judged_harmful_and_the_challenger_is_promoted(learned):
    site = learned.site()
    champion = site.champion()
    (window,) = settled(site)
    judgement = site.ledger.steps.get("payments", window, "judge", Judgement)
    verdict = site.ledger.steps.get("payments", window, "promote", Verdict)
    assert judgement.finding == "harm"
    assert judgement.decay.concept.low > 0
    assert verdict.outcome == "promote", verdict.reasons
    assert (champion.number, champion.cause) == (2, window.name)
    assert learned.registry.champion("payments") == champion.version
    assert site.ledger.requests.open("payments") == ()


def test_where_the_loss_is_higher_is_kept_with_the_judgement_and_shown(learned):
    site = learned.site()
    (window,) = settled(site)
    judgement = site.ledger.steps.get("payments", window, "judge", Judgement)
    (harmful,) = judgement.harmful
    assert harmful.name == "channel = app"
    assert harmful.ratio.low > 1.2
    page = learned_page("payments", Learned(Progress(window, 400, 400, 400, True), judgement))
    assert "## Where the loss is higher" in page
    assert text(harmful.name) in page
    assert f"the loss is higher where channel = app: {ratio_text(harmful.ratio)}" in told_by_explain(site, 2)


def test_audit_labels_are_not_trained_on_while_they_judge(learned):
    site = learned.site()
    taught = set(pd.read_parquet(site.champion().snapshot.train)["id"])
    asks = asked_rows(learned)
    assert taught.isdisjoint(ask.row_key for ask in asks if ask.purpose == "audit")
    assert taught.issuperset(ask.row_key for ask in asks if ask.purpose == "train")


def test_learning_again_changes_nothing(learned):
    before = as_json(status(learned.site()))
    assert learn(learned.site()) == ()
    assert as_json(status(learned.site())) == before


def test_a_settled_window_is_known_ground_for_the_next_one(learned):
    (window,) = settled(learned.site())
    rows, known = reference_rows(learned.site(), learned.site().champion())
    assert known == (window,)
    assert set(learned.site().sample(window)["id"]) <= set(rows["id"])


def test_rolling_back_puts_the_previous_champion_in_charge_and_keeps_the_record(learned):
    back = rollback(learned.site(), why="complaints")
    assert back.number == 1
    assert learned.site().champion().number == 1
    assert learned.registry.champion("payments") == back.version
    history = [(event.generation, event.previous) for event in learned.site().ledger.promotions.history("payments")]
    assert history == [(1, None), (2, 1), (1, 2)]


def test_the_first_generation_cannot_be_rolled_back(adopted):
    with pytest.raises(NotFound, match="nothing to roll back to"):
        rollback(adopted.site(), why="a test")


def test_a_crash_between_intent_and_alias_is_finished_by_the_next_run(learned):
    ledger = learned.site().ledger
    ledger.promotions.intend("payments", generation=1, previous=2, why="a test", verdict=None)
    settle_promotions(learned.site())
    assert learned.site().champion().number == 1
    assert learned.registry.champion("payments") == ledger.generations.get("payments", 1).version


def test_an_alias_moved_by_hand_gives_the_promotion_up_and_says_so(learned):
    ledger = learned.site().ledger
    ledger.promotions.intend("payments", generation=1, previous=2, why="a test", verdict=None)
    champion, other = ledger.generations.get("payments", 2).version, ledger.generations.get("payments", 1)
    third = learned.registry.log(draft_like(learned, number=3))
    learned.registry.promote("payments", third.version, expected=champion)
    settle_promotions(learned.site())
    assert learned.site().champion().number == 2
    (given_up,) = [p for p in ledger.promotions.history("payments", abandoned=True) if p.state == "abandoned"]
    assert given_up.generation == other.number
    assert repr(third.version) in given_up.abandoned_why


def test_a_push_that_broke_off_is_finished_without_a_double(adopted):
    adopted.studio.break_after = 7
    with pytest.raises(ServiceDown):
        watch_until_asked(adopted)
    assert adopted.n_tasks() == 7
    again = adopted.copy(adopted.folder.parent / "again")
    request = adopted.request.request
    watch(adopted.site(), request.window)
    assert adopted.n_tasks() == len(request.asks)
    (item,) = learn(again.site())  # the other way home: learn finds the half-pushed request
    assert again.n_tasks() == item.progress.n_asked == len(request.asks)


def test_two_processes_at_the_same_step_do_not_both_do_it(adopted):
    site = adopted.site()
    with site.ledger.steps.claim("payments", week(QUIET[0]), "ingest"), pytest.raises(Conflict):
        watch(adopted.site(), week(QUIET[0]))


def test_a_label_project_deleted_by_hand_is_one_sentence_and_loses_nothing(asked):
    before = asked.request
    (project,) = asked.studio.projects()
    asked.studio.delete_project(project)
    with pytest.raises(NotFound, match="restore it, or give its label request up with `driftloop withdraw`"):
        learn(asked.site())
    assert asked.request == before
    (given_up,) = withdraw(asked.site(), why="its project was deleted")
    assert (given_up.n_asked, given_up.n_taken_back) == (400, 0)
    assert learn(asked.site()) == ()


def test_a_request_that_is_given_up_leaves_only_answered_tasks_and_lets_the_next_alarm_ask(asked):
    keys = sorted(ask.row_key for ask in asked_rows(asked))
    asked.answer(unseen=lambda key: key in keys[:300])
    (given_up,) = withdraw(asked.site(), why="the question was wrong")
    assert (given_up.n_taken_back, asked.n_tasks()) == (300, 100)
    assert withdraw(asked.site(), why="again") == ()
    later = [number for number in CHANGED if week(number) > given_up.window]
    asking = [watch(asked.site(), week(number)).request for number in later]
    assert [ask.row_key for request in asking for ask in request.asks]
    assert len({ask.row_key for ask in asked_rows(asked)}) == len(asked_rows(asked))


def asked_rows(world: World) -> tuple[Ask, ...]:
    """Every row that people were asked about."""
    ledger = world.site().ledger
    found = (ledger.requests.get("payments", window) for window in ledger.steps.windows("payments"))
    return tuple(ask for request in found if request for ask in request.asks)


def draft_like(world: World, *, number: int, pipeline: Pipeline | None = None) -> Draft:
    """A generation that somebody logs by hand."""
    site = world.site()
    frame = check_frame(
        pd.read_parquet(world.folder / "training.parquet"), site.schema, where="training data", need_target=True
    )
    train, holdout = frame.iloc[::2], frame.iloc[1::2]
    fitted, fit_record = fit(train, holdout, site.schema, estimator="linear", loss="brier", seed=0, serving="stock")
    snapshot = Snapshot("0" * 32, world.folder / "train.parquet", world.folder / "holdout.parquet", 1, 1)
    return Draft("payments", number, site.schema, pipeline or fitted, fit_record, snapshot, train, holdout)


def told_by_explain(site: Site, number: int) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(explain(site, number))
    return console.export_text()


def test_status_tells_every_window_and_generation(learned):
    told = json.loads(json.dumps(as_json(status(learned.site())), allow_nan=False))
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
    assert not (adopted.settings.folder / "batches" / "payments").exists() or not list(
        (adopted.settings.folder / "batches" / "payments").iterdir()
    )


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
    frame = pd.read_parquet(world.folder / "training.parquet").assign(age=float("nan"))
    frame.to_parquet(world.folder / "spoiled.parquet")
    with pytest.raises(BadData, match="age"):
        adopt(world.site(), "spoiled.parquet")
    assert world.site().ledger.generations.all("payments") == ()
    assert not (world.settings.folder / "snapshots").exists()


def test_an_unreachable_label_studio_loses_nothing_and_a_rerun_goes_on(adopted):
    adopted.studio.fault = ServiceDown("Label Studio is away")
    with pytest.raises(ServiceDown):
        watch_until_asked(adopted)
    adopted.studio.fault = None
    request = adopted.request.request
    assert watch(adopted.site(), request.window).request == request
    assert adopted.n_tasks() == len(request.asks)


def test_explain_walks_a_generation_back_to_the_drift_that_caused_it(learned):
    told = told_by_explain(learned.site(), 2)
    (window,) = settled(learned.site())
    for part in (window.name, "channel", "drift: joint p", "people: 400 rows are asked", "user 1", "verdict: promote"):
        assert part in told


def test_an_alarm_is_told_though_nobody_can_be_asked(adopted, monkeypatch):
    """No token is known, which is found out when people shall be asked."""
    monkeypatch.delenv("DRIFTLOOP_LABEL_STUDIO_TOKEN", raising=False)
    monkeypatch.setattr("flows.site.Site", lambda _settings: Site(adopted.settings, registry=adopted.registry))
    config = ["--config", str(adopted.folder / "driftloop.toml")]
    for number in (*QUIET, *CHANGED):
        told = CliRunner().invoke(cli.app, ["watch", "--at", f"{week(number).end:%Y-%m-%d}", *config])
        if isinstance(told.exception, BadSettings):
            break
    assert f"ALARM {week(number).name}" in told.output
    assert "Nobody is asked yet:" in told.output


def test_exit_codes_tell_an_alarm_from_a_failure(asked, monkeypatch):
    monkeypatch.setattr("flows.site.Site", lambda _settings: asked.site())
    runner, config = CliRunner(), ["--config", str(asked.folder / "driftloop.toml")]

    def run(*words: str) -> int:
        return runner.invoke(cli.app, [*words, *config]).exit_code

    assert run("watch", "--at", f"{week(QUIET[0]).end:%Y-%m-%d}") == 0
    assert run("watch", "--json", "--at", f"{asked.request.request.window.end:%Y-%m-%d}") == cli.ALARM
    assert run("learn") == run("status") == run("status", "--json") == run("explain", "1") == 0
    with pytest.raises(NotFound):
        runner.invoke(cli.app, ["explain", "9", *config], catch_exceptions=False)
