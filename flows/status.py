"""What the ledger knows about a monitored model: every window and every generation, as plain records."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from math import isfinite
from statistics import median
from typing import Any

from flows.backfill import passed_over
from flows.site import Site
from records.comparison import Verdict
from records.decay import Judgement
from records.drift import Alarm, Estimate
from records.generation import Generation
from records.review import Shadow, ShadowScore
from records.slice import SliceReport
from records.window import Window


@dataclass(frozen=True, slots=True)
class WindowStatus:
    """One window: whether it alarmed, the slices that grew, its labels, the decay they showed and what followed.

    `generation` was in charge and `challenger` was taught by the labels, if any. What is not known yet is None.
    """

    window: Window
    alarm: bool | None
    reason: str
    slices: tuple[str, ...]
    labels_asked: int
    labels_answered: int
    decay: Estimate | None
    generation: int | None
    challenger: int | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """One generation and the verdict on it; `cause` names the window whose labels taught it."""

    number: int
    status: str
    mlflow_run_id: str
    version: str
    cause: str | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What people's labels cost: how many there are, `hours` of work, `minutes_each` (median), and money.

    Hours and minutes are what Label Studio measured as lead time, `nan` if it measured none. `decisions` are the
    verdicts that the labels led to.
    """

    n_labels: int
    n_this_week: int
    hours: float
    minutes_each: float
    cost: float
    currency: str
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShadowStatus:
    """What a challenger in the shadow said about one window; `score` is None while the answers are not known."""

    shadow: Shadow
    score: ShadowScore | None


@dataclass(frozen=True, slots=True)
class Status:
    """Every window and every generation of one monitored model, what labels cost, and what shadows said."""

    model: str
    windows: tuple[WindowStatus, ...]
    generations: tuple[GenerationStatus, ...]
    spent: Spent
    shadows: tuple[ShadowStatus, ...] = ()


def status(site: Site) -> Status:
    """Read the state of a monitored model from the ledger; it asks no other service."""
    generations = site.ledger.generations.all(site.model)
    causes = {generation.cause: generation.number for generation in generations if generation.cause}
    passed = {one.window: one.reason for one in passed_over(site)}
    windows = tuple(_window(site, window, causes, passed) for window in site.ledger.steps.windows(site.model))
    told = tuple(_generation(site, generation) for generation in generations)
    return Status(site.model, windows, told, _spent(site, windows), _shadows(site))


def _shadows(site: Site) -> tuple[ShadowStatus, ...]:
    steps = site.ledger.steps
    scores = {one.window: one for one in steps.history(site.model, "shadow score", ShadowScore)}
    said = steps.history(site.model, "shadow", Shadow)
    return tuple(ShadowStatus(one, scores.get(one.window)) for one in said)


def _spent(site: Site, windows: tuple[WindowStatus, ...]) -> Spent:
    """Add up what people answered; a second person's answer to a row is a label that was paid for too."""
    asked = [item.window for item in windows if item.labels_asked]
    said = [one for window in asked for one in site.ledger.annotations.of(site.model, window) if one.answer is not None]
    seconds = [one.lead_time_seconds for one in said if one.lead_time_seconds == one.lead_time_seconds]
    recent = sum(one.updated_at >= site.now() - timedelta(days=7) for one in said)
    labels = site.settings.labels
    return Spent(
        n_labels=len(said),
        n_this_week=recent,
        hours=sum(seconds) / 3600 if seconds else float("nan"),
        minutes_each=median(seconds) / 60 if seconds else float("nan"),
        cost=len(said) * labels.price,
        currency=labels.currency,
        decisions=tuple(item.verdict for item in windows if item.verdict),
    )


def _window(site: Site, window: Window, causes: dict[str, int], passed: dict[Window, str]) -> WindowStatus:
    steps = site.ledger.steps
    alarm = steps.get(site.model, window, "alarm", Alarm)
    found = steps.get(site.model, window, "slice", SliceReport)
    request = site.ledger.requests.get(site.model, window)
    judgement = steps.get(site.model, window, "judge", Judgement)
    verdict = steps.get(site.model, window, "promote", Verdict)
    return WindowStatus(
        window=window,
        alarm=alarm.raised if alarm else None,
        reason=alarm.reason if alarm else passed.get(window, "not decided yet"),
        slices=tuple(slice_.name for slice_ in found.grown) if found else (),
        labels_asked=len(request.asks) if request else 0,
        labels_answered=len(site.ledger.labels.of(site.model, window=window)),
        decay=judgement.decay.total if judgement else None,
        generation=alarm.generation if alarm else None,
        challenger=causes.get(window.name),
        verdict=verdict.outcome if verdict else None,
    )


def _generation(site: Site, generation: Generation) -> GenerationStatus:
    window = next((w for w in site.ledger.steps.windows(site.model) if w.name == generation.cause), None)
    verdict = site.ledger.steps.get(site.model, window, "promote", Verdict) if window else None
    return GenerationStatus(
        generation.number,
        generation.status,
        generation.mlflow_run_id,
        generation.version,
        generation.cause,
        verdict,
    )


def as_json(state: Status) -> dict[str, object]:
    """The state as JSON-ready dictionaries; times are ISO 8601, an undefined number is None."""
    return {
        "model": state.model,
        "windows": [
            {
                "start": item.window.start.isoformat(),
                "end": item.window.end.isoformat(),
                "alarm": item.alarm,
                "reason": item.reason,
                "slices": list(item.slices),
                "labels_asked": item.labels_asked,
                "labels_answered": item.labels_answered,
                "decay": _estimate(item.decay),
                "generation": item.generation,
                "challenger": item.challenger,
                "verdict": item.verdict,
            }
            for item in state.windows
        ],
        "generations": [
            {
                "number": item.number,
                "status": item.status,
                "mlflow_run_id": item.mlflow_run_id,
                "version": item.version,
                "cause": item.cause,
                "verdict": {"outcome": item.verdict.outcome, "reasons": list(item.verdict.reasons)}
                if item.verdict
                else None,
            }
            for item in state.generations
        ],
        "spent": plain(asdict(state.spent)),
        "shadows": [
            {
                "start": item.shadow.window.start.isoformat(),
                "end": item.shadow.window.end.isoformat(),
                "champion": item.shadow.champion,
                "challenger": item.shadow.challenger,
                "n_rows": item.shadow.n_rows,
                "share_different": plain(item.shadow.share_different),
                "mean_distance": plain(item.shadow.mean_distance),
                "gain": _estimate(item.score.gain) if item.score else None,
                "n_known": item.score.n_rows if item.score else 0,
                "source": item.score.source if item.score else None,
            }
            for item in state.shadows
        ],
    }


def plain(value: Any) -> Any:
    """Return a record's dictionary as JSON has it: lists for tuples, None for a number that is not finite.

    >>> plain({"hours": float("nan"), "decisions": ("keep",)})
    {'hours': None, 'decisions': ['keep']}
    """
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: number if number == number else None for name, number in numbers.items()}
