"""Our summary above Evidently's page, and the writing of the page in one step."""

import errno
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from html import escape
from pathlib import Path

from monitors.words import listed
from records.drift import ColumnDrift, DriftReport
from records.errors import StorageFull

STYLE = """
.dl{--ink:#1f2933;--quiet:#5b6875;--accent:#2f6fad;--calm:#f2f6fa;--alarm:#c0392b;--alarming:#fdf3f1;--rule:#d5dce3;
--line:#e6ebf0;--track:#edf1f5;--bar:#8fa7bf}
.dl{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);max-width:1180px;margin:0 auto;
padding:28px 24px 8px}
.dl h1{font-size:24px;line-height:1.25;margin:0 0 4px}
.dl p{margin:4px 0}.dl .quiet{color:var(--quiet)}
.dl .lead{font-size:17px;margin:14px 0 18px;padding:12px 16px;border-left:4px solid var(--accent);
background:var(--calm)}
.dl .lead.moved{border-color:var(--alarm);background:var(--alarming)}
.dl table{border-collapse:collapse;width:100%;margin:12px 0 6px;font-size:14px}
.dl th{text-align:left;font-weight:600;color:var(--quiet);border-bottom:2px solid var(--rule);padding:6px 10px 6px 0}
.dl td{border-bottom:1px solid var(--line);padding:7px 10px 7px 0;vertical-align:top;overflow-wrap:anywhere}
.dl td.n{white-space:nowrap;font-variant-numeric:tabular-nums}
.dl .bar{position:relative;width:150px;height:10px;background:var(--track);border-radius:2px;margin-top:6px}
.dl .bar i{position:absolute;top:0;height:10px;background:var(--bar);border-radius:2px}
.dl .moved .bar i{background:var(--alarm)}
.dl .bar b{position:absolute;top:-2px;width:1px;height:14px;background:var(--quiet)}
.dl summary{cursor:pointer;margin:14px 0 4px;color:var(--accent)}
"""
"""The look of every page of ours, in light; a page with a dark side sets the variables once more."""
_HEAD = (
    "<thead><tr><th style='width:13%'>column</th><th style='min-width:240px'>what changed</th>"
    "<th style='width:185px'>effect (95 % interval)</th><th style='width:85px'>adjusted p</th>"
    "<th style='width:215px'>Evidently's score</th></tr></thead>"
)


def with_summary(html: str, report: DriftReport) -> str:
    """Return the page `html` with a title and a summary of `report` at the top; every text is escaped."""
    html = html.replace("<head>", f"<head><title>{escape(_title(report))}</title>", 1)
    place = html.find("<body")
    place = html.find(">", place) + 1 if place >= 0 else 0
    return html[:place] + summary(report) + html[place:]


def summary(report: DriftReport) -> str:
    """Return a report as a piece of HTML that needs no script and no network."""
    unusual = report.joint.p_value <= 0.05
    columns = most_moved_first(report.columns)
    widest = max((_reach(column) for column in (*columns, *report.outputs)), default=1.0)
    moved = "".join(_row(column, widest) for column in columns if column.drifted)
    still = "".join(_row(column, widest) for column in columns if not column.drifted)
    n_still = sum(not column.drifted for column in columns)
    outputs = "".join(_row(column, widest) for column in report.outputs)
    notes = "".join(f"<p class='quiet'>{escape(note)}</p>" for note in report.notes)
    return (
        f"<style>{STYLE}</style><section class='dl'><h1>{escape(_title(report))}</h1>"
        f"<p class='quiet'>{report.n_current:,} rows against the {report.n_reference:,} of generation"
        f" {report.generation}'s snapshot; {report.n_chunks} batches drawn from it say what is ordinary.</p>"
        f"<p class='lead{' moved' * unusual}'>{escape(_lead(report, unusual=unusual))}</p>"
        + (f"<table>{_HEAD}<tbody>{moved}</tbody></table>" if moved else "")
        + (
            f"<details{' open' * (not moved)}><summary>{_columns(n_still)} within what is ordinary</summary>"
            f"<table>{_HEAD}<tbody>{still}</tbody></table></details>"
            if still
            else ""
        )
        + (
            f"<p>What the model says of these rows:</p><table>{_HEAD}<tbody>{outputs}</tbody></table>"
            if outputs
            else ""
        )
        + "<p class='quiet'>Effect: for a number, the shift of its mean in snapshot standard deviations; for a category"
        " or for gaps, the share of rows that moved; for a text, the larger of the shift of its length and the change"
        " of the share of rows with a word. A column drifted if its score is beyond the threshold: only one batch in"
        " twenty like the snapshot's has any such column. Evidently's charts below use the same scores and"
        " thresholds; its “dataset drift” means that some column drifted, whereas the p-value above also"
        f" covers how columns go together.</p>{notes}</section>"
    )


def _lead(report: DriftReport, *, unusual: bool) -> str:
    joint = report.joint
    n_drifted = sum(column.drifted for column in report.columns)
    words = (
        f"This window is {'out of the ordinary' if unusual else 'within what is ordinary'} (p = {joint.p_value:.2g})."
    )
    words += f" {_columns(n_drifted)} of {len(report.columns)} drifted." if n_drifted else " No column drifted."
    if unusual and not math.isnan(joint.effect):
        words += f" Most telling: {listed(joint.columns)} go together in another way (distance {joint.effect:.2f})."
    elif unusual:
        how = "each by itself" if joint.family == "one column" else "many small shifts together"
        words += f" Most telling: {', '.join(joint.columns)} ({how})."
    return words


def publish(content: str | bytes, path: Path) -> Path:
    """Write a page, or a plot of one, so that all of it is there or what was there before; may raise `StorageFull`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"the disk is full, so {str(path)!r} was not written; free some space") from error
        raise StorageFull(f"{str(path)!r} cannot be written ({error.strerror}); choose another folder") from error
    return path


def _row(column: ColumnDrift, widest: float) -> str:
    effect = column.effect
    if math.isnan(effect.value):
        size, bar = "no value to compare", ""
    else:
        size = f"{_two(effect.value)} ({_two(effect.low)} to {_two(effect.high)})"
        middle, half = 75.0, 75.0 / widest
        left, width = middle + min(effect.value, 0.0) * half, abs(effect.value) * half
        bar = f"<div class='bar'><i style='left:{left:.1f}px;width:{width:.1f}px'></i><b style='left:75px'></b></div>"
    is_p = column.method in ("ks", "chisquare", "z")
    score = f"{'p ' * is_p}{column.score:.3g}, threshold {column.threshold:.3g}"
    return (
        f"<tr class='{'moved' if column.drifted else 'still'}'><td><strong>{escape(column.column)}</strong></td>"
        f"<td>{escape(column.sentence)}</td><td class='n'>{size}{bar}</td><td class='n'>{column.adjusted_p:.2g}</td>"
        f"<td class='n'>{escape(column.method)}<br>{score}</td></tr>"
    )


def _two(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def _reach(column: ColumnDrift) -> float:
    return 0.5 if math.isnan(column.effect.value) else max(0.5, abs(column.effect.value))


def most_moved_first(columns: Iterable[ColumnDrift]) -> list[ColumnDrift]:
    """Return the columns that drifted, then the others, each by falling size of the effect."""
    return sorted(columns, key=lambda column: (not column.drifted, -_size(column), column.column))


def _size(column: ColumnDrift) -> float:
    return 0.0 if math.isnan(column.effect.value) else abs(column.effect.value)


def _columns(n: int) -> str:
    return "1 column" if n == 1 else f"{n} columns"


def _title(report: DriftReport) -> str:
    return f"Drift of {report.model}, {_days(report)}"


def _days(report: DriftReport) -> str:
    start, end = report.window.start, report.window.end
    pattern = "%-d %B %Y" if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0) else "%-d %B %Y %H:%M"
    return f"{start.strftime(pattern)} to {end.strftime(pattern)}"
