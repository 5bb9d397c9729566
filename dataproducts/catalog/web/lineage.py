"""Lineage as pages show it: the picture, and the table that says the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup

from dataproducts.catalog import graph
from dataproducts.catalog import tables as t
from dataproducts.catalog.drawing.lineage import ColumnRow, Edge, Node, draw, layout, more
from dataproducts.catalog.reading import Neighbor
from dataproducts.catalog.web.templating import Page, dataset_path, status_of

FARTHEST = 10
"""Hops that can be asked for in one direction."""


@dataclass(frozen=True)
class Line:
    """One node in the table. `hops` is negative upstream; `freshness` and `quality` only of datasets."""

    id: str
    kind: str
    label: str
    hops: int
    href: str
    freshness: str | None = None
    quality: str | None = None


@dataclass(frozen=True)
class Family:
    """A node with what it comes from and what comes from it, to be shown."""

    focus: str
    lines: tuple[Line, ...]
    edges: tuple[tuple[str, str], ...]
    hidden: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, sign: int) -> int:
        """How many are upstream (-1) or downstream (1), of those shown."""
        return sum(line.hops * sign > 0 for line in self.lines)


def near(page: Page, focus: str, label: str, state: tuple[str, str] | None, neighbors: Iterable[Neighbor]) -> Family:
    """One hop, from what a page already holds."""
    kind = focus.split(":", 1)[0]
    found = [Line(focus, kind, label, 0, page.node(focus), *(state or (None, None)))]
    edges = []
    for one in neighbors:
        found.append(
            Line(
                one.id,
                one.kind,
                _label(one.id, one.label),
                -1 if one.direction == "up" else 1,
                page.node(one.id),
                one.freshness,
                one.quality,
            )
        )
        edges.append((one.id, focus) if one.direction == "up" else (focus, one.id))
    return Family(focus, tuple(found), tuple(edges))


def walked(connection: sa.Connection, page: Page, focus: str, up: int, down: int) -> Family:
    """Several hops; three queries."""
    walk = graph.lineage(connection, focus, up=up, down=down, as_of=page.as_of)
    known = _known(connection, list(walk.hops), page.as_of)
    found = []
    for node_id, hops in sorted(walk.hops.items(), key=lambda one: (one[1] > 0, abs(one[1]), one[0])):
        kind, _, key = node_id.partition(":")
        kind, label, *state = known.get(node_id, (kind, key, None, None))
        found.append(Line(node_id, kind, _label(node_id, label), hops, page.node(node_id), *(state if page.as_of is None else ())))
    return Family(focus, tuple(found), walk.edges, walk.hidden)


def picture(page: Page, family: Family, *, id: str, described_by: str, up: int = 1, down: int = 1) -> Markup:
    """The family as SVG; hidden neighbors are links that show them."""
    if family.focus.startswith("column:"):
        nodes, edges = _by_column(family)
    else:
        nodes = [_node(line, family.focus) for line in family.lines]
        edges = [Edge(source, target) for source, target in family.edges]
    hops = {line.id: line.hops for line in family.lines}
    for node_id, (above, below) in family.hidden.items():
        box, column = _box(node_id)
        for count, side in ((above, "up"), (below, "down")):
            if not count:
                continue
            name = f"more-{side}-{node_id}"
            nodes.append(more(name, count, _onward(page, family, node_id, hops.get(node_id, 0), side, up, down), page.language))
            edges.append(Edge(name, box, None, column) if side == "up" else Edge(box, name, column, None))
    return draw(layout(nodes, edges), id=id, language=page.language, described_by=described_by)


def _onward(page: Page, family: Family, node_id: str, hops: int, side: str, up: int, down: int) -> str:
    """Where more of a node's neighbors are shown: one hop farther, or on the node's own page where that would not reach them."""
    at_the_edge = (hops <= 0 and side == "up" and -hops == up) or (hops >= 0 and side == "down" and hops == down)
    farther = {"up": up + (side == "up"), "down": down + (side == "down")}
    if at_the_edge and max(farther.values()) <= FARTHEST and len(family.lines) < graph.MOST_NODES:
        own, column = _split(family.focus)
        return page.to(dataset_path(own.split(":", 1)[1], "lineage"), **farther, column=column)
    own, column = _split(node_id)
    return page.to(dataset_path(own.split(":", 1)[1], "lineage"), column=column) if own.startswith("dataset:") else page.node(node_id)


def _node(line: Line, focus: str) -> Node:
    is_dataset = line.kind == "dataset"
    key = line.id.split(":", 1)[1]
    return Node(
        id=line.id,
        title=line.label,
        subtitle=key.split("/")[0] if is_dataset else "",
        href=line.href,
        kind=line.kind,
        status=status_of(line.freshness, line.quality) if is_dataset else None,
        focus=line.id == focus,
    )


def _by_column(family: Family) -> tuple[list[Node], list[Edge]]:
    """Boxes of datasets and sources with their columns in them."""
    rows: dict[str, list[ColumnRow]] = {}
    for line in family.lines:
        box, column = _box(line.id)
        rows.setdefault(box, [])
        if column is not None:
            rows[box].append(ColumnRow(column, line.href, line.id == family.focus))
    own = _box(family.focus)[0]
    nodes = []
    for box, columns in rows.items():
        kind, _, key = box.partition(":")
        product, _, name = key.partition("/")
        href = columns[0].href.split("/columns/")[0] if columns and kind == "dataset" else ""
        nodes.append(Node(box, name or key, product if name else "", href, kind, None, box == own, tuple(columns)))
    edges = []
    for source, target in family.edges:
        (a, from_), (b, to) = _box(source), _box(target)
        edges.append(Edge(a, b, from_, to))
    return nodes, edges


def _box(node_id: str) -> tuple[str, str | None]:
    """The box a node is drawn in: a column's is its dataset, a source's field's the source."""
    kind, _, key = node_id.partition(":")
    if kind == "column" and key.count("/") >= 2:
        product, dataset, column = key.split("/", 2)
        return f"dataset:{product}/{dataset}", column
    if kind == "source" and "#" in key:
        source, _, column = node_id.partition("#")
        return source, column
    return node_id, None


def _split(node_id: str) -> tuple[str, str | None]:
    return _box(node_id) if node_id.startswith("column:") else (node_id, None)


def _label(node_id: str, label: str) -> str:
    """A column alone says too little: its dataset stands with it."""
    kind, _, key = node_id.partition(":")
    if kind == "column" and key.count("/") >= 2:
        _, dataset, column = key.split("/", 2)
        return f"{dataset}.{column}"
    if kind == "source" and "#" in key:
        return key.rsplit("/", 1)[-1].replace("#", ".")
    return label


def _known(connection: sa.Connection, ids: Sequence[str], as_of: datetime | None) -> dict[str, tuple[str, str, Any, Any]]:
    """Kind, label, freshness and quality of nodes by id; of a node that several assert, what the first of them by name says."""
    n, s = t.node, t.dataset_state
    joined = n.outerjoin(s, s.c.dataset == t.name_of(n.c.id))
    query = sa.select(n.c.id, n.c.kind, n.c.label, s.c.freshness, s.c.quality).select_from(joined)
    rows = connection.execute(query.where(n.c.id.in_(ids), graph.valid(n, as_of)).order_by(n.c.id, n.c.asserted_by.desc()))
    return {row.id: (row.kind, row.label, row.freshness, row.quality) for row in rows}
