"""Where a challenger is judged, and what it never learns from so that it can be."""

from dataclasses import replace

from benchmarks.payments import CHANGED, week
from flows.evidence import audit_labels, kept_labels, settled, teaching_labels
from flows.regimes import regimes_of
from records.comparison import Comparison
from records.decay import Judgement
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


def test_what_was_compared_is_on_the_ledger_with_its_biases(learned: World) -> None:
    site, window, _, _ = judged(learned)
    compared = site.ledger.steps.get("payments", window, "compare", Comparison)
    assert compared.looks == 1
    (bias,) = compared.biases
    assert bias.name == "yes"
    assert abs(bias.challenger.value) < abs(bias.champion.value)
