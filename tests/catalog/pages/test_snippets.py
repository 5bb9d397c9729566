"""Code to copy: it runs as it stands, and no address breaks out of its quotes."""

from __future__ import annotations

import ast
import shlex

import pytest

from dataproducts.catalog.web.snippets import snippets, version
from dataproducts.messages import PortFacts
from tests.catalog.pages import sample


def test_a_dataset_can_be_had_in_each_way_it_is_published() -> None:
    found = {one.what: one.code for one in snippets(sample.body("enhetsregisteret/enheter"), "2026-11-22")}
    assert list(found) == ["python", "shell", "bigquery", "file"]
    assert 'dataproducts.read("enhetsregisteret/enheter", partition="2026-11-22")' in found["python"]
    assert found["shell"] == "dataproducts read enhetsregisteret/enheter -o enheter.parquet"
    assert found["bigquery"].startswith("SELECT\n  organisasjonsnummer,\n  navn,")
    assert "FROM `eksempel-prod.enhetsregisteret.enheter`" in found["bigquery"]


@pytest.mark.parametrize("name", sample.DATASETS)
def test_python_is_python_and_shell_is_shell(name: str) -> None:
    for one in snippets(sample.body(name), "2026-11-22"):
        if one.what in ("python", "kafka", "file"):
            ast.parse(one.code)
        if one.what == "shell":
            assert shlex.split(one.code)[:3] == ["dataproducts", "read", name]


@pytest.mark.parametrize(
    "hostile", ['x"); import os; os.system("x', "a`; DROP TABLE b; --", "a\nimport os", "a\\", "$(rm -rf ~)", "\u2028x"]
)
def test_an_address_stays_within_its_quotes(hostile: str) -> None:
    ports = tuple(PortFacts(name=kind, kind=kind, address=hostile) for kind in ("bigquery", "kafka", "file"))
    for one in snippets(sample.body("saksflyt/saker").model_copy(update={"ports": ports}), hostile):
        if one.what in ("kafka", "file"):
            body = ast.parse(one.code).body
            assert (
                not [node for node in body if isinstance(node, ast.Import) and any(a.name == "os" for a in node.names)]
                or one.what == "kafka"
            )
            assert "os.system" not in ast.unparse(ast.parse(one.code)).replace(repr(" ".join(hostile.split())), "")
        if one.what == "bigquery":
            assert one.code.count("`") == 2
            assert len(one.code.splitlines()) == len(sample.body("saksflyt/saker").contract.columns) + 3


def test_a_version_names_its_partition_unless_there_is_none() -> None:
    assert version("a/b", "2026-11-01", 3).code.endswith('dataproducts.read("a/b", partition="2026-11-01", version=3)')
    assert version("a/b", "-", 3).code.endswith('dataproducts.read("a/b", version=3)')


def test_a_data_package_is_read_from_its_descriptor() -> None:
    port = PortFacts(name="package", kind="file", address="https://files.example.com/a/b/datapackage.json", facts={"format": "CSV"})
    made = [one.code for one in snippets(sample.body("saksflyt/saker").model_copy(update={"ports": (port,)})) if one.what == "file"]
    assert made == [
        'from frictionless import Package\n\nrows = Package("https://files.example.com/a/b/datapackage.json").resources[0].read_rows()'
    ]
