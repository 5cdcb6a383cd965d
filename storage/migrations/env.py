"""Alembic's environment: online only, on the connection that `storage.migrate` hands over."""

from alembic import context

from storage.table_shapes import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
