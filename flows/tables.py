"""The state of a monitored model as tables for the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flows.status import ShadowStatus, Spent, Status, WindowStatus
from records.drift import Estimate

_MOST_SHADOWS = 3
_VERDICT_STYLE = {"promote": "bold green", "keep": "cyan", "needs review": "yellow"}


def as_tables(state: Status) -> RenderableType:
    """Two tables: every window, then every generation."""
    windows = Table(title=f"{state.model}: windows", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("window", "alarm", "top slice", "labels", "decay", "gen.", "verdict"):
        right = name in ("labels", "gen.")
        windows.add_column(name, justify="right" if right else "left", min_width=14 if name == "top slice" else None)
    for window in state.windows:
        windows.add_row(*_window_cells(window))
    generations = Table(
        title=f"{state.model}: generations", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("gen.", "status", "version", "taught by", "why"):
        generations.add_column(name, justify="right" if name in ("gen.", "version") else "left", overflow="fold")
    for item in state.generations:
        why = item.verdict.reasons[0] if item.verdict else "adopted" if item.cause is None else ""
        style = "bold" if item.status == "champion" else ""
        generations.add_row(str(item.number), Text(item.status, style), item.version, item.cause or "", Text(why))
    shadows = [Text(shadow_text(item)) for item in state.shadows[-_MOST_SHADOWS:]]
    return Group(windows, Text(spent_text(state.spent)), Text(), generations, *shadows)


def shadow_text(item: ShadowStatus) -> str:
    """Say how much a challenger in the shadow differs on a window, and how it did once answers are known.

    >>> from datetime import UTC, datetime
    >>> from records.review import Shadow
    >>> from records.window import Window
    >>> week = Window(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC))
    >>> shadow_text(ShadowStatus(Shadow("m", week, 1, 2, 1200, 0.25, 0.1), None))
    '2024-03-04, in the shadow: generation 2 differs from 1 on 25.0 % of 1,200 rows; answers are not known yet'
    """
    one, score = item.shadow, item.score
    known = f"gain {estimate_text(score.gain)} on {score.n_rows} rows" if score else "answers are not known yet"
    return (
        f"{one.window.start:%Y-%m-%d}, in the shadow: generation {one.challenger} differs from {one.champion} on"
        f" {100 * one.share_different:.1f} % of {one.n_rows:,} rows; {known}"
    )


def spent_text(spent: Spent) -> str:
    """Say what labels were bought and what they cost; nothing if none was.

    >>> spent_text(Spent(120, 40, 3.5, 0.5, 60.0, "EUR", ("promote", "keep")))
    '120 labels from people, 40 in the last 7 days: 60.00 EUR, 3.5 hours, 0.5 minutes each. They bought: promote, keep.'
    """
    if not spent.n_labels:
        return ""
    money = f" {spent.cost:,.2f} {spent.currency}".rstrip() + "," if spent.cost else ""
    time = (
        ""
        if spent.minutes_each != spent.minutes_each
        else f" {spent.hours:.1f} hours, {spent.minutes_each:.2g} minutes each"
    )
    bought = f" They bought: {', '.join(spent.decisions)}." if spent.decisions else ""
    said = f"{spent.n_labels} labels from people, {spent.n_this_week} in the last 7 days"
    return f"{said}{':' if money or time else ''}{money if time else money.rstrip(',')}{time}.{bought}"


def estimate_text(estimate: Estimate | None) -> str:
    """Return an estimate with its interval for people.

    >>> estimate_text(Estimate(0.0213, 0.004, 0.0386))
    '+0.021 (+0.004 to +0.039)'
    >>> estimate_text(Estimate(float("nan"), float("nan"), float("nan")))
    'not known'
    """
    if estimate is None:
        return ""
    if estimate.value != estimate.value:
        return "not known"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def plain_text(estimate: Estimate) -> str:
    """Return a level, not a change, with its interval for people.

    >>> plain_text(Estimate(0.8213, 0.79, 0.8522))
    '0.821 (0.790 to 0.852)'
    """
    if estimate.low != estimate.low:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def ratio_text(ratio: Estimate) -> str:
    """Return how many times as common (or as costly) something became, with its interval, for people.

    >>> ratio_text(Estimate(3.0, 2.44, 3.75)), ratio_text(Estimate(float("inf"), 12.3, float("inf")))
    ('×3.0 (2.4 to 3.8)', 'new (over ×12.3)')
    >>> ratio_text(Estimate(0.0384, 0.0214, 0.06))
    '×0.04 (0.02 to 0.06)'
    """
    if ratio.value == float("inf"):
        return f"new (over ×{ratio.low:.1f})"
    digits = 1 if ratio.value >= 1 else 2
    return f"×{ratio.value:.{digits}f} ({ratio.low:.{digits}f} to {ratio.high:.{digits}f})"


def _window_cells(window: WindowStatus) -> tuple[RenderableType, ...]:
    alarm = {True: Text("ALARM", "bold red"), False: Text("quiet", "green"), None: Text("?", "dim")}[window.alarm]
    labels = f"{window.labels_answered}/{window.labels_asked}" if window.labels_asked else ""
    top = window.slices[0] if window.slices else "whole window" if window.labels_asked else ""
    verdict = Text(window.verdict or "", _VERDICT_STYLE.get(window.verdict or "", ""))
    generation = str(window.challenger or "")
    name = Text(f"{window.window.start:%Y-%m-%d}", no_wrap=True)
    return name, alarm, Text(top), labels, _short(window.decay), generation, verdict


def _short(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value != estimate.value:
        return estimate_text(estimate)
    return f"{estimate.value:+.3f} ±{(estimate.high - estimate.low) / 2:.3f}"
