"""The lineage picture: boxes that are links, joined by smooth arrows, in the order a reader goes through them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from markupsafe import Markup

from dataproducts.catalog.drawing.glyphs import kind_path, status_mark
from dataproducts.catalog.drawing.layout import (
    NODE_HEIGHT,
    ROW_HEIGHT,
    Box,
    ColumnRow,
    Edge,
    Layout,
    Node,
    Route,
    layout,
)
from dataproducts.catalog.drawing.text import Language, clean, clip, coordinate, identifier, link, number, safe
from dataproducts.catalog.drawing.words import say

__all__ = ["Box", "ColumnRow", "Edge", "Layout", "Node", "Route", "draw", "layout", "more"]

# font sizes of drawing.css in pixels, plus a tenth or more: some systems have wide fonts, and bold is wider
_TITLE, _SUB, _ROW = 15.8, 13.0, 13.6
_FITS = 960  # pixels; a picture of three layers, which a page has nearly room for


def more(id: str, count: int, href: str, language: Language) -> Node:
    """The node that stands for `count` others that are left out and links to where they are shown."""
    return Node(id, say("more", language, n=number(count, language)), href=href, kind="more", status=None)


def draw(placed: Layout, *, id: str, language: Language, described_by: str | None = None) -> Markup:
    """The layout as SVG. `id` is unique on the page; `described_by` is the id of the table that says the same in words.

    It is a group with a name, not an image, so that its links can be reached; their order is the reading order.
    """
    if not placed.boxes:
        return Markup('<p class="dp-empty">{}</p>').format(say("nothing", language))
    name, fits = identifier(id), " dp-fits" if placed.width <= _FITS else ""
    focus = frozenset(box.node.id for box in placed.boxes if box.node.focus)
    titles = {box.node.id: clean(box.node.title[:400]) for box in placed.boxes}
    description = f' aria-describedby="{safe(described_by)}"' if described_by else ""
    parts = [
        f'<svg class="dp-lineage{fits}" role="group" aria-labelledby="{name}-title"{description} xmlns="http://www.w3.org/2000/svg" '
        f'width="{placed.width}" height="{placed.height}" viewBox="0 0 {placed.width} {placed.height}">'
        f'<title id="{name}-title">{safe(say("lineage", language))}</title>'
        f"<defs>{_marker(name, 'far')}{_marker(name, 'near')}</defs>"
        '<g class="dp-edges" aria-hidden="true">'
    ]
    # what touches the focus is drawn last, on top
    near = [route.edge.source in focus or route.edge.target in focus for route in placed.routes]
    for wanted in (False, True):
        for route, is_near in zip(placed.routes, near, strict=True):
            if is_near is wanted:
                parts.append(_edge(route, name, is_near, titles))
    parts.append("</g>")
    parts += [_node(box, language) for box in placed.boxes]
    parts.append("</svg>")
    return Markup("".join(parts))


def _marker(name: str, kind: str) -> str:
    return (
        f'<marker id="{name}-{kind}" class="dp-head dp-{kind}" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M1.5 1L6.5 4L1.5 7"/></marker>'
    )


def _edge(route: Route, name: str, near: bool, titles: dict[str, str]) -> str:
    edge = route.edge
    classes = f"dp-edge{' dp-near' if near else ''}{' dp-back' if route.back else ''}"
    ends = [
        titles[node] + (f".{column}" if column else "")
        for node, column in ((edge.source, edge.source_column), (edge.target, edge.target_column))
    ]
    return (
        f'<path class="{classes}" d="{_path(route.points)}" marker-end="url(#{name}-{"near" if near else "far"})">'
        f"<title>{safe(' → '.join(ends))}</title></path>"
    )


def _path(points: Sequence[tuple[int, float]]) -> str:
    """Level lines where an edge passes a layer, and curves that leave and arrive level between layers."""
    x, y = points[0]
    parts = [f"M{x} {coordinate(y)}"]
    if len(points) == 2 and points[1][0] < x and abs(points[1][1] - y) < 1:
        return _loop(points)
    for place, (to_x, to_y) in enumerate(points[1:]):
        if abs(to_y - y) < 0.5 or place % 2:
            parts.append(f"L{to_x} {coordinate(to_y)}")
        else:
            half = (to_x - x) * 0.5
            parts.append(f"C{coordinate(x + half)} {coordinate(y)} {coordinate(to_x - half)} {coordinate(to_y)} {to_x} {coordinate(to_y)}")
        x, y = to_x, to_y
    return "".join(parts)


def _loop(points: Sequence[tuple[int, float]]) -> str:
    """From the right side of a box over its top to its left side."""
    (x, y), (to_x, to_y) = points
    top = y - NODE_HEIGHT / 2 - 10
    return (
        f"M{x} {coordinate(y)}C{x + 26} {coordinate(y)} {x + 26} {coordinate(top)} {x - 6} {coordinate(top)}"
        f"L{to_x + 6} {coordinate(top)}C{to_x - 26} {coordinate(top)} {to_x - 26} {coordinate(to_y)} {to_x} {coordinate(to_y)}"
    )


def _node(box: Box, language: Language) -> str:
    node = box.node
    if node.kind == "more":
        return _more(box)
    word = say(node.kind, language)
    said = [clean(node.title), clean(node.subtitle), word]
    if node.status is not None:
        said.append(say(node.status, language))
    if node.focus:
        said.append(say("focus", language))
    marked = " dp-focus" if node.focus else ""
    # rows are links of their own and cannot be inside the link of the header: then the frame stands behind both
    frame = f'<rect class="dp-box" x=".5" y=".5" width="{box.width - 1}" height="{box.height - 1}" rx="10"/>'
    bar = f'<path class="dp-bar" d="M1.5 12v{box.height - 24}"/>' if node.focus else ""
    room = box.width - 44 - (36 if node.status is not None else 14)
    inside = (
        f'<rect class="dp-hit" x=".5" y=".5" width="{box.width - 1}" height="{NODE_HEIGHT - 1}" rx="10"/>'
        f'<path class="dp-icon" transform="translate(16 {ceil(NODE_HEIGHT / 2) - 8})" d="{kind_path(node.kind)}"/>'
        f'<text class="dp-title" x="44" y="{25 if node.subtitle else 34}">{safe(clip(node.title, room, _TITLE))}</text>'
        + (f'<text class="dp-sub" x="44" y="43">{safe(clip(node.subtitle, room, _SUB))}</text>' if node.subtitle else "")
        + (status_mark(node.status, box.width - 28, NODE_HEIGHT / 2 - 7, 0.875) if node.status is not None else "")
    )
    rows = "".join(_row(row, place, box.width) for place, row in enumerate(node.columns))
    rule = f'<path class="dp-rule" d="M1 {NODE_HEIGHT}h{box.width - 2}"/>' if rows else ""
    header = _linked(node.href, f"dp-node{marked}", ", ".join(part for part in said if part), inside, current=node.focus)
    return f'<g class="dp-frame{marked}" transform="translate({box.x} {box.y})">{frame}{bar}{rule}{header}{rows}</g>'


def _row(row: ColumnRow, place: int, wide: int) -> str:
    top = NODE_HEIGHT + place * ROW_HEIGHT
    inside = (
        f'<rect class="dp-hit" x="4" y="{top + 2}" width="{wide - 8}" height="{ROW_HEIGHT - 2}" rx="6"/>'
        f'<text class="dp-column" x="44" y="{top + 18}">{safe(clip(row.name, wide - 60, _ROW))}</text>'
        f'<circle class="dp-dot" cx="24" cy="{top + 13.5}" r="2.5"/>'
    )
    return _linked(row.href, f"dp-row{' dp-focus' if row.focus else ''}", clean(row.name), inside, current=row.focus)


def _more(box: Box) -> str:
    inside = (
        f'<rect class="dp-hit" x=".5" y=".5" width="{box.width - 1}" height="{box.height - 1}" rx="{box.height / 2:g}"/>'
        f'<path class="dp-icon" transform="translate(16 {box.height // 2 - 8})" d="{kind_path("more")}"/>'
        f'<text class="dp-sub" x="44" y="{box.height // 2 + 4}">{safe(clip(box.node.title, box.width - 60, _SUB))}</text>'
    )
    link_ = _linked(box.node.href, "dp-node dp-more", clean(box.node.title), inside)
    return f'<g class="dp-frame" transform="translate({box.x} {box.y})">{link_}</g>'


def _linked(href: str, classes: str, said: str, inside: str, *, current: bool = False) -> str:
    """A link with a name; plain content where the address is missing or not one a page should link to."""
    address = link(href)
    if address is None:
        return f'<g class="{classes}"><title>{safe(said)}</title>{inside}</g>'
    here = ' aria-current="true"' if current else ""
    return f'<a class="{classes}" href="{address}"{here}><title>{safe(said)}</title>{inside}</a>'
