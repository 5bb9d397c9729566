"""A declared dataset in Dagster: what it shows, what a run stores, what it refuses, and how a run that broke is taken up again."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import pandera.polars as pa
import polars as pl
import pyarrow as arrow
import pytest
from polars.testing import assert_frame_equal

import dataproducts as dp
from dataproducts import materialization
from dataproducts.errors import DataProductsError, DeclarationError, HistoryError
from dataproducts.history.store import DatasetHistory
from dataproducts.history.table import HistoryTable
from dataproducts.quality.quarantine import Quarantine

ROOT = Path(__file__).parents[1]
DAYS = dg.DailyPartitionsDefinition("2026-01-01")
SALES = dg.AssetKey(["shop", "sales"])
IDENTICAL = "Same content as before"


class Sale(pa.DataFrameModel):
    """What was sold."""

    id: int = dp.column("Number of the receipt.", ge=1)
    amount: float = dp.column("What was paid.", unit="NOK", nullable=True, ge=0, raise_warning=True)
    shop: str = dp.column("Where it was sold.", isin=["north", "south"])


def rows(count: int = 3, *, shop: str | None = "north") -> pl.DataFrame:
    shops = pl.Series([shop] * count, dtype=pl.String)
    return pl.DataFrame(
        {"id": range(1, count + 1), "amount": [1.5] * count, "shop": shops}, schema_overrides={"id": pl.Int64, "amount": pl.Float64}
    )


def sales(product: Any, make: Callable[..., Any], **settings: Any) -> Any:
    """Declare shop/sales, made by a function."""
    return product.dataset(**{"schema": Sale, "key": "id", "name": "sales", **settings})(make)


def stored(dataset: str = "shop/sales") -> dict[str, int]:
    """Newest version of each partition that is in the lake."""
    lake = Path(os.environ["DATAPRODUCTS_HOME"]) / "lake"
    return {p: v.number for p, v in DatasetHistory(str(lake), dataset).current().items()}


def quarantine(dataset: str = "shop/sales") -> pl.DataFrame:
    lake = Path(os.environ["DATAPRODUCTS_HOME"]) / "lake"
    return Quarantine(str(lake), dataset).rows()


def is_one_sentence(text: str) -> bool:
    return "\n" not in text and "Traceback" not in text and text.startswith("shop/sales")


# What Dagster shows


def test_a_dataset_stays_the_function_it_was(product: Any) -> None:
    @product.dataset(schema=Sale, key="id", partitions=DAYS)
    def sales(partition: str) -> pl.DataFrame:
        """Receipts of a day."""
        return rows(int(partition[-2:]))

    assert sales("2026-01-04").height == 4
    assert sales(partition="2026-01-02").height == 2
    assert isinstance(sales, dg.AssetsDefinition)


def test_calling_what_the_kit_makes_says_that_there_is_no_function(product: Any) -> None:
    history = product.history(sales(product, rows, kind="snapshot", partitions=DAYS))
    with pytest.raises(DeclarationError, match="shop/sales_history is made by the kit"):
        history("2026-01-01")


def test_the_asset_carries_what_contract_and_facts_say(product: Any) -> None:
    @product.dataset(
        schema=Sale,
        key="id",
        version="2.1.0",
        partitions=DAYS,
        freshness=timedelta(hours=30),
        kinds=["pandas"],
        tags={"domain": "retail"},
        source=dp.Source("till", "The tills.", "https://example.com/till"),
        access="open",
    )
    def sales() -> pl.DataFrame:
        """Receipts, day by day."""
        return rows()

    spec = sales.get_asset_spec()
    assert spec.key == SALES
    assert spec.description == "Receipts, day by day."
    assert spec.owners == ["team:team-shop", "team-shop@example.com"]
    assert spec.group_name == "shop"
    assert spec.kinds == {"delta", "pandas"}
    assert spec.tags["domain"] == "retail"
    assert spec.tags["dataproducts/access"] == "open"
    assert spec.tags["dataproducts/personal_data"] == "none"
    assert spec.code_version == sales.contract.code_version
    assert spec.code_version.startswith("2.1.0+")
    assert spec.freshness_policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=30))
    assert spec.partitions_def == DAYS
    assert [dep.asset_key for dep in spec.deps] == [dg.AssetKey(["shop", "source", "till"])]
    assert spec.metadata["dataproducts/contract"] == "2.1.0"
    assert spec.metadata["dataproducts/key"] == "id"
    assert sales.backfill_policy == dg.BackfillPolicy.multi_run(100)


def test_the_columns_tab_shows_types_units_and_constraints(product: Any) -> None:
    schema = sales(product, rows).get_asset_spec().metadata["dagster/column_schema"]
    number, amount, shop = schema.columns
    assert [(c.name, c.type) for c in schema.columns] == [("id", "Int64"), ("amount", "Float64"), ("shop", "String")]
    assert (number.constraints.nullable, number.constraints.unique) == (False, True)
    assert (amount.constraints.nullable, amount.constraints.unique) == (True, False)
    assert amount.description == "What was paid. [NOK]"
    assert len(shop.constraints.other) == 1
    assert all(len(text) <= 30 for c in schema.columns for text in c.constraints.other)


def test_every_rule_is_a_check_and_so_are_shape_key_and_row_count(product: Any) -> None:
    specs = {s.name: s for s in sales(product, rows).check_specs}
    rules = {"id_required", "id_greater_than_or_equal_to", "amount_greater_than_or_equal_to", "shop_required", "shop_isin"}
    assert set(specs) == {"shape", "key_unique", "personal_data", "row_count", *rules}
    assert specs["shop_isin"].blocking
    assert not specs["amount_greater_than_or_equal_to"].blocking  # declared to warn
    assert all(s.description for s in specs.values())


def test_a_dataset_without_a_key_has_no_key_check(product: Any, materialize: Any) -> None:
    dataset = sales(product, lambda: pl.concat([rows(), rows()]), key=())
    assert "key_unique" not in {s.name for s in dataset.check_specs}
    assert materialize(product, "sales").success


def test_declared_sources_of_columns_are_column_lineage(product: Any) -> None:
    class Sourced(pa.DataFrameModel):
        number: int = dp.column("Number.", source="receipt.no")
        rest: str = dp.column("What else there is.", source=dp.REST, nullable=True)

    dataset = sales(product, list, schema=Sourced, key="number", source=dp.Source("till"))
    lineage = dataset.get_asset_spec().metadata["dagster/column_lineage"].deps_by_column
    assert lineage == {"number": [dg.TableColumnDep(dg.AssetKey(["shop", "source", "till"]), "receipt.no")]}


def test_a_parameter_with_a_default_is_the_authors_own(product: Any, materialize: Any) -> None:
    @product.dataset(schema=Sale, key="id")
    def sales(count: int = 2, *more: int, **others: int) -> pl.DataFrame:
        return rows(count)

    assert sales.required_resource_keys == {"io_manager"}  # which Dagster adds to every asset
    assert materialize(product, "sales").events[("shop/sales", None)]["dagster/row_count"] == 2


def test_resources_and_context_come_by_name(product: Any, materialize: Any) -> None:
    seen = []

    @product.dataset(schema=Sale, key="id", partitions=DAYS)
    def sales(context: Any, till: list[int], partition: str) -> pl.DataFrame:
        seen.append((type(context), context.partition_key, partition))
        return rows(till[0])

    assert materialize(product, "sales", partition="2026-01-05", resources={"till": [4]}).success
    assert seen == [(dg.AssetExecutionContext, "2026-01-05", "2026-01-05")]
    assert dp.read("shop/sales").shape == (4, 3)


# Partitions of any kind


def multi() -> dg.MultiPartitionsDefinition:
    regions = dg.StaticPartitionsDefinition(["n", "s"])
    return dg.MultiPartitionsDefinition({"day": DAYS, "region": regions})


PARTITIONS: dict[str, tuple[Callable[[], Any], str, tuple[str, str], list[str]]] = {
    "daily": (lambda: DAYS, "2026-01-09", ("2026-01-30", "2026-02-01"), ["2026-01-30", "2026-01-31", "2026-02-01"]),
    "hourly": (
        lambda: dg.HourlyPartitionsDefinition("2026-01-01-00:00", timezone="Europe/Oslo"),
        "2026-03-28-22:00",
        ("2026-03-29-01:00", "2026-03-29-03:00"),  # the clocks go forward: there is no 02:00
        ["2026-03-29-01:00", "2026-03-29-03:00"],
    ),
    "monthly": (
        lambda: dg.MonthlyPartitionsDefinition("2025-01-01"),
        "2025-02-01",
        ("2025-12-01", "2026-01-01"),
        ["2025-12-01", "2026-01-01"],
    ),
    "static": (
        lambda: dg.StaticPartitionsDefinition(["a", "b/c", "d e", "æ|ø", "%41", "-"]),
        "-",
        ("b/c", "%41"),
        ["b/c", "d e", "æ|ø", "%41"],
    ),
    "dynamic": (lambda: dg.DynamicPartitionsDefinition(name="files"), "one.csv", ("two.csv", "three.csv"), ["two.csv", "three.csv"]),
    "multi": (multi, "2026-01-05|s", ("2026-01-01|n", "2026-01-02|s"), ["2026-01-01|n", "2026-01-01|s", "2026-01-02|n", "2026-01-02|s"]),
}


@pytest.mark.parametrize("kind", PARTITIONS)
def test_partitions_of_any_kind_go_to_the_ledger_and_back_to_dagster(kind: str, product: Any, materialize: Any, instance: Any) -> None:
    make, single, span, spanned = PARTITIONS[kind]
    partitions = make()
    instance.add_dynamic_partitions("files", ["one.csv", "two.csv", "three.csv"])
    asked = []

    def one(partition: str) -> pl.DataFrame:
        asked.append((type(partition), partition))
        return rows(len(asked))

    sales(product, one, partitions=partitions)
    first = materialize(product, "sales", partition=single)
    assert first.success
    assert set(first.events) == {("shop/sales", single)}
    assert first.events[("shop/sales", single)]["dataproducts/version"] == 1
    second = materialize(product, "sales", span=span)
    assert second.success
    assert sorted(second.events) == sorted(("shop/sales", key) for key in spanned)
    assert {kind for kind, _ in asked} == {str}
    assert {key for _, key in asked} == {single, *spanned}
    assert set(stored()) == {single, *spanned}
    assert {v.partition for v in dp.versions("shop/sales")} == instance.get_materialized_partitions(SALES) == {single, *spanned}
    assert dp.read("shop/sales", partition=single).shape[0] == 1
    status = instance.get_status_by_partition(SALES, [single, *spanned], partitions)
    assert {s.value for s in status.values()} == {"MATERIALIZED"}


def test_a_multi_partition_keeps_its_dimensions_in_a_run_that_fails_beside_it(product: Any, materialize: Any, instance: Any) -> None:
    sales(product, lambda partition: rows(shop="east" if partition == "2026-01-01|s" else "north"), partitions=multi())
    run = materialize(product, "sales", span=("2026-01-01|n", "2026-01-01|s"))
    assert set(run.events) == {("shop/sales", "2026-01-01|n")}
    (record,) = instance.fetch_materializations(SALES, limit=5).records
    assert isinstance(record.asset_materialization.partition, dg.MultiPartitionKey)
    assert record.asset_materialization.partition.keys_by_dimension == {"day": "2026-01-01", "region": "n"}


def test_a_dataset_without_partitions_is_one_partition_in_the_ledger_and_none_in_dagster(product: Any, materialize: Any) -> None:
    sales(product, rows)
    run = materialize(product, "sales")
    assert run.events[("shop/sales", None)]["dagster/row_count"] == 3
    assert stored() == {"-": 1}


def test_a_dataset_without_partitions_goes_along_in_a_run_of_a_partition(product: Any, materialize: Any) -> None:
    sales(product, rows)
    product.dataset(schema=Sale, key="id", partitions=DAYS, name="daily")(lambda: rows(2))
    run = materialize(product, "sales", "daily", partition="2026-01-03")
    assert set(run.events) == {("shop/sales", None), ("shop/daily", "2026-01-03")}
    assert stored() == {"-": 1}
    assert stored("shop/daily") == {"2026-01-03": 1}


def test_a_partition_that_does_not_exist_is_refused_by_dagster_before_anything_runs(product: Any, materialize: Any) -> None:
    sales(product, rows, partitions=DAYS)
    for wrong in ("2025-12-31", "yesterday"):
        with pytest.raises(dg.DagsterUnknownPartitionError, match=wrong):
            materialize(product, "sales", partition=wrong)
    assert stored() == {}


def test_a_run_that_does_not_say_which_partition_fails_with_one_sentence(product: Any, materialize: Any) -> None:
    sales(product, rows, partitions=DAYS)
    run = materialize(product, "sales")
    assert run.failure.endswith("shop/sales has partitions; say which of them to materialize")
    assert stored() == {}


# What authors may return


def test_the_same_rows_are_the_same_content_whatever_the_library(product: Any, materialize: Any, instance: Any) -> None:
    frame = rows(5).with_columns(amount=pl.Series([1.5, None, 0.0, 2.25, 3.0]))
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=4)
    records = frame.to_dicts()
    relation = duckdb.connect().from_arrow(frame.to_arrow())

    def frames() -> Iterator[pl.DataFrame]:
        yield frame.head(2)
        yield frame.slice(2)

    kinds: dict[str, Callable[[], Any]] = {
        "eager": lambda: frame,
        "other_order": lambda: shuffled.select("shop", "amount", "id"),
        "lazy": lambda: frame.lazy(),
        "pandas": lambda: pd.DataFrame(records),
        "pandas_arrow": lambda: frame.to_arrow().to_pandas(types_mapper=pd.ArrowDtype),
        "arrow": lambda: frame.to_arrow(),
        "arrow_batch": lambda: frame.to_arrow().combine_chunks().to_batches()[0],
        "duckdb": lambda: relation,
        "records": lambda: records,
        "generator": frames,
        "iterator_of_records": lambda: iter([records[:1], records[1:]]),
        "mixture": lambda: [frame.head(1), pd.DataFrame(records[1:3]), arrow.Table.from_pylist(records[3:])].__iter__(),
        "result": lambda: dp.Result(frame.lazy()),
    }
    hashes = {}
    for name, make in kinds.items():
        product.dataset(schema=Sale, key="id", name=name)(make)
        run = materialize(product, name)
        assert run.success, (name, run.failure)
        hashes[name] = run.events[(f"shop/{name}", None)]["dataproducts/content_hash"]
        assert_frame_equal(pl.from_pandas(dp.read(f"shop/{name}")), frame)
    assert len(set(hashes.values())) == 1, hashes


def test_no_rows_are_content_too(product: Any, materialize: Any) -> None:
    for name, make in {"frame": lambda: rows(0), "listed": list, "iterator": lambda: iter(())}.items():
        product.dataset(schema=Sale, key="id", name=name)(make)
        run = materialize(product, name)
        assert run.events[(f"shop/{name}", None)]["dagster/row_count"] == 0
        assert dp.read(f"shop/{name}").shape == (0, 3)
    assert len({dp.versions(f"shop/{n}")[0].content_hash for n in ("frame", "listed", "iterator")}) == 1


# Breaches


BREACHES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "a missing column": (lambda: rows().drop("shop"), "shape", "lacks 'shop'"),
    "a column too many": (lambda: rows().with_columns(x=1), "shape", "has 'x', which the contract does not name"),
    "text for a number": (lambda: rows().with_columns(id=pl.lit("1")), "shape", "column 'id' is String and contract 1.0.0 promises Int64"),
    "a fraction for a whole number": (lambda: rows().with_columns(id=pl.lit(1.5)), "shape", "column 'id' is Float64"),
    "mixed records": (
        lambda: [{"id": 1, "amount": 1.0, "shop": "north"}, {"id": "x", "amount": None, "shop": "north"}],
        "shape",
        "column 'id'",
    ),
    "nothing": (lambda: None, "shape", "the function returned nothing"),
    "a text": (lambda: "rows", "shape", "the function returned a str"),
    "a dict": (lambda: {"id": [1]}, "shape", "the function returned a dict"),
    "nothing in an iterator": (lambda: iter([rows(), None]), "shape", "the function returned nothing"),
    "unchanged at first": (lambda: dp.UNCHANGED, "", "has no version yet; return its rows"),
    "two rows for one key": (lambda: rows().with_columns(id=pl.lit(7)), "key_unique", "3 of 3 rows break the contract (key_unique: 3)"),
    "a value outside the list": (lambda: rows(shop="east"), "shop_isin", "3 of 3 rows break the contract (shop_isin: 3)"),
    "a missing value": (lambda: rows(shop=None), "shop_required", "(shop_required: 3)"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_fails_the_run_with_one_sentence_and_stores_nothing(breach: str, product: Any, materialize: Any) -> None:
    make, check, words = BREACHES[breach]
    sales(product, make)
    run = materialize(product, "sales")
    assert not run.success
    assert words in run.failure
    assert is_one_sentence(run.failure)
    assert run.events == {}
    assert stored() == {}
    assert run.warned == ({check: "ERROR"} if check else {})
    assert set(run.checks) == {s.name for s in product.datasets["sales"].check_specs}  # the others are said to hold


def test_a_breach_is_counted_and_sampled_in_the_check(product: Any, materialize: Any) -> None:
    frame = rows(50).with_columns(shop=pl.when(pl.col("id") > 40).then(pl.lit("east")).otherwise(pl.col("shop")), amount=pl.lit(-1.0))
    sales(product, lambda: frame)
    run = materialize(product, "sales")
    said = {k: v.value for k, v in run.checks["shop_isin"].metadata.items()}
    assert said == {"failed_rows": 10, "examples": "east"}
    assert run.checks["amount_greater_than_or_equal_to"].metadata["failed_rows"].value == 50
    assert run.warned == {"shop_isin": "ERROR", "amount_greater_than_or_equal_to": "WARN"}


def test_a_rule_that_only_warns_lets_the_rows_in(product: Any, materialize: Any) -> None:
    sales(product, lambda: rows().with_columns(amount=pl.lit(-1.0)))
    run = materialize(product, "sales")
    assert run.success
    assert run.warned == {"amount_greater_than_or_equal_to": "WARN"}


def test_a_breach_is_not_tried_again_and_a_source_that_is_down_is(product: Any, materialize: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.errors import PartitionUnavailable, SourceError

    calls: list[str] = []

    def refuse(error: Exception) -> Callable[..., Any]:
        def make() -> Any:
            calls.append(type(error).__name__)
            raise error

        return make

    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    product.dataset(schema=Sale, key="id", name="breaks", retries=2)(lambda: calls.append("breach"))
    product.dataset(schema=Sale, key="id", name="gone", retries=2)(refuse(PartitionUnavailable("shop/gone: no more")))
    product.dataset(schema=Sale, key="id", name="down", retries=2)(refuse(SourceError("shop/down: no answer")))
    product.dataset(schema=Sale, key="id", name="raises", retries=2)(refuse(OSError("cable")))
    for name in ("breaks", "gone", "down", "raises"):
        assert not materialize(product, name).success
    assert {name: calls.count(name) for name in ("breach", "PartitionUnavailable", "SourceError", "OSError")} == {
        "breach": 1, "PartitionUnavailable": 1, "SourceError": 3, "OSError": 3,
    }  # fmt: skip


def test_an_exception_in_the_authors_code_fails_the_run_and_keeps_its_traceback(product: Any, materialize: Any) -> None:
    def half() -> Iterator[pl.DataFrame]:
        yield rows()
        raise ValueError("the till is stuck")

    sales(product, half)
    run = materialize(product, "sales")
    assert not run.success
    assert run.failure.endswith("the till is stuck")
    assert "test_dataset.py" in run.text
    assert run.events == {}
    assert stored() == {}


def test_what_cannot_be_read_from_a_source_is_counted_in_the_shape_check(product: Any, materialize: Any) -> None:
    class Sourced(pa.DataFrameModel):
        number: int = dp.column("Number.", source="no")

    sales(product, lambda: [{"no": 1}, {"no": "many"}, 5, None], schema=Sourced, key="number")
    run = materialize(product, "sales")
    assert not run.success
    assert "3 of 4 rows break the contract (not_an_object: 2, number_type: 1)" in run.failure
    assert run.warned == {"shape": "ERROR"}
    assert run.checks["shape"].metadata["refused"].value == "not_an_object: 2, number_type: 1"


def test_fewer_rows_than_expected_are_a_breach(product: Any, materialize: Any) -> None:
    sales(product, lambda: rows(2), least_rows=3)
    run = materialize(product, "sales")
    assert run.failure == "shop/sales: 2 rows, and at least 3 are expected; nothing was stored"
    assert run.warned == {"row_count": "ERROR"}
    assert stored() == {}


def test_an_empty_snapshot_is_a_breach_unless_it_is_said_to_be_fine(product: Any, materialize: Any) -> None:
    sales(product, lambda: rows(0), kind="snapshot", partitions=DAYS)
    product.dataset(schema=Sale, key="id", kind="snapshot", partitions=DAYS, least_rows=0, name="may_be_empty")(lambda: rows(0))
    assert not materialize(product, "sales", partition="2026-01-01").success
    assert materialize(product, "may_be_empty", partition="2026-01-01").success


def test_a_day_with_far_fewer_rows_than_before_warns_and_is_stored(product: Any, materialize: Any) -> None:
    counts = {"2026-01-01": 100, "2026-01-02": 110, "2026-01-03": 20, "2026-01-04": 104}
    sales(product, lambda partition: rows(counts[partition]), partitions=DAYS)
    warned = {day: materialize(product, "sales", partition=day).warned for day in counts}
    assert warned == {"2026-01-01": {}, "2026-01-02": {}, "2026-01-03": {"row_count": "WARN"}, "2026-01-04": {}}
    assert len(stored()) == 4


def test_the_row_counts_of_regions_are_not_compared_with_each_other(product: Any, materialize: Any) -> None:
    counts = {"a": 100, "b": 3}
    sales(product, lambda partition: rows(counts[partition]), partitions=dg.StaticPartitionsDefinition(["a", "b"]))
    assert materialize(product, "sales", span=("a", "b")).warned == {}
    counts["b"] = 30
    assert materialize(product, "sales", partition="b").warned == {"row_count": "WARN"}


def test_a_change_of_type_without_a_new_major_version_is_refused_in_one_sentence(product: Any, facts_file: Any, materialize: Any) -> None:
    class Other(pa.DataFrameModel):
        id: str = dp.column("Number.")

    sales(product, rows)
    assert materialize(product, "sales").success
    product.datasets.clear()
    sales(product, lambda: pl.DataFrame({"id": ["a"]}), schema=Other)
    run = materialize(product, "sales")
    assert run.failure == (
        "shop/sales: column 'id' is stored as Int64 and contract 1.0.0 makes it String; a change of type needs version 2.0.0"
    )
    assert stored() == {"-": 1}


# Quarantine


def spoiled(count: int, bad: int) -> pl.DataFrame:
    return rows(count).with_columns(shop=pl.when(pl.col("id") <= bad).then(pl.lit("east")).otherwise(pl.col("shop")))


def test_with_a_quarantine_good_rows_are_stored_bad_ones_kept_and_the_check_warns(product: Any, materialize: Any) -> None:
    sales(product, lambda: spoiled(20, 2), quarantine=True)
    run = materialize(product, "sales")
    assert run.success
    assert run.warned == {"shop_isin": "WARN"}
    assert dp.read("shop/sales")["id"].tolist() == list(range(3, 21))
    kept = quarantine()
    assert kept.height == 2
    assert kept["rules"].to_list() == [["shop_isin"], ["shop_isin"]]
    assert run.events[("shop/sales", None)]["refused"] == "2 of 20 rows are in quarantine: `dataproducts quarantine shop/sales`"


def test_too_large_a_share_of_bad_rows_is_a_breach_in_spite_of_the_quarantine(product: Any, materialize: Any) -> None:
    sales(product, lambda: spoiled(20, 3), quarantine=True, partitions=DAYS)
    run = materialize(product, "sales", partition="2026-01-01")
    assert run.failure == (
        "shop/sales: partition '2026-01-01': 3 of 20 rows break the contract (shop_isin: 3), more than the 10% that may go to "
        "quarantine; nothing was stored"
    )
    assert run.warned == {"shop_isin": "ERROR"}
    assert stored() == {}
    assert quarantine().is_empty()


def test_both_rows_of_a_doubled_key_are_kept_aside(product: Any, materialize: Any) -> None:
    frame = pl.concat([rows(20), rows(1, shop="south")])
    sales(product, lambda: frame, quarantine=True)
    assert materialize(product, "sales").warned == {"key_unique": "WARN"}
    assert dp.read("shop/sales")["id"].tolist() == list(range(2, 21))
    assert quarantine().height == 2


def test_what_the_author_refuses_is_kept_with_the_reason(product: Any, materialize: Any) -> None:
    sales(product, lambda: dp.Result(rows(20), refused=[("<broken>", "not_xml")]), quarantine=True)
    run = materialize(product, "sales")
    assert run.success
    assert run.warned == {"shape": "WARN"}
    assert quarantine().select("received", "rules").rows() == [("<broken>", ["not_xml"])]


# Many partitions in one run


def test_a_failed_partition_does_not_lose_its_neighbours(product: Any, materialize: Any, instance: Any) -> None:
    def day(partition: str) -> pl.DataFrame:
        if partition == "2026-01-02":
            return rows(shop="east")
        if partition == "2026-01-04":
            raise OSError("the till is on fire")
        return rows(int(partition[-2:]))

    sales(product, day, partitions=DAYS)
    run = materialize(product, "sales", span=("2026-01-01", "2026-01-05"))
    kept = {"2026-01-01", "2026-01-03", "2026-01-05"}
    assert not run.success
    assert run.failure == (
        "shop/sales: 2 of 5 partitions failed, 3 are stored: shop/sales: partition '2026-01-02': 3 of 3 rows break the contract "
        "(shop_isin: 3); nothing was stored; shop/sales: partition '2026-01-04': OSError: the till is on fire"
    )
    assert set(stored()) == kept
    assert set(run.events) == {("shop/sales", day) for day in kept}
    assert instance.get_materialized_partitions(SALES) == kept
    assert {p: e["dagster/partition_row_count"] for (_, p), e in run.events.items()} == {"2026-01-01": 1, "2026-01-03": 3, "2026-01-05": 5}


def test_a_rule_that_cannot_be_applied_to_one_partition_does_not_lose_its_neighbours(product: Any, materialize: Any) -> None:
    class Fussy(pa.DataFrameModel):
        id: int = dp.column("Number.", ge=1)

        @pa.check("id")
        @classmethod
        def small(cls, data: pa.PolarsData) -> pl.LazyFrame:
            if 4 in data.lazyframe.select(data.key).collect().to_series():
                raise RuntimeError("no fours")
            return data.lazyframe.select(pl.col(data.key) < 100)

    sales(product, lambda partition: pl.DataFrame({"id": [int(partition[-2:])]}), schema=Fussy, partitions=DAYS)
    run = materialize(product, "sales", span=("2026-01-03", "2026-01-05"))
    assert set(stored()) == {"2026-01-03", "2026-01-05"}
    assert "1 of 3 partitions failed, 2 are stored" in run.failure
    assert "rule id_small could not be applied" in run.failure


def test_a_rule_that_sees_all_rows_sees_those_of_one_partition(product: Any, materialize: Any) -> None:
    class Till(pa.DataFrameModel):
        id: int = dp.column("Number.")

        @pa.check("id")
        @classmethod
        def no_gaps(cls, data: pa.PolarsData) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col(data.key) <= pl.len())

    numbers = {"2026-01-01": [1, 2], "2026-01-02": [1, 3], "2026-01-03": [1, 2, 3]}
    sales(product, lambda partition: pl.DataFrame({"id": numbers[partition]}), schema=Till, partitions=DAYS)
    run = materialize(product, "sales", span=("2026-01-01", "2026-01-03"))
    assert set(stored()) == {"2026-01-01", "2026-01-03"}
    assert run.warned == {"id_no_gaps": "ERROR"}
    assert run.checks["id_no_gaps"].metadata["failed_rows"].value == 1


def test_each_event_of_a_range_carries_its_own_partitions_facts(product: Any, materialize: Any) -> None:
    sales(product, lambda partition: dp.Result(rows(int(partition[-2:])), metadata={"till": partition[-2:]}), partitions=DAYS)
    run = materialize(product, "sales", span=("2026-01-01", "2026-01-03"))
    versions = {v.partition: v for v in dp.versions("shop/sales")}
    assert len(run.events) == 3
    for (_, partition), said in run.events.items():
        assert said["dagster/partition_row_count"] == int(partition[-2:])
        assert said["dataproducts/version"] == 1
        assert said["dataproducts/content_hash"] == versions[partition].content_hash
        assert said["dataproducts/known_at"] == pytest.approx(versions[partition].known_at.timestamp())
        assert said["till"] == partition[-2:]
        assert f"| id | 0 | {int(partition[-2:])} | 1 | {int(partition[-2:])} |" in said["profile"]
        assert said["sample"].count("\n") == int(partition[-2:]) + 1
    assert run.checks["shop_isin"].metadata["partitions"].value == "3: 2026-01-01 … 2026-01-03"


def test_a_key_may_recur_in_other_partitions_and_examples_name_the_key_only(product: Any, materialize: Any) -> None:
    sales(product, lambda partition: rows() if partition != "2026-01-02" else pl.concat([rows(), rows(1)]), partitions=DAYS)
    run = materialize(product, "sales", span=("2026-01-01", "2026-01-03"))
    assert run.warned == {"key_unique": "ERROR"}
    assert {k: v.value for k, v in run.checks["key_unique"].metadata.items() if k != "partitions"} == {"failed_rows": 2, "examples": "1"}
    assert set(stored()) == {"2026-01-01", "2026-01-03"}


def test_batches_are_committed_one_by_one_each_as_a_whole(product: Any, materialize: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materialization, "BATCH_PARTITIONS", 2)
    sales(product, lambda partition: rows(int(partition[-2:])), partitions=DAYS)
    assert materialize(product, "sales", span=("2026-01-01", "2026-01-05")).success
    batches: dict[Any, list[str]] = {}
    for version in dp.versions("shop/sales"):
        batches.setdefault(version.known_at, []).append(version.partition[-2:])
    assert sorted(batches.values()) == [["01", "02"], ["03", "04"], ["05"]]


def test_when_the_disk_fills_up_half_way_the_batches_before_are_stored_and_said_to_be(
    product: Any, materialize: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materialization, "BATCH_PARTITIONS", 2)
    commit, times = HistoryTable.commit, []

    def fills_up(self: Any, *args: Any, **kwargs: Any) -> None:
        times.append(1)
        if len(times) > 1:
            raise HistoryError("shop/sales: the history cannot be used: the disk is full; nothing was stored")
        commit(self, *args, **kwargs)

    monkeypatch.setattr(HistoryTable, "commit", fills_up)
    sales(product, lambda partition: rows(int(partition[-2:])), partitions=DAYS)
    run = materialize(product, "sales", span=("2026-01-01", "2026-01-05"))
    assert set(stored()) == {"2026-01-01", "2026-01-02"}
    assert set(run.events) == {("shop/sales", "2026-01-01"), ("shop/sales", "2026-01-02")}
    assert run.failure.startswith("shop/sales: 3 of 5 partitions failed, 2 are stored: ")
    assert run.failure.count("the disk is full") == 1


def test_the_rows_of_a_batch_are_let_go_once_it_is_stored(product: Any, materialize: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.quality.spool import Spool

    monkeypatch.setattr(materialization, "BATCH_PARTITIONS", 2)
    living: set[int] = set()
    most = []
    enter, leave = Spool.__enter__, Spool.__exit__

    def entering(self: Spool) -> Spool:
        living.add(id(self))
        most.append(len(living))
        return enter(self)

    def leaving(self: Spool, *error: object) -> None:
        living.discard(id(self))
        leave(self, *error)

    monkeypatch.setattr(Spool, "__enter__", entering)
    monkeypatch.setattr(Spool, "__exit__", leaving)
    sales(product, lambda: rows(), partitions=DAYS)
    assert materialize(product, "sales", span=("2026-01-01", "2026-01-09")).success
    assert max(most) == 2
    assert not living


# Nothing new


def test_the_same_content_again_makes_no_version_and_says_so(product: Any, materialize: Any) -> None:
    frames = [rows(3), rows(3), rows(4)]
    sales(product, lambda: frames.pop(0))
    first, second, third = (materialize(product, "sales").events[("shop/sales", None)] for _ in range(3))
    assert "unchanged" not in first
    assert second["unchanged"] == f"{IDENTICAL}: still version 1."
    assert second["dataproducts/version"] == 1
    assert second["dataproducts/known_at"] == first["dataproducts/known_at"]
    assert third["dataproducts/version"] == 2
    assert "unchanged" not in third
    assert [v.number for v in dp.versions("shop/sales")] == [1, 2]


def test_an_author_may_say_that_the_source_has_nothing_new(product: Any, materialize: Any) -> None:
    answers: list[Any] = [rows(3), dp.UNCHANGED, dp.Result(dp.UNCHANGED)]
    sales(product, lambda: answers.pop(0))
    runs = [materialize(product, "sales") for _ in range(3)]
    assert [IDENTICAL in r.events[("shop/sales", None)].get("unchanged", "") for r in runs] == [False, True, True]
    assert stored() == {"-": 1}


def test_what_an_author_says_beside_the_rows_reads_well_and_never_fails_the_run(product: Any, materialize: Any) -> None:
    said = {"none": None, "day": date(2026, 1, 1), "url": "https://example.com", "list": [1, {"a": date(2026, 1, 2)}], "yes": True, "n": 2}
    sales(product, lambda: dp.Result(rows(), metadata=said))
    run = materialize(product, "sales")
    assert run.success
    shown = run.events[("shop/sales", None)]
    assert {name: shown[name] for name in said} == {**said, "none": "", "day": "2026-01-01", "list": [1, {"a": "2026-01-02"}]}


def test_personal_columns_are_in_no_event_and_no_log(facts_file: Any, materialize: Any) -> None:
    class Person(pa.DataFrameModel):
        id: int = dp.column("Number.", personal="none")
        name: str = dp.column("Name.", personal="directly_identifying", str_matches="^K")

    product = dp.DataProduct(facts_file(personal=True))
    good = [{"id": i, "name": f"Kvikkas {i}"} for i in range(30)]
    bad = [{"id": 40, "name": "Zorblin"}, {"id": 41, "name": "Zorblin"}]
    product.dataset(schema=Person, key="id", name="kept", quarantine=True)(lambda: good + bad)
    product.dataset(schema=Person, key="id", name="refused")(lambda: good + bad)
    product.dataset(schema=Person, key="name", name="doubled")(lambda: good + good)
    product.dataset(schema=Person, key="id", name="mistyped")(lambda: [*good, {"id": "Zorblin", "name": 5}])
    for name in ("kept", "refused", "doubled", "mistyped"):
        run = materialize(product, name)
        assert run.success == (name == "kept")
        assert "Zorblin" not in run.text
        assert "Kvikkas" not in run.text
    assert quarantine("shop/kept").height == 2


# Retries, on Dagster's own storage

LOCATION = """
import os, time
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts import materialization

materialization.BATCH_PARTITIONS = 2
HERE = Path(__file__).parent
product = dp.DataProduct(HERE)


class Sale(pa.DataFrameModel):
    id: int = dp.column("Number.", ge=1)


@product.dataset(schema=Sale, key="id", partitions=dg.DailyPartitionsDefinition("2025-01-01"))
def sales(partition: str) -> pl.DataFrame:
    with (HERE / "calls").open("a") as calls:
        calls.write(partition + "\\n")
    mode = os.environ.get("TILL", "")
    if mode == "breaks" and partition == "2026-01-03":
        raise OSError("the till is on fire")
    if mode == "hangs" and partition == "2026-01-04":
        (HERE / "hanging").touch()
        time.sleep(60)
    return pl.DataFrame({"id": [int(partition[-2:])]})


product.add(dg.define_asset_job("all_sales", selection=[sales.key], executor_def=dg.in_process_executor))
defs = product.definitions()


def job():
    return defs.resolve_job_def("all_sales")


if __name__ == "__main__":
    from dagster._core.definitions.reconstruct import ReconstructableJob

    with dg.DagsterInstance.get() as instance:
        dg.execute_job(ReconstructableJob.for_file(__file__, "job"), instance=instance, tags={
            "dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-06"})
"""
SPAN = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-06"}


class Location:
    """A code location in a file, for what needs to be loaded again: retries, other processes, Dagster's daemon."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "shop.py"
        self.file.write_text(textwrap.dedent(LOCATION))

    def execute(self, instance: Any, parent: Any = None) -> Any:
        from dagster._core.definitions.reconstruct import ReconstructableJob

        job = ReconstructableJob.for_file(str(self.file), "job")
        return dg.execute_job(job, instance=instance, tags=SPAN, reexecution_options=parent)

    def calls(self) -> list[str]:
        """Days the author was asked for since last time."""
        file = self.file.parent / "calls"
        days = [line[-2:] for line in file.read_text().split()] if file.exists() else []
        file.unlink(missing_ok=True)
        return days


@pytest.fixture
def location(facts_file: Any, monkeypatch: pytest.MonkeyPatch) -> Location:
    monkeypatch.setattr(materialization, "BATCH_PARTITIONS", 2)  # which the location sets too, where it is loaded; undone after the test
    return Location(facts_file())


def test_a_retry_makes_only_what_is_missing(location: Location, persistent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILL", "breaks")
    first = location.execute(persistent)
    assert not first.success
    assert location.calls() == ["01", "02", "03", "04", "05", "06"]
    retry = location.execute(persistent, dg.ReexecutionOptions.from_failure(first.run_id, persistent))
    assert not retry.success
    assert location.calls() == ["03"]
    monkeypatch.setenv("TILL", "")
    again = location.execute(persistent, dg.ReexecutionOptions.from_failure(retry.run_id, persistent))
    assert again.success
    assert location.calls() == ["03"]
    assert len(persistent.get_materialized_partitions(SALES)) == 6
    assert set(stored().values()) == {1}


def test_a_run_that_someone_executes_again_as_a_whole_is_made_again_as_a_whole(location: Location, persistent: Any) -> None:
    first = location.execute(persistent)
    location.calls()
    assert location.execute(persistent, dg.ReexecutionOptions(parent_run_id=first.run_id)).success
    assert location.calls() == ["01", "02", "03", "04", "05", "06"]


def test_dagsters_own_retry_of_a_failed_run_makes_only_what_is_missing(
    location: Location, persistent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the daemon does it for `run_retries`: a run with these tags, of the whole job."""
    from dagster._core.definitions.reconstruct import ReconstructableJob
    from dagster._core.execution.api import execute_run

    monkeypatch.setenv("TILL", "breaks")
    first = location.execute(persistent)
    location.calls()
    monkeypatch.setenv("TILL", "")
    job = ReconstructableJob.for_file(str(location.file), "job")
    for tag in ("dagster/is_resume_retry", "dagster/is_asset_resume_retry", "dagster/retry_number"):
        run = persistent.create_run_for_job(
            job.get_definition(), tags={**SPAN, tag: "true"}, root_run_id=first.run_id, parent_run_id=first.run_id
        )
        assert execute_run(job, run, persistent).success
        assert location.calls() == ["03"]


def test_after_kill_9_what_was_committed_is_whole_and_a_retry_completes_the_rest(
    location: Location, persistent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "DAGSTER_HOME": persistent.root_directory, "TILL": "hangs", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(location.file)], env=environment, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 60
        while not (location.file.parent / "hanging").exists():
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    assert set(stored()) == {"2026-01-01", "2026-01-02"}  # one batch; the second was under way
    assert dp.read("shop/sales").shape == (2, 1)
    assert location.calls() == ["01", "02", "03", "04"]

    (killed,) = persistent.get_runs()
    persistent.report_run_failed(killed)  # what run monitoring does, or a person in the UI
    retry = location.execute(persistent, dg.ReexecutionOptions.from_failure(killed.run_id, persistent))
    assert retry.success
    assert location.calls() == ["03", "04", "05", "06"]
    assert len(persistent.get_materialized_partitions(SALES)) == 6
    assert dp.read("shop/sales")["id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert set(stored().values()) == {1}


def test_after_kill_9_a_run_anew_completes_it_as_well(location: Location, persistent: Any, home: Path) -> None:
    history = DatasetHistory(str(home / "lake"), "shop/sales")
    first = location.execute(persistent)  # stands for a run whose process ended before Dagster heard of anything
    persistent.wipe_assets([SALES])
    assert first.success
    assert persistent.get_materialized_partitions(SALES) == set()
    again = location.execute(persistent)
    assert again.success
    assert len(persistent.get_materialized_partitions(SALES)) == 6
    assert {v.number for v in history.versions()} == {1}


@pytest.mark.skipif(not os.environ.get("CI"), reason="starts a code server and plans a year, which takes half a minute: set CI=1")
def test_a_backfill_of_a_year_is_four_runs(location: Location, facts_file: Any) -> None:
    """By Dagster's own daemon, on a code server of its own."""
    from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
    from dagster._core.test_utils import create_test_daemon_workspace_context
    from dagster._core.workspace.load_target import PythonFileTarget
    from dagster._daemon import get_default_daemon_logger
    from dagster._daemon.backfill import execute_backfill_iteration

    launcher = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}
    target = PythonFileTarget(str(location.file), attribute=None, working_directory=str(ROOT), location_name="shop")
    days = [str(date(2025, 1, 1) + timedelta(days=n)) for n in range(365)]
    with (
        dg.instance_for_test(overrides={"run_launcher": launcher}) as instance,
        create_test_daemon_workspace_context(target, instance=instance) as workspace,
    ):
        graph = next(iter(workspace.create_request_context().get_code_location("shop").get_repositories().values())).asset_graph
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id="year",
            asset_graph=graph,
            partition_names=days,
            asset_selection=[SALES],
            dynamic_partitions_store=instance,
            tags={},
            backfill_timestamp=time.time(),
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        instance.add_backfill(backfill)
        assert instance.get_backfill("year").status == BulkActionStatus.REQUESTED
        errors = [e for e in execute_backfill_iteration(workspace, get_default_daemon_logger("BackfillDaemon")) if e]
        assert errors == []
        runs = instance.get_runs()
    spans = sorted((r.tags["dagster/asset_partition_range_start"], r.tags["dagster/asset_partition_range_end"]) for r in runs)
    assert len(spans) == 4
    covered = [d for first, last in spans for d in days if first <= d <= last]
    assert covered == days


# Declaring


def test_the_decorator_names_what_is_wrong(product: Any, facts_file: Any) -> None:
    sales(product, rows)
    personal = dp.DataProduct(facts_file("people", personal=True))

    class Named(pa.DataFrameModel):
        id: int = dp.column("Number.", personal="none")
        name: str = dp.column("Name.", personal="directly_identifying")

    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: sales(product, rows), "shop/sales is declared twice"),
        (lambda: sales(product, rows, name="Sales"), "lower-case letters"),
        (lambda: sales(product, rows, name="other", key="nr"), "key column 'nr' is not in the schema"),
        (lambda: sales(product, rows, name="other", key="amount"), "key column 'amount' is nullable"),
        (lambda: sales(product, rows, name="other", version="2"), "MAJOR.MINOR.PATCH"),
        (lambda: sales(product, rows, name="other", schema=Named), "no personal data, but column 'name'"),
        (lambda: sales(personal, rows), "every column needs personal=...; 'id' has none"),
        (lambda: sales(personal, rows, schema=Named, access="open"), "its access is 'restricted', not 'open'"),
        (lambda: product.history(product.datasets["sales"]), "a history needs successive snapshots"),
    ]
    for declare, words in wrong:
        with pytest.raises(DataProductsError, match=".") as error:
            declare()
        assert words in str(error.value)
        assert "\n" not in str(error.value)
    assert list(product.datasets) == ["sales"]


def test_the_decorators_parameters_are_documented_and_few(product: Any) -> None:
    parameters = inspect.signature(product.dataset).parameters
    undocumented = {
        "schema",
        "key",
        "version",
        "name",
        "title",
        "description",
        "partitions",
        "inputs",
        "source",
        "retries",
        "kinds",
        "tags",
    }
    told = inspect.getdoc(dp.DataProduct.dataset) or ""
    assert [
        p for p in parameters if f"`{p}`" not in told and p not in undocumented | {"automation", "time_zone", "access", "personal"}
    ] == []
    assert len(parameters) < 30
