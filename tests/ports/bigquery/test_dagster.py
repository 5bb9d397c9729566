"""A dataset with a BigQuery port, run in Dagster with dagster-gcp's resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from dagster_gcp import BigQueryResource

import dataproducts as dp
from dataproducts.ports.bigquery import BigQuery
from tests.bigquery import Gateway
from tests.ports.bigquery.conftest import DAILY


class Sale(pa.DataFrameModel):
    """What was sold."""

    number: int = dp.column("Number of the receipt.")


def declare(product: Any, port: BigQuery) -> dg.Definitions:
    @product.dataset(schema=Sale, key="number", partitions=DAILY, ports=[port])
    def sales(partition: str) -> pl.DataFrame:
        return pl.DataFrame({"number": [int(partition[-2:])]})

    return product.definitions({"bigquery": BigQueryResource()})


def run(defs: dg.Definitions, **more: Any) -> Any:
    assets: Any = [one for one in defs.assets or () if isinstance(one, dg.AssetsDefinition)]
    return dg.materialize(assets, resources=dict(defs.resources or {}), raise_on_error=False, **more)


def test_a_run_publishes_its_partitions_and_checks_that_they_arrived(product: Any, gateway: Gateway) -> None:
    defs = declare(product, BigQuery(dataset="in_dagster"))
    span = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-03"}
    done = run(defs, tags=span)
    assert done.success
    assert gateway.sql("SELECT number FROM in_dagster.sales ORDER BY number") == [["1"], ["2"], ["3"]]
    arrived = [c for c in done.get_asset_check_evaluations() if c.check_name == "arrived"]
    assert [(c.passed, c.metadata["versions"].value) for c in arrived] == [(True, 3)]
    assert len(gateway.loads()) == 2


def test_a_later_run_of_one_partition_is_not_troubled_by_the_others(product: Any, gateway: Gateway) -> None:
    defs = declare(product, BigQuery(dataset="one_by_one"))
    for day in ("2026-01-01", "2026-01-02"):
        done = run(defs, partition_key=day)
        assert done.success
        arrived = [c for c in done.get_asset_check_evaluations() if c.check_name == "arrived"]
        assert [(c.passed, c.metadata["versions"].value) for c in arrived] == [(True, 1)]


def test_the_resources_client_is_used_where_there_is_no_emulator(product: Any, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    monkeypatch.setattr("dataproducts.ports.bigquery.connection.EMULATOR", "NO_SUCH_VARIABLE")
    made: list[Callable[..., Any]] = []
    honest = bigquery.Client

    class Client(honest):  # type: ignore[misc, valid-type]
        def __init__(self, **more: Any) -> None:
            made.append(more["project"])
            super().__init__(**{**more, "project": "test-project"}, credentials=AnonymousCredentials())

    monkeypatch.setattr(bigquery, "Client", Client)
    assert run(declare(product, BigQuery(dataset="with_client")), partition_key="2026-01-01").success
    assert gateway.sql("SELECT number FROM with_client.sales") == [["1"]]
    assert made == [None]
