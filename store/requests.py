"""Label requests: what people were asked, written down before a task is pushed."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from records.errors import BadData, Conflict, NotFound
from records.label import Ask, LabelRequest, OpenRequest
from records.window import Window
from store.database import Database
from store.tables import AnnotationRow, AskRow, RequestRow


class Requests:
    """The label requests of every model; at most one per window, and no row of a model is asked twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, request: LabelRequest) -> None:
        """Keep a request; the same one again is no change.

        Raises `Conflict` if the window has another request, or one of the rows was asked before, and `BadData` if it
        names a row twice.
        """
        keys = [ask.row_key for ask in request.asks]
        if len(set(keys)) < len(keys):
            raise BadData(f"the request of window {request.window.name} names a row twice; ask about each row once")
        with self._database.writing() as session:
            present = _find(session, request.model, request.window)
            if present is not None:
                if _request(session, present) != request:
                    raise Conflict(
                        f"window {request.window.name} of {request.model!r} has another label request; use that one"
                    )
                return
            again = sorted(_asked(session, request.model).intersection(keys))
            if again:
                raise Conflict(
                    f"{len(again)} rows of {request.model!r} were asked before, such as {again[0]!r}; leave them out"
                )
            row = RequestRow(
                model=request.model,
                start=request.window.start,
                end=request.window.end,
                generation=request.generation,
                budget=request.budget,
                reason=request.reason,
                saved_at=datetime.now(UTC),
            )
            session.add(row)
            session.flush()
            _add(session, row, request.asks, first=0)

    def extend(self, model: str, window: Window, asks: Sequence[Ask]) -> LabelRequest:
        """Add a round of rows to the request of a window and return the whole request; the same round again is none.

        Raises `NotFound` for a window without a request, `Conflict` if the round holds other rows or one of them was
        asked before, and `BadData` if it names a row twice or mixes rounds.
        """
        keys, rounds = [ask.row_key for ask in asks], {ask.round for ask in asks}
        if len(set(keys)) < len(keys) or len(rounds) > 1:
            raise BadData(f"a round of window {window.name} names a row twice or mixes rounds; ask each row once")
        with self._database.writing() as session:
            row = demand(session, model, window)
            request = _request(session, row)
            present = tuple(ask for ask in request.asks if ask.round in rounds)
            if present == tuple(asks):
                return request
            again = sorted(_asked(session, model).intersection(keys))
            if present or again:
                raise Conflict(
                    f"round {min(rounds)} of window {window.name} of {model!r} was asked before, or one of its rows"
                    " was; use what was asked"
                )
            _add(session, row, asks, first=len(request.asks))
            row.saved_at, row.pushed_at = datetime.now(UTC), None
            session.flush()
            return _request(session, row)

    def n_asked_since(self, model: str, moment: datetime) -> int:
        """Return how many rows the requests made or grown since `moment` ask about, gold rows left out."""
        asks = select(func.count(AskRow.id)).join(RequestRow, RequestRow.id == AskRow.request_id)
        recent = asks.where(RequestRow.model == model, RequestRow.saved_at >= moment, AskRow.purpose != "gold")
        with self._database.reading() as session:
            return session.scalar(recent) or 0

    def get(self, model: str, window: Window) -> LabelRequest | None:
        """Return the request of a window, or None."""
        with self._database.reading() as session:
            row = _find(session, model, window)
            return None if row is None else _request(session, row)

    def project(self, model: str, window: Window) -> int | None:
        """Return the label project that the tasks of a window are in, or None if none was pushed; closed or not."""
        with self._database.reading() as session:
            row = _find(session, model, window)
            return None if row is None else row.project

    def open(self, model: str) -> tuple[OpenRequest, ...]:
        """Return the requests that are not closed, earliest window first, pushed or not."""
        unclosed = select(RequestRow).where(RequestRow.model == model, RequestRow.closed_at.is_(None))
        with self._database.reading() as session:
            return tuple(_open(session, row) for row in session.scalars(unclosed.order_by(RequestRow.start)).all())

    def close(self, model: str, window: Window, why: str) -> None:
        """Close the request of a window, if it has an open one; the first reason stays."""
        with self._database.writing() as session:
            row = _find(session, model, window)
            if row is not None and row.closed_at is None:
                row.closed_at, row.closed_why = datetime.now(UTC), why

    def withdrawn(self, model: str) -> frozenset[Window]:
        """Return the windows whose requests were given up: their labels teach nobody."""
        closed = select(RequestRow).where(RequestRow.model == model, RequestRow.closed_why.startswith("withdrawn"))
        with self._database.reading() as session:
            return frozenset(row.window for row in session.scalars(closed))

    def asked_keys(self, model: str) -> frozenset[str]:
        """Return the keys of every row that was ever asked about."""
        with self._database.reading() as session:
            return frozenset(_asked(session, model))


def _add(session: Session, row: RequestRow, asks: Sequence[Ask], *, first: int) -> None:
    rows = [
        {
            "request_id": row.id,
            "position": first + position,
            "model": row.model,
            "row_key": ask.row_key,
            "purpose": ask.purpose,
            "inclusion": float(ask.inclusion),
            "slice": ask.slice,
            "reason": ask.reason,
            "round": ask.round,
            "prediction": ask.prediction,
            "suggested": ask.suggested,
        }
        for position, ask in enumerate(asks)
    ]
    if rows:
        session.execute(insert(AskRow), rows)


def _find(session: Session, model: str, window: Window) -> RequestRow | None:
    return session.scalar(select(RequestRow).filter_by(model=model, start=window.start, end=window.end))


def demand(session: Session, model: str, window: Window) -> RequestRow:
    """Return the row of a window's request; raises `NotFound` if it has none."""
    row = _find(session, model, window)
    if row is None:
        raise NotFound(f"window {window.name} of {model!r} has no label request; save it before anything is pushed")
    return row


def _asked(session: Session, model: str) -> set[str]:
    return set(session.scalars(select(AskRow.row_key).where(AskRow.model == model)))


def _request(session: Session, row: RequestRow) -> LabelRequest:
    asks = session.scalars(select(AskRow).where(AskRow.request_id == row.id).order_by(AskRow.position))
    return LabelRequest(
        row.model, row.window, row.generation, row.budget, tuple(ask_of(ask) for ask in asks), row.reason
    )


def _open(session: Session, row: RequestRow) -> OpenRequest:
    tasks = (
        select(AskRow.row_key, AskRow.task_id)
        .where(AskRow.request_id == row.id, AskRow.task_id.is_not(None))
        .order_by(AskRow.position)
    )
    answered = (
        select(func.count(AskRow.id.distinct()))
        .join(AnnotationRow, AnnotationRow.row_key == AskRow.row_key)
        .where(
            AskRow.request_id == row.id,
            AskRow.model == row.model,  # with it, the index over a model's row keys is used
            AnnotationRow.project == row.project,
            AnnotationRow.deleted_at.is_(None),
            AnnotationRow.answer.is_not(None),
        )
    )
    pushed = tuple((key, task) for key, task in session.execute(tasks).tuples() if task is not None)
    gone = (
        select(AskRow.row_key).where(AskRow.request_id == row.id, AskRow.gone_at.is_not(None)).order_by(AskRow.position)
    )
    lost, n_answered = tuple(session.scalars(gone)), session.scalar(answered) or 0
    return OpenRequest(_request(session, row), row.project, pushed, n_answered, row.saved_at, lost)


def ask_of(row: AskRow) -> Ask:
    """Return the ask that a table row holds."""
    return Ask(row.row_key, row.purpose, row.inclusion, row.slice, row.reason, row.round, row.prediction, row.suggested)
