"""Publishing a version to a topic beside a bare loop of the client that produces the same bytes.

On a real broker where there is one (tests/kafka.py), else on the sandbox broker, which keeps little.
"""

from __future__ import annotations

import multiprocessing
import resource
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import Peers
from benchmarks.sales import contract, sales

MESSAGES = {"small": 2_000, "full": 1_000_000}
GIBIBYTE = 2**30
PARTITION = "2026-01-01"


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """A first version of so many rows, each round to a new topic. Peak memory is that of the publishing process, of its own."""
    count = MESSAGES[size]
    with _brokers() as (addresses, kind), scratch() as lake:
        _apart(_store, str(lake), count)
        ours = partial(_apart, _ours, str(lake), addresses)
        peak = [0]

        def publish() -> float:
            seconds, used = ours()
            peak[0] = max(peak[0], used)
            return float(seconds)

        taken = by_turns(rounds, {"ours": publish, "floor": lambda: float(_apart(_bare, str(lake), addresses))})
    what = f"{count:,} messages to a topic of the {kind} broker"
    floor_is = "a loop of the client that produces the same bytes, encoded beforehand"
    return [
        Comparison("kafka_out", what, taken["ours"], taken["floor"], floor_is, target=2.0, rounds=rounds),
        Comparison(
            "kafka_out_memory",
            f"peak memory of the publishing process in GiB, {what}",
            peak[0] / GIBIBYTE,
            1.0,
            "1 GiB",
            target=1.0,
            rounds=rounds,
        ),
    ]


def _store(lake: str, count: int) -> None:
    from dataproducts.history.store import DatasetHistory, Draft

    promised = contract()
    history = DatasetHistory(lake, promised.dataset)
    history.commit([Draft.of(PARTITION, sales(count), promised)], promised)


def _ours(lake: str, addresses: str) -> tuple[float, int]:
    """Seconds from connecting to the journal's last line, and peak bytes."""
    from dataproducts.history.store import DatasetHistory
    from dataproducts.ports.delivery import deliver
    from dataproducts.ports.journal import Journal
    from dataproducts.ports.kafka.connection import Brokers, Kafka
    from dataproducts.ports.kafka.topic import Topic

    history, offered = DatasetHistory(lake, contract().dataset), _offered()
    port = f"kafka_{uuid.uuid4().hex}"
    topic = Topic(f"benchmark.{port}", cleanup_policy="delete", port=port)
    start = perf_counter()
    with topic.open(offered, history, {"kafka": Kafka(Brokers(addresses))}, "run") as session:
        deliver(session, Journal(lake, contract().dataset, port), history, None, "run")
    return perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _bare(lake: str, addresses: str) -> float:
    """Seconds to produce what ours does, from lists in memory."""
    from confluent_kafka import Producer

    from dataproducts.history.store import DatasetHistory
    from dataproducts.ports.kafka.connection import Brokers, Kafka
    from dataproducts.ports.kafka.encoding import Json, keys
    from dataproducts.ports.kafka.provisioning import Settings, provide
    from dataproducts.ports.kafka.publishing import CONFIGURATION
    from dataproducts.ports.kafka.session import headers
    from dataproducts.ports.port import Batch

    promised = contract()
    history = DatasetHistory(lake, promised.dataset)
    (version,) = history.versions()
    frame = history.collect([version], promised.names)
    pairs = list(zip(keys(frame, promised.key, PARTITION).to_list(), Json(promised.dtypes).encode(frame).to_list(), strict=True))
    carried = headers(version, "insert", Batch(1, (version,)), 1, "run")
    kafka, topic = Kafka(Brokers(addresses)), f"benchmark.{uuid.uuid4().hex}"
    provide(kafka, Settings(topic, cleanup_policy="delete"), promised.dataset)
    producer = Producer(kafka.brokers.configuration(**CONFIGURATION))
    start = perf_counter()
    for key, value in pairs:
        while True:
            try:
                producer.produce(topic, value, key, headers=carried)
                break
            except BufferError:
                producer.poll(0.01)
    producer.flush()
    return perf_counter() - start


def _offered() -> Any:
    from dataproducts.ports.port import Offered
    from dataproducts.product_facts import ProductFacts

    return Offered(ProductFacts.model_construct(name="shop"), contract(), "Sales", "Sales.", "internal", "none", partitions="daily")


def _apart(work: Any, *arguments: Any) -> Any:
    """Do it in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


@contextmanager
def _brokers() -> Iterator[tuple[str, str]]:
    from dataproducts.ports.kafka.sandbox import sandbox_broker
    from tests import kafka

    if kafka.jars() is not None:
        with kafka.broker() as broker:
            yield broker.addresses, "real"
        return
    with sandbox_broker() as addresses:
        yield addresses, "sandbox"
