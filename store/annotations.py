"""What people answered, kept equal to the label projects it was pulled from."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from records.errors import BadData
from records.label import Annotation
from records.window import Window
from store.database import Database
from store.tables import AnnotationRow, AskRow, RequestRow, SecondOpinionRow, WatermarkRow

_AT_ONCE = 500


class Annotations:
    """The annotations of every label project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, project: int, row_keys: Mapping[int, str], annotations: Sequence[Annotation]) -> None:
        """Make the annotations of the pulled tasks (task id → row key) equal to `annotations`; again is no change.

        New ones are added, edited ones updated; those that are gone keep their row, marked as deleted. Tasks that are
        not among `row_keys` stay as they are. Raises `BadData` for an annotation of another task or row.
        """
        for annotation in annotations:
            if row_keys.get(annotation.task_id) != annotation.row_key:
                raise BadData(
                    f"annotation {annotation.annotation_id} says task {annotation.task_id} is row "
                    f"{annotation.row_key!r}, but {row_keys.get(annotation.task_id)!r} was pulled; pull the task again"
                )
        pulled = {annotation.annotation_id: annotation for annotation in annotations}
        with self._database.writing() as session:
            known = _known(session, project, row_keys, pulled)
            for annotation in pulled.values():
                row = known.pop(annotation.annotation_id, None)
                if row is None:
                    row = AnnotationRow(project=project, annotation_id=annotation.annotation_id)
                    session.add(row)
                _fill(row, annotation)
            for row in known.values():
                row.deleted_at = row.deleted_at or datetime.now(UTC)

    def of(self, model: str, window: Window) -> tuple[Annotation, ...]:
        """Return the annotations on the tasks of a window's request, skips and second looks included, as made."""
        asked = (
            select(RequestRow.project, AskRow.task_id, AskRow.id)
            .join(AskRow, AskRow.request_id == RequestRow.id)
            .where(RequestRow.model == model, RequestRow.start == window.start, RequestRow.end == window.end)
        )
        again = (
            select(SecondOpinionRow.project, SecondOpinionRow.task_id, SecondOpinionRow.ask_id)
            .join(AskRow, AskRow.id == SecondOpinionRow.ask_id)
            .join(RequestRow, RequestRow.id == AskRow.request_id)
            .where(RequestRow.model == model, RequestRow.start == window.start, RequestRow.end == window.end)
        )
        tasks = union_all(asked, again).subquery()
        wanted = (
            select(AnnotationRow)
            .join(tasks, (tasks.c.project == AnnotationRow.project) & (tasks.c.task_id == AnnotationRow.task_id))
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


def _known(session: Session, project: int, tasks: Iterable[int], ids: Iterable[int]) -> dict[int, AnnotationRow]:
    """Every row of the pulled tasks, and of the pulled annotations that hung on another task before."""
    found: dict[int, AnnotationRow] = {}
    for column, values in ((AnnotationRow.task_id, tasks), (AnnotationRow.annotation_id, ids)):
        for some in _parts(values):
            rows = session.scalars(select(AnnotationRow).where(AnnotationRow.project == project, column.in_(some)))
            found |= {row.annotation_id: row for row in rows}
    return found


def _parts(values: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(values)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


def _fill(row: AnnotationRow, annotation: Annotation) -> None:
    unknown = math.isnan(annotation.lead_time_seconds)
    row.task_id, row.row_key, row.annotator = annotation.task_id, annotation.row_key, annotation.annotator
    row.answer, row.updated_at, row.origin = annotation.answer, annotation.updated_at, annotation.origin
    row.lead_time_seconds, row.deleted_at = None if unknown else float(annotation.lead_time_seconds), None


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
