"""What is on the ledger and on disk, as facts that two runs of the same phase share."""

import hashlib
import re
from collections import Counter
from typing import Any

from sqlalchemy import select

from benchmarks.victim import Place
from records.errors import DriftloopError
from records.generation import Generation
from store.ledger import Ledger
from store.snapshots import read
from store.tables import (
    AnnotationRow,
    AskRow,
    CalibrationRow,
    GenerationRow,
    LabelRow,
    PromotionRow,
    RequestRow,
    SecondOpinionRow,
    StepRow,
    UseRow,
    WatermarkRow,
)
from store.wire import kind_name

_THE_LEDGER = re.compile(r"ledger\.db(-wal|-shm|\.locks/.*)?")  # a lock file that nobody holds says nothing
_PATH = re.compile(r'"[^"]*/\.driftloop/')
_FRACTION = re.compile(r"-?\d+\.\d+(e[+-]?\d+)?")


def on_ledger(ledger: Ledger) -> Counter[str]:
    """Return what every table holds, without moments, paths, and numbers that a service gave."""
    facts: Counter[str] = Counter()
    with ledger.database.reading() as session:
        every: dict[type[Any], list[Any]] = {
            kind: list(session.scalars(select(kind)))
            for kind in (
                *(StepRow, RequestRow, AskRow, SecondOpinionRow, AnnotationRow, WatermarkRow, LabelRow, UseRow),
                *(GenerationRow, PromotionRow, CalibrationRow),
            )
        }
    asks = {one.id: one for one in every[AskRow]}
    windows = {one.id: one.window.name for one in every[RequestRow]}
    facts.update(f"{one.window.name}: step {one.step} is {_content(one)}" for one in every[StepRow])
    for one in every[RequestRow]:
        state = f"closed, {one.closed_why}" if one.closed_at else "open"
        doubt = ", its sending in doubt" if one.sending_at else ""
        pushed = "pushed" if one.pushed_at else "not pushed"
        facts[f"{one.window.name}: request of generation {one.generation}, {one.budget}, {state}, {pushed}{doubt}"] += 1
    for one in asks.values():
        task = "with a task" if one.task_id else "without a task"
        chosen = f"{one.purpose}, {one.inclusion:.6g}, {one.slice}, round {one.round}, {one.prediction}"
        facts[
            f"{windows[one.request_id]}: row {one.row_key} is asked, {chosen}, {task}, gone: {bool(one.gone_at)}"
        ] += 1
    facts.update(f"second opinion on row {asks[one.ask_id].row_key}" for one in every[SecondOpinionRow])
    facts.update(
        f"annotation of row {one.row_key} by {one.annotator}: {one.answer}, deleted: {bool(one.deleted_at)}"
        for one in every[AnnotationRow]
    )
    facts["watermarks"] += len(every[WatermarkRow])
    facts.update(f"row {asks[one.ask_id].row_key} is {one.answer}" for one in every[LabelRow])
    facts.update(f"generation {one.generation} learned from row {asks[one.ask_id].row_key}" for one in every[UseRow])
    facts.update(
        f"promotion of {one.generation} over {one.previous}, {one.state}, {one.why}" for one in every[PromotionRow]
    )
    facts.update(f"calibration {one.key}" for one in every[CalibrationRow])
    for generation in ledger.generations.all(every[GenerationRow][0].model) if every[GenerationRow] else ():
        facts[_told(generation)] += 1
        facts[f"snapshot of generation {generation.number} is {_snapshot(generation)}"] += 1
    return facts


def on_disk(place: Place) -> Counter[str]:
    """Return the files that are kept, the half-written among them."""
    home = place.folder / ".driftloop"
    names = (str(file.relative_to(home)) for file in home.rglob("*") if file.is_file())
    return Counter(f"file {name}" for name in names if not _THE_LEDGER.fullmatch(name))


def _content(step: StepRow) -> str:
    """What a step finished with: a hash of it, but for a generation, which names a run of MLflow and took its time."""
    if step.kind == kind_name(Generation):
        return step.kind
    body = _PATH.sub('"', step.body)
    body = _FRACTION.sub(lambda found: f"{float(found[0]):.6g}", body)  # the last digits hang on the order of threads
    return f"{step.kind} {hashlib.sha256(body.encode()).hexdigest()[:12]}"


def _told(one: Generation) -> str:
    return f"generation {one.number}: {one.status}, of {one.parent}, by {one.cause}, {one.snapshot.digest}"


def _snapshot(generation: Generation) -> str:
    """Read it anew: its digest is compared with that of its rows."""
    try:
        train, holdout = read(generation.snapshot)
    except DriftloopError as error:
        return f"broken: {error}"
    counted = (len(train), len(holdout)) == (generation.snapshot.n_train, generation.snapshot.n_holdout)
    return "whole, with both its parts" if counted else f"of {len(train)} and {len(holdout)} rows, which is not said"
