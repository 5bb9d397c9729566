"""A feed of changes as Atom (RFC 4287), newest first as given."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from dataproducts.formats.addresses import clean, link

__all__ = ["MEDIA_TYPE", "Entry", "atom"]

MEDIA_TYPE = "application/atom+xml"
_SPACE = "http://www.w3.org/2005/Atom"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One change. `id` is any text that is the change's own for ever; `updated` is an aware time."""

    id: str
    title: str
    updated: datetime
    summary: str
    href: str


def atom(title: str, address: str, page: str, author: str, entries: Sequence[Entry], older: str | None = None) -> bytes:
    """The feed at `address` as XML. `page` shows the same to people; `older` is the address of the feed's next page (RFC 5005).

    It was updated when its newest entry was, so that the same entries always give the same bytes.
    """
    root = ET.Element("feed", xmlns=_SPACE)
    ET.SubElement(root, "id").text = _id(address, address)
    ET.SubElement(root, "title").text = clean(title)
    ET.SubElement(root, "updated").text = _time(max((one.updated for one in entries), default=_BEGINNING))
    ET.SubElement(ET.SubElement(root, "author"), "name").text = clean(author)
    ET.SubElement(root, "link", rel="self", type=MEDIA_TYPE, href=clean(address))
    ET.SubElement(root, "link", rel="alternate", type="text/html", href=clean(page))
    if older:
        ET.SubElement(root, "link", rel="next", type=MEDIA_TYPE, href=clean(older))
    for one in entries:
        entry = ET.SubElement(root, "entry")
        ET.SubElement(entry, "id").text = _id(one.id, address)
        ET.SubElement(entry, "title", type="text").text = clean(one.title)
        ET.SubElement(entry, "updated").text = _time(one.updated)
        if found := link(one.href):
            ET.SubElement(entry, "link", rel="alternate", href=found)
        ET.SubElement(entry, "summary", type="text").text = clean(one.summary)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _id(text: str, feed: str) -> str:
    """An address or URN as it is; of any other text a URN that is the same for ever, other in other feeds."""
    if link(text) == text or text.startswith("urn:"):
        return clean(text)
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{feed} {clean(text)}')}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
