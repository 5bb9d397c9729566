"""OpenSearch, sitemap and Atom: well-formed whatever they are given, and right for those who read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET

import pytest

from dataproducts.formats import sitemap
from dataproducts.formats.atom import Entry, atom
from dataproducts.formats.opensearch import opensearch

ATOM = {"a": "http://www.w3.org/2005/Atom"}
SITES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
SEARCH = {"o": "http://a9.com/-/spec/opensearch/1.1/"}
AT = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)
FEED = ("Endringer", "https://katalog.example.com/changes.atom", "https://katalog.example.com/changes", "Datakatalogen")


def test_a_feed_has_what_rfc_4287_demands():
    entries = [
        Entry("7", "Ny versjon", AT, "3 rader", "https://katalog.example.com/datasets/kaffe/kopper"),
        Entry("https://katalog.example.com/changes/6", "Eldre", AT - timedelta(days=1), "", "https://katalog.example.com/"),
    ]
    feed = ET.fromstring(atom(*FEED, entries, older=f"{FEED[1]}?after=6"))
    assert feed.findtext("a:id", None, ATOM) == FEED[1]
    assert feed.findtext("a:updated", None, ATOM) == "2026-11-21T04:30:00Z"
    assert feed.findtext("a:author/a:name", None, ATOM) == "Datakatalogen"
    assert {one.get("rel"): one.get("href") for one in feed.findall("a:link", ATOM)} == {
        "self": FEED[1],
        "alternate": FEED[2],
        "next": f"{FEED[1]}?after=6",
    }
    ids = [one.findtext("a:id", None, ATOM) for one in feed.findall("a:entry", ATOM)]
    assert ids[0].startswith("urn:uuid:")
    assert ids[1] == "https://katalog.example.com/changes/6"
    assert [one.findtext("a:title", None, ATOM) for one in feed.findall("a:entry", ATOM)] == ["Ny versjon", "Eldre"]


def test_an_entry_keeps_its_id_and_another_has_another():
    def ids(*names: str) -> list[str]:
        feed = ET.fromstring(atom(*FEED, [Entry(name, "t", AT, "", "") for name in names]))
        return [one.findtext("a:id", None, ATOM) for one in feed.findall("a:entry", ATOM)]

    assert ids("7", "8") == ids("7", "8")
    assert len(set(ids("7", "8"))) == 2


def test_the_same_entries_always_give_the_same_bytes_even_none_at_all():
    assert atom(*FEED, []) == atom(*FEED, [])


def test_times_are_told_in_utc():
    entry = Entry("7", "t", datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2))), "", "")
    assert ET.fromstring(atom(*FEED, [entry])).findtext("a:updated", None, ATOM) == "2026-06-01T00:00:00Z"


def test_a_link_that_runs_a_script_is_left_out():
    feed = ET.fromstring(atom(*FEED, [Entry("7", "t", AT, "", "javascript:alert(1)")]))
    assert feed.findall("a:entry/a:link", ATOM) == []


def test_a_sitemap_lists_pages_and_when_they_changed():
    root = ET.fromstring(sitemap.sitemap([("https://katalog.example.com/?a=1&b=2", AT), ("https://katalog.example.com/", None)]))
    assert [one.text for one in root.findall("s:url/s:loc", SITES)] == [
        "https://katalog.example.com/?a=1&b=2",
        "https://katalog.example.com/",
    ]
    assert [one.text for one in root.findall("s:url/s:lastmod", SITES)] == ["2026-11-21T04:30:00Z"]
    index = ET.fromstring(sitemap.index([("https://katalog.example.com/sitemap-1.xml", AT)]))
    assert index.findtext("s:sitemap/s:loc", None, SITES) == "https://katalog.example.com/sitemap-1.xml"


def test_a_sitemap_of_more_than_it_may_hold_is_refused():
    with pytest.raises(ValueError, match="at most 50000"):
        sitemap.sitemap((f"https://katalog.example.com/{i}", None) for i in range(50_001))


def test_a_search_description_keeps_to_the_lengths_browsers_take():
    root = ET.fromstring(opensearch("Datakatalogen i Kaffeetaten", "x" * 2_000, "https://k.example.com/search?q={searchTerms}&lang=nb"))
    assert len(root.findtext("o:ShortName", None, SEARCH)) <= 16
    assert len(root.findtext("o:Description", None, SEARCH)) == 1_024
    assert root.find("o:Url", SEARCH).get("template") == "https://k.example.com/search?q={searchTerms}&lang=nb"


def test_a_search_description_offers_suggestions_where_there_are_any():
    root = ET.fromstring(opensearch("Katalog", "Søk", "https://k/s?q={searchTerms}", "https://k/suggest?q={searchTerms}"))
    assert [one.get("type") for one in root.findall("o:Url", SEARCH)] == ["text/html", "application/x-suggestions+json"]
