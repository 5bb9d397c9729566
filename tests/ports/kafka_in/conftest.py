"""A dataset fed by a topic, without Dagster: send messages, read partitions, look at what is stored."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Materializer, Report
from dataproducts.ports.kafka.connection import Kafka
from dataproducts.ports.kafka.ranges import Range, recorded
from dataproducts.quality.quarantine import Quarantine

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Order(pa.DataFrameModel):
    """What was ordered."""

    partition: int = dp.column("Partition of the topic.", source="kafka.partition")
    offset: int = dp.column("Offset.", source="kafka.offset")
    number: int = dp.column("Number of the order.", source="order.number", ge=0)
    shop: str = dp.column("Where.", nullable=True)


def hour(number: int) -> str:
    """The key of an hour, counted from the first."""
    return f"{FIRST + timedelta(hours=number):%Y-%m-%d-%H:%M}"


def at(hours: float) -> int:
    """A moment so many hours after the first, as Kafka counts."""
    return int((FIRST + timedelta(hours=hours)).timestamp() * 1000)


def order(number: Any, **more: Any) -> bytes:
    """The value of a message."""
    return json.dumps({"order": {"number": number}, **more}).encode()


def send(kafka: Kafka, topic: str, messages: Iterable[tuple[Any, ...]], **settings: Any) -> None:
    """Send (partition, milliseconds, value, key, headers), of which the last two may be left out."""
    producer = kafka.producer(**settings)
    failed: list[Any] = []
    for partition, time, value, *rest in messages:
        key, headers = [*rest, None, None][:2]
        producer.produce(
            topic,
            value,
            key,
            partition=partition,
            timestamp=time,
            headers=headers,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    assert producer.flush(20) == 0
    assert not failed, failed[0]


def make_topic(kafka: Kafka, name: str, partitions: int = 4, **settings: str) -> None:
    """Make a topic on the real broker, which keeps old messages; the sandbox makes its own, of four partitions."""
    from confluent_kafka.admin import NewTopic

    if not kafka.metadata().cluster_id.startswith("mock"):
        config = {
            "retention.ms": "-1",
            "message.timestamp.after.max.ms": "9223372036854775807",
            **{k.replace("_", "."): v for k, v in settings.items()},
        }
        admin = kafka.admin()
        for future in admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values():
            future.result(10)


@dataclass
class Feed:
    """The dataset shop/orders, hourly, fed by a topic."""

    kafka: Kafka
    topic: str
    lake: str
    model: Any = Order
    settings: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=lambda: Limits(row_change=None))
    faults: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def hours(self) -> Any:
        import dagster as dg

        return dg.HourlyPartitionsDefinition(hour(0), timezone="UTC")

    @property
    def contract(self) -> Contract:
        return dp.TopicInput(self.topic, **self.settings).promised(Contract.of(self.model, dataset="shop/orders"), self.hours)

    @property
    def history(self) -> DatasetHistory:
        return DatasetHistory(self.lake, "shop/orders")

    def run(
        self, *hours: int, function: Callable[[Any], Any] = lambda messages: messages, before: Callable[[int], None] | None = None
    ) -> Report:
        """Materialize hours in one run; `before` is called with each hour before it is begun."""
        materializer = Materializer(self.lake, self.contract, self.limits, run="run", log=logging.getLogger("test"))
        topic = dp.TopicInput(self.topic, **self.settings)
        intake = topic.open(self.contract, self.hours, self.limits, materializer.history, lambda _: self.kafka, logging.getLogger("test"))

        def produce(partition: str) -> Any:
            if before is not None:
                before(next(h for h in hours if hour(h) == partition))
            return intake.result(partition, function(intake.give(partition)))

        report = materializer.materialize([hour(h) for h in hours], produce)
        self.faults = intake.faults
        return report

    def store(self, *hours: int) -> Report:
        """Materialize hours, none of which may fail."""
        report = self.run(*hours)
        assert not report.failed, [o.error for o in report.failed]
        return report

    def error(self, number: int) -> str:
        """What an hour that cannot be materialized says."""
        report = self.run(number)
        return report.outcomes[hour(number)].error or ""

    def stored(self, number: int | None = None) -> list[tuple[int, int]]:
        """Partition and offset of each message that is stored, in an hour or at all."""
        if not self.history.tables():
            return []
        versions = [v for v in self.history.current().values() if number is None or v.partition == hour(number)]
        return sorted(self.history.collect(versions, ["partition", "offset"]).rows()) if versions else []

    def rows(self, number: int) -> pl.DataFrame:
        """The rows of an hour, by partition and offset."""
        return self.history.collect([self.version(number)]).sort("partition", "offset")

    def version(self, number: int) -> Version:
        """The newest version of an hour."""
        return self.history.current()[hour(number)]

    def range(self, number: int) -> Range:
        """The recorded range of an hour."""
        return recorded(self.history.versions())[hour(number)]

    def quarantined(self) -> pl.DataFrame:
        """Refused rows that wait."""
        return Quarantine(self.lake, "shop/orders").rows(only_open=True)


@pytest.fixture
def feed(kafka: Kafka, topic_name: str, lake: str) -> Feed:
    """A topic and its dataset, at either broker."""
    make_topic(kafka, topic_name)
    return Feed(kafka, topic_name, lake)


@pytest.fixture
def real_feed(real_kafka: Kafka, topic_name: str, lake: str) -> Feed:
    """A topic and its dataset, at the real broker."""
    make_topic(real_kafka, topic_name)
    return Feed(real_kafka, topic_name, lake)


@pytest.fixture
def sandbox_feed(sandbox: str, topic_name: str, lake: str) -> Feed:
    """A topic and its dataset, at the sandbox."""
    from dataproducts.ports.kafka.connection import Brokers

    return Feed(Kafka(Brokers(sandbox)), topic_name, lake)
