"""The small charts and badges."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from dataproducts.catalog.drawing.badges import freshness_badge, kind_badge, personal_badge, quality_badge
from dataproducts.catalog.drawing.charts import POINTS, CheckRun, Point, Spread, bars, check_history, rows_chart, sparkline, spread_chart

SVG = "{http://www.w3.org/2000/svg}"


def days(*values: float | None) -> list[Point]:
    return [Point(f"2026-11-{day:02d}", value) for day, value in enumerate(values, 1)]


def test_a_sparkline_is_exactly_this() -> None:
    assert sparkline([1, 2, None, 3, 2], label="Rows") == (
        '<svg class="dp-spark" role="img" aria-label="Rows" xmlns="http://www.w3.org/2000/svg" width="96" height="24" viewBox="0 0 96 24">'
        '<path class="dp-stroke" d="M4 20L26 12"/><path class="dp-stroke" d="M70 4L92 12"/><circle class="dp-last" cx="92" cy="12" r="2.5"/></svg>'
    )


def test_the_chart_names_its_lowest_and_highest() -> None:
    svg = rows_chart(days(1500, 900, 2100, 1800), language="nb")
    assert ET.fromstring(svg).get("aria-label") == "Rader per partisjon. lavest 900, høyest 2\u202f100"
    assert [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")] == ["900", "2\u202f100", "2026-11-01", "2026-11-04"]


def test_a_missing_partition_breaks_the_line_and_says_so() -> None:
    svg = rows_chart(days(5, 6, None, 7, 8), language="nb")
    assert svg.count("dp-stroke") == 2
    assert "2026-11-03: mangler" in svg


def test_a_lone_figure_between_gaps_is_a_dot() -> None:
    assert "dp-last" in rows_chart(days(5, None, 6, None, 7, 8), language="en")


@pytest.mark.parametrize("values", [(0,), (5, 5, 5), (0, 0), (-5, 5), (1e15, 1), (None, 3), (float("nan"), 1), (float("inf"), 1)])
def test_odd_figures_give_a_picture_all_the_same(values: tuple[float | None, ...]) -> None:
    svg = rows_chart(days(*values), language="nb")
    assert ET.fromstring(svg).get("role") == "img"
    for number in re.findall(r'(?:cx|cy|x|y|d)="([^"]*)"', svg):
        assert "nan" not in number
        assert "inf" not in number


def test_a_dip_in_a_long_history_is_still_seen() -> None:
    values = [1000.0] * 5000
    values[3210] = 7
    svg = rows_chart([Point(str(n), value) for n, value in enumerate(values)], language="nb")
    assert "3210: 7 rader" in svg
    assert svg.count("dp-slice") <= POINTS


def test_without_figures_the_chart_says_so() -> None:
    assert "No figures yet" in rows_chart(days(None, None), language="en")


def test_bars_are_as_long_as_their_share_of_all_rows() -> None:
    svg = bars([("a", 50), ("b", 25), ("c", 0)], total=100, language="en", wide=400)
    assert [float(rect.attrib["width"]) for rect in ET.fromstring(svg).iter(f"{SVG}rect") if rect.get("class") == "dp-fill"] == [200, 100]
    assert "25 (25%)" in svg


def test_bars_of_no_rows_are_empty() -> None:
    assert "dp-fill" not in bars([("a", 0)], total=0, language="nb")


def test_a_few_missing_values_are_seen_and_told() -> None:
    svg = spread_chart(Spread(1, 9, 0.0004), language="nb", wide=240)
    filled = next(float(rect.attrib["width"]) for rect in ET.fromstring(svg).iter(f"{SVG}rect") if rect.get("class") == "dp-fill")
    assert filled < 240
    assert "&lt;1\u202f% mangler" in svg


def test_a_column_whose_values_are_withheld_shows_only_what_is_missing() -> None:
    svg = spread_chart(Spread(missing=0.35), language="en")
    assert [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")] == ["35% missing"]


@pytest.mark.parametrize("missing", [0.0, 1.0, 1.5, -0.1])
def test_all_and_nothing_missing_stay_inside_the_strip(missing: float) -> None:
    for rect in ET.fromstring(spread_chart(Spread(1, 2, missing), language="en", wide=240)).iter(f"{SVG}rect"):
        assert 0 <= float(rect.attrib["width"]) <= 240


def test_a_history_of_checks_counts_them_in_words_and_keeps_the_last() -> None:
    runs = [CheckRun(f"run {n}", "fail" if n == 199 else "pass", f"/runs/{n}") for n in range(200)]
    tree = ET.fromstring(check_history(runs, language="en"))
    assert tree.get("aria-label") == "Checks over time: 89 passed, 1 failed"
    links = list(tree.iter(f"{SVG}a"))
    assert [link.attrib["href"] for link in links if link.get("tabindex") is None] == ["/runs/199"]
    assert links[-1].findtext(f"{SVG}title") == "run 199: failed"


def test_failures_outrank_warnings_on_a_badge() -> None:
    assert "1 av 6 kontroller feiler" in quality_badge(3, 2, 1, language="nb")
    assert "2 of 5 checks warn" in quality_badge(3, 2, 0, language="en")
    assert "1 check passes" in quality_badge(1, 0, 0, language="en")
    assert "ikke kontrollert" in quality_badge(0, 0, 0, language="nb")


def test_a_badge_is_exactly_this() -> None:
    assert freshness_badge("overdue", language="nb", latest="2026-11-04", href="/f") == (
        '<a class="dp-badge dp-bad" href="/f"><svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">'
        '<g class="dp-status dp-bad" transform="translate(0 0)"><path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z"/>'
        '<path class="dp-sign" d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"/></g></svg><span class="dp-text">for gammel · 2026-11-04</span></a>'
    )


def test_other_badges_speak_the_readers_language() -> None:
    assert "særlige kategorier" in personal_badge("special", language="nb")
    assert "data product" in kind_badge("product", "en")
