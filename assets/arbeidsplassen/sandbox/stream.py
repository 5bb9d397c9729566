"""The synthetic topic: a broker of its own where none is named, and the world's events sent to it as the days pass."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from assets.arbeidsplassen.sandbox.ads import OSLO, midnight
from assets.arbeidsplassen.sandbox.world import Event, World
from dataproducts.errors import PortUnavailable

if TYPE_CHECKING:
    from confluent_kafka import Producer

    from dataproducts.ports.kafka.sandbox import Sandbox as Broker

TOPIC = "teampam.stilling-historikk"
EVERY = 5.0
"""Seconds between looks at the clock, when it is followed."""


class Sandbox:
    """The topic, as `dataproducts up` drives it. It hosts a broker where KAFKA_BROKERS names none, else it does nothing at all.

    A broker that begins anew is sent everything again from the epoch in the same order, so every message has the offset it had before.
    """

    def __init__(self, world: World | None = None, *, brokers: str | None = None, clock: Callable[[], datetime] | None = None) -> None:
        """`brokers` are addresses of a broker to send to, instead of one of its own. `clock` gives an aware datetime."""
        self.brokers = brokers
        self._world = world
        self._clock = clock or (lambda: datetime.now(UTC))
        self._moved: date | None = None
        self._broker: Broker | None = None
        self._producer: Producer | None = None
        self._sent = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def variables(self, first_day: date) -> dict[str, str]:
        """Environment variables that point the product here, for a history that begins on `first_day`; none where a broker is named."""
        if self.brokers is None:
            if os.environ.get("KAFKA_BROKERS"):
                return {}
            from dataproducts.ports.kafka.sandbox import Sandbox as Broker

            self._broker = Broker()
            self.brokers = self._broker.addresses
        if self._world is None:
            self._world = World(epoch=first_day)
        return {"KAFKA_BROKERS": self.brokers, "ARBEIDSPLASSEN_START": first_day.isoformat()}

    def start(self) -> None:
        """Be ready to send; what is sent is up to `travel`."""
        from dataproducts.ports.kafka.connection import Brokers, Kafka

        self.variables(self.world.epoch)
        assert self.brokers is not None
        self._producer = Kafka(Brokers(self.brokers)).producer(**{"enable.idempotence": True, "compression.type": "gzip", "linger.ms": 20})

    def stop(self) -> None:
        """Send no more, and end the broker if it is this one's own."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._producer = None
        if self._broker is not None:
            self._broker.close()

    def travel(self, day: date | None) -> None:
        """Send what is sent until the end of that day, though nothing of the future; None follows the clock from now on.

        What was sent stays sent: an earlier day changes nothing.
        """
        self._moved = day
        self._send()
        if day is None and self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="sandbox-stream", daemon=True)
            self._thread.start()

    @property
    def day(self) -> date:
        """The day shown."""
        return self._moved or self._clock().astimezone(OSLO).date()

    @property
    def world(self) -> World:
        """The ads behind it."""
        if self._world is None:
            self._world = World()
        return self._world

    def _follow(self) -> None:
        while not self._stopped.wait(EVERY):
            if self._moved is None:
                self._send()

    def _send(self) -> None:
        """The world's events, from where the last call ended to the end of the day shown or to now."""
        with self._lock:
            until = min(midnight(self.day + timedelta(days=1)), self._clock())
            self.world.advance(self.day)
            due: list[Event] = []
            for event in self.world.log[self._sent :]:
                if event.sent >= until:
                    break
                due.append(event)
            send(due, self._producer)
            self._sent += len(due)


def send(events: list[Event], producer: Any, topic: str = TOPIC) -> None:
    """Send events in order: key and value as they are, no headers, the time in UTC to the millisecond.

    Raises PortUnavailable when one was not delivered.
    """
    faults: list[Any] = []

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            faults.append(error)

    for event in events:
        stamp = round(event.at.timestamp() * 1000)
        while True:
            try:
                producer.produce(topic, value=event.value, key=event.key.encode(), timestamp=stamp, on_delivery=delivered)
                break
            except BufferError:  # the producer's own queue is full
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(30)
    if faults or left:
        raise PortUnavailable(f"the sandbox could not send {len(faults) or left} of {len(events)} messages to {topic}; start it again")
