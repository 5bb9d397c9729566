"""Forks children that store a topic's messages, and kills them. No client is made before the fork: its threads would be lost in it.

Commands on stdin, one JSON list a line: ["run", addresses, topic, home, hours, seconds or null], ["race", addresses, topic, home, hours]
(two at once), ["check", addresses, topic, home, hours]; answers are JSON lines.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from datetime import timedelta

import dagster as dg
import pandera.polars as pa

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Materializer
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.ranges import recorded
from dataproducts.quality.quarantine import Quarantine
from tests.reliability.crash_worker import in_child

HOURS = dg.HourlyPartitionsDefinition("2026-01-01-00:00", timezone="UTC")
FIRST = HOURS.start


class Order(pa.DataFrameModel):
    partition: int = dp.column("Partition.", source="kafka.partition")
    offset: int = dp.column("Offset.", source="kafka.offset")
    number: int = dp.column("Number.", ge=0)


def key(hour: int) -> str:
    return f"{FIRST + timedelta(hours=hour):%Y-%m-%d-%H:%M}"


def run(addresses: str, topic: str, home: str, hours: int, said: int = 0) -> None:
    """Store all hours, two to a commit."""
    import dataproducts.materialization as materialization

    materialization.BATCH_PARTITIONS = 2
    kafka, port = Kafka(Brokers(addresses)), dp.TopicInput(topic)
    contract = port.promised(Contract.of(Order, dataset="shop/orders"), HOURS)
    log = logging.getLogger("worker")
    materializer = Materializer(home, contract, Limits(refused_share=1.0, row_change=None), run=f"run-{os.getpid()}", log=log)
    intake = port.open(contract, HOURS, materializer.limits, materializer.history, lambda _: kafka, log)
    report = materializer.materialize([key(h) for h in range(hours)], lambda p: intake.result(p, intake.give(p)))
    assert not report.failed, report.failed[0].error


def check(addresses: str, topic: str, home: str, hours: int) -> None:
    """What is stored or refused is every message up to the last range's end, once; ranges follow on each other."""
    history = DatasetHistory(home, "shop/orders")
    if not history.tables():
        assert hours == 0, "nothing is stored"
        return
    history.verify(history.versions())
    ranges = recorded(history.versions())
    assert [v.number for v in history.versions()] == [1] * len(ranges), "a partition was stored twice"
    assert set(history.current()) == {key(h) for h in range(len(ranges))}
    assert len(ranges) >= hours
    ends: dict[int, int] = {}
    for number in range(len(ranges)):
        own = ranges[key(number)]
        assert all(start == ends.get(n, 0) for n, (start, _) in own.offsets.items()), "ranges do not follow on each other"
        ends = own.ends
    stored = history.collect(list(history.current().values()), ["partition", "offset"]).rows()
    waiting = Quarantine(home, "shop/orders").rows(only_open=True)
    refused = []
    for partition, received in waiting.select("partition", "received").iter_rows():
        told = json.loads(received)
        told = told.get("undecoded") or told["kafka"]
        if partition in ranges:  # of the others the hour is not stored yet
            refused.append((told["partition"], told["offset"]))
    assert sorted([*stored, *refused]) == [(n, o) for n, end in sorted(ends.items()) for o in range(end)]


def race(addresses: str, topic: str, home: str, hours: int) -> None:
    """Two runs of the same hours at once."""
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                run(addresses, topic, home, hours)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
        time.sleep(0.02)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0, 0], codes


if __name__ == "__main__":
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        kill_after = arguments.pop() if command == "run" else None
        answer = in_child({"run": run, "race": race, "check": check}[command], *arguments, kill_after=kill_after)
        print(json.dumps(answer), flush=True)
