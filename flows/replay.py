"""Run history again under other settings: what would have alarmed, what it would have cost, who would be champion.

Nothing outside is touched. The ledger is a copy of what was known before the first window, Label Studio and MLflow are
twins in memory, and everything that is written goes to a folder of its own. Recorded labels answer; a row that is asked
now and was never labelled stays unknown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flows.changed import changed
from flows.evidence import audit_labels
from flows.learn import learn
from flows.site import Site
from flows.truth import known_answers
from flows.watch import watch
from flows.withdraw import withdraw
from labeling import answers
from labeling.studio import InMemoryStudio
from models.entry import Draft, Entry
from models.loss import per_row
from models.memory_registry import InMemoryRegistry, Run
from monitors.schema import check_frame
from records.batch import Batch
from records.comparison import Verdict
from records.drift import Alarm
from records.errors import BadData, EmptyWindow
from records.generation import Generation
from records.schema import Schema
from records.window import Window
from store.history import asked_at, copy_before

_MOST_ROWS = 2_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """What happened in one window, really or in the replay; what did not happen is None.

    `n_asked` rows went to people, `n_unknown` of them have no recorded label. `score` is what the champion that met the
    window scored on its labelled rows: accuracy, or the mean absolute error of a regression; `nan` without labels.
    """

    alarm: bool | None
    n_asked: int
    n_unknown: int
    verdict: str | None
    champion: int | None
    score: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """One window as it was and as it would have been; `n_judged` labelled rows stand behind both scores."""

    window: Window
    was: Course
    would: Course
    n_judged: int
    note: str = ""


def replay(site: Site, windows: Sequence[Window], changes: Sequence[str], folder: Path) -> Iterator[Replayed]:
    """Run the loop over the windows under changed settings, in `folder`, and yield each beside what was.

    Answers are taken to come before the next window. Raises `BadSettings` for a change that does not fit, and
    `NotFound` when the model was not adopted before the first window.
    """
    twin = _twin(site, windows[0], changes, folder)
    twin.champion()
    for window in windows:
        note = _live(twin, site, window)
        yield _beside(site, twin, window, note)


def _twin(site: Site, first: Window, changes: Sequence[str], folder: Path) -> Site:
    url = f"sqlite:///{folder / 'ledger.db'}"
    settings = changed(site.settings, changes, folder=str(folder / "files"), ledger=url)
    same_sample = settings.alarms.sample_rows == site.settings.alarms.sample_rows
    ledger = copy_before(site.ledger, url, site.model, first.start, keep=("ingest",) if same_sample else ())
    registry = InMemoryRegistry()
    champion = ledger.generations.champion(site.model)
    if champion is not None:
        _put(registry, site, champion)
    return Site(settings, ledger=ledger, table=site.table, studio=InMemoryStudio(), registry=registry)


def _put(registry: InMemoryRegistry, site: Site, champion: Generation) -> None:
    """Let the twin of MLflow know the champion that the replay begins with."""
    nothing = pd.DataFrame()
    pipeline = site.pipeline(champion)
    draft = Draft(site.model, champion.number, site.schema, pipeline, champion.fit, champion.snapshot, nothing, nothing)
    entry = Entry(champion.mlflow_run_id, champion.version, champion.model_uri, champion.digest)
    registry.runs[entry.run_id] = Run(entry, draft, {}, {}, digest=champion.digest)
    registry.aliases[site.model, "champion"] = champion.version


def _live(twin: Site, real: Site, window: Window) -> str:
    """Let one window pass: watch it, let people say what they said then, and learn until nothing more comes of it."""
    now = window.end + timedelta(hours=twin.settings.windows.delay_hours)
    twin.now = lambda: now
    try:
        watch(twin, window)
    except (EmptyWindow, BadData) as error:
        return str(error)
    said = {item.label.row_key: item.label.answer for item in real.ledger.labels.of(real.model, window=window)}
    assert isinstance(twin.studio, InMemoryStudio)
    for _ in range(twin.settings.labels.rounds + 3):
        asked_at(twin.ledger, twin.model, window, now)
        if not twin.ledger.requests.open(twin.model):
            return ""
        _answer(twin.studio, said, twin.schema, twin.settings.labels.overlap)
        (request,) = (item.request for item in twin.ledger.requests.open(twin.model))
        if not said and not known_answers(twin, window, request.row_keys):
            withdraw(twin, why="nobody has labelled any of its rows")
            return "None of the rows that would have been asked has a recorded label."
        learn(twin)
    learn(twin, impatient=True)
    withdraw(twin, why="the replay goes on")
    return ""


def _answer(studio: InMemoryStudio, said: Mapping[str, str], schema: Schema, overlap: int) -> None:
    """Let people answer what was answered then, and skip the rest."""
    for project in studio.projects():
        done = {item.task_id for item in studio.said(project)}
        for task_id, task in studio.tasks(project).items():
            if task_id in done:
                continue
            data = task["data"]
            assert isinstance(data, Mapping)
            answer = said.get(str(data["row_key"]))
            for user in range(1, overlap + 1):
                result = [] if answer is None else answers.write(answer, schema)
                studio.annotate(task_id, result, user=user, skipped=answer is None)


def _beside(real: Site, twin: Site, window: Window, note: str) -> Replayed:
    frame, inclusion = _judged(real, twin, window)
    was, would = (_course(site, window, frame, inclusion) for site in (real, twin))
    return Replayed(window, was, would, len(frame), note)


def _course(site: Site, window: Window, frame: pd.DataFrame, inclusion: Floats) -> Course:
    steps, model = site.ledger.steps, site.model
    alarm = steps.get(model, window, "alarm", Alarm)
    request = site.ledger.requests.get(model, window)
    verdict = steps.get(model, window, "promote", Verdict)
    generation = alarm.generation if alarm else None
    keys = {ask.row_key for ask in request.asks if ask.purpose != "gold"} if request else set()
    known = {item.label.row_key for item in site.ledger.labels.of(model, window=window)}
    return Course(
        alarm=alarm.raised if alarm else None,
        n_asked=len(keys),
        n_unknown=len(keys - known),
        verdict=verdict.outcome if verdict else None,
        champion=generation,
        score=_score(site, generation, frame, inclusion) if generation else nan,
    )


def _score(site: Site, number: int, frame: pd.DataFrame, inclusion: Floats) -> float:
    if frame.empty:
        return nan
    pipeline = site.pipeline(site.ledger.generations.get(site.model, number))
    weights = 1 / inclusion
    if site.schema.task == "regression":
        return float(np.average(per_row(pipeline, frame, site.schema, "absolute"), weights=weights))
    return 1 - float(np.average(per_row(pipeline, frame, site.schema, "zero_one"), weights=weights))


def _judged(real: Site, twin: Site, window: Window) -> tuple[pd.DataFrame, Floats]:
    """Labelled rows that stand for the window: the audit labels of then, or rows whose answer production knows."""
    if real.ledger.requests.get(real.model, window) is not None:
        audit = audit_labels(real, (window,))
        if len(audit.frame):
            return audit.frame, audit.inclusion
    if twin.ledger.steps.get(twin.model, window, "ingest", Batch) is None:
        return pd.DataFrame(), np.ones(0)
    schema = real.schema
    sample = twin.sample(window)
    rows = sample.sample(min(len(sample), _MOST_ROWS), random_state=0)
    truth = known_answers(twin, window, rows[schema.row_key].tolist())
    rows = rows[rows[schema.row_key].isin(truth)]
    frame = rows.assign(**{schema.target: [truth[key].answer for key in rows[schema.row_key]]})
    if not frame.empty:
        frame = check_frame(frame, schema, where=f"the answers of window {window.name}", need_target=True)
    return frame, np.ones(len(frame))


def as_json(item: Replayed) -> dict[str, object]:
    """The record as JSON-ready values; an undefined number is None."""

    def course(one: Course) -> dict[str, object]:
        return {
            "alarm": one.alarm,
            "n_asked": one.n_asked,
            "n_unknown": one.n_unknown,
            "verdict": one.verdict,
            "champion": one.champion,
            "score": None if isnan(one.score) else one.score,
        }

    return {
        "start": item.window.start.isoformat(),
        "end": item.window.end.isoformat(),
        "was": course(item.was),
        "would_have_been": course(item.would),
        "n_judged": item.n_judged,
        "note": item.note,
    }
