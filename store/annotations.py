"""What people answered, kept equal to the label projects it was pulled from."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import insert, select, union_all, update
from sqlalchemy.orm import Session

from records.errors import BadData
from records.label import Annotation
from records.window import Window
from store.database import Database
from store.tables import AnnotationRow, AskRow, RequestRow, SecondOpinionRow, WatermarkRow

_AT_ONCE = 500
_STATE = ("task_id", "row_key", "annotator", "answer", "updated_at", "lead_time_seconds", "origin", "deleted_at")


@dataclass(frozen=True, slots=True)
class Changes:
    """How many annotations came, changed and went since the ledger last looked."""

    n_new: int = 0
    n_edited: int = 0
    n_deleted: int = 0


class Annotations:
    """The annotations of every label project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, project: int, row_keys: Mapping[int, str], annotations: Sequence[Annotation]) -> Changes:
        """Make the annotations of the pulled tasks (task id → row key) equal to `annotations`; again is no change.

        New ones are added, edited ones updated; those that are gone keep their row, marked as deleted. A row keeps
        its annotations when its task gets another id, so what is known is looked for by row. Rows that are not among
        `row_keys` stay as they are. Raises `BadData` for an annotation of another task or row.
        """
        for annotation in annotations:
            if row_keys.get(annotation.task_id) != annotation.row_key:
                raise BadData(
                    f"annotation {annotation.annotation_id} says task {annotation.task_id} is row "
                    f"{annotation.row_key!r}, but {row_keys.get(annotation.task_id)!r} was pulled; pull the task again"
                )
        pulled = {annotation.annotation_id: annotation for annotation in annotations}
        with self._database.writing() as session:
            known = _known(session, project, set(row_keys.values()), pulled)
            states = {number: _state(annotation) for number, annotation in pulled.items()}
            new = [
                {"project": project, "annotation_id": number, **state}
                for number, state in states.items()
                if number not in known
            ]
            edited = [
                {"id": known[number][0], **state}
                for number, state in states.items()
                if number in known and known[number][1] != state
            ]
            now = datetime.now(UTC)
            deleted = [
                {"id": row_id, "deleted_at": now}
                for number, (row_id, state) in known.items()
                if number not in pulled and state["deleted_at"] is None
            ]
            if new:
                session.execute(insert(AnnotationRow), new)
            for changed in (edited, deleted):
                if changed:
                    session.execute(update(AnnotationRow), changed)
        return Changes(len(new), len(edited), len(deleted))

    def of(self, model: str, window: Window) -> tuple[Annotation, ...]:
        """Return the annotations on the tasks of a window's request, skips and second looks included, as made."""
        at = (AskRow.model == model, RequestRow.model == model)  # with both, the index over row keys is used
        of_window = (RequestRow.start == window.start, RequestRow.end == window.end)
        asked = (
            select(RequestRow.project, AskRow.row_key)
            .join(AskRow, AskRow.request_id == RequestRow.id)
            .where(*at, *of_window)
        )
        again = (
            select(SecondOpinionRow.project, AskRow.row_key)
            .join(AskRow, AskRow.id == SecondOpinionRow.ask_id)
            .join(RequestRow, RequestRow.id == AskRow.request_id)
            .where(*at, *of_window)
        )
        rows = union_all(asked, again).subquery()
        wanted = (
            select(AnnotationRow)
            .join(rows, (rows.c.project == AnnotationRow.project) & (rows.c.row_key == AnnotationRow.row_key))
            .where(AnnotationRow.deleted_at.is_(None))
            .order_by(AnnotationRow.annotation_id)
        )
        with self._database.reading() as session:
            return tuple(_annotation(row) for row in session.scalars(wanted))

    def watermark(self, project: int) -> datetime | None:
        """Return the moment up to which a project's changes are here, or None if it was never pulled."""
        with self._database.reading() as session:
            row = session.get(WatermarkRow, project)
            return None if row is None else row.seen_until

    def advance(self, project: int, seen_until: datetime) -> None:
        """Note that a project's changes up to `seen_until` are here; an earlier moment than before is no change."""
        with self._database.writing() as session:
            row = session.get(WatermarkRow, project)
            if row is None:
                session.add(WatermarkRow(project=project, seen_until=seen_until))
            elif seen_until > row.seen_until:
                row.seen_until = seen_until


def _known(
    session: Session, project: int, row_keys: Iterable[str], ids: Iterable[int]
) -> dict[int, tuple[int, dict[str, Any]]]:
    """The id in the ledger, and the state, of every annotation of these rows and of those with these ids."""
    columns = [getattr(AnnotationRow, name) for name in ("annotation_id", "id", *_STATE)]
    found: dict[int, tuple[int, dict[str, Any]]] = {}
    for column, values in ((AnnotationRow.row_key, row_keys), (AnnotationRow.annotation_id, ids)):
        for some in _parts(values):
            rows = session.execute(select(*columns).where(AnnotationRow.project == project, column.in_(some)))
            found |= {number: (row_id, dict(zip(_STATE, state, strict=True))) for number, row_id, *state in rows}
    return found


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


def _state(annotation: Annotation) -> dict[str, Any]:
    state = {name: getattr(annotation, name) for name in _STATE if name != "deleted_at"}
    if math.isnan(annotation.lead_time_seconds):
        state["lead_time_seconds"] = None
    return state | {"deleted_at": None}


def _annotation(row: AnnotationRow) -> Annotation:
    return Annotation(
        row.annotation_id,
        row.task_id,
        row.row_key,
        row.annotator,
        row.answer,
        row.updated_at,
        math.nan if row.lead_time_seconds is None else row.lead_time_seconds,
        row.origin,
    )
