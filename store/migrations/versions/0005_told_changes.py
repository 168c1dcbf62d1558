"""A change of champion says when Prefect was told of it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("promotions") as promotions:
        promotions.add_column(sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    promotion = sa.table("promotions", sa.column("told_at"), sa.column("settled_at"))
    op.execute(promotion.update().values(told_at=promotion.c.settled_at))  # nobody wants to hear of the past


def downgrade() -> None:
    raise NotImplementedError("a ledger is never thrown away; restore the backup of the earlier version instead")
