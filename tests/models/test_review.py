"""The review page: what it says, that it says it everywhere, and that nothing in it runs or leaves the machine."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.naming import fit_metrics, metric_name
from models.reliability import binned
from models.review import champion_note, review_note
from models.review_page import Axis, axis_of, render
from models.review_plots import plots
from models.review_words import headline, interval
from models.told import APART
from monitors.page import STYLE
from records.drift import Estimate
from records.generation import FitRecord
from records.review import Review
from tests.models.examples import review

CHROMIUM = Path("/usr/bin/chromium")
EVIL = "<script>document.title='ran'</script>{{ 7*7 }}{% raw %}<img src=x onerror=alert(1)>$\\frac{1}{2}$'\"&"


def page_of(one: Review) -> str:
    return render(one, style=STYLE, state="0123")


@pytest.mark.parametrize(
    ("outcome", "status", "mark", "command"),
    [
        ("promote", "champion", "champion", "driftloop rollback"),
        ("promote", "candidate", "promote?", "driftloop promote 2"),
        ("needs review", "candidate", "needs review", "driftloop promote 2"),
        ("keep", "rejected", "kept out", "driftloop promote 2"),
        ("promote", "retired", "retired", "driftloop rollback --to 2"),
        ("keep", "champion", "champion", ""),
    ],
)
def test_the_page_begins_with_what_is_and_what_can_be_done(outcome, status, mark, command):
    one = review(outcome=outcome, status=status)
    head = headline(one)
    assert head.mark == mark
    assert head.command.startswith(command)
    page = page_of(one)
    verdict = page[page.index('id="verdict"') : page.index("</section>")]
    assert mark in verdict
    assert "the gain in brier loss is 0.05" in verdict
    assert page.index('id="verdict"') < page.index("<h2")


def test_every_candidate_with_a_share_of_the_average_is_marked_with_it():
    rows = re.findall(r'<tr class="(chosen|)"><td>(\w+).*?data-l="share:">([\d.]+)<', page_of(review()), re.DOTALL)
    assert rows == [("chosen", "random_forest", "0.75"), ("chosen", "linear", "0.25"), ("", "boosting", "0.00")]


def test_chosen_candidates_are_shown_and_the_others_are_folded_away_the_best_first():
    one = review()
    again = (
        one.candidates[2],
        replace(one.candidates[2], params=(("cross-validated loss", "0.18500"), ("share", "0.00"))),
    )
    page = page_of(replace(one, candidates=(*again, *one.candidates[1::-1])))
    table = page[page.index('id="candidates"') : page.index('id="shadow"')]
    shown, folded = table.split("<details><summary>2 more that were tried, the best on labels first</summary>")
    assert re.findall(r"cv:\">([\d.]+)<", shown) == ["0.17000", "0.18000"]
    assert re.findall(r"cv:\">([\d.]+)<", folded) == ["0.18500", "0.19000"]


def test_candidates_of_an_adopted_generation_have_their_holdout_loss_and_the_one_of_its_name_is_marked():
    one = review()
    fits = tuple(FitRecord(kind, "snapshot", (), (), 0.2, "brier", 0.211) for kind in ("linear", "random_forest"))
    page = page_of(replace(one, candidates=fits, generation=replace(one.generation, fit=fits[0])))
    assert page.count("holdout loss") == 1
    assert page.count("0.211") == 2
    assert [name for name in ("linear", "random_forest") if f'<tr class="chosen"><td>{name}' in page] == ["linear"]
    assert "share" not in page[page.index('id="candidates"') : page.index('id="shadow"')]


def test_a_candidate_that_an_older_driftloop_kept_shows_its_loss_under_the_right_name():
    old = FitRecord("linear", "all data", (("share", "1.00"),), (), 0.2, "brier", 0.155)
    assert fit_metrics(old) == {"old rows.brier": 0.155, "fit seconds": 0.2}
    assert '<td class="r" data-l="old rows:">0.155</td>' in page_of(replace(review(), candidates=(old,)))


def test_engines_that_differ_or_do_not_agree_are_told_beside_what_is_compared():
    one = review()
    assert one.rival is not None
    apart = ((APART, "Both engines are apart on <b>."),)
    cases = [
        (replace(one.rival, engines=one.generation.fit.engines), (), 0),
        (one.rival, (), 1),
        (one.rival, apart, 2),
    ]
    for rival, params, n_notes in cases:
        generation = replace(one.generation, fit=replace(one.generation.fit, params=params))
        told = replace(one, generation=generation, rival=rival)
        said = review_note(told, page="", plots={}, rows=None).description
        for text in (page_of(told), said):
            assert text.count("Generation 1 was fitted by an engine that is not recorded") == min(n_notes, 1)
            assert text.count("Both engines are apart on") == max(n_notes - 1, 0)
        assert "<b>" not in page_of(told)[page_of(told).index('id="gains"') : page_of(told).index('id="calibration"')]


def test_a_generation_that_no_label_taught_was_chosen_by_them():
    assert "taught by the labels of 3 June 2013" in page_of(review())
    assert "chosen by the labels of 3 June 2013" in page_of(replace(review(), n_taught=0))


def test_a_verdict_that_needs_labels_says_about_how_many():
    assert "About 120 more labels" in page_of(review(outcome="needs review", status="candidate"))


def test_a_person_who_overruled_the_verdict_is_told():
    assert "A person decided so; the verdict was: keep." in page_of(review(outcome="keep", status="champion"))


def test_every_part_of_the_record_is_on_the_page():
    page = page_of(review())
    for part in (
        "+0.050 (+0.020 to +0.080)", "must not lose", "✓ above -0.005", "0.710 (0.660 to 0.760)", "holdout.g1",
        "predicted chance of carrier", "The loss rose by 0.05", "B6 12 % → 42 %", "×3.0 (2.4 to 3.8)",
        "95 % of 20", "cross-validated loss", "0.17000", "loss on old rows", "0.143", "run of carrier", "In the shadow",
        "396 of 400",
    ):  # fmt: skip
        assert part in page, part


@pytest.mark.parametrize(
    ("kind", "gain", "mark"),
    [
        ("must gain", Estimate(0.05, 0.01, 0.09), "✓ above 0"),
        ("must gain", Estimate(0.05, -0.01, 0.11), "? not clear against 0"),
        ("must gain", Estimate(-0.05, -0.09, -0.01), "✗ below 0"),
        ("must gain", Estimate(*[float("nan")] * 3), "? too few rows"),
        ("must not lose", Estimate(-0.001, -0.006, 0.004), "? not clear against -0.005"),
        ("must not clearly lose", Estimate(-0.001, -0.006, 0.004), "✓ not clearly below -0.005"),
        ("must not clearly lose", Estimate(-0.02, -0.03, -0.01), "✗ below -0.005"),
    ],
)
def test_each_row_that_decides_says_whether_it_passed(kind, gain, mark):
    one = review()
    assert one.comparison is not None
    regimes = (replace(one.comparison.regimes[0], kind=kind, gain=gain),)
    page = page_of(replace(one, comparison=replace(one.comparison, regimes=regimes), figures=None))
    assert page.count(mark) == 1
    assert "too few rows" in page_of(replace(one, minimum_labels=400, figures=None))


def test_an_adopted_generation_has_a_page_too():
    one = replace(
        review(), window=None, report=None, alarm=None, slices=(), judgement=None, comparison=None, verdict=None,
        figures=None, shadows=(), shadow_scores=(), candidates=(), n_asked=0,
    )  # fmt: skip
    page = page_of(one)
    assert "Generation 2 is in charge" in page
    assert "What drifted" not in page
    assert plots(one) == {}


def test_a_link_that_is_no_web_address_nor_file_is_text():
    page = page_of(review())
    assert 'href="http://127.0.0.1:5000' in page
    assert "javascript:" not in page


def test_what_data_say_is_escaped():
    page = page_of(review(EVIL))
    assert "<script" not in page
    assert "<img" not in page
    assert "{{ 7*7 }}" in page


def test_plots_are_pictures_whatever_the_names_are():
    drawn = plots(review(EVIL))
    assert drawn.keys() == {"plots/gains.png", "plots/calibration.png", "plots/decay.png"}
    assert all(content.startswith(b"\x89PNG") for content in drawn.values())


def test_the_same_review_is_the_same_page():
    assert page_of(review()) == page_of(review())


def test_both_runs_have_the_same_measures_under_the_same_names():
    one = review()
    challenger = review_note(one, page="", plots={}, rows=None).metrics
    champion = champion_note(one, rows=None).metrics
    assert champion.keys() <= challenger.keys()
    assert {"audit.accuracy", "audit.accuracy.low", "audit.accuracy.high", "holdout.g1.accuracy"} <= champion.keys()
    assert (champion["audit.accuracy"], challenger["audit.accuracy"]) == (0.71, 0.78)
    assert challenger["gain.carrier.low"] == 0.02
    assert challenger["decay.concept"] == 0.04


def test_tags_have_names_that_mlflow_takes():
    tags = review_note(review(), page="", plots={}, rows=None).tags
    assert all(metric_name(name) == name for name in tags)
    assert tags["label studio project"] == "http://127.0.0.1:8080/projects/1"
    assert "snapshot" not in tags  # it is there already, as its digest alone


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0.5, 20)), max_size=80))
def test_calibration_bins_hold_all_rows_once_and_intervals_hold_what_was_observed(rows):
    predicted, observed, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True)) if rows else (
        np.empty(0), np.empty(0), np.empty(0))  # fmt: skip
    bins = binned(predicted, observed, weights, shares=True)
    assert sum(one.share for one in bins) == pytest.approx(1.0 if rows else 0.0)
    assert all(0 <= one.observed.low <= one.observed.value <= one.observed.high <= 1 for one in bins)
    assert [one.predicted for one in bins] == sorted(one.predicted for one in bins)
    if rows:
        mean = sum(one.share * one.observed.value for one in bins)
        assert mean == pytest.approx(np.average(observed, weights=weights))


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.lists(st.builds(Estimate, numbers, numbers, numbers), max_size=6), numbers)
def test_whatever_is_drawn_lies_on_its_axis(estimates, value):
    axis = axis_of(estimates)
    assert axis.low < 0 < axis.high
    if value == value:
        assert 0 <= float(axis.at(value).removesuffix("%")) <= 100
    assert all(isinstance(interval(one, signed=True), str) for one in estimates)
    assert Axis(axis.low, axis.high).at(axis.low) == "0.0%"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.services
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (768, "light"), (390, "dark")])
def test_nothing_runs_nothing_is_fetched_and_nothing_sticks_out_in_a_real_browser(browser, tmp_path, width, scheme):
    file = tmp_path / "review.html"
    file.write_text(page_of(review(EVIL)), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert page.title() == "flights: generation 2, champion"
    assert asked == [file.as_uri()]
    assert said == []
    assert page.evaluate("document.scripts.length") == 0
    verdict = page.locator("#verdict")
    assert verdict.is_visible()
    assert verdict.bounding_box()["y"] < 300
    assert "{{ 7*7 }}" in verdict.inner_text()
    for heading in ("Champion against challenger", "What drifted", "Who labelled", "What it was chosen from"):
        assert page.get_by_role("heading", name=heading).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.parametrize(("level", "said"), [(0.0123, "errs with 1 %"), (0.0, None)])
def test_the_page_says_what_a_look_that_could_promote_may_err_with(level: float, said: str | None) -> None:
    one = review()
    assert one.comparison is not None
    page = page_of(replace(one, comparison=replace(one.comparison, level=level)))
    assert "The rows in bold decide" in page
    assert (said in page) if said else ("errs with" not in page)
