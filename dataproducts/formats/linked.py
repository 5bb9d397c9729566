"""The JSON-LD that the RDF documents are made of: prefixes, values, agents and contacts.

Keys are `prefix:name`, every value says what it is, and all things are named and stand side by side in `@graph`: so that
`turtle` can write it down without an RDF library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from dataproducts.formats.addresses import Addresses, clean, link
from dataproducts.formats.facts import wording
from dataproducts.product_facts import Contact, Localized, Organization

__all__ = [
    "PREFIXES",
    "Node",
    "agent",
    "agent_address",
    "contact",
    "document",
    "filled",
    "node",
    "ref",
    "refs",
    "text",
    "texts",
    "typed",
    "unique",
]

Node = dict[str, Any]

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eli": "http://data.europa.eu/eli/ontology#",
    "euvoc": "http://publications.europa.eu/ontology/euvoc#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "odrs": "http://schema.theodi.org/odrs#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
ORGANIZATIONS = "https://organization-catalog.fellesdatakatalog.digdir.no/organizations/"
"""The addresses of organizations in Felles datakatalog, which a publisher has to have there."""


def document(nodes: Iterable[Node]) -> Node:
    """A JSON-LD document of nodes, each once."""
    return {"@context": dict(PREFIXES), "@graph": list(unique(nodes))}


def unique(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes without repetitions; two that differ about the same thing both stay, since RDF takes their sum."""
    seen: dict[str, list[Node]] = {}
    for one in nodes:
        before = seen.setdefault(one["@id"], [])
        if one not in before:
            before.append(one)
            yield one


def node(address: str, *types: str) -> Node:
    """A thing of some types."""
    return {"@id": address} | ({"@type": list(types)} if types else {})


def ref(address: str) -> Node:
    """A reference to a named thing."""
    return {"@id": address}


def refs(addresses: Iterable[str | None]) -> list[Node]:
    """References, each once, without the addresses there are none of."""
    return [ref(address) for address in dict.fromkeys(addresses) if address]


def text(value: str, language: str) -> Node:
    """A text in a language."""
    return {"@value": clean(value), "@language": language}


def texts(value: Localized) -> list[Node]:
    """A text in each of its languages."""
    return [text(found, language) for language, found in wording(value)]


def typed(value: date | datetime | str, type_: str = "") -> Node:
    """A literal with a type: that of a date or a time follows from the value, times being written in UTC."""
    if isinstance(value, datetime):
        return {"@value": value.astimezone(UTC).isoformat().replace("+00:00", "Z"), "@type": "xsd:dateTime"}
    if isinstance(value, date):
        return {"@value": value.isoformat(), "@type": "xsd:date"}
    return {"@value": value, "@type": type_}


def filled(found: Node) -> Node:
    """The node without what is not known."""
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def agent_address(organization: Organization, addresses: Addresses) -> str:
    """The name of an organization among linked data: that of Felles datakatalog where it has an organization number."""
    number = organization.organization_number
    return f"{ORGANIZATIONS}{number}" if number else addresses.organization(organization.name)


def agent(organization: Organization, addresses: Addresses) -> Node:
    """An organization."""
    return filled(
        {
            **node(agent_address(organization, addresses), "foaf:Agent"),
            "foaf:name": clean(organization.name),
            "dct:identifier": organization.organization_number,
            "foaf:homepage": refs([link(organization.url)]),
        }
    )


def contact(found: Contact, address: str, page: str) -> Node:
    """Who answers about what `page` shows. E-mail and page are both given: editions of DCAT-AP-NO ask for either."""
    return {
        **node(address, "vcard:Organization"),
        "vcard:fn": clean(found.name),
        "vcard:hasEmail": ref(f"mailto:{quote(clean(found.email), safe='@+')}"),
        "vcard:hasURL": ref(link(found.url) or page),
    }
