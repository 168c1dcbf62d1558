"""Labels that come in rounds, stop when it is decided, and are not bought where production knows the answer."""

from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.payments import CHANGED, QUIET, week
from flows.ask import left_this_week
from flows.collect import collect
from flows.evidence import settled, teaching_labels
from flows.learn import Learned, learn
from flows.status import as_json, status
from flows.tables import spent_text
from flows.watch import watch
from flows.withdraw import withdraw
from labeling.pooling import pooled
from records.comparison import Verdict
from records.decay import Judgement
from records.errors import ServiceDown
from store.generations import Generations
from tests.flows.conftest import World, watch_until_asked


@pytest.fixture
def patient(adopted: World) -> World:
    """A monitored model whose labels come in up to three rounds."""
    path = adopted.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("rounds = 1", 'rounds = 3\nprice = 0.5\ncurrency = "EUR"'))
    return adopted


def answer_new(world: World) -> int:
    """Let a person answer what nobody has answered yet."""
    seen = {said.task_id for project in world.studio.projects() for said in world.studio.said(project)}
    keys = {
        task["data"]["row_key"]  # type: ignore[index]
        for project in world.studio.projects()
        for task_id, task in world.studio.tasks(project).items()
        if task_id in seen
    }
    world.answer(unseen=lambda key: key in keys)
    return world.n_tasks() - len(keys)


def judged(item: Learned) -> Judgement:
    assert item.judgement is not None
    return item.judgement


def verdict_of(item: Learned) -> Verdict:
    assert item.verdict is not None
    return item.verdict


def test_harm_is_seen_in_the_first_round_and_the_rest_of_the_budget_is_for_learning(patient):
    watch_until_asked(patient)
    request = patient.request.request
    assert {(ask.purpose, ask.round) for ask in request.asks} == {("audit", 1)}
    assert len(request.asks) == 60  # a quarter of the 240 that judge
    answer_new(patient)
    (item,) = learn(patient.site())
    assert judged(item).finding == "harm"
    assert judged(item).advice.action == "retrain"  # type: ignore[union-attr]
    assert (item.n_more, item.verdict) == (340, None)
    assert patient.n_tasks() == 400
    again = patient.request.request
    assert again.asks[:60] == request.asks
    assert {ask.purpose for ask in again.asks[60:]} == {"audit", "train"}
    assert len({ask.row_key for ask in again.asks}) == 400

    (waiting,) = learn(patient.site())  # nobody answered: nothing is decided and nothing asked
    assert (waiting.judgement, waiting.n_more, patient.n_tasks()) == (None, 0, 400)

    answer_new(patient)
    (done,) = learn(patient.site())
    assert judged(done).finding == "harm"
    assert judged(done).looks == (0.25,)  # decided then, and measured with everything now
    assert judged(done).decay.n_labels == 240
    assert verdict_of(done).outcome == "promote", verdict_of(done).reasons
    state = status(patient.site())
    assert (state.spent.n_labels, state.spent.cost, state.spent.decisions) == (400, 200.0, ("promote",))
    assert "400 labels from people" in spent_text(state.spent)
    assert as_json(state)["spent"]["cost"] == 200.0  # type: ignore[index]
    (seen,) = [item for item in state.windows if item.labels_asked]
    assert (seen.labels_asked, seen.labels_answered) == (400, 400)


def test_where_nothing_changed_labels_stop_early_and_nothing_is_trained(patient):
    watch_until_asked(patient)
    window = patient.request.request.window
    pipeline = patient.site().registry.load(patient.site().champion())
    frame = patient.site().sample(window)
    says = dict(zip(frame["id"], pipeline.predict(frame[list(patient.schema.features)]), strict=True))
    patient.truth = {**patient.truth, **{key: str(said) for key, said in says.items()}}  # the model is always right
    for _ in range(4):
        if not patient.site().ledger.requests.open("payments"):
            break
        answer_new(patient)
        learned = learn(patient.site())
    (done,) = learned
    assert verdict_of(done).outcome == "keep"
    assert done.challenger is None
    assert patient.n_tasks() < 400
    assert len(patient.site().ledger.generations.all("payments")) == 1


def test_a_round_that_could_not_be_pushed_is_pushed_by_the_next_learn(patient):
    watch_until_asked(patient)
    answer_new(patient)
    patient.studio.break_after = 9
    with pytest.raises(ServiceDown):
        learn(patient.site())
    assert patient.n_tasks() == 69
    (item,) = learn(patient.site())
    assert patient.n_tasks() == item.progress.n_asked == 400
    assert item.n_more == 0


def test_impatient_learning_asks_nobody_else(patient):
    watch_until_asked(patient)
    answer_new(patient)
    (item,) = learn(patient.site(), impatient=True)
    assert item.verdict is not None
    assert patient.n_tasks() == 60


def test_rounds_together_are_one_sample(patient):
    watch_until_asked(patient)
    answer_new(patient)
    learn(patient.site())
    asks = [ask for ask in patient.request.request.asks if ask.purpose == "audit"]
    inclusion = pooled(asks)
    n_rows = len(patient.site().sample(patient.request.request.window))
    total = sum(1 / inclusion[ask.row_key] for ask in asks)
    assert total == pytest.approx(n_rows, rel=0.2)


def test_rows_whose_answer_production_knows_are_not_asked_and_count_as_labels(asked):
    path = asked.folder / "production.parquet"
    table = pd.read_parquet(path)
    known = table["id"].map(lambda key: int(key.rpartition("-")[2]) % 2 == 0)
    table["fraud"] = [asked.truth[key] if late else None for key, late in zip(table["id"], known, strict=True)]
    table.to_parquet(path)
    first = asked.request
    n_known = sum(int(ask.row_key.rpartition("-")[2]) % 2 == 0 for ask in first.request.asks)
    assert 100 < n_known < 300
    (waiting,) = learn(asked.site())
    assert (waiting.progress.n_known, waiting.progress.n_answered) == (n_known, n_known)
    assert asked.n_tasks() == 400 - n_known
    again = learn(asked.site())[0].progress
    assert replace(again, fetched=waiting.progress.fetched) == waiting.progress
    asked.answer()
    (done,) = learn(asked.site())
    assert (done.progress.n_answered, judged(done).finding) == (400, "harm")
    assert status(asked.site()).spent.n_labels == 400 - n_known  # what production told was not paid for


def test_a_request_whose_answers_are_all_known_asks_nobody_and_is_judged(adopted):
    path = adopted.folder / "production.parquet"
    table = pd.read_parquet(path)
    table.assign(fraud=table["id"].map(adopted.truth)).to_parquet(path)
    watch_until_asked(adopted)
    (done,) = learn(adopted.site())
    assert done.progress.n_known == done.progress.n_asked
    assert judged(done).finding == "harm"


def test_a_week_s_budget_bounds_what_is_asked(adopted):
    path = adopted.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("rounds = 1", "rounds = 1\nweekly_budget = 100"))
    watch_until_asked(adopted)
    assert adopted.n_tasks() == 100
    assert left_this_week(adopted.site()) == 0
    adopted.answer()
    learn(adopted.site())
    reasons = [watch(adopted.site(), week(number)).request.reason for number in (*QUIET, *CHANGED)]
    assert not any("still open" in reason for reason in reasons)
    assert adopted.n_tasks() == 100


def test_measures_people_know_stand_beside_the_decay(learned):
    site = learned.site()
    (window,) = [w for w in site.ledger.steps.windows("payments") if site.ledger.requests.get("payments", w)]
    judgement = site.ledger.steps.get("payments", window, "judge", Judgement)
    found = {one.name: one for one in judgement.metrics}
    assert found.keys() == {"accuracy", "balanced accuracy", "log loss", "Brier score", "macro F1", "AUC"}
    assert found["accuracy"].now.high < found["accuracy"].before
    assert found["Brier score"].now.low > found["Brier score"].before
    assert judgement.advice.sentence.startswith("Retrain")


@pytest.mark.parametrize("how", ["skipped", "deleted"])
def test_a_request_that_nobody_can_answer_ends_and_the_champion_stays(patient, how):
    watch_until_asked(patient)
    for _ in range(5):
        if not patient.site().ledger.requests.open("payments"):
            break
        (project,) = patient.studio.projects()
        for task_id in patient.studio.tasks(project):
            if how == "deleted":
                patient.studio.delete_task(task_id)
            elif task_id not in {said.task_id for said in patient.studio.said(project)}:
                patient.studio.annotate(task_id, [], skipped=True)
        learned = learn(patient.site())
    assert verdict_of(learned[0]).outcome == "keep"
    assert patient.site().champion().number == 1
    assert patient.site().ledger.requests.open("payments") == ()


def answered_by_all(world, learned=()):
    """Answer and learn until no request is open."""
    for _ in range(6):
        if not world.site().ledger.requests.open("payments"):
            break
        answer_new(world)
        learned = learn(world.site())
    return learned[0]


def test_a_question_changed_between_rounds_waits_for_the_next_request(patient):
    watch_until_asked(patient)
    answer_new(patient)
    path = patient.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("Is this payment a fraud?", "Is it a fraud, really?"))
    (item,) = learn(patient.site())
    assert item.n_more == 340
    assert len(patient.studio.projects()) == 1
    answer_new(patient)
    (done,) = learn(patient.site())
    assert done.progress.n_answered == patient.n_tasks() == 400


def test_a_crash_after_a_generation_is_kept_is_finished_by_the_next_learn(asked, monkeypatch):
    save = Generations.save

    def dies(*arguments, **options):
        save(*arguments, **options)
        raise ServiceDown("the ledger went away")

    asked.answer()
    with monkeypatch.context() as patch:
        patch.setattr(Generations, "save", dies)
        with pytest.raises(ServiceDown):
            learn(asked.site())
    (done,) = learn(asked.site())
    assert verdict_of(done).outcome == "promote"
    assert len(asked.site().ledger.generations.all("payments")) == 2


def test_a_window_whose_request_was_closed_before_watch_ended_can_be_watched_again(adopted):
    adopted.studio.break_after = 5
    with pytest.raises(ServiceDown):
        watch_until_asked(adopted)
    window = adopted.request.request.window
    adopted.answer()
    learn(adopted.site())
    done = answered_by_all(adopted)
    assert verdict_of(done).outcome == "promote"
    again = watch(adopted.site(), window)
    assert len(again.request.asks) == adopted.n_tasks() == 400
    assert settled(adopted.site()) == (window,)


def test_a_budget_larger_than_the_window_still_teaches(patient):
    path = patient.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("budget = 400", "budget = 6000"))
    watch_until_asked(patient)
    done = answered_by_all(patient)
    assert done.challenger == 2
    assert patient.n_tasks() <= 700


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_a_budget_of_hardly_anything_ends(patient, budget):
    path = patient.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("budget = 400", f"budget = {budget}"))
    watch_until_asked(patient)
    assert verdict_of(answered_by_all(patient)).outcome in ("keep", "needs review")


def test_an_answer_that_production_knew_and_forgot_stays_a_label(asked):
    path = asked.folder / "production.parquet"
    table = pd.read_parquet(path)
    table.assign(fraud=table["id"].map(asked.truth)).to_parquet(path)
    request = asked.request.request
    assert collect(asked.site(), request).n_known == 400
    table.to_parquet(path)
    assert collect(asked.site(), request).n_answered == 400


def test_a_request_that_was_given_up_teaches_nobody(asked):
    window = asked.request.request.window
    asked.answer()
    collect(asked.site(), asked.request.request)
    assert len(teaching_labels(asked.site(), week(CHANGED[-1])).frame) > 0
    withdraw(asked.site(), why="bad labels")
    assert asked.site().ledger.requests.withdrawn("payments") == {window}
    assert len(teaching_labels(asked.site(), week(CHANGED[-1])).frame) == 0


def test_one_row_out_of_all_proportion_does_not_make_the_others_alike(adopted):
    path = adopted.folder / "production.parquet"
    table = pd.read_parquet(path)
    firsts = table.groupby(table["id"].str.partition("-")[0])["id"].first()
    table.loc[table["id"].isin(firsts), ["amount", "age", "noise"]] = 999_999_999.0
    table.to_parquet(path)
    watch_until_asked(adopted)
    assert adopted.n_tasks() == 400


def test_a_hasty_look_that_came_to_nothing_is_not_kept(patient, monkeypatch):
    watch_until_asked(patient)
    few = [ask.row_key for ask in patient.request.request.asks[:6]]
    patient.answer(unseen=lambda key: key not in few)
    with monkeypatch.context() as patch:
        patch.setattr("flows.learn.retrain", lambda *_: (_ for _ in ()).throw(ServiceDown("MLflow went away")))
        with pytest.raises(ServiceDown):
            learn(patient.site(), impatient=True)
    done = answered_by_all(patient)
    assert judged(done).decay.n_labels == 240
    assert judged(done).finding == "harm"
