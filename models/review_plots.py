"""The plots of a generation: drawn once, kept as PNG beside the review page and as SVG inside it."""

import io
import re
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from records.drift import Estimate
from records.review import Calibration, Review

CHAMPION, CHALLENGER = "#8a6d3b", "#2f6fad"
"""Placeholders in SVG: the page sets what it shows them as, so that they suit light and dark."""
_INK, _FAINT = "#1f2933", "#b5bec8"
_VARIABLES = {CHAMPION: "--champion", CHALLENGER: "--challenger", _INK: "--ink", _FAINT: "--rule"}
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "driftloop",
}


def plots(review: Review) -> dict[str, bytes]:
    """Return the PNG plots that there is something to draw for, by file name: gains, calibration, decay."""
    drawn: dict[str, bytes] = {}
    figures, judgement = review.figures, review.judgement
    if rows := gain_rows(review):
        drawn["plots/gains.png"] = _png(forest(rows, f"gain in {review.generation.fit.loss} loss (right is better)"))
    if figures is not None and any(one.bins for one in figures.calibrations):
        drawn["plots/calibration.png"] = _png(calibration(figures.calibrations))
    if judgement is not None:
        parts = [(name, getattr(judgement.decay, name)) for name in ("total", "covariate", "concept")]
        drawn["plots/decay.png"] = _png(forest(parts, f"change of {judgement.decay.loss} loss (right is worse)"))
    return drawn


def gain_rows(review: Review) -> list[tuple[str, Estimate]]:
    """Return every set of rows that champion and challenger were compared on, those that decided first."""
    decided = [(regime.name, regime.gain) for regime in review.comparison.regimes] if review.comparison else []
    shown = [(one.name, one.gain) for one in review.figures.gains] if review.figures else []
    return [(name, gain) for name, gain in [*decided, *shown] if gain.value == gain.value]


def forest(rows: Sequence[tuple[str, Estimate]], label: str) -> Figure:
    """Draw estimates with their intervals, one line each, around 0."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.8 + 0.42 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color=_FAINT, linewidth=1)
        for place, (_, one) in enumerate(rows):
            axes.plot([one.low, one.high], [place, place], color=CHALLENGER, linewidth=2, solid_capstyle="butt")
            axes.plot([one.value], [place], "o", color=CHALLENGER, markersize=6)
        axes.set_yticks(range(len(rows)), [_plain(name) for name, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(_plain(label))
        return figure


def calibration(curves: Sequence[Calibration]) -> Figure:
    """Draw what was observed over what was predicted, with intervals; on the diagonal, predictions are true."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 3.8), layout="constrained")
        axes = figure.add_subplot()
        every = [one for curve in curves for one in curve.bins]
        ends = [min(one.predicted for one in every), max(one.predicted for one in every)]
        if all(0 <= one.predicted <= 1 and 0 <= one.observed.value <= 1 for one in every):
            ends = [0.0, 1.0]
        axes.plot(ends, ends, color=_FAINT, linewidth=1, linestyle="--")
        for number, (curve, color) in enumerate(zip(curves, (CHAMPION, CHALLENGER), strict=False)):
            predicted = [one.predicted for one in curve.bins]
            observed = [one.observed.value for one in curve.bins]
            reach = [
                [one.observed.value - one.observed.low for one in curve.bins],
                [one.observed.high - one.observed.value for one in curve.bins],
            ]
            name = f"generation {curve.generation}"
            axes.errorbar(
                *(predicted, observed, reach), color=color, fmt=("s--", "o-")[number], label=name, elinewidth=1
            )
        axes.set_xlabel(_plain(f"predicted {curves[0].of}"))
        axes.set_ylabel("observed")
        axes.legend(frameon=False)
        return figure


def svg(figure: Figure) -> str:
    """Return a figure as SVG to stand inside a page, its colours taken from the page's variables."""
    out = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = re.sub(r"^.*?(?=<svg)", "", out.getvalue(), count=1, flags=re.DOTALL)
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"|(<svg[^>]*?) height="[^"]*"', r"\1\2", drawn, count=1)
    for color, variable in _VARIABLES.items():
        drawn = drawn.replace(color, f"var({variable})")
    return drawn


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def _plain(text: str) -> str:
    """A text from data, short, and with nothing matplotlib would take for a formula."""
    text = text if len(text) <= 48 else text[:47] + "…"
    return text.replace("$", r"\$")
