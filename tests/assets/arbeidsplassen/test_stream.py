"""The synthetic topic on a broker: what `dataproducts up` sees of it as the days pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assets.arbeidsplassen.sandbox import TOPIC, Event, Sandbox, World, upstream
from assets.arbeidsplassen.sandbox.ads import midnight
from dataproducts.errors import PortUnavailable
from dataproducts.ports.kafka import synthetic
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.sandbox import sandbox_broker
from dataproducts.sandbox import Upstream

EPOCH = date(2026, 11, 2)
SECOND = EPOCH + timedelta(days=1)


class Clock:
    """A clock to be set."""

    def __init__(self) -> None:
        self.now = midnight(EPOCH + timedelta(days=20))

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A small one with a broker of its own, ready to send."""
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    sandbox = Sandbox(World(epoch=EPOCH, births=10), clock=clock)
    sandbox.start()
    yield sandbox
    sandbox.stop()


def messages(brokers: str, topic: str = TOPIC) -> dict[tuple[int, int], Any]:
    """All of the topic, by partition and offset."""
    from confluent_kafka import OFFSET_BEGINNING, TopicPartition

    found: dict[tuple[int, int], Any] = {}
    kafka = Kafka(Brokers(brokers))
    partitions = kafka.metadata(topic).topics[topic].partitions
    reader = kafka.consumer("test", **{"enable.partition.eof": True})
    reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    ends = 0
    while ends < len(partitions):
        message = reader.poll(10)
        assert message is not None
        if message.error():
            ends += 1
        else:
            found[message.partition(), message.offset()] = message
    reader.close()
    return found


def sent(sandbox: Sandbox) -> dict[tuple[int, int], Any]:
    assert sandbox.brokers is not None
    return messages(sandbox.brokers)


def test_it_is_what_up_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(upstream(), Upstream)
    monkeypatch.setenv("KAFKA_BROKERS", "broker.example:9092")
    assert upstream().variables(EPOCH) == {}  # nothing synthetic is sent to a broker that somebody named


def test_it_tells_where_its_broker_is_and_when_the_history_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    sandbox = Sandbox()
    variables = sandbox.variables(EPOCH)
    assert variables == {"KAFKA_BROKERS": sandbox.brokers, "ARBEIDSPLASSEN_START": "2026-11-02"}
    assert sandbox.world.epoch == EPOCH
    sandbox.stop()


def test_messages_arrive_as_they_are_in_the_world(sandbox: Sandbox) -> None:
    sandbox.travel(EPOCH)
    due = [event for event in sandbox.world.log if event.sent < midnight(SECOND)]
    found = sent(sandbox)
    assert sorted((m.key(), m.value() or b"", m.timestamp()[1]) for m in found.values()) == sorted(
        (e.key.encode(), e.value or b"", round(e.at.timestamp() * 1000)) for e in due
    )
    assert {m.headers() for m in found.values()} == {None}
    keys: dict[bytes, set[int]] = {}
    for (partition, _), message in found.items():
        keys.setdefault(message.key(), set()).add(partition)
    assert all(len(partitions) == 1 for partitions in keys.values())


def test_a_day_adds_its_own_messages_and_an_earlier_one_none(sandbox: Sandbox) -> None:
    sandbox.travel(EPOCH)
    before = sent(sandbox)
    sandbox.travel(SECOND)
    after = sent(sandbox)
    assert len(after) - len(before) == len(sandbox.world.events(SECOND)) > 0
    assert sandbox.day == SECOND
    sandbox.travel(EPOCH)
    assert sandbox.day == EPOCH
    assert sent(sandbox).keys() == after.keys()


def test_a_broker_that_begins_anew_gets_the_same_messages_at_the_same_offsets(sandbox: Sandbox, clock: Clock) -> None:
    sandbox.travel(EPOCH)
    sandbox.travel(SECOND)
    with sandbox_broker() as addresses:
        again = Sandbox(World(epoch=EPOCH, births=10), brokers=addresses, clock=clock)
        again.start()
        again.travel(SECOND)
        found = messages(addresses)
        again.stop()
    assert {place: m.value() for place, m in found.items()} == {place: m.value() for place, m in sent(sandbox).items()}


def test_nothing_of_the_future_is_sent_and_the_clock_is_followed(sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "EVERY", 0.01)
    clock.now = midnight(EPOCH) + timedelta(hours=9)
    sandbox.travel(EPOCH)
    log = sandbox.world.log

    def until(now: datetime) -> int:
        return sum(event.sent < now for event in log)

    assert len(sent(sandbox)) == until(clock.now) < until(midnight(SECOND))
    sandbox.travel(None)
    clock.now += timedelta(hours=4)
    assert sandbox.day == EPOCH
    for _ in range(500):
        if len(found := sent(sandbox)) == until(clock.now):
            break
    assert len(found) == until(clock.now)


def test_a_message_that_does_not_arrive_is_said_so() -> None:
    class Refusing:
        def produce(self, *_: Any, on_delivery: Any, **__: Any) -> None:
            on_delivery("no room", None)

        def poll(self, _: float) -> int:
            return 0

        def flush(self, _: float) -> int:
            return 0

    event = Event(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC), "a", b"{}")
    with pytest.raises(PortUnavailable, match="could not send 1 of 1 messages to teampam.stilling-historikk"):
        synthetic.send([event], Refusing(), TOPIC)
