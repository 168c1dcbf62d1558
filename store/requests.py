"""Label requests: what people were asked, written down before a task is pushed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, func, insert, select, update
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
            row = _demand(session, model, window)
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

    def spare(self, model: str, window: Window, row_keys: Collection[str]) -> None:
        """Note that nobody is asked about these rows of a window any more, sent or not; again is no change."""
        with self._database.writing() as session:
            row = _demand(session, model, window)
            asks = session.scalars(select(AskRow).where(AskRow.request_id == row.id, AskRow.gone_at.is_(None)))
            for ask in asks:
                if ask.row_key in row_keys:
                    ask.gone_at = datetime.now(UTC)

    def n_asked_since(self, model: str, moment: datetime) -> int:
        """Return how many rows the requests made or grown since `moment` ask about, gold rows left out."""
        asks = select(func.count(AskRow.id)).join(RequestRow, RequestRow.id == AskRow.request_id)
        recent = asks.where(RequestRow.model == model, RequestRow.saved_at >= moment, AskRow.purpose != "gold")
        with self._database.reading() as session:
            return session.scalar(recent) or 0

    def sending(self, model: str, window: Window) -> bool:
        """Note that tasks are about to be sent; return whether it is unknown what became of an earlier sending.

        `pushed` with task ids tells. Raises `NotFound` for a window without a request.
        """
        with self._database.writing() as session:
            row = _demand(session, model, window)
            unknown = row.sending_at is not None
            row.sending_at = datetime.now(UTC)
            return unknown

    def in_doubt(self, model: str, window: Window) -> bool:
        """Return whether tasks were sent of which it is unknown whether they arrived."""
        with self._database.reading() as session:
            return _demand(session, model, window).sending_at is not None

    def pushed(self, model: str, window: Window, project: int, task_ids: Mapping[str, int]) -> None:
        """Note the tasks of pushed rows (row key → task id), all at once or in parts; saying it again is no change.

        Without any it notes the project alone, so that what is sent there can be found again.
        Another project than before means the tasks were made anew: what was known of the old ones is forgotten.
        Raises `NotFound` for a window without a request and for a row that was not asked.
        """
        with self._database.writing() as session:
            row = _demand(session, model, window)
            asks = dict(
                session.execute(select(AskRow.row_key, AskRow.id).where(AskRow.request_id == row.id)).tuples().all()
            )
            strangers = sorted(set(task_ids) - set(asks))
            if strangers:
                raise NotFound(
                    f"row {strangers[0]!r} was not asked in window {window.name} of {model!r}; push only asked rows"
                )
            if row.project not in (None, project):
                session.execute(update(AskRow).where(AskRow.request_id == row.id).values(task_id=None))
            row.project = project
            if task_ids:
                row.sending_at = None
                session.execute(update(AskRow), [{"id": asks[key], "task_id": task_ids[key]} for key in task_ids])
            missing = select(func.count()).where(
                AskRow.request_id == row.id, AskRow.task_id.is_(None), AskRow.gone_at.is_(None)
            )
            if row.pushed_at is None and session.scalar(missing) == 0:
                row.pushed_at = datetime.now(UTC)

    def known(self, model: str, project: int) -> dict[int, str]:
        """Return the row key of each task that a model's requests have in a project, by task id."""
        with self._database.reading() as session:
            rows = session.execute(_in_project(model, project).where(AskRow.gone_at.is_(None)))
            return {task_id: key for _, key, task_id, _ in rows if task_id is not None}

    def given_up(self, model: str, project: int) -> frozenset[str]:
        """Return the keys of a project's rows that nobody is to be asked about any more: gone, their request closed."""
        wanted = _in_project(model, project).where(AskRow.gone_at.is_not(None), RequestRow.closed_at.is_not(None))
        with self._database.reading() as session:
            return frozenset(key for _, key, _, _ in session.execute(wanted))

    def seen(self, model: str, project: int, tasks: Iterable[tuple[int, str]]) -> None:
        """Note the tasks (task id, row key) that were seen in a project: their ids may change, and a task come back.

        Of several tasks of a row the first is noted. Rows that were not asked in that project are passed over.
        """
        first: dict[str, int] = {}
        for task_id, key in tasks:
            first[key] = min(task_id, first.get(key, task_id))
        with self._database.writing() as session:
            changed = [
                {"id": ask_id, "task_id": first[key], "gone_at": None}
                for ask_id, key, task_id, gone_at in session.execute(_in_project(model, project))
                if key in first and (task_id != first[key] or gone_at is not None)
            ]
            if changed:
                session.execute(update(AskRow), changed)

    def gone(self, model: str, project: int, row_keys: Iterable[str]) -> int:
        """Note rows whose tasks are not in a project any more, nor what was said about them; return how many are new.

        Nobody is asked about such a row again.
        """
        wanted, now = set(row_keys), datetime.now(UTC)
        with self._database.writing() as session:
            rows = session.execute(_in_project(model, project))
            lost = [(ask_id, key) for ask_id, key, _, gone_at in rows if key in wanted and gone_at is None]
            if lost:
                session.execute(update(AskRow), [{"id": ask_id, "gone_at": now} for ask_id, _ in lost])
            keys = {key for _, key in lost}
            said = select(AnnotationRow.id, AnnotationRow.row_key).where(
                AnnotationRow.project == project, AnnotationRow.deleted_at.is_(None)
            )
            deleted = [{"id": row_id, "deleted_at": now} for row_id, key in session.execute(said) if key in keys]
            if deleted:
                session.execute(update(AnnotationRow), deleted)
        return len(lost)

    def get(self, model: str, window: Window) -> LabelRequest | None:
        """Return the request of a window, or None."""
        with self._database.reading() as session:
            row = _find(session, model, window)
            return None if row is None else _request(session, row)

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


def _demand(session: Session, model: str, window: Window) -> RequestRow:
    row = _find(session, model, window)
    if row is None:
        raise NotFound(f"window {window.name} of {model!r} has no label request; save it before anything is pushed")
    return row


def _in_project(model: str, project: int) -> Select[tuple[int, str, int | None, datetime | None]]:
    return (
        select(AskRow.id, AskRow.row_key, AskRow.task_id, AskRow.gone_at)
        .join(RequestRow, RequestRow.id == AskRow.request_id)
        .where(RequestRow.model == model, RequestRow.project == project)
    )


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
