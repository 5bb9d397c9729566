"""Versions are found by the run that made them."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the index."""
    columns = ["run", "dataset", "partition", "number", "known_at", "confirmed"]
    op.create_index("version_by_run", "version", columns, unique=False)
