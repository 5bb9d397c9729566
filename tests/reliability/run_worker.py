"""One of several runs at once: materializes with a quarantine, or takes snapshots into a history; starts when it is told to."""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.intervals import incorporate, interval_contract
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Materializer

PARTITIONS = ["a", "b", "c"]


class Sale(pa.DataFrameModel):
    number: int = dp.column("Number")
    writer: int = dp.column("Which run of which writer made the row")
    amount: int = dp.column("Amount", ge=0)


class Stock(pa.DataFrameModel):
    shelf: str = dp.column("Shelf")
    count: int = dp.column("Count")


SALES = Contract.of(Sale, dataset="shop/sales", key="number")
STOCK = Contract.of(Stock, dataset="shop/stock", key="shelf", kind="snapshot")
STOCK_HISTORY = interval_contract(STOCK, dataset="shop/stock_history", version="1.0.0", moment=pl.Date())


class Silent:
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...


def sales(writer: int, partition: str) -> pl.DataFrame:
    """Rows of a delivery: each delivery has good and bad rows of its own, and as many of both as no other has."""
    good, bad = 1 + writer % 7, 1 + writer % 5
    amounts = [1] * good + [-1] * bad
    return pl.DataFrame({"number": range(len(amounts)), "writer": [writer] * len(amounts), "amount": amounts})


def materialize(lake: str, number: int, rounds: int) -> None:
    for turn in range(rounds):
        writer = number * 100 + turn
        limits = Limits(refused_share=1.0, row_change=None)
        run: Any = Materializer(lake, SALES, limits, run=str(writer), log=Silent())
        report = run.materialize(PARTITIONS if number % 2 else PARTITIONS[::-1], lambda p, w=writer: sales(w, p))
        assert not report.failed, report.failed[0].error


def take_in(lake: str, number: int, rounds: int) -> None:
    """Every other snapshot, the writers' days being neighbours."""
    history, source = DatasetHistory(lake, STOCK_HISTORY.dataset), DatasetHistory(lake, STOCK.dataset)
    days = sorted(source.versions(), key=lambda v: v.partition)[number::2]
    for version in days if number else days[::-1]:
        incorporate(history, STOCK_HISTORY, source, STOCK, [version.partition], date.fromisoformat)


if __name__ == "__main__":
    what, lake, number, rounds = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    {"materialize": materialize, "take in": take_in}[what](lake, int(number), int(rounds))
