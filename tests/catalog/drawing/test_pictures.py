"""What is true of every picture: well-formed, safe under the strictest policy, styled, and the same each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

import dataproducts.catalog
from dataproducts.catalog.drawing.badges import badge, freshness_badge, kind_badge, personal_badge, quality_badge
from dataproducts.catalog.drawing.calendar import Cell, calendar
from dataproducts.catalog.drawing.charts import CheckRun, Point, Spread, bars, check_history, rows_chart, sparkline, spread_chart
from dataproducts.catalog.drawing.lineage import ColumnRow, Edge, Node, draw, layout, more
from dataproducts.catalog.drawing.text import Language

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'></title></svg><svg onload=alert(1)>",
    "]]><!-- --><![CDATA[ &lt; & &#x3c;",
    "javascript:alert(1)",
    "{{7*7}} ${7*7} {0.__class__} %s %(x)s {n}",
    "a\x00\x08\x0b\x1b\x7f\x85\ud800\udfff\ufffe\uffffb",
    "\u202egpj.exe\u202c \u2066abc\u2069",
    "مجموعة بيانات الشركات في النرويج ومعلومات أخرى",
    "👩‍👩‍👧‍👦🇳🇴👍🏽" * 40,
    "x" * 10_000,
    "\n\r\t ",
    "",
]


def lineage(text: str, language: Language) -> Markup:
    rows = (ColumnRow(text, text), ColumnRow("id", "#id", focus=True))
    drawn = [
        Node("a", text, text, text, text, "bad", columns=rows),
        Node("b", text, text, f"/{text}", "dataset", "good", focus=True),
        Node("c", text, "", "/c", "source", "warn"),
        Node("d", text, "", "/d", status=None),
        Node(text, text, text, "/e"),
        more("m", 1234, text, language),
        more("n", 12, "/n", language),
    ]
    between = [
        Edge("a", "b", text, None), Edge("b", "a"), Edge("b", "c"), Edge("c", text), Edge(text, text), Edge("a", "m"), Edge("b", "n"), Edge("d", text),
    ]  # fmt: skip
    return draw(layout(drawn, between), id=text, language=language, described_by=text)


def partitions(text: str, language: Language) -> Markup:
    states: Any = ["stored", "unchanged", "missing", "failed", "quarantined", text]
    named = [Cell(text, state, place * 10, place, text if place % 2 else "/v") for place, state in enumerate(states)]
    dated = [Cell(f"2026-11-{day:02d}", states[day % 5], day, 1, f"/v/{text}") for day in range(1, 28)]
    return calendar(named, id=text, language=language, described_by=text) + calendar(dated, id="c", language=language, cap=20)


def charts(text: str, language: Language) -> Markup:
    drawn = [
        rows_chart(
            [Point(text, 1), Point("b", None), Point(text, 7), Point("c", float("nan")), Point("d", 9), Point("e", 5)], language=language
        ),
        sparkline([1, None, 3, 4], label=text),
        bars([(text, 3), (None, 0)], total=10, language=language),
        spread_chart(Spread(text, text, 0.2), language=language),
        spread_chart(Spread(1, 9, 0.2, (2, 3, 4)), language=language),
        spread_chart(Spread(1, 9, 0, bins=(1, 0, 3)), language=language),
        check_history(
            [CheckRun(text, outcome, href) for outcome in ("pass", "warn", "fail", "error") for href in (text, "/r")], language=language
        ),
        rows_chart([], language=language),
    ]
    return Markup("").join(drawn)


def badges(text: str, language: Language) -> Markup:
    drawn = [
        badge(status, text, href=href, hint=text) for status in ("good", "warn", "bad", "unknown", "info") for href in (None, text, "/q")
    ]
    return Markup("").join(
        [
            *drawn, kind_badge(text, language), quality_badge(1, 2, 3, language=language, href=text),
            freshness_badge("late", language=language, latest=text), personal_badge("special", language=language),
        ]
    )  # fmt: skip


PICTURES: list[Callable[[str, Language], Markup]] = [lineage, partitions, charts, badges]


def parsed(markup: Markup) -> ET.Element:
    return ET.fromstring(f"<page>{markup}</page>".encode())


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_name_can_break_out_of_a_picture(picture: Callable[[str, Language], Markup], payload: str) -> None:
    tree = parsed(picture(payload, "nb"))
    allowed = {"svg", "g", "a", "title", "text", "rect", "path", "circle", "defs", "marker", "span", "p", "page"}
    for element in tree.iter():
        assert element.tag.rpartition("}")[2] in allowed
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in ("style", "src", "xlink:href")
            if name == "href":
                assert not re.match(r"\s*(javascript|data|vbscript):", value, re.IGNORECASE)


@pytest.mark.parametrize("picture", PICTURES)
def test_every_reference_inside_a_picture_points_at_something_in_it(picture: Callable[[str, Language], Markup]) -> None:
    tree = parsed(picture("a/b c", "en"))
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in tree.iter():
        assert element.get("aria-labelledby") in (None, *ids)
        marker = element.get("marker-end")
        assert marker is None or marker.removeprefix("url(#").removesuffix(")") in ids


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("language", ["nb", "en"])
def test_the_same_input_gives_the_same_bytes(picture: Callable[[str, Language], Markup], language: Language) -> None:
    assert picture("Enheter", language) == picture("Enheter", language)


@pytest.mark.parametrize("picture", PICTURES)
def test_every_link_and_image_has_a_name(picture: Callable[[str, Language], Markup]) -> None:
    for element in parsed(picture("Enheter", "nb")).iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "a":
            name = element[0].text if element[0].tag.endswith("title") else "".join(element.itertext())
            assert name
            assert name.strip()
        if tag == "svg" and element.get("aria-hidden") is None:
            assert element.get("role") in ("img", "group")
            assert element.get("aria-label") or element.get("aria-labelledby")
            if element.get("role") == "img":
                assert not [inner for inner in element.iter() if inner.tag.endswith("}a")], "links inside an image are out of reach"


def stylesheet() -> str:
    return (Path(dataproducts.catalog.__path__[0]) / "web" / "static" / "drawing.css").read_text(encoding="utf-8")


def test_every_class_in_the_stylesheet_is_one_that_pictures_use() -> None:
    few = [draw(layout(nodes, []), id="x", language="nb") for nodes in ([], [Node("a", "Enheter")])]
    drawn = "".join([*(picture("Enheter", "nb") for picture in PICTURES), *few])
    used = {name for classes in re.findall(r'class="([^"]*)"', drawn) for name in classes.split()}
    levels = {f"dp-l{level}" for level in range(6)}
    styled = set(re.findall(r"\.(dp-[a-z0-9-]+)", re.sub(r"/\*.*?\*/", "", stylesheet(), flags=re.DOTALL)))
    assert styled - used - levels - {"dp-scroll"} == set()


def test_the_stylesheet_fetches_nothing() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?:", stylesheet())
