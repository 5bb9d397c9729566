"""The catalog's pages for search engines: sitemaps of at most 50,000 addresses, and the index of several."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from dataproducts.formats.addresses import clean

__all__ = ["MEDIA_TYPE", "MOST", "index", "sitemap"]

MEDIA_TYPE = "application/xml"
MOST = 50_000
"""Addresses that one sitemap may hold (sitemaps.org)."""
_SPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def sitemap(pages: Iterable[tuple[str, datetime | None]]) -> bytes:
    """A sitemap of (address, last modified in UTC). Raises ValueError beyond `MOST`: divide it, and list the parts by `index`."""
    return _listed("urlset", "url", pages)


def index(sitemaps: Iterable[tuple[str, datetime | None]]) -> bytes:
    """The sitemap of sitemaps, by (address, last modified in UTC). Raises ValueError beyond `MOST`."""
    return _listed("sitemapindex", "sitemap", sitemaps)


def _listed(name: str, each: str, pages: Iterable[tuple[str, datetime | None]]) -> bytes:
    root = ET.Element(name, xmlns=_SPACE)
    for count, (address, modified) in enumerate(pages, start=1):
        if count > MOST:
            raise ValueError(f"a sitemap holds at most {MOST} addresses; divide it")
        entry = ET.SubElement(root, each)
        ET.SubElement(entry, "loc").text = clean(address)
        if modified is not None:
            ET.SubElement(entry, "lastmod").text = modified.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
