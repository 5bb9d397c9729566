"""Nodes and edges by id and kind: those that definitions assert, and the versions and runs beside them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.graph import versions
from dataproducts.catalog.graph.nodes import Direction, Edge, Node, valid


def nodes(connection: sa.Connection, ids: Sequence[str], as_of: datetime | None = None) -> dict[str, Node]:
    """Nodes by id; where several subjects assert one, what the first of them by name says."""
    found: dict[str, Node] = {}
    for start in range(0, len(ids), 400):
        some = ids[start : start + 400]
        found |= {one.id: one for one in versions.nodes(connection, some, as_of)}
        query = sa.select(t.node).where(t.node.c.id.in_(some), valid(t.node, as_of))
        for row in connection.execute(query.order_by(t.node.c.id, t.node.c.asserted_by)).mappings():
            found.setdefault(row["id"], _node(row))
    return found


def history(connection: sa.Connection, node_id: str) -> list[Node]:
    """Every interval of a node, in order of time."""
    if _is_computed(node_id):
        return versions.history(connection, node_id)
    query = sa.select(t.node).where(t.node.c.id == node_id).order_by(t.node.c.valid_from, t.node.c.asserted_by)
    return [_node(row) for row in connection.execute(query).mappings()]


def of_kind(connection: sa.Connection, kind: str, *, after: str = "", limit: int = 100, as_of: datetime | None = None) -> list[Node]:
    """Nodes of a kind ordered by id, beginning after one; where several subjects assert one, what the first of them by name says.

    Versions are ordered by dataset, partition and number.
    """
    if kind in versions.KINDS:
        return versions.of_kind(connection, kind, after, limit, as_of)
    n, other = t.node, t.node.alias()
    first = ~sa.exists().where(other.c.id == n.c.id, other.c.asserted_by < n.c.asserted_by, valid(other, as_of))
    query = sa.select(n).where(n.c.kind == kind, n.c.id > after, valid(n, as_of), first)
    return [_node(row) for row in connection.execute(query.order_by(n.c.id).limit(limit)).mappings()]


def edges(
    connection: sa.Connection,
    node_id: str,
    direction: Direction,
    *,
    label: str | None = None,
    as_of: datetime | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[Edge]:
    """Edges of a node, ordered by label and the other end, beginning after one; each once, whoever else asserts it."""
    made = versions.edges(connection, node_id, direction, label, as_of, after, limit)
    asserted = [] if _is_computed(node_id) else _asserted(connection, node_id, direction, label, as_of, after, limit)
    return list(heapq.merge(asserted, made, key=lambda one: one.label))[:limit]  # no label is of both


def _is_computed(node_id: str) -> bool:
    return node_id.partition(":")[0] in versions.KINDS


def _asserted(
    connection: sa.Connection,
    node_id: str,
    direction: Direction,
    label: str | None,
    as_of: datetime | None,
    after: tuple[str, str],
    limit: int,
) -> list[Edge]:
    e, another = t.edge, t.edge.alias()
    own, other = (e.c.source, e.c.target) if direction == "out" else (e.c.target, e.c.source)
    same = (another.c[name] == e.c[name] for name in ("source", "label", "target"))
    first = ~sa.exists().where(*same, another.c.asserted_by < e.c.asserted_by, valid(another, as_of))
    query = sa.select(e).where(own == node_id, valid(e, as_of), sa.tuple_(e.c.label, other) > sa.tuple_(*after), first)
    if label is not None:
        query = query.where(e.c.label == label)
    rows = connection.execute(query.order_by(e.c.label, other).limit(limit)).mappings()
    return [Edge(r["source"], r["label"], r["target"], r["asserted_by"], r["valid_from"], r["valid_to"]) for r in rows]


def _node(row: Mapping[Any, Any]) -> Node:
    return Node(row["id"], row["kind"], row["label"], row["body"], row["asserted_by"], row["valid_from"], row["valid_to"])
