"""Synthetic topics: whose broker they use, and that they leave one alone that somebody named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.synthetic import SyntheticTopic
from dataproducts.sandbox import Upstream

FIRST = date(2026, 1, 1)


@dataclass(frozen=True)
class Sale:
    """A message at noon."""

    day: date
    key: str = "till"
    value: bytes | None = b"{}"

    @property
    def at(self) -> datetime:
        return datetime(self.day.year, self.day.month, self.day.day, 12, tzinfo=UTC)

    sent = at


class Sales(SyntheticTopic):
    topic = "shop.sales"
    start_variable = "SHOP_START"

    def messages(self, first_day: date, day: date) -> list[Sale]:
        return [Sale(first_day + timedelta(days=n)) for n in range((day - first_day).days + 1)]


class Returns(Sales):
    topic = "shop.returns"
    start_variable = "RETURNS_START"


def count(brokers: str, topic: str) -> int:
    reader = Kafka(Brokers(brokers)).consumer("test")
    from confluent_kafka import TopicPartition

    partitions = reader.list_topics(topic).topics[topic].partitions
    return sum(reader.get_watermark_offsets(TopicPartition(topic, n))[1] for n in partitions)


def test_two_topics_of_one_process_share_a_broker_and_each_is_sent_its_days(monkeypatch: pytest.MonkeyPatch) -> None:
    sales, returns = Sales(), Returns()
    assert isinstance(sales, Upstream)
    told = sales.variables(FIRST)
    monkeypatch.setenv("KAFKA_BROKERS", told["KAFKA_BROKERS"])
    assert returns.variables(FIRST) == {"KAFKA_BROKERS": told["KAFKA_BROKERS"], "RETURNS_START": "2026-01-01"}
    for one in (sales, returns):
        one.start()
    sales.travel(date(2026, 1, 3))
    returns.travel(date(2026, 1, 2))
    sales.travel(date(2026, 1, 1))
    assert (count(told["KAFKA_BROKERS"], "shop.sales"), count(told["KAFKA_BROKERS"], "shop.returns")) == (3, 2)
    returns.stop()
    sales.stop()


def test_a_broker_that_somebody_named_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", "kafka.example.com:9092")
    assert Sales().variables(FIRST) == {}
