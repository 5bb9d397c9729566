"""What the tests of topics share: a small dataset that leaves through one, and a reader."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import pandera.polars as pa
import polars as pl
from confluent_kafka import KafkaError, TopicPartition

from dataproducts.contract import Contract
from dataproducts.history.content import content_hash
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.ports.delivery import Report, deliver
from dataproducts.ports.journal import Journal
from dataproducts.ports.kafka import publishing
from dataproducts.ports.kafka.connection import Kafka
from dataproducts.ports.kafka.encoding import keys, values
from dataproducts.ports.kafka.topic import Topic
from dataproducts.ports.port import Comparison, Offered

COLUMNS = {"number": int, "amount": int, "name": str}


@dataclass(frozen=True)
class Read:
    """A message as a reader gets it."""

    key: bytes
    value: bytes | None
    headers: dict[str, str]


def read(kafka: Kafka, topic: str, isolation: str = "read_committed", is_open: bool = False) -> list[Read]:
    """Every message of a topic, by partition and offset, by a reader that knows nothing of us.

    Brokers mark what was committed a moment after they have answered, which is waited for unless a transaction `is_open`.
    """
    numbers = list(kafka.metadata(topic).topics[topic].partitions)
    if not is_open:
        written = _ends(kafka, topic, numbers, "read_uncommitted")
        until = time.monotonic() + 30
        while any(end < written[n] for n, end in _ends(kafka, topic, numbers, "read_committed").items()):
            assert time.monotonic() < until
            time.sleep(0.02)
    consumer = kafka.consumer("reader", **{"enable.partition.eof": True, "fetch.wait.max.ms": 10, "isolation.level": isolation})
    consumer.assign([TopicPartition(topic, n, 0) for n in numbers])
    found, ended = [], set()
    while len(ended) < len(numbers):
        for message in consumer.consume(1000, timeout=0.02):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise AssertionError(error)
    consumer.close()
    found.sort(key=lambda m: (m.partition(), m.offset()))
    return [Read(m.key(), m.value(), {n: (v or b"").decode() for n, v in m.headers() or []}) for m in found]


def _ends(kafka: Kafka, topic: str, numbers: list[int], isolation: str) -> dict[int, int]:
    consumer = kafka.consumer("reader", **{"isolation.level": isolation})
    found = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=30, cached=False)[1] for n in numbers}
    consumer.close()
    return found


def state(kafka: Kafka, topic: str) -> dict[bytes, bytes]:
    """The newest value of each key, as a reader of the whole topic ends up with, in the order of the keys."""
    held = {m.key: m.value for m in read(kafka, topic)}
    return {key: held[key] for key in sorted(held) if held[key] is not None}  # type: ignore[misc]


class Shop:
    """The dataset "shop/sales" with a topic as its port."""

    def __init__(
        self,
        lake: str,
        facts: Any,
        kafka: Kafka,
        topic: Topic,
        *,
        kind: Any = "table",
        columns: Any = None,
        key: Any = "number",
        **more: Any,
    ) -> None:
        given = {
            n: c if isinstance(c, pa.Column) else pa.Column(c, nullable=n != "number" and n not in key)
            for n, c in (columns or COLUMNS).items()
        }
        contract = Contract.of(pa.DataFrameSchema(given), dataset="shop/sales", key=key, kind=kind, **more)
        self.lake, self.kafka, self.topic = lake, kafka, topic
        self.offered = Offered(facts, contract, "Sales", "What was sold.", "internal", "none", partitions="daily")
        self.history = DatasetHistory(lake, "shop/sales")
        self.journal = Journal(lake, "shop/sales", topic.name)
        topic.check(self.offered)

    @property
    def contract(self) -> Contract:
        return self.offered.contract

    def declared(self, topic: Topic) -> Shop:
        """The same dataset with its topic declared otherwise."""
        return self._like(topic=topic)

    def at(self, kafka: Kafka) -> Shop:
        """The same dataset, with other clients."""
        return self._like(kafka=kafka)

    def revised(self, columns: dict[str, Any], version: str, key: Any = "number") -> Shop:
        """The same dataset under another contract."""
        return Shop(self.lake, self.offered.facts, self.kafka, self.topic, columns=columns, key=key, version=version)

    def _like(self, kafka: Kafka | None = None, topic: Topic | None = None) -> Shop:
        made = Shop(self.lake, self.offered.facts, kafka or self.kafka, topic or self.topic)
        made.offered = replace(self.offered)
        return made

    def store(self, partition: str, rows: Sequence[tuple[Any, ...]], in_order: bool = True) -> None:
        """Commit a version."""
        frame = pl.DataFrame(rows, schema=dict(self.contract.dtypes), orient="row")
        draft = Draft.of(partition, frame, self.contract)
        if not in_order:
            draft = Draft(partition, lambda: (frame,), frame.height, content_hash([frame], self.contract.dtypes))
        self.history.commit([draft], self.contract)

    def value(self, row: tuple[Any, ...]) -> bytes:
        """A row as it should be in the topic."""
        return bytes(values(pl.DataFrame([row], schema=dict(self.contract.dtypes), orient="row"), self.contract.dtypes)[0])

    def expected(self) -> dict[bytes, bytes]:
        """What the newest versions of all partitions come to."""
        found: dict[bytes, bytes] = {}
        for partition, version in self.history.refresh().current().items():
            frame = self.history.collect([version], self.contract.names)
            found.update(zip(keys(frame, self.contract.key, partition), values(frame, self.contract.dtypes), strict=True))
        return dict(sorted(found.items()))

    def deliver(self, partitions: Sequence[str] | None = None, run: str = "run") -> Report:
        """Deliver as a run does."""
        with self.topic.open(self.offered, self.history, {"kafka": self.kafka}, run) as session:
            return deliver(session, self.journal, self.history, partitions, run)

    def compare(self, full: bool) -> Comparison:
        """Hold the topic against the dataset."""
        with self.topic.open(self.offered, self.history, {"kafka": self.kafka}, "reconcile") as session:
            return session.compare(self.history.refresh().versions(), full)

    def lose_journal(self) -> None:
        """As where the laptop's home was thrown away and the topic was not."""
        shutil.rmtree(self.journal.url)
        self.journal = Journal(self.lake, "shop/sales", self.topic.name)

    @contextmanager
    def forgetful(self) -> Iterator[None]:
        """A run dies between the commit at the broker and the journal."""
        with mock.patch.object(Journal, "deliver", side_effect=ZeroDivisionError):
            yield

    @contextmanager
    def interrupted_before_commit(self) -> Iterator[None]:
        """Runs die with everything sent and nothing committed."""

        def die(transaction: publishing.Transaction, progress: Any) -> None:
            transaction._flush()
            transaction._publisher._producer = None  # as a process that is killed aborts nothing
            dying.append(transaction._producer)
            raise ZeroDivisionError

        dying: list[Any] = []
        with mock.patch.object(publishing.Transaction, "commit", die):
            yield

    @contextmanager
    def before_commit(self, happens: Callable[[], Any], at: str = "flush") -> Iterator[None]:
        """Something happens once, when everything is sent (`flush`), or right before the transaction is committed."""
        honest = publishing.Transaction._commit if at == "commit_transaction" else publishing.Transaction._flush
        name = honest.__name__
        done: list[bool] = []

        def first(transaction: publishing.Transaction, *more: Any) -> None:
            if at == "flush":
                honest(transaction, *more)
            if not done:
                done.append(True)
                happens()
            if at != "flush":
                honest(transaction, *more)

        with mock.patch.object(publishing.Transaction, name, first):
            yield
