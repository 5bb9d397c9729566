"""The partition calendar."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, timedelta

import pytest
from markupsafe import Markup

from dataproducts.catalog.drawing.calendar import PITCH, Cell, State, calendar, grain_of

SVG = "{http://www.w3.org/2000/svg}"
STATES: tuple[State, ...] = ("stored", "unchanged", "missing", "failed", "quarantined")


def titles(svg: Markup) -> list[str]:
    return [
        element.findtext(f"{SVG}title") or ""
        for element in ET.fromstring(svg).iter()
        if element.tag in (f"{SVG}a", f"{SVG}g") and element.find(f"{SVG}title") is not None
    ]


def corners(svg: Markup) -> dict[str, tuple[float, float]]:
    found = {}
    for link in ET.fromstring(svg).iter(f"{SVG}a"):
        square = link.find(f"{SVG}rect")
        assert square is not None
        found[link.attrib["href"]] = (float(square.attrib["x"]), float(square.attrib["y"]))
    return found


def test_a_small_calendar_is_exactly_this() -> None:
    assert calendar([Cell("2026-02", "failed", href="/v")], id="c", language="en", described_by="t", grain="other") == (
        '<svg class="dp-calendar" role="group" aria-labelledby="dc-title" aria-describedby="t" xmlns="http://www.w3.org/2000/svg" '
        'width="176" height="58" viewBox="0 0 176 58"><title id="dc-title">Partitions</title>'
        '<a class="dp-failed" href="/v"><title>2026-02: failed</title>'
        '<rect class="dp-cell" x="0.5" y="0.5" width="20" height="20" rx="5"/><path class="dp-mark" transform="translate(0 0)" d="M7 7l7 7M14 7l-7 7"/>'
        '</a><text class="dp-name" x="29" y="15">2026-02</text><g aria-hidden="true"><g class="dp-failed">'
        '<rect class="dp-cell" x="0.5" y="36.5" width="20" height="20" rx="5"/><path class="dp-mark" transform="translate(0 36)" d="M7 7l7 7M14 7l-7 7"/>'
        '</g><text x="28" y="51">failed</text></g></svg>'
    )


def test_a_day_tells_its_rows_and_version_in_the_readers_language() -> None:
    cells = [Cell("2026-11-04", "stored", 1234, 2, "/v"), Cell("2026-11-05", "missing", href="/w"), Cell("2026-11-06", "unchanged", 1, 1)]
    assert titles(calendar(cells, id="c", language="nb")) == [
        "2026-11-04: 1\u202f234 rader, versjon 2", "2026-11-05: mangler", "2026-11-06: 1 rad, versjon 1, uendret",
    ]  # fmt: skip
    assert titles(calendar(cells, id="c", language="en"))[0] == "2026-11-04: 1,234 rows, version 2"


def test_days_stand_below_one_another_by_month() -> None:
    at = corners(
        calendar(
            [Cell(day, "stored", 1, 1, day) for day in ("2026-01-31", "2026-02-01", "2026-03-01", "2026-03-02")], id="c", language="nb"
        )
    )
    assert at["2026-02-01"][0] == at["2026-03-01"][0] == at["2026-03-02"][0] - PITCH
    assert at["2026-01-31"][1] < at["2026-02-01"][1] < at["2026-03-01"][1] == at["2026-03-02"][1]


@pytest.mark.parametrize("place", [1, 2])
def test_cells_are_large_enough_to_hit(place: int) -> None:
    days = [Cell(f"2026-{month:02d}-{day:02d}", "stored", 1, 1, f"/{month}/{day}") for month in (1, 2) for day in (1, 2)]
    x = sorted({corner[place - 1] for corner in corners(calendar(days, id="c", language="nb")).values()})
    assert x[1] - x[0] >= 24, "WCAG 2.5.8 asks for 24 pixels from target to target"


@pytest.mark.parametrize(
    ("keys", "grain"),
    [
        (["2026-11-04", "2026-11-05"], "daily"), (["2026-11-04-13:00", "2026-11-04T14:00"], "hourly"), (["2026-11", "2026-12"], "monthly"), (["2026-13"], "other"),
        (["oslo", "2026-11-04"], "other"), (["2026-11-04|oslo"], "other"), (["2026-11-45"], "other"), ([], "other"),
    ],
)  # fmt: skip
def test_the_keys_tell_what_kind_of_partitions_they_are(keys: list[str], grain: str) -> None:
    assert grain_of(keys) == grain


def test_a_state_is_told_by_shape_and_word_and_not_by_color_alone() -> None:
    looks = set()
    for state in STATES:
        tree = ET.fromstring(calendar([Cell("2026-11-04", state, None, None, "/v")], id="c", language="en"))
        link = next(tree.iter(f"{SVG}a"))
        mark = link.find(f"{SVG}path")
        looks.add(mark.get("d") if mark is not None else link.get("class", "").split()[0] if state == "missing" else "plain")
    assert len(looks) == len(STATES)


def test_of_a_long_history_the_latest_are_drawn_and_a_note_says_so() -> None:
    cells = [Cell(f"{date(2015, 1, 1) + timedelta(n)}", "stored", n, 1, f"/{n}") for n in range(4000)]
    svg = calendar(cells, id="c", language="nb", cap=365)
    assert len(corners(svg)) == 365
    assert "/3999" in corners(svg)
    assert "De siste 365 av 4\u202f000 partisjoner" in svg


def test_one_huge_partition_does_not_blanch_the_rest() -> None:
    cells = [Cell(f"{date(2026, 1, 1) + timedelta(n)}", "stored", 1000 if n else 10**9, 1, f"/{n}") for n in range(40)]
    assert calendar(cells, id="c", language="nb").split('aria-hidden="true"')[0].count("dp-l5") == 40


def test_more_rows_are_never_lighter() -> None:
    cells = [Cell(f"{date(2026, 1, 1) + timedelta(n)}", "stored", n * 7, 1, f"/{n}") for n in range(50)]
    tree = ET.fromstring(calendar(cells, id="c", language="nb"))
    levels = [int(link.attrib["class"][-1]) for link in tree.iter(f"{SVG}a")]
    assert levels == sorted(levels)
    assert set(levels) == {0, 1, 2, 3, 4, 5}


def test_the_tab_key_stops_where_attention_is_needed_and_at_the_newest() -> None:
    cells = [Cell(f"2026-11-{day:02d}", "failed" if day == 9 else "stored", day, 1, f"/{day}") for day in range(1, 21)]
    tree = ET.fromstring(calendar(cells, id="c", language="nb"))
    assert [link.attrib["href"] for link in tree.iter(f"{SVG}a") if link.get("tabindex") is None] == ["/9", "/20"]
    assert "tabindex" not in calendar(cells, id="c", language="nb", stops="all")


def test_partitions_without_dates_stand_with_their_names_while_they_are_few() -> None:
    few = [Cell(name, "stored", 1, 1, f"/{name}") for name in ("oslo", "bergen")]
    assert ">oslo</text>" in calendar(few, id="c", language="nb")
    many = [Cell(f"city-{n}", "stored", 1, 1, f"/{n}") for n in range(200)]
    assert ">city-1</text>" not in calendar(many, id="c", language="nb")


def test_without_partitions_the_page_says_so() -> None:
    assert "Ingen partisjoner ennå" in calendar([], id="c", language="nb")
