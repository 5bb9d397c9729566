"""The metadata graph as it is, or was: nodes, edges and lineage at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import DERIVED_FROM

Direction = Literal["out", "in"]
MOST_NODES = 200
_WALKED = 5_000  # edges looked at in one direction


@dataclass(frozen=True)
class Node:
    """A node with the time it holds for; `valid_to` is None while it does."""

    id: str
    kind: str
    label: str
    body: Mapping[str, Any]
    asserted_by: str
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True)
class Edge:
    """An edge read from source to target, with the time it holds for."""

    source: str
    label: str
    target: str
    asserted_by: str
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True)
class Lineage:
    """What a node follows from and what follows from it. `hops` is negative upstream, positive downstream, 0 for the node itself.

    `hidden` counts, by shown node, neighbors (upstream, downstream) that are not shown.
    """

    focus: str
    hops: Mapping[str, int]
    edges: tuple[tuple[str, str], ...]  # (upstream, downstream)
    hidden: Mapping[str, tuple[int, int]]


def valid(table: sa.FromClause, as_of: datetime | None) -> sa.ColumnElement[bool]:
    """Rows that hold now, or held at a time."""
    if as_of is None:
        return table.c.valid_to.is_(None)
    return sa.and_(table.c.valid_from <= as_of, sa.or_(table.c.valid_to.is_(None), table.c.valid_to > as_of))


def nodes(connection: sa.Connection, ids: Sequence[str], as_of: datetime | None = None) -> dict[str, Node]:
    """Nodes by id; where several subjects assert one, what the first of them by name says."""
    found: dict[str, Node] = {}
    for start in range(0, len(ids), 400):
        query = sa.select(t.node).where(t.node.c.id.in_(ids[start : start + 400]), valid(t.node, as_of))
        for row in connection.execute(query.order_by(t.node.c.id, t.node.c.asserted_by)).mappings():
            found.setdefault(row["id"], _node(row))
    return found


def history(connection: sa.Connection, node_id: str) -> list[Node]:
    """Every interval of a node, in order of time."""
    query = sa.select(t.node).where(t.node.c.id == node_id).order_by(t.node.c.valid_from, t.node.c.asserted_by)
    return [_node(row) for row in connection.execute(query).mappings()]


def of_kind(connection: sa.Connection, kind: str, *, after: str = "", limit: int = 100, as_of: datetime | None = None) -> list[Node]:
    """Nodes of a kind ordered by id, beginning after one; where several subjects assert one, what the first of them by name says."""
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
    e, another = t.edge, t.edge.alias()
    own, other = (e.c.source, e.c.target) if direction == "out" else (e.c.target, e.c.source)
    same = (another.c[name] == e.c[name] for name in ("source", "label", "target"))
    first = ~sa.exists().where(*same, another.c.asserted_by < e.c.asserted_by, valid(another, as_of))
    query = sa.select(e).where(own == node_id, valid(e, as_of), sa.tuple_(e.c.label, other) > sa.tuple_(*after), first)
    if label is not None:
        query = query.where(e.c.label == label)
    rows = connection.execute(query.order_by(e.c.label, other).limit(limit)).mappings()
    return [Edge(r["source"], r["label"], r["target"], r["asserted_by"], r["valid_from"], r["valid_to"]) for r in rows]


def lineage(
    connection: sa.Connection, focus: str, *, up: int = 1, down: int = 1, most: int = MOST_NODES, as_of: datetime | None = None
) -> Lineage:
    """Walk `derived_from` both ways from a node, nearest first and at most `most` nodes; two queries, cycles or not."""
    hops = {focus: 0}
    reached = _walked(connection, focus, up, down, as_of)
    for node_id, hop in sorted(reached, key=lambda one: (abs(one[1]), one[1] > 0, one[0])):
        if len(hops) >= most:
            break
        hops.setdefault(node_id, hop)
    found = _among(connection, list(hops), as_of)
    shown = sorted((up_, down_) for up_, down_ in found if up_ in hops and down_ in hops)
    hidden: dict[str, tuple[int, int]] = {}
    for upstream, downstream in found:
        if downstream in hops and upstream not in hops:
            above, below = hidden.get(downstream, (0, 0))
            hidden[downstream] = (above + 1, below)
        elif upstream in hops and downstream not in hops:
            above, below = hidden.get(upstream, (0, 0))
            hidden[upstream] = (above, below + 1)
    return Lineage(focus, hops, tuple(shown), hidden)


def _walked(connection: sa.Connection, focus: str, up: int, down: int, as_of: datetime | None) -> Iterable[tuple[str, int]]:
    e = t.edge

    def walk(near: str, far: str, most: int, sign: int) -> Any:
        start = sa.select(sa.cast(sa.literal(focus), t.Word).label("id"), sa.literal(0).label("depth")).cte(f"walk_{far}", recursive=True)
        step = (
            sa.select(e.c[far], start.c.depth + 1)
            .join(start, e.c[near] == start.c.id)
            .where(e.c.label == DERIVED_FROM, valid(e, as_of), start.c.depth < most)
        )
        reached = start.union(step)
        return sa.select(reached.c.id, (sign * sa.func.min(reached.c.depth)).label("hop")).group_by(reached.c.id)

    both = sa.union_all(walk("source", "target", up, -1), walk("target", "source", down, 1))
    return [(node_id, hop) for node_id, hop in connection.execute(both) if node_id != focus]


def _among(connection: sa.Connection, ids: Sequence[str], as_of: datetime | None) -> set[tuple[str, str]]:
    """(upstream, downstream) of edges that touch the ids."""
    e = t.edge
    touching = (
        sa.union_all(
            sa.select(e.c.target, e.c.source).where(e.c.source.in_(ids), e.c.label == DERIVED_FROM, valid(e, as_of)).limit(_WALKED),
            sa.select(e.c.target, e.c.source).where(e.c.target.in_(ids), e.c.label == DERIVED_FROM, valid(e, as_of)).limit(_WALKED),
        )
        if connection.dialect.name != "sqlite"
        else (
            sa.select(e.c.target, e.c.source)
            .where(sa.or_(e.c.source.in_(ids), e.c.target.in_(ids)), e.c.label == DERIVED_FROM, valid(e, as_of))
            .limit(2 * _WALKED)
        )
    )
    return {(upstream, downstream) for upstream, downstream in connection.execute(touching)}


def _node(row: Mapping[Any, Any]) -> Node:
    return Node(row["id"], row["kind"], row["label"], row["body"], row["asserted_by"], row["valid_from"], row["valid_to"])
