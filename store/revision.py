"""Which version of the tables a ledger has, and how it is brought up to date."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from records.errors import BadData
from store.database import Database
from store.locks import Locks
from store.tables import REVISION

__all__ = ["REVISION", "bring_up_to_date", "present_revision"]

VERSION_TABLE = "ledger_version"
_WAIT_SECONDS = 120.0


def bring_up_to_date(database: Database, locks: Locks) -> None:
    """Run the migrations a ledger lacks; two processes that start at once run them once.

    Raises `BadData` for a ledger that a newer version has written, and `Conflict` if another process migrates for more
    than two minutes.
    """
    if _present(database) == REVISION:
        return
    with locks.hold("migration of the ledger", wait_seconds=_WAIT_SECONDS):
        database.write_ahead()
        if (present := _present(database)) != REVISION:
            _upgrade(database, present)


def _present(database: Database) -> str | None:
    with database.reading() as session:
        if not inspect(session.connection()).has_table(VERSION_TABLE):
            return None
        version: str | None = session.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        return version


def present_revision(url: str) -> str | None:
    """Return the version of the tables of the ledger at `url`, None if it has none; nothing is changed."""
    database = Database(url)
    try:
        return _present(database)
    finally:
        database.engine.dispose()


def _upgrade(database: Database, present: str | None) -> None:
    from alembic import command  # slow to import and only needed here
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise BadData(
            f"the ledger {database.place} has version {present!r} of its tables, this Driftloop knows up to "
            f"{REVISION!r}; install the newer Driftloop that wrote it"
        )
    with database.writing() as session:
        connection: Connection = session.connection()
        config.attributes["connection"] = connection
        command.upgrade(config, REVISION)
