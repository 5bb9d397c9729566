"""A product with sales, and SQL datasets made of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
MONTHS = dg.MonthlyPartitionsDefinition("2026-01-01")


class Sales(pa.DataFrameModel):
    """What was sold."""

    id: int = dp.column("Number.")
    shop: str = dp.column("Where.", nullable=True)
    amount: Annotated[pl.Decimal, 20, 2] = dp.column("How much.", unit="NOK")
    share: float = dp.column("Part of it.", nullable=True)
    at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When.", nullable=True)
    day: pl.Date = dp.column("Which day.", nullable=True)
    tags: pl.List = dp.column("Words.", nullable=True, dtype_kwargs={"inner": pl.String})


def sales(count: int, **columns: Any) -> pl.DataFrame:
    """So many sales, by turns in the shops a and b."""
    rows = {
        "id": list(range(1, count + 1)),
        "shop": ["a" if number % 2 else "b" for number in range(1, count + 1)],
        "amount": [Decimal("1.10") * number for number in range(1, count + 1)],
        "share": [None] * count,
        "at": [None] * count,
        "day": [None] * count,
        "tags": [None] * count,
    }
    return pl.DataFrame({**rows, **columns}, schema=dict(dp.Contract.of(Sales, dataset="shop/sales").dtypes))


@pytest.fixture
def shop(product: Any) -> Any:
    """The product "shop" with a dataset "sales" by day, as many as the day's number."""
    product.dataset(schema=Sales, key="id", partitions=DAYS, name="sales", row_change=None)(lambda partition: sales(int(partition[-2:])))
    return product


@pytest.fixture
def declare_sql(shop: Any) -> Callable[..., Any]:
    """Write a file and declare the dataset "made" of it: columns as name=type."""

    def declared(sql: str, columns: dict[str, Any] | None = None, *, file: str = "made.sql", product: Any = None, **options: Any) -> Any:
        home = product or shop
        home.datasets.pop(options.get("name", file.removesuffix(".sql")), None)
        (home.folder / file).write_text(sql, encoding="utf-8")
        given = {n: c if isinstance(c, pa.Column) else pa.Column(c, nullable=True) for n, c in (columns or {"a": int}).items()}
        return home.sql_dataset(file, schema=pa.DataFrameSchema(given), **options)

    return declared
