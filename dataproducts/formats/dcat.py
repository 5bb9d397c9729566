"""Products, datasets and the catalog as DCAT-AP-NO (JSON-LD): the union of what versions 2.2 and 3 ask for.

A product is a dcat:DatasetSeries of its datasets, since versions follow each other there; one without datasets is a plain
dcat:Dataset. Each output port is a dcat:Distribution, and the contract a csvw:Schema that the distributions conform to.
All nodes are named, so that documents harvested together add up without repetitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from dataproducts.formats import types
from dataproducts.formats.addresses import Addresses, clean, link, location, told
from dataproducts.formats.facts import LANGUAGE, CatalogFacts, Entry, Newest, covered, described, is_sensitive
from dataproducts.formats.linked import (
    Node,
    agent,
    agent_address,
    contact,
    document,
    filled,
    node,
    ref,
    refs,
    text,
    texts,
    typed,
    unique,
)
from dataproducts.messages import ColumnFacts, DatasetBody, PortFacts, ProductBody
from dataproducts.product_facts import EU_AUTHORITY, LANGUAGES, AccessLevel, PersonalData, ProductFacts

__all__ = ["catalog", "catalog_nodes", "dataset", "product"]

STATUSES = {"proposed": "DEVELOP", "draft": "DEVELOP", "active": "COMPLETED", "deprecated": "DEPRECATED", "retired": "WITHDRAWN"}
AVAILABILITIES = {"proposed": "EXPERIMENTAL", "draft": "EXPERIMENTAL", "active": "STABLE", "deprecated": "TEMPORARY"}
FILE_TYPES = {
    "parquet": "PARQUET", "delta": "PARQUET", "csv": "CSV", "tsv": "TSV", "json": "JSON", "jsonl": "JSON", "avro": "AVRO",
    "xml": "XML", "xlsx": "XLSX", "zip": "ZIP",
}  # fmt: skip
MEDIA_TYPE = "https://www.w3.org/ns/iana/media-types/"
MEDIA_TYPES = {
    # Version 3's own shapes take application/... only, so that text/csv is left to the file type.
    "PARQUET": "application/vnd.apache.parquet",
    "JSON": "application/json",
    "XML": "application/xml",
    "ZIP": "application/zip",
    "XLSX": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
DATATYPES: dict[types.Kind, str] = {
    "string": "xsd:string", "integer": "xsd:integer", "number": "xsd:double", "decimal": "xsd:decimal",
    "boolean": "xsd:boolean", "date": "xsd:date", "datetime": "xsd:dateTime", "time": "xsd:time",
    "duration": "xsd:duration", "binary": "xsd:base64Binary", "list": "csvw:JSON", "object": "csvw:JSON",
}  # fmt: skip
FROM_OTHERS = "https://data.norge.no/vocabulary/provenance-activity-type#collecting-from-third-party"


def product(body: ProductBody, datasets: Sequence[Entry], addresses: Addresses) -> Node:
    """The JSON-LD document of a product and its datasets, without their columns."""
    return document(_product_nodes(body, datasets, addresses))


def dataset(body: DatasetBody, of: ProductBody, addresses: Addresses, newest: Newest | None = None) -> Node:
    """The JSON-LD document of a dataset of product `of`: its distributions, and the columns of its contract."""
    return document([*_dataset_nodes(body, of, addresses, newest, columns=True), *_around(of.facts, addresses)])


def catalog(about: CatalogFacts, products: Iterable[tuple[ProductBody, Sequence[Entry]]], addresses: Addresses) -> Node:
    """The JSON-LD document of the whole catalog, without columns. `catalog_nodes` gives it piece by piece."""
    return document(catalog_nodes(about, products, addresses))


def catalog_nodes(about: CatalogFacts, products: Iterable[tuple[ProductBody, Sequence[Entry]]], addresses: Addresses) -> Iterator[Node]:
    """The catalog as it comes, for `turtle.stream`: what it lists is stated product by product."""
    yield filled(
        {
            **node(addresses.catalog, "dcat:Catalog"),
            "dct:identifier": addresses.catalog,
            "dct:title": texts(about.title),
            "dct:description": texts(about.description),
            "dct:publisher": ref(agent_address(about.publisher, addresses)),
            "dcat:contactPoint": ref(f"{addresses.catalog}#contact"),
            "foaf:homepage": ref(addresses.catalog),
            "dct:language": refs(f"{EU_AUTHORITY}language/{LANGUAGES[one]}" for one in ("nb", "en")),
            "dcat:themeTaxonomy": ref(f"{EU_AUTHORITY}data-theme"),
            "dct:license": refs([link(about.license.uri) if about.license else None]),
            "dct:spatial": refs(_place(one) for one in about.spatial),
            "dct:issued": typed(about.issued) if about.issued else None,
            "dct:modified": _modified(about.modified, about.issued),
        }
    )
    yield agent(about.publisher, addresses)
    yield contact(about.contact, f"{addresses.catalog}#contact", addresses.catalog)
    agents: dict[str, list[Node]] = {}
    for body, datasets in products:
        names = [addresses.product(body.facts.name), *(addresses.dataset(one.name) for one, _ in datasets)]
        yield node(addresses.catalog) | {"dcat:dataset": refs(names)}
        for one in unique(_product_nodes(body, datasets, addresses)):
            if "foaf:Agent" in one["@type"]:  # products share them; all else belongs to one product
                told = agents.setdefault(one["@id"], [])
                if one in told:
                    continue
                told.append(one)
            yield one


def _product_nodes(body: ProductBody, datasets: Sequence[Entry], addresses: Addresses) -> Iterator[Node]:
    facts, address = body.facts, addresses.product(body.facts.name)
    members = [addresses.dataset(one.name) for one, _ in datasets]
    deliveries = [newest.at for _, newest in datasets if newest]
    sensitive = facts.personal_data.class_.is_sensitive
    period = (facts.temporal.from_, facts.temporal.to) if facts.temporal else None
    yield filled(
        {
            **node(address, "dcat:DatasetSeries" if members else "dcat:Dataset"),
            "dct:identifier": address,
            "dct:title": texts(facts.title),
            "dct:description": texts(facts.description),
            **_shared(facts, addresses, str(facts.access.level), sensitive),
            "dcat:version": facts.version,
            "owl:versionInfo": facts.version,
            "dct:modified": _modified(max(deliveries, default=None), facts.modified),
            "dct:temporal": ref(f"{address}#temporal") if period else None,
            "dct:subject": refs(addresses.concept(facts.name, one.name) for one in body.concepts),
            "dcat:landingPage": ref(address),
            "dcat:first": refs(members[:1]),
            "dcat:seriesMember": refs(members),
        }
    )
    yield from _period(f"{address}#temporal", period)
    for one, newest in datasets:
        yield from _dataset_nodes(one, body, addresses, newest, columns=False)
    yield from _around(facts, addresses)


def _dataset_nodes(body: DatasetBody, of: ProductBody, addresses: Addresses, newest: Newest | None, *, columns: bool) -> Iterator[Node]:
    facts, address = of.facts, addresses.dataset(body.name)
    period = covered(body, of, newest)
    yield filled(
        {
            **node(address, "dcat:Dataset"),
            "dct:identifier": address,
            "dct:title": [text(body.title.strip() or body.name, LANGUAGE)],
            "dct:description": [text(one, language) for language, one in described(body, facts)],
            **_shared(facts, addresses, body.access, is_sensitive(body)),
            "dcat:version": body.contract.version,
            "owl:versionInfo": body.contract.version,
            "dct:modified": _modified(newest.at if newest else None, facts.modified),
            "dct:temporal": ref(f"{address}#temporal") if period else None,
            "dct:extent": ref(f"{address}#extent") if newest else None,
            "dct:subject": _subjects(body, of, addresses),
            "dct:source": refs(addresses.dataset(one) for one in body.upstream),
            "prov:wasDerivedFrom": refs([link(body.source.url) if body.source else None]),
            "prov:wasGeneratedBy": refs([FROM_OTHERS if _is_collected(body, facts) else None]),
            "dcat:landingPage": ref(address),
            "dcat:inSeries": ref(addresses.product(facts.name)),
            "dct:conformsTo": ref(_schema(body, addresses)) if columns else None,
            "dpv:hasPersonalData": _personal(body.personal),
            "dcat:distribution": refs(addresses.distribution(body.name, port.name) for port in body.ports),
        }
    )
    yield from _period(f"{address}#temporal", period)
    if newest:
        yield node(f"{address}#extent", "dct:SizeOrDuration") | {"rdf:value": newest.rows}
    for port in body.ports:
        yield _distribution(port, body, facts, addresses, newest, columns=columns)
    if columns:
        yield from _contract(body, of, addresses)


def _shared(facts: ProductFacts, addresses: Addresses, level: str, sensitive: bool) -> Node:
    """What a product's facts say of the product and of each dataset alike."""
    return {
        "dct:publisher": ref(agent_address(facts.publisher, addresses)),
        "dct:creator": refs([agent_address(facts.creator, addresses) if facts.creator else None]),
        "dcat:contactPoint": ref(f"{addresses.product(facts.name)}#contact"),
        "dcat:theme": refs(f"{EU_AUTHORITY}data-theme/{theme}" for theme in facts.themes),
        "dcat:keyword": [text(one, LANGUAGE) for one in facts.keywords if clean(one).strip()],
        "dct:accessRights": ref(f"{EU_AUTHORITY}access-right/{_access(level, sensitive)}"),
        "dcatap:applicableLegislation": refs(link(one) for one in facts.legislation),
        "dct:license": refs([link(facts.license.uri)]),
        "dct:rights": _rights(facts, addresses),
        "dct:accrualPeriodicity": ref(f"{EU_AUTHORITY}frequency/{facts.periodicity}"),
        "dct:language": refs(f"{EU_AUTHORITY}language/{LANGUAGES[one]}" for one in facts.language),
        "dct:spatial": refs(_place(one) for one in facts.spatial),
        "dct:issued": typed(facts.issued) if facts.issued else None,
        "dct:provenance": ref(f"{addresses.product(facts.name)}#provenance") if facts.provenance else None,
        "adms:status": ref(f"{EU_AUTHORITY}distribution-status/{STATUSES[facts.status]}"),
        "foaf:page": refs(link(one.url) for one in facts.links),
    }


def _access(level: str, sensitive: bool) -> str:
    """The EU's three levels, of which NON_PUBLIC is said to be that of sensitive and personal information."""
    if level == AccessLevel.OPEN:
        return "PUBLIC"
    return "NON_PUBLIC" if sensitive else "RESTRICTED"


def _place(place: str) -> str | None:
    return link(place) if ":" in place else f"{EU_AUTHORITY}country/{place}"


def _modified(delivered: datetime | None, stated: date | None) -> Node | None:
    moment = delivered or stated
    return typed(moment) if moment else None


def _period(address: str, days: tuple[date, date | None] | None) -> Iterator[Node]:
    if days is not None:
        first, last = days
        dates = {"dcat:startDate": typed(first), "dcat:endDate": typed(last) if last else None}
        yield filled({**node(address, "dct:PeriodOfTime"), **dates})


def _rights(facts: ProductFacts, addresses: Addresses) -> Node | None:
    return ref(f"{addresses.product(facts.name)}#rights") if facts.rights else None


def _personal(class_: str | None) -> Node | None:
    if class_ in (None, PersonalData.NONE, PersonalData.ANONYMIZED, PersonalData.CONFIDENTIAL):
        return None
    return ref("dpv:SpecialCategoryPersonalData" if class_ == PersonalData.SPECIAL_CATEGORY else "dpv:PersonalData")


def _is_collected(body: DatasetBody, facts: ProductFacts) -> bool:
    """Whether the rows come from a system that somebody else is stated to run."""
    return body.source is not None and any(source.owner not in (None, facts.publisher.name) for source in facts.sources)


def _subjects(body: DatasetBody, of: ProductBody, addresses: Addresses) -> list[Node]:
    return refs(_concept(column, of, addresses) for column in body.contract.columns)


def _concept(column: ColumnFacts, of: ProductBody, addresses: Addresses) -> str | None:
    """A column's concept: one of the product's glossary by name, or any other by address."""
    if any(one.name == column.concept for one in of.concepts):
        return addresses.concept(of.facts.name, str(column.concept))
    return link(column.concept)


def _distribution(
    port: PortFacts, body: DatasetBody, facts: ProductFacts, addresses: Addresses, newest: Newest | None, *, columns: bool
) -> Node:
    format_ = file_type(port)
    media_type = MEDIA_TYPES.get(format_ or "")
    availability = AVAILABILITIES.get(facts.status)
    return filled(
        {
            **node(addresses.distribution(body.name, port.name), "dcat:Distribution"),
            "dct:identifier": told(port),
            "dct:title": [text(port.title.strip() or port.name, LANGUAGE)],
            "dct:description": [text(f"{body.title} ({port.kind}) {told(port)}".strip(), LANGUAGE)],
            "dcat:accessURL": ref(location(port, body.name, addresses)),
            "dcat:downloadURL": refs([link(port.address) if port.kind == "file" else None]),
            "dct:format": ref(f"{EU_AUTHORITY}file-type/{format_}") if format_ else None,
            "dcat:mediaType": ref(f"{MEDIA_TYPE}{media_type}") if media_type else None,
            "dct:license": refs([link(facts.license.uri)]),
            "dct:rights": _rights(facts, addresses),
            "dct:conformsTo": ref(_schema(body, addresses)) if columns else None,
            "dct:modified": _modified(newest.at if newest else None, None),
            "adms:status": ref(f"{EU_AUTHORITY}distribution-status/{STATUSES[facts.status]}"),
            "dcatap:availability": ref(f"{EU_AUTHORITY}planned-availability/{availability}") if availability else None,
        }
    )


def file_type(port: PortFacts) -> str | None:
    """The EU file type of what a port gives, from its `format` fact, its address or its kind; None where there is no such type."""
    ending = port.address.rpartition(".")[2].lower()
    stated = port.facts.get("format", ending if ending in FILE_TYPES else "delta" if port.kind == "lake" else "")
    return FILE_TYPES.get(stated.lower())


def _schema(body: DatasetBody, addresses: Addresses) -> str:
    return f"{addresses.dataset(body.name)}#schema"


def _contract(body: DatasetBody, of: ProductBody, addresses: Addresses) -> Iterator[Node]:
    """The contract as a csvw:Schema: names and types of columns, never a value of one."""
    contract = body.contract
    yield filled(
        {
            **node(_schema(body, addresses), "dct:Standard", "csvw:Schema"),
            "dct:title": [text(f"{body.title} {contract.version}", LANGUAGE)],
            "dcat:version": contract.version,
            "csvw:column": {"@list": [ref(addresses.column(body.name, column.name)) for column in contract.columns]},
            "csvw:primaryKey": [clean(name) for name in contract.key],
        }
    )
    for column in contract.columns:
        concept = _concept(column, of, addresses)
        yield filled(
            {
                **node(addresses.column(body.name, column.name), "csvw:Column"),
                "csvw:name": clean(column.name),
                "csvw:title": clean(column.title) if column.title else None,
                "dct:description": clean(column.description.strip()),
                "csvw:datatype": ref(DATATYPES[types.kind(column.type)]),
                "csvw:required": not column.nullable,
                "dct:subject": refs([concept]),
                "dpv:hasPersonalData": _personal(column.personal),
            }
        )


def _around(facts: ProductFacts, addresses: Addresses) -> Iterator[Node]:
    """What the nodes of a product and its datasets all refer to: organizations, contact, statements, acts and links."""
    address = addresses.product(facts.name)
    for organization in (facts.publisher, facts.creator):
        if organization is not None:
            yield agent(organization, addresses)
    yield contact(facts.contact, f"{address}#contact", address)
    if facts.rights:
        rights = node(f"{address}#rights", "dct:RightsStatement", "odrs:RightsStatement")
        yield rights | {"odrs:copyrightNotice": clean(facts.rights.strip())}
    if facts.provenance:
        yield node(f"{address}#provenance", "dct:ProvenanceStatement") | {"rdfs:label": clean(facts.provenance.strip())}
    for act in refs(link(one) for one in facts.legislation):
        yield act | {"@type": ["eli:LegalResource"]}
    for one in facts.links:
        if page := link(one.url):
            yield node(page, "foaf:Document") | {"dct:title": clean(one.title)}
