"""Forks children that materialize, and kills them. Everything is imported and nothing used before the fork, so no thread is lost in it.

Commands on stdin, one JSON list a line: ["run", seed, home, seconds or null], ["run to", seed, home, [place, when, times]],
["check", seed, home, complete]; answers are JSON lines.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from typing import Any

import deltalake
import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.store import DatasetHistory
from dataproducts.history.table import HistoryTable
from dataproducts.materialization import Limits, Materializer
from dataproducts.quality.quarantine import Quarantine


class Sale(pa.DataFrameModel):
    number: int = dp.column("Number")
    amount: int = dp.column("Amount", ge=0)
    shop: str = dp.column("Shop", nullable=True)


CONTRACT = Contract.of(Sale, dataset="shop/sales", key="number")
PARTITIONS = [f"2026-01-{day:02}" for day in range(1, 6)]
EDITIONS = 2


class Silent:
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...


def rows(seed: int, edition: int, partition: str) -> pl.DataFrame:
    """The rows of an edition of a partition; some partitions do not change between editions, some rows are bad."""
    chance = random.Random(f"{seed} {partition} {edition if int(partition[-1]) % 3 else 0}")
    count = chance.randint(0, 40)
    bad = [-1] if partition[-1] in "24" else []  # two partitions have rows for the quarantine
    amounts = [chance.choice([*bad, *range(12)]) for _ in range(count)]
    shops = [chance.choice(["north", "south", None]) for _ in range(count)]
    return pl.DataFrame({"number": range(count), "amount": amounts, "shop": shops}, schema=dict(CONTRACT.dtypes))


def run(seed: int, home: str) -> None:
    """Two editions of five partitions, a few partitions to a commit."""
    import dataproducts.materialization as materialization

    materialization.BATCH_PARTITIONS = 3
    for edition in range(EDITIONS):
        limits = Limits(refused_share=1.0, row_change=None)
        materializer = Materializer(home, CONTRACT, limits, run=f"run-{edition}", log=Silent())
        report = materializer.materialize(PARTITIONS, lambda p, e=edition: rows(seed, e, p))
        assert not report.failed, report.failed[0].error


PLACES: dict[str, tuple[Any, str]] = {
    "a file is written": (HistoryTable, "_write"),
    "a file is flushed": (os, "fsync"),
    "the table is made": (HistoryTable, "create"),
    "rows are written": (HistoryTable, "write_rows"),
    "versions are committed": (HistoryTable, "commit"),
    "the log is written": (deltalake.DeltaTable, "create_write_transaction"),
    "the ledger is compacted": (HistoryTable, "_compact_ledger"),
    "refused rows are kept": (Quarantine, "keep"),
    "a batch is stored": (Materializer, "_commit"),
}


def run_to(seed: int, home: str, place: str, when: str, times: int) -> None:
    """As `run`, but the process kills itself before or after it has come to a place so many times."""
    import dataproducts.history.table as table

    table.COMPACT_LEDGER_AT = 2
    owner, name = PLACES[place]
    honest = getattr(owner, name)
    met = 0

    def last(*arguments: Any, **more: Any) -> Any:
        nonlocal met
        met += 1
        if met == times and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found = honest(*arguments, **more)
        if met == times:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(owner, name, last)
    run(seed, home)


def check(seed: int, home: str, complete: bool) -> None:
    """Every version is whole, numbers are dense, nothing is there twice; when complete, nothing is missing either."""
    history = DatasetHistory(home, CONTRACT.dataset)
    versions = history.versions() if history.tables() else []
    history.verify(versions)
    for partition in PARTITIONS:
        mine = [v for v in versions if v.partition == partition]
        assert [v.number for v in mine] == list(range(1, len(mine) + 1)), mine
        assert all(a.known_at < b.known_at for a, b in zip(mine, mine[1:], strict=False)), mine
        good = [rows(seed, e, partition).filter(pl.col("amount") >= 0) for e in range(EDITIONS)]
        for version in mine:
            stored = history.collect([version], CONTRACT.names)
            assert any(stored.equals(g) for g in good), (partition, version.number, stored)
        if complete:
            assert history.collect(mine[-1:], CONTRACT.names).equals(good[-1]), partition
            refused = Quarantine(home, CONTRACT.dataset).rows(partition, only_open=True).height
            assert refused + mine[-1].rows == rows(seed, EDITIONS - 1, partition).height, partition


def in_child(action: Any, *arguments: Any, kill_after: float | None = None) -> dict[str, Any]:
    """Run in a fork; SIGKILL it after some seconds if it is still running."""
    begun = time.monotonic()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            action(*arguments)
        except BaseException:
            os.write(write_end, traceback.format_exc().encode()[-8000:])
            os._exit(1)
        os._exit(0)
    os.close(write_end)
    status = None
    if kill_after is not None:
        while time.monotonic() - begun < kill_after and not status:
            done, found = os.waitpid(child, os.WNOHANG)
            status = (found,) if done else None
            time.sleep(0.0005)
        if not status:
            os.kill(child, signal.SIGKILL)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status[0] if status else os.waitpid(child, 0)[1])
    return {"exit": code, "said": said, "seconds": time.monotonic() - begun}


if __name__ == "__main__":
    for line in sys.stdin:
        command, seed, home, argument = json.loads(line)
        if command == "run":
            answer = in_child(run, seed, home, kill_after=argument)
        elif command == "run to":
            answer = in_child(run_to, seed, home, *argument)
        else:
            answer = in_child(check, seed, home, argument)
        print(json.dumps(answer), flush=True)
