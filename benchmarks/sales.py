"""Synthetic sales, the rows most benchmarks work on: 8 columns and 8 rules, a regular expression and a key among them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts.contract import Contract

MUNICIPALITIES = [f"{number:04}" for number in range(301, 661)]
DAY_ROWS = 2_000

PRODUCT = """\
name: {name}
title:
  nb: Måling
description:
  nb: Syntetiske salg.
team: team-benchmark
contact:
  name: Team Benchmark
  email: team-benchmark@example.com
personal_data:
  class: none
  reason: The rows are synthetic.
access:
  level: open
license: NLOD_2_0
publisher:
  name: Example
  organization_number: "889640782"
themes: [TECH]
periodicity: DAILY
"""


class Sale(pa.DataFrameModel):
    """A sale by a company."""

    sale_id: int = dp.column("Number of the sale.")
    organization_number: str = dp.column("Who sold.", str_matches=r"^[89]\d{8}$")
    name: str = dp.column("The seller's name.", str_length={"min_value": 1, "max_value": 40})
    municipality: str = dp.column("Where.", isin=MUNICIPALITIES)
    amount: float = dp.column("For how much.", unit="NOK", ge=0)
    employees: int = dp.column("Of the seller.", nullable=True, in_range={"min_value": 0, "max_value": 100_000})
    sold_on: pl.Date = dp.column("When.", ge=datetime(2000, 1, 1).date())
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When recorded.", ge=datetime(2000, 1, 1, tzinfo=UTC))

    class Config:
        """One row per sale."""

        unique = "sale_id"


def contract() -> Contract:
    """The contract of `benchmark/sales`."""
    return Contract.of(Sale, dataset="benchmark/sales")


def sales(rows: int, *, first: int = 0, seed: int = 1) -> pl.DataFrame:
    """Sales numbered from `first`, in order; the same for the same seed."""
    random = np.random.default_rng(seed)
    employees = pl.Series(random.integers(0, 500, rows))
    frame = pl.DataFrame(
        {
            "sale_id": np.arange(first, first + rows, dtype=np.int64),
            "organization_number": random.integers(800_000_000, 999_999_999, rows),
            "name": random.integers(0, 500_000, rows),
            "municipality": pl.Series(MUNICIPALITIES).gather(random.integers(0, len(MUNICIPALITIES), rows)),
            "amount": random.random(rows) * 1e6,
            "employees": employees,
            "sold_on": random.integers(18_000, 20_000, rows, dtype=np.int32),
            "updated_at": random.integers(1_600_000_000, 1_700_000_000, rows) * 1_000_000,
        }
    )
    return frame.with_columns(
        pl.col("organization_number").cast(pl.String),
        pl.format("Company {}", "name").alias("name"),
        pl.when(pl.col("employees") >= 5).then("employees").alias("employees"),
        pl.col("sold_on").cast(pl.Date),
        pl.col("updated_at").cast(pl.Datetime("us", "UTC")),
    )


def write_product(folder: Path, name: str) -> Path:
    """Write a `product.yaml` and return a path beside it, for `DataProduct`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "product.yaml").write_text(PRODUCT.format(name=name), encoding="utf-8")
    return folder / "datasets.py"
