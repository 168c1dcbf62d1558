"""Where a challenger is judged, and what it never learns from so that it can be."""

from dataclasses import replace

import pytest

from benchmarks.payments import CHANGED, week
from flows.evidence import audit_labels, kept_labels, old_answers_hold, settled, teaching_labels, undecided
from flows.learn import learn
from flows.promote import rollback
from flows.regimes import regimes_of
from models.entry import Note
from records.comparison import Comparison, Outcome, Verdict
from records.decay import Judgement
from records.drift import Estimate
from records.errors import NotFound
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
    found = regimes_of(site, request, judgement, site.champion(), audit)
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
    (memory,) = [rows for rows in found if rows.name == f"labels kept of {window.name}"]
    assert set(memory.frame["id"]) == set(kept_labels(site, window).frame["id"])


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
    site, window, request, _ = judged(learned)
    first, second = (week(CHANGED[-1] + number) for number in (1, 2))

    def decided(of: Window, outcome: Outcome, pooled: tuple[Window, ...]) -> None:
        site.ledger.requests.save(replace(request, window=of, asks=()))
        compared = Comparison("payments", request.generation, 9, "brier", (), looks=len(pooled), windows=pooled)
        for step, record in (("compare", compared), ("promote", Verdict(outcome, ()))):
            with site.ledger.steps.claim("payments", of, step) as claim:
                claim.finish(record)

    decided(first, "needs review", (first,))
    assert (settled(site), undecided(site, request.generation)) == ((window,), (first,))
    decided(second, "keep", (first, second))
    assert (settled(site), undecided(site, request.generation)) == ((window, first, second), ())


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
    assert (compared.looks, compared.windows) == (1, (window,))
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
