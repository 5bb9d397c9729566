"""Where the nodes and edges of a lineage graph go: layers from left to right, few crossings, straight long edges.

The steps are Sugiyama's: cycles are opened, nodes get the layer of their longest path, long edges get a place of their own in each
layer they pass, barycentre sweeps order the layers, and an isotonic fit moves everything as close to its neighbours as the order allows.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Status = Literal["good", "warn", "bad", "unknown"]

NODE_WIDTH, NODE_HEIGHT, MORE_HEIGHT, ROW_HEIGHT, ROWS_BELOW = 240, 58, 36, 26, 6
GAP, MARGIN = 22, 12
LANE = 10  # the height kept free for an edge that passes a layer
SWEEPS = 3
LANES = 20_000
"""Layers that all edges together may pass; beyond that they run straight to their ends, or a dense graph would take seconds."""


@dataclass(frozen=True)
class ColumnRow:
    """A column shown inside the box of its dataset."""

    name: str
    href: str
    focus: bool = False


@dataclass(frozen=True)
class Node:
    """A box. `kind` is a node kind of the catalog, or "more" for a link to nodes that are left out."""

    id: str
    title: str
    subtitle: str = ""
    href: str = ""
    kind: str = "dataset"
    status: Status | None = "unknown"
    focus: bool = False
    columns: tuple[ColumnRow, ...] = ()


@dataclass(frozen=True)
class Edge:
    """`target` is made from `source`; with columns, that column of the target from that column of the source."""

    source: str
    target: str
    source_column: str | None = None
    target_column: str | None = None


@dataclass(frozen=True)
class Box:
    """A placed node: top left corner, size in pixels and the layer it is in."""

    node: Node
    x: int
    y: int
    width: int
    height: int
    layer: int

    def port(self, column: str | None) -> float:
        """How far below the top an edge of the box, or of one of its columns, ends."""
        return _port(self.node, column)


@dataclass(frozen=True)
class Route:
    """A placed edge: points from source to target; `back` if it closes a cycle and so runs from right to left."""

    edge: Edge
    points: tuple[tuple[int, float], ...]
    back: bool = False


@dataclass(frozen=True)
class Layout:
    """Boxes in reading order (layer by layer, top down), routes in the order of the edges, and the size of it all in pixels."""

    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]
    width: int
    height: int


@dataclass
class _Work:
    """The graph with numbers for nodes; numbers from `real` on are places that long edges take in layers they pass."""

    real: int
    layer: list[int]
    half: list[float]
    rows: list[list[int]] = field(default_factory=list)
    # per number: neighbour in the layer before or after, its port and the own port, both below the middle
    before: list[list[tuple[int, float, float]]] = field(default_factory=list)
    after: list[list[tuple[int, float, float]]] = field(default_factory=list)


def layout(nodes: Sequence[Node], edges: Sequence[Edge]) -> Layout:
    """Place nodes and edges. The same input gives the same places; of nodes with one id the first counts; edges to nowhere are left out."""
    unique = list({node.id: node for node in reversed(nodes)}.values())[::-1]
    number = {node.id: n for n, node in enumerate(unique)}
    drawn = [edge for edge in dict.fromkeys(edges) if edge.source in number and edge.target in number]
    pairs = [(number[edge.source], number[edge.target]) for edge in drawn]
    back = _closing(len(unique), pairs)
    forward = [(b, a) if (a, b) in back else (a, b) for a, b in pairs]

    work = _Work(len(unique), _layers(len(unique), forward), [_height(node) / 2 for node in unique])
    lanes = _lanes(work, unique, drawn, pairs, back)
    _order(work)
    middle = _heights(work)
    left, right = _columns(work)

    top = min((middle[n] - work.half[n] for n in range(len(middle))), default=0.0) - MARGIN
    boxes = tuple(
        Box(unique[n], left[work.layer[n]], round(middle[n] - work.half[n] - top), NODE_WIDTH, _height(unique[n]), work.layer[n])
        for row in work.rows
        for n in row
        if n < work.real
    )
    placed = {box.node.id: box for box in boxes}
    routes = tuple(
        _route(edge, placed, [(left[work.layer[n]], right[work.layer[n]], round(middle[n] - top)) for n in lane], pair in back)
        for edge, pair, lane in zip(drawn, pairs, lanes, strict=True)
    )
    low = max((middle[n] + work.half[n] for n in range(len(middle))), default=0.0)
    return Layout(boxes, routes, (right[-1] if right else 0) + MARGIN, round(low - top) + MARGIN)


def _height(node: Node) -> int:
    if node.kind == "more":
        return MORE_HEIGHT
    return NODE_HEIGHT + (len(node.columns) * ROW_HEIGHT + ROWS_BELOW if node.columns else 0)


def _port(node: Node, column: str | None) -> float:
    if column is not None:
        for place, row in enumerate(node.columns):
            if row.name == column:
                return NODE_HEIGHT + (place + 0.5) * ROW_HEIGHT
    return (MORE_HEIGHT if node.kind == "more" else NODE_HEIGHT) / 2


def _closing(count: int, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """The edges that close a cycle, found depth first and without recursion."""
    targets: list[list[int]] = [[] for _ in range(count)]
    fed = [False] * count
    for a, b in pairs:
        if a != b:
            targets[a].append(b)
            fed[b] = True
    state = [0] * count  # 0 not seen, 1 on the path, 2 done
    closing: set[tuple[int, int]] = set()
    for start in (*(n for n in range(count) if not fed[n]), *range(count)):
        if state[start]:
            continue
        state[start] = 1
        path = [(start, iter(targets[start]))]
        while path:
            n, rest = path[-1]
            for m in rest:
                if state[m] == 0:
                    state[m] = 1
                    path.append((m, iter(targets[m])))
                    break
                if state[m] == 1:
                    closing.add((n, m))
            else:
                state[n] = 2
                path.pop()
    return closing


def _layers(count: int, forward: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path to each node; a node that nothing feeds stands just before the first it feeds."""
    targets: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for a, b in forward:
        if a != b:
            targets[a].append(b)
            waiting[b] += 1
    sources = [n for n in range(count) if not waiting[n]]
    layer = [0] * count
    ready = list(sources)
    for n in ready:  # grows as it is read
        for m in targets[n]:
            layer[m] = max(layer[m], layer[n] + 1)
            waiting[m] -= 1
            if not waiting[m]:
                ready.append(m)
    for n in sources:
        if targets[n]:
            layer[n] = min(layer[m] for m in targets[n]) - 1
    return layer


def _lanes(
    work: _Work, nodes: Sequence[Node], edges: Sequence[Edge], pairs: Sequence[tuple[int, int]], back: set[tuple[int, int]]
) -> list[list[int]]:
    """The places each edge passes on its way, from source to target; edges out of one node share them as long as they run together."""
    layer, half = work.layer, work.half
    before: list[list[tuple[int, float, float]]] = [[] for _ in nodes]
    after: list[list[tuple[int, float, float]]] = [[] for _ in nodes]
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for n in range(work.real):
        rows[layer[n]].append(n)
    direct = sum([abs(layer[a] - layer[b]) for a, b in pairs]) - len(pairs) > LANES
    trunks: dict[tuple[int, bool, int], int] = {}
    lanes: list[list[int]] = []
    for edge, (a, b) in zip(edges, pairs, strict=True):
        if a == b:
            lanes.append([])
            continue
        turned = (a, b) in back
        from_port = _port(nodes[a], edge.source_column) - half[a]
        to_port = _port(nodes[b], edge.target_column) - half[b]
        if turned:
            a, b, from_port, to_port = b, a, to_port, from_port
        lane: list[int] = []
        n, port = a, from_port
        for depth in () if direct else range(layer[a] + 1, layer[b]):
            m = trunks.get((a, turned, depth))
            if m is None:
                m = trunks[a, turned, depth] = len(half)
                half.append(LANE / 2)
                layer.append(depth)
                rows[depth].append(m)
                before.append([(n, port, 0.0)])
                after.append([])
                after[n].append((m, 0.0, port))
            lane.append(m)
            n, port = m, 0.0
        after[n].append((b, to_port, port))
        before[b].append((n, port, to_port))
        lanes.append(lane[::-1] if turned else lane)
    work.rows, work.before, work.after = rows, before, after
    return lanes


def _order(work: _Work) -> None:
    """Barycentre sweeps both ways; the order with the fewest crossings is kept."""
    place = [0.0] * len(work.half)
    for row in work.rows:
        for at, n in enumerate(row):
            place[n] = at
    best, fewest = [list(row) for row in work.rows], None
    for _ in range(SWEEPS):
        for rows, neighbours in ((work.rows[1:], work.before), (work.rows[-2::-1], work.after)):
            for row in rows:
                _sort(row, neighbours, place, work.half)
        crossings = _crossings(work, place)
        if fewest is None or crossings < fewest:
            best, fewest = [list(row) for row in work.rows], crossings
        if not crossings:
            break
    work.rows = best


def _sort(row: list[int], neighbours: list[list[tuple[int, float, float]]], place: list[float], half: list[float]) -> None:
    if len(row) == 1:
        return
    weight: dict[int, float] = {}
    for n in row:
        near = neighbours[n]
        if not near:
            weight[n] = place[n]
        elif len(near) == 1:
            m, port, _ = near[0]
            weight[n] = place[m] + port / half[m] * 0.4
        else:
            weight[n] = sum([place[m] + port / half[m] * 0.4 for m, port, _ in near]) / len(near)
    row.sort(key=weight.__getitem__)
    for at, n in enumerate(row):
        place[n] = at


def _crossings(work: _Work, place: list[float]) -> int:
    crossings = 0
    for row in work.rows[:-1]:
        seen: list[float] = []
        for n in row:
            ends = sorted([place[m] for m, _, _ in work.after[n]])
            for end in ends:
                # those already drawn from above that end further down cross this one
                crossings += len(seen) - bisect_left(seen, end + 0.5)
            for end in ends:
                insort(seen, end)
    return crossings


def _heights(work: _Work) -> list[float]:
    """The middle of each place: as near to the mean of its neighbours' ports as the order and the room allow."""
    half = work.half
    middle = [0.0] * len(half)
    steps: list[list[float]] = []
    for row in work.rows:
        step, total = [0.0], 0.0
        for n, m in pairwise(row):
            total += half[n] + half[m] + (GAP if n < work.real or m < work.real else GAP / 3)
            step.append(total)
        steps.append(step)
        for n, at in zip(row, step, strict=False):
            middle[n] = at - total / 2
    both = [a + b for a, b in zip(work.before, work.after, strict=True)]
    depths = range(len(work.rows))
    for order, neighbours in ((depths[1:], work.before), (depths[::-1], work.after), (depths, both), (depths[::-1], both)):
        for depth in order:
            _settle(work.rows[depth], steps[depth], neighbours, middle, work.real)
    return middle


def _settle(row: list[int], step: list[float], neighbours: list[list[tuple[int, float, float]]], middle: list[float], real: int) -> None:
    """Pool adjacent violators: the least squares fit to the wished places that keeps order and distances."""
    pools: list[tuple[float, float, int]] = []  # weighted sum, weight, how many
    for n, at in zip(row, step, strict=True):
        near = neighbours[n]
        weight = (1.0 if n < real else 3.0) * (len(near) or 0.1)
        if len(near) == 1:
            m, theirs, own = near[0]
            wish = middle[m] + theirs - own
        elif near:
            wish = sum([middle[m] + theirs - own for m, theirs, own in near]) / len(near)
        else:
            wish = middle[n]
        total, count = (wish - at) * weight, 1
        while pools and pools[-1][0] * weight > total * pools[-1][1]:
            more, heavier, several = pools.pop()
            total, weight, count = total + more, weight + heavier, count + several
        pools.append((total, weight, count))
    at = 0
    for total, weight, count in pools:
        base = total / weight
        for place in range(at, at + count):
            middle[row[place]] = base + step[place]
        at += count


def _columns(work: _Work) -> tuple[list[int], list[int]]:
    """Left and right edge of each layer; where many edges run between two layers, there is more room between them."""
    left, right, x = [], [], MARGIN
    for row in work.rows:
        left.append(x)
        right.append(x + NODE_WIDTH)
        links = sum([len(work.after[n]) for n in row])
        x += NODE_WIDTH + 64 + min(2 * links, 96)
    return left, right


def _route(edge: Edge, boxes: dict[str, Box], lane: list[tuple[int, int, int]], back: bool) -> Route:
    source, target = boxes[edge.source], boxes[edge.target]
    start, end = source.y + source.port(edge.source_column), target.y + target.port(edge.target_column)
    if source is target:
        return Route(edge, ((source.x + source.width, start), (target.x, end)), back=True)
    points: list[tuple[int, float]] = [(source.x if back else source.x + source.width, start)]
    for left, right, y in lane:
        points += [(right, y), (left, y)] if back else [(left, y), (right, y)]
    points.append((target.x + target.width if back else target.x, end))
    return Route(edge, tuple(points), back)
