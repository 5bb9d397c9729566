"""The Data Package of a dataset, as frictionless reads it."""

from __future__ import annotations

import json
import re

import frictionless
import pytest

from dataproducts.formats.datapackage import datapackage
from dataproducts.messages import PortFacts
from tests.formats.conftest import SECRET, kopper


def read(descriptor: dict) -> frictionless.Package:
    plain = json.loads(json.dumps(descriptor))
    assert list(frictionless.Package.metadata_validate(plain)) == []
    return frictionless.Package.from_descriptor(plain)


def test_a_dataset_is_read_by_frictionless_with_the_schema_of_its_contract(kaffe, newest, addresses):
    package = read(datapackage(kopper(), kaffe, addresses, newest))
    assert [one.name for one in package.resources] == ["kopper-lake", "kopper-bigquery", "kopper-csv"]
    schema = package.resources[-1].schema
    assert [(one.name, one.type) for one in schema.fields] == [
        ("id", "integer"), ("drikker", "string"), ("næring & co", "array"), ("målt", "datetime"), ("gram", "number"),
        ("dag", "date"), ("maskin", "object"),
    ]  # fmt: skip
    assert schema.primary_key == ["id"]
    assert schema.get_field("id").constraints == {"required": True, "unique": True}
    assert package.resources[-1].path == "https://filer.example.com/kopper.csv"


def test_every_dataset_of_enhetsregisteret_is_read_by_frictionless(register, addresses):
    product, entries = register
    for body, newest in entries:
        package = read(datapackage(body, product, addresses, newest))
        assert package.resources[0].schema.field_names == [one.name for one in body.contract.columns]


def test_the_rules_of_version_2_that_frictionless_does_not_check_hold(kaffe, newest, register, addresses):
    product, entries = register
    descriptors = [datapackage(kopper(), kaffe, addresses, newest), datapackage(kopper(ports=()), kaffe, addresses)]
    descriptors += [datapackage(body, product, addresses, version) for body, version in entries]
    for one in descriptors:
        names = [one["name"], *(resource["name"] for resource in one["resources"])]
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) for name in names)
        assert len(set(names[1:])) == len(names) - 1 > 0
        for resource in one["resources"]:
            assert "profile" not in resource  # of version 1; refused beside `type`
            assert resource["schema"]["fieldsMatch"] == "subset"
            assert set(resource["schema"]["primaryKey"]) <= {field["name"] for field in resource["schema"]["fields"]}
            assert re.match(r"https?://", resource["path"])
            assert ".." not in resource["path"]
        assert all("path" in license or "name" in license for license in one["licenses"])
        assert all({"title"} <= contributor.keys() for contributor in one["contributors"])


@pytest.mark.parametrize("name", ["../../etc/passwd", "ÆØÅ", "a b", "💥", "-x-"])
def test_a_port_of_any_name_gets_a_resource_name_that_is_one(kaffe, addresses, name):
    ports = (PortFacts(name=name, kind="file", address="x"), PortFacts(name="other", kind="file", address="y"))
    package = read(datapackage(kopper(ports=ports), kaffe, addresses))
    assert all(re.fullmatch(r"kopper[a-z0-9._-]*", one.name) for one in package.resources)
    assert len({one.name for one in package.resources}) == 2


def test_ports_whose_names_fold_together_stay_apart(kaffe, addresses):
    ports = tuple(PortFacts(name=name, kind="file", address="x") for name in ("Æ", "Ø", "Å"))
    names = [one.name for one in read(datapackage(kopper(ports=ports), kaffe, addresses)).resources]
    assert len(set(names)) == 3


def test_no_value_of_a_column_is_told(kaffe, newest, addresses):
    descriptor = datapackage(kopper(), kaffe, addresses, newest)
    assert SECRET not in json.dumps(descriptor)
    personal = {field["name"]: field["personalData"] for field in descriptor["resources"][0]["schema"]["fields"]}
    assert personal["drikker"] == "directly_identifying"
