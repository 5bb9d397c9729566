"""SQL datasets whose engine is BigQuery: the same file, as a job over the ports of its inputs, into the same contract and history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from dagster_gcp import BigQueryResource

import dataproducts as dp
from dataproducts.ports.bigquery import BigQuery
from tests.bigquery import PROJECT, Gateway, Request, refusal
from tests.ports.bigquery.conftest import DAILY


class Sale(pa.DataFrameModel):
    """What was sold."""

    number: int = dp.column("Number of the receipt.")
    shop: str = dp.column("Where.")
    amount: Annotated[pl.Decimal, 20, 2] = dp.column("How much.")
    at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When.")


class Sum(pa.DataFrameModel):
    """Sums per shop."""

    shop: str = dp.column("Where.")
    number: int = dp.column("How many.")
    total: Annotated[pl.Decimal, 20, 2] = dp.column("How much.")
    last: Annotated[pl.Datetime, "us", "UTC"] = dp.column("The last.")
    day: pl.Date = dp.column("Which day.")


class PerShop(pa.DataFrameModel):
    """Counts per shop."""

    shop: str = dp.column("Where.")
    number: int = dp.column("How many.")


SQL = """\
-- Sums per shop.
WITH sales AS (
  SELECT shop, amount, `at` FROM {{ sales }}
)
SELECT shop, COUNT(*) AS number, SUM(amount) AS total, MAX(`at`) AS last, DATE(@partition) AS day
FROM sales
GROUP BY shop;
"""


@pytest.fixture
def shop(product: Any, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sales by day, as many as the day's number times `factor`, with a port to a BigQuery dataset of its own."""
    import uuid

    monkeypatch.setenv("DATAPRODUCTS_SQL_ENGINE", "bigquery")
    factor = {"is": 1}

    @product.dataset(schema=Sale, key="number", partitions=DAILY, ports=[BigQuery(dataset=f"d{uuid.uuid4().hex[:10]}")], row_change=None)
    def sales(partition: str) -> pl.DataFrame:
        count = int(partition[-2:]) * factor["is"]
        return pl.DataFrame(
            {
                "number": range(count),
                "shop": ["a" if n % 2 else "b" for n in range(count)],
                "amount": [Decimal("1.10") * n for n in range(count)],
                "at": [datetime(2026, 1, 1, 12, n, 0, 1, tzinfo=UTC) for n in range(count)],
            },
            schema=dict(dp.Contract.of(Sale, dataset="shop/sales").dtypes),
        )

    product.factor = factor
    return product


@pytest.fixture
def run(shop: Any, materialize: Callable[..., Any], instance: Any) -> Callable[..., Any]:
    """Materialize a dataset, or with `port` its port."""

    def made(name: str, port: bool = False, **more: Any) -> Any:
        resources = {"bigquery": BigQueryResource()}
        if not port:
            return materialize(shop, name, resources=resources, **more)
        assets = [*shop.datasets.values(), *shop.ports[name]]
        key = more.get("partition")
        return dg.materialize(assets, selection=[shop.ports[name][0].key], partition_key=key, resources=resources, instance=instance)

    return made


def declare(shop: Any, sql: str = SQL, schema: Any = Sum, **options: Any) -> Any:
    (shop.folder / "sums.sql").write_text(sql)
    return shop.sql_dataset("sums.sql", schema=schema, **{"partitions": DAILY, **options})


def test_a_job_gives_what_duckdb_gives_of_the_same_file(shop: Any, run: Callable[..., Any], gateway: Gateway) -> None:
    sums = declare(shop, key="shop")
    assert run("sales", partition="2026-01-03").success
    assert run("sales", port=True, partition="2026-01-03").success
    gateway.requests.clear()
    done = run("sums", partition="2026-01-03")
    assert done.success, done.failure
    there = dp.scan("shop/sums").collect().sort("shop")
    here = sums(partition="2026-01-03", sales=dp.scan("shop/sales").collect()).sort("shop")
    assert there.equals(here)
    assert there.rows()[1][1:] == (2, Decimal("2.20"), datetime(2026, 1, 1, 12, 2, 0, 1, tzinfo=UTC), date(2026, 1, 3))
    (job,) = [r.json["configuration"] for r in gateway.requests if r.method == "POST" and r.path.endswith("/jobs")]
    assert job["query"]["maximumBytesBilled"] == "100000000000"
    assert job["labels"] == {"managed-by": "dataproducts", "product": "shop", "dataset": "sums"}
    assert "WITH sales AS (\n  SELECT shop, amount, `at` FROM `sales`" in job["query"]["query"]


def test_a_job_reads_the_versions_its_inputs_chose_and_no_others(shop: Any, run: Callable[..., Any]) -> None:
    declare(shop, "SELECT COUNT(*) AS number FROM {{ sales }}", pa.DataFrameSchema({"number": pa.Column(int)}))
    for factor in (1, 3):
        shop.factor["is"] = factor
        assert run("sales", partition="2026-01-02").success
        assert run("sales", port=True, partition="2026-01-02").success
        assert run("sums", partition="2026-01-02").success
    assert dp.read("shop/sums").number.tolist() == [6]
    assert dp.read("shop/sums", partition="2026-01-02", version=1).number.tolist() == [2]


def test_a_version_that_has_not_arrived_is_waited_for_and_no_older_one_is_taken(shop: Any, run: Callable[..., Any]) -> None:
    declare(shop, key="shop")
    assert run("sales", partition="2026-01-02").success
    assert run("sales", port=True, partition="2026-01-02").success
    shop.factor["is"] = 2
    assert run("sales", partition="2026-01-02").success
    done = run("sums", partition="2026-01-02")
    assert done.failure == (
        "shop/sales: version 2 of partition '2026-01-02' has not arrived at BigQuery, where shop/sums is computed; "
        "materialize shop/sales/bigquery first"
    )
    assert done.events == {}


def test_an_input_that_has_no_port_is_told_of(product: Any, run: Callable[..., Any], shop: Any) -> None:
    shop.datasets["sales"].ports = ()
    declare(shop, key="shop")
    assert run("sales", partition="2026-01-02").success
    assert run("sums", partition="2026-01-02").failure == (
        "shop/sums is computed at BigQuery, and its input shop/sales is not there; declare ports=[dp.BigQuery()] for that, "
        "or set DATAPRODUCTS_SQL_ENGINE=duckdb"
    )


@pytest.mark.parametrize(
    ("status", "reason", "said", "expected"),
    [
        (
            400,
            "invalidQuery",
            "Division by zero: 1 / 0",
            "sums.sql: division by zero, in shop/sums, partition '2026-01-02'; write SAFE_DIVIDE",
        ),
        (400, "invalidQuery", "Bad int64 value: x at [{line}:14]", "sums.sql:3:14: BigQuery says: Bad int64 value: x, in shop/sums"),
        (
            400,
            "bytesBilledLimitExceeded",
            "Query exceeded limit for bytes billed: 100. 200 or higher required.",
            "sums.sql: the query would read more than the 100 bytes it may, in shop/sums, partition '2026-01-02'; "
            "read fewer columns or partitions, or raise DATAPRODUCTS_SQL_MAXIMUM_BYTES_BILLED",
        ),
    ],
)
def test_what_bigquery_refuses_is_told_in_a_sentence_with_the_place_in_the_file(
    status: int,
    reason: str,
    said: str,
    expected: str,
    shop: Any,
    run: Callable[..., Any],
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATAPRODUCTS_SQL_MAXIMUM_BYTES_BILLED", "100")
    declare(shop, key="shop")
    assert run("sales", partition="2026-01-02").success
    assert run("sales", port=True, partition="2026-01-02").success
    if "{line}" in said:  # the third line of the file, as the job has it
        gateway.requests.clear()
        assert run("sums", partition="2026-01-02").success
        (job,) = [r.json["configuration"]["query"]["query"] for r in gateway.requests if r.method == "POST" and r.path.endswith("/jobs")]
        said = said.format(line=job[: job.index("  SELECT shop, amount, `at` FROM `sales`")].count("\n") + 1)
    gateway.refuse(refusal(status, reason, said), "POST", "/jobs")
    done = run("sums", partition="2026-01-02")
    assert expected in done.failure
    assert "\n" not in done.failure


def test_the_engine_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts import settings
    from dataproducts.errors import ConfigurationError

    assert settings.sql_engine() == "duckdb"
    monkeypatch.setenv("DATAPRODUCTS_ENV", "gcp")
    assert settings.sql_engine() == "duckdb"
    monkeypatch.setenv("BIGQUERY_PROJECT", "p")
    assert settings.sql_engine() == "bigquery"
    monkeypatch.setenv("DATAPRODUCTS_SQL_ENGINE", "spark")
    with pytest.raises(
        ConfigurationError, match="DATAPRODUCTS_SQL_ENGINE is 'spark', and there is no such engine; set it to duckdb or bigquery"
    ):
        settings.sql_engine()


# Views


def table(gateway: Gateway, dataset: str, name: str, method: str = "GET", change: dict[str, Any] | None = None) -> Any:
    """A table as BigQuery has it; changed first, as someone else would."""
    path = f"/bigquery/v2/projects/{PROJECT}/datasets/{dataset}/tables/{name}"
    return gateway.answered(Request(method, path, {}, change, b"", {})).json


def test_a_view_is_a_view_over_the_views_of_its_inputs_with_the_columns_described(
    shop: Any, run: Callable[..., Any], gateway: Gateway
) -> None:
    port = shop.datasets["sales"].ports[0]
    declare(
        shop,
        "SELECT shop, COUNT(*) AS number FROM {{ sales }} GROUP BY shop;",
        PerShop,
        key="shop",
        partitions=None,
        materialized="view",
        ports=[BigQuery(dataset=port.dataset)],
    )
    assert run("sales", partition="2026-01-02").success
    assert run("sales", port=True, partition="2026-01-02").success
    done = run("sums")
    assert done.success, done.failure
    assert run("sums", port=True).success
    made = table(gateway, port.dataset, "sums")
    assert (made["type"], made["labels"]["product"], made["labels"]["dataset"]) == ("VIEW", "shop", "sums")
    assert {f["name"]: f["description"] for f in made["schema"]["fields"]} == {"shop": "Where", "number": "How many"}
    shop.factor["is"] = 3
    assert run("sales", partition="2026-01-02").success
    assert run("sales", port=True, partition="2026-01-02").success
    there = {shop: int(number) for shop, number in gateway.sql(f"SELECT shop, number FROM `{PROJECT}.{port.dataset}.sums`")}
    assert there == {"a": 3, "b": 3} == dict(dp.scan("shop/sums").collect().rows())
    assert not [r for r in gateway.requests if r.method == "POST" and "sums_history" in r.path]
    before = len(gateway.requests)
    assert run("sums", port=True).success  # what is there is left as it is
    assert {r.method for r in gateway.requests[before:]} <= {"GET"}


def test_a_view_somebody_changed_is_found_and_made_again(shop: Any, run: Callable[..., Any], gateway: Gateway) -> None:
    port = shop.datasets["sales"].ports[0]
    options: dict[str, Any] = {"partitions": None, "materialized": "view", "ports": [BigQuery(dataset=port.dataset)]}
    declare(shop, "SELECT shop, COUNT(*) AS number FROM {{ sales }} GROUP BY shop", PerShop, **options)
    for name, port_too in (("sales", True), ("sums", True)):
        key = {"partition": "2026-01-02"} if name == "sales" else {}
        assert run(name, **key).success
        assert run(name, port=port_too, **key).success
    (asset,) = shop.ports["sums"]
    resources = {"bigquery": BigQueryResource()}
    assert asset.compare(resources, full=True)[0].differences == ()
    table(gateway, port.dataset, "sums", "PATCH", {"view": {"query": "SELECT 'a' AS shop, 1 AS number"}})
    (found,) = asset.compare(resources, full=True)[0].differences
    assert "is not there with the query it was checked with; materialize the port" in found.text
    assert run("sums", port=True).success
    assert asset.compare(resources, full=True)[0].differences == ()


def test_a_job_reads_through_a_view_that_has_no_port(shop: Any, run: Callable[..., Any]) -> None:
    (shop.folder / "seen.sql").write_text("SELECT shop, amount, @partition AS day FROM {{ sales }} WHERE shop = 'a'")
    columns = {"shop": pa.Column(str), "amount": pa.Column(pl.Decimal(20, 2)), "day": pa.Column(str)}
    shop.sql_dataset("seen.sql", schema=pa.DataFrameSchema(columns), partitions=DAILY, materialized="view")
    declare(
        shop,
        "SELECT MIN(day) AS first, MAX(day) AS last, COUNT(*) AS number FROM {{ seen }}",
        pa.DataFrameSchema({"first": pa.Column(str), "last": pa.Column(str), "number": pa.Column(int)}),
        partitions=None,
    )
    for day in ("2026-01-02", "2026-01-03"):
        assert run("sales", partition=day).success
        assert run("sales", port=True, partition=day).success
        seen = run("seen", partition=day)
        assert seen.success, seen.failure
    done = run("sums")
    assert done.success, done.failure
    assert dp.scan("shop/sums").collect().rows() == [("2026-01-02", "2026-01-03", 2)]
