"""A year of daily partitions in one backfill, end to end through Dagster on SQLite.

Floor: Dagster's own DuckDB IO manager in a single run, without validation or history; where the peers are not asked for, a plain
asset that inserts the same rows into DuckDB.
"""

from __future__ import annotations

import os
import sys
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import Peers, in_process, report
from benchmarks.sales import DAY_ROWS, sales, write_product

PARTITIONS = {"small": 3, "full": 365}
START = date(2025, 1, 1)


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Every run is a fresh process with a fresh Dagster instance; imports do not count. Then the same once more, unchanged."""
    partitions = PARTITIONS[size]
    again: list[float] = []
    with scratch() as folder:
        source = folder / "source.parquet"
        sales(partitions * DAY_ROWS).write_parquet(source)

        def ours() -> float:
            with scratch() as home:
                taken = in_process("backfill", "ours", home, source, partitions)
            again.append(taken["again"] / taken["first"])
            return taken["first"]

        def floor() -> float:
            with scratch() as home:
                if peers is None:
                    return in_process("backfill", "plain", home, source, partitions)["first"]
                return peers.seconds("dagster_duckdb", "backfill", home, source, partitions, DAY_ROWS, START)

        taken = by_turns(rounds, {"ours": ours, "floor": floor})
    plain = "a plain asset that inserts into DuckDB"
    return [
        Comparison(
            name="backfill",
            what=f"backfill {partitions} partitions of {DAY_ROWS:,} rows through Dagster",
            ours=taken["ours"],
            floor=taken["floor"],
            floor_is=plain if peers is None else "Dagster's DuckDB IO manager, single run, no validation, no history",
            target=2.5,
            rounds=rounds,
        ),
        Comparison(
            name="backfill again",
            what=f"the same {partitions} partitions again, unchanged",
            ours=taken["ours"] * sorted(again)[len(again) // 2],
            floor=taken["ours"],
            floor_is="our first run",
            target=1.0,
            rounds=rounds,
        ),
    ]


def _days(partitions: int) -> list[str]:
    return [(START + timedelta(days=number)).isoformat() for number in range(partitions)]


def _materialize(asset: Any, keys: list[str], at_a_time: int, instance: Any) -> float:
    import dagster as dg

    start = perf_counter()
    for first in range(0, len(keys), at_a_time):
        chunk = keys[first : first + at_a_time]
        tags = {"dagster/asset_partition_range_start": chunk[0], "dagster/asset_partition_range_end": chunk[-1]}
        assert dg.materialize([asset], instance=instance, tags=tags).success
    return perf_counter() - start


def _main(contestant: str, home: Path, source: Path, partitions: int) -> None:
    """One contestant's turn, in a process of its own."""
    os.environ["DAGSTER_HOME"] = os.environ["DATAPRODUCTS_HOME"] = str(home)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    import dagster as dg
    import polars as pl

    keys = _days(partitions)
    end = (START + timedelta(days=partitions)).isoformat()
    daily = dg.DailyPartitionsDefinition(start_date=keys[0], end_date=end)
    rows = pl.read_parquet(source)
    asset, at_a_time = (_our_asset if contestant == "ours" else _plain_asset)(home, rows, keys, daily)
    with dg.DagsterInstance.get() as instance:
        first = _materialize(asset, keys, at_a_time, instance)
        report(first=first, again=_materialize(asset, keys, at_a_time, instance))


def _our_asset(home: Path, rows: Any, keys: list[str], daily: Any) -> tuple[Any, int]:
    import dataproducts as dp
    from benchmarks.sales import Sale

    product = dp.DataProduct(write_product(home / "benchmark", "benchmark"))
    place = {key: number * DAY_ROWS for number, key in enumerate(keys)}

    @product.dataset(schema=Sale, partitions=daily)
    def sales(partition: str) -> Any:
        """Sales of a day."""
        return rows.slice(place[partition], DAY_ROWS)

    return sales, sales.declaration.partitions_per_run


def _plain_asset(home: Path, rows: Any, keys: list[str], daily: Any) -> tuple[Any, int]:
    import dagster as dg
    import duckdb

    @dg.asset(partitions_def=daily, backfill_policy=dg.BackfillPolicy.single_run())
    def sales() -> None:
        incoming = rows.to_arrow()
        with duckdb.connect(str(home / "plain.duckdb")) as database:
            database.register("incoming", incoming)
            database.execute("create or replace table sales as select * from incoming")

    return sales, len(keys)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
