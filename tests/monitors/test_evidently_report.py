import dataclasses
import re
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame, Series

from monitors.baseline import Baseline, prepare
from monitors.drift import measure
from monitors.evidently_report import column_scores, report_parts, run_report, write_report
from monitors.parts import bounded
from records.drift import DriftReport
from records.errors import BadData, StorageFull
from records.schema import Schema
from tests.monitors.rows import START, rows_of, schema_of, window_of

SCHEMA = dataclasses.replace(schema_of(3), units=(("x0", "°F"),))
HOSTILE = "<script>document.title='stolen'</script>"


def moved(n_days: int = 7, per_day: int = 100) -> DataFrame:
    current = rows_of(n_days, seed=1, per_day=per_day, n_numeric=3, start=START)
    current["x0"] += 0.5
    current.loc[::8, "x1"] = np.nan
    current.loc[::9, "carrier"] = HOSTILE
    return current


def report_of(reference: DataFrame, current: DataFrame, schema: Schema = SCHEMA, model: str = "flights") -> DriftReport:
    return measure(baseline_of(reference, current, schema), current, model=model, window=window_of(7), generation=1)


def baseline_of(reference: DataFrame, current: DataFrame, schema: Schema = SCHEMA) -> Baseline:
    return prepare(reference, schema, len(current), length=window_of(7).length)


@pytest.fixture(scope="module")
def snapshot() -> DataFrame:
    return rows_of(56, seed=0, n_numeric=3)


def evidently_says(report: DriftReport, reference: DataFrame, current: DataFrame, schema: Schema) -> dict[str, Any]:
    """Evidently's own numbers behind its page: `{column: (method, score, threshold)}`."""
    run = run_report(report_parts(report, reference, current, schema))
    metrics = [metric for metric in run.dict()["metrics"] if "ValueDrift" in metric["metric_name"]]
    return {
        metric["config"]["column"].removesuffix(" (known or missing)"): (
            metric["config"]["method"], metric["value"], metric["config"]["threshold"],
        )
        for metric in metrics
    }  # fmt: skip


def test_evidently_chooses_its_methods_by_the_size_of_the_snapshot(snapshot: DataFrame) -> None:
    large = column_scores(snapshot, moved(), SCHEMA)
    small = column_scores(snapshot.head(1000), moved(), SCHEMA)
    for scores, names in ((large, ("wasserstein", "jensenshannon")), (small, ("ks", "chisquare"))):
        methods = {(score.part.column, score.part.of_missing): score.method for score in scores}
        assert (methods["x0", False], methods["carrier", False]) == names
    assert [score.method for score in large if score.part.column == "x1"] == ["wasserstein", "jensenshannon of missing"]


def test_a_test_that_is_named_takes_the_place_of_evidentlys_choice(snapshot: DataFrame) -> None:
    scores = column_scores(snapshot, moved(), SCHEMA, tests={"x0": "ks", "x2": "psi", "carrier": "chisquare"})
    methods = {score.part.column: score.method for score in scores if not score.part.of_missing}
    assert methods == {"x0": "ks", "x1": "wasserstein", "x2": "psi", "carrier": "chisquare"}


def test_a_score_is_evidentlys_definition(snapshot: DataFrame) -> None:
    from scipy.stats import ks_2samp, wasserstein_distance

    current = moved()
    before, now = snapshot["x0"], current["x0"]
    score = column_scores(snapshot, current, SCHEMA)[0].score
    assert score == pytest.approx(wasserstein_distance(before, now) / before.std(ddof=0))
    small = column_scores(snapshot.head(1000), current, SCHEMA)[0].score
    assert small == pytest.approx(ks_2samp(before.head(1000), now).pvalue)


def test_scores_come_from_a_bounded_sample_that_does_not_depend_on_the_order_of_rows() -> None:
    reference, current = rows_of(60, seed=0, per_day=300), rows_of(7, seed=1, per_day=2000)
    assert (len(bounded(reference, SCHEMA)), len(bounded(current, SCHEMA))) == (10_000, 10_000)
    shuffled = current.sample(frac=1, random_state=3)
    plain, other = (column_scores(reference, frame, SCHEMA) for frame in (current, shuffled))
    assert [score.score for score in plain] == [score.score for score in other]


@pytest.mark.parametrize("n_days", [56, 9])
def test_the_page_has_the_numbers_and_verdicts_of_the_record(n_days: int, tmp_path: Path) -> None:
    """For distances (a large snapshot) and p-values (a small one), and where a batch is larger than its snapshot."""
    reference, current = rows_of(n_days, seed=0, n_numeric=3), moved(per_day=100 if n_days == 56 else 200)
    report = report_of(reference, current)
    compared = baseline_of(reference, current).comparable(current)
    said = evidently_says(report, reference, compared, SCHEMA)
    for column in report.columns:
        method, score, threshold = said[column.column]
        assert method == column.method.removesuffix(" of missing")
        assert score == pytest.approx(column.score, rel=1e-9)
        assert threshold == column.threshold
    html = write_report(report, reference, compared, SCHEMA, tmp_path / "drift.html").read_text()
    verdicts = re.findall(r'"(Detected|Not Detected)"', html)
    n_drifted = sum(column.drifted for column in report.columns)
    assert n_drifted >= 2
    assert (verdicts.count("Detected"), verdicts.count("Not Detected")) == (n_drifted, len(report.columns) - n_drifted)
    assert f"({n_drifted} out of {len(report.columns)})" in html


def test_the_summary_says_what_the_record_says_and_escapes_it(snapshot: DataFrame, tmp_path: Path) -> None:
    current = moved()
    report = report_of(snapshot, current, model="<b>flights</b>")
    html = write_report(report, snapshot, current, SCHEMA, tmp_path / "new" / "drift.html").read_text()
    head = html[html.index("<section class='dl'>") : html.index("</section>")]
    assert "Drift of &lt;b&gt;flights&lt;/b&gt;, 6 January 2014 to 13 January 2014" in head
    assert "<b>" not in head
    assert "&lt;script&gt;document.title" in head
    assert re.search(r"u2039script\\+u203adocument", html)
    assert "This window is out of the ordinary (p = 0.0083). 3 columns of 4 drifted." in head
    assert "x0 is higher by 0.5" in head
    for column in report.columns:
        assert f"{column.score:.3g}, threshold {column.threshold:.3g}" in head


def test_neither_a_value_nor_a_name_becomes_markup(snapshot: DataFrame, tmp_path: Path) -> None:
    schema = dataclasses.replace(SCHEMA, numeric=(HOSTILE, "x1", "x2"), categorical=("</section>",))
    named = {"x0": HOSTILE, "carrier": "</section>"}
    reference, current = snapshot.rename(columns=named), moved().rename(columns=named)
    report = report_of(reference, current, schema, model=HOSTILE)
    html = write_report(report, reference, current, schema, tmp_path / "drift.html").read_text()
    assert HOSTILE not in html
    assert html.count("</section>") == 1


def test_a_very_long_value_does_not_blow_up_the_page(snapshot: DataFrame, tmp_path: Path) -> None:
    current = moved()
    current.loc[:300, "carrier"], current.loc[301:, "carrier"] = "v" * 10**5, "v" * 10**5 + "w"
    report = report_of(snapshot, current)
    path = write_report(report, snapshot, current, SCHEMA, tmp_path / "drift.html")
    assert path.stat().st_size < 6 * 10**6
    assert evidently_says(report, snapshot, current, SCHEMA)["carrier"][1] == pytest.approx(report.columns[3].score)


def test_the_page_loads_nothing_from_the_network_and_nothing_is_sent(
    snapshot: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*address: object) -> None:
        raise AssertionError(f"a connection was opened to {address}")

    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    current = moved()
    path = write_report(report_of(snapshot, current), snapshot, current, SCHEMA, tmp_path / "drift.html")
    assert "evidently.telemetry" not in sys.modules
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']?http", path.read_text()) == []


def test_a_page_can_be_drawn_for_every_odd_column(snapshot: DataFrame, tmp_path: Path) -> None:
    reference = snapshot.assign(x1=4.0, x2=np.nan)
    current = moved().assign(x0=np.nan, x2=1.0, carrier=None)
    for before in (reference, reference.head(600)):
        report = report_of(before, current.head(150))
        assert write_report(report, before, current.head(150), SCHEMA, tmp_path / "drift.html").stat().st_size > 10**6


def test_no_error_of_evidently_leaks(snapshot: DataFrame) -> None:
    with pytest.raises(BadData, match=r"Evidently cannot test 'x0' \(ValueError: .*look at this column's values"):
        column_scores(snapshot, moved().assign(x0=Series([["list"]] * 700)), SCHEMA)


def test_evidentlys_errors_that_are_no_exceptions_are_translated_too() -> None:
    from evidently.legacy.base_metric import ColumnNotFound

    from monitors.evidently_report import _translated

    assert not issubclass(ColumnNotFound, Exception)
    with pytest.raises(BadData, match="Evidently cannot test 'x0'"), _translated("x0"):
        raise ColumnNotFound("x0")


def test_a_page_that_cannot_be_written_leaves_the_old_one(snapshot: DataFrame, tmp_path: Path) -> None:
    current = moved()
    report = report_of(snapshot, current)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageFull, match="cannot be written"):
        write_report(report, snapshot, current, SCHEMA, tmp_path / "file" / "drift.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
