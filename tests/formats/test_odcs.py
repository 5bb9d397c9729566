"""The ODCS document of a contract: valid by the standard, complete, stable, and readable as a diff."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pandera.polars as pa
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.errors import DeclarationError
from dataproducts.formats.odcs import Terms, dump, load, odcs
from dataproducts.product_facts import AccessLevel, ProductFacts

SCHEMA = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft201909Validator(SCHEMA, format_checker=jsonschema.FormatChecker())

FACTS = {
    "name": "kaffe",
    "title": {"nb": "Kaffe"},
    "description": {"nb": "Kopper per dag."},
    "status": "active",
    "team": "team-kaffe",
    "product_area": "Drift",
    "contact": {"name": "Team Kaffe", "email": "kaffe@example.com", "slack": "#kaffe-hjelp"},
    "slack": "#kaffe",
    "personal_data": {"class": "possibly_identifying"},
    "access": {"level": "restricted", "can_read": ["kantina", "analyse"], "can_request": ["alle-ansatte"]},
    "purpose": "To buy enough beans.",
    "limitations": "Says nothing about tea.",
    "license": "NLOD_2_0",
    "publisher": {"name": "Kaffeetaten", "organization_number": "800000017"},
    "themes": ["GOVE"],
    "keywords": ["kopper", "bønner"],
    "periodicity": "DAILY",
}
TERMS = Terms(
    title="Kopper",
    description="En rad per kopp.",
    kind="snapshot",
    partitioning="daily, Europe/Oslo",
    freshness="PT36H",
    quarantine=True,
    ports=("kafka:kopper", "bigquery"),
)


class Kopper(pa.DataFrameModel):
    """Cups, one row each."""

    nummer: str = dp.column("Number of the cup", title="Number", source="nr", str_matches=r"\d{9}$")
    dag: pl.Date = dp.column("Day", ge=dt.date(2020, 1, 1))
    næring: str = dp.column("Kind", isin=["te", "kaffe"], nullable=True)
    naering: str = dp.column("Kind by its old name", nullable=True, notin=["øl"])
    kopper: int = dp.column("Cups", unit="cups", examples=[1, 2], in_range={"min_value": 0, "max_value": 9}, nullable=True)
    styrke: float = dp.column("Strength", gt=0.5, lt=1.5, nullable=True)
    pris: Annotated[pl.Decimal, 20, 2] = dp.column("Price", ge=Decimal("0.10"), unit="NOK", nullable=True)
    varm: bool = dp.column("Whether it is hot", nullable=True)
    bilde: pl.Binary = dp.column("Picture", nullable=True)
    tappet: Annotated[pl.Datetime, "us", "UTC"] = dp.column(
        "When",
        time_zone="Europe/Oslo",
        le=dt.datetime(2100, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        nullable=True,
    )
    drikker: str = dp.column("Who drank it", personal="directly_identifying", examples=["Kari"], str_length={"min_value": 2}, nullable=True)
    plass: str = dp.column("Seat", unique=True, str_startswith="a.", str_contains="x", nullable=True)
    steder: Annotated[pl.List, pl.Struct({"gate": pl.String, "år": pl.List(pl.Int64)})] = dp.column("Places", nullable=True)
    rest: str = dp.column("All else", source=dp.REST, ignore=["_links"], nullable=True)

    @pa.check("kopper", name="sane", error="nobody drinks more than eight", raise_warning=True)
    @classmethod
    def sane(cls, data: Any) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("kopper") <= 8)

    @pa.dataframe_check(name="hot_if_coffee", error="coffee is hot")
    @classmethod
    def hot(cls, data: Any) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("varm") | (pl.col("næring") != "kaffe"))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    contract = dp.Contract.of(Kopper, dataset="kaffe/kopper", key=("nummer", "dag"), version="1.2.0")
    return odcs(contract, ProductFacts.model_validate(FACTS), TERMS)


@pytest.fixture(scope="module")
def column(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in document["schema"][0]["properties"]}


def custom(block: dict[str, Any]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in block["customProperties"]}


def one_column(dtype: Any, *checks: pa.Check, **facts: Any) -> dict[str, Any]:
    """The property of a single column with these checks."""
    schema = pa.DataFrameSchema({"a": pa.Column(dtype, list(checks), nullable=True, metadata={"dataproducts": facts})})
    contract = dp.Contract.of(schema, dataset="p/d")
    document = odcs(contract, None, Terms())
    VALIDATOR.validate(document)
    found: dict[str, Any] = document["schema"][0]["properties"][0]
    return found


# By the standard


def test_the_document_is_valid_by_the_json_schema_of_3_2(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)


def test_a_document_without_product_facts_is_valid_too() -> None:
    contract = dp.Contract.of(Kopper, dataset="kaffe/kopper")
    document = odcs(contract, None, Terms())
    VALIDATOR.validate(document)
    assert document["status"] == "draft"


_ELEMENT = {"name", "id", "businessName", "description", "physicalType", "tags", "quality", "customProperties"}
KEYS_OF_3_1 = {
    "document": {
        "apiVersion", "kind", "id", "version", "status", "name", "tenant", "domain", "description", "tags", "servers",
        "schema", "support", "team", "roles", "slaProperties", "authoritativeDefinitions", "customProperties",
    },
    "schema": _ELEMENT | {"logicalType", "physicalName", "properties", "relationships", "dataGranularityDescription"},
    "properties": _ELEMENT | {
        "logicalType", "logicalTypeOptions", "required", "unique", "primaryKey", "primaryKeyPosition",
        "classification", "examples", "transformSourceObjects", "transformLogic", "transformDescription", "items",
        "properties",
    },
    "quality": {
        "id", "name", "description", "type", "dimension", "severity", "metric", "arguments", "mustBe", "engine",
        "implementation",
    },
    "customProperties": {"id", "property", "value", "description"},
    "slaProperties": {"id", "property", "value", "unit", "element", "driver", "description"},
    "support": {"id", "channel", "url", "description", "tool", "scope", "invitationUrl"},
    "roles": {"id", "role", "description", "access"},
    "team": {"id", "name", "description", "members"},
}  # fmt: skip
OPTIONS = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"},
    "date": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "timestamp": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "timezone", "defaultTimezone"},
}
DIMENSIONS = {"accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"}


def blocks(block: Any, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every block of the document with its kind; values and arguments are not blocks."""
    if isinstance(block, dict):
        yield kind, block
        for key, value in block.items():
            if key == "items":
                yield from blocks(value, "properties")
            elif key in KEYS_OF_3_1:
                for entry in value if isinstance(value, list) else [value]:
                    yield from blocks(entry, key)


def test_only_keys_of_3_1_are_written(document: dict[str, Any]) -> None:
    assert document["apiVersion"] == "v3.1.0"
    for kind, block in blocks(document, "document"):
        assert block.keys() <= KEYS_OF_3_1[kind], kind


def test_the_rules_of_3_1_that_its_json_schema_leaves_open_are_kept(document: dict[str, Any]) -> None:
    for kind, block in blocks(document, "document"):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", block.get("id", "none")), block["id"]
        if kind == "properties":
            allowed = OPTIONS.get(block["logicalType"], set())
            assert block.get("logicalTypeOptions", {}).keys() <= allowed, block
        if kind == "quality":
            assert block["dimension"] in DIMENSIONS
            assert ("mustBe" in block) == (block["type"] == "library")


def test_ids_are_ascii_and_never_meet(column: dict[str, dict[str, Any]]) -> None:
    assert column["næring"]["id"] == "naering"
    assert column["naering"]["id"] == "naering_2"


# What is said


@pytest.mark.parametrize(
    ("name", "logical", "physical", "options"),
    [
        ("nummer", "string", "string", {"pattern": r"^\d{9}$"}),
        ("dag", "date", "date", {"minimum": "2020-01-01"}),
        ("kopper", "integer", "long", {"format": "i64", "minimum": 0, "maximum": 9}),
        ("styrke", "number", "double", {"format": "f64", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1.5}),
        ("pris", "number", "decimal(20,2)", {"minimum": 0.1}),
        ("varm", "boolean", "boolean", None),
        ("bilde", "string", "binary", {"format": "binary"}),
        (
            "tappet",
            "timestamp",
            "timestamp",
            {"timezone": True, "defaultTimezone": "Etc/UTC", "maximum": "2100-01-01T00:00:00Z"},
        ),
        ("drikker", "string", "string", {"minLength": 2}),
    ],
)
def test_each_type_and_its_limits_are_said_in_the_standards_words(
    column: dict[str, dict[str, Any]], name: str, logical: str, physical: str, options: dict[str, Any] | None
) -> None:
    said = column[name]
    assert (said["logicalType"], said["physicalType"]) == (logical, physical)
    assert said.get("logicalTypeOptions") == options


def test_nested_lists_and_records_are_described_to_the_bottom(column: dict[str, dict[str, Any]]) -> None:
    record = column["steder"]["items"]
    assert column["steder"]["logicalType"] == "array"
    assert [(part["name"], part["logicalType"]) for part in record["properties"]] == [
        ("gate", "string"),
        ("år", "array"),
    ]
    assert record["properties"][1]["items"]["logicalTypeOptions"] == {"format": "i64"}


def test_the_key_is_told_in_order_and_as_a_rule(document: dict[str, Any], column: dict[str, dict[str, Any]]) -> None:
    assert [column[name].get("primaryKeyPosition") for name in ("nummer", "dag", "kopper")] == [1, 2, None]
    rule = document["schema"][0]["quality"][0]
    assert (rule["metric"], rule["mustBe"], rule["arguments"]) == (
        "duplicateValues",
        0,
        {"properties": ["nummer", "dag"]},
    )


def test_missing_and_repeated_values_are_promised(column: dict[str, dict[str, Any]]) -> None:
    assert column["nummer"]["required"] is True
    assert column["kopper"]["required"] is False
    assert column["plass"]["unique"] is True
    assert "unique" not in column["nummer"]


def test_a_code_list_becomes_a_rule_in_one_order(column: dict[str, dict[str, Any]]) -> None:
    (rule,) = column["næring"]["quality"]
    assert (rule["metric"], rule["mustBe"], rule["arguments"]) == ("invalidValues", 0, {"validValues": ["kaffe", "te"]})
    assert column["naering"]["quality"][0]["arguments"] == {"invalidValues": ["øl"]}


def test_codes_are_listed_in_one_order_whatever_their_types() -> None:
    said = one_column(int, pa.Check.isin([10, 2, None]))
    assert said["quality"][0]["arguments"] == {"validValues": [2, 10, None]}


def test_what_has_no_option_becomes_a_pattern_or_text(column: dict[str, dict[str, Any]], document: dict[str, Any]) -> None:
    assert [rule["arguments"]["pattern"] for rule in column["plass"]["quality"]] == ["x", r"^a\."]
    (warning,) = column["kopper"]["quality"]
    assert (warning["type"], warning["severity"], warning["description"]) == (
        "text",
        "warning",
        "nobody drinks more than eight",
    )
    assert document["schema"][0]["quality"][1]["description"] == "coffee is hot"


def test_a_limit_that_only_warns_is_no_promise() -> None:
    said = one_column(int, pa.Check.ge(0, raise_warning=True))
    assert said["logicalTypeOptions"] == {"format": "i64"}
    assert said["quality"][0]["severity"] == "warning"
    assert said["quality"][0]["implementation"] == {"check": "greater_than_or_equal_to", "minimum": 0}


def test_a_second_limit_of_the_same_kind_is_not_lost() -> None:
    said = one_column(int, pa.Check.ge(0), pa.Check.in_range(5, 10))
    assert said["logicalTypeOptions"]["minimum"] == 0
    assert said["quality"][0]["implementation"] == {"check": "in_range", "minimum": 5, "maximum": 10}


def test_an_exact_length_and_an_open_range_keep_their_ends() -> None:
    assert one_column(str, pa.Check.str_length(exact_value=9))["logicalTypeOptions"] == {"minLength": 9, "maxLength": 9}
    said = one_column(float, pa.Check.in_range(0, 1, include_min=False))
    assert said["logicalTypeOptions"] == {"format": "f64", "exclusiveMinimum": 0, "maximum": 1}


def test_a_decimal_limit_that_no_number_holds_exactly_stays_text() -> None:
    limit = Decimal("12345678901234567.89")
    said = one_column(pl.Decimal(20, 2), pa.Check.le(limit))
    assert "logicalTypeOptions" not in said
    assert said["quality"][0]["implementation"]["max_value"] == "12345678901234567.89"


def test_a_pattern_in_a_dialect_of_its_own_is_not_passed_off_as_ecma() -> None:
    said = one_column(str, pa.Check.str_matches(r"(?i)as$"))
    assert "logicalTypeOptions" not in said
    assert said["quality"][0]["engine"] == "pandera"


def test_source_unit_class_and_title_are_kept(column: dict[str, dict[str, Any]]) -> None:
    assert column["nummer"]["transformSourceObjects"] == ["nr"]
    assert column["nummer"]["businessName"] == "Number"
    assert custom(column["pris"]) == {"unit": "NOK"}
    assert custom(column["tappet"]) == {"sourceTimeZone": "Europe/Oslo"}
    assert column["drikker"]["classification"] == "directly_identifying"
    assert column["kopper"]["examples"] == [1, 2]
    assert "_links" in column["rest"]["transformDescription"]


def test_examples_of_personal_columns_are_never_published(column: dict[str, dict[str, Any]]) -> None:
    assert "examples" not in column["drikker"]


def test_history_is_described_where_the_standard_has_no_words(document: dict[str, Any]) -> None:
    assert custom(document["schema"][0]) == {
        "kind": "snapshot",
        "partitioning": "daily, Europe/Oslo",
        "quarantine": True,
        "historyModel": "versioned partitions",
        "knowledgeTimeColumn": "_known_at",
        "versionColumn": "_version",
        "partitionColumn": "_partition",
    }


def test_the_terms_of_the_product_are_in_the_contract(document: dict[str, Any]) -> None:
    assert document["status"] == "active"
    assert document["team"] == {"name": "team-kaffe"}
    assert document["description"] == {"purpose": "To buy enough beans.", "limitations": "Says nothing about tea."}
    assert [(one["tool"], one["channel"]) for one in document["support"]] == [
        ("slack", "#kaffe-hjelp"),
        ("slack", "#kaffe"),
        ("email", "kaffe@example.com"),
    ]
    assert {one["property"]: one["value"] for one in document["slaProperties"]} == {
        "frequency": "DAILY",
        "freshness": "PT36H",
        "retention": "unlimited",
    }
    assert [(one["role"], one["access"]) for one in document["roles"]] == [
        ("analyse", "read"),
        ("kantina", "read"),
        ("alle-ansatte", "request"),
    ]
    said = custom(document)
    assert (said["personalData"], said["accessRights"]) == ("possibly_identifying", "restricted")
    assert said["license"]["uri"].endswith("NLOD_2_0")
    assert said["ports"] == ["bigquery", "kafka:kopper"]


def test_a_dataset_may_state_its_own_access_and_class() -> None:
    contract = dp.Contract.of(Kopper, dataset="kaffe/kopper")
    document = odcs(contract, ProductFacts.model_validate(FACTS), Terms(access=AccessLevel.OPEN, personal_data="none"))
    properties = [entry["property"] for entry in document["customProperties"]]
    assert len(properties) == len(set(properties))
    assert (custom(document)["accessRights"], custom(document)["personalData"]) == ("open", "none")
    assert "roles" not in document
    assert "open" in dump(document)


def test_the_same_declaration_gives_the_same_text() -> None:
    texts = set()
    for _ in range(2):
        contract = dp.Contract.of(Kopper, dataset="kaffe/kopper", key=("nummer", "dag"))
        texts.add(dump(odcs(contract, ProductFacts.model_validate(FACTS), TERMS)))
    assert len(texts) == 1


# The file


def test_what_is_written_is_what_is_read(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "kopper.odcs.yaml"
    path.write_text(dump(document), encoding="utf-8")
    assert load(path) == document


def test_the_file_says_who_wrote_it_and_reads_as_a_diff(document: dict[str, Any]) -> None:
    text = dump(document)
    assert text.startswith("# Generated by `dataproducts contract freeze`")
    assert "name: næring" in text  # no escapes
    assert "&id" not in text  # no anchors
    assert "{" not in re.sub(r"pattern: .*", "", text)  # block style
    assert max(map(len, text.splitlines())) <= 120
    more = json.loads(json.dumps(document))
    more["schema"][0]["properties"][2]["quality"][0]["arguments"]["validValues"].append("vann")
    assert len(set(dump(more).splitlines()) ^ set(text.splitlines())) == 1


@given(st.dictionaries(st.text(min_size=1), st.text() | st.lists(st.text() | st.floats(allow_nan=False) | st.integers())))
@settings(max_examples=100, deadline=None)
def test_any_text_survives_the_file(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    document = {"kind": "DataContract", "customProperties": [{"property": "x", "value": values}]}
    path = tmp_path_factory.getbasetemp() / "any.odcs.yaml"
    path.write_text(dump(document), encoding="utf-8", newline="")
    assert load(path) == document


@pytest.mark.parametrize("text", ["1e3", "0o17", "y", "no", "2024-01-01", "1.0", "null", "0301", "", " a ", "a: b #c", "- a"])
def test_text_that_looks_like_something_else_stays_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.odcs.yaml"
    path.write_text(dump({"kind": "DataContract", "version": text}), encoding="utf-8")
    assert load(path)["version"] == text
    assert "'" in path.read_text(encoding="utf-8").splitlines()[-1]


def test_an_unquoted_date_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.odcs.yaml"
    path.write_text("kind: DataContract\nissued: 2024-01-01\n", encoding="utf-8")
    assert load(path)["issued"] == "2024-01-01"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "there is no frozen contract; run `dataproducts contract freeze`"),
        (b"kind: [", "is not YAML ("),
        (b"kind: DataContract\n<<<<<<< HEAD\nversion: 1.0.0\n", "is not YAML"),
        (b"\xff\xfe\xfa", "not YAML text in UTF-8"),
        (b"kind: DataContract\nname: \x00", "not YAML text in UTF-8"),
        (b"", "not an ODCS data contract"),
        (b"- kind: DataContract", "not an ODCS data contract"),
        (b"kind: DataProduct", "not an ODCS data contract"),
        (b"kind: DataContract\nschema: a", "`schema` of the contract is not a list"),
        (b"kind: DataContract\nschema:\n- id: a\n", "an entry in `schema` of the contract has no `name`"),
        (b"kind: DataContract\nschema:\n- name: a\n  properties: [{name: b}, {name: b}]\n", "two entries called 'b'"),
        (b"kind: DataContract\nschema:\n- name: a\n  properties: [{name: b, items: [1]}]\n", "`items` of name 'b'"),
        (b"kind: DataContract\na: &a [1]\nb: *a\n", "uses YAML aliases"),
        (b"kind: !!python/object/apply:os.getcwd []\n", "is not YAML"),
        (b"kind: DataContract\na: " + b"[" * 5000, "not YAML"),
    ],
)
def test_an_unreadable_contract_is_one_sentence(content: bytes | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.odcs.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeclarationError) as refused:
        load(path)
    said = str(refused.value)
    assert expected in said
    assert str(path) in said
    assert "\n" not in said
    assert "contract freeze" in said


def test_plain_yaml_readers_see_the_same_document(document: dict[str, Any]) -> None:
    assert yaml.safe_load(dump(document)) == document
