"""What the ledger knows about a monitored model: every window and every generation, as plain records."""

from dataclasses import dataclass

from flows.site import Site
from records.comparison import Verdict
from records.decay import Judgement
from records.drift import Alarm, Estimate
from records.generation import Generation
from records.label import LabelRequest
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
class Status:
    """Every window and every generation of one monitored model."""

    model: str
    windows: tuple[WindowStatus, ...]
    generations: tuple[GenerationStatus, ...]


def status(site: Site) -> Status:
    """Read the state of a monitored model from the ledger; it asks no other service."""
    generations = site.ledger.generations.all(site.model)
    causes = {generation.cause: generation.number for generation in generations if generation.cause}
    windows = tuple(_window(site, window, causes) for window in site.ledger.steps.windows(site.model))
    return Status(site.model, windows, tuple(_generation(site, generation) for generation in generations))


def _window(site: Site, window: Window, causes: dict[str, int]) -> WindowStatus:
    steps = site.ledger.steps
    alarm = steps.get(site.model, window, "alarm", Alarm)
    found = steps.get(site.model, window, "slice", SliceReport)
    request = steps.get(site.model, window, "ask", LabelRequest)
    judgement = steps.get(site.model, window, "judge", Judgement)
    verdict = steps.get(site.model, window, "promote", Verdict)
    return WindowStatus(
        window=window,
        alarm=alarm.raised if alarm else None,
        reason=alarm.reason if alarm else "not decided yet",
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
    }


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: number if number == number else None for name, number in numbers.items()}
