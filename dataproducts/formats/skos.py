"""A product's glossary as SKOS, with what SKOS-AP-NO-Begrep adds: identifier, publisher, contact and a definition of its own."""

from __future__ import annotations

from collections.abc import Iterator

from dataproducts.formats.addresses import Addresses, link
from dataproducts.formats.linked import Node, agent, agent_address, contact, document, filled, node, ref, refs, texts
from dataproducts.messages import Concept, ProductBody

__all__ = ["concept", "glossary"]


def glossary(body: ProductBody, addresses: Addresses) -> Node:
    """The JSON-LD document of all concepts of a product: a skos:ConceptScheme and its skos:Concepts."""
    return document(_nodes(body, body.concepts, addresses))


def concept(name: str, body: ProductBody, addresses: Addresses) -> Node:
    """The JSON-LD document of one concept. Raises KeyError where the product has none of that name."""
    found = [one for one in body.concepts if one.name == name]
    if not found:
        raise KeyError(name)
    return document(_nodes(body, found, addresses))


def _nodes(body: ProductBody, concepts: tuple[Concept, ...] | list[Concept], addresses: Addresses) -> Iterator[Node]:
    facts = body.facts
    scheme, around = addresses.glossary(facts.name), addresses.product(facts.name)
    known = {one.name for one in body.concepts}
    yield filled(
        {
            **node(scheme, "skos:ConceptScheme"),
            "dct:identifier": scheme,
            "dct:title": texts(facts.title),
            "dct:publisher": ref(agent_address(facts.publisher, addresses)),
            "dcat:contactPoint": ref(f"{around}#contact"),
            "skos:hasTopConcept": refs(addresses.concept(facts.name, one.name) for one in body.concepts if not known & {*one.broader}),
        }
    )
    for one in concepts:
        address = addresses.concept(facts.name, one.name)
        above = [name for name in one.broader if name in known]
        below = [other.name for other in body.concepts if one.name in other.broader]
        yield filled(
            {
                **node(address, "skos:Concept"),
                "dct:identifier": address,
                "skos:prefLabel": texts(one.label),
                "skos:definition": texts(one.definition),
                "euvoc:xlDefinition": ref(f"{address}#definition"),
                "rdfs:seeAlso": refs([link(one.see)]),
                "skos:broader": refs(addresses.concept(facts.name, name) for name in above),
                "skos:narrower": refs(addresses.concept(facts.name, name) for name in below),
                "skos:inScheme": ref(scheme),
                "skos:topConceptOf": ref(scheme) if not above else None,
                "dct:publisher": ref(agent_address(facts.publisher, addresses)),
                "dcat:contactPoint": ref(f"{around}#contact"),
            }
        )
        yield node(f"{address}#definition", "euvoc:XlNote") | {"rdf:value": texts(one.definition)}
    yield agent(facts.publisher, addresses)
    yield contact(facts.contact, f"{around}#contact", around)
