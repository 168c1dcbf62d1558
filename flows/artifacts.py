"""What a flow run shows in the Prefect UI: pages made of plain records, and the door that keeps them."""

from collections.abc import Sequence

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from flows import people
from flows.crowd import crowd
from flows.learn import Learned
from flows.links import report_link, review_link
from flows.markdown import bar, table, text
from flows.site import Site
from flows.tables import estimate_text, plain_text, ratio_text
from flows.watch import Watched
from records.batch import Batch
from records.drift import ColumnDrift
from records.slice import Slice


def watched_page(watched: Watched) -> str:
    """The Monday-morning page of one window: what moved, where, and whom we asked."""
    report, alarm = watched.report, watched.alarm
    head = "ALARM" if alarm.raised else "Quiet"
    parts = [
        f"# {head}: {text(report.model)}, {watched.batch.window.name}",
        text(alarm.reason),
        f"Evidence {alarm.evidence:.1f} of {alarm.limit:.0f}; joint test p = {report.joint.p_value:.3f}.",
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
    moved = sorted(report.columns, key=lambda column: (column.adjusted_p, -abs(column.effect.value)))
    columns = [_column_cells(column) for column in moved]
    parts += ["## Every column", table(("column", "drifted", "effect", "size", "adjusted p"), columns)]
    parts += ["## Notes", "\n".join(f"* {text(note)}" for note in report.notes)]
    return "\n\n".join(parts)


def learned_page(model: str, learned: Learned) -> str:
    """What one label request led to: decay with intervals, and the verdict with its reasons."""
    progress = learned.progress
    parts = [
        f"# {text(model)}, {progress.window.name}",
        f"{progress.n_answered} of {progress.n_asked} rows answered, {progress.n_resolved} looked at.",
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
    """Keep the page of a watched window in Prefect, with a link to the drift report of an alarm."""
    key, name = f"{site.model}-watch".lower().replace("_", "-"), watched.batch.window.name
    page = watched_page(watched)
    if watched.alarm.raised:
        link = report_link(site, watched.alarm)
        page += f"\n\n{_links(site, link)}"
        create_link_artifact(link, link_text=f"Evidently's report of {name}", key=f"{key}-report", description=name)
    create_markdown_artifact(page, key=key, description=f"{site.model} {name}")


def publish_learned(site: Site, learned: Learned) -> None:
    """Keep the page of a label request in Prefect."""
    key = f"{site.model}-learn".lower().replace("_", "-")
    page = learned_page(site.model, learned)
    request = site.ledger.requests.get(site.model, learned.progress.window)
    if request is not None:
        page += f"\n\n{people.page(crowd(site, request))}"
    if learned.challenger is not None:
        link = review_link(site, site.ledger.generations.get(site.model, learned.challenger))
        page += f"\n\nGo on to [the review of generation {learned.challenger}]({link})." if link else ""
    create_markdown_artifact(page, key=key, description=learned.progress.window.name)


def _links(site: Site, report: str) -> str:
    """Where to go on."""
    services = site.settings.services
    places = [f"[Evidently's report]({report})", f"[the tasks in Label Studio]({services.label_studio}/projects)"]
    if services.mlflow.startswith("http"):
        generations = f"{services.mlflow}/#/models/{site.model}?workflowType=machine_learning"
        places.append(f"[the generations in MLflow]({generations})")
    return f"Go on to {', '.join(places)}."


def _column_cells(column: ColumnDrift) -> tuple[str, ...]:
    drifted = "yes" if column.drifted else ""
    effect = column.effect.value
    return column.column, drifted, f"{effect:+.2f}", bar(abs(effect)), f"{column.adjusted_p:.3f}"


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
