"""Where a challenger is judged, and what it never learns from so that it can be."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.payments import CHANGED, QUIET, week
from flows.compare import BALANCED
from flows.evidence import as_counted, audit_labels, kept_labels, old_answers_hold, settled, teaching_labels, undecided
from flows.learn import learn
from flows.promote import rollback
from flows.regimes import regimes_of
from flows.watch import watch
from models.compare import spent_alpha
from models.entry import Note
from models.loss import per_row
from records.comparison import Comparison, Outcome, Verdict
from records.decay import Judgement
from records.drift import Estimate
from records.errors import NotFound
from records.label import Ask, Label
from records.slice import SliceReport
from records.window import Window
from tests.flows.conftest import World


def judged(world: World):
    site = world.site()
    (window,) = settled(site)
    request = site.ledger.requests.get("payments", window)
    judgement = site.ledger.steps.get("payments", window, "judge", Judgement)
    return site, window, request, judgement


def test_a_challenger_must_gain_in_the_slices_and_not_lose_on_the_holdout_nor_clearly_elsewhere(learned: World) -> None:
    settings = (learned.folder / "driftloop.toml").read_text()
    (learned.folder / "driftloop.toml").write_text(settings.replace("[gate]", '[gate]\ngroups = ["country"]'))
    site, window, request, judgement = judged(learned)
    audit = audit_labels(site, (window,))
    found = regimes_of(site, request, judgement, site.champion(), audit).asked
    rules = {rows.name: rows.kind for rows in found}
    assert rules.pop("drifted slices") == "must gain"
    assert rules.pop("holdout outside the drifted slices") == "must not lose"
    assert set(rules.values()) == {"must not clearly lose"}
    assert {"outside the slices", "country = de", "country = fr", "country = it"} <= rules.keys()
    by_country = [rows for rows in found if rows.name.startswith("country = ")]
    assert sum(len(rows.frame) for rows in by_country) == len(audit.frame)
    assert all(len(rows.frame) == len(rows.inclusion) for rows in found)


def test_a_share_of_the_labels_of_a_decided_window_is_never_taught(learned: World) -> None:
    site, window, _, _ = judged(learned)
    later = next(week(number) for number in CHANGED if week(number) > window)
    audit = set(audit_labels(site, (window,)).frame["id"])
    kept = set(kept_labels(site, window).frame["id"])
    taught = set(teaching_labels(site, later).frame["id"])
    assert kept < audit
    assert 0.1 < len(kept) / len(audit) < 0.3
    assert audit - kept <= taught
    assert kept.isdisjoint(taught)


def test_what_is_kept_of_an_earlier_window_is_asked_about_forgetting(learned: World) -> None:
    site, window, request, judgement = judged(learned)
    later = replace(request, window=next(week(number) for number in CHANGED if week(number) > window))
    found = regimes_of(site, later, judgement, site.champion(), audit_labels(site, (window,)))
    (memory,) = [rows for rows in found.asked if rows.name == "labels kept of earlier windows"]
    assert set(memory.frame["id"]) == set(kept_labels(site, window).frame["id"])


def test_windows_that_keep_too_few_labels_each_are_asked_together_and_count_by_their_labels(learned: World) -> None:
    """As at the defaults, where a window keeps about 20 and it takes 30; one was drawn a hundred times as thinly."""
    site, window, request, judgement = judged(learned)
    later, quiet = next(week(number) for number in CHANGED if week(number) > window), week(QUIET[0])
    keys = site.sample(quiet)["id"].head(200)
    asks = tuple(Ask(key, "audit", 0.002 if place % 2 else 0.001, "rest", "") for place, key in enumerate(keys))
    site.ledger.requests.save(replace(request, window=quiet, asks=asks))
    site.ledger.labels.save("payments", quiet, [Label(key, learned.truth[key], 1, 1.0, ("a",)) for key in keys])
    with site.ledger.steps.claim("payments", quiet, "promote") as claim:
        claim.finish(Verdict("keep", ()))
    recent, old = kept_labels(site, window), kept_labels(site, quiet)
    holds = old_answers_hold(site, later, judgement, old.frame, of=quiet)
    settings = (learned.folder / "driftloop.toml").read_text()
    fewest = max(len(recent.frame), int(holds.sum())) + 1
    (learned.folder / "driftloop.toml").write_text(settings.replace("[gate]", f"[gate]\nminimum_labels = {fewest}"))
    found = regimes_of(
        learned.site(), replace(request, window=later), judgement, site.champion(), audit_labels(site, (window,))
    )
    (memory,) = [rows for rows in found.asked if rows.name == "labels kept of earlier windows"]
    assert set(memory.frame["id"]) == {*recent.frame["id"], *old.frame["id"][holds]}
    assert 0 < holds.sum() < len(holds)
    is_old, weights = memory.frame["id"].isin(old.frame["id"]).to_numpy(), 1 / memory.inclusion
    assert np.isclose(weights[is_old].mean(), weights[~is_old].mean())
    assert np.isclose(weights[is_old].max() / weights[is_old].min(), 2)


def test_a_label_that_taught_remembers_nothing_though_the_share_that_is_kept_has_grown(learned: World) -> None:
    site, window, _, _ = judged(learned)
    later = next(week(number) for number in CHANGED if week(number) > window)
    kept, audit = set(kept_labels(site, window).frame["id"]), audit_labels(site, (window,)).frame["id"]
    site.ledger.generations.save(replace(site.champion(), number=9, status="candidate"), taught_by=set(audit) - kept)
    settings = (learned.folder / "driftloop.toml").read_text()
    (learned.folder / "driftloop.toml").write_text(settings.replace("[gate]", "[gate]\nmemory_share = 0.6"))
    assert set(kept_labels(learned.site(), window).frame["id"]) == kept
    assert set(audit) - kept <= set(teaching_labels(learned.site(), later).frame["id"])


def test_what_has_too_few_labels_to_be_asked_is_named(learned: World) -> None:
    settings = (learned.folder / "driftloop.toml").read_text()
    more = '[gate]\ngroups = ["country"]\nminimum_labels = 500'
    (learned.folder / "driftloop.toml").write_text(settings.replace("[gate]", more))
    site, window, request, judgement = judged(learned)
    audit = audit_labels(site, (window,))
    found = regimes_of(site, request, judgement, site.champion(), audit)
    assert [rows.kind for rows in found.asked] == ["must gain", "must not lose"]
    (said,) = found.unasked
    assert said.startswith("Too few labels to ask about a loss, which takes 500: ")
    assert f"country = de ({(audit.frame['country'] == 'de').sum()})" in said


def test_a_holdout_whose_answers_no_longer_hold_is_not_asked_and_the_reasons_say_so(learned: World) -> None:
    """People showed that answers changed, and no slice says where: nothing protects, which must not stop the loop."""
    site, window, request, judgement = judged(learned)
    later = next(week(number) for number in CHANGED if week(number) > window)
    with site.ledger.steps.claim("payments", later, "slice") as claim:
        claim.finish(SliceReport("payments", later, 2, ()))
    audit = audit_labels(site, (window,))
    anywhere = replace(audit, slices=np.full(len(audit.frame), "rest", dtype=object))
    found = regimes_of(site, replace(request, window=later), judgement, site.champion(), anywhere)
    assert [(rows.name, rows.kind) for rows in found.asked] == [("whole window", "must gain")]
    assert found.unasked[0] == "The holdout was not asked: people showed that its answers no longer hold."
    assert found.unasked[1].endswith(": labels kept of earlier windows (0).")


def test_with_balance_the_gate_counts_classes_the_same_and_asks_for_no_mean_prediction(asked: World) -> None:
    settings = (asked.folder / "driftloop.toml").read_text()
    (asked.folder / "driftloop.toml").write_text(settings.replace("[training]", "[training]\nbalance = true"))
    asked.answer()
    site = asked.site()
    learn(site)
    window = settled(site)[0]
    compared = site.ledger.steps.get("payments", window, "compare", Comparison)
    verdict = site.ledger.steps.get("payments", window, "promote", Verdict)
    assert compared is not None
    assert verdict is not None
    assert (compared.biases, compared.unasked[-1]) == ((), BALANCED)
    assert BALANCED in verdict.reasons
    audit = audit_labels(site, (window,))
    rows = audit.slices != "rest"
    frame, inclusion = audit.frame[rows], audit.inclusion[rows]
    weights = 1 / as_counted(site, frame, inclusion)
    yes = (frame["fraud"] == "yes").to_numpy()
    assert np.isclose(weights[yes].sum(), weights[~yes].sum())
    losses = per_row(site.pipeline(site.ledger.generations.get("payments", 1)), frame, site.schema, site.settings.loss)
    gained = next(one for one in compared.regimes if one.kind == "must gain")
    assert np.isclose(gained.champion_loss, np.average(losses, weights=weights))


def test_what_a_champion_has_unlearned_stays_unlearned_and_speaks_about_older_rows_only(learned: World) -> None:
    """The new champion loses nothing more on answers it unlearned, which does not make them true again."""
    site, window, _, judgement = judged(learned)
    later = next(week(number) for number in CHANGED if week(number) > window)
    concept = Estimate(0.0, -1.0, 1.0)
    quiet = replace(judgement, decay=replace(judgement.decay, concept=concept))
    holdout, kept = site.holdout(site.champion()), kept_labels(site, window).frame
    assert 0 < old_answers_hold(site, later, quiet, holdout).sum() < len(holdout)
    assert old_answers_hold(site, later, quiet, kept, of=window).all()
    rollback(site, why="a test")
    assert old_answers_hold(site, later, quiet, holdout).all()


def test_labels_of_an_undecided_window_judge_until_a_later_decision_used_them(learned: World) -> None:
    """Also where people were asked about an earlier champion: what counts is which one it was judged against."""
    site, window, request, _ = judged(learned)
    first, second = (week(CHANGED[-1] + number) for number in (1, 2))
    champion = site.champion().number
    assert request.generation != champion

    def decided(of: Window, outcome: Outcome, pooled: tuple[Window, ...]) -> None:
        site.ledger.requests.save(replace(request, window=of, asks=()))
        compared = Comparison("payments", champion, 9, "brier", (), windows=pooled)
        for step, record in (("compare", compared), ("promote", Verdict(outcome, ()))):
            with site.ledger.steps.claim("payments", of, step) as claim:
                claim.finish(record)

    decided(first, "needs review", (first,))
    assert (settled(site), tuple(undecided(site, champion))) == ((window,), (first,))
    decided(second, "keep", (first, second))
    assert (settled(site), tuple(undecided(site, champion))) == ((window, first, second), ())


@pytest.mark.parametrize("could_promote", [True, False])
def test_labels_of_two_windows_are_pooled_and_what_the_first_look_spent_is_gone(
    asked: World, could_promote: bool
) -> None:
    settings = asked.folder / "driftloop.toml"
    as_it_was = settings.read_text()

    first = asked.request.request.window
    unmet = "tolerance = 0.0" if could_promote else "minimum_labels = 100_000"
    settings.write_text(as_it_was.replace("tolerance = 0.02", unmet))
    asked.answer()
    (learned,) = learn(asked.site())
    assert learned.verdict is not None
    assert learned.verdict.outcome == "needs review"
    second = next(week(number) for number in CHANGED if week(number) > first)
    watch(asked.site(), second)
    settings.write_text(as_it_was)
    asked.answer()
    learn(asked.site())
    site = asked.site()
    compared = site.ledger.steps.get("payments", second, "compare", Comparison)
    assert compared is not None
    earlier = site.ledger.steps.get("payments", first, "compare", Comparison)
    assert earlier is not None
    alpha, n_labels = site.settings.gate.alpha, len(audit_labels(site, (first,)).frame)
    assert earlier.level == (spent_alpha(alpha, n_labels=n_labels) if could_promote else 0.0)
    all_labels = len(audit_labels(site, compared.windows).frame)
    assert all_labels > n_labels
    assert np.isclose(compared.level, spent_alpha(alpha, n_labels=all_labels) - earlier.level)
    assert compared.windows == (first, second)


def test_a_challenger_that_waits_is_promoted_once_a_reviewer_approves_it_in_mlflow(asked: World) -> None:
    settings = asked.folder / "driftloop.toml"
    settings.write_text(settings.read_text().replace("[gate]", '[gate]\napproval = "manual"'))
    asked.answer()
    (learned,) = learn(asked.site())
    assert learned.verdict is not None
    assert learned.challenger is not None
    assert (learned.verdict.outcome, asked.site().champion().number) == ("promote", 1)
    learn(asked.site())
    assert asked.site().champion().number == 1
    waiting = asked.site().ledger.generations.get("payments", learned.challenger)
    asked.registry.annotate(waiting.mlflow_run_id, Note(version_tags={"approved": "fine"}))
    learn(asked.site())
    assert asked.site().champion().number == learned.challenger
    assert asked.site().ledger.promotions.history("payments")[-1].why == "approved in MLflow: fine"


def test_what_was_compared_is_on_the_ledger_with_its_biases(learned: World) -> None:
    site, window, _, _ = judged(learned)
    compared = site.ledger.steps.get("payments", window, "compare", Comparison)
    assert (compared.level, compared.windows) == (
        spent_alpha(0.05, n_labels=len(audit_labels(site, (window,)).frame)),
        (window,),
    )
    (bias,) = compared.biases
    assert bias.name == "yes"
    assert abs(bias.challenger.value) < abs(bias.champion.value)


def test_a_decision_stands_though_what_its_page_would_show_is_gone(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.answer()
    seen: list[int] = []

    def gone(_: object, number: int) -> None:
        seen.append(number)
        raise NotFound("the file does not exist; restore it, or make it again")

    monkeypatch.setattr("flows.promote.publish_review", gone)
    (learned,) = learn(asked.site())
    assert seen == [learned.challenger]
    assert asked.site().ledger.requests.open("payments") == ()
