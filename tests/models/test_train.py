import pickle
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import skops.io

from models.accelerate import is_accelerated
from models.candidates import candidate_runs, is_chosen
from models.choice import Candidate
from models.how import How, Serving
from models.loss import per_row
from models.members import Chosen, assemble
from models.naming import candidate_table, fit_metrics
from models.recipe import ALONE, RECIPES, STEADY
from models.serialization import serialization
from models.shares import MOST_CHOSEN
from models.told import APART, agreement
from models.train import Challenge, challenge, fit
from records.errors import BadData, BadSettings
from records.schema import Schema
from tests.models.conftest import DELAYS, FLIGHTS, flights

TRAIN, HOLDOUT = flights(600, seed=12), flights(200, seed=13)
DRIFTED = flights(120, seed=14, flipped=True, start="2013-03-01").assign(inclusion=0.2)
HOW: dict[str, Any] = {"estimators": ("random_forest", "linear"), "loss": "brier", "seed": 0, "cores": 1}


@pytest.fixture(scope="module")
def challenged() -> dict[str, Challenge]:
    """One challenge for each serving, as each takes seconds."""
    return {
        serving: challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving=serving, **HOW)
        for serving in ("accelerated", "stock")
    }


def test_the_record_holds_the_loss_on_the_holdout_and_both_engines_scores() -> None:
    pipeline, record = fit(
        TRAIN, HOLDOUT, FLIGHTS, estimator="random_forest", loss="brier", seed=0, serving="accelerated"
    )
    assert record.holdout_loss == per_row(pipeline, HOLDOUT, FLIGHTS, "brier").mean()
    assert record.fit_seconds > 0
    params = dict(record.params)
    assert params["rows"] == params["rows after weighting"] == "600"
    fast, plain = re.fullmatch(
        r"accelerated (0\.\d+), stock (0\.\d+) brier on 600 rows", params["agreement.random_forest"]
    ).groups()  # type: ignore[union-attr]
    assert abs(float(fast) - float(plain)) < 0.02
    assert APART not in params
    assert params["random_forest.min_samples_leaf"] == "10"
    assert [engine.accelerated for engine in record.engines] == [False, True]


def test_stock_serving_holds_no_class_of_sklearnex() -> None:
    pipeline, record = fit(TRAIN, HOLDOUT, FLIGHTS, estimator="random_forest", loss="brier", seed=0, serving="stock")
    assert not is_accelerated(pipeline[-1])
    assert record.engines[1].reason == "scikit-learn's own class"


def test_a_weight_of_two_is_the_same_as_the_row_twice() -> None:
    double = np.where(np.arange(len(TRAIN)) < 100, 2.0, 1.0)
    how: dict[str, Any] = {"estimator": "linear", "loss": "brier", "seed": 0, "serving": "stock"}
    weighted, record = fit(TRAIN, HOLDOUT, FLIGHTS, weights=double, **how)
    twice, _ = fit(TRAIN.loc[np.repeat(TRAIN.index, double.astype(int))], HOLDOUT, FLIGHTS, **how)
    assert dict(record.params)["rows after weighting"] == "700"
    rows = HOLDOUT[list(FLIGHTS.features)]
    assert np.allclose(weighted.predict_proba(rows), twice.predict_proba(rows))


@pytest.mark.parametrize("serving", ["accelerated", "stock"])
def test_weighted_fits_are_accelerated_as_weights_become_copies(
    serving: Serving, challenged: dict[str, Challenge]
) -> None:
    pipeline, record, candidates, _ = challenged[serving]
    engines = [engine for engine in record.engines if engine.step.startswith("model")]
    assert all(engine.accelerated == (serving == "accelerated") for engine in engines)
    assert b"sklearnex" not in pickle.dumps(pipeline) or serving == "accelerated"
    assert all(one.engines[-1].accelerated for one in candidates)
    assert {(one.recipe, one.estimator) for one in candidates} == {
        (recipe.name, name) for recipe in RECIPES if not recipe.holding for name in ("random_forest", "linear")
    }
    assert dict(record.params)["chosen by"] == "120 labels in 3 folds"


def test_the_average_counts_few_candidates_and_their_shares_sum_to_one(challenged: dict[str, Challenge]) -> None:
    _, record, candidates, _ = challenged["stock"]
    told = [float(dict(one.params)["share"]) for one in candidates]
    assert abs(sum(told) - 1) < 0.05
    n_members = sum(name.startswith("member ") for name, _ in record.params)
    assert sum(share > 0 for share in told) == n_members <= MOST_CHOSEN + len(STEADY) * len(HOW["estimators"])


def test_the_average_has_the_metrics_of_its_candidates_and_they_have_no_holdout_loss(
    challenged: dict[str, Challenge],
) -> None:
    came = challenged["stock"]
    assert fit_metrics(came.fit).keys() == {"holdout.brier", "old rows.brier", "cv.brier", "forgotten", "fit seconds"}
    for one in came.candidates:
        assert fit_metrics(one).keys() == {"old rows.brier", "cv.brier", "forgotten", "fit seconds"}
    counted = [fit_metrics(one) for one in came.candidates if is_chosen(one, came.fit)]
    assert len(counted) > 1
    for name in ("cv.brier", "old rows.brier"):  # both losses are convex
        assert fit_metrics(came.fit)[name] < max(one[name] for one in counted)
    table = candidate_table(came.candidates)
    assert table.columns.drop(["estimator", "recipe", "fit seconds", "accelerated"]).tolist() == [
        "share",
        "cross-validated loss",
        "old rows brier loss",
    ]


def test_every_member_of_an_average_is_tagged_as_chosen(challenged: dict[str, Challenge], make_draft: Any) -> None:
    came = challenged["stock"]
    runs = candidate_runs(replace(make_draft("flights", 2), fit=came.fit, candidates=came.candidates))
    n_members = int(dict(came.fit.params)["members"])
    assert n_members > 1
    assert sum(run.tags["chosen"] == "yes" for run in runs) == n_members


def test_both_engines_are_compared_and_all_settings_told_for_every_estimator_of_the_average(
    challenged: dict[str, Challenge],
) -> None:
    for serving, came in challenged.items():
        params = dict(came.fit.params)
        members = {value.split(" on ")[0] for name, value in params.items() if name.startswith("member ")}
        assert members == {"random_forest", "linear"}
        assert {name for name in members if f"agreement.{name}" in params} == (
            members if serving == "accelerated" else set()
        )
        assert (params["random_forest.min_samples_leaf"], params["linear.C"]) == ("10", "0.1")


def test_engines_that_are_apart_are_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    how = How("brier", 0, "accelerated")
    names = ("boosting", "linear", "linear")
    assert [name for name, _ in agreement(TRAIN, HOLDOUT, FLIGHTS, names, how)] == ["agreement.linear"]
    monkeypatch.setattr("models.told.AGREED", -1.0)
    monkeypatch.setattr("models.told.BY_CHANCE", -1.0)
    ((_, value), (name, sentence)) = agreement(TRAIN, HOLDOUT, FLIGHTS, names, how)
    assert name == APART
    assert sentence.endswith(f"apart on linear ({value}).")


def test_the_seconds_of_a_fit_leave_out_what_compares_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(100))
    monkeypatch.setattr("models.members.time", SimpleNamespace(perf_counter=lambda: next(moments)))

    def agreed(*_: object) -> tuple[tuple[str, str], ...]:
        next(moments)
        return ()

    monkeypatch.setattr("models.members.agreement", agreed)
    assert assembled("all data").fit.fit_seconds == 1


def assembled(recipe: str, *, serving: Serving = "accelerated") -> Challenge:
    """What comes of choosing one recipe alone."""
    (one,) = (one for one in RECIPES if one.name == recipe)
    chosen = Chosen(((Candidate(one, "linear"), 1.0),), "random_forest")
    how = How("brier", 0, serving)
    made = assemble(TRAIN, HOLDOUT, DRIFTED, DRIFTED.head(0), FLIGHTS, chosen, how, lambda *_: None)
    return Challenge(made[0], made[1], (), made[2])


def test_a_corrected_model_is_told_with_the_rows_that_taught_it_and_its_engine() -> None:
    came = assembled("snapshot's model corrected")
    weight = came.taught.set_index("id")["weight"]
    assert (weight[TRAIN["id"]] == 1).all()
    assert (weight[DRIFTED["id"]] == ALONE).all()
    params = dict(came.fit.params)
    assert (params["rows"], params["rows after weighting"], params["corrected"]) == (
        "720",
        "480",
        "random_forest on 600 rows",
    )
    assert [(one.step, one.estimator, one.accelerated) for one in came.fit.engines[1:]] == [
        ("corrected", "RandomForestClassifier", True),
        ("model", "LogisticRegression", True),
    ]
    assert {"agreement.random_forest", "agreement.linear"} <= params.keys()
    assert set(came.teachers(DRIFTED, FLIGHTS)) == set(DRIFTED["id"])


def test_the_snapshots_model_alone_is_taught_by_no_label() -> None:
    came = assembled("snapshot alone", serving="stock")
    assert came.teachers(DRIFTED, FLIGHTS) == []
    assert set(came.taught["id"]) == set(TRAIN["id"])
    assert dict(came.fit.params)["rows"] == "600"
    right = replace(came.fit, params=(*came.fit.params, ("recalibrated", "yes")))
    assert came._replace(fit=right).teachers(DRIFTED, FLIGHTS) == list(DRIFTED["id"])


def test_what_taught_is_kept_with_weights_and_holds_every_label(challenged: dict[str, Challenge]) -> None:
    taught = challenged["stock"].taught
    assert set(DRIFTED["id"]) <= set(taught["id"])
    assert (taught["weight"] > 0).all()
    assert taught.columns.tolist() == [*FLIGHTS.production, "late", "weight"]
    values = taught.set_index("id")["hour"]
    assert (values[TRAIN["id"]].to_numpy() == TRAIN["hour"].to_numpy()).all()  # rows are kept as they were, not moved


def test_labels_of_a_changed_truth_make_a_better_model_for_it(challenged: dict[str, Challenge]) -> None:
    frozen, _ = fit(TRAIN, HOLDOUT, FLIGHTS, estimator="random_forest", loss="brier", seed=0, serving="stock")
    learned = challenged["stock"].pipeline
    later = flights(1000, seed=15, flipped=True)
    old, new = (per_row(pipeline, later, FLIGHTS, "brier").mean() for pipeline in (frozen, learned))
    assert new < old - 0.03


def test_few_labels_take_the_first_estimator_on_all_data() -> None:
    _, record, candidates, _ = challenge(TRAIN, HOLDOUT, DRIFTED.head(11), FLIGHTS, serving="stock", **HOW)
    assert (record.estimator, record.recipe) == ("random_forest", "all data")
    assert dict(record.params)["chosen by"] == "default: 11 labels are too few to choose"
    assert candidates == (record,)


def test_a_candidate_that_forgets_more_than_is_tolerated_does_not_count_else_the_least_forgetful_does() -> None:
    for forgetting in (-1.0, 0.01, float("inf")):
        how = {"serving": "stock", "forgetting": forgetting, **HOW}
        candidates = challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, **how).candidates
        forgotten = {one: float(dict(one.params)["forgotten"]) for one in candidates}
        counted = [one for one in candidates if float(dict(one.params)["share"]) > 0]
        assert all(forgotten[one] <= max(forgetting, min(forgotten.values())) + 1e-5 for one in counted)


def test_without_an_old_row_that_holds_nothing_counts_as_forgotten() -> None:
    nowhere = np.zeros(len(TRAIN), dtype=bool)
    candidates = challenge(
        TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving="stock", still_true=nowhere, forgetting=0.0, **HOW
    ).candidates
    assert [dict(one.params)["forgotten"] for one in candidates] == ["+0.00000"] * len(candidates)


def test_old_rows_of_a_slice_whose_answers_changed_are_left_out_where_that_serves_the_labels() -> None:
    """In the late hours people answer otherwise today; everywhere else the old relation stands."""
    holds = (TRAIN["hour"] < 17).to_numpy()
    how = {**HOW, "serving": "stock", "still_true": holds}
    candidates = challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, **how).candidates
    forests = [dict(one.params) | {"recipe": one.recipe} for one in candidates if one.estimator == "random_forest"]
    losses = {one["recipe"]: float(one["cross-validated loss"]) for one in forests}
    assert losses["all data that still hold"] < losses["all data"] - 0.01
    assert losses["all data that still hold"] == min(losses.values())
    shares = {one["recipe"]: float(one["share"]) for one in forests}
    assert shares["all data that still hold"] > 0

    (holding,) = (one for one in RECIPES if one.holding)
    chosen, how_stock = Chosen(((Candidate(holding, "random_forest"), 1.0),)), How("brier", 0, "stock")
    gone, none = set(TRAIN.loc[~holds, "id"]), DRIFTED.head(0)
    taught = assemble(TRAIN, HOLDOUT, DRIFTED, none, FLIGHTS, chosen, how_stock, lambda *_: None, gone)[2]
    assert set(taught["id"]) == {*TRAIN["id"], *DRIFTED["id"]} - gone


def test_progress_is_told_and_ends_with_the_members() -> None:
    told: list[tuple[str, int, int]] = []
    challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving="stock", count=lambda *step: told.append(step), **HOW)
    assert list(dict.fromkeys(what for what, *_ in told)) == ["models of the snapshot", "candidates", "members"]
    assert told[-1][1] == told[-1][2]


def test_two_processes_choose_what_one_does(challenged: dict[str, Challenge]) -> None:
    two = challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving="stock", **(HOW | {"cores": 2}))
    assert [one.params for one in two.candidates] == [one.params for one in challenged["stock"].candidates]
    assert two.fit.params == challenged["stock"].fit.params


def test_rows_of_today_let_old_rows_be_moved_and_likened_to_them() -> None:
    warmer = DRIFTED.assign(hour=DRIFTED["hour"] + 3)
    with_batch, without = (
        challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving="stock", batch=batch, **HOW).candidates
        for batch in (warmer, None)
    )
    losses = [{one.recipe: dict(one.params)["cross-validated loss"] for one in some} for some in (with_batch, without)]
    assert losses[0]["moved to today"] != losses[1]["moved to today"]
    assert losses[1]["moved to today, light labels"] == losses[1]["all data, light labels"]


def test_the_same_seed_makes_the_same_choice_and_the_same_stock_model(challenged: dict[str, Challenge]) -> None:
    first, second = challenged["stock"], challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, serving="stock", **HOW)
    rows = HOLDOUT[list(FLIGHTS.features)]
    one, other = (came.pipeline.predict_proba(rows) for came in (first, second))
    assert np.allclose(one, other, rtol=0, atol=1e-12)  # trees are summed in the order in which threads finish
    assert first.fit.params == second.fit.params


def test_a_regression_is_challenged_too() -> None:
    how: dict[str, Any] = {"estimators": ("linear",), "loss": "absolute", "seed": 0}
    _, record, candidates, _ = challenge(TRAIN, HOLDOUT, DRIFTED, DELAYS, serving="accelerated", cores=1, **how)
    assert len(candidates) == sum(not recipe.holding for recipe in RECIPES)
    assert record.holdout_loss > 0
    assert all(engine.accelerated for engine in record.engines if engine.estimator == "Ridge")


def test_rows_of_a_single_class_cannot_teach() -> None:
    with pytest.raises(BadData, match="600 training rows hold 1 classes of 'late'; two are needed"):
        fit(TRAIN.assign(late="no"), HOLDOUT, FLIGHTS, estimator="linear", loss="brier", seed=0, serving="stock")


def test_infinite_values_are_told_and_no_foreign_error_leaks() -> None:
    with pytest.raises(BadData, match="600 training rows cannot be learned from: Input X contains infinity"):
        fit(TRAIN.assign(hour=np.inf), HOLDOUT, FLIGHTS, estimator="linear", loss="brier", seed=0, serving="stock")


def test_an_empty_list_of_estimators_is_refused() -> None:
    with pytest.raises(BadSettings, match="no estimator to choose from"):
        challenge(TRAIN, HOLDOUT, DRIFTED, FLIGHTS, estimators=(), loss="brier", seed=0, serving="stock")


@pytest.mark.parametrize("serving", ["accelerated", "stock"])
@pytest.mark.parametrize("schema", [FLIGHTS, DELAYS], ids=["classification", "regression"])
def test_support_vectors_learn_from_so_many_rows_at_most_and_can_be_kept(
    serving: Serving, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.teach.MOST_SUPPORTED", 150)
    loss = "brier" if schema.task == "classification" else "squared"
    pipeline, record = fit(TRAIN, HOLDOUT, schema, estimator="support_vectors", loss=loss, seed=0, serving=serving)
    assert dict(record.params)["rows after weighting"] == "150"
    kept = serialization(pipeline)
    assert kept["serialization_format"] == ("skops" if serving == "stock" else "cloudpickle")
    rows = HOLDOUT[list(schema.features)]
    if serving == "stock":
        again = skops.io.loads(skops.io.dumps(pipeline), trusted=kept["skops_trusted_types"])
        assert np.array_equal(again.predict(rows), pipeline.predict(rows))
