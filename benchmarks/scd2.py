"""SCD2 intervals of successive snapshots of which little changes.

Floors: DuckDB SQL written by hand for these very columns, which reads the same Parquet snapshots and writes the intervals to
Parquet; day by day, as snapshots come, and all days in one query.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

import duckdb
import numpy as np
import polars as pl

from benchmarks.measurement import Comparison, Size, by_turns, lake_at, scratch
from benchmarks.peers import Peers
from benchmarks.sales import Sale, sales
from dataproducts.contract import Contract
from dataproducts.history import lake
from dataproducts.history.intervals import incorporate, interval_contract
from dataproducts.history.store import DatasetHistory, Draft

KEYS = {"small": 5_000, "full": 500_000}
DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(10)]

SNAPSHOTS = Contract.of(Sale, dataset="benchmark/sales", kind="snapshot")
INTERVALS = interval_contract(SNAPSHOTS, dataset="benchmark/sales_history", version="1.0.0", moment=pl.Date())


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Of the keys 0.8 % change, 0.1 % go and 0.1 % come each day. Ours ends with the intervals read into memory."""
    keys = KEYS[size]
    with scratch() as folder:
        files = _write_snapshots(folder, keys)
        contestants: dict[str, Callable[[], float]] = {}
        for how, floor in {"daily": _floor_by_day, "at once": _floor_at_once}.items():
            contestants[f"ours {how}"] = partial(_ours, folder, at_once=how == "at once")
            contestants[f"floor {how}"] = partial(floor, folder, files)
        if peers is not None:
            contestants["dlt"] = lambda: peers.seconds("dlt", "scd2", *files)
            contestants["dbt"] = lambda: peers.seconds("dbt", "scd2", *files)
        taken = by_turns(rounds, contestants)
        _agree(folder)
    what = f"SCD2 over {len(DAYS)} snapshots of {keys:,} keys with 1 % change"
    others = {name: taken[name] for name in ("dlt", "dbt") if name in taken}
    floor_is = "hand-written DuckDB SQL"
    return [
        Comparison("scd2", f"{what}, day by day", taken["ours daily"], taken["floor daily"], floor_is, 1.5, rounds=rounds, peers=others),
        Comparison(
            "scd2 at once",
            f"{what}, in one run",
            taken["ours at once"],
            taken["floor at once"],
            f"{floor_is}, one query",
            1.5,
            rounds=rounds,
        ),
    ]


def _write_snapshots(folder: Path, keys: int) -> list[Path]:
    """The same snapshots twice: as Parquet files, and as versions in the lake."""
    random = np.random.default_rng(7)
    snapshot = sales(keys)
    source = DatasetHistory(str(folder / "lake"), SNAPSHOTS.dataset)
    files = []
    few = keys // 1_000
    for number, day in enumerate(DAYS):
        if number:
            chosen = random.choice(snapshot.height, 9 * few, replace=False)
            change = pl.Series(np.isin(np.arange(snapshot.height), chosen[few:]))
            gone = pl.Series(np.isin(np.arange(snapshot.height), chosen[:few]))
            snapshot = snapshot.with_columns(pl.when(change).then(pl.col("amount") + 1).otherwise("amount").alias("amount")).filter(~gone)
            snapshot = pl.concat([snapshot, sales(few, first=keys + number * few, seed=number)])
        files.append(folder / f"{day}.parquet")
        snapshot.write_parquet(files[-1], compression="zstd")
        source.commit([Draft.of(day.isoformat(), snapshot, SNAPSHOTS)], SNAPSHOTS)
    return files


def _ours(folder: Path, at_once: bool) -> float:
    with scratch() as root, lake_at(root):
        start = perf_counter()
        runs = [DAYS] if at_once else [[day] for day in DAYS]
        for days in runs:
            # each run opens both histories anew, as a process of its own would
            history = DatasetHistory(str(root), INTERVALS.dataset)
            source = DatasetHistory(str(folder / "lake"), SNAPSHOTS.dataset)
            incorporate(history, INTERVALS, source, SNAPSHOTS, [d.isoformat() for d in days], date.fromisoformat)
        found = lake.frame(INTERVALS.dataset)
        seconds = perf_counter() - start
        found.write_parquet(folder / "ours.parquet")
    return seconds


def _agree(folder: Path) -> None:
    """All three made the same intervals, or the figures mean nothing."""
    ours = pl.read_parquet(folder / "ours.parquet").sort("sale_id", "valid_from")
    for name in ("by_day", "at_once"):
        theirs = pl.read_parquet(folder / f"{name}.parquet").sort("sale_id", "valid_from")
        assert theirs.select(ours.columns).equals(ours), f"ours and {name} differ"


_COLUMNS = [c for c in SNAPSHOTS.names if c != "sale_id"]
_DAY = """
copy (
    with held as (select * from read_parquet('{held}')),
    snapshot as (select * from read_parquet('{snapshot}')),
    differing as (
        select h.sale_id from held h left join snapshot s using (sale_id)
        where h.valid_to is null and (s.sale_id is null or ({differs}))
    ),
    opened as (
        select s.* from snapshot s left join (select * from held where valid_to is null) h using (sale_id)
        where h.sale_id is null or ({differs})
    )
    select h.* exclude (valid_to),
           case when h.valid_to is null and d.sale_id is not null then date '{day}' else h.valid_to end as valid_to
    from held h left join differing d using (sale_id)
    union all
    select *, date '{day}' as valid_from, null::date as valid_to from opened
) to '{target}' (format parquet, compression zstd)
"""
_FIRST = """
copy (select *, date '{day}' as valid_from, null::date as valid_to from read_parquet('{snapshot}'))
to '{target}' (format parquet, compression zstd)
"""


def _floor_by_day(folder: Path, files: list[Path]) -> float:
    differs = " or ".join(f"h.{c} is distinct from s.{c}" for c in _COLUMNS)
    held, target = folder / "by_day.parquet", folder / "next.parquet"
    start = perf_counter()
    with duckdb.connect() as database:
        for number, (day, file) in enumerate(zip(DAYS, files, strict=True)):
            query = _DAY if number else _FIRST
            database.execute(query.format(held=held, snapshot=file, day=day, differs=differs, target=target))
            target.replace(held)
    return perf_counter() - start


_AT_ONCE = """
copy (
    with days as (
        select sale_id, {columns}, number, day, following, hash({columns}) as content
        from read_parquet([{files}], filename = true) join (values {days}) as d (filename, number, day, following) using (filename)
    ),
    islands as (select *, number - row_number() over (partition by sale_id, content order by number) as island from days)
    select sale_id, {values}, min(day) as valid_from, arg_max_null(following, number) as valid_to
    from islands group by sale_id, content, island
) to '{target}' (format parquet, compression zstd)
"""


def _floor_at_once(folder: Path, files: list[Path]) -> float:
    literals = [f"date '{day}'" for day in DAYS] + ["null::date"]
    days = [f"('{file}', {n}, {literals[n]}, {literals[n + 1]})" for n, file in enumerate(files)]
    start = perf_counter()
    with duckdb.connect() as database:
        database.execute(
            _AT_ONCE.format(
                columns=", ".join(_COLUMNS),
                values=", ".join(f"any_value({c}) as {c}" for c in _COLUMNS),
                files=", ".join(f"'{file}'" for file in files),
                days=", ".join(days),
                target=folder / "at_once.parquet",
            )
        )
    return perf_counter() - start
