"""The lineage picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from dataproducts.catalog.drawing.lineage import ColumnRow, Edge, Node, draw, layout, more

SVG = "{http://www.w3.org/2000/svg}"


def test_a_small_picture_is_exactly_this() -> None:
    nodes = [Node("a", "Enheter", "Enhetsregisteret", "/datasets/a", status="good", focus=True), more("m", 1200, "/more", "nb")]
    assert draw(layout(nodes, [Edge("a", "m")]), id="one", language="nb", described_by="table") == (
        '<svg class="dp-lineage dp-fits" role="group" aria-labelledby="done-title" aria-describedby="table" xmlns="http://www.w3.org/2000/svg" '
        'width="570" height="82" viewBox="0 0 570 82"><title id="done-title">Avstamning</title><defs>'
        '<marker id="done-far" class="dp-head dp-far" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M1.5 1L6.5 4L1.5 7"/></marker>'
        '<marker id="done-near" class="dp-head dp-near" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M1.5 1L6.5 4L1.5 7"/></marker></defs>'
        '<g class="dp-edges" aria-hidden="true"><path class="dp-edge dp-near" d="M252 41L318 41" marker-end="url(#done-near)">'
        "<title>Enheter → 1\u202f200 til</title></path></g>"
        '<g class="dp-frame dp-focus" transform="translate(12 12)"><rect class="dp-box" x=".5" y=".5" width="239" height="57" rx="10"/>'
        '<path class="dp-bar" d="M1.5 12v34"/><a class="dp-node dp-focus" href="/datasets/a" aria-current="true">'
        "<title>Enheter, Enhetsregisteret, datasett, i orden, vises nå</title>"
        '<rect class="dp-hit" x=".5" y=".5" width="239" height="57" rx="10"/><path class="dp-icon" transform="translate(16 21)" '
        'd="M4 2.5h8A1.5 1.5 0 0 1 13.5 4v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 12V4A1.5 1.5 0 0 1 4 2.5zM2.5 6.3h11M6.6 6.3v7.2"/>'
        '<text class="dp-title" x="44" y="25">Enheter</text><text class="dp-sub" x="44" y="43">Enhetsregisteret</text>'
        '<g class="dp-status dp-good" transform="translate(212 22) scale(0.875)"><path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z"/>'
        '<path class="dp-sign" d="M4.9 8.2l2.1 2.1 4.1-4.4"/></g></a></g>'
        '<g class="dp-frame" transform="translate(318 23)"><a class="dp-node dp-more" href="/more">'
        '<title>1\u202f200 til</title><rect class="dp-hit" x=".5" y=".5" width="239" height="35" rx="18"/>'
        '<path class="dp-icon" transform="translate(16 10)" d="M3 8h.01M8 8h.01M13 8h.01"/>'
        '<text class="dp-sub" x="44" y="22">1\u202f200 til</text></a></g></svg>'
    )


def links(svg: str) -> list[str]:
    return [element.attrib["href"] for element in ET.fromstring(svg).iter(f"{SVG}a")]


def test_the_tab_key_goes_through_the_boxes_from_left_to_right_and_down_through_columns() -> None:
    rows = (ColumnRow("id", "#id"), ColumnRow("name", "#name"))
    nodes = [Node("c", "C", href="/c"), Node("b", "B", href="/b", columns=rows), Node("a", "A", href="/a")]
    assert links(draw(layout(nodes, [Edge("a", "b"), Edge("b", "c")]), id="x", language="nb")) == ["/a", "/b", "#id", "#name", "/c"]


def test_links_are_never_inside_links() -> None:
    rows = (ColumnRow("id", "#id"),)
    tree = ET.fromstring(draw(layout([Node("a", "A", href="/a", columns=rows)], []), id="x", language="en"))
    for link in tree.iter(f"{SVG}a"):
        assert len(list(link.iter(f"{SVG}a"))) == 1


def test_a_status_is_told_by_shape_and_word_and_not_by_color_alone() -> None:
    shapes, words = set(), set()
    for status in ("good", "warn", "bad", "unknown"):
        tree = ET.fromstring(draw(layout([Node("a", "A", href="/a", status=status)], []), id="x", language="en"))  # type: ignore[arg-type]
        mark = next(element for element in tree.iter(f"{SVG}g") if "dp-status" in element.get("class", ""))
        shapes.add(tuple(path.get("d") for path in mark))
        words.add(next(tree.iter(f"{SVG}a")).findtext(f"{SVG}title"))
    assert len(shapes) == len(words) == 4


def test_a_long_name_is_clipped_in_the_box_and_whole_in_the_title() -> None:
    name = "Foretak per kommune og næringshovedområde med antall ansatte"
    tree = ET.fromstring(draw(layout([Node("a", name, href="/a")], []), id="x", language="nb"))
    text = next(element for element in tree.iter(f"{SVG}text"))
    assert text.text is not None
    assert text.text.endswith("…")
    link = next(tree.iter(f"{SVG}a"))
    assert name in (link.findtext(f"{SVG}title") or "")


def test_an_edge_of_a_cycle_is_dashed() -> None:
    svg = draw(layout([Node("a", "A"), Node("b", "B")], [Edge("a", "b"), Edge("b", "a"), Edge("a", "a")]), id="x", language="nb")
    assert svg.count("dp-back") == 2


def test_without_lineage_the_page_says_so() -> None:
    assert "Ingen avstamning er registrert" in draw(layout([], []), id="x", language="nb")


def test_a_picture_of_three_layers_may_shrink_into_its_page_and_a_wider_one_scrolls() -> None:
    def drawn(layers: int) -> str:
        nodes = [Node(f"n{i}", f"N{i}", focus=i == 0) for i in range(layers)]
        return draw(layout(nodes, [Edge(f"n{i}", f"n{i + 1}") for i in range(layers - 1)]), id="x", language="nb")

    assert 'class="dp-lineage dp-fits"' in drawn(3)
    assert 'class="dp-lineage"' in drawn(4)
