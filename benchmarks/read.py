"""Read the current content of a dataset of many small partitions.

Floor: one Parquet file of the same rows.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import polars as pl

from benchmarks.measurement import Comparison, Size, by_turns, lake_at, scratch
from benchmarks.peers import Peers
from benchmarks.sales import DAY_ROWS, contract, sales
from dataproducts.history import lake
from dataproducts.history.store import DatasetHistory, Draft

PARTITIONS = {"small": 30, "full": 3_650}
BATCH = 100
"""Partitions per commit: what a backfill commits at a time, `dataset.PARTITIONS_PER_RUN`."""


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """From a cold start each time: the table is opened and its ledger read anew."""
    partitions = PARTITIONS[size]
    with scratch() as folder:
        frame = sales(partitions * DAY_ROWS)
        _write(folder / "lake", frame, partitions)
        frame.write_parquet(folder / "floor.parquet", compression="zstd")
        height = frame.height
        del frame
        taken = by_turns(
            rounds, {"ours": lambda: _ours(folder / "lake", height), "floor": lambda: _floor(folder / "floor.parquet", height)}
        )
    return [
        Comparison(
            name="read",
            what=f"read the current content of {partitions:,} partitions of {DAY_ROWS:,} rows",
            ours=taken["ours"],
            floor=taken["floor"],
            floor_is="read one Parquet file of the same rows",
            target=5.0,
            rounds=rounds,
        )
    ]


def _write(root: Path, frame: pl.DataFrame, partitions: int) -> None:
    promised = contract()
    history = DatasetHistory(str(root), promised.dataset)
    days = [(date(2016, 1, 1) + timedelta(days=number)).isoformat() for number in range(partitions)]
    for first in range(0, partitions, BATCH):
        batch = range(first, min(first + BATCH, partitions))
        drafts = [Draft.of(days[n], frame.slice(n * DAY_ROWS, DAY_ROWS), promised) for n in batch]
        history.commit(drafts, promised)


def _ours(root: Path, height: int) -> float:
    with lake_at(root):
        start = perf_counter()
        rows = lake.frame("benchmark/sales")
        seconds = perf_counter() - start
    assert rows.height == height
    return seconds


def _floor(file: Path, height: int) -> float:
    start = perf_counter()
    rows = pl.read_parquet(file)
    seconds = perf_counter() - start
    assert rows.height == height
    return seconds
