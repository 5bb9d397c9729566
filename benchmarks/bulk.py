"""Load, validate, hash and commit one large partition.

Floor: pandera's validation of the same frame, the key's uniqueness included, and one zstd Parquet file of it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl

from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import Peers
from benchmarks.sales import Sale, contract, sales
from dataproducts.materialization import Limits, Materializer

ROWS = {"small": 20_000, "full": 2_000_000}


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Rows as their source has them, in no order; ours begins at the source's Parquet file, the floor at a frame."""
    rows = ROWS[size]
    with scratch() as folder:
        source = folder / "source.parquet"
        frame = sales(rows).sample(fraction=1, shuffle=True, seed=1)
        frame.write_parquet(source)
        schema = Sale.to_schema()
        contestants = {"ours": lambda: _ours(source, rows), "floor": lambda: _floor(frame, schema, folder)}
        if peers is not None:
            contestants["dlt"] = lambda: peers.seconds("dlt", "bulk", source)
            contestants["dbt-duckdb"] = lambda: peers.seconds("dbt", "bulk", source)
        taken = by_turns(rounds, contestants)
    return [
        Comparison(
            name="bulk",
            what=f"load, validate, hash and commit {rows:,} rows x 8 columns",
            ours=taken.pop("ours"),
            floor=taken.pop("floor"),
            floor_is="pandera validation + one zstd Parquet file",
            target=2.0,
            rounds=rounds,
            peers=taken,
        )
    ]


def _ours(source: Path, rows: int) -> float:
    with scratch() as lake:
        start = perf_counter()
        materializer = Materializer(str(lake), contract(), Limits(), run="run", log=logging.getLogger())
        report = materializer.materialize(["-"], lambda _: pl.read_parquet(source))
        seconds = perf_counter() - start
        committed = report.outcomes["-"].committed
        assert committed is not None, report.outcomes["-"].error
        assert committed.version.rows == rows
    return seconds


def _floor(frame: pl.DataFrame, schema: Any, folder: Path) -> float:
    start = perf_counter()
    schema.validate(frame, lazy=True)
    frame.write_parquet(folder / "floor.parquet", compression="zstd")
    return perf_counter() - start
