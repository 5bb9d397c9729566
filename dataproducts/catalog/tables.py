"""The catalog's tables. Observations are only ever added; what is derived from them (intervals, newest states) can be made again.

Instants are whole microseconds since 1970 in UTC and JSON is canonical text, so that SQLite and PostgreSQL hold and order the same.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def instant(value: int) -> datetime:
    """Microseconds since 1970 as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=value)


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else instant(value)


class Json(sa.types.TypeDecorator[Any]):
    """A JSON value as canonical text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        return None if value is None else json.loads(value)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value is the same text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _table(name: str, *parts: Any, rowid: bool = True) -> sa.Table:
    return sa.Table(name, metadata, *parts, sqlite_with_rowid=rowid)


def name_of(subject: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """The dataset's name in `dataset:<name>`: so written that a join finds states by their key."""
    return sa.func.substr(subject, len("dataset:") + 1)


Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Word = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Text that is ordered by its bytes everywhere."""

# What was received

inbox = _table(
    "inbox",
    sa.Column("key", sa.String(36), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("received", Instant, nullable=False),
    rowid=False,
)
owner = _table(
    "owner",
    sa.Column("subject", Word, primary_key=True),
    sa.Column("location", Word, nullable=False),
    rowid=False,
)
definition = _table(
    "definition",
    sa.Column("subject", Word, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("location", Word, nullable=False),
    sa.Column("body", Json),
)
version = _table(
    "version",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("partition", Word, primary_key=True),
    sa.Column("number", Big, primary_key=True),
    sa.Column("hash", Word, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("storage_id", Big, nullable=False),
    sa.Column("confirmed", sa.Boolean, nullable=False),  # known only from runs that found it unchanged
    sa.Column("known_at", Instant, nullable=False),
    sa.Column("contract", Word, nullable=False),
    sa.Column("rows", Big, nullable=False),
    sa.Column("received", Big),
    sa.Column("refused", Big, nullable=False),
    sa.Column("run", Word, nullable=False),
    sa.Column("inputs", Json, nullable=False),
    sa.Column("profile", Json, nullable=False),
    sa.Column("facts", Json, nullable=False),
    sa.Index("version_by_time", "dataset", "at"),
    sa.Index("version_by_run", "run", "dataset", "partition", "number", "known_at", "confirmed"),
)
delivery = _table(
    "delivery",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("storage_id", Big, primary_key=True),
    sa.Column("partition", Word, primary_key=True),
    sa.Column("run", Word, primary_key=True),
    sa.Column("number", Big, nullable=False),
    sa.Column("hash", Word, nullable=False),
    sa.Column("unchanged", sa.Boolean, nullable=False),
    rowid=False,
)
version_input = _table(
    "version_input",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("partition", Word, primary_key=True),
    sa.Column("number", Big, primary_key=True),
    sa.Column("input", Word, primary_key=True),
    sa.Column("input_partition", Word, primary_key=True),
    sa.Column("input_number", Big, primary_key=True),
    sa.Index("version_input_back", "input", "input_partition", "input_number"),
    rowid=False,
)
arrival = _table(
    "arrival",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("port", Word, primary_key=True),
    sa.Column("partition", Word, primary_key=True),
    sa.Column("number", Big, primary_key=True),
    sa.Column("at", Instant, nullable=False),  # of the first of those that tell of it
    sa.Column("storage_id", Big, nullable=False),
    sa.Column("hash", Word, nullable=False),
    sa.Column("rows", Big, nullable=False),
    sa.Column("run", Word, nullable=False),
    sa.Column("facts", Json, nullable=False),
    sa.Index("arrival_by_time", "dataset", "port", "at"),
)
check_result = _table(
    "check_result",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("storage_id", Big, primary_key=True),
    sa.Column("check", Word, primary_key=True),
    sa.Column("run", Word, primary_key=True),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("severity", Word, nullable=False),
    sa.Column("partitions", Word, nullable=False),
    sa.Column("facts", Json, nullable=False),
    rowid=False,
)
failure = _table(
    "failure",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("storage_id", Big, primary_key=True),
    sa.Column("run", Word, primary_key=True),
    sa.Column("port", Word, primary_key=True),  # empty: the dataset itself
    sa.Column("errors", Json, nullable=False),
    rowid=False,
)
proof = _table(
    "proof",
    sa.Column("location", Word, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("body", Json, nullable=False),
    rowid=False,
)

# What follows from it

node = _table(
    "node",
    sa.Column("id", Word, primary_key=True),
    sa.Column("asserted_by", Word, primary_key=True),
    sa.Column("valid_from", Instant, primary_key=True),
    sa.Column("valid_to", Instant),
    sa.Column("kind", Word, nullable=False),
    sa.Column("label", Word, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Index("node_asserted", "asserted_by", "valid_to"),
    sa.Index("node_kind", "kind", "id"),
)
edge = _table(
    "edge",
    sa.Column("source", Word, primary_key=True),
    sa.Column("label", Word, primary_key=True),
    sa.Column("target", Word, primary_key=True),
    sa.Column("asserted_by", Word, primary_key=True),
    sa.Column("valid_from", Instant, primary_key=True),
    sa.Column("valid_to", Instant),
    sa.Index("edge_back", "target", "label", "source", "valid_from", "valid_to"),
    sa.Index("edge_asserted", "asserted_by", "valid_to"),
    rowid=False,
)
current = _table(
    "current",
    sa.Column("subject", Word, primary_key=True),  # product:..., dataset:..., entry:...
    sa.Column("kind", Word, nullable=False),
    sa.Column("product", Word, nullable=False),
    sa.Column("location", Word, nullable=False),
    sa.Column("definition_at", Instant, nullable=False),
    sa.Column("definition_hash", sa.String(64), nullable=False),
    sa.Column("body", Json),  # null: no longer declared
    sa.Column("rendered", Json),  # its markdown as safe HTML
    sa.Column("changed", Instant, nullable=False),  # newest of anything known about it
    sa.Index("current_product", "product", "kind"),
    sa.Index("current_kind", "kind", "changed"),
)
partition_state = _table(
    "partition_state",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("partition", Word, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("storage_id", Big, nullable=False),
    sa.Column("number", Big, nullable=False),
    sa.Column("hash", Word, nullable=False),
    sa.Column("rows", Big, nullable=False),
    sa.Column("refused", Big, nullable=False),
    sa.Column("contract", Word, nullable=False),
    rowid=False,
)
check_state = _table(
    "check_state",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("check", Word, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("storage_id", Big, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("severity", Word, nullable=False),
    rowid=False,
)
dataset_state = _table(
    "dataset_state",
    sa.Column("dataset", Word, primary_key=True),
    sa.Column("partitions", Big, nullable=False),
    sa.Column("rows", Big, nullable=False),
    sa.Column("refused", Big, nullable=False),
    sa.Column("newest_partition", Word),
    sa.Column("newest_at", Instant),  # when the newest partition was last delivered or found unchanged
    sa.Column("delivered_at", Instant),
    sa.Column("failed_at", Instant),
    sa.Column("fresh_until", Instant),
    sa.Column("freshness", Word, nullable=False),  # fresh, late, never, none
    sa.Column("quality", Word, nullable=False),  # passing, warning, failing, unchecked
    sa.Column("checks_passed", Big, nullable=False),
    sa.Column("checks_failed", Big, nullable=False),
    sa.Index("dataset_state_due", "freshness", "fresh_until"),
    sa.Index("dataset_state_standing", "freshness", "quality"),
    sa.Index("dataset_state_quality", "quality", "delivered_at"),
)

# What people add

remark = _table(
    "remark",
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("subject", Word, nullable=False),
    sa.Column("kind", Word, nullable=False),  # comment, question, answer
    sa.Column("parent", sa.String(36)),
    sa.Column("author", Word, nullable=False),
    sa.Column("text", Word, nullable=False),
    sa.Column("html", Word, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("withdrawn", Instant),
    sa.Index("remark_subject", "subject", "at"),
)
rating = _table(
    "rating",
    sa.Column("subject", Word, primary_key=True),
    sa.Column("author", Word, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("stars", sa.Integer, nullable=False),
)
tag = _table(
    "tag",
    sa.Column("subject", Word, primary_key=True),
    sa.Column("tag", Word, primary_key=True),
    sa.Column("author", Word, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("withdrawn", Instant),
)
usage = _table(
    "usage",
    sa.Column("subject", Word, primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("views", Big, nullable=False),
    rowid=False,
)

# What is told on, who may write, and who did

feed = _table(
    "feed",
    sa.Column("seq", Big, primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("subject", Word, nullable=False),
    sa.Column("change", Word, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Index("feed_subject", "subject", "seq"),
)
token = _table(
    "token",
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("name", Word, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("created", Instant, nullable=False),
    sa.Column("expires", Instant),
    sa.Column("revoked", Instant),
)
audit = _table(
    "audit",
    sa.Column("seq", Big, primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("token", Word, nullable=False),
    sa.Column("action", Word, nullable=False),
    sa.Column("subject", Word, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
