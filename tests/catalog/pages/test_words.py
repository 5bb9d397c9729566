"""Words: every key in both languages, none unused, and no template with text of its own."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime

import pytest

from dataproducts.catalog.drawing.glyphs import KINDS
from dataproducts.catalog.search.documents import FACETS
from dataproducts.catalog.web import pages, templating
from dataproducts.catalog.web.words import WORDS, Speech, tongue
from dataproducts.product_facts import AccessLevel, PersonalData

TEMPLATES = sorted(templating.FOLDER.glob("*.html"))
NOW = datetime(2026, 11, 4, 10, 0, tzinfo=UTC)
NB, EN = Speech("nb", NOW), Speech("en", NOW)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_everything_with_the_same_values() -> None:
    assert [key for key, (nb, en) in WORDS.items() if not nb.strip() or not en.strip()] == []
    assert [key for key, (nb, en) in WORDS.items() if _fields(nb) != _fields(en)] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_words_of_its_own(template: object) -> None:
    text = template.read_text()  # type: ignore[attr-defined]
    text = re.sub(r"{% block shape %}.*?{% endblock %}", "", text)
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    text = re.sub(r"<kbd>.*?</kbd>", "", text)
    attributes = re.findall(r'\b(?:title|alt|placeholder|aria-label|content)="([^"]*)"', text)
    text = re.sub(r"<[^>]*>", "", text, flags=re.DOTALL)
    text = re.sub(r"&#?\w+;s?", "", text)
    assert re.findall(r"[^\W\d_]+", text) == []
    assert [
        one
        for one in attributes
        if re.search(r"[A-ZÆØÅa-zæøå]{2}", one) and one not in ("width=device-width, initial-scale=1", "light dark", "noindex")
    ] == []


def test_every_key_that_is_asked_for_is_there_and_none_is_there_for_nothing() -> None:
    sources = "".join(path.read_text() for path in TEMPLATES)
    sources += "".join(path.read_text() for path in templating.FOLDER.parent.glob("*.py") if path.name != "words.py")
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"\s*[,)]', sources))
    assert asked - set(WORDS) == set()
    counted = {f"{what}.{form}" for what in re.findall(r'\bmany\(\s*"([^"]+)"', sources) for form in ("one", "many")}
    own = (templating.FOLDER.parent / "words.py").read_text()
    counted |= {f"{what}.{form}" for what in re.findall(r'self\.many\("([^"]+)"', own) for form in ("one", "many")} | {
        "days.one",
        "days.many",
        "hours.one",
        "hours.many",
    }
    assert counted - set(WORDS) == set()
    built = tuple(re.findall(r'"([a-z]+(?:\.[a-z]+)?\.)"\s*~', sources)) + tuple(re.findall(r'f"([a-z.]+\.)\{', sources))
    groups = (
        "kind.",
        "access.",
        "personal.",
        "port.",
        "freshness.",
        "quality.",
        "theme.",
        "status.",
        "contract.",
        "severity.",
        "periodicity.",
    )
    known = (
        asked
        | counted
        | {key for key in WORDS if key.startswith(built + groups)}
        | set(re.findall(r'"((?:quality|talk|access)\.[a-z ]+)"', sources))
    )
    assert set(WORDS) - known == set()


def test_every_value_of_a_fixed_vocabulary_has_words() -> None:
    for group, values in (
        ("personal", list(PersonalData)),
        ("access", list(AccessLevel)),
        ("facet", FACETS),
        ("kind", set(KINDS) - {"more"}),
        ("freshness", ("fresh", "late", "never", "none")),
        ("quality", ("passing", "warning", "failing", "unchecked")),
    ):
        assert [value for value in values if f"{group}.{value}" not in WORDS] == []


def test_numbers() -> None:
    assert NB.number(1234567) == "1\u202f234\u202f567"
    assert EN.number(1234567) == "1,234,567"
    assert NB.many("datasets", 1) == "1 datasett"
    assert EN.many("datasets", 1200) == "1,200 datasets"
    assert NB.value("20612") == "20\u202f612"
    assert NB.value("2026-11-04") == "2026-11-04"


def test_dates_and_times_are_of_oslo_and_name_the_zone() -> None:
    assert NB.date(NOW.date()) == "4.\u00a0november 2026"
    assert EN.date(NOW.date()) == "4\u00a0November 2026"
    assert NB.moment(NOW) == "i dag kl.\u00a011:00\u00a0CET"
    assert EN.moment(datetime(2026, 7, 1, 22, 30, tzinfo=UTC)) == "2\u00a0July 2026 at 00:30\u00a0CEST"
    assert NB.moment(datetime(2026, 11, 3, 23, 30, tzinfo=UTC)).startswith("i dag kl.\u00a000:30")
    assert str(EN.time(NOW)) == '<time datetime="2026-11-04T10:00:00+00:00">today at 11:00\u00a0CET</time>'
    assert NB.every(30 * 3600) == "30 timer"
    assert NB.every(48 * 3600) == "2 døgn"
    assert EN.every(600) == "10 minutes"


def test_the_language_of_a_text_is_told_by_its_small_words() -> None:
    assert tongue("The name of the unit, as it is registered.") == "en"
    assert tongue("Navnet på enheten slik det er registrert.") == "nb"
    assert tongue("organisasjonsnummer") is None
    assert str(EN.said("Navnet på <enheten>")) == '<span lang="nb">Navnet på &lt;enheten&gt;</span>'
    assert str(NB.told("Koden `AS` og `<b>`.")) == 'Koden <code translate="no">AS</code> og <code translate="no">&lt;b&gt;</code>.'


def test_the_routes_are_named_so_that_views_are_counted() -> None:
    assert {"product", "dataset", "column", "concept", "team", "entry", "search"} <= {route.name for route in pages.routes}
