"""A product as a document of Bitol's Open Data Product Standard, version 1.0: what goes in, what comes out and who answers.

(There is another standard of the same letters, the Open Data Product Specification, about commercial terms.) A port is known by
name and version, so each output port of each dataset is an entry with the version of its contract, and an input port is a
dataset of another product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

from dataproducts.formats.addresses import Addresses, clean, link, told
from dataproducts.formats.facts import wording
from dataproducts.formats.linked import filled
from dataproducts.messages import DatasetBody, PortFacts, ProductBody
from dataproducts.product_facts import ProductFacts

__all__ = ["contract_id", "odps"]

API_VERSION = "v1.0.0"


def contract_id(dataset: str) -> str:
    """The id of a dataset's ODCS document, by which a product's ports name it."""
    return dataset.replace("/", "-")


def odps(body: ProductBody, datasets: Sequence[DatasetBody], addresses: Addresses, versions: Mapping[str, str]) -> dict[str, Any]:
    """The ODPS document of a product. `versions` has the contract version of every dataset that is known, of any product.

    What a dataset takes from a dataset nobody knows the version of is left out: an input without a version is no input there.
    """
    facts = body.facts
    address = addresses.product(facts.name)
    return filled(
        {
            "apiVersion": API_VERSION,
            "kind": "DataProduct",
            "id": facts.name,
            "name": clean(facts.title.best("en")),
            "version": facts.version,
            "status": facts.status,
            "domain": facts.product_area,
            "tenant": clean(facts.publisher.name),
            "tags": [clean(one) for one in (*facts.keywords, *facts.themes)],
            "description": _description(facts),
            "authoritativeDefinitions": _definitions(facts),
            "inputPorts": _inputs(facts.name, datasets, versions),
            "outputPorts": [_output(port, one, versions) for one in datasets for port in one.ports],
            "managementPorts": [
                {"name": "catalog", "content": "discoverability", "type": "rest", "url": address},
                *(_quality(one, addresses) for one in datasets),
            ],
            "support": _support(facts),
            "team": {"name": facts.team},
            "customProperties": _custom(
                titles=dict(wording(facts.title)),
                personalData=str(facts.personal_data.class_),
                accessRights=str(facts.access.level),
                license={"name": clean(facts.license.name), "uri": facts.license.uri},
                periodicity=facts.periodicity,
                sources=[filled({"name": clean(one.name), "url": one.url}) for one in facts.sources],
                slack=facts.contact.slack or facts.slack,
            ),
            "productCreatedTs": datetime.combine(facts.issued, time(), UTC).isoformat().replace("+00:00", "Z") if facts.issued else None,
        }
    )


def _description(facts: ProductFacts) -> dict[str, Any]:
    return filled(
        {
            "purpose": clean(facts.purpose or facts.description.best("en")),
            "usage": clean(facts.usage or ""),
            "limitations": clean(facts.limitations or ""),
        }
    )


def _definitions(facts: ProductFacts) -> list[dict[str, Any]]:
    """Where the product is explained, and where its code is."""
    links = [{"type": one.kind, "url": one.url, "description": clean(one.title)} for one in facts.links if link(one.url)]
    code = [{"type": "implementation", "url": facts.repository}] if link(facts.repository) else []
    return [*code, *links]


def _inputs(product: str, datasets: Sequence[DatasetBody], versions: Mapping[str, str]) -> list[dict[str, Any]]:
    others = sorted({name for one in datasets for name in one.upstream if name.split("/")[0] != product and name in versions})
    return [{"name": name, "version": versions[name], "contractId": contract_id(name)} for name in others]


def _output(port: PortFacts, of: DatasetBody, versions: Mapping[str, str]) -> dict[str, Any]:
    return filled(
        {
            "name": f"{of.name.split('/')[1]}.{clean(port.name)}",
            "version": of.contract.version,
            "description": clean(port.title.strip() or of.title),
            "type": port.kind,
            "contractId": contract_id(of.name),
            "inputContracts": [{"id": contract_id(name), "version": versions[name]} for name in of.upstream if name in versions],
            "customProperties": _custom(address=told(port)),
        }
    )


def _quality(of: DatasetBody, addresses: Addresses) -> dict[str, Any]:
    own = of.name.split("/")[1]
    return {"name": f"{own}.quality", "content": "observability", "type": "rest", "url": f"{addresses.dataset(of.name)}/quality"}


def _support(facts: ProductFacts) -> list[dict[str, Any]]:
    mail = {
        "channel": facts.contact.email,
        "url": f"mailto:{facts.contact.email}",
        "description": clean(facts.contact.name),
        "tool": "email",
        "scope": "interactive",
    }
    page = {"channel": clean(facts.contact.name), "url": facts.contact.url, "tool": "other", "scope": "interactive"}
    return [mail, *([page] if link(facts.contact.url) else [])]


def _custom(**stated: object) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in stated.items() if value not in (None, "", [], {})]
