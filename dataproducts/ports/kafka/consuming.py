"""Read offsets of a topic: where it begins and ends now, and the messages from some offsets on, in bounded memory.

Nothing is committed to the broker: the place of a dataset in its topic is in the dataset's own history.
"""

from __future__ import annotations

import gc
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from dataproducts.errors import PortUnavailable, SourceError
from dataproducts.ports.kafka.connection import TIMEOUT, Kafka, explained, meaning, once_led
from dataproducts.ports.kafka.ranges import Identity
from dataproducts.ports.kafka.sandbox import is_sandbox

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message
    from confluent_kafka.admin import AdminClient

BATCH_MESSAGES, BATCH_BYTES = 16_384, 16 * 2**20
"""A batch ends with whichever comes first; one message may be larger than that."""
AT_ONCE_MESSAGES, AT_ONCE_BYTES = 1_000, 8 * 2**20  # of one call of the client
AHEAD_MESSAGES, AHEAD_KIB = 100_000, 49_152  # that the client fetches before it is asked, of all partitions

CLOCK_AHEAD = timedelta(hours=1)
"""A message from further in the future has a wrong clock: its time says nothing of the messages after it."""

STALLED_SECONDS = 30.0
"""A broker that sends nothing for so long, and has not come to the end, is given up."""
OPEN_TRANSACTION_SECONDS = 30.0
"""How long an open transaction before the end of a range is waited for."""

T = TypeVar("T")


@dataclass(frozen=True)
class TopicState:
    """A topic as it is now: by partition the first offset it still has, and that of the next message to be written to it."""

    identity: Identity
    earliest: Mapping[int, int]
    ends: Mapping[int, int]


def state(kafka: Kafka, topic: str) -> TopicState:
    """Look at a topic; a broker that is just back is waited for. Raises PortUnavailable, or PortError where it may not be read."""
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            return _state(kafka, topic)
        except PortUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _state(kafka: Kafka, topic: str) -> TopicState:
    from confluent_kafka.admin._listoffsets import OffsetSpec

    doing, admin = f"read topic {topic}", kafka.admin()
    with explained(doing, kafka, topic):
        cluster = admin.list_topics(topic, timeout=TIMEOUT)
    about = cluster.topics[topic]
    faults = [about.error, *(p.error for p in about.partitions.values() if p.error is not None and not _replica_away(p.error))]
    if (fault := next((f for f in faults if f is not None), None)) is not None:
        raise meaning(fault, doing, kafka, topic)
    numbers = sorted(about.partitions)
    identity = Identity(topic)  # of the sandbox there is no more to know: each process makes it anew, and it says the same again
    if not is_sandbox(cluster.cluster_id):
        identity = Identity(topic, _topic_id(kafka, admin, topic), cluster.cluster_id)
    spec: Any = OffsetSpec
    earliest, ends = (_offsets(kafka, admin, topic, numbers, which) for which in (spec.earliest(), spec.latest()))
    return TopicState(identity, earliest, ends)


def first_at(kafka: Kafka, topic: str, numbers: list[int], moment: datetime) -> dict[int, int]:
    """By partition, the first offset whose time is `moment` or later; -1 where there is none, or the broker cannot tell."""
    from confluent_kafka.admin._listoffsets import OffsetSpec

    return _offsets(kafka, kafka.admin(), topic, numbers, OffsetSpec.for_timestamp(_milliseconds(moment)))


def _offsets(kafka: Kafka, admin: AdminClient, topic: str, numbers: list[int], spec: Any) -> dict[int, int]:
    from confluent_kafka import IsolationLevel, TopicPartition

    asked = {TopicPartition(topic, n): spec for n in numbers}

    clients = [admin]  # one that has met another leader is asked no more

    def ask() -> dict[int, int]:
        client = clients.pop() if clients else kafka.admin()
        found = client.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=TIMEOUT)
        return {place.partition: int(future.result(TIMEOUT + 1).offset) for place, future in found.items()}

    with explained(f"read topic {topic}", kafka, topic):
        return once_led(ask)


def _topic_id(kafka: Kafka, admin: AdminClient, topic: str) -> str | None:
    from confluent_kafka import KafkaError, KafkaException, TopicCollection

    with explained(f"read topic {topic}", kafka, topic):
        try:
            described = admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)[topic].result(TIMEOUT + 1)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION):
                return None  # brokers before 2.8 know topics by name only
            raise
    return str(described.topic_id) if described.topic_id is not None else None


def _replica_away(error: KafkaError) -> bool:
    from confluent_kafka import KafkaError

    return bool(error.code() == KafkaError.REPLICA_NOT_AVAILABLE)


Headers = tuple[tuple[str, Any], ...]


class Received(NamedTuple):
    """A message as it came. `time` is milliseconds since 1970, -1 where there is none."""

    topic: str
    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None


@dataclass(frozen=True)
class Batch:
    """Messages column by column; `times` are milliseconds since 1970, -1 where there is none.

    The client's own objects are let go as soon as they have been read: of a million that are kept for a while, Python's collector of
    garbage takes as long as reading them does.
    """

    topic: str
    values: list[bytes | None]
    keys: list[bytes | None]
    headers: list[Headers | None]
    partitions: np.ndarray[Any, np.dtype[np.int64]]
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    times: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.values)

    def message(self, place: int) -> Received:
        """One of them."""
        return Received(
            self.topic,
            int(self.partitions[place]),
            int(self.offsets[place]),
            int(self.times[place]),
            self.keys[place],
            self.values[place],
            self.headers[place],
        )


def fetching(partitions: int, expected: int) -> dict[str, Any]:
    """Settings of a client that takes about so many messages of so many partitions: quick, and bounded whatever their number."""
    return {
        "enable.partition.eof": True,
        "enable.auto.offset.store": False,
        "queued.min.messages": max(1_000, min(AHEAD_MESSAGES, expected) // partitions),
        "queued.max.messages.kbytes": max(1_024, AHEAD_KIB // partitions),
        "fetch.queue.backoff.ms": 10,  # its default, a second, would be most of the time a large range takes
        "fetch.wait.max.ms": 100,
    }


class Stream:
    """The committed messages of a topic from `begins` on, by partition, up to `limits` or to the first of the time `until`.

    A message from the future ends nothing. After the last batch `ends` holds, by partition, the offset after the last that belongs.
    """

    def __init__(
        self, kafka: Kafka, topic: str, begins: Mapping[int, int], limits: Mapping[int, int], until: datetime | None, expected: int
    ) -> None:
        self.kafka = kafka
        self.topic = topic
        self.begins = begins
        self.limits = limits
        self.until = _milliseconds(until) if until is not None else None
        self.expected = expected
        self.ends: dict[int, int] = {n: begin for n, begin in begins.items() if begin >= limits[n]}
        self._waiting: dict[int, float] = {}  # behind a transaction that is still open, since when

    def __iter__(self) -> Iterator[Batch]:
        """Raises PortUnavailable where the broker stalls, SourceError where a transaction stays open."""
        if len(self.ends) == len(self.begins):
            return
        consumer = self.kafka.consumer(
            "dataproducts",  # of no meaning: nothing is committed and no group is joined
            **fetching(len(self.begins) - len(self.ends), self.expected),
        )
        try:
            with _COLLECTOR.seldom():
                yield from self._batches(consumer)
        finally:
            consumer.close()

    def _batches(self, consumer: Consumer) -> Iterator[Batch]:
        from confluent_kafka import TopicPartition

        with explained(f"read topic {self.topic}", self.kafka, self.topic):
            consumer.assign([TopicPartition(self.topic, n, begin) for n, begin in self.begins.items() if n not in self.ends])
        held, rows, size, at_once = [], 0, 0, 16
        heard = time.monotonic()
        while len(self.ends) < len(self.begins):
            with explained(f"read topic {self.topic}", self.kafka, self.topic):
                got = consumer.consume(at_once, 0.05)
            if not got:
                self._refuse_to_wait(heard)
                continue
            heard = time.monotonic()
            bytes_, count = sum(map(len, got)), len(got)
            batch = self._taken(got, consumer)
            del got
            if not len(batch):
                continue
            held.append(batch)
            rows, size = rows + len(batch), size + bytes_
            at_once = max(1, min(AT_ONCE_MESSAGES, AT_ONCE_BYTES * count // (bytes_ + 1)))
            if rows >= BATCH_MESSAGES or size >= BATCH_BYTES:
                yield _together(held)
                held, rows, size = [], 0, 0
        if held:
            yield _together(held)

    def _taken(self, got: list[Message], consumer: Consumer) -> Batch:
        """The messages that belong; partitions that have come to their end are read no further."""
        from confluent_kafka import Message

        marks = [m for m, error in zip(got, map(Message.error, got), strict=True) if error is not None]
        messages = [m for m in got if m.error() is None] if marks else got
        partitions = np.fromiter(map(Message.partition, messages), np.int64, len(messages))
        offsets = np.fromiter(map(Message.offset, messages), np.int64, len(messages))
        times = np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, len(messages))
        keep = np.ones(len(messages), dtype=bool)
        latest = _milliseconds(datetime.now(UTC) + CLOCK_AHEAD)
        for number in np.unique(partitions).tolist():
            mine = np.flatnonzero(partitions == number)
            if number in self.ends:
                keep[mine] = False
                continue
            beyond = offsets[mine] >= self.limits[number]
            if self.until is not None:
                beyond |= (times[mine] >= self.until) & (times[mine] <= latest)
            if beyond.any():
                first = int(beyond.argmax())
                keep[mine[first:]] = False
                self._finish(number, min(int(offsets[mine[first]]), self.limits[number]), consumer)
            else:
                self._waiting.pop(number, None)
        for mark in marks:
            self._marked(mark, consumer)
        if not keep.all():
            kept = np.flatnonzero(keep)
            messages = [messages[i] for i in kept.tolist()]
            partitions, offsets, times = partitions[kept], offsets[kept], times[kept]
        headers: list[Any] = list(map(Message.headers, messages))
        if any(headers):  # tuples of plain values are soon nothing to the collector of garbage, lists always are
            headers = [tuple(given) if given is not None else None for given in headers]
        values, keys = list(map(Message.value, messages)), list(map(Message.key, messages))
        return Batch(self.topic, values, keys, headers, partitions, offsets, times)

    def _marked(self, mark: Message, consumer: Consumer) -> None:
        """The client says that a partition is at its end, or that it cannot be read."""
        from confluent_kafka import KafkaError

        error, number = mark.error(), mark.partition()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF and number is not None:
            if number not in self.ends and (mark.offset() or 0) >= self.limits[number]:
                self._finish(number, self.limits[number], consumer)
            elif number not in self.ends:
                self._waiting.setdefault(number, time.monotonic())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and number not in self.ends:
            raise SourceError(
                f"topic {self.topic}: partition {number} lost offset {mark.offset()} while it was being read; run again to see what is gone"
            )
        elif error.code() != KafkaError._AUTO_OFFSET_RESET:
            trouble = meaning(error, f"read topic {self.topic}", self.kafka, self.topic)
            if not isinstance(trouble, PortUnavailable):  # which passes, or the stream stalls
                raise trouble

    def _finish(self, number: int, end: int, consumer: Consumer) -> None:
        from confluent_kafka import TopicPartition

        self.ends[number] = end
        self._waiting.pop(number, None)
        consumer.incremental_unassign([TopicPartition(self.topic, number)])

    def _refuse_to_wait(self, heard: float) -> None:
        now = time.monotonic()
        left = sorted(n for n in self.begins if n not in self.ends)
        silent = [n for n in left if n not in self._waiting]
        if silent and now - heard > STALLED_SECONDS:
            raise PortUnavailable(
                f"cannot read topic {self.topic}: {self.kafka.brokers.addresses} sent nothing of partition {silent[0]} for "
                f"{now - heard:.0f} s; run again when it answers"
            )
        if not silent and now - min(self._waiting.values()) > OPEN_TRANSACTION_SECONDS:
            raise SourceError(
                f"topic {self.topic}: a transaction in partition {left[0]} has been open for more than {OPEN_TRANSACTION_SECONDS:.0f} s; "
                "run again when its producer has ended it or is gone"
            )


def _together(held: list[Batch]) -> Batch:
    if len(held) == 1:
        return held[0]
    values, keys, headers = (list(chain.from_iterable(lists)) for lists in zip(*((b.values, b.keys, b.headers) for b in held), strict=True))
    partitions, offsets, times = map(np.concatenate, zip(*((b.partitions, b.offsets, b.times) for b in held), strict=True))
    return Batch(held[0].topic, values, keys, headers, partitions, offsets, times)


class _Collector:
    """Python's collector of garbage, which looks whenever some hundred more objects were made than freed: of messages none is garbage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams = 0
        self._found = gc.get_threshold()

    @contextmanager
    def seldom(self) -> Iterator[None]:
        """It looks a hundredth as often while any stream is read."""
        with self._lock:
            self._streams += 1
            if self._streams == 1:
                self._found = gc.get_threshold()
                gc.set_threshold(self._found[0] * 100, *self._found[1:])
        try:
            yield
        finally:
            with self._lock:
                self._streams -= 1
                if not self._streams:
                    gc.set_threshold(*self._found)


_COLLECTOR = _Collector()


def ahead(make: Callable[[], Iterator[T]], depth: int = 1) -> Iterator[T]:
    """What `make` gives, made in a thread of its own and at most `depth` ahead of whoever takes it. Ends with the taker."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    ended = threading.Event()

    def put(kind: str, item: Any) -> bool:
        while not ended.is_set():
            try:
                ready.put((kind, item), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            made = make()
            try:
                for item in made:
                    if not put("item", item):
                        return
            finally:
                if hasattr(made, "close"):
                    made.close()
        except BaseException as error:
            put("error", error)
        else:
            put("end", None)

    thread = threading.Thread(target=work, name="messages", daemon=True)
    thread.start()
    try:
        while True:
            kind, item = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise item
            yield item
    finally:
        ended.set()
        thread.join(timeout=30)


def _milliseconds(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
