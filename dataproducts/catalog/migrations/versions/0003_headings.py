"""On SQLite titles, columns and keywords have an index of their own, so that who looks for words there walks past no descriptions."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_COLUMNS = "title, columns, keywords, facets"


def upgrade() -> None:
    """Make the index, of what is stored."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("DROP TABLE IF EXISTS search_heading")  # a catalog that is begun now has it, and nothing is stored yet
    op.execute(f"CREATE VIRTUAL TABLE search_heading USING fts5({_COLUMNS}, tokenize='ascii', columnsize=0, content='')")
    op.execute(f"INSERT INTO search_heading(rowid, {_COLUMNS}) SELECT rowid, {_COLUMNS} FROM search_text ORDER BY rowid")
