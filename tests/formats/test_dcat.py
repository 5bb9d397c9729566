"""The DCAT-AP-NO of products, datasets and the catalog: complete, in the form the profile asks for, and the same as Turtle."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyshacl
import pytest
from rdflib import RDF, RDFS, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.compare import isomorphic

from dataproducts.formats import dcat
from dataproducts.formats.croissant import croissant
from dataproducts.formats.datapackage import datapackage
from dataproducts.formats.facts import Newest
from dataproducts.formats.turtle import stream, turtle
from dataproducts.messages import DatasetBody, PartitionFacts, PortFacts, ProductBody
from dataproducts.product_facts import LANGUAGES, ProductFacts
from tests.formats.conftest import FACTS, SECRET, kopper

SHAPES = Graph().parse(Path(__file__).parent / "shapes" / "dcat-ap-no.ttl")
VOCABULARIES = Graph().parse(Path(__file__).parent / "shapes" / "vocabularies.ttl")
SH = Namespace("http://www.w3.org/ns/shacl#")
DCAT = Namespace("http://www.w3.org/ns/dcat#")
DCT = Namespace("http://purl.org/dc/terms/")
FOAF = Namespace("http://xmlns.com/foaf/0.1/")
XSD = Namespace("http://www.w3.org/2001/XMLSchema#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
CSVW = Namespace("http://www.w3.org/ns/csvw#")
DPV = Namespace("https://w3id.org/dpv#")
EU = "http://publications.europa.eu/resource/authority/"
KOPPER = URIRef("https://katalog.example.com/datasets/kaffe/kopper")
KAFFE = URIRef("https://katalog.example.com/products/kaffe")


def graph(document: dict[str, Any]) -> Graph:
    return Graph().parse(data=json.dumps(document), format="json-ld")


def faults(data: Graph) -> set[tuple[str, str]]:
    """What the shapes complain of, as (severity, path)."""
    _, report, _ = pyshacl.validate(data + VOCABULARIES, shacl_graph=SHAPES, inference="none")
    results = report.subjects(RDF.type, SH.ValidationResult)
    return {(str(report.value(one, SH.resultSeverity)).rpartition("#")[2], str(report.value(one, SH.resultPath))) for one in results}


@pytest.fixture(scope="module")
def everything(kaffe, newest, addresses, about):
    """The graph of a catalog with one product, its dataset with columns included."""
    return graph(dcat.catalog(about, [(kaffe, [(kopper(), newest)])], addresses)) + graph(dcat.dataset(kopper(), kaffe, addresses, newest))


def test_a_product_that_states_everything_has_all_that_is_mandatory_and_recommended(everything):
    # A BigQuery table has no file type, and this catalog states no license of its own.
    assert faults(everything) == {("Warning", str(DCT["format"])), ("Warning", str(DCT.license))}


def test_enhetsregisteret_has_all_that_is_mandatory(register, addresses, about):
    product, entries = register
    found = graph(dcat.catalog(about, [register], addresses)) + graph(dcat.dataset(*entries[0][:1], product, addresses, entries[0][1]))
    assert not [fault for fault in faults(found) if fault[0] == "Violation"]


MANDATORY = [
    *((DCAT.Catalog, path) for path in (DCT["title"], DCT.description, DCT.publisher, DCAT.contactPoint, DCT.identifier)),
    *((DCAT.Dataset, path) for path in (DCT["title"], DCT.description, DCT.publisher, DCAT.contactPoint, DCAT.theme, DCT.identifier)),
    *((DCAT.DatasetSeries, path) for path in (DCT["title"], DCT.description, DCT.publisher, DCAT.contactPoint, DCAT.theme, DCAT.first)),
    (DCAT.Distribution, DCAT.accessURL),
    (FOAF.Agent, FOAF.name),
    *((VCARD.Organization, path) for path in (VCARD.fn, VCARD.hasEmail, VCARD.hasURL)),
    (DCT.PeriodOfTime, DCAT.startDate),
    (DCT.ProvenanceStatement, RDFS.label),
]


@pytest.mark.parametrize(("type_", "path"), MANDATORY)
def test_the_shapes_notice_each_mandatory_property_that_is_gone(everything, type_, path):
    changed = everything + Graph()
    for one in list(changed.subjects(RDF.type, type_)):
        assert (one, path, None) in changed
        changed.remove((one, path, None))
    assert ("Violation", str(path)) in faults(changed)


@pytest.mark.parametrize(
    ("subject", "path", "wrong"),
    [
        (KOPPER, DCT["title"], Literal("no language")),
        (KOPPER, DCT.publisher, Literal("Kaffeetaten")),
        (KOPPER, DCAT.theme, URIRef(f"{EU}data-theme/COFFEE")),
        (KOPPER, DCT.accessRights, URIRef(f"{EU}access-right/SECRET")),
        (KOPPER, DCT.accrualPeriodicity, URIRef(f"{EU}frequency/SOMETIMES")),
        (KOPPER, DCT.language, URIRef(f"{EU}language/nb")),
        (KOPPER, DCT.modified, Literal("yesterday")),
        (KAFFE, DCAT.contactPoint, Literal("kaffe@example.com")),
        (KAFFE, DCT.spatial, Literal("Norge")),
        (URIRef(f"{KOPPER}#data-csv"), DCAT.accessURL, Literal("kopper.csv")),
        (URIRef(f"{KOPPER}#data-csv"), DCT["format"], URIRef(f"{EU}file-type/PAPER")),
    ],
)
def test_the_shapes_notice_values_of_the_wrong_form(everything, subject, path, wrong):
    changed = everything + Graph()
    changed.set((subject, path, wrong))
    assert ("Violation", str(path)) in faults(changed)


def test_turtle_and_json_ld_state_the_same(kaffe, newest, register, addresses, about):
    product, entries = register
    documents = [
        dcat.dataset(kopper(), kaffe, addresses, newest),
        dcat.product(kaffe, [(kopper(), newest)], addresses),
        dcat.dataset(entries[0][0], product, addresses, entries[0][1]),
        dcat.catalog(about, [register, (kaffe, [(kopper(), newest)])], addresses),
    ]
    for document in documents:
        assert isomorphic(graph(document), Graph().parse(data=turtle(document), format="turtle"))


def test_a_streamed_catalog_states_the_same_as_the_whole_one(kaffe, newest, register, addresses, about):
    products = [register, (kaffe, [(kopper(), newest)])]
    streamed = "".join(stream(dcat.catalog_nodes(about, products, addresses)))
    assert isomorphic(Graph().parse(data=streamed, format="turtle"), graph(dcat.catalog(about, products, addresses)))


def test_an_organization_of_many_products_is_described_once(kaffe, addresses, about):
    others = [ProductBody(facts=ProductFacts.model_validate(FACTS | {"name": name})) for name in ("te", "vann")]
    nodes = list(dcat.catalog_nodes(about, [(one, []) for one in others], addresses))
    assert [one["foaf:name"] for one in nodes if one.get("foaf:homepage") and "foaf:name" in one] == ["Kaffeetaten"]
    assert [one.get("foaf:name") for one in nodes].count("Kaffebrenneriet") == 1


def test_times_are_told_in_utc(kaffe, addresses):
    newest = Newest(datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2))), "-", 1, 1)
    assert '"2026-06-01T00:00:00Z"^^xsd:dateTime' in turtle(dcat.dataset(kopper(), kaffe, addresses, newest))


@pytest.mark.parametrize("path", ["/home/kari/.dataproducts/lake/x", "C:\\Users\\kari\\x", "~/kari/x", "file:///home/kari/x"])
def test_a_path_on_somebodys_own_disk_is_not_told(kaffe, addresses, path):
    body = kopper(ports=(PortFacts(name="lake", kind="lake", address=path),))
    for document in (dcat.dataset, croissant, datapackage):
        assert "kari" not in json.dumps(document(body, kaffe, addresses))


def test_turtle_reads_well(kaffe, newest, addresses):
    written = turtle(dcat.dataset(kopper(), kaffe, addresses, newest))
    assert written.startswith("@prefix adms: <http://www.w3.org/ns/adms#> .\n")
    assert "euvoc" not in written  # a prefix nobody uses
    assert f'\n<{KOPPER}>\n  a dcat:Dataset ;\n  dct:identifier "{KOPPER}" ;\n  dct:title "Kopper"@nb ;\n' in written
    assert f'\n<{KOPPER}#temporal>\n  a dct:PeriodOfTime ;\n  dcat:startDate "2026-11-01"^^xsd:date ;\n' in written
    assert written.endswith(" .\n")


def test_the_same_facts_always_give_the_same_bytes(kaffe, newest, addresses):
    def written() -> str:
        document = dcat.dataset(kopper(), ProductBody.model_validate_json(kaffe.model_dump_json()), addresses, newest)
        return json.dumps(document) + turtle(document)

    assert written() == written()


def test_a_dataset_lists_a_distribution_for_each_port(everything):
    ports = {str(one).rpartition("-")[2]: one for one in everything.objects(KOPPER, DCAT.distribution)}
    access = {name: str(everything.value(one, DCAT.accessURL)) for name, one in ports.items()}
    assert access == {
        "lake": f"{KOPPER}#port-lake",
        "bigquery": f"{KOPPER}#port-bigquery",
        "csv": "https://filer.example.com/kopper.csv",
    }
    assert str(everything.value(ports["bigquery"], DCT.identifier)) == "kaffe-prod.kaffe.kopper"
    assert str(everything.value(ports["csv"], DCAT.downloadURL)) == "https://filer.example.com/kopper.csv"
    formats = {name: everything.value(one, DCT["format"]) for name, one in ports.items()}
    assert formats == {"lake": URIRef(f"{EU}file-type/PARQUET"), "bigquery": None, "csv": URIRef(f"{EU}file-type/CSV")}


def test_a_catalog_lists_its_products_and_datasets(everything, about, register, addresses):
    assert set(everything.objects(URIRef("https://katalog.example.com/"), DCAT.dataset)) == {KAFFE, KOPPER}
    whole = graph(dcat.catalog(about, [register], addresses))
    listed = set(whole.objects(URIRef("https://katalog.example.com/"), DCAT.dataset))
    assert listed == {*whole.subjects(RDF.type, DCAT.Dataset), *whole.subjects(RDF.type, DCAT.DatasetSeries)}
    assert len(listed) == len(register[1]) + 1


def test_a_catalog_without_products_is_a_valid_one(about, addresses):
    assert faults(graph(dcat.catalog(about, [], addresses))) == {("Warning", str(DCAT.dataset)), ("Warning", str(DCT.license))}


def test_a_product_without_datasets_is_a_dataset_and_not_an_empty_series(kaffe, addresses):
    found = graph(dcat.product(kaffe, [], addresses))
    assert (KAFFE, RDF.type, DCAT.Dataset) in found
    assert not [fault for fault in faults(found) if fault[0] == "Violation"]


def test_the_contract_is_there_as_columns_in_order(everything):
    schema = everything.value(KOPPER, DCT.conformsTo)
    columns = list(Collection(everything, everything.value(schema, CSVW.column)))
    names = [str(everything.value(one, CSVW.name)) for one in columns]
    assert names == ["id", "drikker", "næring & co", "målt", "gram", "dag", "maskin"]
    kinds = [str(everything.value(one, CSVW.datatype)).rpartition("#")[2] for one in columns]
    assert kinds == ["integer", "string", "JSON", "dateTime", "double", "date", "JSON"]
    assert [everything.value(one, CSVW.required).toPython() for one in columns] == [True, False, False, True, False, True, False]
    assert str(everything.value(schema, CSVW.primaryKey)) == "id"
    assert everything.value(columns[1], DPV.hasPersonalData) == DPV.PersonalData
    assert everything.value(columns[0], DPV.hasPersonalData) is None
    assert str(everything.value(columns[2], DCT.subject)) == "https://katalog.example.com/concepts/kaffe/kopp"


@pytest.mark.parametrize(
    ("access", "personal", "expected"),
    [
        ("open", "none", "PUBLIC"),
        ("internal", "none", "RESTRICTED"),
        ("restricted", "anonymized", "RESTRICTED"),
        ("internal", "confidential", "NON_PUBLIC"),
        ("restricted", "special_category", "NON_PUBLIC"),
        ("restricted", "a class of next year's", "NON_PUBLIC"),
    ],
)
def test_access_is_one_of_the_three_levels_of_the_eu(kaffe, addresses, access, personal, expected):
    found = graph(dcat.dataset(kopper(access=access, personal=personal), kaffe, addresses))
    assert list(found.objects(KOPPER, DCT.accessRights)) == [URIRef(f"{EU}access-right/{expected}")]


@pytest.mark.parametrize(
    ("partition", "first", "last"),
    [
        ("2026-11-20", "2026-11-01", "2026-11-20"),
        ("-", "2026-11-01", None),
        ("2026-13-99", "2026-11-01", None),
        ("2020-01-01", "2026-11-01", None),
    ],
)
def test_a_dataset_covers_the_days_from_its_first_partition_to_its_newest(kaffe, addresses, partition, first, last):
    newest = Newest(datetime(2026, 11, 21, tzinfo=UTC), partition, 1, 1)
    found = graph(dcat.dataset(kopper(), kaffe, addresses, newest))
    period = found.value(KOPPER, DCT.temporal)
    assert found.value(period, DCAT.startDate) == Literal(first, datatype=XSD.date)
    assert found.value(period, DCAT.endDate) == (Literal(last, datatype=XSD.date) if last else None)


def test_a_stated_period_goes_before_that_of_the_partitions(addresses):
    product = ProductBody(facts=ProductFacts.model_validate(FACTS | {"temporal": {"from": "2001-01-01", "to": "2001-12-31"}}))
    found = graph(dcat.dataset(kopper(), product, addresses))
    assert found.value(found.value(KOPPER, DCT.temporal), DCAT.endDate).toPython() == date(2001, 12, 31)


def test_a_dataset_nobody_has_dated_or_delivered_is_still_valid(kaffe, addresses):
    body = kopper(partitions=PartitionFacts(), description="", title="", ports=(), upstream=(), source=None)
    found = graph(dcat.dataset(body, kaffe, addresses))
    assert not [fault for fault in faults(found) if fault[0] == "Violation"]
    assert str(found.value(KOPPER, DCT["title"])) == "kaffe/kopper"
    assert {one.language for one in found.objects(KOPPER, DCT.description)} == {"nb", "en"}  # those of the product


def test_no_value_of_a_column_is_told(everything):
    assert SECRET not in everything.serialize(format="nt")


def test_only_addresses_of_the_web_become_links(kaffe, addresses):
    ports = tuple(
        PortFacts(name=f"p{i}", kind="file", address=address)
        for i, address in enumerate(
            ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example", "HTTPS://ok.example/æ|x"]
        )
    )
    body = kopper(ports=ports, source={"name": "s", "url": "javascript:alert(1)"})
    found = graph(dcat.dataset(body, kaffe, addresses))
    links = {str(one) for one in found.objects() if isinstance(one, URIRef)}
    assert all(one.startswith(("http://", "https://", "HTTPS://", "mailto:")) for one in links)
    assert "HTTPS://ok.example/æ%7Cx" in links


def test_every_language_and_status_has_its_term(addresses):
    for language in LANGUAGES:
        for status in dcat.STATUSES:
            product = ProductBody(facts=ProductFacts.model_validate(FACTS | {"language": [language], "status": status}))
            found = graph(dcat.product(product, [], addresses))
            assert not [fault for fault in faults(found) if fault[0] == "Violation"], (language, status)


def test_two_products_that_disagree_about_an_organization_are_both_heard(kaffe, addresses, about):
    other = ProductBody(facts=ProductFacts.model_validate(FACTS | {"name": "te", "publisher": FACTS["publisher"] | {"name": "Teetaten"}}))
    found = graph(dcat.catalog(about, [(kaffe, []), (other, [])], addresses))
    names = {str(one) for one in found.objects(None, FOAF.name)}
    assert names == {"Kaffeetaten", "Teetaten", "Kaffebrenneriet"}
    assert not [fault for fault in faults(found) if fault[0] == "Violation"]


def test_a_dataset_of_many_columns_is_written_fast_enough_for_a_page(kaffe, addresses):
    import time

    body = kopper()
    columns = tuple(body.contract.columns[0].model_copy(update={"name": f"c{i}"}) for i in range(1_000))
    wide = DatasetBody.model_validate(body.model_dump() | {"contract": body.contract.model_dump() | {"columns": columns, "key": ("c0",)}})
    best = min(_seconds(lambda: turtle(dcat.dataset(wide, kaffe, addresses)), time.perf_counter) for _ in range(3))
    assert best < 0.5  # a hundred columns take a tenth of the 50 ms a page has


def _seconds(work, clock):
    begun = clock()
    work()
    return clock() - begun
