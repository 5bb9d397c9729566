"""`dataproducts contract`: a promise is frozen, kept or refused, and handed out."""

from __future__ import annotations

import json

import yaml
from rdflib import Graph
from rdflib.compare import isomorphic

from tests.cli.conftest import Location

FROZEN = "assets/weather/contracts/readings.odcs.yaml"
SCHEMA = "assets/weather/schemas.py"
DATASETS = "assets/weather/datasets.py"


def test_a_contract_is_shown_in_words(location: Location) -> None:
    text = location.ok("contract", "show", "weather/items")
    facts = dict(line.split(maxsplit=1) for line in text.splitlines() if line.startswith("  "))
    assert facts["key"] == "name"
    assert facts["version"] == "1.0.0"
    listed = {e["dataset"]: e["fair"] for e in json.loads(location.ok("list", "--json"))}["weather/items"]
    assert facts["fair"].startswith(f"{listed['points']} of {listed['of']} points, {listed['level']}; more with ")
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "Decimal(20, 2)" in lines["price"]
    assert "at least 0" in lines["price"]
    assert "may be" in lines["price"]
    assert "never" in lines["name"]
    people = location.ok("contract", "show", "weather/people")
    assert "directly_identifying" in people


def test_a_product_and_the_whole_location_can_be_named(location: Location) -> None:
    everything = location.ok("contract", "show")
    assert location.ok("contract", "show", "weather") == everything
    assert everything.count("version        ") == 10
    assert "there is no product 'wether' in this code location; did you mean 'weather'?" in location.refusal("contract", "show", "wether")


def test_a_promise_is_frozen_once_and_then_kept(location: Location) -> None:
    assert "there is no frozen contract" in location.refusal("contract", "check", "weather/readings")
    frozen = location.run("contract", "freeze", "weather/readings")
    assert "frozen for the first time" in frozen.stdout
    assert frozen.stderr == "in assets/weather/contracts, to be committed\n"
    path = location.folder / FROZEN
    document = yaml.safe_load(path.read_text())
    assert (document["kind"], document["name"], document["version"]) == ("DataContract", "weather/readings", "1.0.0")
    assert "version 1.0.0 is as frozen" in location.ok("contract", "check", "weather/readings")

    before = path.stat().st_mtime_ns
    assert "as it was" in location.ok("contract", "freeze", "weather/readings")
    assert path.stat().st_mtime_ns == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_breaking_change_is_refused_until_the_major_version_is_raised(location: Location, changed_code) -> None:
    location.ok("contract", "freeze", "weather/readings")
    frozen = (location.folder / FROZEN).read_text()
    changed_code(SCHEMA, "    temperature: float", "    warmth: float")

    checked = location.run("contract", "check", "weather/readings")
    assert checked.exit_code == 1
    assert "breaking" in checked.stdout
    assert "column 'temperature' was removed" in checked.stdout
    assert "compatible  column 'warmth' was added" in checked.stdout
    sentence = checked.stderr.removeprefix("error: ").strip()
    assert "2.0.0" in sentence
    assert location.refusal("contract", "freeze", "weather/readings") == sentence
    assert (location.folder / FROZEN).read_text() == frozen

    changed_code(DATASETS, 'key="station"', 'key="station", version="2.0.0"')
    assert "breaking" in location.ok("contract", "check", "weather/readings")
    location.ok("contract", "freeze", "weather/readings")
    assert yaml.safe_load((location.folder / FROZEN).read_text())["version"] == "2.0.0"
    (location.folder / FROZEN).write_text(frozen)


def test_a_refusal_of_one_contract_writes_none(location: Location, changed_code) -> None:
    location.ok("contract", "freeze", "weather/readings")
    others = location.folder / "assets/weather/contracts/items.odcs.yaml"
    others.unlink(missing_ok=True)
    changed_code(SCHEMA, "    temperature: float", "    warmth: float")
    location.refusal("contract", "freeze")
    assert not others.exists()


def test_a_damaged_promise_is_named(location: Location) -> None:
    location.ok("contract", "freeze", "weather/readings")
    whole = (location.folder / FROZEN).read_text()
    (location.folder / FROZEN).write_text(whole.replace("schema:", "schema: ]", 1))
    assert location.refusal("contract", "check", "weather/readings").startswith(f"weather/readings: {FROZEN}: line ")
    (location.folder / FROZEN).write_text(whole)


def test_an_export_is_the_document_and_several_are_a_stream(location: Location) -> None:
    one = yaml.safe_load(location.ok("contract", "export", "weather/items"))
    assert one["name"] == "weather/items"
    names = [document["name"] for document in yaml.safe_load_all(location.ok("contract", "export"))]
    assert names == sorted(names)
    assert len(names) == 10
    result = location.run("contract", "export", "weather/items", "-o", "items.yaml")
    assert result.stdout == ""
    assert yaml.safe_load((location.folder / "items.yaml").read_text()) == one


def test_every_format_is_written_and_says_what_it_is(location: Location) -> None:
    def exported(form: str, *more: str) -> str:
        return location.ok("contract", "export", "weather/items", "--format", form, *more)

    assert yaml.safe_load(exported("odps"))["kind"] == "DataProduct"
    assert json.loads(exported("croissant"))["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert json.loads(exported("datapackage"))["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    assert json.loads(exported("schema_org"))["@type"] == "Dataset"
    kinds = {kind for node in json.loads(exported("dcat"))["@graph"] for kind in node.get("@type", [])}
    assert {"dcat:Dataset", "dcat:DatasetSeries", "csvw:Schema"} <= kinds
    exported("dcat", "-o", "items.ttl")
    turtle = Graph().parse(location.folder / "items.ttl")
    assert isomorphic(turtle, Graph().parse(data=exported("dcat"), format="json-ld"))


def test_several_datasets_are_a_list_and_their_product_is_one_document(location: Location) -> None:
    names = [one["name"] for one in json.loads(location.ok("contract", "export", "weather", "--format", "datapackage"))]
    assert len(names) == 10
    product = yaml.safe_load(location.ok("contract", "export", "weather/items", "--format", "odps"))
    assert len(product["outputPorts"]) == 10  # the product is whole, whichever of its datasets was named


def test_a_document_tells_of_the_newest_version_once_there_is_one(location: Location) -> None:
    def created() -> str | None:
        return json.loads(location.ok("contract", "export", "weather/regions", "--format", "datapackage")).get("created")

    assert created() is None
    location.ok("materialize", "weather/regions", "--partition", "west")
    assert created() is not None


def test_a_format_there_is_none_of_is_refused_with_those_there_are(location: Location) -> None:
    assert location.refusal("contract", "export", "--format", "xml", status=2) == (
        "there is no format 'xml'; there is odcs, odps, dcat, croissant, datapackage, schema_org; see `dataproducts contract export --help`"
    )
