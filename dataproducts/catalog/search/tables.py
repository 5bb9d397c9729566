"""The tables of the index, and how they are made and unmade. All of it can be made again from the truth beside it.

The analysed text lies in `search_text`: an FTS5 table on SQLite (with a second index, `search_heading`), a table with tsvectors on
PostgreSQL. Everything else is plain tables.
Words, keys and names compare bytewise on both, so that ranges and orders are the same.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataproducts.catalog.search import engines

_Bytewise = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

metadata = sa.MetaData()


def tables(into: sa.MetaData) -> dict[str, sa.Table]:
    """The plain tables of the index, declared on a MetaData; keyed by name. `search_text` is not among them: see `create`."""
    return {
        table.name: table
        for table in (
            # One row per document. `rid` is its row number (documents.row_number): smallest first wherever it is read in order.
            sa.Table(
                "search_document",
                into,
                sa.Column("rid", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
                sa.Column("id", _Bytewise, nullable=False, unique=True),
                sa.Column("facet_set", sa.BigInteger, nullable=False),
                sa.Column("browse", sa.BigInteger, nullable=False),
                sa.Column("title_key", _Bytewise, nullable=False),
                sa.Column("updated", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
                sa.Column("indexed", sa.LargeBinary, nullable=False),  # digest of what the words, names and rank came from
                sa.Column("shown", sa.LargeBinary, nullable=False),  # digest of the rest
                sa.Index("search_document_browse", "browse", "title_key", "rid"),
                sa.Index("search_document_title", "title_key", "rid"),
                sa.Index("search_document_updated", sa.desc("updated"), "rid"),
                sa.Index("search_document_facet_set", "facet_set"),
            ),
            # Apart, so that counting reads narrow rows.
            sa.Table(
                "search_card",
                into,
                sa.Column("rid", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
                sa.Column("kind", sa.Text, nullable=False),
                sa.Column("titles", sa.Text, nullable=False),  # as given, a JSON list
                sa.Column("card", sa.Text, nullable=False),
            ),
            # A combination of facet values, once. A row stays when no document has it any more: an id means one thing for ever.
            sa.Table(
                "search_facet_set",
                into,
                sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
                sa.Column("facets", sa.Text, nullable=False),
            ),
            sa.Table(
                "search_facet_value",
                into,
                sa.Column("token", _Bytewise, primary_key=True),
                sa.Column("facet_set", sa.BigInteger, primary_key=True, autoincrement=False),
                sqlite_with_rowid=False,
            ),
            # The vocabulary: the words of all documents, and what compounds among them are made of.
            sa.Table(
                "search_word",
                into,
                sa.Column("word", _Bytewise, primary_key=True),
                sa.Column("documents", sa.Integer, nullable=False),
                sa.Column("parts", sa.Text, nullable=False),
                sqlite_with_rowid=False,
            ),
            # What a word is recognized by inside a compound (itself, its stem), readable from either end.
            sa.Table(
                "search_word_key",
                into,
                sa.Column("key", _Bytewise, primary_key=True),
                sa.Column("word", _Bytewise, primary_key=True),
                sa.Column("backwards", _Bytewise, nullable=False),
                sa.Index("search_word_key_word", "word"),
                sa.Index("search_word_key_backwards", "backwards", "word"),
                sqlite_with_rowid=False,
            ),
        )
    }


_TABLES = tables(metadata)
document = _TABLES["search_document"]
card = _TABLES["search_card"]
facet_set = _TABLES["search_facet_set"]
facet_value = _TABLES["search_facet_value"]
word = _TABLES["search_word"]
word_key = _TABLES["search_word_key"]


def create(connection: sa.Connection) -> None:
    """Make the index, empty; in the caller's transaction, so it can stand in a migration."""
    metadata.create_all(connection)
    engines.of(connection).create_text(connection)


def drop(connection: sa.Connection) -> None:
    """Take the whole index away."""
    engines.of(connection).drop_text(connection)
    metadata.drop_all(connection)
