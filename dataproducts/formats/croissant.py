"""A dataset as Croissant 1.1 (JSON-LD): what machine-learning tools read."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dataproducts.formats import types
from dataproducts.formats.addresses import Addresses, clean, link, location, told
from dataproducts.formats.dcat import MEDIA_TYPES, file_type
from dataproducts.formats.facts import Newest, covered, described, is_sensitive
from dataproducts.formats.linked import filled
from dataproducts.messages import ColumnFacts, DatasetBody, PortFacts, ProductBody
from dataproducts.product_facts import Organization, ProductFacts

__all__ = ["MEDIA_TYPE", "croissant"]

VERSION = "http://mlcommons.org/croissant/1.1"
MEDIA_TYPE = f'application/ld+json; profile="{VERSION}"'
CONTEXT: dict[str, Any] = {
    "@language": "nb",
    "@vocab": "https://schema.org/",  # mlcroissant refuses the http that the specification prints
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "sha256": "cr:sha256",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "value": "cr:value",
}
DATA_TYPES: dict[types.Kind, str] = {
    "string": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "decimal": "sc:Float", "boolean": "sc:Boolean",
    "date": "sc:Date", "datetime": "sc:DateTime", "time": "sc:Text", "duration": "sc:Text", "binary": "sc:Text",
    "list": "sc:Text", "object": "sc:Text",
}  # fmt: skip
RECORDS = "records"


def croissant(body: DatasetBody, of: ProductBody, addresses: Addresses, newest: Newest | None = None) -> dict[str, Any]:
    """A dataset as Croissant. It is live, since partitions keep coming, and so its files carry no checksum."""
    facts, address = of.facts, addresses.dataset(body.name)
    days = covered(body, of, newest)
    published = facts.issued or (newest.at.date() if newest else None) or facts.modified or (days[0] if days else None)
    files = [_file(port, body, addresses) for port in body.ports]
    personal = [column.name for column in body.contract.columns if column.is_personal]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "@id": address,
        "conformsTo": VERSION,
        "name": clean(body.name.replace("/", "_")),
        "alternateName": clean(body.title.strip() or body.name),
        "description": "\n\n".join(text for _, text in described(body, facts)[:1]),
        "url": address,
        "identifier": address,
        "license": link(facts.license.uri),
        "creator": _organization(facts.creator or facts.publisher),
        "publisher": _organization(facts.publisher),
        "isLiveDataset": True,
        "version": body.contract.version,
    } | filled(
        {
            "datePublished": published.isoformat() if published else None,
            "dateModified": newest.at.isoformat() if newest else None,
            "keywords": [clean(one) for one in facts.keywords],
            "inLanguage": list(facts.language),
            "temporalCoverage": f"{days[0]}/{days[1] or '..'}" if days else None,
            "citeAs": _citation(body, facts, address),
            "includedInDataCatalog": {"@type": "sc:DataCatalog", "@id": addresses.catalog, "url": addresses.catalog},
            "rai:personalSensitiveInformation": _warning(body, personal),
            "distribution": files,
            "recordSet": [_records(body, _readable(body, files)["@id"])] if files else [],
        }
    )


def _readable(body: DatasetBody, files: list[dict[str, Any]]) -> dict[str, Any]:
    """The file that records are read from: one that lies on the web, if any does."""
    return next((file for file, port in zip(files, body.ports, strict=True) if link(port.address)), files[0])


def _file(port: PortFacts, body: DatasetBody, addresses: Addresses) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"port/{quote(port.name, safe='')}",
        "name": clean(port.name),
        "description": clean(f"{port.title} {port.kind} {told(port)}").strip(),
        "contentUrl": location(port, body.name, addresses),
        "encodingFormat": MEDIA_TYPES.get(file_type(port) or "", "text/html" if link(port.address) is None else "application/octet-stream"),
    }


def _records(body: DatasetBody, file: str) -> dict[str, Any]:
    contract = body.contract
    return filled(
        {
            "@type": "cr:RecordSet",
            "@id": RECORDS,
            "name": RECORDS,
            "description": clean(body.title.strip() or body.name),
            "key": [{"@id": _field_id(name)} for name in contract.key],
            "field": [_field(column, file) for column in contract.columns],
        }
    )


def _field_id(name: str) -> str:
    return f"{RECORDS}/{quote(clean(name), safe='')}"


def _field(column: ColumnFacts, file: str) -> dict[str, Any]:
    many = types.kind(column.type) == "list"
    kind = types.kind(types.inner(column.type) if many else column.type)
    return filled(
        {
            "@type": "cr:Field",
            "@id": _field_id(column.name),
            "name": clean(column.name),
            "alternateName": clean(column.title) if column.title else None,
            "description": clean(column.description.strip()),
            "dataType": DATA_TYPES[kind],
            "isArray": True if many else None,
            "arrayShape": "-1" if many else None,
            "source": {"fileObject": {"@id": file}, "extract": {"column": clean(column.name)}},
        }
    )


def _organization(found: Organization) -> dict[str, Any]:
    return filled({"@type": "sc:Organization", "name": clean(found.name), "url": link(found.url)})


def _citation(body: DatasetBody, facts: ProductFacts, address: str) -> str:
    return clean(f"{facts.publisher.name}: {facts.title.best('en')}, {body.title}, {body.contract.version}. {address}")


def _warning(body: DatasetBody, personal: list[str]) -> str | None:
    if not is_sensitive(body):
        return None
    columns = f" in the columns {', '.join(map(clean, personal))}" if personal else ""
    return clean(f"Class {body.personal}{columns}.")
