"""Where boxes and arrows go."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import FrameType

import pytest

from dataproducts.catalog.drawing.layout import MARGIN, NODE_HEIGHT, ROW_HEIGHT, ColumnRow, Edge, Layout, Node, layout


def nodes(*ids: str) -> list[Node]:
    return [Node(id, id.title(), "team", f"/datasets/{id}") for id in ids]


def edges(*pairs: str) -> list[Edge]:
    return [Edge(*pair.split(">")) for pair in pairs]


def graph(count: int, seed: int = 1, *, cycles: bool = False) -> tuple[list[Node], list[Edge]]:
    dice = random.Random(seed)
    all_nodes = [
        Node(f"n{n}", f"Dataset {n}", "team", f"/d/{n}", columns=tuple(ColumnRow(f"c{c}", "#") for c in range(dice.choice((0, 0, 0, 4)))))
        for n in range(count)
    ]
    reach = max(8, count // 6)
    all_edges = [
        Edge(f"n{dice.randrange(max(0, n - reach), n)}", f"n{n}") for n in range(1, count) for _ in range(dice.choice((1, 1, 2, 2)))
    ]
    if cycles:
        all_edges += [Edge(f"n{dice.randrange(count)}", f"n{dice.randrange(count)}") for _ in range(count // 3)]
    return all_nodes, all_edges


def boxes(placed: Layout) -> dict[str, tuple[int, int]]:
    return {box.node.id: (box.x, box.y) for box in placed.boxes}


def test_what_is_made_from_something_stands_to_the_right_of_it() -> None:
    placed = layout(nodes("a", "b", "c", "d"), edges("a>b", "b>c", "a>c", "c>d"))
    at = {id: x for id, (x, _) in boxes(placed).items()}
    assert at["a"] < at["b"] < at["c"] < at["d"]
    assert not any(route.back for route in placed.routes)


def test_a_chain_is_a_straight_line() -> None:
    placed = layout(nodes("a", "b", "c"), edges("a>b", "b>c"))
    assert len({y for _, y in boxes(placed).values()}) == 1


def test_a_source_used_late_stands_beside_its_user_and_not_at_the_far_left() -> None:
    placed = layout(nodes("a", "b", "c", "codes"), edges("a>b", "b>c", "codes>c"))
    layers = {box.node.id: box.layer for box in placed.boxes}
    assert layers["codes"] == layers["b"] == 1


def test_crossings_that_can_be_avoided_are_avoided() -> None:
    placed = layout(nodes("a", "b", "c", "x", "y", "z"), edges("a>z", "b>y", "c>x"))
    at = boxes(placed)
    assert sorted("abc", key=lambda id: at[id][1]) == [{"z": "a", "y": "b", "x": "c"}[id] for id in sorted("xyz", key=lambda id: at[id][1])]


def test_a_long_edge_passes_beside_the_boxes_and_not_through_them() -> None:
    placed = layout(nodes("a", "b", "c", "d"), edges("a>b", "b>c", "c>d", "a>d"))
    long = next(route for route in placed.routes if route.edge.source == "a" and route.edge.target == "d")
    assert len(long.points) == 6
    for x, y in long.points[1:-1]:
        for box in placed.boxes:
            if box.x <= x <= box.x + box.width:
                assert not box.y <= y <= box.y + box.height, f"through {box.node.id}"


@pytest.mark.parametrize("pairs", [("a>a",), ("a>b", "b>a"), ("a>b", "b>c", "c>a", "c>d"), ("a>b", "b>c", "c>b", "a>c", "d>a", "c>d")])
def test_a_cycle_is_drawn_with_one_edge_running_back(pairs: tuple[str, ...]) -> None:
    placed = layout(nodes("a", "b", "c", "d"), edges(*pairs))
    assert len(placed.routes) == len(pairs)
    assert any(route.back for route in placed.routes)
    assert any(not route.back for route in placed.routes) or len(pairs) == 1
    at = boxes(placed)
    for route in placed.routes:
        assert route.back == (at[route.edge.source][0] >= at[route.edge.target][0])


def test_an_edge_between_columns_ends_at_their_rows() -> None:
    rows = (ColumnRow("id", "#id"), ColumnRow("name", "#name"))
    a, b = Node("a", "A", columns=rows), Node("b", "B", columns=rows)
    placed = layout([a, b], [Edge("a", "b", "name", "id"), Edge("a", "b", "gone", None)])
    tops = {box.node.id: box.y for box in placed.boxes}
    by_column, by_header = placed.routes
    assert by_column.points[0][1] == tops["a"] + NODE_HEIGHT + 1.5 * ROW_HEIGHT
    assert by_column.points[-1][1] == tops["b"] + NODE_HEIGHT + 0.5 * ROW_HEIGHT
    assert by_header.points[0][1] == tops["a"] + NODE_HEIGHT / 2


def test_edges_to_nodes_that_are_not_shown_are_left_out_and_doubles_count_once() -> None:
    placed = layout([*nodes("a", "b"), Node("a", "Another A")], edges("a>b", "a>b", "a>gone", "gone>b"))
    assert [box.node.title for box in placed.boxes] == ["A", "B"]
    assert [(route.edge.source, route.edge.target) for route in placed.routes] == [("a", "b")]


def test_nothing_at_all_is_a_layout_too() -> None:
    placed = layout([], edges("a>b"))
    assert placed.boxes == ()
    assert placed.routes == ()


@pytest.mark.parametrize("seed", range(25))
def test_no_two_boxes_touch_and_all_lies_inside_the_picture(seed: int) -> None:
    all_nodes, all_edges = graph(5 + seed * 4, seed, cycles=seed % 2 == 0)
    placed = layout(all_nodes, all_edges)
    assert {box.node.id for box in placed.boxes} == {node.id for node in all_nodes}
    assert {route.edge for route in placed.routes} == set(all_edges)
    by_layer: dict[int, list[tuple[int, int]]] = {}
    for box in placed.boxes:
        assert box.x >= MARGIN - 1
        assert box.y >= MARGIN - 1
        assert box.x + box.width <= placed.width - MARGIN + 1
        assert box.y + box.height <= placed.height
        by_layer.setdefault(box.layer, []).append((box.y, box.y + box.height))
    for spans in by_layer.values():
        assert spans == sorted(spans), "boxes come in reading order"
        assert all(above[1] + 10 <= below[0] for above, below in zip(spans, spans[1:], strict=False))
    assert layout(list(all_nodes), list(all_edges)) == placed, "the same input gives the same places"


def test_a_thousand_nodes_in_one_line_do_not_exhaust_the_stack() -> None:
    many = 3000
    placed = layout(nodes(*(f"n{n}" for n in range(many))), [Edge(f"n{n}", f"n{(n + 1) % many}") for n in range(many)])
    assert sum(route.back for route in placed.routes) == 1


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python a piece of work runs through: the same on every machine, busy or not."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("count", [200, 1000, 3000])
def test_the_work_of_a_layout_grows_with_its_graph_and_no_faster(count: int) -> None:
    all_nodes, all_edges = graph(count)
    assert steps(lambda: layout(all_nodes, all_edges)) < 500 * (len(all_nodes) + len(all_edges))


def test_a_graph_where_everything_feeds_everything_is_no_more_work_for_an_edge() -> None:
    names = [f"n{n}" for n in range(200)]
    every = [Edge(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    placed = layout(nodes(*names), every)
    assert steps(lambda: layout(nodes(*names), every)) < 500 * len(every)
    assert len(placed.routes) == len(every)
