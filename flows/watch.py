"""The first half of the loop: ingest a window, monitor it, find its slices, ask people about some of its rows."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from flows.ask import ask
from flows.baseline import baseline_of
from flows.links import drift_page
from flows.outputs import measure_outputs
from flows.reference import reference_rows, training_times
from flows.shadow import shadow
from flows.site import Site
from models.entry import Note
from monitors.alarm import carried
from monitors.alarm import decide as judge_evidence
from monitors.drift import measure
from monitors.evidently_report import write_report
from monitors.facts import compare_facts, without_values
from monitors.familiar import familiar
from monitors.schema import check_frame
from monitors.slices import find
from records.address import public
from records.batch import Batch
from records.drift import Alarm, DriftReport
from records.errors import BadData, EmptyWindow
from records.label import LabelRequest
from records.slice import SliceReport
from records.window import Window
from store.snapshots import write_frame

R = TypeVar("R")
Run = Callable[..., Any]


def by_hand(step: Callable[..., R], *arguments: Any) -> R:
    """Run a step as a plain function call; the deployed flows run it as a Prefect task instead."""
    return step(*arguments)


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything `watch` found out about one window."""

    batch: Batch
    report: DriftReport
    alarm: Alarm
    slices: SliceReport
    request: LabelRequest


def watch(site: Site, window: Window, *, run: Run = by_hand) -> Watched:
    """Watch one window; doing it again returns what the ledger holds and changes nothing."""
    batch = run(ingest, site, window)
    report = run(monitor, site, batch)
    alarm = run(decide, site, batch, report)
    found = run(find_slices, site, batch, alarm)
    request = run(ask, site, batch, alarm, found)
    run(shadow, site, batch)
    return Watched(batch, report, alarm, found, request)


def ingest(site: Site, window: Window) -> Batch:
    """Take the exact facts of a window, beside those of what the champion is known to handle, and a bounded sample."""
    return site.once(window, "ingest", Batch, lambda: _ingest(site, window))


def is_over(site: Site, window: Window) -> bool:
    """Return whether a window has ended, and the time that its rows are given to arrive."""
    return window.end + timedelta(hours=site.settings.windows.delay_hours) <= site.now()


def _ingest(site: Site, window: Window) -> Batch:
    if not is_over(site, window):
        raise EmptyWindow(
            f"window {window.name} ends on {window.end:%Y-%m-%d %H:%M %Z}, in the future; choose an earlier one"
        )
    where = (
        f"table {site.settings.table.name or public(site.settings.table.url).rpartition('/')[2]}, window {window.name}"
    )
    reference, _ = reference_rows(site, site.champion())
    known = familiar(reference, site.schema)
    facts = site.table.facts(window, known)
    if facts.n_duplicate_keys:
        raise BadData(
            f"{where}: {facts.n_duplicate_keys} rows repeat a key of column {site.schema.row_key!r};"
            " make the key unique and run again"
        )
    compared = compare_facts(
        facts,
        known,
        reference,
        site.schema,
        times=training_times(site),
        window=window,
        before=_before(site, window),
        seed=seed_of(site, window),
    )
    sample = site.table.sample(window, site.settings.alarms.sample_rows, among=facts.n_rows)
    frame = check_frame(sample, site.schema, where=where)
    path = write_frame(frame, site.settings.folder / "batches" / site.model / f"{window.name}.parquet")
    return Batch(site.model, window, without_values(facts, site.schema.pii), path, len(frame), compared)


def _before(site: Site, window: Window) -> Batch | None:
    """The last window before this one that was ingested."""
    steps = site.ledger.steps
    earlier = [one for one in steps.windows(site.model, "ingest") if one < window]
    return steps.get(site.model, earlier[-1], "ingest", Batch) if earlier else None


def monitor(site: Site, batch: Batch) -> DriftReport:
    """Measure how the batch differs from what the champion is known to handle."""
    return site.once(batch.window, "monitor", DriftReport, lambda: _monitor(site, batch))


def _monitor(site: Site, batch: Batch) -> DriftReport:
    champion = site.champion()
    baseline, settled = baseline_of(site, champion, batch)
    current = site.sample(batch.window)
    report = measure(
        baseline,
        current,
        model=site.model,
        window=batch.window,
        generation=champion.number,
        seed=seed_of(site, batch.window),
    )
    compared = f"Compared with the snapshot of generation {champion.number}"
    known = f" and {len(settled)} settled window{'s' * (len(settled) != 1)}" if settled else ""
    outputs = measure_outputs(site, champion, batch, current)
    return replace(report, notes=(f"{compared}{known}.", *report.notes), outputs=outputs)


def decide(site: Site, batch: Batch, report: DriftReport) -> Alarm:
    """Decide whether the report is an alarm; an alarming batch keeps its report as a page."""
    return site.once(report.window, "alarm", Alarm, lambda: _decide(site, batch, report))


def _decide(site: Site, batch: Batch, report: DriftReport) -> Alarm:
    earlier = [
        alarm
        for alarm in site.ledger.steps.history(site.model, "alarm", Alarm)
        if alarm.generation == report.generation and alarm.window < report.window
    ]
    alarm = judge_evidence(
        report,
        previous_evidence=carried(earlier[-1] if earlier else None),
        windows_per_year=timedelta(days=365.25) / batch.window.length,
        false_alarms_per_year=site.settings.alarms.false_alarms_per_year,
        minimum_effect=site.settings.alarms.minimum_effect,
    )
    if alarm.raised:
        champion = site.champion()
        path = drift_page(site, batch.window)
        baseline, _ = baseline_of(site, site.ledger.generations.get(site.model, report.generation), batch)
        write_report(report, baseline.sample, baseline.comparable(site.sample(batch.window)), site.schema.shown, path)
        site.registry.annotate(champion.mlflow_run_id, Note(artifacts=(path,)))
    return alarm


def find_slices(site: Site, batch: Batch, alarm: Alarm) -> SliceReport:
    """Find the slices that carry an alarm; without an alarm there is nothing to look for."""
    return site.once(batch.window, "slice", SliceReport, lambda: _find_slices(site, batch, alarm))


def _find_slices(site: Site, batch: Batch, alarm: Alarm) -> SliceReport:
    if not alarm.raised:
        return SliceReport(site.model, batch.window, alarm.generation)
    reference, _ = reference_rows(site, site.champion())
    found = find(reference, site.sample(batch.window), site.schema.shown, seed=seed_of(site, batch.window))
    return SliceReport(site.model, batch.window, alarm.generation, found)


def seed_of(site: Site, window: Window) -> int:
    """A seed that is the same every time this window of this model is looked at."""
    text = f"{site.settings.training.seed} {site.model} {window.name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
