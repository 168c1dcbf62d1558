"""The ledger: everything Driftloop did, meant to do and was told, in one SQLite file or PostgreSQL database."""

from contextlib import AbstractContextManager

from store.annotations import Annotations
from store.calibrations import Calibrations
from store.database import Database
from store.generations import Generations
from store.labels import Labels
from store.locks import Held, locks_of
from store.outbox import Outbox
from store.promotions import Promotions
from store.requests import Requests
from store.revision import bring_up_to_date
from store.second_opinions import SecondOpinions
from store.steps import Steps


class Ledger:
    """One noun per attribute; every method is a transaction of its own and safe to repeat.

    Its methods raise `ServiceDown`, `NotAllowed`, `StorageFull` or `Conflict` when the database does, never an error of
    SQLAlchemy, and never show a password.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._locks = locks_of(database)
        self.steps = Steps(database, self._locks)
        self.requests = Requests(database)
        self.outbox = Outbox(database)
        self.second_opinions = SecondOpinions(database)
        self.annotations = Annotations(database)
        self.labels = Labels(database)
        self.generations = Generations(database)
        self.promotions = Promotions(database)
        self.calibrations = Calibrations(database)

    def __repr__(self) -> str:
        return f"Ledger({self.database.place!r})"

    def lock(self, name: str, *, wait_seconds: float = 0.0) -> AbstractContextManager[Held]:
        """Hold a lock of that name for a `with` block; `Conflict` if another still holds it after `wait_seconds`.

        The operating system (SQLite) or the server (PostgreSQL) takes it back when its holder dies. Its
        `check()`, also asked at the end of the block, raises `LockLost` if it was, as by a restart of the server.
        """
        return self._locks.hold(name, wait_seconds=wait_seconds)

    def bring_up_to_date(self) -> None:
        """Run the migrations that the database lacks."""
        bring_up_to_date(self.database, self._locks)

    def close(self) -> None:
        """Close the connections; using the ledger again opens new ones."""
        self.database.engine.dispose()


def open_ledger(url: str) -> Ledger:
    """Open the ledger at `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, up to date.

    A new database gets its tables, an older one is migrated. Raises `BadSettings` for another kind of address,
    `ServiceDown` or `NotAllowed` for a server that does not let us in, and `BadData` for a ledger that a newer
    Driftloop has written.
    """
    ledger = Ledger(Database(url))
    ledger.bring_up_to_date()
    return ledger
