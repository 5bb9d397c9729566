"""Datasets are found by where they stand, so that the front page need not look at all of them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("dataset_state_standing", "dataset_state", ["freshness", "quality"], unique=False)
    op.create_index("dataset_state_quality", "dataset_state", ["quality", "delivered_at"], unique=False)
