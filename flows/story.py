"""The decision record of a generation, and of one row, walked both ways in the ledger alone."""

from dataclasses import dataclass

from flows.champions import reigns
from flows.review import cause_of
from flows.site import Site
from records.comparison import Comparison, Outcome, Verdict
from records.decay import Judgement
from records.drift import Alarm, DriftReport
from records.errors import NotFound
from records.generation import Generation
from records.label import Ask, Label, StoredLabel
from records.promotion import Promotion
from records.review import Figures, Reign, Shadow
from records.slice import SliceReport
from records.window import Window


@dataclass(frozen=True, slots=True)
class Cause:
    """What taught a generation, from the drift to the verdict; what did not happen is None or empty."""

    window: Window
    report: DriftReport | None
    alarm: Alarm | None
    slices: SliceReport | None
    asked: str
    n_labels: int
    people: tuple[str, ...]
    looks: tuple[Judgement, ...]
    judgement: Judgement | None
    comparison: Comparison | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A window whose rows people were asked about while this generation was in charge, and what came of it."""

    window: Window
    n_rows: int
    n_labels: int
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Taught:
    """A later generation that learned from labels which were asked about this one."""

    generation: int
    n_labels: int


@dataclass(frozen=True, slots=True)
class Met:
    """A comparison that this generation took part in as champion."""

    window: Window
    challenger: int
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Story:
    """A generation, what it follows from (`cause`, None for an adopted one), and what followed from it."""

    generation: Generation
    cause: Cause | None
    promotions: tuple[Promotion, ...]
    reigns: tuple[Reign, ...]
    asked: tuple[Asked, ...]
    taught: tuple[Taught, ...]
    met: tuple[Met, ...]
    children: tuple[int, ...]
    descendants: tuple[int, ...]
    shadows: tuple[Shadow, ...]


@dataclass(frozen=True, slots=True)
class RowStory:
    """One row that people were asked about: why it was drawn, what they said, and what became of the answer.

    `generation` is the one it was asked about; `judged` are the challengers that its answer helped to judge.
    """

    row_key: str
    window: Window
    generation: int
    ask: Ask
    label: Label | None
    taught: tuple[int, ...]
    judged: tuple[int, ...]


def story_of(site: Site, number: int) -> Story:
    """Return the decision record of a generation; raises `NotFound` for one that does not exist."""
    ledger, model = site.ledger, site.model
    generation = ledger.generations.get(model, number)
    everyone, history = ledger.generations.all(model), ledger.promotions.history(model)
    labels = ledger.labels.of(model)
    window = cause_of(site, generation)
    asked = _asked(site, number, labels)
    windows = {item.window for item in asked}
    learners = [later for item in labels if item.window in windows for later in item.trained if later > number]
    children = {one.number: one.parent for one in everyone}
    return Story(
        generation=generation,
        cause=_cause(site, window, labels) if window else None,
        promotions=tuple(event for event in history if number in (event.generation, event.previous)),
        reigns=tuple(reign for reign in reigns(history) if reign.generation == number),
        asked=asked,
        taught=tuple(Taught(later, learners.count(later)) for later in sorted(set(learners))),
        met=tuple(
            Met(other, one.challenger, _outcome(site, other))
            for other in ledger.steps.windows(model)
            if (one := ledger.steps.get(model, other, "compare", Comparison)) and one.champion == number
        ),
        children=tuple(child for child, parent in children.items() if parent == number),
        descendants=_descendants(number, children),
        shadows=tuple(
            one for one in ledger.steps.history(model, "shadow", Shadow) if number in (one.champion, one.challenger)
        ),
    )


def row_story(site: Site, row_key: str) -> RowStory:
    """Return what became of one row; raises `NotFound` for a row that nobody was asked about."""
    ledger, model = site.ledger, site.model
    for window in ledger.steps.windows(model):
        request = ledger.requests.get(model, window)
        ask = next((one for one in request.asks if one.row_key == row_key), None) if request else None
        if request is None or ask is None:
            continue
        labels = ledger.labels.of(model, window=window)
        stored = next((one for one in labels if one.label.row_key == row_key), None)
        figures = ledger.steps.history(model, "review", Figures) if stored and ask.purpose == "audit" else ()
        return RowStory(
            row_key,
            window,
            request.generation,
            ask,
            stored.label if stored else None,
            stored.trained if stored else (),
            tuple(one.challenger for one in figures if window in one.windows),
        )
    raise NotFound(f"nobody was ever asked about row {row_key!r} of {model!r}; check the row key")


def _cause(site: Site, window: Window, labels: tuple[StoredLabel, ...]) -> Cause:
    steps, model = site.ledger.steps, site.model
    request = site.ledger.requests.get(model, window)
    given = [item for item in labels if item.window == window]
    looks: list[Judgement] = []
    while seen := steps.get(model, window, f"look {len(looks) + 1}", Judgement):
        looks.append(seen)
    return Cause(
        window=window,
        report=steps.get(model, window, "monitor", DriftReport),
        alarm=steps.get(model, window, "alarm", Alarm),
        slices=steps.get(model, window, "slice", SliceReport),
        asked=request.reason if request else "",
        n_labels=len(given),
        people=tuple(sorted({person for item in given for person in item.label.annotators})),
        looks=tuple(looks),
        judgement=steps.get(model, window, "judge", Judgement),
        comparison=steps.get(model, window, "compare", Comparison),
        verdict=steps.get(model, window, "promote", Verdict),
    )


def _asked(site: Site, number: int, labels: tuple[StoredLabel, ...]) -> tuple[Asked, ...]:
    found = []
    for window in site.ledger.steps.windows(site.model):
        request = site.ledger.requests.get(site.model, window)
        if request is not None and request.generation == number and request.asks:
            n_labels = sum(item.window == window for item in labels)
            found.append(Asked(window, len(request.asks), n_labels, _outcome(site, window)))
    return tuple(found)


def _outcome(site: Site, window: Window) -> Outcome | None:
    verdict = site.ledger.steps.get(site.model, window, "promote", Verdict)
    return verdict.outcome if verdict else None


def _descendants(number: int, parents: dict[int, int | None]) -> tuple[int, ...]:
    """Every generation that descends from one, in their order; a parent always has the smaller number."""
    line = {number}
    for child in sorted(parents):
        if parents[child] in line:
            line.add(child)
    return tuple(sorted(line - {number}))
