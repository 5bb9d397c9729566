"""A topic of made-up messages, for the laptop and the tests: a broker where none is named, and messages sent to it as the days pass."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from dataproducts.errors import PortUnavailable
from dataproducts.ports.kafka.sandbox import Sandbox as Broker
from dataproducts.ports.kafka.sandbox import is_hosted

if TYPE_CHECKING:
    from confluent_kafka import Producer

EVERY = 5.0
"""Seconds between looks at the clock, when it is followed."""


class SyntheticMessage(Protocol):
    """One message. `at` is its timestamp, `sent` when it reaches the topic, both aware."""

    @property
    def at(self) -> datetime: ...
    @property
    def sent(self) -> datetime: ...
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> bytes | None: ...


class SyntheticTopic(ABC):
    """An upstream that `dataproducts up` drives: subclasses say which topic, and what is in it.

    It hosts a broker where KAFKA_BROKERS names none, shares one that another such topic hosts in this process, and does nothing at all
    where a broker is named otherwise. A broker that begins anew is sent everything again from the first day in the same order, so every
    message has the offset it had before.
    """

    topic: ClassVar[str]
    start_variable: ClassVar[str]
    """The environment variable from which the product reads its first day."""
    time_zone: ClassVar[str] = "Europe/Oslo"
    """The zone in which days begin."""

    def __init__(self, first_day: date | None = None, *, brokers: str | None = None, clock: Callable[[], datetime] | None = None) -> None:
        """`brokers` are addresses of a broker to send to, instead of one of its own. `clock` gives an aware datetime."""
        self.first_day = first_day
        self.brokers = brokers
        self._clock = clock or (lambda: datetime.now(UTC))
        self._moved: date | None = None
        self._broker: Broker | None = None
        self._producer: Producer | None = None
        self._sent = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def messages(self, first_day: date, day: date) -> Sequence[SyntheticMessage]:
        """All that is sent until the end of `day`, in the order of `sent`: what an earlier day gave, and then that day's own."""

    def variables(self, first_day: date) -> dict[str, str]:
        """Environment variables that point the product here, for a history that begins on `first_day`; none where a broker is named."""
        if self.brokers is None:
            named = os.environ.get("KAFKA_BROKERS")
            if named and not is_hosted(named):
                return {}
            if not named:
                self._broker = Broker()
            self.brokers = named or (self._broker.addresses if self._broker else None)
            assert self.brokers is not None
        if self.first_day is None:
            self.first_day = first_day
        return {"KAFKA_BROKERS": self.brokers, self.start_variable: first_day.isoformat()}

    def start(self) -> None:
        """Be ready to send; what is sent is up to `travel`."""
        from dataproducts.ports.kafka.connection import Brokers, Kafka

        self.variables(self.first_day or self.day)
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
            self._thread = threading.Thread(target=self._follow, name=f"synthetic-{self.topic}", daemon=True)
            self._thread.start()

    @property
    def day(self) -> date:
        """The day shown."""
        return self._moved or self._clock().astimezone(ZoneInfo(self.time_zone)).date()

    def _follow(self) -> None:
        while not self._stopped.wait(EVERY):
            if self._moved is None:
                self._send()

    def _send(self) -> None:
        """From where the last call ended to the end of the day shown or to now."""
        with self._lock:
            midnight = datetime.combine(self.day + timedelta(days=1), time(), ZoneInfo(self.time_zone))
            until = min(midnight.astimezone(UTC), self._clock())
            due: list[SyntheticMessage] = []
            for message in self.messages(self.first_day or self.day, self.day)[self._sent :]:
                if message.sent >= until:
                    break
                due.append(message)
            send(due, self._producer, self.topic)
            self._sent += len(due)


def send(messages: Iterable[SyntheticMessage], producer: Any, topic: str) -> None:
    """Send messages in order: key and value as they are, no headers, the time in UTC to the millisecond.

    Raises PortUnavailable when one was not delivered.
    """
    faults: list[Any] = []
    count = 0

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            faults.append(error)

    for message in messages:
        count += 1
        stamp = round(message.at.timestamp() * 1000)
        while True:
            try:
                producer.produce(topic, value=message.value, key=message.key.encode(), timestamp=stamp, on_delivery=delivered)
                break
            except BufferError:  # the producer's own queue is full
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(30)
    if faults or left:
        raise PortUnavailable(f"the sandbox could not send {len(faults) or left} of {count} messages to {topic}; start it again")
