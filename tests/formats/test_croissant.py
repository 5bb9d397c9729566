"""The Croissant of a dataset, as mlcroissant reads it without a network."""

from __future__ import annotations

import json
import socket

import mlcroissant
import pytest

from dataproducts.formats.croissant import croissant
from dataproducts.messages import DatasetBody
from tests.formats.conftest import SECRET, kopper

REQUIRED = {
    "@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished", "distribution", "recordSet",
    "version", "publisher", "isLiveDataset", "citeAs",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def read(document: dict) -> mlcroissant.Metadata:
    metadata = mlcroissant.Dataset(jsonld=json.loads(json.dumps(document))).metadata
    assert metadata.ctx.issues.errors == set()
    return metadata


def test_a_dataset_is_read_by_mlcroissant_with_all_its_columns(kaffe, newest, addresses):
    document = croissant(kopper(), kaffe, addresses, newest)
    metadata = read(document)
    assert document.keys() >= REQUIRED
    assert metadata.name == "kaffe_kopper"
    assert [one.content_url for one in metadata.file_objects][-1] == "https://filer.example.com/kopper.csv"
    (records,) = metadata.record_sets
    assert [one.name for one in records.fields] == [one.name for one in kopper().contract.columns]
    kinds = [str(one.data_types[0]).rpartition("/")[2] for one in records.fields]
    assert kinds == ["Integer", "Text", "Text", "DateTime", "Float", "Date", "Text"]
    assert [one.id for one in records.fields if one.is_array] == ["records/n%C3%A6ring%20%26%20co"]
    assert records.key == ["records/id"] or [str(getattr(one, "uuid", one)) for one in records.key] == ["records/id"]


def test_mlcroissant_has_nothing_to_remark(kaffe, newest, addresses):
    assert read(croissant(kopper(), kaffe, addresses, newest)).ctx.issues.warnings == set()


def test_every_dataset_of_enhetsregisteret_is_read_by_mlcroissant(register, addresses):
    product, entries = register
    for body, newest in entries:
        metadata = read(croissant(body, product, addresses, newest))
        assert len(metadata.record_sets[0].fields) == len(body.contract.columns)


def test_records_are_read_from_the_file_that_is_on_the_web(kaffe, addresses):
    document = croissant(kopper(), kaffe, addresses)
    sources = {field["source"]["fileObject"]["@id"] for field in document["recordSet"][0]["field"]}
    assert sources == {"port/csv"}


def test_a_key_points_at_fields_that_are_there(register, addresses):
    product, entries = register
    for body, _ in entries:
        (records,) = croissant(body, product, addresses)["recordSet"]
        assert {one["@id"] for one in records["key"]} <= {one["@id"] for one in records["field"]}


def test_a_dataset_without_ports_is_still_read(kaffe, addresses):
    assert read(croissant(kopper(ports=()), kaffe, addresses)).file_objects == []


def test_personal_data_is_warned_of_and_never_shown(kaffe, newest, addresses):
    document = croissant(kopper(), kaffe, addresses, newest)
    assert document["rai:personalSensitiveInformation"] == "Class directly_identifying in the columns drikker."
    assert SECRET not in json.dumps(document)
    assert "rai:personalSensitiveInformation" not in croissant(kopper(personal="none"), kaffe, addresses)


def test_the_same_facts_always_give_the_same_bytes(kaffe, newest, addresses):
    again = DatasetBody.model_validate_json(kopper().model_dump_json())
    assert json.dumps(croissant(again, kaffe, addresses, newest)) == json.dumps(croissant(kopper(), kaffe, addresses, newest))
