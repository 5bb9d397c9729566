"""The publisher of one topic: a transactional producer, and its progress, which is committed in the same transactions.

A new publisher of a topic fences the old: from then on nothing that the old one had begun can arrive.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataproducts.errors import PortError, PortUnavailable
from dataproducts.history.table import Overtaken
from dataproducts.ports.kafka.connection import Kafka, explained, meaning

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

PATIENCE = 60.0
"""Seconds without any progress after which the broker is taken to be away."""
TRANSACTION = 600.0
"""Seconds that a transaction may take before the broker ends it; brokers allow at most 900 by default."""
MESSAGE_OVERHEAD = 100
"""Bytes of a batch of one message, beside its key, value and headers, at most."""

CONFIGURATION: dict[str, Any] = {
    "compression.type": "lz4",
    "partitioner": "murmur2_random",  # as Java's clients do it
    "batch.num.messages": 10_000,
    "linger.ms": 5,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 65_536,
}
"""How messages are put together, by the names of librdkafka."""

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True)
class Progress:
    """The last batch that a topic has: what is committed as metadata of the publisher's consumer group."""

    edition: int
    batch: int
    identity: str
    messages: int
    tombstones: int
    bytes: int

    def dump(self) -> str:
        """As text; brokers take at most 4,096 bytes."""
        return json.dumps([self.edition, self.batch, self.identity, self.messages, self.tombstones, self.bytes])

    @classmethod
    def parse(cls, text: str) -> Progress | None:
        """What `dump` wrote; None for anything else."""
        try:
            edition, batch, identity, messages, tombstones, size = json.loads(text)
        except (ValueError, TypeError):
            return None
        return cls(edition, batch, identity, messages, tombstones, size)


class Publisher:
    """The publisher named `name`: its transactional id and its consumer group. `limit`: bytes a message of the topic may have.

    `transactional` is False for the sandbox broker, which keeps no offsets of transactions: there they are committed right after.
    """

    def __init__(self, kafka: Kafka, topic: str, name: str, limit: int, transactional: bool = True) -> None:
        self.kafka, self.topic, self.name, self.limit = kafka, topic, name, limit
        self._transactional = transactional
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._failed: list[KafkaError] = []

    @property
    def begun(self) -> bool:
        """Whether it has fenced its predecessors and has not been fenced itself, as far as it knows."""
        return self._producer is not None

    def begin(self) -> None:
        """Fence every older publisher; what they had begun is then either there or never will be. Raises PortUnavailable."""
        settings = {
            **CONFIGURATION,
            "transactional.id": self.name,
            "transaction.timeout.ms": int(TRANSACTION * 1000),
            "message.timeout.ms": int(PATIENCE * 1000),
            "socket.timeout.ms": int(min(PATIENCE, 30.0) * 1000),  # the only limit that sending offsets heeds
            "message.max.bytes": max(self.limit, 1000),
            "batch.size": max(min(self.limit, 1_000_000) - 1000, 1),  # brokers hold the limit against a batch
            "on_delivery": self._delivered,
            "delivery.report.only.error": True,
        }
        producer: Producer = self._again(lambda left: self.kafka.producer(**settings), f"begin to publish to {self.topic}")
        self._again(lambda left: producer.init_transactions(left), f"begin to publish to {self.topic}")
        self._producer = producer

    def progress(self) -> Progress | None:
        """The last batch that is there, as the broker knows; None before the first and where the broker has forgotten."""
        from confluent_kafka import TopicPartition

        where = [TopicPartition(self.topic, 0)]
        (found,) = self._again(lambda left: self._group().committed(where, timeout=left), f"read what {self.topic} has")
        if found.error is not None:
            raise meaning(found.error, f"read what {self.topic} has", self.kafka, self.topic)
        return Progress.parse(found.metadata) if found.metadata else None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All that is sent in it arrives at `commit`, or nothing does.

        Raises Overtaken where a newer publisher has fenced this one, PortError where it is certain that nothing arrived, else
        PortUnavailable. After either of the last the publisher can go on, unless it is no longer `begun`.
        """
        from confluent_kafka import KafkaException

        assert self._producer is not None
        self._failed.clear()
        work = Transaction(self, self._producer)
        try:
            try:
                self._producer.begin_transaction()
                yield work
            except KafkaException as error:
                raise self._reason(error) from error
            except SystemError as error:  # the client trips over callbacks at a fatal error, which it tells of when asked
                fatal = self._fatal()
                if fatal is None:
                    raise
                raise self._reason(KafkaException(fatal)) from error
        except BaseException as error:
            if work.commits and not isinstance(error, Overtaken):
                self.drop()
                if not isinstance(error, Exception):
                    raise
                raise PortUnavailable(f"{_said(error)}; whether it arrived is found out by the next run") from error
            if not isinstance(error, Overtaken) and not self._abort() and isinstance(error, PortError):
                raise PortUnavailable(_said(error)) from error
            raise

    def drop(self) -> None:
        """Let the producer go, with what it has not sent."""
        from confluent_kafka import KafkaException

        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaException):
                producer.purge()

    def close(self) -> None:
        """Let the brokers go."""
        self.drop()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _group(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self.kafka.consumer(self.name)
        return self._consumer

    def _abort(self) -> bool:
        """Whether it is certain that nothing of the transaction arrives."""
        from confluent_kafka import KafkaException

        producer = self._producer
        if producer is None:
            return False
        try:
            producer.purge()
            producer.abort_transaction(min(PATIENCE, 15.0))
        except KafkaException:
            self.drop()
            return False
        return True

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def _reason(self, error: KafkaException) -> Exception:
        """The error of ours; the first delivery that failed tells more than what followed from it."""
        from confluent_kafka import KafkaError

        found: KafkaError = error.args[0]
        if found.code() == KafkaError._FATAL:  # `produce` does not say which; a producer that is done for says it to this
            found = self._fatal() or found
        if found.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
            self.drop()
            return Overtaken()
        if found.fatal():
            self.drop()
        purged = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
        told = next((one for one in self._failed if one.code() not in purged), found)
        if told.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
            return PortError(
                f"cannot publish to {self.topic}: a message is over the topic's limit of {self.limit:,} bytes as {_where(self.kafka)} "
                "applies it; raise `spec.config.maxMessageBytes` of the Topic manifest and `max_message_bytes` of Topic(...)"
            )
        return meaning(told, f"publish to {self.topic}", self.kafka, self.topic)

    def _fatal(self) -> KafkaError | None:
        from confluent_kafka import KafkaException

        try:
            if self._producer is not None:
                self._producer.abort_transaction(1.0)
        except KafkaException as error:
            return error.args[0]  # type: ignore[no-any-return]
        return None

    def _again(self, call: Callable[[float], Any], doing: str) -> Any:
        """The answer of a call that gets the seconds it may take; once more while it says that the same may succeed."""
        from confluent_kafka import KafkaException

        until = time.monotonic() + min(PATIENCE, 15.0)
        while True:
            left = until - time.monotonic()
            try:
                with explained(doing, self.kafka, self.topic):
                    return call(max(left, 0.1))
            except PortUnavailable as error:
                if left <= 0.3 or (isinstance(error.__cause__, KafkaException) and error.__cause__.args[0].fatal()):
                    raise
                time.sleep(0.1)
            except PortError as error:  # this one fences nobody, so an older one may still deliver what it has begun
                raise PortUnavailable(str(error)) from error


class Transaction:
    """What one transaction carries."""

    def __init__(self, publisher: Publisher, producer: Producer) -> None:
        self._publisher, self._producer = publisher, producer
        self.messages = self.tombstones = self.bytes = 0
        self.commits = False

    def send(self, keys: Sequence[bytes], values: Sequence[bytes | None], headers: Headers) -> None:
        """Messages with the same headers; a missing value is a tombstone. Waits where the producer's queue is full."""
        produce, topic, poll = self._producer.produce, self._publisher.topic, self._producer.poll
        for number, (key, value) in enumerate(zip(keys, values, strict=True)):
            try:
                produce(topic, value, key, headers=headers)
            except BufferError:
                self._wait_for_room()
                produce(topic, value, key, headers=headers)
            if not number % 1000:
                poll(0)
        poll(0)
        if self._publisher._failed:
            from confluent_kafka import KafkaException

            raise self._publisher._reason(KafkaException(self._publisher._failed[0]))

    def commit(self, progress: Progress) -> None:
        """Let all of it arrive, with the progress."""
        from confluent_kafka import TopicPartition

        publisher = self._publisher
        group = publisher._group()
        where = TopicPartition(publisher.topic, 0, progress.batch, progress.dump())
        self._flush()
        self._producer.send_offsets_to_transaction([where], group.consumer_group_metadata(), min(PATIENCE, 30.0))
        self._commit()
        if not publisher._transactional:
            with explained(f"write down what {publisher.topic} has", publisher.kafka, publisher.topic):
                group.commit(offsets=[where], asynchronous=False)
        self.commits = False

    def _commit(self) -> None:
        from confluent_kafka import KafkaException

        self.commits = True
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._producer.commit_transaction(max(until - time.monotonic(), 1.0))
                return
            except KafkaException as error:
                told: KafkaError = error.args[0]
                if told.txn_requires_abort():
                    self.commits = False
                    raise
                if told.fatal() or not told.retriable() or time.monotonic() > until:
                    raise

    def _flush(self) -> None:
        """Send what is queued, for as long as something goes."""
        left, since = len(self._producer), time.monotonic()
        while left:
            now = self._producer.flush(0.5)
            if now < left:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise self._silence()
            left = now

    def _wait_for_room(self) -> None:
        full, since = len(self._producer), time.monotonic()
        while len(self._producer) > 0.9 * full:
            self._producer.poll(0.01)
            if time.monotonic() - since > PATIENCE:
                raise self._silence()

    def _silence(self) -> PortUnavailable:
        publisher = self._publisher
        return PortUnavailable(
            f"cannot publish to {publisher.topic}: {_where(publisher.kafka)} has taken no message for {PATIENCE:g} seconds; "
            "run again when it answers"
        )


def _where(kafka: Kafka) -> str:
    return f"Kafka at {kafka.brokers.addresses}"


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
