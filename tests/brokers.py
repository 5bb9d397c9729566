"""Brokers for the tests: the sandbox of the client's own, and a real one. Each session has one of each, so `conftest` alone imports these."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests import kafka as real

if TYPE_CHECKING:
    from dataproducts.ports.kafka.connection import Kafka


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    """The addresses of a sandbox broker of the session's own."""
    from dataproducts.ports.kafka.sandbox import sandbox_broker

    with sandbox_broker() as addresses:
        yield addresses


@pytest.fixture(scope="session")
def broker_of_session() -> Iterator[real.Broker]:
    """A real broker of the session's own."""
    if real.jars() is None:
        pytest.skip(real.NO_BROKER)
    with real.broker() as running:
        yield running


@pytest.fixture
def broker(broker_of_session: real.Broker) -> real.Broker:
    """A real broker, which runs; tests may stop and kill it."""
    if not broker_of_session.running:
        broker_of_session.start()
    return broker_of_session


@pytest.fixture(params=["sandbox", "real"])
def kafka(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """The way to either broker, which KAFKA_BROKERS names too."""
    found = request.getfixturevalue("sandbox") if request.param == "sandbox" else request.getfixturevalue("broker").addresses
    monkeypatch.setenv("KAFKA_BROKERS", found)
    return _way_to(found)


@pytest.fixture
def real_kafka(broker: real.Broker, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """The way to the real broker, which KAFKA_BROKERS names too."""
    monkeypatch.setenv("KAFKA_BROKERS", broker.addresses)
    return _way_to(broker.addresses)


@pytest.fixture
def topic_name() -> str:
    """The name of a topic that no other test has."""
    return f"shop.{uuid.uuid4().hex[:12]}"


def _way_to(addresses: str) -> Kafka:
    from dataproducts.ports.kafka.connection import Brokers, Kafka

    return Kafka(Brokers(addresses))
