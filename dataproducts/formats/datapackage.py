"""A dataset as a Frictionless Data Package (version 2) with the contract as its Table Schema: `datapackage.json`."""

from __future__ import annotations

import re
from typing import Any

from dataproducts.formats import types
from dataproducts.formats.addresses import Addresses, clean, link, location, told
from dataproducts.formats.dcat import MEDIA_TYPES, file_type
from dataproducts.formats.facts import Newest, described
from dataproducts.formats.linked import filled
from dataproducts.messages import ColumnFacts, ContractFacts, DatasetBody, PortFacts, ProductBody
from dataproducts.product_facts import ProductFacts

__all__ = ["PROFILES", "contributors", "datapackage"]

PROFILES = "https://datapackage.org/profiles/2.0"
TYPES: dict[types.Kind, str] = {
    "string": "string", "integer": "integer", "number": "number", "decimal": "number", "boolean": "boolean", "date": "date",
    "datetime": "datetime", "time": "time", "duration": "string", "binary": "string", "list": "array", "object": "object",
}  # fmt: skip


def datapackage(body: DatasetBody, of: ProductBody, addresses: Addresses, newest: Newest | None = None) -> dict[str, Any]:
    """The descriptor: a resource for each port, or one at the dataset's page where there is no port.

    Every row also has the columns of the history, so that the schema names a subset of the fields.
    """
    facts, address = of.facts, addresses.dataset(body.name)
    schema = _schema(body.contract)
    resources = [_resource(port, body, schema, addresses) for port in body.ports]
    _tell_apart(resources)
    return filled(
        {
            "$schema": f"{PROFILES}/datapackage.json",
            "name": _name(body.name.replace("/", ".")),
            "id": address,
            "title": clean(body.title.strip() or body.name),
            "description": described(body, facts)[0][1],
            "homepage": address,
            "version": body.contract.version,
            "created": newest.at.isoformat() if newest else None,
            "keywords": [clean(one) for one in facts.keywords],
            "contributors": contributors(facts),
            "licenses": [filled({"title": clean(facts.license.name), "path": link(facts.license.uri)})],
            "sources": [
                filled({"title": clean(source.name), "path": link(source.url)})
                for source in ((body.source,) if body.source else facts.sources)
            ],
            "resources": resources or [_resource(None, body, schema, addresses)],
        }
    )


def _resource(port: PortFacts | None, body: DatasetBody, schema: dict[str, Any], addresses: Addresses) -> dict[str, Any]:
    own = body.name.split("/")[1]
    shared = {"type": "table", "$schema": f"{PROFILES}/dataresource.json"}
    if port is None:
        return {"name": _name(own), "path": addresses.dataset(body.name), **shared, "title": clean(body.title), "schema": schema}
    format_ = file_type(port) or ""
    return filled(
        {
            "name": _name(own if len(body.ports) == 1 else f"{own}-{port.name}"),
            "path": location(port, body.name, addresses),
            **shared,
            "title": clean(port.title.strip() or body.title),
            "description": f"{clean(port.kind)} {told(port)}".strip(),
            "format": format_.lower(),
            "mediatype": MEDIA_TYPES.get(format_) or ("text/csv" if format_ == "CSV" else None),
            "schema": schema,
        }
    )


def _tell_apart(resources: list[dict[str, Any]]) -> None:
    """Number those of one name, since names of ports may differ in letters that a resource's name cannot have."""
    taken: set[str] = set()
    for resource in resources:
        wanted, number = resource["name"], 2
        while resource["name"] in taken:
            resource["name"], number = f"{wanted}-{number}", number + 1
        taken.add(resource["name"])


def _schema(contract: ContractFacts) -> dict[str, Any]:
    unique = {rule.column for rule in contract.rules if rule.kind == "unique" and rule.severity == "error"}
    return filled(
        {
            "$schema": f"{PROFILES}/tableschema.json",
            "fields": [_field(column, column.name in unique) for column in contract.columns],
            "fieldsMatch": "subset",
            "primaryKey": [clean(name) for name in contract.key],
        }
    )


def _field(column: ColumnFacts, unique: bool) -> dict[str, Any]:
    kind = types.kind(column.type)
    return filled(
        {
            "name": clean(column.name),
            "type": TYPES[kind],
            "format": "binary" if kind == "binary" else None,
            "title": clean(column.title) if column.title else None,
            "description": clean(column.description.strip()),
            "constraints": filled({"required": True if not column.nullable else None, "unique": True if unique else None}),
            "personalData": column.personal,
            "unit": clean(column.unit) if column.unit else None,
        }
    )


def contributors(facts: ProductFacts) -> list[dict[str, Any]]:
    """Who publishes it, who answers for it and who first made it."""
    publisher = {"title": clean(facts.publisher.name), "path": link(facts.publisher.url), "roles": ["publisher"]}
    contact = {
        "title": clean(facts.contact.name),
        "email": clean(facts.contact.email),
        "organization": clean(facts.publisher.name),
        "roles": ["contact"],
    }
    creator = {"title": clean(facts.creator.name), "path": link(facts.creator.url), "roles": ["creator"]} if facts.creator else {}
    return [filled(one) for one in (publisher, contact, creator) if one]


def _name(text: str) -> str:
    """A name as a package may have: small letters, digits, and . _ - between them."""
    return re.sub(r"[^a-z0-9._-]+", "-", clean(text).lower()).strip("-.") or "data"
