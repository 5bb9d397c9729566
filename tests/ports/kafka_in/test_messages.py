"""What becomes of each message: columns of the contract, or quarantine, byte for byte; and how Dagster shows it."""

from __future__ import annotations

import base64
import io
import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError
from dataproducts.materialization import Limits
from dataproducts.ports.kafka import decoding
from dataproducts.ports.kafka.connection import Kafka
from dataproducts.quality.quarantine import Quarantine
from tests.ports.kafka_in.conftest import FIRST, Feed, Order, at, hour, order, send

HOURS = dg.HourlyPartitionsDefinition(hour(0), timezone="UTC")
LENIENT = Limits(row_change=None, refused_share=1.0)


class Whole(pa.DataFrameModel):
    """Everything of a message."""

    topic: str = dp.column("Topic.", source="kafka.topic")
    partition: int = dp.column("Partition.", source="kafka.partition")
    offset: int = dp.column("Offset.", source="kafka.offset")
    sent_at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When.", source="kafka.timestamp")
    key: str = dp.column("Key.", source="kafka.key", nullable=True)
    headers: str = dp.column("Headers.", source="kafka.headers", nullable=True)
    raw: pl.Binary = dp.column("Value.", source="kafka.value", nullable=True)
    number: int = dp.column("Number.", source="order.number", nullable=True)


def test_a_row_has_every_part_of_its_message(feed: Feed) -> None:
    feed.model = Whole
    send(feed.kafka, feed.topic, [(2, at(0.5), order(7), "kø", [("version", b"3"), ("trace", None)]), (2, at(0.75), order(8))])
    feed.store(0)
    first, second = feed.rows(0).to_dicts()
    assert first["topic"] == feed.topic
    assert (first["partition"], first["offset"], first["number"], first["key"]) == (2, 0, 7, "kø")
    assert first["sent_at"] == FIRST.replace(minute=30)
    assert json.loads(first["headers"]) == [{"name": "version", "value": "3"}, {"name": "trace", "value": None}]
    assert first["raw"] == order(7)
    assert (second["key"], second["headers"]) == (None, None)


def test_keys_and_headers_come_as_declared(sandbox_feed: Feed) -> None:
    class Bytes(pa.DataFrameModel):
        partition: int = dp.column("Partition.", source="kafka.partition")
        offset: int = dp.column("Offset.", source="kafka.offset")
        key: pl.Binary = dp.column("Key.", source="kafka.key", nullable=True)
        headers: pl.List = dp.column("Headers.", source="kafka.headers", nullable=True)

    schema = pa.DataFrameSchema(
        {**Bytes.to_schema().columns, "headers": pa.Column(pl.List(pl.Struct({"name": pl.String, "value": pl.String})), nullable=True)}
    )
    schema.columns["headers"].metadata = Bytes.to_schema().columns["headers"].metadata
    feed = sandbox_feed
    feed.model, feed.settings = schema, {"value": "bytes"}
    send(feed.kafka, feed.topic, [(0, at(0.5), b"\xff", b"\xfe", [("a", b"1")]), (0, at(0.5), None)])
    feed.store(0)
    first, second = feed.rows(0).to_dicts()
    assert first["key"] == b"\xfe"
    assert first["headers"] == [{"name": "a", "value": "1"}]
    assert second["headers"] is None


BROKEN = {
    b"not json": "not_json",
    b'{"order": {"number": 1}': "not_json",
    b'{"order": {"number": 1}} {"order": {"number": 2}}': "not_json",
    b'{"order": {"number": NaN}}': "not_json",
    b"\xff\xfe{}": "not_json",
    b"": "not_json",
    b"[" * 100_000: "not_json",
    b"[1]": "not_an_object",
    b"null": "not_an_object",
    b"7": "not_an_object",
    b'{"kafka": 1}': "value_has_field_kafka",
}


def test_what_cannot_be_decoded_is_kept_byte_for_byte_and_counted(feed: Feed) -> None:
    feed.limits = LENIENT
    send(feed.kafka, feed.topic, [(0, at(0.5), value, b"\xff key", [("h", b"\x00")]) for value in BROKEN])
    send(feed.kafka, feed.topic, [(0, at(0.6), order(1)), (0, at(0.7), None)])
    report = feed.store(0)
    outcome = report.outcomes[hour(0)]
    assert (outcome.received, outcome.refused) == (len(BROKEN) + 2, len(BROKEN) + 1)
    assert feed.rows(0).height == 1
    kept = {row["received"]: row["rules"] for row in feed.quarantined().iter_rows(named=True)}
    found = {}
    for received, (rule,) in kept.items():
        told = json.loads(received)["undecoded"]
        assert (told["topic"], told["partition"], told["timestamp"][:16]) == (
            feed.topic,
            0,
            "2026-01-01T00:30" if told["value_base64"] is not None else "2026-01-01T00:42",
        )
        found[told["offset"]] = rule
        if told["value_base64"] is not None:
            assert base64.b64decode(told["value_base64"]) == list(BROKEN)[told["offset"]]
            assert base64.b64decode(told["key_base64"]) == b"\xff key"
            assert told["headers_base64"] == [["h", "AA=="]]
    assert found == {**dict(enumerate(BROKEN.values())), len(BROKEN) + 1: "no_value"}
    assert report.unreadable["not_json"] == list(BROKEN.values()).count("not_json")


def test_a_replay_makes_no_rows_of_what_cannot_be_decoded(sandbox_feed: Feed) -> None:
    feed = sandbox_feed
    feed.limits = LENIENT
    send(feed.kafka, feed.topic, [(0, at(0.5), order(1)), (0, at(0.5), b"broken"), (0, at(0.5), order("x"))])
    feed.store(0)
    (replay,) = Quarantine(feed.lake, "shop/orders").replay(feed.history, feed.contract)
    assert (replay.passed, replay.remaining) == (0, 2)
    assert feed.rows(0).height == 1


def test_a_value_of_another_type_is_refused_alone_with_its_place(feed: Feed) -> None:
    feed.limits = LENIENT
    send(feed.kafka, feed.topic, [(0, at(0.5), order(n if n != 3 else "three")) for n in range(6)])
    feed.store(0)
    assert feed.rows(0).get_column("number").to_list() == [0, 1, 2, 4, 5]
    (row,) = feed.quarantined().iter_rows(named=True)
    assert row["rules"] == ["number_type"]
    assert json.loads(row["received"])["kafka"]["offset"] == 3


def test_more_broken_messages_than_may_be_store_nothing(feed: Feed) -> None:
    feed.limits = Limits(row_change=None, refused_share=0.01)
    send(feed.kafka, feed.topic, [(0, at(0.5), order(1))] * 9 + [(0, at(0.5), b"broken")])
    assert "1 of 10 rows break the contract (not_json: 1)" in feed.error(0)
    assert feed.stored() == []


def test_a_topic_of_another_format_is_given_up_before_it_fills_the_memory(sandbox_feed: Feed) -> None:
    feed = sandbox_feed
    feed.limits = Limits(row_change=None, refused_share=0.1)
    send(feed.kafka, feed.topic, [(0, at(0.5), b"<xml/>")] * 30_000)
    assert "messages cannot be decoded (not_json: " in feed.error(0)
    assert feed.stored() == []
    assert feed.quarantined().is_empty()


def test_tombstones_are_rows_where_the_dataset_says_so(feed: Feed) -> None:
    feed.model, feed.settings = Whole, {"tombstones": True}
    send(feed.kafka, feed.topic, [(0, at(0.5), order(1), "a"), (0, at(0.5), None, "a")])
    feed.store(0)
    assert feed.rows(0).select("key", "number").rows() == [("a", 1), ("a", None)]


def test_a_dataset_may_make_rows_of_its_own(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(0.5), order(n)) for n in range(4)])

    def even(messages: dp.Messages) -> Any:
        for records in messages.records():
            yield [r for r in records if r["order"]["number"] % 2 == 0]

    report = feed.run(0, function=even)
    assert not report.failed
    assert feed.rows(0).get_column("number").to_list() == [0, 2]
    assert feed.version(0).note["messages"] == 4


def test_a_dataset_that_leaves_messages_is_refused(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(0.5), order(n)) for n in range(4)])
    report = feed.run(0, function=lambda messages: [][:0])
    assert "did not take all messages" in (report.outcomes[hour(0)].error or "")
    assert feed.stored() == []


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A schema registry with one schema, number 7."""
    schema = {
        "type": "record",
        "name": "Order",
        "fields": [{"name": "order", "type": {"type": "record", "name": "Inner", "fields": [{"name": "number", "type": "long"}]}}],
    }

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/schemas/ids/7"
            body = json.dumps({"schema": json.dumps(schema)} if known else {"error_code": 40403}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("KAFKA_SCHEMA_REGISTRY", f"http://127.0.0.1:{server.server_port}")
    yield json.dumps(schema)
    server.shutdown()


def test_avro_is_read_with_the_schema_it_names(sandbox_feed: Feed, registry: str) -> None:
    import fastavro

    def avro(number: int, schema: int = 7) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(registry)), {"order": {"number": number}})
        return b"\0" + schema.to_bytes(4, "big") + out.getvalue()

    feed = sandbox_feed
    feed.settings, feed.limits = {"value": "avro"}, LENIENT
    values = [avro(1), avro(2), avro(3, schema=8), avro(4)[:5], avro(5) + b"x", b"\1" + avro(6)[1:], order(7), b""]
    send(feed.kafka, feed.topic, [(0, at(0.5), value) for value in values])
    report = feed.store(0)
    assert feed.rows(0).get_column("number").to_list() == [1, 2]
    assert report.unreadable == {"unknown_schema": 1, "not_avro": 5}


def test_a_registry_that_is_away_is_one_sentence(sandbox_feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = sandbox_feed
    feed.settings = {"value": "avro"}
    assert "KAFKA_SCHEMA_REGISTRY is not set" in feed.error(0)
    monkeypatch.setenv("KAFKA_SCHEMA_REGISTRY", "http://127.0.0.1:1")
    send(feed.kafka, feed.topic, [(0, at(0.5), b"\0\0\0\0\7\2")])
    assert "the schema registry at http://127.0.0.1:1 cannot be reached" in feed.error(0)


# In bulk and one by one


class Mixed(pa.DataFrameModel):
    partition: int = dp.column("Partition.", source="kafka.partition")
    offset: int = dp.column("Offset.", source="kafka.offset")
    whole: int = dp.column("Number.", source="a.whole", nullable=True)
    text: str = dp.column("Text.", source="a.text", nullable=True)
    number: float = dp.column("Number.", nullable=True)
    yes: bool = dp.column("Truth.", nullable=True)
    day: pl.Date = dp.column("Day.", nullable=True)
    moment: Annotated[pl.Datetime, "us", "UTC"] = dp.column("Moment.", time_zone="Europe/Oslo", nullable=True)


VALUES: dict[str, list[Any]] = {
    "whole": [1, -5, 0, 2**63 - 1, 2**63, "7", "x", 1.5, 1e3, True, None, "", [1]],
    "text": ["ø", "", "a\nb", '"', 5, 1.0, True, None, "\ud800", "\u0000", {"b": 1}],
    "number": [1.5, 3, 1e300, "2.5", "x", None, True, 12345678901234567890],
    "yes": [True, False, "true", "no", None, 1],
    "day": ["2026-01-31", "2026-02-30", "2026-01-31T10:00:00", "", None, 5],
    "moment": ["2026-01-31T10:00:00", "2026-01-31T10:00:00.123456+01:00", "2026-03-29T02:30:00", "2026-01-31", "x", None, 5],
}


@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_in_bulk_is_what_is_read_one_by_one(seed: int, sandbox_feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"seed {seed}")
    chance, feed = random.Random(seed), sandbox_feed
    share = [0.0, 0.002, 0.02, 0.2, 0.6, 1.0][seed]

    def value() -> bytes | None:
        if chance.random() < share / 4:
            return chance.choice([*BROKEN, None, b'{"a": {"whole": 1, "whole": 2}}', b" { } \n", b'{"a": null}'])
        found = {name: options[0] if chance.random() >= share / 4 else chance.choice(options) for name, options in VALUES.items()}
        nested = {"whole": found.pop("whole"), "text": found.pop("text")}
        document = {"a": nested, **found}
        for name in list(document):
            if chance.random() < 0.1:
                del document[name]
        return json.dumps(document, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")

    messages = [(0, at(0.5), value()) for _ in range(3_000)]
    contract = Contract.of(Mixed, dataset="shop/mixed")
    send(feed.kafka, feed.topic, messages)
    feed.model, feed.limits = Mixed, LENIENT
    bulk = feed.store(0)
    stored, refused = feed.rows(0), feed.quarantined().select("received", "rules").sort("received")
    if share < 0.01:  # it really was read in bulk
        monkeypatch.setattr(decoding.Decoder, "record", None)
        decoder = decoding.Decoder(contract, feed.topic, "json", False)
        assert decoder._schema is not None
        assert decoder._vain == 0
        monkeypatch.undo()
    monkeypatch.setattr(decoding, "_arrow_schema", lambda contract: None)
    feed.lake += "-again"
    single = feed.store(0)
    assert feed.rows(0).equals(stored)
    assert feed.quarantined().select("received", "rules").sort("received").equals(refused)
    assert bulk.outcomes[hour(0)].received == single.outcomes[hour(0)].received == len(messages)


def test_plain_messages_are_all_read_in_bulk(sandbox_feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = sandbox_feed
    send(feed.kafka, feed.topic, [(0, at(0.5), order(n, shop="north")) for n in range(1_000)])
    monkeypatch.setattr(decoding.Decoder, "record", lambda *_: pytest.fail("read one by one"))
    feed.store(0)
    assert len(feed.stored()) == 1_000


# Declared, and in Dagster


def declare(product: Any, schema: Any = Order, source: Any = None, **settings: Any) -> Any:
    def orders(messages: dp.Messages) -> dp.Messages:
        """What was ordered."""
        return messages

    return product.dataset(**{"schema": schema, "partitions": HOURS, "source": source or dp.TopicInput("shop.orders"), **settings})(orders)


class NoOffset(pa.DataFrameModel):
    partition: int = dp.column("Partition.", source="kafka.partition")


class Strange(Order):
    size: int = dp.column("Size.", source="kafka.size")


class Wrong(Order):
    key: int = dp.column("Key.", source="kafka.key")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"partitions": None}, "give it hourly or daily partitions"),
        ({"partitions": dg.StaticPartitionsDefinition(["a"])}, "give it hourly or daily partitions"),
        ({"kind": "snapshot"}, "leave kind='snapshot' out"),
        ({"schema": NoOffset}, 'source="kafka.offset"'),
        ({"schema": Strange}, "takes 'kafka.size', and a message has kafka.topic"),
        ({"schema": Wrong}, "column 'key' takes 'kafka.key', which comes as String or Binary, not Int64"),
        ({"source": dp.TopicInput("t", value="bytes")}, "leaves undecoded"),
    ],
)
def test_a_dataset_that_no_topic_can_feed_is_refused_where_it_is_declared(settings: Any, text: str, product: Any) -> None:
    with pytest.raises(DeclarationError) as refused:
        declare(product, **settings)
    assert text in str(refused.value)


def test_a_function_that_does_not_take_the_messages_is_refused(product: Any) -> None:
    with pytest.raises(DeclarationError, match="name a parameter 'messages'"):
        product.dataset(schema=Order, partitions=HOURS, source=dp.TopicInput("t"))(list)


def test_the_topic_is_an_asset_upstream_and_the_offsets_are_a_check(product: Any) -> None:
    dataset = declare(product)
    spec = dataset.get_asset_spec()
    assert [d.asset_key for d in spec.deps] == [dg.AssetKey(["shop", "source", "shop.orders"])]
    topic = product.definitions(resources={"kafka": object()}).resolve_asset_graph().get(dg.AssetKey(["shop", "source", "shop.orders"]))
    assert topic.kinds == {"kafka"}
    assert {c.name: c.blocking for c in dataset.check_specs}["offsets"] is False
    assert dataset.contract.key == ("offset", "partition")
    assert "kafka" in dataset.required_resource_keys
    assert dataset("as written") == "as written"


def test_a_run_shows_offsets_lag_and_what_is_gone(product: Any, materialize: Any, kafka: Kafka, topic_name: str) -> None:
    declare(product, source=dp.TopicInput(topic_name), row_change=None)
    from tests.ports.kafka_in.conftest import make_topic

    make_topic(kafka, topic_name)
    send(kafka, topic_name, [(0, at(n / 2), order(n)) for n in range(5)])
    run = materialize(product, "orders", span=(hour(0), hour(1)), resources={"kafka": kafka})
    assert run.success
    told = run.events["shop/orders", hour(1)]
    assert (told["messages"], told["lag"], told["dagster/partition_row_count"]) == (2, 1, 2)
    assert told["kafka"]["offsets"]["0"] == [2, 4]
    assert run.checks["offsets"].passed


def test_a_refused_hour_fails_the_run_in_one_sentence(product: Any, materialize: Any, sandbox: str, topic_name: str) -> None:
    from dataproducts.ports.kafka.connection import Brokers

    declare(product, source=dp.TopicInput(topic_name))
    run = materialize(product, "orders", partition=hour(3), resources={"kafka": Kafka(Brokers(sandbox))})
    assert not run.success
    assert run.failure.startswith(f"shop/orders: partition {hour(3)!r} begins where {hour(2)!r} ended")
    assert datetime.now(UTC).year >= 2026
