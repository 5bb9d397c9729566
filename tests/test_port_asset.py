"""An output port in Dagster: an asset of its own downstream of its dataset, delivered, retried and backfilled alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import ConfigurationError, DeclarationError, PortError, PortUnavailable
from dataproducts.port_asset import ATTENDED
from dataproducts.ports.port import Batch
from tests.conftest import Recorded
from tests.ports.shelf import Shelf

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
SHELF = dg.AssetKey(["shop", "sales", "shelf"])


class Sale(pa.DataFrameModel):
    """What was sold."""

    id: int = dp.column("Number of the receipt.")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries do not wait half a minute here."""
    monkeypatch.setattr("dataproducts.port_asset.RETRIES", dg.RetryPolicy(max_retries=1, delay=0))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(str(tmp_path / "shelf.jsonl"))


def declare(product: Any, *ports: Shelf, rows: Callable[[str], int] = lambda day: int(day[-2:]), **settings: Any) -> Any:
    @product.dataset(schema=Sale, key="id", **{"partitions": DAYS, "row_change": None, "ports": ports, **settings})
    def sales(partition: str) -> pl.DataFrame:
        return pl.DataFrame({"id": range(rows(partition))}, schema={"id": pl.Int64})

    return product.definitions({"bracket": "steel"})


@pytest.fixture
def materialize(instance: Any) -> Callable[..., Recorded]:
    """Materialize a dataset and its ports, or what is selected, in one run: of one partition, or of a span of them."""

    def run(defs: dg.Definitions, first: str | None = None, last: str | None = None, selection: Any = None) -> Recorded:
        span = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last} if last else {}
        result = dg.materialize(
            [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)],
            selection=selection,
            partition_key=None if last else first,
            tags=span,
            instance=instance,
            resources=defs.resources,
            raise_on_error=False,
        )
        return Recorded(result.run_id, instance)

    return run


def standing(shelf: Shelf) -> list[tuple[str, int, int]]:
    return [(one["partition"], one["number"], one["rows"]) for one in map(json.loads, Path(shelf.path).read_text().splitlines())]


def test_a_port_is_an_asset_of_its_own_downstream_of_its_dataset(product: Any, shelf: Shelf) -> None:
    graph = declare(product, shelf).get_repository_def().asset_graph
    node = graph.get(SHELF)
    assert node.parent_keys == {dg.AssetKey(["shop", "sales"])}
    assert node.partitions_def == DAYS
    assert node.metadata["dataproducts/address"] == shelf.path
    assert node.group_name == "shop"
    assert node.kinds == {"file"}
    assert node.owners == ["team:team-shop", "team-shop@example.com"]
    lineage = node.metadata["dagster/column_lineage"]
    assert [str(dep.column_name) for dep in lineage.deps_by_column["id"]] == ["id"]


def test_a_run_delivers_its_partition_and_shows_what_arrived(product: Any, shelf: Shelf, materialize: Any) -> None:
    defs = declare(product, shelf)
    run = materialize(defs, "2026-01-02", "2026-01-03")
    assert run.success
    assert standing(shelf) == [("2026-01-02", 1, 2), ("2026-01-03", 1, 3)]
    shown = run.events["shop/sales/shelf", "2026-01-03"]
    assert shown["dataproducts/version"] == 1
    assert shown["dagster/partition_row_count"] == 3
    assert shown["lines"] == 2  # what the port told of the delivery
    assert run.checks["arrived"].passed
    again = materialize(defs, "2026-01-03", selection=[SHELF])
    assert again.success
    assert standing(shelf) == [("2026-01-02", 1, 2), ("2026-01-03", 1, 3)]
    assert "was there already" in again.events["shop/sales/shelf", "2026-01-03"]["unchanged"]


def test_a_port_that_failed_is_retried_alone(product: Any, shelf: Shelf, materialize: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [True]

    def refuse(batch: Batch) -> None:
        if broken:
            raise PortError("shop/sales: the shelf is full; take something off it")

    defs = declare(product, replace(shelf, before=refuse))
    run = materialize(defs, "2026-01-02")
    assert not run.success
    assert run.failure == "shop/sales: the shelf is full; take something off it"
    assert ("shop/sales", "2026-01-02") in run.events  # the dataset is stored whatever its ports say
    broken.clear()
    assert materialize(defs, "2026-01-02", selection=[SHELF]).success
    assert standing(shelf) == [("2026-01-02", 1, 2)]


def test_what_another_run_left_open_is_told_of_too(product: Any, shelf: Shelf, materialize: Any) -> None:
    silent = [True]

    def hang_up(batch: Batch) -> None:
        if silent:
            raise PortUnavailable("shop/sales: the shelf does not answer; run again")

    defs = declare(product, replace(shelf, after=hang_up))
    assert not materialize(defs, "2026-01-02").success
    silent.clear()
    run = materialize(defs, "2026-01-05")
    assert run.success
    assert standing(shelf) == [("2026-01-02", 1, 2), ("2026-01-05", 1, 5)]
    assert {day for asset, day in run.events if asset == "shop/sales/shelf"} == {"2026-01-02", "2026-01-05"}


@pytest.mark.parametrize(
    ("error", "tags", "tries"),
    [
        (PortUnavailable("shop/sales: the shelf does not answer; run again"), {}, 2),
        (PortUnavailable("shop/sales: the shelf does not answer; run again"), {ATTENDED: "yes"}, 1),
        (PortError("shop/sales: the shelf is full; take something off it"), {}, 1),
        (ConfigurationError("SHELF_HEIGHT has 'tall', which is no height; write it in metres"), {}, 1),
    ],
)
def test_only_what_may_pass_is_tried_again_and_not_while_somebody_waits(
    error: Exception, tags: dict[str, str], tries: int, product: Any, shelf: Shelf, instance: Any
) -> None:
    tried = []

    def refuse(batch: Batch) -> None:
        tried.append(batch)
        raise error

    defs = declare(product, replace(shelf, before=refuse))
    assets = [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)]
    run = dg.materialize(assets, partition_key="2026-01-02", tags=tags, instance=instance, resources=defs.resources, raise_on_error=False)
    assert not run.success
    assert len(tried) == tries


def test_an_idle_port_writes_nowhere_and_says_so(product: Any, shelf: Shelf, materialize: Any) -> None:
    defs = declare(product, replace(shelf, why_idle="SHELF_HEIGHT is not set; it has to give the height of the shelf"))
    run = materialize(defs, "2026-01-02")
    assert run.success
    assert {asset for asset, _ in run.events} == {"shop/sales"}
    assert "shop/sales: the port shelf writes nowhere: SHELF_HEIGHT is not set" in run.text


def test_what_is_not_there_as_delivered_fails_the_check(product: Any, shelf: Shelf, materialize: Any) -> None:
    def lose(batch: Batch) -> None:
        Path(shelf.path).write_text("")

    run = materialize(declare(product, replace(shelf, after=lose)), "2026-01-02")
    assert not run.checks["arrived"].passed
    assert run.checks["arrived"].severity is dg.AssetCheckSeverity.ERROR
    assert "version 1 of 2026-01-02 is there 0 times" in run.text


def test_a_dataset_without_partitions_has_a_port_too(product: Any, shelf: Shelf, materialize: Any) -> None:
    @product.dataset(schema=Sale, key="id", ports=[shelf])
    def sales() -> pl.DataFrame:
        return pl.DataFrame({"id": [1]}, schema={"id": pl.Int64})

    run = materialize(product.definitions({"bracket": "steel"}))
    assert run.success
    assert standing(shelf) == [("-", 1, 1)]
    assert run.events["shop/sales/shelf", None]["dagster/row_count"] == 1


def test_a_port_that_cannot_take_the_dataset_is_refused_where_it_is_declared(product: Any, shelf: Shelf) -> None:
    @product.dataset(schema=Sale, key="id", kind="snapshot", partitions=DAYS)
    def stock(partition: str) -> pl.DataFrame:
        raise NotImplementedError

    with pytest.raises(DeclarationError, match="intervals do not go on a shelf"):
        product.history(stock, ports=[shelf])
    with pytest.raises(DeclarationError, match=r"shop/sales has two ports named 'shelf'; give one of the two another name"):
        declare(product, shelf, shelf)


def test_a_port_is_delivered_by_itself_when_its_dataset_is(product: Any, shelf: Shelf, persistent: Any) -> None:
    defs = declare(product, shelf)
    job = defs.get_repository_def().get_job("__ASSET_JOB")
    dataset = [dg.AssetKey(["shop", "sales"])]
    first = dg.evaluate_automation_conditions(defs=defs, instance=persistent)
    assert first.total_requested == 0
    for day in ("2026-01-02", "2026-01-04"):  # not only the newest day there is
        assert job.execute_in_process(instance=persistent, partition_key=day, asset_selection=dataset).success
    second = dg.evaluate_automation_conditions(defs=defs, instance=persistent, cursor=first.cursor)
    assert second.get_requested_partitions(SHELF) == {"2026-01-02", "2026-01-04"}
