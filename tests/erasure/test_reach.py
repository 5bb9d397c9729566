"""What is made from erased rows is erased too, ports are told, and what cannot be reached keeps an erasure from being done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.erasure import erasing
from dataproducts.erasure.derived import derived
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.erasure.subjects import Erased
from dataproducts.errors import UnknownDataset
from dataproducts.ports.port import Removed
from tests.erasure.searching import found_in
from tests.ports.shelf import Shelf, Standing

GONE = "kari-nordmann-7731"
days = dg.DailyPartitionsDefinition("2026-01-01")


class Customer(pa.DataFrameModel):
    who: str = dp.column("Who", concept="customer")
    amount: int = dp.column("Amount")
    parent: str = dp.column("Who pays", concept="customer", nullable=True)


class Plain(pa.DataFrameModel):
    who: str = dp.column("Who")
    amount: int = dp.column("Amount")


class Buyer(pa.DataFrameModel):
    buyer: str = dp.column("Who", concept="customer")
    visits: int = dp.column("Visits")


class Total(pa.DataFrameModel):
    day: str = dp.column("Day")
    amount: int = dp.column("Amount")


@pytest.fixture
def shop(facts_file: Callable[..., Path], tmp_path: Path) -> Any:
    """Customers by day; their intervals, the buyers among them, and a total in which nobody can be told."""
    path = facts_file() / "product.yaml"
    concept = (
        "concepts:\n  - name: customer\n    label: {nb: kunde, en: customer}\n    definition: {nb: En som handler., en: One who buys.}\n"
    )
    path.write_text(path.read_text() + concept)
    product = dp.DataProduct(path)
    shelf = Shelf(path=str(tmp_path / "shelf"))

    @product.dataset(schema=Customer, key="who", kind="snapshot", partitions=days, ports=[shelf])
    def customers(partition: str) -> pl.DataFrame:
        return pl.DataFrame({"who": [GONE, "ola-nordmann-1204"], "amount": [1, int(partition[-1])], "parent": ["third-party-9", None]})

    @product.dataset(schema=Buyer, key="buyer", partitions=days)
    def buyers(customers: pl.LazyFrame) -> pl.LazyFrame:
        return customers.select(buyer="who", visits="amount")

    @product.dataset(schema=Total, key="day", partitions=days)
    def totals(partition: str, buyers: pl.LazyFrame) -> pl.LazyFrame:
        return buyers.select(day=pl.lit(partition), amount=pl.col("visits").sum())

    product.history(customers, name="customers_history")
    return product


def test_the_same_people_are_found_downstream_by_lineage_concept_and_name(shop: Any) -> None:
    datasets = {d.contract.dataset: d for d in shop.datasets.values()}
    reach = derived(datasets, "shop/customers", ["who"])
    assert reach.columns == {
        "shop/customers": ((("who", "who"),),),
        "shop/buyers": ((("buyer", "buyer"),),),
        "shop/customers_history": ((("who", "who"),),),
    }
    assert reach.untold == ("shop/totals",)


@pytest.fixture
def world(shop: Any, lake: str, materialize: Any, instance: dg.DagsterInstance) -> World:
    for names in (["customers"], ["buyers"], ["totals", "customers_history"]):
        assert materialize(shop, *names, span=("2026-01-01", "2026-01-02")).success
    return World(lake, {"shop": shop}, instance, {"bracket": "steel"})


def erase(world: World) -> erasing.Report:
    plan = erasing.plan(world, "shop/customers", [("--key", GONE)])
    return erasing.erase(plan, reason="asked for it", who="tester")


def test_everything_made_from_them_loses_them_and_counts_are_named(
    world: World, lake: str, instance: Any, materialize: Any, shop: Any
) -> None:
    assert any("sample" in e.asset_materialization.metadata for e in _events(instance) if GONE in str(e.asset_materialization.metadata))
    report = erase(world)
    assert {p.place: p.removed for p in report.places[:3]} == {
        "shop/customers": 2, "shop/buyers": 2, "shop/customers_history": 1
    }  # fmt: skip
    assert report.untold == ("shop/totals",)
    assert not report.unfinished
    assert found_in(Path(lake), GONE) == []
    assert not any(GONE in str(e.asset_materialization.metadata) for e in _events(instance))
    newest = instance.get_latest_materialization_event(dg.AssetKey(["shop", "buyers"])).asset_materialization
    assert newest.metadata["dataproducts/content_hash"].value == dp.versions("shop/buyers")[-1].content_hash

    assert materialize(shop, "totals", span=("2026-01-01", "2026-01-02")).success
    assert dp.read("shop/totals")["amount"].tolist() == [1, 2]
    history = dp.scan("shop/customers_history").collect()
    assert set(history["who"]) == {"ola-nordmann-1204"}


def _events(instance: dg.DagsterInstance) -> list[Any]:
    found = []
    for name in ("customers", "buyers", "totals", "customers_history"):
        found += instance.fetch_materializations(dg.AssetKey(["shop", name]), limit=100).records
    return found


def test_a_port_that_cannot_erase_keeps_the_erasure_open_until_it_can(
    world: World, lake: str, materialize: Any, shop: Any, instance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = shop.ports["customers"]
    run = dg.materialize(
        [*shop.datasets.values(), port], selection=[port.key], partition_key="2026-01-01", instance=instance, resources={"bracket": "steel"}
    )
    assert run.success
    report = erase(world)
    assert report.unfinished == ["shop/customers/shelf has no way to erase; remove the rows there by hand"]
    assert len(Registry(lake).refresh().open()) == 1
    assert found_in(Path(lake), GONE) == []

    told: list[Erased] = []
    monkeypatch.setattr(Standing, "erase", lambda self, erased: told.append(erased) or Removed(1), raising=False)
    (resumed,) = erasing.resume(world)
    assert not resumed.unfinished
    assert [one.dataset for one in told] == ["shop/customers"]
    assert {p.place: p.removed for p in resumed.places}["shop/customers/shelf"] == 1
    assert not Registry(lake).refresh().open()


def test_published_files_lose_them_by_the_same_erasure(product: Any, materialize: Any, home: Path, lake: str, instance: Any) -> None:
    @product.dataset(schema=Plain, key="who", ports=[dp.Package()])
    def customers() -> pl.DataFrame:
        return pl.DataFrame({"who": [GONE, "ola-nordmann-1204"], "amount": [1, 2]})

    (port,) = product.ports["customers"]
    assert dg.materialize([customers, port], instance=instance).success
    assert found_in(home / "packages", GONE) != []
    report = erase(World(lake, {"shop": product}, instance))
    assert not report.unfinished
    assert {p.place: p.removed for p in report.places}["shop/customers/package"] == 1
    assert found_in(home / "packages", GONE) == []
    assert found_in(Path(lake), GONE) == []
    comparison, waiting, _ = port.compare({}, True)
    assert (comparison.versions, comparison.rows, comparison.differences, list(waiting)) == (1, 1, (), [])


def test_views_show_nobody_who_is_erased_from_what_they_read(world: World, lake: str, materialize: Any, shop: Any, instance: Any) -> None:
    (shop.folder / "seen.sql").write_text("SELECT buyer, visits FROM {{ buyers }}")
    (shop.folder / "counted.sql").write_text("SELECT @partition AS day, SUM(visits) AS amount FROM {{ buyers }}")
    shop.sql_dataset("seen.sql", schema=Buyer, key="buyer", partitions=days, materialized="view")
    shop.sql_dataset("counted.sql", schema=Total, partitions=days, materialized="view")
    assert materialize(shop, "seen", "counted", span=("2026-01-01", "2026-01-02")).success
    before = dp.scan("shop/seen", "2026-01-01").collect().rows()
    with pytest.raises(UnknownDataset, match="shop/seen is a view and holds no rows; erase from shop/buyers, which it reads"):
        erasing.plan(world, "shop/seen", [("--key", GONE)])
    report = erase(world)
    assert not report.unfinished
    assert report.untold == ("shop/totals",)  # the view of sums is right already
    assert before == [(GONE, 1), ("ola-nordmann-1204", 1)]
    assert dp.scan("shop/seen", "2026-01-01").collect().rows() == [("ola-nordmann-1204", 1)]
    assert dp.scan("shop/seen", "2026-01-01", 1).collect().rows() == [("ola-nordmann-1204", 1)]
    assert dp.scan("shop/counted", "2026-01-01").collect().rows() == [("2026-01-01", 1)]
    assert found_in(Path(lake), GONE) == []
    of_view = instance.fetch_materializations(dg.AssetKey(["shop", "seen"]), limit=10).records
    assert of_view
    assert not any(GONE in str(e.asset_materialization.metadata) for e in of_view)
    assert materialize(shop, "seen", partition="2026-01-01").success
    assert dp.versions("shop/seen", "2026-01-01")[-1].rows == 1
