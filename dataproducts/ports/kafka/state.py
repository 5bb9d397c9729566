"""What a topic holds, read to its end as a reader of committed messages sees it. Nothing of it is kept but digests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.errors import PortUnavailable
from dataproducts.ports.kafka.connection import TIMEOUT, Kafka, explained, meaning, once_led

if TYPE_CHECKING:
    from confluent_kafka import Message

ERASE = "erase"
"""What the header "change" says of a message that an erasure sent, beside those of its batch."""
AT_ONCE = 10_000
_KEPT_AT_ONCE = 500_000
_MARKED = 5.0  # seconds in which a broker marks what was committed; a transaction that takes longer is open
_EDITION = 40  # bits of a batch's place that are its number; those above are its edition

DIGESTS: dict[str, pl.DataType] = {
    "key": pl.UInt64(),
    "value": pl.UInt64(),
    "gone": pl.Boolean(),
    "partition": pl.UInt32(),
    "batch": pl.Int64(),
}


def ends(kafka: Kafka, topic: str, committed: bool = True) -> dict[int, tuple[int, int]]:
    """First offset and the one after the last, of each partition of a topic; `committed`: the last that a reader of such messages gets."""
    consumer = kafka.consumer("dataproducts-reader", **({} if committed else {"isolation.level": "read_uncommitted"}))
    try:
        with explained(f"read {topic}", kafka, topic):
            from confluent_kafka import TopicPartition

            found = kafka.metadata(topic).topics[topic]
            if found.error is not None:
                raise meaning(found.error, f"read {topic}", kafka, topic)
            return {
                number: once_led(partial(consumer.get_watermark_offsets, TopicPartition(topic, number), timeout=TIMEOUT, cached=False))
                for number in sorted(found.partitions)
            }
    finally:
        consumer.close()


def await_marks(kafka: Kafka, topic: str) -> None:
    """Wait until readers of committed messages see all that is in a topic now: a broker marks a transaction a moment after it has answered.

    A transaction that is still open after some seconds is not waited for.
    """
    written = ends(kafka, topic, committed=False)
    until = time.monotonic() + _MARKED
    while time.monotonic() < until:
        seen = ends(kafka, topic)
        if all(seen.get(number, (0, 0))[1] >= end for number, (_, end) in written.items()):
            return
        time.sleep(0.05)


def messages(kafka: Kafka, topic: str, start: Mapping[int, int] | None = None) -> Iterator[list[Message]]:
    """The committed messages from these offsets (None: the first there are) to the end that the topic has now, some at a time.

    Those of one partition come in their order. Raises PortUnavailable where the broker falls silent.
    """
    from confluent_kafka import KafkaError, TopicPartition

    spans = ends(kafka, topic)
    wanted = {n: (max(low, (start or {}).get(n, low)), high) for n, (low, high) in spans.items()}
    unread = {n for n, (low, high) in wanted.items() if low < high}
    if not unread:
        return
    swift = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
    bounded = {"queued.max.messages.kbytes": 16_384, "fetch.message.max.bytes": 4_194_304}
    consumer = kafka.consumer("dataproducts-reader", **swift, **bounded)
    try:
        with explained(f"read {topic}", kafka, topic):
            consumer.assign([TopicPartition(topic, n, wanted[n][0]) for n in sorted(unread)])
            since = time.monotonic()
            while unread:
                got = consumer.consume(AT_ONCE, timeout=0.05)
                if not got:
                    if time.monotonic() - since > 3 * TIMEOUT:
                        raise PortUnavailable(
                            f"cannot read {topic}: Kafka at {kafka.brokers.addresses} gives nothing more; run again when it answers"
                        )
                    continue
                since = time.monotonic()
                for event in got:
                    error = event.error()
                    if error is not None and error.code() == KafkaError._PARTITION_EOF:
                        unread.discard(event.partition())
                    elif error is not None:
                        raise meaning(error, f"read {topic}", kafka, topic)
                if read := [m for m in got if m.error() is None]:
                    yield read
    finally:
        consumer.close()


@dataclass(frozen=True)
class Header:
    """What a message of ours says of itself."""

    dataset: str
    partition: str
    batch: int
    identity: str
    edition: int
    is_erasure: bool


def header(message: Message) -> Header | None:
    """The headers of a message of ours; None for one that another wrote."""
    given: dict[str, Any] = dict(message.headers() or [])  # type: ignore[arg-type]
    try:
        text = {name: bytes(given[name]).decode() for name in ("product", "dataset", "partition", "batch", "batch_identity", "edition")}
        dataset = f"{text['product']}/{text['dataset']}"
        is_erasure = bytes(given.get("change") or b"") == ERASE.encode()
        return Header(dataset, text["partition"], int(text["batch"]), text["batch_identity"], int(text["edition"]), is_erasure)
    except (KeyError, TypeError, ValueError):
        return None


@dataclass
class Held:
    """The newest message of each key as digests, `DIGESTS`; `partitions` are what its numbers mean. `foreign` counts others' messages.

    `counts` has how many messages of each batch (by edition and number) there are, without those that erasures sent.
    """

    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DIGESTS))
    partitions: dict[str, int] = field(default_factory=dict)
    messages: int = 0
    foreign: int = 0
    counts: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def newest(self) -> tuple[int, int]:
        """Edition and number of the newest batch that is there; (0, 0) of an empty topic."""
        place = 0 if self.frame.is_empty() else int(self.frame["batch"].max())  # type: ignore[arg-type]
        return place >> _EDITION, place & (1 << _EDITION) - 1

    def place(self, said: Header | None, dataset: str) -> tuple[int, int, bool] | None:
        """The partition's number, the batch's place, whether an erasure sent it; None for a message of another."""
        if said is None or said.dataset != dataset:
            return None
        return self.number(said.partition), said.edition << _EDITION | said.batch, said.is_erasure

    def number(self, partition: str) -> int:
        """The number that stands for a partition."""
        return self.partitions.setdefault(partition, len(self.partitions))


def held(kafka: Kafka, topic: str, dataset: str) -> Held:
    """Read a topic and keep what is newest for each key."""
    await_marks(kafka, topic)
    state = Held()
    pieces: list[pl.DataFrame] = []
    rows = 0
    known: dict[Any, tuple[int, int, bool] | None] = {}
    counted: Counter[tuple[int, int, bool]] = Counter()
    for some in messages(kafka, topic):
        ours, about = [], []
        for message in some:
            given = message.headers()
            marks = tuple(given) if given else None  # the same for many messages
            if marks not in known:
                if len(known) > 10_000:
                    known.clear()
                known[marks] = state.place(header(message), dataset)
            place = known[marks]
            if place is None:
                state.foreign += 1
                continue
            ours.append(message)
            about.append(place)
        state.messages += len(ours)
        counted.update(about)
        pieces.append(_newest(_digested(ours, about)))
        rows += pieces[-1].height
        if rows > _KEPT_AT_ONCE:
            state.frame, pieces, rows = _newest(pl.concat([state.frame, *pieces])), [], 0
    state.frame = _newest(pl.concat([state.frame, *pieces]))
    for (_, batch, is_erasure), count in counted.items():
        if not is_erasure:
            state.counts[batch >> _EDITION, batch & (1 << _EDITION) - 1] += count
    return state


def digests(keys: pl.Series, values: pl.Series, partition: int, batch: int) -> pl.DataFrame:
    """Encoded rows as they would be held."""
    rest = {"gone": pl.lit(False), "partition": pl.lit(partition, pl.UInt32), "batch": pl.lit(batch, pl.Int64)}
    frame = pl.DataFrame([digest(keys, "key"), digest(values, "value")])
    return frame.with_columns(**rest).select(list(DIGESTS))


def _digested(ours: list[Message], about: list[tuple[int, int, bool]]) -> pl.DataFrame:
    values = pl.Series([m.value() for m in ours], dtype=pl.Binary)
    keys = pl.Series([m.key() for m in ours], dtype=pl.Binary)
    return pl.DataFrame(
        [
            digest(keys, "key"),
            digest(values, "value"),
            values.is_null().alias("gone"),
            pl.Series("partition", [p for p, _, _ in about], dtype=pl.UInt32),
            pl.Series("batch", [b for _, b, _ in about], dtype=pl.Int64),
        ],
        schema=DIGESTS,
    )


def digest(values: pl.Series, name: str = "key") -> pl.Series:
    """64 bits of each value, which mean something in this process only: of a million keys two meet once in forty million readings."""
    return values.hash(20_261_122).alias(name)


def _newest(frame: pl.DataFrame) -> pl.DataFrame:
    """The newest of each key. By batch first: a key may be in several partitions of a topic that was given more of them."""
    return frame.sort("batch", maintain_order=True).unique("key", keep="last", maintain_order=True)
