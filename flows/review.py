"""The review page of each generation: gathered from the ledger, kept in the site's folder and on the MLflow run."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from flows.champions import reigns
from flows.evidence import audit_labels
from flows.figures import figures_of
from flows.links import drift_page, lineage
from flows.sheet import sheet
from flows.site import Site
from models.entry import Rows
from models.review import champion_note, review_note
from models.review_page import render
from models.review_plots import plots
from monitors.page import STYLE, publish
from records.comparison import Comparison, Verdict
from records.decay import Judgement
from records.drift import Alarm, DriftReport
from records.errors import DriftloopError
from records.generation import FitRecord, Generation
from records.label import StoredLabel
from records.review import Figures, Review, Shadow, ShadowScore
from records.slice import SliceReport
from records.window import Window
from store.snapshots import digest, read, write_frame
from store.wire import decode, encode

_STATE = 'name="driftloop-state" content="{}"'


def publish_review(site: Site, number: int, *, labels: Sequence[StoredLabel] | None = None) -> Path:
    """Write the review page of a generation where it is not up to date; return where it is. Again is no change.

    The page in the site's folder is written last, so what a crash leaves out is made good the next time. `labels` are
    all of the model's, for a caller that has them. Raises `NotFound` for a generation that does not exist, and
    `StorageFull`.
    """
    labels = site.ledger.labels.of(site.model) if labels is None else labels
    generation = site.ledger.generations.get(site.model, number)
    window = cause_of(site, generation)
    if window is not None and (comparison := site.ledger.steps.get(site.model, window, "compare", Comparison)):
        figures_of(site, window, generation, comparison)
    review = gather(site, generation, window, labels)
    state = hashlib.sha256(f"{STYLE}{encode(review)}".encode()).hexdigest()[:16]
    path = folder_of(site, number) / "review.html"
    if path.exists() and _STATE.format(state) in path.read_text(encoding="utf-8"):
        return path
    page, first = render(review, style=STYLE, state=state), not path.exists()
    drawn = plots(review) if first else {}  # what they show never changes, unlike who is in charge
    rows = _audited(site, review.figures) if review.figures else None
    note = review_note(review, page=page, plots=drawn, rows=rows)
    files = _files(site, review, labels) if first else ()
    site.registry.annotate(generation.mlflow_run_id, replace(note, artifacts=files))
    if review.figures is not None and number == _last_challenger(site, review.figures.champion):
        champion = site.ledger.generations.get(site.model, review.figures.champion)
        site.registry.annotate(champion.mlflow_run_id, champion_note(review, rows=rows))
    for name, content in drawn.items():
        publish(content, path.parent / name)
    return publish(page, path)


def refresh(site: Site, numbers: Iterable[int]) -> None:
    """Bring the pages of generations whose status changed up to date, as far as the services let us.

    What happened is on the ledger already and must not fail for its page; the next `learn` tries again.
    """
    with suppress(DriftloopError, OSError):
        labels = site.ledger.labels.of(site.model)
        for number in numbers:
            with suppress(DriftloopError, OSError):
                publish_review(site, number, labels=labels)


def refresh_all(site: Site) -> None:
    """Bring every generation's page up to date; those that are cost a look at the ledger each."""
    refresh(site, (generation.number for generation in site.ledger.generations.all(site.model)))


def gather(site: Site, generation: Generation, window: Window | None, labels: Sequence[StoredLabel]) -> Review:
    """Return what the ledger knows about a generation, given all the model's labels; it measures nothing."""
    ledger, model, number = site.ledger, site.model, generation.number
    champion = ledger.generations.champion(model)
    stretches = tuple(one for one in reigns(ledger.promotions.history(model)) if one.generation == number)
    review = Review(
        generation=generation,
        champion=champion.number if champion else None,
        candidates=candidates_of(site, number),
        reigns=stretches,
        links=(),
        shadows=tuple(one for one in ledger.steps.history(model, "shadow", Shadow) if one.challenger == number),
        shadow_scores=tuple(
            one for one in ledger.steps.history(model, "shadow score", ShadowScore) if one.challenger == number
        ),
        margin=site.settings.gate.margin,
        tolerance=site.settings.gate.tolerance,
        minimum_labels=site.settings.gate.minimum_labels,
        n_taught=sum(number in item.trained for item in labels),
    )
    if window is None:
        return replace(review, links=lineage(site, generation, None, None))
    comparison = ledger.steps.get(model, window, "compare", Comparison)
    rival = comparison.champion if comparison else generation.parent
    alarm = ledger.steps.get(model, window, "alarm", Alarm)
    found = ledger.steps.get(model, window, "slice", SliceReport)
    request = ledger.requests.get(model, window)
    given = [item for item in labels if item.window == window and item.ask.purpose != "gold"]
    return replace(
        review,
        links=lineage(site, generation, window, alarm),
        window=window,
        report=ledger.steps.get(model, window, "monitor", DriftReport),
        alarm=alarm,
        slices=found.slices if found else (),
        n_asked=sum(ask.purpose != "gold" for ask in request.asks) if request else 0,
        n_labels=len(given),
        n_audit=sum(item.ask.purpose == "audit" for item in given),
        judgement=ledger.steps.get(model, window, "judge", Judgement),
        comparison=comparison,
        verdict=ledger.steps.get(model, window, "promote", Verdict),
        figures=ledger.steps.get(model, window, "review", Figures),
        rival=ledger.generations.get(model, rival).fit if rival else None,
    )


def cause_of(site: Site, generation: Generation) -> Window | None:
    """The window whose labels taught a generation; None for an adopted one."""
    return next((one for one in site.ledger.steps.windows(site.model) if one.name == generation.cause), None)


def folder_of(site: Site, number: int) -> Path:
    """Where the review of a generation and what belongs to it are kept."""
    return site.settings.folder / "reviews" / site.model / f"gen-{number:03d}"


def keep_candidates(site: Site, number: int, candidates: tuple[FitRecord, ...]) -> None:
    """Keep what a generation was chosen from, for its page."""
    publish(encode(candidates), folder_of(site, number) / "candidates.json")


def candidates_of(site: Site, number: int) -> tuple[FitRecord, ...]:
    """What a generation was chosen from; empty where that was not kept."""
    path = folder_of(site, number) / "candidates.json"
    return decode(tuple[FitRecord, ...], path.read_text(encoding="utf-8")) if path.exists() else ()


def _last_challenger(site: Site, champion: int) -> int:
    """The last generation that a champion was measured beside: its run shows what both reached there."""
    history = site.ledger.steps.history(site.model, "review", Figures)
    return max(one.challenger for one in history if one.champion == champion)


def _audited(site: Site, figures: Figures) -> Rows:
    """The audit labels as MLflow lists them: their content's hash, the first of them, and where the samples are."""
    audit = audit_labels(site, figures.windows)
    return Rows("audit", digest(audit.frame), audit.frame.head(100), str(site.settings.folder / "batches" / site.model))


def _files(site: Site, review: Review, labels: Sequence[StoredLabel]) -> tuple[Path, ...]:
    """What stands beside the page: the manifest, and Evidently's report if the window alarmed."""
    files = _manifest(site, review.generation, labels)
    if review.window is not None and (report := drift_page(site, review.window)).exists():
        files.append(report)
    return tuple(files)


def _manifest(site: Site, generation: Generation, given: Sequence[StoredLabel]) -> list[Path]:
    """What taught a generation: every row's key and weight, and the labels among them with who gave them."""
    home, key = folder_of(site, generation.number), site.schema.row_key
    rows, labels = home / "training.parquet", home / "labels.csv"
    taught = [item for item in given if generation.number in item.trained]
    if not rows.exists():
        train, _ = read(generation.snapshot)
        weight = train["weight"] if "weight" in train.columns else 1.0
        labelled = {item.label.row_key for item in taught}
        source = ["label" if one in labelled else "snapshot" for one in train[key]]
        write_frame(pd.DataFrame({"row_key": train[key], "weight": weight, "source": source}), rows)
    if not taught:
        return [rows]
    publish(_labels_csv(taught), labels)
    return [rows, labels]


def _labels_csv(taught: list[StoredLabel]) -> str:
    rows = [
        {
            "row_key": item.label.row_key,
            "window": item.window.name,
            "purpose": item.ask.purpose,
            "slice": item.ask.slice,
            "inclusion": item.ask.inclusion,
            "answer": item.label.answer,
            "agreement": item.label.agreement,
            "annotators": ", ".join(item.label.annotators),
        }
        for item in taught
    ]
    return sheet(rows)
