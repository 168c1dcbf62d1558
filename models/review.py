"""What a comparison and a review add to the runs in MLflow, under names that line up in its comparison of two runs."""

import pandas as pd

from models.engines import engine_notes
from models.entry import Note, Rows
from models.naming import bounded, metric_name
from models.review_words import headline, rival_of
from records.comparison import Comparison, Verdict
from records.review import Measured, Review


def comparison_note(comparison: Comparison, verdict: Verdict) -> Note:
    """Return the note for the challenger's run: gains with their bounds, a page to read, a table to sort."""
    metrics: dict[str, float] = {}
    rows = []
    for regime in comparison.regimes:
        gain = regime.gain
        metrics |= bounded(f"gain.{regime.name}", gain) | {f"gain.{regime.name}.rows": float(regime.n_rows)}
        rows.append(
            {
                "regime": regime.name,
                "rule": regime.kind,
                "rows": regime.n_rows,
                "champion loss": round(regime.champion_loss, 5),
                "challenger loss": round(regime.challenger_loss, 5),
                "gain": round(gain.value, 5),
                "low": round(gain.low, 5),
                "high": round(gain.high, 5),
            }
        )
    table = pd.DataFrame(rows)
    tags = {"decision": verdict.outcome, "champion": str(comparison.champion)}
    return Note(
        metrics, tags, texts={"comparison.md": _page(comparison, verdict, table)}, tables={"comparison.json": table}
    )


def review_note(review: Review, *, page: str, plots: dict[str, bytes], rows: Rows | None) -> Note:
    """Return the note for the run of a generation: its page, its plots, and its measures on the audit `rows`.

    The run and the registered version both begin with what the page begins with.
    """
    generation, figures, judgement = review.generation, review.figures, review.judgement
    metrics: dict[str, float] = {}
    if figures is not None:
        metrics |= _measures(figures.measures, challenger=True)
        for gain in figures.gains:
            metrics |= bounded(f"gain.{gain.name}", gain.gain)
        for one in figures.calibrations:
            if one.generation == generation.number:
                metrics["audit.calibration error"] = one.error
    if judgement is not None:
        for part in ("total", "covariate", "concept"):
            metrics |= bounded(f"decay.{part}", getattr(judgement.decay, part))
    if review.n_asked:
        metrics |= {"labels.asked": float(review.n_asked), "labels.answered": float(review.n_labels)}
    if review.comparison is not None:  # what decided has the last word under its name
        metrics |= comparison_note(review.comparison, review.verdict or Verdict("needs review", ())).metrics
    said = {"status": generation.status} | ({"decision": review.verdict.outcome} if review.verdict else {})
    origin = {"cause": generation.cause or "adopted"} | (
        {"parent": str(generation.parent)} if generation.parent else {}
    )
    lineage = {
        metric_name(link.what.lower()): link.href or link.name
        for link in review.links
        if "MLflow" not in link.what and link.what not in ("snapshot", "registered model")
    }
    if review.n_asked and review.window is not None:
        asked = f"{review.n_labels} labels of {review.n_asked} rows of {review.window.name}"
        lineage["label request"] = asked
    return Note(
        metrics=metrics,
        tags=said | origin | lineage,
        texts={"review.html": page},
        files=plots,
        description=_description(review),
        version_tags=said | origin,
        rows=rows,
        step=generation.number,
    )


def champion_note(review: Review, *, rows: Rows | None) -> Note:
    """Return the note for the champion's run: the same measures on the same rows, so that both runs line up."""
    figures = review.figures
    if figures is None:
        return Note()
    metrics = _measures(figures.measures, challenger=False)
    for one in figures.calibrations:
        if one.generation == figures.champion:
            metrics["audit.calibration error"] = one.error
    against = {"last challenger": str(figures.challenger)}
    return Note(metrics=metrics, tags=against, rows=rows, step=figures.challenger)


def _measures(measures: tuple[Measured, ...], *, challenger: bool) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for one in measures:
        metrics |= bounded(f"{one.rows}.{one.name}", one.challenger if challenger else one.champion)
    return metrics


def _description(review: Review) -> str:
    """What MLflow shows at the top of a run and of a version, in Markdown."""
    head = headline(review)
    parts = [f"**{head.mark}**: {head.sentence}"]
    if review.verdict is not None:
        parts.append("\n".join(f"- {_text(reason)}" for reason in review.verdict.reasons))
    notes = engine_notes(review.generation.fit, review.generation.number, review.rival, rival_of(review))
    parts.extend(_text(note) for note in notes)
    if review.judgement is not None:
        parts.append(_text(review.judgement.decay.sentence))
    parts.append("The whole story is in `review.html` below Artifacts.")
    places = [f"[{link.what}]({link.href})" for link in review.links if link.href and link.href.startswith("http")]
    return "\n\n".join([*parts, *([" · ".join(places)] if places else [])])


def _text(value: str) -> str:
    """A sentence with values from data, for Markdown to show as it is."""
    for sign in ("\\", "<", ">", "[", "]", "`", "*", "_", "|"):
        value = value.replace(sign, f"\\{sign}")
    return value


def _page(comparison: Comparison, verdict: Verdict, table: pd.DataFrame) -> str:
    header = "| " + " | ".join(table.columns) + " |\n|" + " --- |" * len(table.columns)
    body = [
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in table.itertuples(index=False)
    ]
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
    return (
        f"# {comparison.model}: generation {comparison.challenger} against {comparison.champion}\n\n"
        f"**{verdict.outcome}**\n\n{reasons}\n\n"
        f"Gain is the champion's mean {comparison.loss} loss minus the challenger's on the same rows.\n\n"
        + "\n".join([header, *body])
        + "\n"
    )
