"""The review page of a generation: one file of HTML that needs no script and no network."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from models.candidates import is_chosen
from models.engines import engine_notes
from models.naming import held_loss, old_loss
from models.review_plots import calibration, svg
from models.review_words import headline, interval, number, percent, rival_of
from records.comparison import RegimeComparison
from records.drift import Estimate
from records.generation import FitRecord
from records.review import Link, Review, ShadowScore
from records.window import Window

UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Axis:
    """The numbers from `low` to `high` laid over a width; what lies beyond is drawn at the end."""

    low: float
    high: float

    def at(self, value: float) -> str:
        """Return where a number lies.

        >>> Axis(-1.0, 1.0).at(0.5), Axis(0.0, 1.0).at(float("inf"))
        ('75.0%', '100.0%')
        """
        place = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{100 * place:.1f}%"


def axis_of(estimates: Iterable[Estimate]) -> Axis:
    """Return an axis on which all estimates and 0 have room; infinite and unknown bounds are left out.

    >>> axis_of([Estimate(0.5, 0.0, 1.0), Estimate(float("nan"), float("nan"), float("inf"))])
    Axis(low=-0.05, high=1.05)
    """
    ends = [end for one in estimates for end in (one.value, one.low, one.high) if isfinite(end)] or [1.0]
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    spare = 0.05 * (high - low) or 0.05
    return Axis(low - spare, high + spare)


@dataclass(frozen=True, slots=True)
class _GainRow:
    name: str
    rule: str
    n_rows: int
    champion_loss: float
    challenger_loss: float
    gain: Estimate
    limit: float = 0.0
    few: bool = False

    @property
    def decides(self) -> bool:
        """Whether the verdict follows from this row."""
        return self.rule != "informs"


@dataclass(frozen=True, slots=True)
class _Candidate:
    estimator: str
    recipe: str
    share: str
    cv: str
    old: float
    holdout: float
    forgotten: str
    seconds: float
    engine: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class _ShadowRow:
    window: str
    n_rows: int
    share_different: float
    score: ShadowScore | None


def render(review: Review, *, style: str, state: str) -> str:
    """Return the page of a generation.

    `style` is the CSS that pages of ours share, `state` a mark of what the page was made from, which it carries. All
    else is data and escaped; the page forbids the browser to run a script or to fetch anything.
    """
    figures, judgement, report = review.figures, review.judgement, review.report
    gains, shadows = _gains(review), _shadows(review)
    rival = rival_of(review)
    columns = sorted(report.columns, key=lambda one: (-abs(one.effect.value), one.column)) if report else []
    outputs = report.outputs if report else ()
    parts = {"covariate": "other rows than before", "concept": "other answers to the same rows", "total": ""}
    decay_rows = [(name, getattr(judgement.decay, name), what) for name, what in parts.items()] if judgement else []
    curves = figures.calibrations if figures and any(one.bins for one in figures.calibrations) else ()
    return _template().render(
        state=state,
        style=Markup(style),
        head=headline(review),
        generation=review.generation,
        champion_number=rival,
        window=review.window,
        verdict=review.verdict,
        comparison=review.comparison,
        figures=figures,
        measures=figures.measures if figures else (),
        holdouts=list(dict.fromkeys(one.rows for one in figures.measures if one.rows != "audit")) if figures else [],
        curves=Markup(svg(calibration(curves))) if curves else "",
        judgement=judgement,
        decay_rows=list(reversed(decay_rows)),
        report=report,
        alarm=review.alarm,
        drifted=[one for one in columns if one.drifted],
        still=[one for one in columns if not one.drifted],
        slices=review.slices,
        crowd=figures.crowd if figures else None,
        candidates=_candidates(review),
        tried=any("share" in dict(one.params) for one in review.candidates),
        engine_notes=engine_notes(review.generation.fit, review.generation.number, review.rival, rival),
        gains=gains,
        tiles=_tiles(review),
        shadows=shadows,
        n_asked=review.n_asked,
        n_labels=review.n_labels,
        n_audit=review.n_audit,
        n_taught=review.n_taught,
        links=[_safe(link) for link in review.links],
        reigns=review.reigns,
        gain_axis=axis_of(row.gain for row in gains),
        decay_axis=axis_of(one for _, one, _ in decay_rows),
        drift_axis=axis_of(one.effect for one in (*columns, *outputs)),
        shadow_axis=axis_of(row.score.gain for row in shadows if row.score),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {
        "number": number,
        "interval": interval,
        "percent": percent,
        "days": days,
        "ratio": _ratio,
    }
    return environment.get_template("review.html.jinja")


def days(window: Window) -> str:
    """Return a window as people write it.

    >>> from datetime import UTC, datetime
    >>> days(Window(datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC)))
    '4 March 2013 to 11 March 2013'
    """
    moments = (window.start, window.end)
    plain = all((moment.hour, moment.minute) == (0, 0) for moment in moments)
    return " to ".join(moment.strftime("%-d %B %Y" if plain else "%-d %B %Y %H:%M") for moment in moments)


def _gains(review: Review) -> list[_GainRow]:
    decided = review.comparison.regimes if review.comparison else ()
    named = {regime.name for regime in decided}
    limits: dict[str, float] = {"must gain": review.margin}  # all other rules are about losing
    rows = [
        _GainRow(
            one.name,
            one.kind,
            one.n_rows,
            one.champion_loss,
            one.challenger_loss,
            one.gain,
            limits.get(one.kind, -review.tolerance),
            few=one.gain.low != one.gain.low or (one.kind != "must not lose" and one.n_rows < review.minimum_labels),
        )
        for one in decided
    ]
    for one in review.figures.gains if review.figures else ():
        if one.name not in named:
            rows.append(_GainRow(one.name, "informs", one.n_rows, one.champion_loss, one.challenger_loss, one.gain))
    return rows


def _tiles(review: Review) -> list[RegimeComparison]:
    """What decided in short: of the rows that must gain, and of those that must not lose, the least favourable."""
    regimes = review.comparison.regimes if review.comparison else ()
    kinds = ([one for one in regimes if (one.kind == "must gain") == gains] for gains in (True, False))
    return [min(kind, key=lambda one: one.gain.low) for kind in kinds if kind]


def _candidates(review: Review) -> list[_Candidate]:
    """The largest share first, then the least loss on labels; what was not cross-validated keeps its order."""
    found = [_candidate(one, review.generation.fit) for one in review.candidates]
    if any(UNKNOWN in (one.share, one.cv) for one in found):
        return found
    return sorted(found, key=lambda one: (-float(one.share), float(one.cv)))


def _candidate(one: FitRecord, chosen: FitRecord) -> _Candidate:
    params = dict(one.params)
    return _Candidate(
        estimator=one.estimator,
        recipe=one.recipe,
        cv=params.get("cross-validated loss", UNKNOWN),
        share=params.get("share", UNKNOWN),
        old=old_loss(one),
        holdout=held_loss(one),
        forgotten=params.get("forgotten", UNKNOWN),
        seconds=one.fit_seconds,
        engine="accelerated" if any(engine.accelerated for engine in one.engines) else "stock",
        chosen=is_chosen(one, chosen),
    )


def _shadows(review: Review) -> list[_ShadowRow]:
    scores = {score.window: score for score in review.shadow_scores}
    return [
        _ShadowRow(days(one.window), one.n_rows, one.share_different, scores.get(one.window)) for one in review.shadows
    ]


def _ratio(one: Estimate) -> str:
    if not isfinite(one.value):
        return f"new (over ×{one.low:.1f})"
    digits = 1 if one.value >= 1 else 2
    return f"×{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def _safe(link: Link) -> Link:
    """A link that a browser may follow; any other address is shown as its name alone."""
    known = link.href is not None and link.href.startswith(("http://", "https://", "file://"))
    return link if known else Link(link.what, link.name)
