"""The door to Evidently: its column tests, and its report page. The only module that imports `evidently`.

Evidently 0.7.23 reports usage from its UI service, command line and collector only (`evidently.telemetry`); nothing
imported here loads that module, so nothing is sent and no environment variable has to be set. Importing Evidently takes
about 20 s of processor time, so it is imported when it is first used.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pandas import DataFrame, Series

from monitors.page import most_moved_first, publish, with_summary
from monitors.parts import FEWEST_TEXTS, Part, bounded, parts_of, some_texts
from monitors.words import value_text
from records.drift import ColumnDrift, DriftReport
from records.errors import BadData
from records.schema import Schema

_P_VALUES = ("chisquare", "ks", "z")
_OF_TEXTS = "abs_text_content_drift"


@dataclass(frozen=True, slots=True)
class ColumnScore:
    """Evidently's test of one part of a feature: its name for the `method` (plus what it is of), and the `score`."""

    part: Part
    method: str
    score: float


def is_p_value(method: str) -> bool:
    """Say whether the method's score is a p-value (drifted if small) rather than a distance (drifted if large).

    >>> is_p_value("ks"), is_p_value("wasserstein"), is_p_value("jensenshannon of missing")
    (True, False, False)
    """
    return _test(method) in _P_VALUES


def is_beyond(method: str, score: float, threshold: float) -> bool:
    """Say whether a score is beyond its threshold in the method's own direction.

    >>> is_beyond("ks", 0.01, 0.05), is_beyond("wasserstein", 0.01, 0.05)
    (True, False)
    """
    return score < threshold if is_p_value(method) else score > threshold


def column_scores(
    reference: DataFrame, current: DataFrame, schema: Schema, *, tests: Mapping[str, str] = MappingProxyType({})
) -> tuple[ColumnScore, ...]:
    """Return the score of every part of every feature, from at most 10 000 rows a side; frames are normalised.

    `tests` names Evidently's test for some features (see `method_of`). Raises `BadData` where Evidently cannot test a
    column.
    """
    parts = parts_of(bounded(reference, schema), bounded(current, schema), schema)
    scores = []
    for part in parts:
        method = method_of(part, tests.get(part.column))
        scores.append(ColumnScore(part, method, score_part(part.reference, part.current, part, method)))
    return tuple(scores)


def method_of(part: Part, wanted: str | None = None) -> str:
    """Return the `wanted` test of a part's values, or the one Evidently would choose for the reference.

    " of missing" or " of length" follows where that is what is tested.

    Evidently's choice: above 1 000 reference rows the Wasserstein distance (in reference standard deviations), or the
    Jensen-Shannon distance for categories and for at most five numbers; at or below, p-values of Kolmogorov-Smirnov,
    chi-square or z tests. For texts it is how well a classifier of words tells the samples apart (the area under the
    ROC curve). It looks at the batch too, but a test that changes from window to window has no calibration.
    """
    if part.kind == "text":
        return _OF_TEXTS  # its default for few rows has the same score, and a threshold that is costly to find
    if wanted is not None and not part.of:
        return wanted
    with _translated(part.column):
        from evidently.legacy.calculations.stattests import get_stattest

        known = part.reference.dropna()
        chosen = str(get_stattest(known, known, _kind(part), None).name)
    return f"{chosen} of {part.of}" if part.of else chosen


def _test(method: str) -> str:
    return method.partition(" of ")[0]


def score_part(reference: Series, current: Series, part: Part, method: str) -> float:
    """Return Evidently's score of two samples of one part; `nan` where a side has no value.

    Of texts, at most 2 000 a side are looked at; `nan` for fewer than 10, or where none has a word that Evidently
    looks at.
    """
    name = _test(method)
    with _translated(part.column):
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

        if part.kind == "text":
            reference, current = some_texts(reference), some_texts(current)
            if min(len(reference), len(current)) < FEWEST_TEXTS:
                return float("nan")
        elif part.kind == "number":
            reference, current = reference.dropna(), current.dropna()
        if reference.empty or current.empty:
            return float("nan")
        # Evidently chooses chi-square and z for few numbers, but registers them for categories.
        kind = ColumnType.Categorical if name in ("chisquare", "z") else _kind(part)
        test = get_stattest(reference, current, kind, name)
        try:
            return float(test(reference, current, kind, None).drift_score)
        except ValueError:
            if part.kind == "text":
                return float("nan")
            raise


def _kind(part: Part) -> Any:
    from evidently.legacy.core import ColumnType

    return {"number": ColumnType.Numerical, "category": ColumnType.Categorical, "text": ColumnType.Text}[part.kind]


def write_report(report: DriftReport, reference: DataFrame, current: DataFrame, schema: Schema, path: Path) -> Path:
    """Write Evidently's page about a batch, under our summary, and return its path.

    `reference` and `current` are the rows the record was made from (`Baseline.sample`, `Baseline.comparable`). Each
    column is tested by the record's own method against the record's own threshold, so Evidently's verdict is the
    record's `drifted`. The page needs no network. Raises `BadData` where
    Evidently cannot draw a column, `StorageFull` when the disk is full; an earlier page is replaced in one step.
    """
    shown = report_parts(report, reference, current, schema)
    with _translated("the report"):
        html = run_report(shown).get_html_str(as_iframe=False)
    return publish(with_summary(html, report), path)


def report_parts(
    report: DriftReport, reference: DataFrame, current: DataFrame, schema: Schema
) -> list[tuple[ColumnDrift, Part]]:
    """Return each column of a report that the schema has, with the sample its score was made from; most moved first."""
    parts: dict[tuple[str, str], Part] = {
        (part.column, part.of): part for part in parts_of(bounded(reference, schema), bounded(current, schema), schema)
    }
    return [
        (column, parts[column.column, column.method.partition(" of ")[2]])
        for column in most_moved_first(report.columns)
        if column.column in schema.features
    ]


def run_report(shown: list[tuple[ColumnDrift, Part]]) -> Any:
    """Run Evidently on the parts shown, each with its record's method and threshold; the run knows its HTML."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    labels = plain_labels([part.name for _, part in shown])
    sides: dict[str, dict[str, Series]] = {"reference": {}, "current": {}}
    kinds: dict[str, list[str]] = {"number": [], "category": [], "text": []}
    for (column, part), label in zip(shown, labels, strict=True):
        counted = part.kind == "number" and _test(column.method) in ("chisquare", "z")  # shown for categories only
        kinds["category" if counted else part.kind].append(label)
        for side, values in (("reference", part.reference), ("current", part.current)):
            sides[side][label] = _shown(values, part, counted=counted)
    definition = DataDefinition(
        numerical_columns=kinds["number"], categorical_columns=kinds["category"], text_columns=kinds["text"]
    )
    data = {side: Dataset.from_pandas(DataFrame(columns), definition) for side, columns in sides.items()}
    records = [column for column, _ in shown]
    preset = DataDriftPreset(
        columns=labels,
        per_column_method=dict(zip(labels, (_test(column.method) for column in records), strict=True)),
        per_column_threshold=dict(zip(labels, (column.threshold for column in records), strict=True)),
        drift_share=float(f"{0.5 / max(len(shown), 1):.1g}"),  # one drifted column is drift of the whole
    )
    with _translated("the report"):
        return Report([preset], include_tests=False).run(data["current"], data["reference"])


def _shown(values: Series, part: Part, *, counted: bool) -> Series:
    if part.kind == "text":
        return some_texts(values).map(plain_text).reset_index(drop=True)
    if part.kind == "category":
        return Series(np.array(plain_labels(part.values), dtype=object)[values.to_numpy()], dtype=object)
    return values.map(lambda value: f"{value:g}", na_action="ignore") if counted else values


def plain_text(text: str) -> str:
    """Return a text that cannot become markup: Evidently writes texts into a script as they are.

    >>> plain_text("</script><b>")
    '‹/script›‹b›'
    """
    return text.replace("<", "‹").replace(">", "›")


def plain_labels(texts: Sequence[str]) -> list[str]:
    """Return short labels, all different, that cannot become markup.

    >>> plain_labels(["</script><b>", "a" * 99, "a" * 98])
    ['‹/script›‹b›', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…′']
    """
    labels: dict[str, None] = {}
    for text in texts:
        label = plain_text(value_text(text))
        while label in labels:
            label += "′"
        labels[label] = None
    return list(labels)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn what Evidently raises into `BadData`; two of its errors are no `Exception`, and escape a plain handler."""
    from evidently.core.report import ReferenceMetricNotFound
    from evidently.legacy.base_metric import ColumnNotFound

    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Evidently divides by the counts of values that are new
            yield
    except (Exception, ColumnNotFound, ReferenceMetricNotFound) as error:
        logging.getLogger(__name__).debug("Evidently failed", exc_info=True)
        raise BadData(
            f"Evidently cannot test {what!r} ({type(error).__name__}: {str(error)[:200]}); look at this column's values"
        ) from error
