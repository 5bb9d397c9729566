"""The OpenSearch description of the catalog: what lets a browser search it from its address bar."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from dataproducts.formats.addresses import clean

__all__ = ["MEDIA_TYPE", "opensearch"]

MEDIA_TYPE = "application/opensearchdescription+xml"
_SPACE = "http://a9.com/-/spec/opensearch/1.1/"


def opensearch(name: str, description: str, search: str, suggest: str | None = None, icon: str | None = None) -> bytes:
    """The description as XML. `search` and `suggest` are addresses with `{searchTerms}` where the words go.

    The specification allows 16 characters of name and 1024 of description; what is longer is cut.
    """
    root = ET.Element("OpenSearchDescription", xmlns=_SPACE)
    ET.SubElement(root, "ShortName").text = clean(name)[:16].strip()
    ET.SubElement(root, "LongName").text = clean(name)[:48].strip()
    ET.SubElement(root, "Description").text = clean(description)[:1024].strip()
    ET.SubElement(root, "InputEncoding").text = "UTF-8"
    if icon:
        ET.SubElement(root, "Image", type="image/svg+xml").text = clean(icon)
    ET.SubElement(root, "Url", type="text/html", method="get", template=clean(search))
    if suggest:
        ET.SubElement(root, "Url", type="application/x-suggestions+json", method="get", template=clean(suggest))
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
