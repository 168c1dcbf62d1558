"""Changes of champion: an intent before the registry's alias moves, a confirmation after."""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from records.comparison import Verdict
from records.errors import Conflict, NotFound
from records.promotion import Promotion, State
from store.database import Database
from store.generations import champion_row, demand
from store.tables import PromotionRow
from store.wire import decode, encode


class Promotions:
    """The promotions and rollbacks of every model; one at a time per model."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, model: str, *, generation: int, previous: int | None, why: str, verdict: Verdict | None) -> int:
        """Write down that `generation` shall replace `previous`; return the intent's id, the same when repeated.

        Raises `Conflict` if another promotion is pending or `previous` is not the champion, `NotFound` for a generation
        the ledger does not know.
        """
        with self._database.writing() as session:
            demand(session, model, generation)
            pending = session.scalar(select(PromotionRow).filter_by(model=model, state="intended"))
            if pending is not None:
                if (pending.generation, pending.previous) == (generation, previous):
                    return pending.id
                raise Conflict(
                    f"a promotion of generation {pending.generation} of {model!r} is pending; settle it first"
                )
            _demand_champion(session, model, previous)
            row = PromotionRow(
                model=model,
                generation=generation,
                previous=previous,
                why=why,
                verdict=None if verdict is None else encode(verdict),
                state="intended",
                intended_at=datetime.now(UTC),
            )
            session.add(row)
            session.flush()
            return row.id

    def confirm(self, promotion: int) -> None:
        """Put the intended generation in charge and retire the previous one, in one transaction; again is no change.

        Raises `Conflict` if it was abandoned or somebody else became champion meanwhile.
        """
        with self._database.writing() as session:
            row = _demand(session, promotion)
            if row.state == "confirmed":
                return
            if row.state == "abandoned":
                raise Conflict(
                    f"promotion {promotion} of {row.model!r} was abandoned ({row.abandoned_why}); intend it anew"
                )
            _demand_champion(session, row.model, row.previous)
            if row.previous is not None:
                demand(session, row.model, row.previous).status = "retired"
                session.flush()  # before the next one: the index allows one champion at any moment
            demand(session, row.model, row.generation).status = "champion"
            row.state, row.settled_at = "confirmed", datetime.now(UTC)

    def abandon(self, promotion: int, why: str) -> None:
        """Give an intent up; again is no change. Raises `Conflict` if it was confirmed."""
        with self._database.writing() as session:
            row = _demand(session, promotion)
            if row.state == "confirmed":
                raise Conflict(f"promotion {promotion} of {row.model!r} is confirmed; roll it back instead")
            if row.state == "intended":
                row.state, row.settled_at, row.abandoned_why = "abandoned", datetime.now(UTC), why

    def tell(self, promotion: int) -> None:
        """Write down that a change of champion was told; again is no change."""
        with self._database.writing() as session:
            row = _demand(session, promotion)
            row.told_at = row.told_at or datetime.now(UTC)

    def pending(self, model: str) -> tuple[Promotion, ...]:
        """Return the intents that a crash left unsettled: none or one."""
        return self._in_states(model, ("intended",))

    def history(self, model: str, *, abandoned: bool = False) -> tuple[Promotion, ...]:
        """Return the changes of champion that happened, oldest first; with `abandoned`, those that did not too."""
        return self._in_states(model, ("confirmed", "abandoned") if abandoned else ("confirmed",))

    def _in_states(self, model: str, states: tuple[State, ...]) -> tuple[Promotion, ...]:
        wanted = select(PromotionRow).where(PromotionRow.model == model, PromotionRow.state.in_(states))
        with self._database.reading() as session:
            return tuple(_promotion(row) for row in session.scalars(wanted.order_by(PromotionRow.id)))


def _demand(session: Session, promotion: int) -> PromotionRow:
    row = session.get(PromotionRow, promotion)
    if row is None:
        raise NotFound(f"the ledger has no promotion {promotion!r}; intend it first")
    return row


def _demand_champion(session: Session, model: str, expected: int | None) -> None:
    present = champion_row(session, model)
    number = None if present is None else present.number
    if number != expected:
        raise Conflict(
            f"the champion of {model!r} is generation {number}, not {expected}; compare with it and try again"
        )


def _promotion(row: PromotionRow) -> Promotion:
    return Promotion(
        row.id,
        row.model,
        row.generation,
        row.previous,
        row.why,
        None if row.verdict is None else decode(Verdict, row.verdict),
        row.state,
        row.intended_at,
        row.settled_at,
        row.abandoned_why,
        row.told_at,
    )
