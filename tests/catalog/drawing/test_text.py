"""Text and numbers inside pictures."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dataproducts.catalog.drawing.text import clean, clip, coordinate, identifier, link, number, percent, shown, width


def test_text_that_fits_is_left_alone() -> None:
    assert clip("Enheter", 200, 13) == "Enheter"


@pytest.mark.parametrize(
    "text", ["n" * 10_000, "W" * 10_000, "å" * 10_000, "漢" * 10_000, "👩‍👩‍👧‍👦" * 1000, "e\u0301" * 5000, "שלום " * 2000]
)
def test_long_text_ends_in_an_ellipsis_and_fits(text: str) -> None:
    clipped = clip(text, 160, 13)
    assert clipped.endswith("…")
    assert width(clipped, 13) <= 160 + 13
    assert len(clipped) > 5 or text[0] in "👩"


def test_a_family_of_emoji_is_not_cut_apart() -> None:
    family = "👩\u200d👩\u200d👧\u200d👦"
    for room in range(20, 200, 3):
        clipped = clip(family * 8, room, 13).removesuffix("…")
        assert clipped.replace(family, "") == "", f"cut apart at {room} pixels"


def test_an_accent_stays_with_its_letter() -> None:
    for room in range(20, 100):
        assert clip("e\u0301" * 50, room, 13).removesuffix("…").endswith(("\u0301", "")), room
        assert "e…" not in clip("e\u0301" * 50, room, 13)


def test_control_characters_and_direction_marks_are_gone_and_lines_become_one() -> None:
    assert clean("a\x00b\x1b[31m\u202egnp.exe\ud800\uffff\n\tc ") == "ab[31mgnp.exe c"


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " \tjavascript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "",
        "  ",
        None,
    ],
)
def test_an_address_that_runs_or_reads_something_is_no_link(href: str | None) -> None:
    assert link(href) is None


@pytest.mark.parametrize("href", ["/datasets/a", "?up=2&amp;", "#column", "https://example.com/a", "mailto:a@example.com", "/datasets/a:b"])
def test_ordinary_addresses_are_links(href: str) -> None:
    assert link(href) is not None


def test_an_address_is_escaped() -> None:
    assert link('/a?b=1&c="><script>') == "/a?b=1&amp;c=&#34;&gt;&lt;script&gt;"


def test_numbers_are_written_for_the_reader() -> None:
    assert number(1234567, "nb") == "1\u202f234\u202f567"
    assert number(1234567, "en") == "1,234,567"
    assert number(-1234.5, "nb", 1) == "−1\u202f234,5"
    assert number(-1234.5, "en", 1) == "−1,234.5"


@pytest.mark.parametrize(
    ("share", "nb", "en"),
    [
        (0, "0\u202f%", "0%"),
        (0.001, "<1\u202f%", "<1%"),
        (0.999, ">99\u202f%", ">99%"),
        (1, "100\u202f%", "100%"),
        (0.37, "37\u202f%", "37%"),
    ],
)
def test_a_few_missing_values_never_read_as_none(share: float, nb: str, en: str) -> None:
    assert percent(share, "nb") == nb
    assert percent(share, "en") == en


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (True, "true"), (1234, "1,234"), (0.1, "0.1"), (Decimal("12.50"), "12.5"), (2.0, "2"), (1e-9, "1e−09"), (float("nan"), "nan"), (float("inf"), "inf"),
        (date(2026, 11, 4), "2026-11-04"), (datetime(2026, 11, 4, 12, 30, tzinfo=UTC), "2026-11-04 12:30+00:00"), ("a\nb", "a b"),
    ],
)  # fmt: skip
def test_any_value_of_a_profile_can_be_shown(value: Any, text: str) -> None:
    assert shown(value, "en") == text


def test_coordinates_are_short() -> None:
    assert [coordinate(v) for v in (1.0, 1.25, -0.01, 10.06)] == ["1", "1.2", "0", "10.1"]


def test_an_id_can_stand_in_a_reference() -> None:
    assert identifier('a"b)c/d') == "da-b-c-d"
