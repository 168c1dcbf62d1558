"""What `watch` says about every row of a window, beside the snapshot."""

import pandas as pd
from typer.testing import CliRunner

from benchmarks.payments import QUIET, START, week
from flows import cli
from flows.artifacts import watched_page
from flows.watch import watch
from records.batch import Batch
from tests.flows.conftest import World


def change(world: World, **columns) -> None:
    """Write the production table again with some columns changed, each by a function of the frame."""
    path = world.folder / "production.parquet"
    frame = pd.read_parquet(path)
    path.unlink()
    frame.assign(**columns).to_parquet(path)


def test_a_quiet_window_has_no_striking_fact_and_says_how_many_rows_are_ordinary(adopted):
    compared = watch(adopted.site(), week(QUIET[0])).batch.compared
    assert compared.striking == ()
    assert "the snapshot has 700 per window" in compared.facts[0].sentence


def test_new_and_vanished_values_are_facts_in_the_ledger_on_the_page_and_in_the_terminal(adopted, monkeypatch):
    change(adopted, country=lambda frame: frame["country"].replace("it", "<es>"), age=float("nan"))
    watched = watch(adopted.site(), week(QUIET[0]))
    n_rows = watched.batch.facts.n_rows
    told = {fact.kind: fact.sentence for fact in watched.batch.compared.striking}
    assert f"age is missing in {n_rows} rows (100 %)" in told["missing"]
    assert "country has a value the snapshot never had" in told["unseen"]
    assert "country has no row with it (33 % of the snapshot)" in told["vanished"]
    stored = adopted.site().ledger.steps.get("payments", week(QUIET[0]), "ingest", Batch)
    assert [fact.sentence for fact in stored.compared.striking] == list(told.values())
    page = watched_page(watched)
    assert f"## Facts on all {n_rows} rows\n\n* **age is missing" in page
    assert r"\<es\>" in page
    assert "<es>" not in page

    monkeypatch.setattr("flows.site.Site", lambda _settings: adopted.site())
    shown = CliRunner().invoke(
        cli.app, ["watch", "-c", str(adopted.folder / "driftloop.toml"), "--at", f"{week(QUIET[0]).end:%Y-%m-%d}"]
    )
    assert f"* age is missing in {n_rows} rows (100 %)" in shown.stdout


def test_a_number_that_became_whole_is_a_fact_and_not_an_error(adopted):
    assert watch(adopted.site(), week(QUIET[0])).batch.compared.striking == ()
    change(adopted, age=lambda frame: frame["age"].round().astype("int64"))
    (fact,) = watch(adopted.site(), week(QUIET[1])).batch.compared.striking
    assert fact.sentence == f"age has the type int64; in window {week(QUIET[0]).name} it was float64"


def test_a_window_of_one_row_is_watched_to_the_end(adopted):
    change(adopted, at=lambda frame: [START + QUIET[0] * pd.Timedelta("7D")] + [START] * (len(frame) - 1))
    watched = watch(adopted.site(), week(QUIET[0]))
    assert (watched.batch.facts.n_rows, watched.batch.n_sampled) == (1, 1)
    assert [fact.kind for fact in watched.batch.compared.striking] == ["rows"]
    assert not watched.alarm.raised


def test_as_many_categories_as_rows_are_a_fact(adopted):
    change(adopted, country=lambda frame: [f"c{number}" for number in range(len(frame))])
    watched = watch(adopted.site(), week(QUIET[0]))
    n_rows = watched.batch.facts.n_rows
    told = {fact.kind: fact.sentence for fact in watched.batch.compared.striking}
    assert told["unseen"].startswith(f"country has {n_rows} values the snapshot never had in {n_rows} rows (100 %): ")
