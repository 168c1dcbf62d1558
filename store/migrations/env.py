"""Alembic's entry: run the migrations on the connection that `store.schema` hands over."""

from alembic import context

from store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="ledger_version",
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=True,  # a migration that is killed half-way leaves no trace, in SQLite too
)
with context.begin_transaction():
    context.run_migrations()
