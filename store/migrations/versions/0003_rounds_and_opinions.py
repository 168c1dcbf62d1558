"""Requests have rounds, gold rows and second opinions; annotations say how they came about."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("asks") as asks:
        asks.add_column(sa.Column("round", sa.Integer(), nullable=False, server_default="1"))
        asks.add_column(sa.Column("prediction", sa.Text(), nullable=True))
        asks.add_column(sa.Column("suggested", sa.Boolean(), nullable=False, server_default=sa.false()))
        asks.add_column(sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
        asks.drop_constraint(op.f("ck_asks_ck_asks_purpose"), type_="check")  # named twice over by 0001
        asks.create_check_constraint(op.f("ck_asks_purpose"), "purpose IN ('audit', 'train', 'gold')")
    with op.batch_alter_table("annotations") as annotations:
        annotations.add_column(sa.Column("origin", sa.Text(), nullable=True))
    op.create_table(
        "second_opinions",
        sa.Column("ask_id", sa.Integer(), nullable=False),
        sa.Column("project", sa.BigInteger(), nullable=True),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ask_id", name="pk_second_opinions"),
        sa.ForeignKeyConstraint(["ask_id"], ["asks.id"], name="fk_second_opinions_ask_id"),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is never thrown away; restore the backup of the earlier version instead")
