"""Datasets as inputs of datasets: which versions a run reads, in which kind of frame, and that the run remembers them."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas
import pandas as pd
import pandera.polars as pandera
import polars as pl
import pyarrow as pa
import pytest
from pandas import DataFrame  # noqa: F401 - for an annotation given as text

import dataproducts as dp
from dataproducts.errors import DeclarationError, PartitionUnavailable
from dataproducts.inputs import Input

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
KEY = "shop/copy"


class Stock(pandera.DataFrameModel):
    """What lies on the shelves."""

    id: int = dp.column("Article.")
    left: float = dp.column("How many are left.", nullable=True)


def shelf(count: int, left: float | None = 1.5) -> pl.DataFrame:
    return pl.DataFrame({"id": range(1, count + 1), "left": [left] * count}, schema={"id": pl.Int64, "left": pl.Float64})


def by_day(partition: str) -> pl.DataFrame:
    return shelf(int(partition[-2:]))


@pytest.fixture
def stocked(product: Any, materialize: Any) -> Any:
    """A product whose dataset "stock" has two days of snapshots, of two and three rows."""
    product.dataset(schema=Stock, key="id", kind="snapshot", partitions=DAYS, name="stock", row_change=None)(by_day)
    assert materialize(product, "stock", span=("2026-01-02", "2026-01-03")).success
    return product


def copying(product: Any, seen: list[Any], annotation: Any, **settings: Any) -> None:
    """Declare shop/copy, which takes shop/stock as annotated and gives it back."""

    def copy(stock):  # type: ignore[no-untyped-def]
        seen.append(stock)
        return stock

    if annotation is not None:
        copy.__annotations__["stock"] = annotation
    product.dataset(**{"schema": Stock, "key": "id", **settings})(copy)


KINDS: dict[str, tuple[Any, type]] = {
    "not at all": (None, pl.LazyFrame),
    "as anything": (Any, pl.LazyFrame),
    "lazy": (pl.LazyFrame, pl.LazyFrame),
    "polars": (pl.DataFrame, pl.DataFrame),
    "pandas": (pd.DataFrame, pd.DataFrame),
    "arrow": (pa.Table, pa.Table),
    "by text": ("pl.DataFrame", pl.DataFrame),
    "by text, whole name": ("pandas.DataFrame", pandas.DataFrame),
    "by text, imported by itself": ("DataFrame", pd.DataFrame),
    "by text, arrow": ("pa.Table", pa.Table),
}


@pytest.mark.parametrize("way", KINDS)
def test_an_input_comes_as_the_kind_of_frame_it_is_annotated_with(way: str, stocked: Any, materialize: Any) -> None:
    annotation, kind = KINDS[way]
    seen: list[Any] = []
    copying(stocked, seen, annotation)
    run = materialize(stocked, "copy")
    assert run.success, run.failure
    assert [type(frame) for frame in seen] == [kind]
    assert dp.read(KEY).to_dict("list") == {"id": [1, 2, 3], "left": [1.5, 1.5, 1.5]}
    assert dp.versions(KEY)[0].content_hash == dp.versions("shop/stock", "2026-01-03")[0].content_hash


def test_a_type_imported_for_type_checkers_only_is_known_by_its_text(stocked: Any, materialize: Any) -> None:
    kinds = {"pd.DataFrame": pd.DataFrame, "pl.LazyFrame": pl.LazyFrame, "polars.DataFrame": pl.DataFrame, "pyarrow.Table": pa.Table}
    for number, (text, kind) in enumerate(kinds.items()):
        module: dict[str, Any] = {"seen": []}
        exec(f"def copy(stock: {text!r}):\n    seen.append(stock)\n    return stock", module)
        stocked.dataset(schema=Stock, key="id", name=f"copy_{number}")(module["copy"])
        assert materialize(stocked, f"copy_{number}").success
        assert [type(frame) for frame in module["seen"]] == [kind]


@pytest.mark.parametrize("annotation", [list, "dict[str, int]", int, pl.Series])
def test_another_annotation_is_refused_when_the_dataset_is_declared(annotation: Any, stocked: Any) -> None:
    with pytest.raises(DeclarationError) as error:
        copying(stocked, [], annotation)
    assert str(error.value).startswith("shop/copy: input 'stock' is annotated")
    assert "\n" not in str(error.value)


def test_a_dataset_cut_alike_reads_the_same_partition(stocked: Any, materialize: Any) -> None:
    copying(stocked, [], pl.DataFrame, partitions=DAYS)
    run = materialize(stocked, "copy", span=("2026-01-02", "2026-01-03"))
    assert {p: e["dagster/partition_row_count"] for (_, p), e in run.events.items()} == {"2026-01-02": 2, "2026-01-03": 3}
    assert run.events[(KEY, "2026-01-02")]["dataproducts/inputs"] == {"shop/stock": [["2026-01-02", 1]]}


def test_a_dataset_without_partitions_reads_the_newest_snapshot(stocked: Any, materialize: Any) -> None:
    copying(stocked, [], None)
    run = materialize(stocked, "copy")
    assert run.events[(KEY, None)]["dagster/row_count"] == 3
    assert run.events[(KEY, None)]["dataproducts/inputs"] == {"shop/stock": [["2026-01-03", 1]]}


def test_a_day_that_is_not_there_upstream_is_never_replaced_by_another_day(stocked: Any, materialize: Any) -> None:
    """Also where the input begins later than the dataset, so that Dagster knows of no such partition of it."""
    copying(stocked, [], None, partitions=dg.DailyPartitionsDefinition("2025-12-01"))
    for day in ("2025-12-05", "2026-01-01", "2026-01-09"):
        run = materialize(stocked, "copy", partition=day)
        assert run.failure == f"shop/stock has no partition {day!r} yet; materialize it first"
        assert run.events == {}


def test_an_input_that_was_never_materialized_is_said_to_be_missing(product: Any, materialize: Any) -> None:
    product.dataset(schema=Stock, key="id", name="stock")(lambda: shelf(1))
    copying(product, [], None)
    run = materialize(product, "copy")
    assert run.failure == "shop/stock has not been materialized yet; do that first"


def test_all_partitions_of_a_table_are_read_together(product: Any, materialize: Any) -> None:
    areas = dg.StaticPartitionsDefinition(["n", "s"])
    product.dataset(schema=Stock, key="id", partitions=areas, name="stock")(
        lambda partition: shelf(4).filter(pl.col("id") <= 2 if partition == "n" else pl.col("id") > 2)
    )
    assert materialize(product, "stock", span=("n", "s")).success
    copying(product, [], None, partitions=DAYS)
    run = materialize(product, "copy", partition="2026-01-05")
    assert run.events[(KEY, "2026-01-05")]["dagster/partition_row_count"] == 4
    assert run.events[(KEY, "2026-01-05")]["dataproducts/inputs"] == {"shop/stock": [["n", 1], ["s", 1]]}


def test_partitions_of_the_same_kind_are_the_same_partition_whatever_the_kind(product: Any, materialize: Any, instance: Any) -> None:
    instance.add_dynamic_partitions("files", ["a", "b"])
    kinds = {
        "static": (dg.StaticPartitionsDefinition(["a", "b"]), "a"),
        "dynamic": (dg.DynamicPartitionsDefinition(name="files"), "a"),
        "hourly": (dg.HourlyPartitionsDefinition("2026-01-01-00:00"), "2026-01-01-05:00"),
        "multi": (dg.MultiPartitionsDefinition({"day": DAYS, "area": dg.StaticPartitionsDefinition(["n", "s"])}), "n|2026-01-01"),
    }
    for kind, (partitions, key) in kinds.items():
        product.dataset(schema=Stock, key="id", partitions=partitions, name=f"{kind}_stock")(lambda: shelf(2))
        inputs = {"stock": product.datasets[f"{kind}_stock"]}
        copying(product, [], pl.DataFrame, partitions=partitions, name=kind, inputs=inputs)
        assert materialize(product, f"{kind}_stock", partition=key).success
        run = materialize(product, kind, partition=key)
        assert run.events[(f"shop/{kind}", key)]["dataproducts/inputs"] == {f"shop/{kind}_stock": [[key, 1]]}


def test_inputs_are_known_by_name_by_alias_and_by_list(product: Any, materialize: Any) -> None:
    stock = product.dataset(schema=Stock, key="id", name="stock")(lambda: shelf(2))
    product.dataset(schema=Stock, key="id", inputs={"shelves": stock}, name="aliased")(lambda shelves: shelves)
    product.dataset(schema=Stock, key="id", inputs=[stock], name="listed")(lambda stock: stock)
    product.dataset(schema=Stock, key="id", inputs=[stock], name="only_after")(lambda: shelf(1))
    product.dataset(schema=Stock, key="id", name="named")(lambda stock: stock)
    for name in ("aliased", "listed", "only_after", "named"):
        assert [d.asset_key for d in product.datasets[name].get_asset_spec().deps] == [stock.key]
    run = materialize(product, "stock", "aliased", "listed", "only_after", "named")
    assert run.success
    assert dp.read("shop/aliased").shape[0] == 2


def test_the_versions_a_run_read_are_kept_with_the_version_it_made(stocked: Any, materialize: Any) -> None:
    copying(stocked, [], None)
    materialize(stocked, "copy")
    assert dp.versions(KEY)[0].note["inputs"] == {"shop/stock": [["2026-01-03", 1]]}


def test_a_run_that_changed_nothing_still_says_what_it_read(product: Any, materialize: Any) -> None:
    counts = [3, 4]
    product.dataset(schema=Stock, key="id", name="stock")(lambda: shelf(counts.pop(0)))
    product.dataset(schema=Stock, key="id", name="copy")(lambda stock: stock.head(2))
    first, second = (materialize(product, "stock", "copy") for _ in range(2))
    assert first.events[(KEY, None)]["dataproducts/inputs"] == {"shop/stock": [["-", 1]]}
    assert second.events[(KEY, None)]["dataproducts/inputs"] == {"shop/stock": [["-", 2]]}
    assert "unchanged" in second.events[(KEY, None)]
    assert [v.note["inputs"] for v in dp.versions(KEY)] == [{"shop/stock": [["-", 1]]}]


def test_a_history_is_read_as_intervals_in_whatever_partition(stocked: Any, materialize: Any) -> None:
    stocked.history(stocked.datasets["stock"], name="story")
    assert materialize(stocked, "story", span=("2026-01-02", "2026-01-03")).success
    seen: list[pl.DataFrame] = []

    @stocked.dataset(schema=Stock, key="id", partitions=DAYS)
    def opened(partition: str, story: pl.DataFrame) -> pl.DataFrame:
        seen.append(story)
        return story.filter(pl.col("valid_from").cast(pl.String) == partition).select("id", "left")

    run = materialize(stocked, "opened", partition="2026-01-03")
    assert seen[0].columns == ["id", "left", "valid_from", "valid_to"]
    assert seen[0].height == 3
    assert dp.read("shop/opened", partition="2026-01-03")["id"].tolist() == [3]
    assert run.events[("shop/opened", "2026-01-03")]["dataproducts/inputs"] == {"shop/story": [["2026-01-02", 1], ["2026-01-03", 1]]}


def test_exact_types_reach_pandas(stocked: Any, materialize: Any) -> None:
    seen: list[Any] = []
    copying(stocked, seen, pd.DataFrame)
    materialize(stocked, "copy")
    assert {n: str(t) for n, t in seen[0].dtypes.items()} == {"id": "int64[pyarrow]", "left": "double[pyarrow]"}


# Partitions cut by time, differently here and upstream

OSLO = "Europe/Oslo"
HOURS = dg.HourlyPartitionsDefinition("2026-10-24-00:00", timezone=OSLO)
NIGHTS = dg.DailyPartitionsDefinition("2026-10-24", timezone=OSLO)


def stocktaking(product: Any, partitions: Any = HOURS, **settings: Any) -> Any:
    """Declare shop/stock by the hour, with the hour (or the offset of the hour that comes twice) as the id."""

    def stock(partition: str) -> pl.DataFrame:
        return pl.DataFrame({"id": [int(partition[8:13].replace("-", "")) + 1000 * ("+" in partition)], "left": [None]}, shelf(0).schema)

    return product.dataset(schema=Stock, key="id", partitions=partitions, name="stock", row_change=None, **settings)(stock)


def hours_of(day: str) -> list[str]:
    return [key for key in HOURS.get_partition_keys() if key.startswith(day)]


def test_a_day_reads_the_hours_within_it_and_no_others(product: Any, materialize: Any) -> None:
    stocktaking(product)
    copying(product, [], pl.DataFrame, partitions=NIGHTS)
    assert materialize(product, "stock", span=("2026-10-24-00:00", "2026-10-26-05:00")).success
    run = materialize(product, "copy", partition="2026-10-24")
    used = run.events[(KEY, "2026-10-24")]["dataproducts/inputs"]
    assert used == {"shop/stock": [[hour, 1] for hour in hours_of("2026-10-24")]}
    assert len(used["shop/stock"]) == 24
    assert dp.read(KEY, partition="2026-10-24")["id"].tolist() == [2400 + hour for hour in range(24)]


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2027-03-28", 23), ("2026-10-26", 24)])
def test_a_day_has_all_its_hours_also_when_the_clock_is_changed(day: str, hours: int, product: Any, store: Any) -> None:
    upstream = stocktaking(product, dg.HourlyPartitionsDefinition("2026-10-24-00:00", timezone=OSLO, end_date="2027-04-01-00:00"))
    found = Input(upstream.contract, upstream.declaration.partitions)
    keys = list(found.partitions.get_partition_keys_in_time_window(NIGHTS.time_window_for_partition_key(day)))
    assert len(keys) == len(set(keys)) == hours
    store(upstream.contract, {key: shelf(1) for key in keys})
    assert [v.partition for v in found.choose(day, NIGHTS)] == keys


def test_the_first_hour_that_is_missing_is_named(product: Any, materialize: Any) -> None:
    stocktaking(product)
    copying(product, [], None, partitions=NIGHTS)
    assert materialize(product, "stock", span=("2026-10-25-00:00", "2026-10-25-02:00")).success  # of the two hours called two the first
    run = materialize(product, "copy", partition="2026-10-25")
    assert run.failure == "shop/stock has no partition '2026-10-25-02:00+0100' yet, which '2026-10-25' needs; materialize it first"
    assert run.events == {}


def test_a_day_that_is_not_over_is_not_whole(product: Any, store: Any) -> None:
    """Its hours to come are as much a part of it as those gone by."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    today = datetime.now(ZoneInfo(OSLO)).date()
    upstream = stocktaking(product, dg.HourlyPartitionsDefinition(f"{today - timedelta(days=1)}-00:00", timezone=OSLO))
    days = dg.DailyPartitionsDefinition(str(today - timedelta(days=1)), timezone=OSLO, end_offset=1)
    store(upstream.contract, {key: shelf(1) for key in [*upstream.declaration.partitions.get_partition_keys(), f"{today}-00:00"]})
    found = Input(upstream.contract, upstream.declaration.partitions)
    assert found.choose(str(today - timedelta(days=1)), days)
    with pytest.raises(PartitionUnavailable, match=rf"has no partition '{today}-.*' yet, which '{today}' needs"):
        found.choose(str(today), days)


def test_an_input_that_begins_within_a_day_gives_what_there_is_of_it(product: Any, store: Any) -> None:
    upstream = stocktaking(product, dg.HourlyPartitionsDefinition("2026-10-24-20:00", timezone=OSLO))
    found = Input(upstream.contract, upstream.declaration.partitions)
    store(upstream.contract, {key: shelf(1) for key in hours_of("2026-10-24")[20:]})
    days = dg.DailyPartitionsDefinition("2026-10-20", timezone=OSLO)
    assert len(found.choose("2026-10-24", days)) == 4
    with pytest.raises(PartitionUnavailable, match="shop/stock begins after '2026-10-23'"):
        found.choose("2026-10-23", days)


def test_of_snapshots_within_a_day_the_last_is_read(product: Any, materialize: Any) -> None:
    stocktaking(product, kind="snapshot")
    copying(product, [], pl.DataFrame, partitions=NIGHTS)
    assert materialize(product, "stock", span=("2026-10-24-22:00", "2026-10-25-01:00")).success
    run = materialize(product, "copy", partition="2026-10-24")
    assert run.events[(KEY, "2026-10-24")]["dataproducts/inputs"] == {"shop/stock": [["2026-10-24-23:00", 1]]}


def test_an_hour_reads_the_day_it_lies_in(product: Any, materialize: Any) -> None:
    product.dataset(schema=Stock, key="id", partitions=NIGHTS, name="stock", row_change=None)(by_day)
    copying(product, [], pl.DataFrame, partitions=HOURS)
    assert materialize(product, "stock", span=("2026-10-24", "2026-10-25")).success
    run = materialize(product, "copy", partition="2026-10-25-02:00+0100")
    assert run.events[(KEY, "2026-10-25-02:00+0100")]["dataproducts/inputs"] == {"shop/stock": [["2026-10-25", 1]]}


def test_the_same_day_of_another_product_is_an_input_like_any_other(product: Any, facts_file: Any, materialize: Any, store: Any) -> None:
    other = dp.DataProduct(facts_file("farm"))
    eggs = other.dataset(schema=Stock, key="id", kind="snapshot", partitions=NIGHTS, name="eggs")(by_day)
    store(eggs.contract, {"2026-10-24": shelf(2), "2026-10-25": shelf(3)})
    product.dataset(schema=Stock, key="id", partitions=NIGHTS, inputs=[eggs], name="copy")(lambda eggs: eggs)
    run = materialize(product, "copy", partition="2026-10-24")
    assert run.events[(KEY, "2026-10-24")]["dataproducts/inputs"] == {"farm/eggs": [["2026-10-24", 1]]}


# How far back


def test_everything_until_the_end_of_a_day_is_read_and_nothing_later(product: Any, materialize: Any) -> None:
    hourly = stocktaking(product)
    copying(product, [], pl.DataFrame, partitions=NIGHTS, inputs={"stock": dp.until(hourly)})
    assert materialize(product, "stock", span=("2026-10-24-00:00", "2026-10-26-05:00")).success
    run = materialize(product, "copy", partition="2026-10-25")
    used = run.events[(KEY, "2026-10-25")]["dataproducts/inputs"]["shop/stock"]
    assert [hour for hour, _ in used] == [*hours_of("2026-10-24"), *hours_of("2026-10-25")]


def test_what_is_read_until_a_day_has_no_holes(product: Any, store: Any) -> None:
    hourly = stocktaking(product)
    keys = [*hours_of("2026-10-24"), *hours_of("2026-10-25")]
    store(hourly.contract, {key: shelf(1) for key in keys if key != "2026-10-24-07:00"})
    with pytest.raises(PartitionUnavailable, match="'2026-10-24-07:00'"):
        Input(hourly.contract, HOURS, "until").choose("2026-10-25", NIGHTS)


def counting(product: Any, partitions: Any = NIGHTS, breaks: set[str] = frozenset()) -> Any:  # type: ignore[assignment]
    """Declare shop/total, whose one row counts the partitions before it."""

    def total(partition: str, before: pl.DataFrame) -> pl.DataFrame:
        if partition in breaks:
            raise ValueError("the till does not open")
        count = before["left"].sum() if before.height else 0.0
        return pl.DataFrame({"id": [1], "left": [count + 1]})

    return product.dataset(
        schema=Stock, key="id", kind="snapshot", partitions=partitions, inputs={"before": dp.previous()}, row_change=None
    )(total)


def test_a_state_is_made_from_the_one_before_also_within_one_run(product: Any, materialize: Any) -> None:
    counting(product)
    run = materialize(product, "total", span=("2026-10-24", "2026-10-27"))
    assert run.success
    counts = {v.partition: dp.read("shop/total", partition=v.partition)["left"].tolist() for v in dp.versions("shop/total")}
    assert counts == {"2026-10-24": [1.0], "2026-10-25": [2.0], "2026-10-26": [3.0], "2026-10-27": [4.0]}
    assert run.events[("shop/total", "2026-10-24")].get("dataproducts/inputs") == {"shop/total": []}
    assert run.events[("shop/total", "2026-10-27")]["dataproducts/inputs"] == {"shop/total": [["2026-10-26", 1]]}


def test_a_state_whose_day_before_is_missing_is_not_made_up(product: Any, materialize: Any) -> None:
    counting(product)
    run = materialize(product, "total", partition="2026-10-26")
    assert run.failure == "shop/total has no partition '2026-10-25' yet, which '2026-10-26' needs; materialize it first"


def test_a_day_that_fails_stops_the_days_after_it_and_no_others(product: Any, materialize: Any) -> None:
    counting(product, breaks={"2026-10-26"})
    run = materialize(product, "total", span=("2026-10-24", "2026-10-27"))
    assert not run.success
    assert [v.partition for v in dp.versions("shop/total")] == ["2026-10-24", "2026-10-25"]
    assert "the till does not open" in run.failure
    assert "shop/total has no partition '2026-10-26' yet, which '2026-10-27' needs" in run.failure


REACHES: dict[str, Any] = {"own": lambda stock: stock, "until": dp.until}


@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize("day", ["2026-10-24", "2026-10-25", "2026-10-26"])
def test_dagster_is_told_of_the_very_partitions_that_are_read(reach: str, day: str, product: Any, store: Any) -> None:
    hourly = stocktaking(product)
    copying(product, [], None, partitions=NIGHTS, inputs={"stock": REACHES[reach](hourly)})
    store(hourly.contract, {key: shelf(1) for key in HOURS.get_partition_keys()[:73]})
    read = [v.partition for v in product.datasets["copy"].declaration.inputs["stock"].choose(day, NIGHTS)]
    graph = product.definitions().resolve_asset_graph()
    mapping = graph.get_partition_mapping(product.datasets["copy"].key, hourly.key)
    told = mapping.get_upstream_mapped_partitions_result_for_partitions(NIGHTS.subset_with_partition_keys([day]), NIGHTS, HOURS)
    assert list(told.partitions_subset.get_partition_keys()) == read
    assert len(read) >= 24


def test_automation_waits_for_the_last_hour_of_the_day(product: Any, instance: Any) -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    hourly = stocktaking(product)
    every_day = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    copying(product, [], None, partitions=NIGHTS, inputs=[hourly], automation=every_day)
    definitions = product.definitions()
    now = datetime(2026, 10, 26, 0, 10, tzinfo=ZoneInfo(OSLO))

    def requested(cursor: Any = None) -> Any:
        return dg.evaluate_automation_conditions(defs=definitions, instance=instance, cursor=cursor, evaluation_time=now)

    start = requested()
    for key in [*hours_of("2026-10-24"), *hours_of("2026-10-25")[:-1]]:
        instance.report_runless_asset_event(dg.AssetMaterialization(hourly.key, partition=key))
    first = requested(start.cursor)
    assert first.get_requested_partitions(product.datasets["copy"].key) == {"2026-10-24"}
    instance.report_runless_asset_event(dg.AssetMaterialization(hourly.key, partition="2026-10-25-23:00"))
    assert requested(first.cursor).get_requested_partitions(product.datasets["copy"].key) == {"2026-10-25"}


def test_inputs_that_do_not_go_together_are_refused_when_declared(product: Any) -> None:
    hourly = stocktaking(product)
    unpartitioned = product.dataset(schema=Stock, key="id", name="whole")(lambda: shelf(1))
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("both partitions the same timezone", {"partitions": DAYS, "inputs": [hourly]}),
        ("needs partitions by time on both sides", {"inputs": {"stock": dp.until(hourly)}}),
        ("needs partitions by time on both sides", {"partitions": NIGHTS, "inputs": {"stock": dp.until(unpartitioned)}}),
        ("needs partitions by time on both sides", {"inputs": {"stock": dp.previous()}}),
        ("which needs a name", {"partitions": NIGHTS, "inputs": [dp.previous()]}),
    ]
    for text, settings in wrong:
        with pytest.raises(DeclarationError, match=text) as error:
            copying(product, [], None, **settings)
        assert str(error.value).startswith("shop/copy")
        assert "\n" not in str(error.value)


def test_the_hour_that_comes_twice_is_two_moments_in_a_history(product: Any, materialize: Any) -> None:
    hourly = stocktaking(product, kind="snapshot")
    product.history(hourly, name="story")
    assert materialize(product, "stock", "story", span=("2026-10-25-01:00", "2026-10-25-03:00")).success
    begun = dp.scan("shop/story").collect().sort("valid_from")["valid_from"].dt.strftime("%H:%M").to_list()
    assert begun == ["23:00", "00:00", "01:00", "02:00"]


def test_automation_makes_states_one_day_after_the_other(product: Any, instance: Any) -> None:
    hourly = stocktaking(product)
    every_day = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    total = product.dataset(
        schema=Stock, key="id", partitions=NIGHTS, inputs={"before": dp.previous()}, automation=every_day, name="total"
    )(lambda stock, before: stock)
    definitions = product.definitions()
    cursor, order = None, []
    for ticks in range(6):
        evaluated = dg.evaluate_automation_conditions(defs=definitions, instance=instance, cursor=cursor)
        cursor = evaluated.cursor
        asked = sorted(evaluated.get_requested_partitions(total.key))
        order.append(asked)
        for key in asked:
            instance.report_runless_asset_event(dg.AssetMaterialization(total.key, partition=key))
        for key in HOURS.get_partition_keys()[:73] if ticks == 0 else []:
            instance.report_runless_asset_event(dg.AssetMaterialization(hourly.key, partition=key))
    # Dagster 1.13 asks for the day before once more: an asset with checks is its own neighbor, and is reached by the mapping to itself
    assert [max(asked) for asked in order if asked] == ["2026-10-24", "2026-10-25", "2026-10-26"]
    assert order[0] == order[-1] == []
