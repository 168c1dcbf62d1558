"""Labels: the consensus answers, who learned from them, and how often they were used to decide."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import select

from records.errors import BadData, NotFound
from records.label import Label, Purpose, StoredLabel
from records.window import Window
from store.database import Database
from store.requests import ask_of
from store.tables import AskRow, LabelRow, RequestRow, UseRow
from store.wire import decode, encode


class Labels:
    """The labels of every model, each tied to the ask that bought it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, model: str, window: Window, labels: Iterable[Label]) -> None:
        """Make the labels of a window equal to `labels`: add new ones, update changed ones, remove missing ones.

        Raises `NotFound` for a row that was not asked in that window, and `BadData` for a row labelled twice.
        """
        given = tuple(labels)
        bodies = {label.row_key: (label.answer, encode(label)) for label in given}
        if len(bodies) < len(given):
            raise BadData(
                f"the labels of window {window.name} of {model!r} name a row twice; agree on one answer first"
            )
        asked = (
            select(AskRow.row_key, AskRow.id)
            .join(RequestRow, AskRow.request_id == RequestRow.id)
            .where(RequestRow.model == model, RequestRow.start == window.start, RequestRow.end == window.end)
        )
        now = datetime.now(UTC)
        with self._database.writing() as session:
            asks = session.execute(asked).tuples().all()
            rows = session.scalars(select(LabelRow).where(LabelRow.ask_id.in_(asked.with_only_columns(AskRow.id))))
            stored = {row.ask_id: row for row in rows}
            for key, ask_id in asks:
                present = stored.get(ask_id)
                if key not in bodies:
                    if present is not None:
                        session.delete(present)
                    continue
                answer, body = bodies.pop(key)
                if present is None:
                    session.add(LabelRow(ask_id=ask_id, answer=answer, body=body, saved_at=now))
                elif present.body != body:
                    present.answer, present.body, present.saved_at = answer, body, now
            if bodies:
                raise NotFound(
                    f"row {min(bodies)!r} was not asked in window {window.name} of {model!r}; label only asked rows"
                )

    def of(
        self, model: str, *, window: Window | None = None, purpose: Purpose | None = None
    ) -> tuple[StoredLabel, ...]:
        """Return the labels of a model, of one window or one purpose if given, in the order they were asked."""
        wanted = (
            select(LabelRow, AskRow, RequestRow)
            .join(AskRow, AskRow.id == LabelRow.ask_id)
            .join(RequestRow, RequestRow.id == AskRow.request_id)
            .where(RequestRow.model == model)
            .order_by(RequestRow.start, AskRow.position)
        )
        if window is not None:
            wanted = wanted.where(RequestRow.start == window.start, RequestRow.end == window.end)
        if purpose is not None:
            wanted = wanted.where(AskRow.purpose == purpose)
        uses = select(UseRow.ask_id, UseRow.generation).join(AskRow, AskRow.id == UseRow.ask_id)
        with self._database.reading() as session:
            trained: dict[int, list[int]] = {}
            for ask_id, generation in session.execute(uses.where(AskRow.model == model).order_by(UseRow.generation)):
                trained.setdefault(ask_id, []).append(generation)
            return tuple(
                StoredLabel(decode(Label, label.body), ask_of(ask), request.window, tuple(trained.get(ask.id, ())))
                for label, ask, request in session.execute(wanted).tuples()
            )
