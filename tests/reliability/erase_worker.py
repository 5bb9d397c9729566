"""Forks children that erase, and kills them. Commands and answers as in crash_worker.py; made for `test_erasure.py`."""

from __future__ import annotations

import json
import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.history import table
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Materializer
from dataproducts.quality.quarantine import Quarantine
from tests.erasure.searching import found_in
from tests.reliability.crash_worker import Silent, in_child

GONE, STAYS = ["gone-person-1", "gone-person-2"], [f"person-{i}" for i in range(8)]
EMPTIED = "emptied-person"  # whose rows stay without the address
PARTITIONS = [f"2026-01-{day:02}" for day in range(1, 5)]


class Visit(pa.DataFrameModel):
    who: str = dp.column("Who")
    amount: int = dp.column("Amount", ge=0)
    mail: str = dp.column("Address", nullable=True)


CONTRACT = Contract.of(Visit, dataset="shop/visits", key="who")


def rows(seed: int, edition: int, partition: str) -> pl.DataFrame:
    """The rows of an edition of a partition: those to erase are in most of them, some of them refused."""
    chance = random.Random(f"{seed} {partition} {edition}")
    people = [one for one in [*GONE, EMPTIED, *STAYS] if chance.random() < 0.6]
    amounts = [chance.choice([-1, *range(6)]) for _ in people]
    return pl.DataFrame({"who": people, "amount": amounts, "mail": [*map(mail, people)]}, schema=dict(CONTRACT.dtypes))


def mail(who: str) -> str:
    return f"mail-of-{who}"


def materialize(seed: int, home: str, edition: int) -> None:
    import dataproducts.materialization as materialization

    materialization.BATCH_PARTITIONS = 2
    table.COMPACT_LEDGER_AT = 3
    materializer = Materializer(f"{home}/lake", CONTRACT, Limits(refused_share=1.0, row_change=None), run=f"run-{edition}", log=Silent())
    report = materializer.materialize(PARTITIONS, lambda p: rows(seed, edition, p))
    assert not report.failed, report.failed[0].error


def begin(seed: int, home: str) -> None:
    """Two editions of every partition."""
    for edition in (1, 2):
        materialize(seed, home, edition)


def erase(home: str) -> None:
    plan = erasing.plan(World(f"{home}/lake"), CONTRACT.dataset, [("--key", key) for key in GONE], lenient=True)
    erasing.erase(plan, reason="asked for it", who="tester")
    plan = erasing.plan(World(f"{home}/lake"), CONTRACT.dataset, [("--key", EMPTIED)], lenient=True)
    plan = replace(plan, empties={CONTRACT.dataset: (("mail", "null"),)}, read={})
    erasing.erase(plan, reason="asked for it", who="tester")


def resume(home: str) -> None:
    erasing.resume(World(f"{home}/lake"))


def emptied(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.col("who") != EMPTIED).then("mail").alias("mail"))


def check(seed: int, home: str, is_done: bool) -> None:
    """Every version is whole: as it was, or without those who are gone; when done there is no byte of them, and a run brings none."""
    lake = f"{home}/lake"
    history = DatasetHistory(lake, CONTRACT.dataset)
    versions = history.versions()
    history.verify(versions)
    quarantine = Quarantine(lake, CONTRACT.dataset)
    quarantine.history.verify(quarantine.history.versions())
    for partition in PARTITIONS:
        mine = [v for v in versions if v.partition == partition]
        assert [v.number for v in mine] == list(range(1, len(mine) + 1)), mine
        for version in mine:
            stored = history.collect([version], CONTRACT.names)
            good = [rows(seed, e, partition).filter(pl.col("amount") >= 0).sort("who") for e in (1, 2, 3)]
            clean = [emptied(g.filter(~pl.col("who").is_in(GONE))) for g in good]
            under_way = [*good, *map(emptied, good), *(g.filter(~pl.col("who").is_in(GONE)) for g in good)]
            assert any(stored.equals(g) for g in (clean if is_done else [*under_way, *clean])), (partition, version.number, stored)
    if is_done:
        registry = Registry(lake).refresh()
        begun = any(line.state == "begun" for line in registry.lines)
        assert not registry.open()
        for value in [*GONE, mail(EMPTIED)] if begun else ():
            assert not found_in(Path(home), value), found_in(Path(home), value)
        assert all(t.is_append_only for h in (history, quarantine.history) for t in h.refresh().tables())


if __name__ == "__main__":
    for line in sys.stdin:
        command, seed, home, argument = json.loads(line)
        os.environ["DATAPRODUCTS_HOME"] = home
        if command == "begin":
            answer = in_child(begin, seed, home)
        elif command == "erase":
            answer = in_child(erase, home, kill_after=argument)
        elif command == "resume":
            answer = in_child(resume, home, kill_after=argument)
        elif command == "materialize":
            answer = in_child(materialize, seed, home, 3, kill_after=argument)
        else:
            answer = in_child(check, seed, home, argument)
        print(json.dumps(answer), flush=True)
