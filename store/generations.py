"""The generations of every model, and which one is in charge."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from records.errors import Conflict, NotFound
from records.generation import Generation, Status
from store.database import Database
from store.tables import AskRow, GenerationRow, UseRow
from store.wire import decode, encode


class Generations:
    """The generations of every model; a model has at most one champion."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_number(self, model: str) -> int:
        """Return the number the next generation gets: 1, 2, 3, ..."""
        with self._database.reading() as session:
            return 1 + (session.scalar(select(func.max(GenerationRow.number)).where(GenerationRow.model == model)) or 0)

    def save(self, generation: Generation, *, taught_by: Iterable[str] = ()) -> None:
        """Keep a generation and its training manifest: it learned from the labels of exactly these rows.

        The same one again is no change, whatever became of its status meanwhile. Raises `Conflict` if its number is
        taken by another, or it claims to be champion beside the present one, `NotFound` for a row that was never asked.
        """
        with self._database.writing() as session:
            row = _find(session, generation.model, generation.number)
            if row is not None:
                if replace(decode(Generation, row.body), status=generation.status) != generation:
                    raise Conflict(
                        f"generation {generation.number} of {generation.model!r} is on the ledger with run "
                        f"{row.mlflow_run_id!r}; take the next number"
                    )
                return
            if generation.status == "champion":
                _demand_no_champion(session, generation.model, generation.number)
            session.add(
                GenerationRow(
                    model=generation.model,
                    number=generation.number,
                    status=generation.status,
                    mlflow_run_id=generation.mlflow_run_id,
                    version=generation.version,
                    snapshot=generation.snapshot.digest,
                    body=encode(generation),
                    saved_at=datetime.now(UTC),
                )
            )
            _write_manifest(session, generation, set(taught_by))

    def get(self, model: str, number: int) -> Generation:
        """Return a generation; raises `NotFound` if there is none with that number."""
        with self._database.reading() as session:
            return _generation(demand(session, model, number))

    def all(self, model: str) -> tuple[Generation, ...]:
        """Return every generation of a model, first to last."""
        wanted = select(GenerationRow).where(GenerationRow.model == model).order_by(GenerationRow.number)
        with self._database.reading() as session:
            return tuple(_generation(row) for row in session.scalars(wanted))

    def champion(self, model: str) -> Generation | None:
        """Return the generation in charge, or None before the first promotion."""
        with self._database.reading() as session:
            row = champion_row(session, model)
            return None if row is None else _generation(row)

    def note_digest(self, model: str, number: int, digest: str) -> None:
        """Keep the digest of a generation's files where an older Driftloop kept none; the same again is no change.

        Raises `Conflict` if the generation has another one, `NotFound` for an unknown number.
        """
        with self._database.writing() as session:
            row = demand(session, model, number)
            generation = decode(Generation, row.body)
            if generation.digest not in ("", digest):
                raise Conflict(
                    f"generation {number} of {model!r} has the digest {generation.digest[:12]!r}, not {digest[:12]!r};"
                    " restore its files from a backup"
                )
            row.body = encode(replace(generation, digest=digest))

    def set_status(self, model: str, number: int, status: Status) -> None:
        """Change a generation's status; `Conflict` for a second champion, `NotFound` for an unknown number."""
        with self._database.writing() as session:
            row = demand(session, model, number)
            if status == "champion" and row.status != status:
                _demand_no_champion(session, model, number)
            row.status = status


def demand(session: Session, model: str, number: int) -> GenerationRow:
    """Return a generation's table row; raises `NotFound` if there is none."""
    row = _find(session, model, number)
    if row is None:
        known = session.scalars(
            select(GenerationRow.number).filter_by(model=model).order_by(GenerationRow.number)
        ).all()
        raise NotFound(f"model {model!r} has no generation {number!r}; it has {list(known)!r}")
    return row


def champion_row(session: Session, model: str) -> GenerationRow | None:
    """Return the table row of the generation in charge, or None."""
    return session.scalar(select(GenerationRow).filter_by(model=model, status="champion"))


def _write_manifest(session: Session, generation: Generation, row_keys: set[str]) -> None:
    if not row_keys:
        return
    asks = dict(
        session.execute(select(AskRow.row_key, AskRow.id).where(AskRow.model == generation.model)).tuples().all()
    )
    if strangers := sorted(row_keys - set(asks)):
        raise NotFound(f"row {strangers[0]!r} of {generation.model!r} was never asked; only asked rows have labels")
    rows = [{"ask_id": asks[key], "generation": generation.number} for key in sorted(row_keys)]
    session.execute(insert(UseRow), rows)


def _find(session: Session, model: str, number: int) -> GenerationRow | None:
    return session.scalar(select(GenerationRow).filter_by(model=model, number=number))


def _demand_no_champion(session: Session, model: str, number: int) -> None:
    present = champion_row(session, model)
    if present is not None:
        raise Conflict(
            f"generation {number} of {model!r} cannot be champion: generation {present.number} is; promote it instead"
        )


def _generation(row: GenerationRow) -> Generation:
    return replace(decode(Generation, row.body), status=row.status)
