"""Steps that are done once per window, however often they run and whoever runs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select, select

from records.errors import BadData, Conflict
from records.window import Window
from store.database import Database
from store.locks import Locks
from store.tables import StepRow
from store.wire import decode, encode, kind_name

T = TypeVar("T")


class Claim:
    """The right to do one step of one window, for the length of a `with` block."""

    def __init__(self, database: Database, model: str, window: Window, step: str) -> None:
        self._database = database
        self._at = {"model": model, "start": window.start, "end": window.end, "step": step}
        self._finished: Any = None

    def done(self, kind: type[T]) -> T | None:
        """Return the record this step finished with, or None; raises `BadData` if it is of another type."""
        with self._database.reading() as session:
            return _record(session.scalar(_rows(**self._at)), kind)

    def finish(self, record: object) -> None:
        """Hand over the step's record, which is stored once the block ends well; raises `Conflict` the second time."""
        if self._finished is not None:
            raise Conflict(f"step {self._at['step']!r} was finished twice in one claim; finish it once")
        self._finished = record

    def settle(self) -> None:
        """Store what was handed over; the same record again is no change, another one raises `Conflict`."""
        if self._finished is None:
            return
        kind, body = kind_name(type(self._finished)), encode(self._finished)
        with self._database.writing() as session:
            present = session.scalar(_rows(**self._at))
            if present is None:
                session.add(StepRow(**self._at, kind=kind, body=body, finished_at=datetime.now(UTC)))
            elif (present.kind, present.body) != (kind, body):
                raise Conflict(f"step {present.step!r} of {present.window.name} was finished before; use that record")


class Steps:
    """The finished steps of every model."""

    def __init__(self, database: Database, locks: Locks) -> None:
        self._database = database
        self._locks = locks

    @contextmanager
    def claim(self, model: str, window: Window, step: str, *, wait_seconds: float = 0.0) -> Iterator[Claim]:
        """Claim one step of one window; `Conflict` if another process still has it after `wait_seconds`.

        A process that dies gives its claim back. When the body raises, nothing is stored.
        """
        start, end = (moment.astimezone(UTC).isoformat() for moment in (window.start, window.end))
        with self._locks.hold(f"step {step} of {model}, {start} to {end}", wait_seconds=wait_seconds):
            claim = Claim(self._database, model, window, step)
            yield claim
            claim.settle()

    def get(self, model: str, window: Window, step: str, kind: type[T]) -> T | None:
        """Return the record a step finished with, or None if it has not."""
        with self._database.reading() as session:
            row = session.scalar(_rows(model=model, start=window.start, end=window.end, step=step))
            return _record(row, kind)

    def history(self, model: str, step: str, kind: type[T]) -> tuple[T, ...]:
        """Return the records of one step over every finished window, earliest window first."""
        with self._database.reading() as session:
            rows = session.scalars(_rows(model=model, step=step).order_by(StepRow.start, StepRow.end)).all()
        return tuple(record for record in (_record(row, kind) for row in rows) if record is not None)

    def windows(self, model: str, step: str | None = None) -> tuple[Window, ...]:
        """Return every window with a finished step, or with this one, earliest first."""
        found = select(StepRow.start, StepRow.end).where(StepRow.model == model).distinct()
        if step is not None:
            found = found.where(StepRow.step == step)
        with self._database.reading() as session:
            return tuple(sorted(Window(start, end) for start, end in session.execute(found)))


def _rows(**at: Any) -> Select[tuple[StepRow]]:
    return select(StepRow).filter_by(**at)


def _record(row: StepRow | None, kind: type[T]) -> T | None:
    if row is None:
        return None
    if row.kind != kind_name(kind):
        raise BadData(
            f"step {row.step!r} of {row.model!r}, window {row.window.name}, holds a {row.kind}, not a "
            f"{kind_name(kind)}; ask for what was stored"
        )
    return decode(kind, row.body)
