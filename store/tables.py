"""The ledger's tables: typed columns for what is queried or constrained, JSON text for whole records."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from records.generation import Status
from records.label import Purpose
from records.promotion import State
from records.window import Window

REVISION = "0005"
"""The migration after which the database looks like these tables."""


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` in PostgreSQL, naive UTC in SQLite, which has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; a moment without a time zone is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value!r} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with UTC attached."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can find it again."""

    type_annotation_map = {datetime: UtcTime, str: Text}  # noqa: RUF012  SQLAlchemy reads it from the class
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


class OfWindow:
    """Columns of a row that belongs to one window of one model."""

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    start: Mapped[datetime]
    end: Mapped[datetime]

    @property
    def window(self) -> Window:
        """The window, in UTC."""
        return Window(self.start, self.end)


class StepRow(OfWindow, Base):
    """A finished step and its record."""

    __tablename__ = "steps"
    __table_args__ = (UniqueConstraint("model", "start", "end", "step"), Index("ix_steps_kind", "model", "kind"))

    step: Mapped[str]
    kind: Mapped[str]
    body: Mapped[str]
    finished_at: Mapped[datetime]


class RequestRow(OfWindow, Base):
    """A label request: saved before its tasks are pushed, open until it is closed.

    `saved_at` is when its last round was written down; `sending_at` is set before tasks are sent and cleared once it
    is known what became of them.
    """

    __tablename__ = "requests"
    __table_args__ = (UniqueConstraint("model", "start", "end"),)

    generation: Mapped[int]
    budget: Mapped[int]
    reason: Mapped[str]
    project: Mapped[int | None] = mapped_column(BigInteger)
    saved_at: Mapped[datetime]
    sending_at: Mapped[datetime | None]
    pushed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_why: Mapped[str | None]


class AskRow(Base):
    """One row that people are asked about; no row of a model is ever asked twice.

    `gone_at` is set once its task was withdrawn, or deleted by hand, before anybody answered.
    """

    __tablename__ = "asks"
    __table_args__ = (
        UniqueConstraint("model", "row_key"),
        CheckConstraint("purpose IN ('audit', 'train', 'gold')", name="purpose"),
        CheckConstraint("inclusion > 0 AND inclusion <= 1", name="inclusion"),
        Index("ix_asks_request_task", "request_id", "task_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey(RequestRow.id))
    position: Mapped[int]
    model: Mapped[str]
    row_key: Mapped[str]
    purpose: Mapped[Purpose] = mapped_column(Text)
    inclusion: Mapped[float]
    slice: Mapped[str]
    reason: Mapped[str]
    round: Mapped[int]
    prediction: Mapped[str | None]
    suggested: Mapped[bool]
    task_id: Mapped[int | None] = mapped_column(BigInteger)
    gone_at: Mapped[datetime | None]


class SecondOpinionRow(Base):
    """The task in which one more person is asked about a row that people disagree on; written before it is pushed."""

    __tablename__ = "second_opinions"

    ask_id: Mapped[int] = mapped_column(ForeignKey(AskRow.id), primary_key=True, autoincrement=False)
    project: Mapped[int | None] = mapped_column(BigInteger)
    task_id: Mapped[int | None] = mapped_column(BigInteger)
    asked_at: Mapped[datetime]


class AnnotationRow(Base):
    """One person's answer as it was last seen in a label project; `deleted_at` is set once it is gone there."""

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("project", "annotation_id"),
        Index("ix_annotations_project_row", "project", "row_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[int] = mapped_column(BigInteger)
    annotation_id: Mapped[int] = mapped_column(BigInteger)
    task_id: Mapped[int] = mapped_column(BigInteger)
    row_key: Mapped[str]
    annotator: Mapped[str]
    answer: Mapped[str | None]
    updated_at: Mapped[datetime]
    lead_time_seconds: Mapped[float | None]
    origin: Mapped[str | None]
    deleted_at: Mapped[datetime | None]


class WatermarkRow(Base):
    """Up to which moment a label project's changes are in the ledger."""

    __tablename__ = "watermarks"

    project: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seen_until: Mapped[datetime]


class LabelRow(Base):
    """The consensus answer to one ask; `body` is the whole label."""

    __tablename__ = "labels"

    ask_id: Mapped[int] = mapped_column(ForeignKey(AskRow.id), primary_key=True, autoincrement=False)
    answer: Mapped[str]
    body: Mapped[str]
    saved_at: Mapped[datetime]


class UseRow(Base):
    """One line of a training manifest: this generation learned from the label of this ask."""

    __tablename__ = "uses"

    ask_id: Mapped[int] = mapped_column(ForeignKey(AskRow.id), primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class GenerationRow(Base):
    """A generation; `status` lives in its column alone, the rest in `body`. A model has one champion at most."""

    __tablename__ = "generations"
    __table_args__ = (
        UniqueConstraint("model", "number"),
        CheckConstraint("status IN ('candidate', 'champion', 'retired', 'rejected')", name="status"),
        Index(
            "uq_generations_champion",
            "model",
            unique=True,
            sqlite_where=text("status = 'champion'"),
            postgresql_where=text("status = 'champion'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    number: Mapped[int]
    status: Mapped[Status] = mapped_column(Text)
    mlflow_run_id: Mapped[str]
    version: Mapped[str]
    snapshot: Mapped[str]
    body: Mapped[str]
    saved_at: Mapped[datetime]


class PromotionRow(Base):
    """A change of champion: intended before the alias moves, then confirmed or abandoned. One at a time."""

    __tablename__ = "promotions"
    __table_args__ = (
        ForeignKeyConstraint(["model", "generation"], ["generations.model", "generations.number"]),
        ForeignKeyConstraint(["model", "previous"], ["generations.model", "generations.number"]),
        CheckConstraint("state IN ('intended', 'confirmed', 'abandoned')", name="state"),
        Index(
            "uq_promotions_intended",
            "model",
            unique=True,
            sqlite_where=text("state = 'intended'"),
            postgresql_where=text("state = 'intended'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    generation: Mapped[int]
    previous: Mapped[int | None]
    why: Mapped[str]
    verdict: Mapped[str | None]
    state: Mapped[State] = mapped_column(Text)
    intended_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    abandoned_why: Mapped[str | None]
    told_at: Mapped[datetime | None]


class CalibrationRow(Base):
    """The costly part of a calibration, under a key that stands for all it follows from."""

    __tablename__ = "calibrations"
    __table_args__ = (UniqueConstraint("model", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    key: Mapped[str]
    body: Mapped[str]
    saved_at: Mapped[datetime]
