"""How Alembic connects: on the connection that the caller opened, without touching logging."""

from alembic import context

from Medical_KG_rev.orchestration.ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
