"""The Open Data Product document of a product: the fields of the standard and no others, in the form it asks for.

The standard's own schema accepts any status, content or tool and ports that stand twice, so that the rules are written here.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest

from dataproducts.definitions import products
from dataproducts.formats.odcs import Terms, odcs
from dataproducts.formats.odps import contract_id, odps
from dataproducts.messages import PortFacts
from tests.formats.conftest import SECRET, kopper

FIELDS: dict[str, tuple[set[str], set[str]]] = {  # required, and the others
    "product": (
        {"apiVersion", "kind", "id", "status"},
        {
            "name", "version", "domain", "tenant", "tags", "description", "inputPorts", "outputPorts", "managementPorts", "support", "team",
            "authoritativeDefinitions", "customProperties", "productCreatedTs",
        },
    ),
    "description": (set(), {"purpose", "limitations", "usage", "authoritativeDefinitions", "customProperties"}),
    "inputPorts": ({"name", "version", "contractId"}, {"tags", "customProperties", "authoritativeDefinitions"}),
    "outputPorts": (
        {"name", "version"},
        {"description", "type", "contractId", "sbom", "inputContracts", "tags", "customProperties", "authoritativeDefinitions"},
    ),
    "inputContracts": ({"id", "version"}, set()),
    "managementPorts": ({"name", "content"}, {"type", "url", "channel", "description", "tags", "customProperties"}),
    "support": ({"channel", "url"}, {"description", "tool", "scope", "invitationUrl", "tags", "customProperties"}),
    "team": (set(), {"name", "description", "members", "tags", "customProperties", "authoritativeDefinitions"}),
    "authoritativeDefinitions": ({"type", "url"}, {"description"}),
    "customProperties": ({"property", "value"}, {"description"}),
}  # fmt: skip
WORDS = {
    "status": {"proposed", "draft", "active", "deprecated", "retired"},
    "content": {"discoverability", "observability", "control", "dictionary"},
    "tool": {"email", "slack", "teams", "discord", "ticket", "other"},
    "scope": {"interactive", "announcements", "issues"},
}


def faults(document: dict[str, Any]) -> list[str]:
    """What breaks the rules of the standard."""
    found = [] if (document.get("apiVersion"), document.get("kind")) == ("v1.0.0", "DataProduct") else ["not a product of v1.0.0"]
    for ports in ("inputPorts", "outputPorts", "managementPorts"):
        keys = [(port.get("name"), port.get("version")) for port in document.get(ports, [])]
        found += [f"{ports}: {key} stands twice" for key in set(keys) if keys.count(key) > 1]
    if "productCreatedTs" in document and datetime.fromisoformat(document["productCreatedTs"]).tzinfo is None:
        found.append("productCreatedTs has no offset")
    return found + _faults(document, "product")


def _faults(block: dict[str, Any], kind: str) -> list[str]:
    required, others = FIELDS[kind]
    found = [f"{kind}: {name} is missing" for name in required - block.keys()]
    found += [f"{kind}: {name} is no field" for name in block.keys() - required - others]
    for name, value in block.items():
        if kind != "customProperties" and name in WORDS and value not in WORDS[name]:
            found.append(f"{kind}: {name} is {value!r}")
        if name in ("id", "name", "version", "url", "channel") and not (isinstance(value, str) and value):
            found.append(f"{kind}: {name} is no text")
        if name == "url" and not re.match(r"(https?|mailto):", str(value)):
            found.append(f"{kind}: {value!r} is no address")
        if name in FIELDS and isinstance(value, list | dict):
            found += [fault for one in (value if isinstance(value, list) else [value]) for fault in _faults(one, name)]
    return found


VERSIONS = {"enhetsregisteret/enheter": "1.4.0", "kaffe/kopper": "2.1.0"}


def test_a_product_that_states_everything_keeps_the_rules(kaffe, addresses):
    document = odps(kaffe, [kopper()], addresses, VERSIONS)
    assert faults(document) == []
    assert (document["id"], document["name"], document["version"], document["status"]) == ("kaffe", "Coffee", "1.2.0", "active")
    assert document["productCreatedTs"] == "2024-02-29T00:00:00Z"
    assert [(one["name"], one["version"], one["contractId"]) for one in document["outputPorts"]] == [
        ("kopper.lake", "2.1.0", "kaffe-kopper"),
        ("kopper.bigquery", "2.1.0", "kaffe-kopper"),
        ("kopper.csv", "2.1.0", "kaffe-kopper"),
    ]
    assert document["inputPorts"] == [{"name": "enhetsregisteret/enheter", "version": "1.4.0", "contractId": "enhetsregisteret-enheter"}]
    assert document["outputPorts"][0]["inputContracts"] == [{"id": "enhetsregisteret-enheter", "version": "1.4.0"}]


@pytest.mark.parametrize("field", ["apiVersion", "kind", "id", "status"])
def test_the_rules_notice_what_is_missing(kaffe, addresses, field):
    document = odps(kaffe, [kopper()], addresses, VERSIONS)
    del document[field]
    assert faults(document)


def test_every_product_of_ours_keeps_the_rules(register, addresses):
    body, entries = register
    versions = {dataset.name: dataset.contract.version for dataset, _ in entries}
    document = odps(body, [dataset for dataset, _ in entries], addresses, versions)
    assert faults(document) == []
    assert "inputPorts" not in document  # it takes nothing from other products
    upstream = {one["name"]: one.get("inputContracts") for one in document["outputPorts"]}
    assert upstream["enheter_historikk.lake"] == [{"id": "enhetsregisteret-enheter", "version": versions["enhetsregisteret/enheter"]}]


def test_a_port_names_the_contract_by_the_id_the_contract_has():
    for product in products().values():
        for dataset in product.datasets.values():
            assert contract_id(dataset.contract.dataset) == odcs(dataset.contract, product.facts, Terms())["id"]


def test_an_input_of_unknown_version_is_left_out(kaffe, addresses):
    document = odps(kaffe, [kopper()], addresses, {})
    assert faults(document) == []
    assert "inputPorts" not in document
    assert all("inputContracts" not in one for one in document["outputPorts"])


def test_neither_values_nor_paths_of_somebodys_disk_are_told(kaffe, addresses):
    document = odps(kaffe, [kopper(ports=(PortFacts(name="lake", kind="lake", address="/secret/lake"),))], addresses, VERSIONS)
    assert "/secret" not in json.dumps(document)
    assert SECRET not in json.dumps(document)
