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
from monitors.parts import OF_MISSING, Part, bounded, parts_of
from monitors.words import value_text
from records.drift import ColumnDrift, DriftReport
from records.errors import BadData
from records.schema import Schema

_P_VALUES = ("chisquare", "ks", "z")


@dataclass(frozen=True, slots=True)
class ColumnScore:
    """Evidently's test of one part of a feature: its name for the `method` (plus " of missing"), and the `score`."""

    part: Part
    method: str
    score: float


def is_p_value(method: str) -> bool:
    """Say whether the method's score is a p-value (drifted if small) rather than a distance (drifted if large).

    >>> is_p_value("ks"), is_p_value("wasserstein"), is_p_value("jensenshannon of missing")
    (True, False, False)
    """
    return method.removesuffix(OF_MISSING) in _P_VALUES


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

    Evidently's choice: above 1 000 reference rows the Wasserstein distance (in reference standard deviations), or the
    Jensen-Shannon distance for categories and for at most five numbers; at or below, p-values of Kolmogorov-Smirnov,
    chi-square or z tests. It looks at the batch too, but a test that changes from window to window has no calibration.
    """
    if wanted is not None and not part.of_missing:
        return wanted
    with _translated(part.column):
        from evidently.legacy.calculations.stattests import get_stattest

        known = part.reference.dropna()
        return str(get_stattest(known, known, _kind(part), None).name) + OF_MISSING * part.of_missing


def score_part(reference: Series, current: Series, part: Part, method: str) -> float:
    """Return Evidently's score of two samples of one part; `nan` where a side has no value."""
    name = method.removesuffix(OF_MISSING)
    with _translated(part.column):
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

        if part.numeric:
            reference, current = reference.dropna(), current.dropna()
        if reference.empty or current.empty:
            return float("nan")
        # Evidently chooses chi-square and z for few numbers, but registers them for categories.
        kind = ColumnType.Categorical if name in ("chisquare", "z") else _kind(part)
        return float(get_stattest(reference, current, kind, name)(reference, current, kind, None).drift_score)


def _kind(part: Part) -> Any:
    from evidently.legacy.core import ColumnType

    return ColumnType.Numerical if part.numeric else ColumnType.Categorical


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
    """Return each column of a report with the very sample its score was made from, the most moved first."""
    parts = {
        (part.column, part.of_missing): part
        for part in parts_of(bounded(reference, schema), bounded(current, schema), schema)
    }
    return [
        (column, parts[column.column, column.method.endswith(OF_MISSING)])
        for column in most_moved_first(report.columns)
    ]


def run_report(shown: list[tuple[ColumnDrift, Part]]) -> Any:
    """Run Evidently on the parts shown, each with its record's method and threshold; the run knows its HTML."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    labels = plain_labels([part.name for _, part in shown])
    sides: dict[str, dict[str, Series]] = {"reference": {}, "current": {}}
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for (column, part), label in zip(shown, labels, strict=True):
        as_number = part.numeric and column.method not in ("chisquare", "z")  # shown for categories only
        kinds[as_number].append(label)
        for side, values in (("reference", part.reference), ("current", part.current)):
            sides[side][label] = values if as_number else _texts(values, part)
    definition = DataDefinition(numerical_columns=kinds[True], categorical_columns=kinds[False])
    data = {side: Dataset.from_pandas(DataFrame(columns), definition) for side, columns in sides.items()}
    records = [column for column, _ in shown]
    preset = DataDriftPreset(
        columns=labels,
        per_column_method=dict(
            zip(labels, (column.method.removesuffix(OF_MISSING) for column in records), strict=True)
        ),
        per_column_threshold=dict(zip(labels, (column.threshold for column in records), strict=True)),
        drift_share=float(f"{0.5 / max(len(shown), 1):.1g}"),  # one drifted column is drift of the whole
    )
    with _translated("the report"):
        return Report([preset], include_tests=False).run(data["current"], data["reference"])


def _texts(values: Series, part: Part) -> Series:
    if part.numeric:
        return values.map(lambda number: f"{number:g}", na_action="ignore")
    return Series(np.array(plain_labels(part.values), dtype=object)[values.to_numpy()], dtype=object)


def plain_labels(texts: Sequence[str]) -> list[str]:
    """Return short labels, all different, that cannot become markup: Evidently writes texts into a script as they are.

    >>> plain_labels(["</script><b>", "a" * 99, "a" * 98])
    ['‹/script›‹b›', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…′']
    """
    labels: dict[str, None] = {}
    for text in texts:
        label = value_text(text).replace("<", "‹").replace(">", "›")
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
