"""The review page beside the loop, the shadow, and the decision record walked both ways."""

import csv
import io
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.payments import CHANGED, week
from flows import cli
from flows.champions import in_charge, reigns
from flows.evidence import settled
from flows.explain import explain, explain_row
from flows.learn import learn
from flows.promote import rollback
from flows.review import _labels_csv, folder_of, publish_review, refresh_all
from flows.shadow import challenger_of, predictions_path, score_shadows, shadow
from flows.sheet import sheet
from flows.status import as_json, status
from flows.story import row_story, story_of
from flows.tables import as_tables
from flows.watch import watch
from models.shadow import apart, beside
from records.batch import Batch
from records.comparison import Comparison
from records.errors import NotFound, ServiceDown, StorageFull
from records.promotion import Promotion
from records.review import Figures, Shadow, ShadowScore
from store.wire import decode, encode
from tests.flows.conftest import World
from tests.models.conftest import FLIGHTS


def told(renderable) -> str:
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def page_of(world: World, number: int) -> str:
    return (folder_of(world.site(), number) / "review.html").read_text(encoding="utf-8")


def run_of(world: World, number: int):
    return world.registry.runs[world.site().ledger.generations.get("payments", number).mlflow_run_id]


def test_a_verdict_leaves_a_page_its_plots_and_its_manifest_on_the_run(learned):
    site, run = learned.site(), run_of(learned, 2)
    assert {"review.html", "plots/gains.png", "plots/calibration.png", "training.parquet", "labels.csv"} <= set(
        run.files
    )
    assert any(name.startswith("drift-") for name in run.files)
    assert run.files["review.html"] == page_of(learned, 2)
    for part in ("Generation 2 is in charge", "channel = app", "drifted slices", "user 1", "chosen"):
        assert part in page_of(learned, 2)
    manifest = pd.read_parquet(folder_of(site, 2) / "training.parquet")
    train = pd.read_parquet(site.champion().snapshot.train)
    assert manifest["row_key"].tolist() == train["id"].tolist()
    assert np.array_equal(manifest["weight"], train["weight"])
    labels = pd.read_csv(folder_of(site, 2) / "labels.csv")
    assert set(labels["row_key"]) == set(manifest.loc[manifest["source"] == "label", "row_key"])
    assert set(labels["purpose"]) == {"train"}


def test_no_text_of_the_manifest_is_a_formula_to_a_spreadsheet():
    texts = ("=cmd|' /C calc'!A0", "+a", "-a", "@a", "\t=a", "\ra", "-inf", "a,=b", "-7.5e3", "+7", "plain", "")
    written = sheet([{"answer": text, "inclusion": -0.5} for text in texts])
    lines = list(csv.DictReader(io.StringIO(written, newline="")))
    read = [line["answer"] for line in lines]
    assert read == ["'" + text for text in texts[:7]] + list(texts[7:])
    assert {line["inclusion"] for line in lines} == {"-0.5"}


def test_the_labels_that_people_gave_are_escaped_in_the_manifest(learned):
    site = learned.site()
    taught = [item for item in site.ledger.labels.of("payments") if 2 in item.trained][:2]
    hostile = [replace(item, label=replace(item.label, row_key="=1+1", annotators=("@a", "b"))) for item in taught]
    first = next(csv.DictReader(io.StringIO(_labels_csv(hostile))))
    assert (first["row_key"], first["annotators"]) == ("'=1+1", "'@a, b")


def test_champion_and_challenger_are_measured_on_the_same_audit_rows(learned):
    old, new = run_of(learned, 1), run_of(learned, 2)
    assert old.rows["audit"].digest == new.rows["audit"].digest
    names = {name for name in new.metrics if name.startswith(("audit.", "holdout.g1."))}
    assert {"audit.accuracy", "audit.accuracy.low", "audit.accuracy.high", "holdout.g1.accuracy"} <= names
    assert names <= old.metrics.keys()
    assert new.metrics["audit.accuracy"] > old.metrics["audit.accuracy"]
    comparison = learned.site().ledger.steps.get("payments", settled(learned.site())[0], "compare", Comparison)
    assert new.metrics["gain.drifted slices"] == comparison.regimes[0].gain.value
    assert new.tags["label studio project"].endswith("/projects/1/data")
    assert (new.tags["parent"], new.version_tags["status"], old.version_tags["status"]) == ("1", "champion", "retired")
    assert new.candidates
    assert sum(one.tags["chosen"] == "yes" for one in new.candidates) == 1


def test_pages_follow_a_rollback_and_again_is_no_change(learned):
    assert "Generation 1 was in charge" in page_of(learned, 1)
    rollback(learned.site(), why="complaints & <b>doubts</b>")
    assert "Generation 1 is in charge since" in page_of(learned, 1)
    assert "complaints &amp; &lt;b&gt;doubts&lt;/b&gt;" in page_of(learned, 1)
    assert "driftloop rollback --to 2" in page_of(learned, 2)
    assert [run_of(learned, number).version_tags["status"] for number in (1, 2)] == ["champion", "retired"]
    before = {n: (folder_of(learned.site(), n) / "review.html").stat().st_mtime_ns for n in (1, 2)}
    refresh_all(learned.site())
    assert {n: (folder_of(learned.site(), n) / "review.html").stat().st_mtime_ns for n in (1, 2)} == before


def test_a_page_that_is_written_again_leaves_the_champion_what_it_reached_beside_its_last_challenger(learned):
    site = learned.site()
    (window,) = settled(site)
    figures = site.ledger.steps.get("payments", window, "review", Figures)
    with site.ledger.steps.claim("payments", week(CHANGED[-1]), "review") as claim:
        claim.finish(replace(figures, challenger=3))
    champion, page = run_of(learned, 1), folder_of(site, 2) / "review.html"
    champion.tags["last challenger"] = "3"
    page.unlink()
    publish_review(learned.site(), 2)
    assert page.exists()
    assert champion.tags["last challenger"] == "3"


def test_a_page_that_a_crash_left_out_is_written_by_the_next_run(asked, monkeypatch):
    asked.answer()

    def away(*_: object) -> None:
        raise ServiceDown("MLflow is away")

    with monkeypatch.context() as patch:
        patch.setattr("flows.promote.publish_review", away)
        with pytest.raises(ServiceDown):
            learn(asked.site())
    assert asked.site().ledger.requests.open("payments")
    learn(asked.site())
    assert "Generation 2" in page_of(asked, 2)
    assert asked.site().ledger.requests.open("payments") == ()


def test_a_full_disk_leaves_the_old_plot_and_is_one_sentence(learned):
    """The plot's half-written file is on a device that is always full."""
    folder = folder_of(learned.site(), 2)
    (folder / "review.html").unlink()
    (folder / "plots" / "gains.png").write_bytes(b"the old one")
    (folder / "plots" / f".gains.png.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match=r"the disk is full, so '.*gains\.png' was not written; free some space"):
        publish_review(learned.site(), 2)
    assert (folder / "plots" / "gains.png").read_bytes() == b"the old one"
    assert not (folder / "review.html").exists()
    assert publish_review(learned.site(), 2).exists()
    assert (folder / "plots" / "gains.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_can_be_written_again_from_the_ledger_alone(learned):
    page = publish_review(learned.site(), 2)  # its links lead into this folder now
    before = page.read_text()
    page.unlink()
    for plot in (page.parent / "plots").iterdir():
        plot.unlink()
    assert publish_review(learned.site(), 2) == page
    assert page.read_text() == before


@pytest.fixture
def shaded(learned: World) -> World:
    """Generation 1 is in charge again, and generation 2 is a challenger that was kept out."""
    rollback(learned.site(), why="a test")
    learned.site().ledger.generations.set_status("payments", 2, "rejected")
    return learned


def later_windows(world: World):
    (served,) = settled(world.site())
    return [week(number) for number in CHANGED if week(number) > served]


def test_a_challenger_that_was_kept_out_predicts_later_windows_without_being_used(shaded):
    window = later_windows(shaded)[0]
    watch(shaded.site(), window)
    site = shaded.site()
    found = site.ledger.steps.get("payments", window, "shadow", Shadow)
    assert (found.champion, found.challenger) == (1, 2)
    said = pd.read_parquet(predictions_path(site, window))
    assert said["row_key"].tolist() == site.sample(window)["id"].tolist()
    champion = site.registry.load(site.champion())
    assert said["champion"].tolist() == champion.predict(site.sample(window)[list(site.schema.features)]).tolist()
    assert found.share_different == (said["champion"] != said["challenger"]).mean() > 0
    assert np.allclose(said["champion p(no)"] + said["champion p(yes)"], 1)
    before = predictions_path(site, window).stat().st_mtime_ns
    watch(shaded.site(), window)
    assert predictions_path(site, window).stat().st_mtime_ns == before


def test_a_shadow_is_scored_once_production_knows_the_answers(shaded):
    window = later_windows(shaded)[0]
    watch(shaded.site(), window)
    learn(shaded.site())
    assert status(shaded.site()).shadows[0].score is None
    table = pd.read_parquet(shaded.folder / "production.parquet")
    table.assign(fraud=table["id"].map(shaded.truth)).to_parquet(shaded.folder / "production.parquet")
    assert score_shadows(shaded.site()) == 1
    assert score_shadows(shaded.site()) == 0
    refresh_all(shaded.site())
    score = shaded.site().ledger.steps.get("payments", window, "shadow score", ShadowScore)
    assert score.source == "production table"
    assert score.n_rows > 500
    assert score.gain.low > 0  # it learned what changed, and its champion did not
    (item,) = json.loads(json.dumps(as_json(status(shaded.site())), allow_nan=False))["shadows"]
    assert item["gain"]["low"] == score.gain.low
    assert "in the shadow: generation 2 differs from 1" in told(as_tables(status(shaded.site())))
    assert f"{score.n_rows} rows" in page_of(shaded, 2)


def test_a_shadow_never_stops_the_watch(shaded, caplog):
    (shaded.settings.folder / "shadow").write_text("a file where a folder should be")
    watched = watch(shaded.site(), later_windows(shaded)[0])
    assert watched.request is not None
    assert "was left out" in caplog.text
    assert status(shaded.site()).shadows == ()


def test_without_a_challenger_or_when_it_is_not_wanted_there_is_no_shadow(learned, shaded, monkeypatch):
    site = shaded.site()
    batch = site.ledger.steps.history("payments", "ingest", Batch)[-1]
    monkeypatch.setenv("DRIFTLOOP_GATE__SHADOW", "false")
    assert shadow(shaded.site(), batch) is None
    site.ledger.generations.set_status("payments", 2, "retired")
    assert challenger_of(site, site.champion()) is None


@given(st.integers(0, 30), st.integers(0, 2**16))
def test_a_model_in_its_own_shadow_never_differs(n, seed):
    from tests.models.conftest import flights

    class Coin:
        classes_ = np.array(["yes", "no"])

        def predict_proba(self, frame):
            chances = np.random.default_rng(seed).uniform(size=len(frame))
            return np.column_stack([chances, 1 - chances])

    said = beside(Coin(), Coin(), flights(n, seed=1), FLIGHTS)
    share, distance = apart(said, FLIGHTS)
    assert (share, distance) == (0, 0) if n else share != share


def test_a_story_goes_on_to_what_followed(learned):
    first, second = story_of(learned.site(), 1), story_of(learned.site(), 2)
    (window,) = settled(learned.site())
    assert [(item.window, item.n_rows, item.outcome) for item in first.asked] == [(window, 400, "promote")]
    (taught,) = first.taught
    assert taught.generation == 2
    assert 150 < taught.n_labels <= 160
    assert [(item.window, item.challenger) for item in first.met] == [(window, 2)]
    assert (first.children, first.descendants, second.descendants) == ((2,), (2,), ())
    assert first.reigns[0].end == second.reigns[0].start
    assert second.reigns[0].end is None
    assert decode(type(second), encode(second)) == second
    text = told(explain(learned.site(), 1))
    for part in (f"asked about: window {window.name}", "taught generation 2", "descended from it: generation 2"):
        assert part in text
    assert "generation 2 was champion from" in told(explain(learned.site(), 2))


def test_a_row_tells_why_it_was_drawn_who_answered_and_what_became_of_it(learned):
    site = learned.site()
    (window,) = settled(site)
    asks = site.ledger.requests.get("payments", window).asks
    for purpose, taught, judged in (("train", (2,), ()), ("audit", (), (2,))):
        ask = next(one for one in asks if one.purpose == purpose)
        row = row_story(site, ask.row_key)
        assert (row.window, row.ask, row.generation) == (window, ask, 1)
        assert row.label is not None
        assert row.label.answer == learned.truth[ask.row_key]
        assert (row.taught, row.judged) == (taught, judged)
        text = told(explain_row(site, ask.row_key))
        assert "by user 1" in text
        assert ("taught generation 2" if taught else "judged generation 2") in text
    with pytest.raises(NotFound, match="nobody was ever asked about row 'w0-1'"):
        row_story(site, "w0-1")


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 1000)), min_size=1, max_size=8), st.integers(0, 9000))
def test_at_every_moment_after_the_first_exactly_one_generation_was_champion(moves, minutes):
    start = datetime(2024, 1, 1, tzinfo=UTC)
    moments = np.cumsum([gap for _, gap in moves]).tolist()
    history = [
        Promotion(number, "m", generation, None, "w", None, "confirmed", start, start + timedelta(minutes=moment))
        for number, ((generation, _), moment) in enumerate(zip(moves, moments, strict=True))
    ]
    stretches, moment = reigns(history), start + timedelta(minutes=minutes)
    holding = [one for one in stretches if one.start <= moment and (one.end is None or moment < one.end)]
    if minutes < moments[0]:
        with pytest.raises(NotFound, match="nobody was champion"):
            in_charge(stretches, moment)
    else:
        assert [in_charge(stretches, moment)] == holding


def test_the_commands_tell_stories_in_words_and_as_json(learned, monkeypatch):
    monkeypatch.setattr("flows.site.Site", lambda _settings: learned.site())
    config = ["--config", str(learned.folder / "driftloop.toml")]

    def run(*words: str):
        return CliRunner().invoke(cli.app, [*words, *config], catch_exceptions=False).output

    story = json.loads(run("explain", "2", "--json"))
    assert (story["generation"]["number"], story["cause"]["verdict"]["outcome"]) == (2, "promote")
    key = row_key_of(learned)
    assert json.loads(run("explain", "--label", key, "--json"))["row_key"] == key
    assert key in run("explain", "--label", key)
    assert [reign["generation"] for reign in json.loads(run("champion", "--json"))] == [1, 2]
    assert "generation 2 was champion" in run("champion")
    assert "generation 2" in run("champion", "--on", "2999-01-01")
    with pytest.raises(NotFound, match="nobody was champion on 2000-01-01"):
        run("champion", "--on", "2000-01-01")
    assert json.loads(run("review", "2", "--json"))["page"].endswith("gen-002/review.html")


def row_key_of(world: World) -> str:
    (window,) = settled(world.site())
    request = world.site().ledger.requests.get("payments", window)
    assert request is not None
    return request.asks[0].row_key


def test_a_generation_without_kept_candidates_still_has_a_page(learned):
    (folder_of(learned.site(), 2) / "candidates.json").unlink()
    (folder_of(learned.site(), 2) / "review.html").unlink()
    publish_review(learned.site(), 2)
    assert "What it was chosen from" not in page_of(learned, 2)
