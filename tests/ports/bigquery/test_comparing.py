"""Reconciliation finds what is missing, doubled, unknown or changed at BigQuery, and nothing else; every type comes back as it left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from dataproducts.history.store import DatasetHistory
from tests.bigquery import Gateway
from tests.ports.bigquery.conftest import DAILY, Published

EVERY_TYPE: dict[str, Any] = {
    "number": pl.Int64(),
    "text": pl.String(),
    "share": pl.Float64(),
    "yes": pl.Boolean(),
    "day": pl.Date(),
    "at": pl.Datetime("us", "UTC"),
    "amount": pl.Decimal(20, 2),
    "raw": pl.Binary(),
    "codes": pl.List(pl.String()),
    "place": pl.Struct({"street": pl.String(), "codes": pl.List(pl.Int64())}),
    "parts": pl.List(pl.Struct({"name": pl.String(), "share": pl.Float64(), "since": pl.Date()})),
    "næring å": pl.String(),
}
ROWS: list[dict[str, Any]] = [
    {
        "number": -(2**63),
        "text": "blåbær 🫐\n\x00'`\\",
        "share": 0.1 + 0.2,
        "yes": True,
        "day": date(1, 1, 1),
        "at": datetime(1, 1, 1, tzinfo=UTC),
        "amount": Decimal("123456789012345678.99"),
        "raw": bytes(range(256)),
        "codes": ["a", ""],
        "place": {"street": "Storgata", "codes": [1, 2]},
        "parts": [{"name": "x", "share": 1e308, "since": date(2026, 2, 28)}, {"name": None, "share": None, "since": None}],
        "næring å": "ja",
    },
    {
        "number": 2**63 - 1,
        "text": "",
        "share": -0.0,
        "yes": False,
        "day": date(9999, 12, 31),
        "at": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        "amount": Decimal("-0.01"),
        "raw": b"",
        "codes": [],
        "place": {"street": None, "codes": []},
        "parts": [],
        "næring å": "",
    },
    {"number": 0, "share": float("nan")},
    {"number": 1, "share": float("-inf"), "at": datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC)},
]


def test_every_type_comes_back_as_it_left(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(EVERY_TYPE, "number")
    sales.commit(whole=pl.DataFrame(ROWS, schema=EVERY_TYPE))
    sales.deliver()
    found = sales.compare(full=True)
    assert (found.versions, found.rows, found.differences) == (1, 4, ())


@pytest.fixture
def sales(publish: Callable[..., Published], gateway: Gateway) -> Published:
    """Two partitions, one of which has two versions, all of them delivered."""
    found = publish(partitions=DAILY)
    found.commit(d2026_01_01=[(1, 10), (2, 20)], d2026_01_02=[(3, 30)])
    found.commit(d2026_01_01=[(1, 11)])
    found.deliver()
    assert found.compare().differences == ()
    return found


def differences(sales: Published, full: bool = False) -> list[tuple[str, int, str]]:
    found = sales.compare(full).differences
    assert all(d.text.startswith(f"partition {d.partition} version {d.number} ") for d in found)
    return [(d.partition, d.number, d.text.split(f" version {d.number} ", 1)[1]) for d in found]


def test_a_version_that_has_not_arrived_is_found(sales: Published, gateway: Gateway) -> None:
    sales.commit(d2026_01_03=[(4, 40)])
    assert differences(sales) == [("2026-01-03", 1, "has not arrived")]


def test_a_port_that_never_ran_has_nothing(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    assert differences(sales) == [("2026-01-01", 1, "has not arrived, for there is no table yet")]


def test_rows_that_are_there_twice_are_found(sales: Published, gateway: Gateway) -> None:
    gateway.sql(f"INSERT INTO {sales.dataset}.sales_history SELECT * FROM {sales.dataset}.sales_history WHERE number = 3")
    assert differences(sales) == [("2026-01-02", 1, "has 2 rows at BigQuery and 1 here")]


def test_rows_that_are_gone_are_found(sales: Published, gateway: Gateway) -> None:
    gateway.sql(f"DELETE FROM {sales.dataset}.sales_history WHERE number = 2")
    assert differences(sales) == [("2026-01-01", 1, "has 1 rows at BigQuery and 2 here")]


def test_a_version_that_arrived_twice_is_found(sales: Published, gateway: Gateway) -> None:
    gateway.sql(f"INSERT INTO {sales.dataset}.sales_versions SELECT * FROM {sales.dataset}.sales_versions WHERE _dp_version = 2")
    assert differences(sales) == [("2026-01-01", 2, "has arrived 2 times")]


def test_a_version_the_dataset_does_not_know_is_found(sales: Published, gateway: Gateway) -> None:
    gateway.sql(
        f"INSERT INTO {sales.dataset}.sales_versions SELECT * REPLACE ('2025-12-31' AS _dp_partition) "
        f"FROM {sales.dataset}.sales_versions WHERE _dp_version = 2"
    )
    assert differences(sales) == [("2025-12-31", 1 + 1, "is at BigQuery and not in the dataset")]


def test_a_changed_value_is_found_where_all_is_compared(sales: Published, gateway: Gateway) -> None:
    gateway.sql(f"UPDATE {sales.dataset}.sales_history SET amount = 31 WHERE number = 3")
    assert differences(sales) == []
    assert differences(sales, full=True) == [("2026-01-02", 1, "has other values at BigQuery than here")]


def test_rows_that_no_version_claims_are_not_seen_in_the_view_and_are_told_of(sales: Published, gateway: Gateway) -> None:
    gateway.sql(
        f"INSERT INTO {sales.dataset}.sales_history SELECT * REPLACE ('given up' AS _dp_batch) "
        f"FROM {sales.dataset}.sales_history WHERE number = 3"
    )
    assert gateway.sql(f"SELECT COUNT(*) FROM {sales.dataset}.sales") == [["2"]]
    assert differences(sales) == [("2026-01-02", 1, "has 1 rows at BigQuery beside those of its load, which the view leaves out")]


def test_rows_on_a_day_that_is_not_theirs_are_found_where_all_is_compared(sales: Published, gateway: Gateway) -> None:
    rows = f"{sales.dataset}.sales_history"
    gateway.sql(f"INSERT INTO {rows} SELECT * REPLACE (DATE '1999-01-01' AS _dp_day) FROM {rows} WHERE number = 3")
    assert gateway.sql(f"SELECT COUNT(*) FROM {sales.dataset}.sales") == [["3"]]  # readers see it
    assert differences(sales, full=True) == [("2026-01-02", 1, "has 2 rows at BigQuery and 1 here")]


def test_rows_that_changed_places_between_partitions_are_found_where_all_is_compared(
    publish: Callable[..., Published], gateway: Gateway
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)], d2026_01_02=[(2, 20)])
    sales.deliver()
    rows = f"{sales.dataset}.sales_history"
    swap = "CASE _dp_partition WHEN '2026-01-01' THEN '2026-01-02' ELSE '2026-01-01' END"
    gateway.sql(
        f"UPDATE {rows} SET _dp_partition = {swap}, _dp_day = CASE number WHEN 1 THEN DATE '2026-01-02' ELSE DATE '2026-01-01' END WHERE TRUE"
    )
    assert [(p, n) for p, n, _ in differences(sales, full=True)] == [("2026-01-01", 1), ("2026-01-02", 1)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("_dp_known_at = TIMESTAMP '2020-01-01 00:00:00+00'", "_dp_known_at 2020-01-01 00:00:00+00:00 instead of "),
        ("_dp_contract = '9.9.9'", "_dp_contract 9.9.9 instead of 1.0.0"),
        ("_dp_day = DATE '2026-01-01'", "_dp_day 2026-01-01 instead of 2026-01-02"),
    ],
)
def test_what_is_said_beside_the_rows_is_compared_too(sales: Published, gateway: Gateway, change: str, text: str) -> None:
    gateway.sql(f"UPDATE {sales.dataset}.sales_history SET {change} WHERE number = 3")
    ((partition, _, told),) = differences(sales, full=True)
    assert (partition, told.startswith(f"has rows at BigQuery with {text}")) == ("2026-01-02", True)
    gateway.sql(f"UPDATE {sales.dataset}.sales_versions SET {change} WHERE _dp_partition = '2026-01-02'")
    ((partition, _, told),) = differences(sales)  # which decides what was known when
    assert (partition, told.startswith(f"stands in the table of versions with {text}")) == ("2026-01-02", True)


def test_what_another_run_delivers_meanwhile_is_no_version_that_the_dataset_does_not_know(
    sales: Published, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = DatasetHistory(sales.lake, "shop/sales")
    with sales.port.open(sales.offered, history, sales.port.resources(), "reconcile") as session:
        versions = history.versions()
        sales.commit(d2026_01_03=[(4, 40)])
        sales.deliver()
        assert session.compare(versions, full=True).differences == ()


def test_what_bigquery_does_not_keep_of_lists_is_left_out_and_is_no_difference(publish: Callable[..., Published], gateway: Gateway) -> None:
    inner = pl.Struct({"name": pl.String(), "codes": pl.List(pl.String())})
    sales = publish({"number": int, "codes": pl.List(pl.String()), "nested": inner}, "number")
    whole = {"name": "x", "codes": [None, "y"]}
    sales.commit(whole=[(1, ["a", None, "b"], whole), (2, None, None), (3, [None], {"name": None, "codes": None})])
    assert len(sales.deliver().versions) == 1
    assert sales.compare(full=True).differences == ()
