"""Alembic's entry: runs on the connection that `upgrade` was given."""

from __future__ import annotations

from alembic import context

from dataproducts.catalog.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
