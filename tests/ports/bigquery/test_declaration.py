"""What BigQuery would refuse is found where it is declared, and what is sent says what the contract says. No emulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pyarrow as pyarrow_
import pytest

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.ports.bigquery import BigQuery, columns, loading
from dataproducts.ports.bigquery.tables import day_of, target
from tests.ports.bigquery.conftest import DAILY, offered

TAG = "projects/p/locations/europe-north1/taxonomies/1/policyTags/2"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["_x"], "begins with an underscore"),
        (["Beløp", "BELØP"], "one and the same name to BigQuery"),
        (["a.b"], r"has '.' in its name"),
        (["a" * 301], "301 characters"),
        (["a`b"], "has '`' in its name"),
    ],
)
def test_a_column_name_that_bigquery_refuses_is_found_at_declaration(declare: Callable[..., Contract], names: list[str], text: str) -> None:
    with pytest.raises(DeclarationError, match=text) as told:
        BigQuery().check(offered(declare(dict.fromkeys(names, int))))
    assert "shop/sales" in str(told.value)


@pytest.mark.parametrize("prefix", ["_TABLE_", "_File_", "_PARTITION", "_row_timestamp", "__ROOT__", "_ColIdentifier", "_CHANGE_TYPE"])
def test_reserved_prefixes_are_refused_in_structs_too(declare: Callable[..., Contract], prefix: str) -> None:
    contract = declare({"a": pl.Struct({f"{prefix}x": pl.Int64()})})
    with pytest.raises(DeclarationError, match=f"begins with '{prefix.lower()}', which BigQuery keeps"):
        BigQuery().check(offered(contract))


def test_the_ports_own_columns_have_names_bigquery_takes() -> None:
    names = [f["name"] for f in columns.LEDGER]
    assert names
    columns._check_names("x/y", names, "")
    with pytest.raises(DeclarationError):
        columns._check_names("x/y", ["_partition"], "")  # the lake's own name


def test_names_with_norwegian_letters_and_spaces_are_taken(declare: Callable[..., Contract]) -> None:
    BigQuery().check(offered(declare({"næringskode å": str, "antall (ikke)".replace("(", "").replace(")", ""): int})))


@pytest.mark.parametrize(
    ("dtype", "text"),
    [(pl.List(pl.List(pl.Int64())), "a list of lists"), (pl.Struct({}), "a struct without fields")],
)
def test_a_type_that_bigquery_lacks_is_found_at_declaration(declare: Callable[..., Contract], dtype: Any, text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        BigQuery().check(offered(declare({"a": dtype})))


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ({"dataset": "a-b"}, "no name of a BigQuery dataset"),
        ({"table": "å b"}, "no name of a BigQuery table"),
        ({"partition_by": "hour"}, "'day', 'month' or 'year'"),
        ({"cluster_by": ["nei"]}, "'nei', which is no column"),
        ({"cluster_by": ["share"]}, "does not cluster by Float64"),
        ({"cluster_by": ["number"] * 5}, "5 columns"),
        ({"labels": {"Team": "a"}}, "refuses the label 'Team'"),
        ({"policy_tags": {"confidential": "my tag"}}, "is no policy tag"),
        ({"policy_tags": {"special_category": TAG}}, "no column is classed 'special_category'"),
    ],
)
def test_a_wrong_option_is_one_sentence_at_declaration(declare: Callable[..., Contract], port: dict[str, Any], text: str) -> None:
    contract = declare({"number": int, "share": float}, "number")
    with pytest.raises(DeclarationError, match=text) as told:
        BigQuery(**port).check(offered(contract))
    assert str(told.value).startswith("shop/sales: ")


def test_more_days_than_a_table_has_room_for_are_found_at_declaration(declare: Callable[..., Contract]) -> None:
    old = dg.DailyPartitionsDefinition(start_date="1990-01-01")
    with pytest.raises(DeclarationError, match="partition_by='month'"):
        BigQuery().check(offered(declare({"a": int}), old))
    BigQuery(partition_by="month").check(offered(declare({"a": int}), old))


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pl.String(), {"type": "STRING"}),
        (pl.Int64(), {"type": "INTEGER"}),
        (pl.Float64(), {"type": "FLOAT"}),
        (pl.Boolean(), {"type": "BOOLEAN"}),
        (pl.Date(), {"type": "DATE"}),
        (pl.Binary(), {"type": "BYTES"}),
        (pl.Datetime("us", "UTC"), {"type": "TIMESTAMP"}),
        (pl.Decimal(38, 9), {"type": "NUMERIC", "precision": "38", "scale": "9"}),
        (pl.Decimal(20, 2), {"type": "NUMERIC", "precision": "20", "scale": "2"}),
        (pl.Decimal(38, 8), {"type": "BIGNUMERIC", "precision": "38", "scale": "8"}),
        (pl.Decimal(20, 10), {"type": "BIGNUMERIC", "precision": "20", "scale": "10"}),
        (pl.List(pl.Date()), {"type": "DATE", "mode": "REPEATED"}),
        (pl.Struct({"x": pl.Int64()}), {"type": "RECORD", "fields": [{"name": "x", "type": "INTEGER", "mode": "NULLABLE"}]}),
        (
            pl.List(pl.Struct({"x": pl.List(pl.String())})),
            {"type": "RECORD", "mode": "REPEATED", "fields": [{"name": "x", "type": "STRING", "mode": "REPEATED"}]},
        ),
    ],
)
def test_every_type_of_a_contract_has_its_type_at_bigquery(dtype: pl.DataType, kind: dict[str, Any]) -> None:
    assert columns.field("a", dtype) == {"name": "a", "mode": "NULLABLE", **kind}


def test_a_file_has_the_modes_of_the_table(declare: Callable[..., Contract]) -> None:
    dtypes = {"a": pl.Int64(), "b": pl.List(pl.Struct({"x": pl.Decimal(10, 2)})), "c": pl.Datetime("us", "UTC")}
    there = [columns.field("c", dtypes["c"]), columns.field("a", dtypes["a"], "REQUIRED"), columns.field("b", dtypes["b"])]
    schema = columns.arrow_schema(there, dtypes)
    assert schema.names == ["c", "a", "b"]
    assert [f.nullable for f in schema] == [True, False, True]
    assert schema.field("c").type == pyarrow_.timestamp("us", "UTC")
    assert schema.field("b").type == pyarrow_.list_(pyarrow_.struct([("x", pyarrow_.decimal128(10, 2))]))


class Person(pa.DataFrameModel):
    ident: str = dp.column("Who it is", personal="directly_identifying", title="Ident")
    address: pl.Struct = dp.column("Where", personal="confidential", nullable=True)
    amount: int = dp.column("How much", unit="NOK", personal="none", nullable=True)


@pytest.fixture
def people() -> Contract:
    schema = Person.to_schema()
    schema.columns["address"].dtype = pa.DataFrameSchema({"a": pa.Column(pl.Struct({"street": pl.String()}))}).columns["a"].dtype
    return Contract.of(schema, dataset="shop/people", key="ident")


def test_descriptions_and_personal_classes_are_told(people: Contract, lake: str) -> None:
    found = offered(people, access="restricted", personal="directly_identifying")
    port = BigQuery(policy_tags={"confidential": TAG}, labels={"team": "shop"})
    port.check(found)
    wanted = target(port, found, port.names(found), DatasetHistory(lake, "shop/people"))
    ident, address, amount = wanted.columns[-3:]
    assert ident["description"] == "Ident. Who it is [personal data: directly_identifying]"
    assert ident["mode"] == "REQUIRED"
    assert address["fields"] == [{"name": "street", "type": "STRING", "mode": "NULLABLE", "policyTags": {"names": [TAG]}}]
    assert amount == {"name": "amount", "type": "INTEGER", "mode": "NULLABLE", "description": "How much (NOK)"}
    assert wanted.labels == {
        "team": "shop",
        "managed-by": "dataproducts",
        "product": "shop",
        "dataset": "people",
        "contract": "1-0-0",
        "access": "restricted",
        "personal-data": "directly_identifying",
    }
    assert wanted.cluster_by == ("_dp_partition", "_dp_version", "ident")


def test_a_load_job_says_all_that_bigquery_would_otherwise_guess(people: Contract) -> None:
    from google.cloud import bigquery

    table = bigquery.Table("p.d.t", schema=[bigquery.SchemaField("a", "INTEGER", "REQUIRED")])
    sent = loading._config(table, {"product": "shop"}).to_api_repr()
    assert sent["load"] == {
        "sourceFormat": "PARQUET",
        "schema": {"fields": [{"name": "a", "type": "INTEGER", "mode": "REQUIRED"}]},
        "writeDisposition": "WRITE_APPEND",
        "createDisposition": "CREATE_NEVER",
        "parquetOptions": {"enableListInference": True},
        "decimalTargetTypes": ["NUMERIC", "BIGNUMERIC"],
        "columnNameCharacterMap": "STRICT",
    }
    assert sent["labels"] == {"product": "shop"}


def _version(partition: str) -> Version:
    return Version("shop/sales", partition, 1, datetime(2026, 3, 4, 23, 30, tzinfo=UTC), "1.0.0", 1, "")


@pytest.mark.parametrize(
    ("partitions", "key", "day"),
    [
        (None, "-", "2026-03-04"),
        (dg.StaticPartitionsDefinition(["oslo"]), "oslo", "2026-03-04"),
        (DAILY, "2026-01-31", "2026-01-31"),
        (dg.HourlyPartitionsDefinition("2026-01-01-00:00"), "2026-01-31-23:00", "2026-01-31"),
        (dg.MonthlyPartitionsDefinition("2026-01-01"), "2026-02-01", "2026-02-01"),
        (dg.MultiPartitionsDefinition({"day": DAILY, "place": dg.StaticPartitionsDefinition(["oslo"])}), "2026-01-31|oslo", "2026-01-31"),
    ],
)
def test_rows_lie_by_the_day_of_their_partition_or_else_by_that_they_became_known(partitions: Any, key: str, day: str) -> None:
    assert day_of(partitions)(_version(key)).isoformat() == day


def test_without_a_project_the_port_says_that_it_writes_nowhere(monkeypatch: pytest.MonkeyPatch, declare: Callable[..., Contract]) -> None:
    monkeypatch.delenv("BIGQUERY_PROJECT", raising=False)
    assert "BIGQUERY_PROJECT is not set" in str(BigQuery().idle())
    assert BigQuery().facts(offered(declare({"a": int}))).address == "shop.sales"
    monkeypatch.setenv("BIGQUERY_PROJECT", "nav-prod")
    assert BigQuery().idle() is None
    facts = BigQuery(table="salg").facts(offered(declare({"a": int})))
    assert facts.address == "nav-prod.shop.salg"
    assert facts.facts["every version"] == "nav-prod.shop.salg_history"
    assert "nav-prod.shop.salg_as_of" in facts.facts["as of"]
