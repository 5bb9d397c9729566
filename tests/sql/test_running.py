"""SQL datasets run in DuckDB: over exactly the versions their inputs choose, with BigQuery's answers, and with errors that say where."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import ConfigurationError, ContractBreach, QueryFailed
from dataproducts.sql import duck
from tests.sql.conftest import DAYS, MONTHS, Sales, sales

SUMS = {"shop": str, "number": int, "total": pl.Decimal(38, 9)}
BY_SHOP = "SELECT shop, COUNT(*) AS number, SUM(amount) AS total FROM {{ sales }} GROUP BY shop"


def stored(name: str = "shop/made", **choice: Any) -> list[tuple[Any, ...]]:
    return sorted(dp.scan(name, **choice).collect().rows(), key=str)


# What a run reads


def test_a_partition_is_made_of_the_same_partition_of_its_input(shop: Any, declare_sql: Callable[..., Any], materialize: Any) -> None:
    declare_sql(BY_SHOP, SUMS, partitions=DAYS)
    run = materialize(shop, "sales", "made", span=("2026-01-02", "2026-01-04"))
    assert run.success, run.failure
    assert stored(partition="2026-01-03") == [("a", 2, Decimal("4.4")), ("b", 1, Decimal("2.2"))]
    assert run.events[("shop/made", "2026-01-03")]["dataproducts/inputs"] == {"shop/sales": [["2026-01-03", 1]]}
    assert run.checks["shape"].passed


def test_only_the_newest_version_is_read_of_files_that_hold_others_too(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, store: Callable[..., Any]
) -> None:
    """Three days are in one file; one of them is corrected, in a file of its own; another after that."""
    declare_sql("SELECT COUNT(*) AS number, SUM(id) AS ids FROM {{ sales }}", {"number": int, "ids": int})
    contract = shop.datasets["sales"].contract
    store(contract, {f"2026-01-0{n}": sales(n) for n in (2, 3, 4)})
    for expected in ([(9, 19)], [(16, 68)], [(13, 59)]):
        assert materialize(shop, "made").success
        assert stored() == expected
        store(contract, {"2026-01-03": sales(10)} if expected == [(9, 19)] else {"2026-01-04": sales(1)})
    assert [v.number for v in dp.versions("shop/made")] == [1, 2, 3]
    assert stored(version=1) == [(9, 19)]
    assert dp.versions("shop/made")[-1].note["inputs"] == {"shop/sales": [["2026-01-02", 1], ["2026-01-03", 2], ["2026-01-04", 2]]}


def test_the_same_content_is_no_new_version(shop: Any, declare_sql: Callable[..., Any], materialize: Any) -> None:
    declare_sql(BY_SHOP, SUMS, partitions=DAYS)
    assert materialize(shop, "sales", "made", partition="2026-01-05").success
    run = materialize(shop, "made", partition="2026-01-05")
    assert run.events[("shop/made", "2026-01-05")]["unchanged"] == "Same content as before: still version 1."


def test_a_missing_partition_of_an_input_is_told_of_and_nothing_is_stored(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any
) -> None:
    declare_sql(BY_SHOP, SUMS, partitions=DAYS)
    assert materialize(shop, "sales", partition="2026-01-05").success
    run = materialize(shop, "made", partition="2026-01-06")
    assert run.failure == "shop/sales has no partition '2026-01-06' yet; materialize it first"
    assert run.events == {}


def test_the_key_of_the_partition_is_a_parameter(shop: Any, declare_sql: Callable[..., Any], materialize: Any) -> None:
    declare_sql(
        "SELECT id, PARSE_DATE('%Y-%m-%d', @partition) AS day, @partition AS key FROM {{ sales }}",
        {"id": int, "day": pl.Date, "key": str},
        partitions=DAYS,
    )
    assert materialize(shop, "sales", "made", partition="2026-01-02").success
    assert stored() == [(1, date(2026, 1, 2), "2026-01-02"), (2, date(2026, 1, 2), "2026-01-02")]


def test_a_month_is_made_of_its_days_and_a_running_total_of_all_that_went_before(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any
) -> None:
    declare_sql("SELECT COUNT(*) AS a FROM {{ sales }}", partitions=MONTHS, file="month.sql")
    declare_sql(
        "SELECT COUNT(*) AS a FROM {{ sales }}", partitions=DAYS, file="total.sql", inputs={"sales": dp.until(shop.datasets["sales"])}
    )
    assert materialize(shop, "sales", span=("2026-01-01", "2026-01-31")).success
    assert materialize(shop, "total", span=("2026-01-03", "2026-01-04")).success
    assert materialize(shop, "month", partition="2026-01-01").success
    assert stored("shop/month") == [(31 * 32 // 2,)]
    assert stored("shop/total") == [(10,), (6,)]


def test_a_dataset_goes_on_from_its_own_previous_partition(shop: Any, declare_sql: Callable[..., Any], materialize: Any) -> None:
    declare_sql(
        "SELECT s.number + COALESCE(b.number, 0) AS number\nFROM (SELECT COUNT(*) AS number FROM {{ sales }}) AS s\nLEFT JOIN {{ before }} AS b ON TRUE",
        {"number": int},
        partitions=DAYS,
        inputs={"before": dp.previous()},
    )
    run = materialize(shop, "sales", "made", span=("2026-01-01", "2026-01-04"))
    assert run.success, run.failure
    assert stored() == [(1,), (10,), (3,), (6,)]


def test_datasets_of_other_products_and_intervals_are_read_too(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, facts_file: Callable[..., Path]
) -> None:
    class Machines(pa.DataFrameModel):
        """Machines."""

        machine: str = dp.column("Which.")
        cups: int = dp.column("How many.")

    coffee = dp.DataProduct(facts_file("coffee"))
    cups = coffee.dataset(schema=Machines, key="machine", kind="snapshot", partitions=DAYS, name="cups")(
        lambda partition: [{"machine": "kitchen", "cups": int(partition[-2:]) // 2}]
    )
    history = coffee.history(cups)
    assert materialize(coffee, "cups", "cups_history", span=("2026-01-01", "2026-01-04")).success
    declare_sql(
        "SELECT h.cups, h.valid_from, c.machine FROM {{ coffee/cups_history }} AS h JOIN {{ cups }} AS c USING (machine)",
        {"cups": int, "valid_from": pl.Date, "machine": str},
        inputs=[history, cups],
    )
    run = materialize(shop, "made")
    assert run.success, run.failure
    assert stored() == [(0, date(2026, 1, 1), "kitchen"), (1, date(2026, 1, 2), "kitchen"), (2, date(2026, 1, 4), "kitchen")]


def test_datasets_of_one_name_in_two_products_are_told_apart(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, facts_file: Callable[..., Path]
) -> None:
    coffee = dp.DataProduct(facts_file("coffee"))
    theirs = coffee.dataset(schema=Sales, key="id", name="sales")(lambda: sales(7))
    assert materialize(coffee, "sales").success
    assert materialize(shop, "sales", partition="2026-01-02").success
    made = declare_sql(
        "-- Solgt i går, blåbær.\nSELECT COUNT(*) AS number, MAX(theirs.id) AS a\nFROM {{ sales }}\nJOIN {{ coffee/sales }} AS theirs ON TRUE",
        {"number": int, "a": int},
        inputs=[theirs],
    )
    assert materialize(shop, "made").success
    assert stored() == [(14, 7)]
    assert made(sales=sales(1), coffee__sales=sales(3)).rows() == [(3, 3)]
    named = declare_sql(
        "SELECT COUNT(*) AS a FROM {{ sales }} JOIN {{ shop/sales }} AS ours ON TRUE", file="named.sql", inputs={"sales": theirs}
    )
    assert named(sales=sales(3), shop__sales=sales(2)).rows() == [(6,)]


def test_columns_that_came_later_are_missing_in_older_files(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, store: Callable[..., Any], declare: Callable[..., Any]
) -> None:
    older = declare({"id": int, "shop": str, "amount": pl.Decimal(20, 2)}, "id")
    store(older, {"2026-01-01": sales(2).select("id", "shop", "amount")})
    store(shop.datasets["sales"].contract, {"2026-01-02": sales(1, share=[0.5])})
    declare_sql("SELECT id, share, ARRAY_LENGTH(tags) AS words FROM {{ sales }}", {"id": int, "share": float, "words": int})
    assert materialize(shop, "made").success
    assert stored() == [(1, 0.5, None), (1, None, None), (2, None, None)]


def test_an_input_of_no_rows_gives_the_aggregate_of_nothing(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, store: Any
) -> None:
    store(shop.datasets["sales"].contract, {"2026-01-01": sales(0)})
    declare_sql("SELECT COUNT(*) AS a FROM {{ sales }}", partitions=DAYS)
    assert materialize(shop, "made", partition="2026-01-01").success
    assert stored() == [(0,)]


def test_a_run_connects_once_whatever_the_partitions(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, connect = [], duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *a, **k: made.append(k) or connect(*a, **k))
    declare_sql("SELECT id AS a FROM {{ sales }}", partitions=DAYS)
    assert materialize(shop, "sales", "made", span=("2026-01-01", "2026-01-09")).success
    assert len(made) == 1


# What it stores: every type of a contract, exactly


class Everything(pa.DataFrameModel):
    """Every type."""

    text: str = dp.column("x", nullable=True)
    whole: int = dp.column("x", nullable=True)
    real: float = dp.column("x", nullable=True)
    truth: bool = dp.column("x", nullable=True)
    day: pl.Date = dp.column("x", nullable=True)
    moment: Annotated[pl.Datetime, "us", "UTC"] = dp.column("x", nullable=True)
    money: Annotated[pl.Decimal, 20, 2] = dp.column("x", nullable=True)
    exact: Annotated[pl.Decimal, 38, 20] = dp.column("x", nullable=True)
    raw: pl.Binary = dp.column("x", nullable=True)
    words: pl.List = dp.column("x", nullable=True, dtype_kwargs={"inner": pl.String})
    record: pl.Struct = dp.column("x", nullable=True, dtype_kwargs={"fields": {"n": pl.Int64, "of": pl.List(pl.Decimal(10, 3))}})


def test_every_type_passes_through_a_query_as_it_was(product: Any, materialize: Any) -> None:
    far = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
    rows = pl.DataFrame(
        {
            "text": ["blåbær", "", None, "x\x00y"],
            "whole": [2**63 - 1, -(2**63), None, 0],
            "real": [1.5, -0.0, None, 1e308],
            "truth": [True, False, None, True],
            "day": [date(1, 1, 1), date(9999, 12, 31), None, date(2026, 3, 29)],
            "moment": [datetime(2026, 3, 29, 1, 0, 0, 1, UTC), far, None, datetime(1, 1, 1, tzinfo=UTC)],
            "money": [Decimal("0.01"), Decimal("-123456789012345678.99"), None, Decimal(0)],
            "exact": [Decimal("0.00000000000000000001"), Decimal(1), None, Decimal("-0.5")],
            "raw": [b"\x00\xff", b"", None, b"a"],
            "words": [["a", None], [], None, ["å"]],
            "record": [{"n": 1, "of": [Decimal("1.234")]}, {"n": None, "of": []}, None, {"n": 2, "of": None}],
        },
        schema=dict(dp.Contract.of(Everything, dataset="shop/all").dtypes),
    )
    product.dataset(schema=Everything, name="all")(lambda: rows)
    (product.folder / "copy.sql").write_text("SELECT * FROM {{ all }}")
    product.sql_dataset("copy.sql", schema=Everything)
    run = materialize(product, "all", "copy")
    assert run.success, run.failure
    (all_,), (copy,) = dp.versions("shop/all"), dp.versions("shop/copy")
    assert copy.content_hash == all_.content_hash


ANSWERS: dict[str, tuple[str, Any, Any]] = {
    "a sum of integers": ("SUM(id)", int, 3),
    "a quotient of integers is no integer": ("MAX(id) / 4", float, 0.5),
    "integer division": ("DIV(MAX(id), 2)", int, 1),
    "a safe quotient": ("SAFE_DIVIDE(MAX(id), 0)", float, None),
    "a quotient of decimals": ("MAX(amount) / 3", pl.Decimal(38, 9), Decimal("0.733333333")),
    "an average of decimals": ("AVG(amount)", pl.Decimal(38, 9), Decimal("1.65")),
    "an average of decimals over a window": ("AVG(amount) OVER ()", pl.Decimal(38, 9), Decimal("1.65")),
    "a product of decimals": ("MAX(amount * amount)", pl.Decimal(38, 9), Decimal("4.84")),
    "NUMERIC has nine decimals": ("CAST('0.123456789' AS NUMERIC)", pl.Decimal(38, 9), Decimal("0.123456789")),
    "a float is rounded half away from zero": ("CAST(MAX(2.5) AS INT64) + CAST(MIN(-2.5) AS INT64) * 10", int, -27),
    "a decimal is rounded half away from zero": ("CAST(CAST('2.5' AS NUMERIC) AS INT64)", int, 3),
    "a failed cast made safe": ("SAFE_CAST('x' AS INT64)", int, None),
    "the day in Oslo": ("DATE(TIMESTAMP '2026-03-28 23:30:00+00', 'Europe/Oslo')", pl.Date, date(2026, 3, 29)),
    "the day in UTC": ("DATE(TIMESTAMP '2026-03-28 23:30:00+00')", pl.Date, date(2026, 3, 28)),
    "a day moved by a month": ("DATE_ADD(DATE '2026-01-31', INTERVAL 1 MONTH)", pl.Date, date(2026, 2, 28)),
    "a day moved back": ("CAST(DATE_SUB(DATE '2026-01-01', INTERVAL 1 DAY) AS STRING)", str, "2025-12-31"),
    "the first of a month": ("DATE_TRUNC(DATE '2026-05-17', MONTH)", pl.Date, date(2026, 5, 1)),
    "an hour": (
        "TIMESTAMP_TRUNC(TIMESTAMP '2026-01-01 10:59:00+00', HOUR)",
        pl.Datetime("us", "UTC"),
        datetime(2026, 1, 1, 10, tzinfo=UTC),
    ),
    "days between": ("DATE_DIFF(DATE '2026-03-01', DATE '2026-02-01', DAY)", int, 28),
    "a month as text": ("FORMAT_DATE('%Y-%m', DATE '2026-05-17')", str, "2026-05"),
    "rows that": ("COUNTIF(shop = 'a')", int, 1),
    "text with a pattern": ("REGEXP_EXTRACT('nr 12', r'[0-9]+')", str, "12"),
    "missing values first": ("ARRAY_AGG(NULLIF(id, 2) IGNORE NULLS ORDER BY id)[OFFSET(0)]", int, 1),
    "words in order": ("STRING_AGG(shop, ', ' ORDER BY shop DESC)", str, "b, a"),
    "places in a list begin at 0": ("(SELECT MAX(place) FROM UNNEST(['x', 'y']) AS word WITH OFFSET AS place)", int, 1),
    "a choice": ("IF(COUNT(*) > 1, 'many', 'few')", str, "many"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_duckdb_answers_as_bigquery_does(what: str, declare_sql: Callable[..., Any]) -> None:
    sql, kind, expected = ANSWERS[what]
    made = declare_sql(f"SELECT {sql} AS a FROM {{{{ sales }}}}", {"a": kind})
    assert made(sales=sales(2)).item(0, 0) == expected


# What it says when a value cannot be computed

BREAKS: dict[str, tuple[str, str]] = {
    "division": ("id / (id - 1) > 1", "3:7: division by zero, in shop/made; write SAFE_DIVIDE, or NULLIF around the divisor"),
    "modulo": ("MOD(id, id - id) = 0", "3:7: division by zero, in shop/made; write SAFE_DIVIDE, or NULLIF around the divisor"),
    "cast": (
        "id > 0 AND CAST(shop AS INT64) = 1",
        "3:23: could not convert string 'a' to INT64, in shop/made; correct the query, or what it reads",
    ),
    "overflow": (
        "id * 9223372036854775807 * 2 > 0",
        " overflow in multiplication of INT64 (9223372036854775807 * 2)!, in shop/made; correct the query, or what it reads",
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_value_that_cannot_be_computed_is_told_of_with_the_place_in_the_authors_file(
    what: str, shop: Any, declare_sql: Callable[..., Any], materialize: Any, store: Any
) -> None:
    condition, expected = BREAKS[what]
    declare_sql(f"-- So many.\nSELECT COUNT(*) AS a FROM {{{{ sales }}}}\nWHERE {condition}")
    store(shop.datasets["sales"].contract, {"2026-01-01": sales(1)})
    run = materialize(shop, "made")
    assert run.failure == f"{shop.folder / 'made.sql'}:{expected}"
    assert run.events == {}


def test_no_personal_value_is_in_what_is_said(facts_file: Callable[..., Path]) -> None:
    class People(pa.DataFrameModel):
        """People."""

        name: str = dp.column("Name.", personal="directly_identifying")

    class Count(pa.DataFrameModel):
        """How many."""

        number: int = dp.column("How many.", personal="none")

    product = dp.DataProduct(facts_file(personal=True))
    product.dataset(schema=People, name="people")(list)
    (product.folder / "made.sql").write_text("SELECT SUM(CAST(name AS INT64)) AS number FROM {{ people }}")
    made = product.sql_dataset("made.sql", schema=Count)
    with pytest.raises(QueryFailed) as error:
        made(people=[{"name": "Kari O'Nordmann"}])
    assert "Kari" not in str(error.value)
    assert "Nordmann" not in str(error.value)
    assert "made.sql:1:17: a value cannot be converted, in shop/made" in str(error.value)


def test_a_query_is_tested_over_frames_with_the_names_that_stored_rows_have(product: Any) -> None:
    class Cup(pa.DataFrameModel):
        machine: str = dp.column("Where it stands.", source="Machine")
        cups: int = dp.column("Cups made.", source="Cups made")

    product.dataset(schema=Cup, key="machine", name="cups")(list)
    (product.folder / "total.sql").write_text("SELECT SUM(cups) AS total FROM {{ cups }}")
    total = product.sql_dataset("total.sql", schema=pa.DataFrameSchema({"total": pa.Column(int)}))
    assert total(cups=pl.DataFrame({"machine": ["kitchen", "lobby"], "cups": [41, 2]})).item() == 43


def test_a_value_that_would_lose_digits_is_refused(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql("SELECT SUM(amount) / 3 AS a FROM {{ sales }}", {"a": pl.Decimal(20, 2)})
    assert made(sales=sales(2)).item() == Decimal("1.10")
    with pytest.raises(ContractBreach, match=r"column 'a' holds a value that NUMERIC\(20, 2\) does not keep exactly; ROUND or CAST it"):
        made(sales=sales(1))


def test_a_sum_beyond_sixty_four_bits_is_refused(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql("SELECT SUM(id) AS a FROM {{ sales }}")
    with pytest.raises(QueryFailed, match="out of range for the destination type INT64"):
        made(sales=sales(2, id=[2**63 - 1, 1]))


def test_a_type_that_was_not_inferred_is_held_against_the_contract_when_it_runs(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql("SELECT NO_SUCH_FUNCTION(shop) AS a FROM {{ sales }}")
    with pytest.raises(QueryFailed, match="made.sql: .*no_such_function"):
        made(sales=sales(1))


def test_a_damaged_file_of_an_input_is_named_and_not_the_query(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, lake: str
) -> None:
    declare_sql(BY_SHOP, SUMS, partitions=DAYS)
    assert materialize(shop, "sales", partition="2026-01-05").success
    (file,) = Path(lake, "shop/sales/v1/_entry=row").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:200] + b"garbage")
    run = materialize(shop, "made", partition="2026-01-05")
    assert run.failure == f"shop/sales: its history cannot be read: {file} is damaged; restore the file from a backup"


def test_a_query_reaches_no_file_but_the_lakes(declare_sql: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    made = declare_sql("SELECT id AS a FROM {{ sales }}")
    with duck.opened(made.declaration.query) as engine, pytest.raises(duckdb.PermissionException):
        engine._connection.execute(f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')")


def test_memory_is_limited_and_the_limit_is_a_setting(declare_sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made = declare_sql("SELECT id AS a FROM {{ sales }}")
    monkeypatch.setenv("DATAPRODUCTS_DUCKDB_MEMORY", "300MiB")
    with duck.opened(made.declaration.query) as engine:
        assert engine._connection.execute("SELECT current_setting('memory_limit')").fetchone() == ("300.0 MiB",)
    monkeypatch.setenv("DATAPRODUCTS_DUCKDB_MEMORY", "plenty")
    with pytest.raises(ConfigurationError, match="DATAPRODUCTS_DUCKDB_MEMORY is 'plenty', which is no amount of memory; write it as 4GB"):
        made(sales=sales(1))


def test_a_query_that_needs_more_memory_than_it_may_take_is_told_of(
    declare_sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = sales(200_000, shop=[f"shop {n} of a long name" for n in range(200_000)])
    made = declare_sql("SELECT LENGTH(STRING_AGG(shop, ',' ORDER BY shop DESC)) AS a FROM {{ sales }}")
    monkeypatch.setenv("DATAPRODUCTS_DUCKDB_MEMORY", "5MB")
    with pytest.raises(
        QueryFailed, match="made.sql: it needs more than the 5MB of memory DuckDB may take, in shop/made; read fewer columns"
    ):
        made(sales=many)


def test_a_dataset_is_called_with_frames_in_a_test_of_its_own(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql("SELECT id AS a FROM {{ sales }} WHERE DATE(@partition) < '2026-02-01'", partitions=DAYS)
    assert made(partition="2026-01-01", sales=sales(2)).to_dict(as_series=False) == {"a": [1, 2]}
    assert made(partition="2026-02-01", sales=sales(2)).to_dict(as_series=False) == {"a": []}
