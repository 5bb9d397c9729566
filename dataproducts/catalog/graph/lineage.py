"""What a node follows from and what follows from it, over several hops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import DERIVED_FROM
from dataproducts.catalog.graph.nodes import valid

MOST_NODES = 200
_WALKED = 5_000  # edges looked at in one direction


@dataclass(frozen=True)
class Lineage:
    """What a node follows from and what follows from it. `hops` is negative upstream, positive downstream, 0 for the node itself.

    `hidden` counts, by shown node, neighbors (upstream, downstream) that are not shown.
    """

    focus: str
    hops: Mapping[str, int]
    edges: tuple[tuple[str, str], ...]  # (upstream, downstream)
    hidden: Mapping[str, tuple[int, int]]


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
