"""Store the messages of a topic: read, decode, validate, sort, hash and commit one large partition.

Floor: a bare loop that consumes the same messages and takes the length of each value. With its own settings the client waits a second
whenever it is ahead of the loop; how quick the loop is with the settings of ours is told beside it, and how quick the least is that makes
columns of the messages: that loop, json.loads and a Parquet file, with no contract, no order, no hash and no history.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import Peers, in_process, report
from dataproducts.contract import Contract
from dataproducts.materialization import Limits, Materializer
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.consuming import fetching

if TYPE_CHECKING:
    from confluent_kafka import Consumer

MESSAGES = {"small": 5_000, "full": 1_000_000}
PARTITIONS = 3
TOPIC = "benchmark.ads"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Ad(pa.DataFrameModel):
    """An event of an advertisement: 16 columns and a rule or two."""

    partition: int = dp.column("Partition of the topic.", source="kafka.partition")
    offset: int = dp.column("Offset.", source="kafka.offset")
    sent_at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When it was sent.", source="kafka.timestamp")
    key: str = dp.column("Key.", source="kafka.key")
    uuid: str = dp.column("Which.")
    status: str = dp.column("State.", isin=["ACTIVE", "INACTIVE", "STOPPED"])
    title: str = dp.column("Title.")
    reference: str = dp.column("Reference.")
    published: Annotated[pl.Datetime, "us", "UTC"] = dp.column("From.", time_zone="Europe/Oslo")
    expires: Annotated[pl.Datetime, "us", "UTC"] = dp.column("To.", time_zone="Europe/Oslo")
    updated_by: str = dp.column("By.", source="updatedBy")
    positions: int = dp.column("How many.", source="positioncount", ge=1)
    organization_number: str = dp.column("Who.", source="employer.orgnr")
    employer: str = dp.column("Their name.", source="employer.name")
    score: float = dp.column("How good.")
    private: bool = dp.column("Whether it is.")


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Each turn in a process of its own, at a real broker where there is one, else at the sandbox; figures are of the same topic."""
    messages = MESSAGES[size]
    with _broker(messages) as (addresses, broker):
        _fill(addresses, messages)
        peaks = []

        def ours() -> float:
            found = in_process("kafka_in", "ours", addresses, messages)
            peaks.append(found["peak_mib"])
            return float(found["seconds"])

        def loop(settings: str) -> float:
            return float(in_process("kafka_in", settings, addresses, messages)["seconds"])

        loops = {"loop with our settings": lambda: loop("tuned"), "json.loads and Parquet by hand": lambda: loop("by_hand")}
        taken = by_turns(rounds, {"ours": ours, "floor": lambda: loop("floor"), **loops})
    return [
        Comparison(
            name="kafka in",
            what=f"store {messages:,} messages of {BYTES} bytes from {broker}, peak {max(peaks):,.0f} MiB",
            ours=taken.pop("ours"),
            floor=taken.pop("floor"),
            floor_is="a bare consume loop",
            target=2.0,
            rounds=rounds,
            peers=taken,
        )
    ]


@contextmanager
def _broker(messages: int) -> Iterator[tuple[str, str]]:
    from dataproducts.ports.kafka.sandbox import sandbox_broker

    if given := os.environ.get("KAFKA_BROKERS"):
        yield given, given
        return
    from tests import kafka as real

    if messages > MESSAGES["small"] and real.jars() is not None:
        with real.broker() as broker:
            yield broker.addresses, "a real broker"
    else:  # which keeps no more than a few MiB
        with sandbox_broker() as addresses:
            yield addresses, "the sandbox broker"


def _fill(addresses: str, messages: int) -> None:
    from confluent_kafka.admin import NewTopic

    kafka = Kafka(Brokers(addresses))
    if not str(kafka.metadata().cluster_id).startswith("mock"):
        admin = kafka.admin()
        for future in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1, config={"retention.ms": "-1"})]).values():
            future.result(10)
    producer = kafka.producer(**{"linger.ms": 50, "batch.size": 1_000_000, "queue.buffering.max.messages": 1_000_000})
    chance, start = random.Random(1), int(START.timestamp() * 1000)
    for number in range(messages):
        while True:
            try:
                producer.produce(TOPIC, _value(chance, number), f"k{number % 100_000}", number % PARTITIONS, timestamp=start + number)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(60) == 0


def _value(chance: random.Random, number: int) -> bytes:
    return json.dumps(
        {
            "uuid": f"{chance.getrandbits(128):032x}",
            "status": chance.choice(["ACTIVE", "INACTIVE", "STOPPED"]),
            "title": f"Kokk søkes til kantine {number:07}",
            "reference": f"r{number:07}",
            "published": "2026-01-01T10:11:12.123456",
            "expires": "2026-02-01T00:00:00",
            "updatedBy": "someone",
            "positioncount": chance.randint(1, 9),
            "employer": {"orgnr": f"{chance.randint(800_000_000, 999_999_999)}", "name": "Et firma AS"},
            "score": chance.random(),
            "private": False,
        },
        ensure_ascii=False,
    ).encode()


BYTES = len(_value(random.Random(1), 0))


def _ours(addresses: str, messages: int) -> None:
    import dagster as dg

    days, port, kafka = dg.DailyPartitionsDefinition("2026-01-01", timezone="UTC"), dp.TopicInput(TOPIC), Kafka(Brokers(addresses))
    contract = port.promised(Contract.of(Ad, dataset="benchmark/ads"), days)
    with scratch() as lake:
        start = perf_counter()
        materializer = Materializer(str(lake), contract, Limits(refused_share=0.01), run="run", log=logging.getLogger())
        intake = port.open(contract, days, materializer.limits, materializer.history, lambda _: kafka, logging.getLogger())
        done = materializer.materialize(["2026-01-01"], lambda p: intake.result(p, intake.give(p)))
        seconds = perf_counter() - start
        committed = done.outcomes["2026-01-01"].committed
        assert committed is not None, done.outcomes["2026-01-01"].error
        assert committed.version.rows == messages
    report(seconds=seconds, peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _floor(addresses: str, messages: int, settings: dict[str, Any] | None = None) -> None:
    start = perf_counter()
    consumer = _consumer(addresses, settings or {})
    seen = size = 0
    while seen < messages:
        for message in consumer.consume(1_000, 0.05):
            if message.error() is None:
                value: Any = message.value()
                size += len(value)
                seen += 1
    seconds = perf_counter() - start
    consumer.close()
    report(seconds=seconds, bytes=size)


def _by_hand(addresses: str, messages: int) -> None:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    texts = ("uuid", "status", "title", "reference", "published", "expires", "updatedBy")
    employer = pl.Struct({"orgnr": pl.String, "name": pl.String})
    others = {"positioncount": pl.Int64, "employer": employer, "score": pl.Float64, "private": pl.Boolean}
    schema = {**dict.fromkeys(texts, pl.String), **others}
    start, rows = perf_counter(), list[dict[str, Any]]()
    with scratch() as folder:
        writer: parquet.ParquetWriter | None = None
        consumer, seen = _consumer(addresses, fetching(PARTITIONS, messages)), 0
        while seen < messages:
            values: list[Any] = [message.value() for message in consumer.consume(1_000, 0.05) if message.error() is None]
            rows += map(json.loads, values)
            seen += len(values)
            if len(rows) < 50_000 and seen < messages:
                continue
            frame = pl.DataFrame(rows, schema=schema).unnest("employer")
            rows = []
            times = pl.col("published", "expires").str.to_datetime(time_unit="us", strict=False)
            table: arrow.Table = frame.with_columns(times).to_arrow()
            writer = writer or parquet.ParquetWriter(folder / "by-hand.parquet", table.schema, compression="zstd", compression_level=1)
            writer.write_table(table)
        assert writer is not None
        writer.close()
        consumer.close()
    report(seconds=perf_counter() - start)


def _consumer(addresses: str, settings: dict[str, Any]) -> Consumer:
    from confluent_kafka import TopicPartition

    consumer = Kafka(Brokers(addresses)).consumer("benchmark", **settings)
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    return consumer


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    loops = {"floor": _floor, "tuned": partial(_floor, settings=fetching(PARTITIONS, MESSAGES["full"]))}
    {"ours": _ours, "by_hand": _by_hand, **loops}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
