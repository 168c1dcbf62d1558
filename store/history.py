"""A model's history up to a moment, copied into a ledger of its own, so that what followed can be tried again."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from records.generation import Generation
from records.window import Window
from store.ledger import Ledger, open_ledger
from store.tables import (
    AskRow,
    Base,
    CalibrationRow,
    GenerationRow,
    LabelRow,
    PromotionRow,
    RequestRow,
    StepRow,
    UseRow,
)
from store.wire import decode

_CLOSED = "withdrawn: it was open when the history was copied"


def copy_before(source: Ledger, url: str, model: str, moment: datetime, *, keep: Collection[str] = ()) -> Ledger:
    """Make a new ledger at `url` that knows of `model` what follows from its windows that began before `moment`.

    Who was champion then is the last promotion of a generation that those windows taught. Steps named in `keep` are
    copied for later windows too. Label requests lose their tasks, and one that is still open is closed: there is no
    label project behind the copy. `source` is only read.
    """
    copied = open_ledger(url)
    with source.database.reading() as session:
        there = session.connection()
        before = (StepRow.model == model) & ((StepRow.start < moment) | StepRow.step.in_(keep))
        steps = _rows(there, select(StepRow.__table__).where(before))
        names = {Window(row["start"], row["end"]).name for row in steps if row["start"] < moment}
        generations = _rows(
            there, select(GenerationRow.__table__).filter_by(model=model).order_by(GenerationRow.number)
        )
        taught = {row["number"]: decode(Generation, row["body"]).cause for row in generations}
        known = {number for number, cause in taught.items() if cause is None or cause in names}
        promotions = _until(
            _rows(
                there,
                select(PromotionRow.__table__).filter_by(model=model, state="confirmed").order_by(PromotionRow.id),
            ),
            known,
        )
        was_in_charge = [row["generation"] for row in promotions]
        requests = _rows(
            there, select(RequestRow.__table__).where(RequestRow.model == model, RequestRow.start < moment)
        )
        ids = select(RequestRow.id).where(RequestRow.model == model, RequestRow.start < moment)
        asks = _rows(there, select(AskRow.__table__).where(AskRow.request_id.in_(ids)))
        asked = select(AskRow.id).where(AskRow.request_id.in_(ids))
        rows: list[tuple[type[Base], list[dict[str, Any]]]] = [
            (StepRow, steps),
            (
                GenerationRow,
                [row | {"status": _status(row, was_in_charge)} for row in generations if row["number"] in known],
            ),
            (PromotionRow, promotions),
            (
                RequestRow,
                [
                    row
                    | {"project": None, "sending_at": None}
                    | ({} if row["closed_at"] else {"closed_at": row["saved_at"], "closed_why": _CLOSED})
                    for row in requests
                ],
            ),
            (AskRow, [row | {"task_id": None} for row in asks]),
            (LabelRow, _rows(there, select(LabelRow.__table__).where(LabelRow.ask_id.in_(asked)))),
            (
                UseRow,
                _rows(there, select(UseRow.__table__).where(UseRow.ask_id.in_(asked), UseRow.generation.in_(known))),
            ),
            (CalibrationRow, _rows(there, select(CalibrationRow.__table__).filter_by(model=model))),
        ]
    with copied.database.writing() as session:
        for table, content in rows:
            if content:
                session.execute(insert(table), content)
    return copied


def asked_at(copied: Ledger, model: str, window: Window, moment: datetime) -> None:
    """Say in a copy that a window's request was written down at `moment`, so that weekly budgets count as they did."""
    with copied.database.writing() as session:
        session.execute(
            update(RequestRow).filter_by(model=model, start=window.start, end=window.end).values(saved_at=moment)
        )


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [_plain(row) for row in connection.execute(query)]


def _plain(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)


def _until(promotions: list[dict[str, Any]], known: Collection[int]) -> list[dict[str, Any]]:
    """The promotions before the first one of a generation that is not known yet."""
    for place, row in enumerate(promotions):
        if row["generation"] not in known:
            return promotions[:place]
    return promotions


def _status(row: dict[str, Any], was_in_charge: list[int]) -> str:
    if was_in_charge and row["number"] == was_in_charge[-1]:
        return "champion"
    if row["number"] in was_in_charge:
        return "retired"
    return "candidate" if row["status"] in ("champion", "retired") else str(row["status"])
