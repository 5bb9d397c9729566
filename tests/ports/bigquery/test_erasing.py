"""An erasure deletes its rows at BigQuery, of every version, and BigQuery agrees with the lake again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.ports.delivery import finish
from dataproducts.ports.journal import Journal
from dataproducts.ports.port import Removed
from tests.ports.bigquery.conftest import DAILY, Published


def erase(sales: Published, *keys: str, empties: tuple[tuple[str, str], ...] = ()) -> Removed:
    plan = erasing.plan(World(sales.lake), "shop/sales", [("--key", key) for key in keys])
    if empties:
        plan = replace(plan, empties={"shop/sales": empties}, read={})
    erasing.erase(plan, reason="asked for it", who="tester")
    erased = Registry(sales.lake).refresh().erased("shop/sales")
    assert erased is not None
    history = sales.history.refresh()
    with sales.port.open(sales.offered, history, sales.port.resources(), "erasure") as session:
        finish(session, Journal(sales.lake, "shop/sales", sales.port.name), history, "erasure")
        removed: Removed = session.erase(erased)
        assert session.erase(erased).rows == 0
        return removed


@pytest.mark.parametrize(("columns", "key", "rows", "keys"), [
    ({"number": int, "amount": int}, "number", [(7, 1), (8, 2), (9, 3)], ("7", "9")),
    ({"shop": str, "number": int}, ("shop", "number"), [("north", 7), ("north", 8), ("south", 7)], ('{"shop": "north", "number": 7}', '{"shop": "south", "number": 7}')),
])  # fmt: skip
def test_rows_of_every_version_go_and_nothing_differs_afterwards(
    gateway: Any, home: Path, publish: Callable[..., Published], columns: Any, key: Any, rows: Any, keys: Any
) -> None:
    sales = publish(columns, key, partitions=DAILY)
    sales.commit(d2026_01_01=rows, d2026_01_02=rows[:2])
    sales.commit(d2026_01_01=rows[::2])
    sales.deliver()
    removed = erase(sales, *keys)
    assert removed.rows == 5
    assert "time travel keeps deleted rows until" in removed.later
    assert gateway.sql(f"SELECT COUNT(*) FROM `{sales.dataset}.sales_history`") == [["2"]]
    assert not sales.compare().differences
    sales.commit(d2026_01_03=rows)
    sales.deliver()
    assert sales.compare().rows == 3
    assert not sales.compare().differences


def test_values_go_where_rows_stay(gateway: Any, home: Path, publish: Callable[..., Published]) -> None:
    columns = {"number": int, "amount": int, "name": str, "tags": pa.Column(pl.List(pl.String), nullable=True)}
    sales = publish(columns, "number", partitions=DAILY)
    sales.commit(d2026_01_01=[(7, 1, "kari", ["x"]), (8, 2, "ola", ["y"])], d2026_01_02=[(7, None, None, None)])
    sales.deliver()
    removed = erase(sales, "7", empties=(("amount", "null"), ("name", '"..."'), ("tags", "[]")))
    assert removed.rows == 2
    there = gateway.sql(f"SELECT number, amount, name, ARRAY_LENGTH(tags) FROM `{sales.dataset}.sales_history` ORDER BY 1, 2")
    assert there == [["7", None, "...", "0"], ["7", None, "...", "0"], ["8", "2", "ola", "1"]]
    assert not sales.compare().differences


def test_a_delivery_between_the_lake_and_bigquery_is_not_refused(gateway: Any, home: Path, publish: Callable[..., Published]) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(7, 1), (8, 2)])
    sales.deliver()
    for key in ("7", "8"):
        plan = erasing.plan(World(sales.lake), "shop/sales", [("--key", key)])
        erasing.erase(plan, reason="asked for it", who="tester")
    sales.commit(d2026_01_02=[(9, 1)])
    assert [v.partition for v in sales.deliver().versions] == ["2026-01-02"]
    erased = Registry(sales.lake).refresh().erased("shop/sales")
    with sales.port.open(sales.offered, sales.history.refresh(), sales.port.resources(), "erasure") as session:
        assert session.erase(erased).rows == 2
    assert not sales.compare().differences
