"""What is ordinary for a reference, kept so that it is found out once."""

from datetime import UTC, datetime

from sqlalchemy import Select, select

from records.calibration import NullScores
from store.database import Database
from store.tables import CalibrationRow
from store.wire import decode, encode


class Calibrations:
    """The costly part of every calibration; its `key` stands for all that it follows from, so it never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, model: str, key: str) -> NullScores | None:
        """Return the scores kept under a key, or None."""
        with self._database.reading() as session:
            row = session.scalar(_row(model, key))
            return None if row is None else decode(NullScores, row.body)

    def save(self, model: str, key: str, scores: NullScores) -> None:
        """Keep scores; where some are kept under that key already, those stay."""
        with self._database.writing() as session:
            if session.scalar(_row(model, key)) is None:
                session.add(CalibrationRow(model=model, key=key, body=encode(scores), saved_at=datetime.now(UTC)))


def _row(model: str, key: str) -> Select[tuple[CalibrationRow]]:
    return select(CalibrationRow).filter_by(model=model, key=key)
