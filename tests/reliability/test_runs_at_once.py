"""Whole runs at once: what is stored and what is refused belong together, and intervals are those of one run after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataproducts.history import lake as reading
from dataproducts.history.intervals import incorporate
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.quality.quarantine import Quarantine
from tests.reliability.run_worker import PARTITIONS, SALES, STOCK, STOCK_HISTORY, sales

WORKER = Path(__file__).with_name("run_worker.py")
ROOT = Path(__file__).parents[2]


def run_at_once(what: str, lake: str, writers: int, rounds: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "POLARS_MAX_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), what, lake, str(number), str(rounds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for number in range(writers)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors[-2000:]


def test_refused_rows_are_those_of_the_run_whose_rows_are_stored(lake: str) -> None:
    writers, rounds = 4, 3
    run_at_once("materialize", lake, writers, rounds)
    history = DatasetHistory(lake, SALES.dataset)
    history.verify(history.versions())
    assert len(history.versions()) == writers * rounds * len(PARTITIONS)
    for partition in PARTITIONS:
        versions = history.versions(partition)
        assert [v.number for v in versions] == list(range(1, len(versions) + 1))
        assert all(a.known_at < b.known_at for a, b in zip(versions, versions[1:], strict=False))
        stored = history.collect(versions[-1:])
        kept = Quarantine(lake, SALES.dataset).rows(partition, only_open=True)
        (writer,) = set(stored["writer"])
        assert {json.loads(r)["writer"] for r in kept["received"]} == {writer}
        delivered = sales(writer, partition)
        assert stored.height + kept.height == versions[-1].note["received"] == delivered.height
        assert versions[-1].note["refused"] == kept.height


def publish(lake: str, days: int) -> dict[str, dict[str, int]]:
    history = DatasetHistory(lake, STOCK.dataset)
    snapshots = {}
    for day in range(days):
        key = (date(2026, 1, 1) + timedelta(day)).isoformat()
        snapshots[key] = {f"s{n}": (day * n) // 3 for n in range(6) if (day + n) % 4}
        frame = pl.DataFrame({"shelf": snapshots[key].keys(), "count": snapshots[key].values()}, schema=dict(STOCK.dtypes))
        history.commit([Draft.of(key, frame, STOCK)], STOCK)
    return snapshots


def expected(snapshots: dict[str, dict[str, int]]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    days = sorted(snapshots)
    for shelf in {s for snapshot in snapshots.values() for s in snapshot}:
        for day, before in zip(days, [None, *days], strict=False):
            count = snapshots[day].get(shelf)
            if before is not None and snapshots[before].get(shelf) == count:
                continue
            if found and found[-1][0] == shelf and found[-1][3] is None:
                found[-1] = (*found[-1][:3], date.fromisoformat(day))
            if count is not None:
                found.append((shelf, count, date.fromisoformat(day), None))
    return sorted(found, key=repr)


def test_two_runs_that_take_in_neighboring_days_give_the_intervals_of_one(lake: str) -> None:
    snapshots = publish(lake, 10)
    run_at_once("take in", lake, 2, 0)
    rows = reading.scan(STOCK_HISTORY.dataset).collect().rows()
    assert sorted(rows, key=repr) == expected(snapshots)
    history = DatasetHistory(lake, STOCK_HISTORY.dataset)
    history.verify(history.versions())
    assert set(history.current()) == set(snapshots)


def test_a_run_that_began_before_another_made_the_table_does_not_go_by_what_it_saw(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.history import intervals

    snapshots = publish(lake, 2)
    first, second = snapshots
    honest = intervals._drafts
    crossed: list[str] = []

    def slow(*arguments: Any) -> Any:
        drafts = honest(*arguments)
        if not crossed:
            crossed.append(first)
            other = DatasetHistory(lake, STOCK_HISTORY.dataset)
            incorporate(other, STOCK_HISTORY, DatasetHistory(lake, STOCK.dataset), STOCK, [first], date.fromisoformat)
        return drafts

    monkeypatch.setattr(intervals, "_drafts", slow)
    history = DatasetHistory(lake, STOCK_HISTORY.dataset)
    incorporate(history, STOCK_HISTORY, DatasetHistory(lake, STOCK.dataset), STOCK, [second], date.fromisoformat)
    assert sorted(reading.scan(STOCK_HISTORY.dataset).collect().rows(), key=repr) == expected(snapshots)


@pytest.mark.parametrize("place", ["superseded", "made"])
def test_a_major_version_that_died_while_it_was_raised_is_raised_by_the_next_run(
    place: str, declare: Any, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataproducts.history.table import HistoryTable

    class Died(BaseException):
        pass

    old, new = declare({"id": pl.Int64}, "id"), declare({"id": pl.String}, "id", version="2.0.0")
    rows, newer = pl.DataFrame({"id": [1]}), pl.DataFrame({"id": ["1"]})
    DatasetHistory(lake, "shop/sales").commit([Draft.of("-", rows, old)], old)
    name = "supersede" if place == "superseded" else "create"
    honest = getattr(HistoryTable, name)

    def die(*arguments: Any, **more: Any) -> None:
        honest(*arguments, **more)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(HistoryTable, name, die)
        with pytest.raises(Died):
            DatasetHistory(lake, "shop/sales").commit([Draft.of("-", newer, new)], new)
    assert reading.read("shop/sales")["id"].tolist() == [1]
    (done,) = DatasetHistory(lake, "shop/sales").commit([Draft.of("-", newer, new)], new)
    assert (done.version.number, done.version.contract) == (2, "2.0.0")
    assert reading.read("shop/sales")["id"].tolist() == ["1"]
    assert reading.read("shop/sales", as_of=datetime.now(UTC), contract=1)["id"].tolist() == [1]
