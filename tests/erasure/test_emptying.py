"""Values of personal columns go from every version and stay away, while the rows stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.contract import META
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.errors import DeclarationError
from dataproducts.history.store import DatasetHistory
from dataproducts.quality.quarantine import Quarantine
from tests.erasure.searching import found_in
from tests.ports.shelf import Shelf

CONTACT = "kari-nordmann-7731"
days = dg.DailyPartitionsDefinition("2026-01-01")


class Ad(pa.DataFrameModel):
    number: int = dp.column("Number", personal="none")
    title: str = dp.column("Title", personal="possibly_identifying", erased="...")
    contacts: pl.List = dp.column("Contacts", personal="directly_identifying", erased=[], nullable=True, dtype_kwargs={"inner": pl.String})
    case_worker: str = dp.column("Case worker", personal="directly_identifying", nullable=True)
    place: str = dp.column("Place", personal="none", isin=["Oslo", "Bergen"])


class Seen(pa.DataFrameModel):
    number: int = dp.column("Number", personal="none")
    title: str = dp.column("Title", personal="possibly_identifying", erased="...")


class Count(pa.DataFrameModel):
    place: str = dp.column("Place")
    ads: int = dp.column("Ads")


@pytest.fixture
def shop(facts_file: Callable[..., Path]) -> Any:
    """Ads by day with their contacts, the titles of them, and counts in which nobody can be told."""
    product = dp.DataProduct(facts_file())
    sensitive: dict[str, Any] = {"personal": "directly_identifying", "access": "restricted"}

    @product.dataset(schema=Ad, key="number", partitions=days, quarantine=1.0, **sensitive)
    def ads(partition: str) -> pl.DataFrame:
        return delivered(partition)

    @product.dataset(schema=Seen, key="number", partitions=days, **sensitive)
    def seen(ads: pl.LazyFrame) -> pl.LazyFrame:
        return ads.select("number", "title")

    @product.dataset(schema=Count, key="place", partitions=days, personal="none", personal_reason="Counts.")
    def counts(ads: pl.LazyFrame) -> pl.LazyFrame:
        return ads.group_by("place").agg(ads=pl.len().cast(pl.Int64))

    return product


def delivered(partition: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "number": [1, 2, 3],
            "title": [f"Cook with {CONTACT}", "Smith", f"Baker, {CONTACT}"],
            "contacts": [[CONTACT, "other"], ["ola-nordmann-1204"], None],
            "case_worker": [f"{CONTACT}-too", None, None],
            "place": ["Oslo", "Bergen", "Tromsø"],  # the third is refused
        }
    )


@pytest.fixture
def world(shop: Any, lake: str, materialize: Any, instance: Any) -> World:
    for names in (["ads"], ["seen", "counts"]):
        run = materialize(shop, *names, span=("2026-01-01", "2026-01-02"))
        assert run.success, run.failure
    return World(lake, {"shop": shop}, instance, {})


def erase(world: World, *keys: object, name: str = "shop/ads") -> erasing.Report:
    plan = erasing.plan(world, name, [("--key", str(key)) for key in keys], only_personal=True)
    return erasing.erase(plan, reason="the ad was taken down", who="tester")


def test_values_go_from_every_version_and_rows_stay(world: World, lake: str, instance: Any) -> None:
    before = dp.versions("shop/ads")
    assert found_in(Path(lake), CONTACT)
    report = erase(world, 1, 3)
    assert {p.place: p.removed for p in report.places[:3]} == {"shop/ads": 2, "shop/ads, quarantine": 2, "shop/seen": 2}
    assert (report.untold, report.unfinished) == ((), [])
    rows = dp.scan("shop/ads", "2026-01-01").collect().rows()
    assert rows == [(1, "...", [], None, "Oslo"), (2, "Smith", ["ola-nordmann-1204"], None, "Bergen")]
    assert dp.read("shop/seen", "2026-01-02")["title"].tolist() == ["...", "Smith"]
    assert found_in(Path(lake), CONTACT) == []
    after = dp.versions("shop/ads")
    assert [(v.number, v.known_at, v.rows) for v in after] == [(v.number, v.known_at, v.rows) for v in before]
    assert after[0].note["erased"] | {"at": ""} == {"count": 0, "emptied": 1, "at": "", "void_hashes": [before[0].content_hash]}
    DatasetHistory(lake, "shop/ads").verify(after)
    events = instance.fetch_materializations(dg.AssetKey(["shop", "ads"]), limit=100).records
    assert not any(CONTACT in str(e.asset_materialization.metadata) for e in events)
    newest = instance.get_latest_materialization_event(dg.AssetKey(["shop", "ads"])).asset_materialization
    assert newest.metadata["erased"].value == "0 rows were erased from this version, and values in 1 others"


def test_later_deliveries_backfills_and_replays_bring_nothing_back(world: World, lake: str, shop: Any, materialize: Any) -> None:
    erase(world, 1, 3)
    numbers = [v.number for v in dp.versions("shop/ads")]
    assert materialize(shop, "ads", span=("2026-01-01", "2026-01-02")).success
    assert [v.number for v in dp.versions("shop/ads")] == numbers  # the same content as what is left
    assert materialize(shop, "ads", "seen", partition="2026-01-03").success
    assert dp.scan("shop/ads", "2026-01-03").collect().rows()[0] == (1, "...", [], None, "Oslo")
    assert Quarantine(lake, "shop/ads").rows(only_open=True).is_empty()
    assert found_in(Path(lake), CONTACT) == []


def test_the_same_again_finds_nothing_more_and_another_row_of_the_erased_goes_whole(world: World, lake: str) -> None:
    erase(world, 1)
    assert sum(p.removed for p in erase(world, 1).places) == 0
    plan = erasing.plan(world, "shop/ads", [("--key", "1")])
    assert {p.place: p.removed for p in erasing.erase(plan, reason="asked for it", who="t").places}["shop/ads"] == 2
    assert dp.scan("shop/ads", "2026-01-01").collect()["number"].to_list() == [2]
    registry = Registry(lake).refresh()
    assert {line.empties for line in registry.lines if line.dataset == "shop/seen"} == {(), (("title", '"..."'),)}


def test_who_resumes_knows_hashes_only_and_empties_all_the_same(world: World, lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    honest = erasing.rewrite
    monkeypatch.setattr(erasing, "rewrite", dies)
    with pytest.raises(KeyboardInterrupt):
        erase(world, 1, 3)
    monkeypatch.setattr(erasing, "rewrite", honest)
    assert found_in(Path(lake), CONTACT)
    (report,) = erasing.resume(World(lake, {}))
    assert not report.unfinished
    assert found_in(Path(lake), CONTACT) == []
    assert dp.scan("shop/ads", "2026-01-01").collect().height == 2


def test_what_cannot_be_emptied_is_refused_before_anything_is_changed(
    world: World, lake: str, shop: Any, instance: Any, materialize: Any
) -> None:
    with pytest.raises(DeclarationError, match="shop/counts has no personal columns; erase the rows, or class the columns"):
        erase(world, "Oslo", name="shop/counts")
    with pytest.raises(DeclarationError, match="shop/ads is not declared here, so its personal columns are not known"):
        erase(World(lake), 1)
    with pytest.raises(DeclarationError, match="'title' is personal and tells which rows are meant"):
        erase(world, json.dumps({"title": "Smith"}))

    class Strict(pa.DataFrameModel):
        number: int = dp.column("Number", personal="none")
        who: str = dp.column("Who", personal="directly_identifying")

    shop.dataset(schema=Strict, key="number", partitions=days, personal="directly_identifying", name="strict")(
        lambda ads: ads.select("number", who="title")
    )
    with pytest.raises(DeclarationError, match="'who' is personal and never missing; say what stands in place of an erased value"):
        erase(world, 1)
    assert found_in(Path(lake), CONTACT)


def test_a_port_that_cannot_empty_is_named_before_anything_is_changed(world: World, shop: Any, instance: Any, tmp_path: Path) -> None:
    from dataproducts.port_asset import PortAsset

    port = PortAsset.of(shop.datasets["seen"], Shelf(path=str(tmp_path / "shelf")))
    shop.ports["seen"] = [port]
    run = dg.materialize([*shop.datasets.values(), port], selection=[port.key], partition_key="2026-01-01", instance=instance, resources={"bracket": "steel"})  # fmt: skip
    assert run.success
    with pytest.raises(DeclarationError, match="shop/seen/shelf cannot empty columns of what it has delivered; erase the rows"):
        erase(world, 1)


@pytest.mark.parametrize(("kind", "instead"), [(str, 1), (int, "x"), (pl.Date, "2026-01-01"), (bool, 1)])
def test_what_stands_in_place_of_a_value_is_a_value(kind: Any, instead: Any) -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(kind, metadata={META: {"erased": instead}})})
    with pytest.raises(DeclarationError, match="is no value of it; give one"):
        dp.Contract.of(schema, dataset="shop/wrong")
