"""Second looks: rows that people disagreed on and are asked once more, written down before a task is pushed."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from sqlalchemy import Select, insert, select

from records.errors import NotFound
from records.label import SecondLook
from records.window import Window
from store.database import Database
from store.tables import AskRow, RequestRow, SecondOpinionRow


class SecondOpinions:
    """The second looks of every model; a row is looked at again once at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, model: str, window: Window, row_keys: Collection[str]) -> None:
        """Note that these rows of a window are to be asked again; a row that was noted before is no change.

        Raises `NotFound` for a row that was not asked in that window.
        """
        with self._database.writing() as session:
            asks = dict(session.execute(_asked(model, window)).tuples().all())
            _demand(asks, row_keys, model, window)
            noted = {row.ask_id for row in session.scalars(_noted(model, window))}
            now = datetime.now(UTC)
            new = [{"ask_id": asks[key], "asked_at": now} for key in sorted(row_keys) if asks[key] not in noted]
            if new:
                session.execute(insert(SecondOpinionRow), new)

    def placed(self, model: str, window: Window, project: int, row_keys: Collection[str]) -> None:
        """Note the project in which these rows are about to be asked again, so that what is sent can be found."""
        with self._database.writing() as session:
            asks = dict(session.execute(_asked(model, window)).tuples().all())
            wanted = {asks[key] for key in row_keys if key in asks}
            for row in session.scalars(_noted(model, window)):
                if row.ask_id in wanted:
                    row.project = project

    def pushed(self, model: str, window: Window, project: int, task_ids: Mapping[str, int]) -> None:
        """Note the tasks of rows that were to be asked again (row key → task id); saying it again is no change.

        Raises `NotFound` for a row of which that was not noted before.
        """
        with self._database.writing() as session:
            asks = dict(session.execute(_asked(model, window)).tuples().all())
            rows = {row.ask_id: row for row in session.scalars(_noted(model, window))}
            _demand({key for key, ask_id in asks.items() if ask_id in rows}, task_ids, model, window)
            for key, task_id in task_ids.items():
                rows[asks[key]].project, rows[asks[key]].task_id = project, task_id

    def of(self, model: str, window: Window) -> tuple[SecondLook, ...]:
        """Return the rows of a window that are asked again, in the order they were asked first."""
        with self._database.reading() as session:
            rows = {row.ask_id: row for row in session.scalars(_noted(model, window))}
            asks = session.execute(_asked(model, window)).tuples()
            return tuple(SecondLook(key, rows[i].project, rows[i].task_id) for key, i in asks if i in rows)


def _asked(model: str, window: Window) -> Select[tuple[str, int]]:
    return (
        select(AskRow.row_key, AskRow.id)
        .join(RequestRow, RequestRow.id == AskRow.request_id)
        .where(RequestRow.model == model, RequestRow.start == window.start, RequestRow.end == window.end)
        .order_by(AskRow.position)
    )


def _noted(model: str, window: Window) -> Select[tuple[SecondOpinionRow]]:
    return (
        select(SecondOpinionRow)
        .join(AskRow, AskRow.id == SecondOpinionRow.ask_id)
        .join(RequestRow, RequestRow.id == AskRow.request_id)
        .where(RequestRow.model == model, RequestRow.start == window.start, RequestRow.end == window.end)
    )


def _demand(known: Collection[str], row_keys: Collection[str], model: str, window: Window) -> None:
    strangers = sorted(set(row_keys) - set(known))
    if strangers:
        raise NotFound(
            f"row {strangers[0]!r} is not among those asked in window {window.name} of {model!r}; ask again only about"
            " rows of its request, and note that before a task is pushed"
        )
