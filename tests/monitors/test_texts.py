import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame, Series

from monitors.baseline import Baseline, prepare
from monitors.drift import measure
from monitors.evidently_report import report_parts, run_report, write_report
from monitors.slices import find
from monitors.texts import bags, read_text
from records.drift import ColumnDrift, DriftReport
from records.schema import Schema
from tests.monitors.rows import rows_of, window_of

SCHEMA = Schema("id", "at", "late", "classification", ("x0",), ("carrier",), ("no", "yes"), (), ("booked",), ("note",))
WORDS = np.array(["late", "crew", "gate", "wing", "fuel", "rain", "snow", "bag", "seat", "fog", "queue", "bus"])


def with_notes(frame: DataFrame, *, seed: int, refund: float = 0.0, longer: int = 0, booked: float = 30.0) -> DataFrame:
    """Notes of some words of their own, of which a share asks for a refund; booked some days before."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(3, 12, len(frame)) + longer
    notes = [" ".join(generator.choice(WORDS, count)) for count in counts]
    asks = generator.random(len(frame)) < refund
    notes = [f"{note.rpartition(' ')[0]} Refund!" if asked else note for note, asked in zip(notes, asks, strict=True)]
    note = Series(notes, dtype=object).mask(generator.random(len(frame)) < 0.05, None)
    return frame.assign(note=note, booked=generator.exponential(booked, len(frame)))


@pytest.fixture(scope="module")
def snapshot() -> DataFrame:
    return with_notes(rows_of(60, seed=0, n_numeric=1), seed=0, refund=0.02)


@pytest.fixture(scope="module")
def baseline(snapshot: DataFrame) -> Baseline:
    return prepare(snapshot, SCHEMA, 700, length=window_of(7).length)


def batch_of(**changes: float | int) -> DataFrame:
    return with_notes(rows_of(7, seed=1, n_numeric=1), seed=1, **({"refund": 0.02} | changes))  # type: ignore[arg-type]


def report_of(baseline: Baseline, batch: DataFrame) -> DriftReport:
    return measure(baseline, batch, model="flights", window=window_of(7), generation=1)


def column(report: DriftReport, name: str = "note") -> ColumnDrift:
    return next(column for column in report.columns if column.column == name)


def test_texts_as_before_are_no_drift(baseline: Baseline) -> None:
    report = report_of(baseline, batch_of())
    assert report.joint.p_value > 0.05
    assert not column(report).drifted
    assert column(report).sentence.startswith("note is about as long: typically 3")


def test_a_word_that_came_is_drift_and_is_named(baseline: Baseline) -> None:
    report = report_of(baseline, batch_of(refund=0.2))
    assert report.joint.p_value == 1 / 121
    assert report.joint.columns == ("note",)
    assert column(report).drifted
    assert column(report).method == "abs_text_content_drift"
    assert "“refund” in 2.0 % → 21 % of rows" in column(report).sentence
    assert 0.1 < column(report).effect.low < 0.19 < column(report).effect.high


def test_a_new_word_is_drift_and_is_named(baseline: Baseline) -> None:
    batch = batch_of()
    batch["note"] = batch["note"] + np.where(np.arange(len(batch)) % 10 == 0, " volcano", "")
    report = report_of(baseline, batch)
    assert report.joint.p_value == 1 / 121
    assert "new word “volcano” in 9.6 %" in column(report).sentence
    assert 0.05 < column(report).effect.low < 0.096 < column(report).effect.high


def test_longer_texts_are_drift_in_their_own_words(baseline: Baseline) -> None:
    found = column(report_of(baseline, batch_of(longer=3)))
    assert (found.drifted, found.method) == (True, "wasserstein of length")
    assert found.sentence.startswith(
        "note is missing less often (5.3 % → 4.3 %), longer (0.95 snapshot sd): typically 33 → 47"
    )
    assert found.effect.value > 0.5


def test_a_datetime_is_told_in_days(baseline: Baseline) -> None:
    found = column(report_of(baseline, batch_of(booked=60.0)), "booked")
    assert found.drifted
    assert "days" in found.sentence


@pytest.mark.parametrize("n_rows", [1, 5])
def test_a_few_texts_are_measured(baseline: Baseline, n_rows: int) -> None:
    report = report_of(baseline, batch_of(refund=1.0).head(n_rows))
    assert not any(np.isnan(found.score) for found in report.columns if found.column != "note" or n_rows > 1)


@pytest.mark.parametrize("value", [None, "", "of the", "?"])
def test_texts_without_a_word_are_a_result(baseline: Baseline, value: str | None) -> None:
    batch = batch_of()
    batch["note"] = Series([value] * len(batch), dtype=object, index=batch.index)
    found = column(report_of(baseline, batch))
    assert found.drifted
    assert ("no value at all" in found.sentence) == (value is None)


def test_evidently_shows_the_same_numbers_of_texts(
    baseline: Baseline, tmp_path_factory: pytest.TempPathFactory
) -> None:
    batch = batch_of(refund=0.2)
    batch.loc[::50, "note"] = "</script><b>stolen"
    report = report_of(baseline, batch)
    shown = report_parts(report, baseline.sample, baseline.comparable(batch), SCHEMA)
    metrics = [one for one in run_report(shown).dict()["metrics"] if "ValueDrift" in one["metric_name"]]
    scores = {one["config"]["column"]: float(one["value"]) for one in metrics}
    assert scores["note"] == column(report).score
    page = write_report(
        report, baseline.sample, baseline.comparable(batch), SCHEMA, tmp_path_factory.mktemp("page") / "page.html"
    )
    assert "</script><b>" not in page.read_text()


def test_slices_leave_texts_alone(snapshot: DataFrame) -> None:
    only_texts = Schema("id", "at", "late", "classification", (), (), ("no", "yes"), text=("note",))
    assert find(snapshot, batch_of(refund=0.5), only_texts) == ()


def test_missing_texts_have_no_words() -> None:
    assert bags(Series(["late bus", None, ""])).sum(axis=1).tolist() == [[2.0], [0.0], [0.0]]
    assert read_text("note", Series([None, None], dtype=object)).levels == ()


def test_frames_of_texts_and_days_may_be_normalised_twice(snapshot: DataFrame) -> None:
    from monitors.schema import check_frame

    raw = snapshot.assign(booked=snapshot["at"] - pd.to_timedelta(snapshot["booked"], unit="D"))
    once = check_frame(raw, SCHEMA, where="rows")
    assert np.allclose(once["booked"], snapshot["booked"], atol=2 / 86_400)
    pd.testing.assert_frame_equal(check_frame(once, SCHEMA, where="rows"), once)
