"""Forks children that publish to a topic, and kills them. Everything is imported and nothing used before the fork, so no thread is lost.

Commands on stdin, one JSON list a line: ["store", seed, home, brokers, edition], ["publish", seed, home, brokers, seconds or null],
["together", seed, home, brokers, null], ["check", seed, home, brokers, edition]; answers are JSON lines.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.errors import PortUnavailable
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.ports.delivery import deliver
from dataproducts.ports.journal import Journal
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.encoding import keys, values
from dataproducts.ports.kafka.topic import Topic
from dataproducts.ports.port import Offered
from dataproducts.product_facts import ProductFacts
from tests.ports.kafka.topics import read
from tests.reliability.crash_worker import in_child


class Sale(pa.DataFrameModel):
    number: int = dp.column("Number")
    amount: int = dp.column("Amount")
    shop: str = dp.column("Shop", nullable=True)


CONTRACT = Contract.of(Sale, dataset="shop/sales", key="number")
RETRIES = 3
PARTITIONS = [f"2026-01-{day:02}" for day in range(1, 4)]


def rows(seed: int, edition: int, partition: str) -> pl.DataFrame:
    """The rows of an edition of a partition; some partitions do not change between editions."""
    chance = random.Random(f"{seed} {partition} {edition if int(partition[-1]) % 3 else 0}")
    numbers = sorted(chance.sample(range(400), chance.randint(0, 300)))
    data = {"number": numbers, "amount": [chance.randint(0, 3) for _ in numbers], "shop": [chance.choice(["n", None]) for _ in numbers]}
    return pl.DataFrame(data, schema=dict(CONTRACT.dtypes))


def store(seed: int, home: str, brokers: str, edition: int) -> None:
    """Commit an edition of every partition."""
    drafts = [Draft.of(p, rows(seed, edition, p), CONTRACT) for p in PARTITIONS]
    DatasetHistory(home, CONTRACT.dataset).commit(drafts, CONTRACT)


def publish(seed: int, home: str, brokers: str) -> None:
    """Deliver what is not delivered, as a run and its retries do."""
    for attempt in range(RETRIES + 1):
        try:
            _publish(home, brokers)
            break
        except PortUnavailable:  # the broker, under load: the same again may succeed
            if attempt == RETRIES:
                raise
            time.sleep(1)


def _publish(home: str, brokers: str) -> None:
    topic, offered = Topic(_topic(home), partitions=2), _offered()
    history, journal = DatasetHistory(home, CONTRACT.dataset), Journal(home, CONTRACT.dataset, "kafka")
    run = f"run-{os.getpid()}"
    with topic.open(offered, history, {"kafka": Kafka(Brokers(brokers))}, run) as session:
        deliver(session, journal, history, None, run)


def together(seed: int, home: str, brokers: str) -> None:
    """Two publishers at once."""
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                publish(seed, home, brokers)
            except BaseException:
                traceback.print_exc(file=sys.stderr)
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]


def check(seed: int, home: str, brokers: str, edition: int) -> None:
    """Every batch that a reader sees is there once and whole; when all is published, the topic is what the dataset is."""
    history, journal = DatasetHistory(home, CONTRACT.dataset), Journal(home, CONTRACT.dataset, "kafka").refresh()
    kafka, topic = Kafka(Brokers(brokers)), _topic(home)
    found = read(kafka, topic)
    told = {line.batch: line.content for line in journal.lines if line.state == "delivered"}
    seen = Counter(int(m.headers["batch"]) for m in found)
    assert seen == Counter({batch: n for batch, facts in told.items() if (n := facts["messages"]) != 0}), (seen, told)
    assert max(Counter((m.headers["batch"], m.key) for m in found).values(), default=1) == 1
    assert journal.open is None
    expected: dict[bytes, bytes] = {}
    for partition in PARTITIONS:
        frame = rows(seed, edition, partition)
        expected.update(zip(keys(frame, CONTRACT.key, partition), values(frame, CONTRACT.dtypes), strict=True))
    held = {m.key: m.value for m in found}
    assert {k: v for k, v in held.items() if v is not None} == expected
    with Topic(topic, partitions=2).open(_offered(), history, {"kafka": kafka}, "reconcile") as session:
        assert session.compare(history.versions(), True).differences == ()


def _topic(home: str) -> str:
    return f"crash.{Path(home).parent.name}.{Path(home).name}"


def _offered() -> Offered:
    facts = ProductFacts.model_construct(name="shop")
    return Offered(facts, CONTRACT, "Sales", "Sales.", "internal", "none", partitions="daily")


if __name__ == "__main__":
    for line in sys.stdin:
        command, seed, home, brokers, argument = json.loads(line)
        if command == "publish":
            answer = in_child(publish, seed, home, brokers, kill_after=argument)
        elif command == "together":
            answer = in_child(together, seed, home, brokers)
        else:
            answer = in_child({"store": store, "check": check}[command], seed, home, brokers, argument)
        print(json.dumps(answer), flush=True)
