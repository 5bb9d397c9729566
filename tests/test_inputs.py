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
from dataproducts.errors import DeclarationError

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
