"""What a flow run shows in the Prefect UI: pages made of plain records, and the door that keeps them."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows import people
from flows.crowd import crowd
from flows.learn import Learned
from flows.links import generation_link, report_link, review_link, tasks_link
from flows.markdown import bar, table, text
from flows.progress_bar import artifact_key
from flows.site import Site
from flows.tables import estimate_text, plain_text, ratio_text
from flows.watch import Watched
from records.address import without_secrets
from records.batch import Batch
from records.drift import DriftReport
from records.generation import Generation
from records.slice import Slice

_log = logging.getLogger(__name__)


def show(publish: Callable[..., None], *arguments: Any) -> None:
    """Publish a page in Prefect; what it shows is on the ledger, so a server that does not take it fails no run."""
    try:
        publish(*arguments)
    except httpx.HTTPError as error:
        why = without_secrets(" ".join(str(error).split()) or type(error).__name__)
        _log.warning("Prefect did not take a page (%s); what it would show is on the ledger.", why)


def watched_page(watched: Watched) -> str:
    """The Monday-morning page of one window: what moved, where, and whom we asked."""
    report, alarm = watched.report, watched.alarm
    head = "ALARM" if alarm.raised else "Quiet"
    parts = [
        f"# {head}: {text(report.model)}",
        f"Window {watched.batch.window.name}. {text(alarm.reason)}",
        "## People",
        text(watched.request.reason),
    ]
    if drifted := [column for column in report.columns if column.drifted]:
        drifted.sort(key=lambda column: -abs(column.effect.value))
        parts += ["## Columns that drifted", "\n".join(f"* {text(column.sentence)}" for column in drifted)]
    if watched.slices.slices:
        parts += ["## Slices", _slice_table(watched.slices.slices, "share before", "share now")]
    parts += _facts(watched.batch)
    if report.outputs:
        said = [f"* {text(one.sentence)}{' (drifted)' if one.drifted else ''}" for one in report.outputs]
        parts += ["## What the model says of them", "\n".join(said)]
    rows = drift_rows(report)
    parts += ["## Every column", table(tuple(rows[0]), [tuple(row.values()) for row in rows])] if rows else []
    parts += ["## Notes", "\n".join(f"* {text(note)}" for note in report.notes)]
    return "\n\n".join(parts)


def drift_rows(report: DriftReport) -> list[dict[str, str]]:
    """The drift of every column, those that moved most first, for people; the names are as the table has them."""
    moved = sorted(report.columns, key=lambda column: (column.adjusted_p, -abs(column.effect.value)))
    return [
        {
            "column": one.column,
            "drifted": "yes" if one.drifted else "",
            "effect": _signed(one.effect.value),
            "size": bar(abs(one.effect.value), width=20),
            "adjusted p": f"{one.adjusted_p:.3f}",
        }
        for one in moved
    ]


def learned_page(model: str, learned: Learned) -> str:
    """What one label request led to: decay with intervals, and the verdict with its reasons."""
    progress = learned.progress
    parts = [
        f"# {_headline(learned)}: {text(model)}",
        f"Window {progress.window.name}: {progress.n_answered} of {progress.n_asked} rows answered,"
        f" {progress.n_resolved} looked at.",
        *([text(progress.fetched.sentence)] if progress.fetched else []),
    ]
    if learned.judgement is None:
        return "\n\n".join([*parts, "People are still at work; nothing is decided yet."])
    decay = learned.judgement.decay
    parts += [
        f"## Decay: {learned.judgement.finding}",
        text(decay.sentence),
        *([f"**{text(learned.judgement.advice.sentence)}**"] if learned.judgement.advice else []),
        table(
            ("part", f"{decay.loss} loss change (95 %)"),
            [(part, estimate_text(getattr(decay, part))) for part in ("total", "covariate", "concept")],
        ),
    ]
    if decay.slices:
        inside = [
            (estimate_text(item.concept), str(item.n_labels), f"{item.share:.1%}", item.slice) for item in decay.slices
        ]
        parts += [
            "## Slices: did the answers change?",
            table(("loss change of like rows (95 %)", "labels", "share of rows", "slice"), inside),
        ]
    if found := learned.judgement.metrics:
        rows = [(one.name, f"{one.before:.3f}", plain_text(one.now)) for one in found]
        parts += ["## The model in other measures", table(("measure", "holdout", "now (95 %)"), rows)]
    if learned.n_more:
        parts.append(f"{learned.n_more} more rows are asked.")
    if harmful := learned.judgement.harmful:
        parts += ["## Where the loss is higher", _slice_table(harmful, "share of rows", "share of loss")]
    if learned.verdict is not None:
        challenger = f" on generation {learned.challenger}" if learned.challenger else ""
        parts += [f"## Verdict{challenger}: {learned.verdict.outcome}"]
        parts += ["\n".join(f"* {text(reason)}" for reason in learned.verdict.reasons)]
    return "\n\n".join(parts)


def publish_watched(site: Site, watched: Watched) -> None:
    """Keep the page of a watched window in Prefect and its drift as a table, with links to go on from an alarm."""
    key, window = artifact_key(site, "watch"), watched.batch.window
    page = watched_page(watched)
    if watched.alarm.raised:
        report = report_link(site, watched.alarm)
        champion = site.ledger.generations.get(site.model, watched.alarm.generation)
        page += _go_on(
            ("Evidently's report", report),
            ("the tasks in Label Studio", tasks_link(site, window)),
            (_generation(champion), generation_link(site, champion)),
        )
        name = f"Evidently's report of {window.name}"
        create_link_artifact(report, link_text=name, key=f"{key}-report", description=window.name)
    create_markdown_artifact(page, key=key, description=f"{site.model} {window.name}")
    rows = [{name: text(cell) for name, cell in row.items()} for row in drift_rows(watched.report)]  # Prefect reads it
    create_table_artifact(rows, key=f"{key}-drift", description=f"{site.model} {window.name}")


def publish_learned(site: Site, learned: Learned) -> None:
    """Keep the page of a label request in Prefect, with links to go on."""
    key, window = artifact_key(site, "learn"), learned.progress.window
    page = learned_page(site.model, learned)
    request = site.ledger.requests.get(site.model, window)
    if request is not None:
        page += f"\n\n{people.page(crowd(site, request))}"
    places: list[tuple[str, str | None]] = [("the tasks in Label Studio", tasks_link(site, window))]
    if learned.challenger is not None:
        challenger = site.ledger.generations.get(site.model, learned.challenger)
        places = [
            (f"the review of generation {challenger.number}", review_link(site, challenger)),
            (_generation(challenger), generation_link(site, challenger)),
            *places,
        ]
    create_markdown_artifact(page + _go_on(*places), key=key, description=window.name)


def _headline(learned: Learned) -> str:
    if learned.verdict is not None:
        return learned.verdict.outcome.capitalize()
    return "More rows are asked" if learned.n_more else "Waiting for people"


def _signed(value: float) -> str:
    return f"{value:+.2f}" if round(value, 2) else "0.00"


def _go_on(*places: tuple[str, str | None]) -> str:
    """Where to go on, of the places that have an address."""
    return f"\n\nGo on to {', '.join(f'[{name}]({link})' for name, link in places if link)}."


def _generation(generation: Generation) -> str:
    beside = f" beside generation {generation.parent}" if generation.parent else ""
    return f"generation {generation.number}{beside} in MLflow"


def _slice_table(slices: Sequence[Slice], first: str, second: str) -> str:
    """What may be long comes last, because Prefect does not wrap the cells of a table."""
    rows = [
        (
            f"{slice_.share_reference:.1%}",
            f"{slice_.share_current:.1%}",
            ratio_text(slice_.ratio),
            slice_.name,
            ", ".join(slice_.examples),
        )
        for slice_ in slices
    ]
    return table((first, second, "ratio (95 %)", "slice", "such as"), rows)


def _facts(batch: Batch) -> list[str]:
    """What every row says, striking facts in bold, and what was not looked at."""
    told = [
        f"* **{text(fact.sentence)}**" if fact.striking else f"* {text(fact.sentence)}" for fact in batch.compared.facts
    ]
    notes = [f"* {text(note)}" for note in batch.compared.notes]
    return [f"## Facts on all {batch.facts.n_rows:,} rows", "\n".join([*told, *notes])]
