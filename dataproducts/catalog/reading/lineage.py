"""What a node follows from and what follows from it, one hop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import DERIVED_FROM
from dataproducts.catalog.graph import valid
from dataproducts.catalog.tables import name_of


@dataclass(frozen=True)
class Neighbor:
    """A node one step away, with what can be said of it in a line."""

    id: str
    kind: str
    label: str
    direction: str  # "up", "down"
    freshness: str | None = None
    quality: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


def neighbors(connection: sa.Connection, node_id: str, as_of: datetime | None = None, limit: int = 400) -> tuple[Neighbor, ...]:
    """What a node follows from and what follows from it, one hop, with where each stands (in the past that is not known); one query."""
    e, n, s = t.edge, t.node, t.dataset_state
    up = sa.select(e.c.target.label("id"), sa.literal("up").label("direction")).where(
        e.c.source == node_id, e.c.label == DERIVED_FROM, valid(e, as_of)
    )
    down = sa.select(e.c.source, sa.literal("down")).where(e.c.target == node_id, e.c.label == DERIVED_FROM, valid(e, as_of))
    both = sa.union(up, down).subquery()
    query = (
        sa.select(both.c.id, both.c.direction, n.c.kind, n.c.label, n.c.body, s.c.freshness, s.c.quality)
        .select_from(both.outerjoin(n, sa.and_(n.c.id == both.c.id, valid(n, as_of))).outerjoin(s, s.c.dataset == name_of(both.c.id)))
        .order_by(both.c.direction.desc(), both.c.id)
        .limit(limit)
    )
    found = {}
    for r in connection.execute(query).mappings():
        kind, _, key = r["id"].partition(":")
        freshness, quality = (r["freshness"], r["quality"]) if as_of is None else (None, None)
        found[r["id"], r["direction"]] = Neighbor(
            r["id"], r["kind"] or kind, r["label"] or key, r["direction"], freshness, quality, r["body"] or {}
        )
    return tuple(found.values())
