"""The outbox: what was sent to label projects, and what became of it, so that nothing is sent twice or lost."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import Select, func, select, update

from records.errors import NotFound
from records.window import Window
from store.database import Database
from store.requests import demand
from store.tables import AnnotationRow, AskRow, RequestRow


class Outbox:
    """The tasks of every label request, from before they are sent until nobody is asked any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sending(self, model: str, window: Window) -> bool:
        """Note that tasks are about to be sent; return whether it is unknown what became of an earlier sending.

        `pushed` with task ids tells. Raises `NotFound` for a window without a request.
        """
        with self._database.writing() as session:
            row = demand(session, model, window)
            unknown = row.sending_at is not None
            row.sending_at = datetime.now(UTC)
            return unknown

    def in_doubt(self, model: str, window: Window) -> bool:
        """Return whether tasks were sent of which it is unknown whether they arrived."""
        with self._database.reading() as session:
            return demand(session, model, window).sending_at is not None

    def doubtful(self, model: str, *, since: datetime) -> tuple[int, ...]:
        """Return the projects to which requests, closed after `since`, sent tasks that may still arrive."""
        wanted = select(RequestRow.project).where(
            RequestRow.model == model,
            RequestRow.project.is_not(None),
            RequestRow.sending_at.is_not(None),
            RequestRow.closed_at > since,
        )
        with self._database.reading() as session:
            return tuple(sorted({project for project in session.scalars(wanted) if project is not None}))

    def pushed(self, model: str, window: Window, project: int, task_ids: Mapping[str, int]) -> None:
        """Note the tasks of pushed rows (row key → task id), all at once or in parts; saying it again is no change.

        Without any it notes the project alone, so that what is sent there can be found again.
        Another project than before means the tasks were made anew: what was known of the old ones is forgotten.
        Raises `NotFound` for a window without a request and for a row that was not asked.
        """
        with self._database.writing() as session:
            row = demand(session, model, window)
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

    def spare(self, model: str, window: Window, row_keys: Collection[str]) -> None:
        """Note that nobody is asked about these rows of a window any more, sent or not; again is no change."""
        with self._database.writing() as session:
            row = demand(session, model, window)
            asks = session.scalars(select(AskRow).where(AskRow.request_id == row.id, AskRow.gone_at.is_(None)))
            for ask in asks:
                if ask.row_key in row_keys:
                    ask.gone_at = datetime.now(UTC)


def _in_project(model: str, project: int) -> Select[tuple[int, str, int | None, datetime | None]]:
    return (
        select(AskRow.id, AskRow.row_key, AskRow.task_id, AskRow.gone_at)
        .join(RequestRow, RequestRow.id == AskRow.request_id)
        .where(RequestRow.model == model, RequestRow.project == project)
    )
