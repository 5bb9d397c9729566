"""What has changed: the schema of a dataset, and the change feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.store import changes
from dataproducts.messages import ColumnFacts


@dataclass(frozen=True)
class SchemaChange:
    """One definition of a dataset beside the one before it."""

    at: datetime
    version: str
    changes: tuple[tuple[str, Mapping[str, Any]], ...]
    columns: tuple[ColumnFacts, ...]
    before: tuple[ColumnFacts, ...]


@dataclass(frozen=True)
class News:
    """One line of the change feed."""

    seq: int
    at: datetime
    subject: str
    change: str
    body: Mapping[str, Any]


def schema_history(connection: sa.Connection, name: str, as_of: datetime | None = None) -> list[SchemaChange]:
    """Definitions of a dataset that changed its contract, newest first."""
    then = [t.definition.c.at <= as_of] if as_of is not None else []
    query = sa.select(t.definition.c.at, t.definition.c.body).where(t.definition.c.subject == f"dataset:{name}", *then)
    found: list[SchemaChange] = []
    before: Any = None
    for at, body in connection.execute(query.order_by(t.definition.c.at, t.definition.c.hash)):
        told = tuple((change, more) for change, more in changes(before, body) if change != "described")
        if told:
            columns, old = ((one or {}).get("contract", {}).get("columns", ()) for one in (body, before))
            found.append(
                SchemaChange(
                    at=at,
                    version=(body or before or {}).get("contract", {}).get("version", ""),
                    changes=told,
                    columns=tuple(ColumnFacts.model_validate(c) for c in columns),
                    before=tuple(ColumnFacts.model_validate(c) for c in old),
                )
            )
        before = body
    return found[::-1]


def news(connection: sa.Connection, *, after: int = 0, limit: int = 100, subject: str | None = None, newest: bool = False) -> list[News]:
    """Lines of the change feed in order, beginning after one; with `newest`, the last ones, newest first."""
    f = t.feed
    query = sa.select(f).where(f.c.seq > after)
    if subject is not None:
        query = query.where(f.c.subject == subject)
    rows = connection.execute(query.order_by(f.c.seq.desc() if newest else f.c.seq).limit(limit)).mappings()
    return [News(r["seq"], r["at"], r["subject"], r["change"], r["body"]) for r in rows]
