"""A request says whether tasks were sent whose answer is not known; annotations are found by their row."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("requests") as requests:
        requests.add_column(sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_annotations_project_task", table_name="annotations")
    op.create_index("ix_annotations_project_row", "annotations", ["project", "row_key"])


def downgrade() -> None:
    raise NotImplementedError("a ledger is never thrown away; restore the backup of the earlier version instead")
