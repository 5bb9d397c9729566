"""Steps that bring an older catalog's tables to this version of the code. Alembic is loaded only where there is something to do."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every revision there has been, oldest first."""
HEAD = REVISIONS[-1]


def upgrade(connection: sa.Connection, to: str = HEAD) -> None:
    """Run what is missing up to a revision inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
