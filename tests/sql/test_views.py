"""Views: no rows are stored, and what is read is what the inputs hold, now, then, or when the view was checked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from click.testing import CliRunner

import dataproducts as dp
from dataproducts.cli import cli
from dataproducts.errors import DeclarationError, PartitionUnavailable, QueryFailed, UnknownDataset
from dataproducts.package.folder import Wanted, package
from dataproducts.port_asset import offered
from dataproducts.promise import document
from dataproducts.sql.view import live
from tests.sql.conftest import DAYS, sales

BY_SHOP = "SELECT shop, COUNT(*) AS number, SUM(amount) AS total FROM {{ sales }} GROUP BY shop"
SUMS = {"shop": str, "number": int, "total": pl.Decimal(38, 9)}
ALL = "SELECT id, shop FROM {{ sales }}"
TWO = {"id": int, "shop": str}


def stored(name: str = "shop/made", **choice: Any) -> list[tuple[Any, ...]]:
    return sorted(dp.scan(name, **choice).collect().rows(), key=str)


@pytest.fixture
def view(declare_sql: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the view "made"."""
    return lambda sql, columns, **options: declare_sql(sql, columns, materialized="view", **options)


def test_a_view_stores_no_rows_and_reads_what_its_inputs_hold_now(
    shop: Any, view: Callable[..., Any], materialize: Any, lake: str, store: Callable[..., Any]
) -> None:
    view(BY_SHOP, SUMS)
    run = materialize(shop, "sales", partition="2026-01-02")
    assert materialize(shop, "made").success, run.failure
    assert not list(Path(lake, "shop/made").rglob("_entry=rows/*"))
    assert stored() == [("a", 1, Decimal("1.1")), ("b", 1, Decimal("2.2"))]
    store(shop.datasets["sales"].contract, {"2026-01-02": sales(4), "2026-01-03": sales(1)})
    assert stored() == [("a", 3, Decimal("5.5")), ("b", 2, Decimal("6.6"))]
    assert [v.number for v in dp.versions("shop/made")] == [1]


def test_a_view_reads_what_was_known_then_and_what_it_was_checked_with(
    shop: Any, view: Callable[..., Any], materialize: Any, store: Callable[..., Any]
) -> None:
    view(ALL, TWO)
    contract = shop.datasets["sales"].contract
    store(contract, {"2026-01-02": sales(1)})
    assert materialize(shop, "made").success
    store(contract, {"2026-01-02": sales(2)})
    between = datetime.now(UTC)
    store(contract, {"2026-01-02": sales(3)})
    assert materialize(shop, "made").success
    store(contract, {"2026-01-02": sales(4)})
    counts = [len(stored(**choice)) for choice in ({}, {"as_of": between}, {"version": 1}, {"version": 2})]
    assert counts == [4, 2, 1, 3]
    assert [v.rows for v in dp.versions("shop/made")] == [1, 3]
    with pytest.raises(UnknownDataset, match="nothing was known"):
        dp.read("shop/made", as_of=datetime(2020, 1, 1, tzinfo=UTC))


def test_a_partition_of_a_view_reads_its_own_partitions(
    shop: Any, view: Callable[..., Any], materialize: Any, store: Callable[..., Any]
) -> None:
    view("SELECT id, @partition AS day FROM {{ sales }}", {"id": int, "day": str}, partitions=DAYS)
    run = materialize(shop, "sales", "made", span=("2026-01-02", "2026-01-03"))
    assert run.success, run.failure
    store(shop.datasets["sales"].contract, {"2026-01-03": sales(1)})
    assert stored() == [(1, "2026-01-02"), (1, "2026-01-03"), (2, "2026-01-02")]
    assert stored(partition="2026-01-03") == [(1, "2026-01-03")]
    assert len(stored(partition="2026-01-03", version=1)) == 3
    assert dp.read("shop/made", columns=["_partition", "_version"]).drop_duplicates().shape == (2, 2)


def test_of_snapshots_a_view_reads_the_newest(product: Any, materialize: Any, facts_file: Any) -> None:
    class Machine(pa.DataFrameModel):
        """Machines."""

        machine: str = dp.column("Which.")
        cups: int = dp.column("How many.")

    cups = product.dataset(schema=Machine, key="machine", kind="snapshot", partitions=DAYS, name="cups")(
        lambda partition: [{"machine": "kitchen", "cups": int(partition[-2:])}]
    )
    product.history(cups)
    (product.folder / "now.sql").write_text("SELECT machine, cups FROM {{ cups }}")
    (product.folder / "ever.sql").write_text("SELECT machine, cups FROM {{ cups_history }}")
    columns = pa.DataFrameSchema({"machine": pa.Column(str), "cups": pa.Column(int)})
    for name in ("now", "ever"):
        product.sql_dataset(f"{name}.sql", schema=columns, materialized="view")
    assert materialize(product, "cups", "cups_history", span=("2026-01-01", "2026-01-02")).success
    assert materialize(product, "now", "ever").success
    assert materialize(product, "cups", "cups_history", partition="2026-01-03").success
    assert stored("shop/now") == [("kitchen", 3)]
    assert stored("shop/ever") == [("kitchen", 1), ("kitchen", 2), ("kitchen", 3)]
    assert stored("shop/ever", version=1) == [("kitchen", 1), ("kitchen", 2)]


def test_datasets_downstream_read_a_view_as_it_is_now_and_note_what_that_was(
    shop: Any, view: Callable[..., Any], declare_sql: Callable[..., Any], materialize: Any, store: Callable[..., Any]
) -> None:
    view(ALL, TWO)
    declare_sql("SELECT COUNT(*) AS number FROM {{ made }}", {"number": int}, file="counted.sql")
    shop.dataset(schema=pa.DataFrameSchema({"number": pa.Column(int)}), name="python")(_count)
    contract = shop.datasets["sales"].contract
    store(contract, {"2026-01-02": sales(1)})
    assert materialize(shop, "made").success
    store(contract, {"2026-01-02": sales(5)})
    run = materialize(shop, "counted", "python")
    assert run.success, run.failure
    assert stored("shop/counted") == stored("shop/python") == [(5,)]
    for name in ("shop/counted", "shop/python"):
        assert dp.versions(name)[0].note["inputs"] == {"shop/made": [["-", 1]], "shop/sales": [["2026-01-02", 2]]}


def _count(made: pl.DataFrame) -> list[dict[str, int]]:
    return [{"number": made.height}]


def test_a_view_of_a_view_reads_through_both(shop: Any, view: Callable[..., Any], materialize: Any, store: Callable[..., Any]) -> None:
    view("SELECT id, shop FROM {{ sales }} WHERE id > 1", TWO)
    view("SELECT m.id, s.shop FROM {{ made }} AS m JOIN {{ sales }} AS s ON s.id = m.id", TWO, file="outer.sql")
    contract = shop.datasets["sales"].contract
    store(contract, {"2026-01-02": sales(2)})
    assert materialize(shop, "made", "outer").success
    store(contract, {"2026-01-02": sales(4)})
    assert len(stored("shop/outer")) == 3
    assert stored("shop/outer", version=1) == [(2, "b")]
    assert materialize(shop, "outer").success  # over what the inner one reads now, though that was not checked again
    assert len(stored("shop/outer", version=2)) == 3


def test_a_changed_query_is_a_new_version_also_where_it_gives_the_same(shop: Any, view: Callable[..., Any], materialize: Any) -> None:
    view(ALL, TWO)
    assert materialize(shop, "sales", partition="2026-01-02").success
    assert materialize(shop, "made").success
    assert materialize(shop, "made").success
    view("SELECT id, shop FROM {{ sales }} WHERE id < 3", TWO)
    assert materialize(shop, "made").success
    assert [v.number for v in dp.versions("shop/made")] == [1, 2]
    assert materialize(shop, "sales", partition="2026-01-03").success
    assert (len(stored()), len(stored(version=1))) == (4, 2)


def test_a_dataset_of_stored_rows_becomes_a_view_and_one_again(
    shop: Any, view: Callable[..., Any], declare_sql: Callable[..., Any], materialize: Any
) -> None:
    assert materialize(shop, "sales", span=("2026-01-01", "2026-01-02")).success
    for declared in (declare_sql, view, declare_sql):
        declared(ALL, TWO, partitions=DAYS)
        assert materialize(shop, "made", partition="2026-01-02").success
        assert len(stored()) == 2
    declare_sql(ALL, TWO, partitions=DAYS)
    assert [v.is_view for v in dp.versions("shop/made")] == [False, True, False]
    assert materialize(shop, "made", partition="2026-01-01").success
    view(ALL, TWO, partitions=DAYS)
    assert materialize(shop, "made", partition="2026-01-01").success
    assert len(stored()) == 3  # one day stored, one seen


def test_rows_that_break_the_contract_are_no_version_and_the_checks_say_so(shop: Any, view: Callable[..., Any], materialize: Any) -> None:
    view("SELECT id, shop FROM {{ sales }}", {"id": pa.Column(int, pa.Check.lt(3)), "shop": str}, key="id")
    assert materialize(shop, "sales", partition="2026-01-02").success
    run = materialize(shop, "made")
    assert run.success, run.failure
    assert run.events[("shop/made", None)]["dataproducts/inputs"] == {"shop/sales": [["2026-01-02", 1]]}
    assert materialize(shop, "sales", partition="2026-01-04").success
    failed = materialize(shop, "made")
    assert not failed.success
    assert "break the contract" in failed.failure
    assert [v.number for v in dp.versions("shop/made")] == [1]


def test_what_cannot_be_computed_when_it_is_read_says_where(
    shop: Any, view: Callable[..., Any], materialize: Any, store: Callable[..., Any]
) -> None:
    view("SELECT id,\n  CAST(shop AS INT64) AS number FROM {{ sales }}", {"id": int, "number": int})
    contract = shop.datasets["sales"].contract
    store(contract, {"2026-01-02": sales(1, shop=["1"])})
    assert materialize(shop, "made").success
    store(contract, {"2026-01-02": sales(1, shop=["x"])})
    with pytest.raises(QueryFailed, match=r"made\.sql:2:8: could not convert string 'x' to INT64, in shop/made"):
        dp.read("shop/made")


def test_the_command_line_reads_a_view_and_packs_it(
    shop: Any, view: Callable[..., Any], materialize: Any, store: Callable[..., Any], tmp_path: Path
) -> None:
    made = view(ALL, TWO)
    contract = shop.datasets["sales"].contract
    store(contract, {"2026-01-02": sales(0)})
    assert materialize(shop, "made").success
    store(contract, {"2026-01-02": sales(2)})
    told = CliRunner().invoke(cli, ["read", "shop/made", "--format", "csv"])
    assert told.stdout.splitlines() == ["id,shop", "1,a", "2,b"]
    package("shop/made", [offered(made.declaration)], tmp_path / "packed", Wanted(form="csv"))
    assert (tmp_path / "packed/data/made.csv").read_text().splitlines() == ["id,shop", "1,a", "2,b"]


def test_an_input_that_had_nothing_then_is_named(shop: Any, view: Callable[..., Any], materialize: Any, store: Callable[..., Any]) -> None:
    view(ALL, TWO, partitions=DAYS)
    contract = shop.datasets["sales"].contract
    store(contract, {"2026-01-02": sales(1)})
    assert materialize(shop, "made", partition="2026-01-02").success
    (version,) = dp.versions("shop/made")
    with pytest.raises(PartitionUnavailable, match="shop/sales, which it reads, had no partition '2026-01-02' at 2020"):
        live(version, datetime(2020, 1, 1, tzinfo=UTC))


def test_views_are_told_from_tables_wherever_a_dataset_is_described(shop: Any, view: Callable[..., Any]) -> None:
    made = view(ALL, TWO)
    spec = made.specs_by_key[made.key]
    assert spec.kinds == {"view", "sql"}
    assert document(made)["schema"][0]["physicalType"] == "view"
    assert spec.metadata["dagster/column_lineage"].deps_by_column["id"][0].asset_key == dg.AssetKey(["shop", "sales"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"quarantine": True}, "a quarantine, and a view keeps no rows, good or refused"),
        ({"suppression": dp.Suppression(count="id", threshold=3)}, "suppression, which is held when rows are stored"),
        ({"k_anonymity": dp.KAnonymity(columns=["shop"], k=3)}, "k_anonymity, which is held when rows are stored"),
        ({"inputs": "until"}, r"until\(...\), and a view reads each input as it is"),
        ({"ports": [dp.Package()]}, "is a view and stores no rows, so nothing of it leaves through"),
        ({"ports": [dp.BigQuery()], "partitions": DAYS}, "at BigQuery has no partitions"),
        ({"ports": [dp.BigQuery()]}, "its input shop/sales is not at BigQuery"),
    ],
)
def test_what_only_stored_rows_can_keep_is_refused_in_one_sentence(
    shop: Any, view: Callable[..., Any], options: dict[str, Any], text: str
) -> None:
    if options.get("inputs") == "until":
        options = {"inputs": {"sales": dp.until(shop.datasets["sales"])}, "partitions": DAYS}
    with pytest.raises(DeclarationError, match=text):
        view(ALL, TWO, **options)
