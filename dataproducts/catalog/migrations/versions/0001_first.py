"""The first tables: observations, what follows from them, what people add, and the search index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from dataproducts.catalog.search import index

revision = "0001"
down_revision = None

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Word = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "arrival",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("port", Word, nullable=False),
        sa.Column("partition", Word, nullable=False),
        sa.Column("number", Big, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", Big, nullable=False),
        sa.Column("hash", Word, nullable=False),
        sa.Column("rows", Big, nullable=False),
        sa.Column("run", Word, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "port", "partition", "number"),
        sqlite_with_rowid=True,
    )
    op.create_index("arrival_by_time", "arrival", ["dataset", "port", "at"], unique=False)
    op.create_table(
        "audit",
        sa.Column("seq", Big, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("token", Word, nullable=False),
        sa.Column("action", Word, nullable=False),
        sa.Column("subject", Word, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_with_rowid=True,
    )
    op.create_table(
        "check_result",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", Big, nullable=False),
        sa.Column("check", Word, nullable=False),
        sa.Column("run", Word, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("severity", Word, nullable=False),
        sa.Column("partitions", Word, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "at", "storage_id", "check", "run"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "check_state",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("check", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", Big, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("severity", Word, nullable=False),
        sa.PrimaryKeyConstraint("dataset", "check"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "current",
        sa.Column("subject", Word, nullable=False),
        sa.Column("kind", Word, nullable=False),
        sa.Column("product", Word, nullable=False),
        sa.Column("location", Word, nullable=False),
        sa.Column("definition_at", sa.BigInteger(), nullable=False),
        sa.Column("definition_hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("rendered", sa.Text(), nullable=True),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
        sqlite_with_rowid=True,
    )
    op.create_index("current_kind", "current", ["kind", "changed"], unique=False)
    op.create_index("current_product", "current", ["product", "kind"], unique=False)
    op.create_table(
        "dataset_state",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("partitions", Big, nullable=False),
        sa.Column("rows", Big, nullable=False),
        sa.Column("refused", Big, nullable=False),
        sa.Column("newest_partition", Word, nullable=True),
        sa.Column("newest_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("fresh_until", sa.BigInteger(), nullable=True),
        sa.Column("freshness", Word, nullable=False),
        sa.Column("quality", Word, nullable=False),
        sa.Column("checks_passed", Big, nullable=False),
        sa.Column("checks_failed", Big, nullable=False),
        sa.PrimaryKeyConstraint("dataset"),
        sqlite_with_rowid=True,
    )
    op.create_index("dataset_state_due", "dataset_state", ["freshness", "fresh_until"], unique=False)
    op.create_table(
        "definition",
        sa.Column("subject", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("location", Word, nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("subject", "at", "hash"),
        sqlite_with_rowid=True,
    )
    op.create_table(
        "delivery",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", Big, nullable=False),
        sa.Column("partition", Word, nullable=False),
        sa.Column("run", Word, nullable=False),
        sa.Column("number", Big, nullable=False),
        sa.Column("hash", Word, nullable=False),
        sa.Column("unchanged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "at", "storage_id", "partition", "run"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "edge",
        sa.Column("source", Word, nullable=False),
        sa.Column("label", Word, nullable=False),
        sa.Column("target", Word, nullable=False),
        sa.Column("asserted_by", Word, nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", "label", "target", "asserted_by", "valid_from"),
        sqlite_with_rowid=False,
    )
    op.create_index("edge_asserted", "edge", ["asserted_by", "valid_to"], unique=False)
    op.create_index("edge_back", "edge", ["target", "label", "source", "valid_from", "valid_to"], unique=False)
    op.create_table(
        "failure",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", Big, nullable=False),
        sa.Column("run", Word, nullable=False),
        sa.Column("port", Word, nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "at", "storage_id", "run", "port"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feed",
        sa.Column("seq", Big, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("subject", Word, nullable=False),
        sa.Column("change", Word, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_with_rowid=True,
    )
    op.create_index("feed_subject", "feed", ["subject", "seq"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "node",
        sa.Column("id", Word, nullable=False),
        sa.Column("asserted_by", Word, nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("kind", Word, nullable=False),
        sa.Column("label", Word, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "asserted_by", "valid_from"),
        sqlite_with_rowid=True,
    )
    op.create_index("node_asserted", "node", ["asserted_by", "valid_to"], unique=False)
    op.create_index("node_kind", "node", ["kind", "id"], unique=False)
    op.create_table(
        "owner",
        sa.Column("subject", Word, nullable=False),
        sa.Column("location", Word, nullable=False),
        sa.PrimaryKeyConstraint("subject"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "partition_state",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("partition", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", Big, nullable=False),
        sa.Column("number", Big, nullable=False),
        sa.Column("hash", Word, nullable=False),
        sa.Column("rows", Big, nullable=False),
        sa.Column("refused", Big, nullable=False),
        sa.Column("contract", Word, nullable=False),
        sa.PrimaryKeyConstraint("dataset", "partition"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "proof",
        sa.Column("location", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("location", "at"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rating",
        sa.Column("subject", Word, nullable=False),
        sa.Column("author", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "author", "at"),
        sqlite_with_rowid=True,
    )
    op.create_table(
        "remark",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("subject", Word, nullable=False),
        sa.Column("kind", Word, nullable=False),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.Column("author", Word, nullable=False),
        sa.Column("text", Word, nullable=False),
        sa.Column("html", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=True,
    )
    op.create_index("remark_subject", "remark", ["subject", "at"], unique=False)
    op.create_table(
        "tag",
        sa.Column("subject", Word, nullable=False),
        sa.Column("tag", Word, nullable=False),
        sa.Column("author", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("subject", "tag", "author", "at"),
        sqlite_with_rowid=True,
    )
    op.create_table(
        "token",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", Word, nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sqlite_with_rowid=True,
    )
    op.create_table(
        "usage",
        sa.Column("subject", Word, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("views", Big, nullable=False),
        sa.PrimaryKeyConstraint("subject", "day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "version",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("partition", Word, nullable=False),
        sa.Column("number", Big, nullable=False),
        sa.Column("hash", Word, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", Big, nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("contract", Word, nullable=False),
        sa.Column("rows", Big, nullable=False),
        sa.Column("received", Big, nullable=True),
        sa.Column("refused", Big, nullable=False),
        sa.Column("run", Word, nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "partition", "number", "hash"),
        sqlite_with_rowid=True,
    )
    op.create_index("version_by_time", "version", ["dataset", "at"], unique=False)
    op.create_table(
        "version_input",
        sa.Column("dataset", Word, nullable=False),
        sa.Column("partition", Word, nullable=False),
        sa.Column("number", Big, nullable=False),
        sa.Column("input", Word, nullable=False),
        sa.Column("input_partition", Word, nullable=False),
        sa.Column("input_number", Big, nullable=False),
        sa.PrimaryKeyConstraint("dataset", "partition", "number", "input", "input_partition", "input_number"),
        sqlite_with_rowid=False,
    )
    op.create_index("version_input_back", "version_input", ["input", "input_partition", "input_number"], unique=False)
    index.create(op.get_bind())
