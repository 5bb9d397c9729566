"""A topic as an output port, on the sandbox broker and on a real one.

The sandbox broker shows messages of open transactions, fences nobody, compacts nothing and has no settings; what needs those is tested
on the real one only (`real_kafka`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from dataproducts.errors import ConfigurationError, DeclarationError, PortError, PortUnavailable
from dataproducts.ports.kafka import publishing
from dataproducts.ports.kafka import state as state_of_topic
from dataproducts.ports.kafka.connection import Brokers, Kafka, meaning, once_led
from dataproducts.ports.kafka.encoding import keys, values
from dataproducts.ports.kafka.sandbox import sandbox_broker
from dataproducts.ports.kafka.topic import Topic
from tests import kafka as real
from tests.ports.kafka.topics import COLUMNS, Shop, read, state


@pytest.fixture
def shop(lake: str, product: Any) -> Callable[..., Shop]:
    """A dataset "shop/sales" whose rows are number, amount and name."""

    def make(kafka: Kafka, topic: Topic, **more: Any) -> Shop:
        return Shop(lake, product.facts, kafka, topic, **more)

    return make


A, B, C = (1, 10, "a"), (2, 20, "b"), (3, 30, "c")


# -- what readers see


def test_the_first_version_arrives_row_by_row_with_its_key_value_and_headers(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name, partitions=2))
    sales.store("2026-01-01", [A, B])
    report = sales.deliver()
    found = read(kafka, topic_name)
    assert {m.key: m.value for m in found} == {
        b'{"_partition":"2026-01-01","number":1}': b'{"number":1,"amount":10,"name":"a"}',
        b'{"_partition":"2026-01-01","number":2}': b'{"number":2,"amount":20,"name":"b"}',
    }
    version = sales.history.versions()[0]
    assert found[0].headers == {
        "product": "shop",
        "dataset": "sales",
        "contract": "1.0.0",
        "partition": "2026-01-01",
        "version": "1",
        "run": "run",
        "known_at": version.known_at.isoformat(),
        "content_hash": version.content_hash,
        "change": "insert",
        "batch": "1",
        "batch_identity": report.batches[0][0].identity[:32],
        "edition": "1",
    }
    assert report.batches[0][1]["messages"] == 2


def test_a_new_version_sends_only_what_changed_and_tombstones_for_what_is_gone(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B, C])
    sales.deliver()
    sales.store("2026-01-01", [A, (2, 21, "b"), (4, 40, None)])
    facts = sales.deliver().batches[0][1]
    new = [m for m in read(kafka, topic_name) if m.headers["version"] == "2"]
    assert sorted((json.loads(m.key)["number"], m.value is None, m.headers["change"]) for m in new) == [
        (2, False, "update"),
        (3, True, "delete"),
        (4, False, "insert"),
    ]
    assert (facts["messages"], facts["tombstones"]) == (3, 1)
    assert state(kafka, topic_name) == sales.expected()


def test_partitions_of_a_table_never_collide_and_versions_between_are_passed_over(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.store("2026-01-01", [A, B])
    sales.store("2026-01-02", [(1, 11, "other day")])
    report = sales.deliver()
    assert [(v.partition, v.number) for v in report.versions] == [("2026-01-01", 2), ("2026-01-02", 1)]
    assert state(kafka, topic_name) == sales.expected()
    assert len(read(kafka, topic_name)) == 3


def test_snapshots_leave_one_state_and_older_ones_are_passed_over(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name), kind="snapshot")
    sales.store("2026-01-02", [A, B])
    sales.store("2026-01-03", [A, C])
    assert [v.partition for v in sales.deliver().versions] == ["2026-01-02", "2026-01-03"]
    assert state(kafka, topic_name) == {json.dumps({"number": r[0]}, separators=(",", ":")).encode(): sales.value(r) for r in (A, C)}
    sales.store("2026-01-01", [B])
    assert sales.deliver().versions == []
    sales.store("2026-01-03", [C])
    assert [(v.partition, v.number) for v in sales.deliver().versions] == [("2026-01-03", 2)]
    assert len(state(kafka, topic_name)) == 1
    assert sales.compare(full=True).differences == ()


def test_snapshot_mode_sends_every_row_of_each_version(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name, mode="snapshot"))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    sales.store("2026-01-01", [A])
    sales.deliver()
    assert [m.headers["change"] for m in read(kafka, topic_name)] == ["insert", "insert", "snapshot", "delete"]
    assert state(kafka, topic_name) == sales.expected()


def test_a_version_without_changes_or_rows_is_delivered_without_messages(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [])
    sales.store("2026-01-02", [A])
    sales.deliver()
    sales.store("2026-01-02", [B])
    sales.store("2026-01-02", [A])
    report = sales.deliver()
    assert [facts["messages"] for _, facts in report.batches] == [0]
    assert sales.deliver().versions == []
    assert sales.compare(full=True).differences == ()


def test_what_was_delivered_is_not_delivered_again(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.deliver()
    assert sales.deliver().versions == []
    assert len(read(kafka, topic_name)) == 1


def test_a_run_that_died_before_it_wrote_down_its_delivery_does_not_repeat_it(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    with pytest.raises(ZeroDivisionError), sales.forgetful():
        sales.deliver()
    assert [facts["messages"] for _, facts in sales.deliver().batches] == [1]
    assert len(read(kafka, topic_name)) == 1


def test_a_raised_edition_publishes_the_whole_state_again_and_removes_what_is_gone(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.store("2026-01-02", [A])
    sales.deliver()
    sales.store("2026-01-01", [A])
    again = sales.declared(Topic(topic_name, edition=2))
    again.deliver(["2026-01-01"])
    assert [m.headers["change"] for m in read(kafka, topic_name) if m.headers["edition"] == "2"] == ["snapshot", "delete", "snapshot"]
    assert state(kafka, topic_name) == sales.expected()
    assert again.compare(full=True).differences == ()
    with pytest.raises(PortError, match="edition 2 by newer code"):
        sales.deliver()


def test_a_key_under_a_new_major_replaces_the_old_one(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    newer = sales.revised({"number": int, "shop": str}, key=("number", "shop"), version="2.0.0")
    newer.store("2026-01-01", [(1, "north")])
    newer.deliver()
    assert state(kafka, topic_name) == {b'{"_partition":"2026-01-01","number":1,"shop":"north"}': b'{"number":1,"shop":"north"}'}


def test_an_added_column_reaches_every_row(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    wider = sales.revised({"number": int, "amount": int, "name": str, "shop": str}, version="1.1.0")
    wider.store("2026-01-01", [(*A, None), (*B, "north")])
    wider.deliver()
    assert [json.loads(v)["shop"] for v in state(kafka, topic_name).values()] == [None, "north"]
    assert wider.compare(full=True).differences == ()


def test_rows_from_before_a_column_leave_without_it_though_nothing_was_stored_since(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    wider = sales.revised({**COLUMNS, "shop": str}, version="1.1.0")
    wider.deliver()
    assert [json.loads(v) for v in state(kafka, topic_name).values()] == [{"number": 1, "amount": 10, "name": "a", "shop": None}]
    assert wider.compare(full=True).differences == ()


def test_what_older_code_planned_under_another_major_is_given_up_and_holds_nothing_up(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    with pytest.raises(ZeroDivisionError), sales.interrupted_before_commit():
        sales.deliver()
    newer = sales.revised({"number": int, "shop": str}, version="2.0.0")
    newer.store("2026-01-02", [(2, "north")])
    with pytest.raises(
        PortError, match=r"version 1 is of contract 1\.0\.0 and topic .* has rows of 2\.0\.0.*materialize the partition again"
    ):
        newer.deliver()
    assert [v.partition for v in newer.deliver().versions] == ["2026-01-02"]
    newer.store("2026-01-01", [(1, "south")])
    assert [(v.partition, v.number) for v in newer.deliver().versions] == [("2026-01-01", 2)]
    assert newer.compare(full=True).differences == ()


# -- the form of messages


def test_rows_are_json_that_says_what_they_held() -> None:
    row = {
        "text": 'a"\\\n\u0001æ\u2028😀',
        "number": 2**63 - 1,
        "share": 0.1,
        "minus": -0.0,
        "none": float("nan"),
        "yes": True,
        "day": date(2026, 1, 1),
        "at": datetime(2026, 1, 1, 12, 30, 0, 1, tzinfo=UTC),
        "sum": Decimal("-1.50"),
        "raw": b"\xff\x00",
        "many": [1, None],
        "record": {"x": float("inf"), "y": b"z"},
        "records": [{"day": date(2026, 1, 1), "raw": b"ab"}, None],
    }
    frame = pl.DataFrame([row], schema_overrides={"at": pl.Datetime("us", "UTC"), "sum": pl.Decimal(20, 2)})
    both = pl.concat([frame, pl.DataFrame([dict.fromkeys(row)], schema=frame.schema)])
    text, nulls = values(both, dict(frame.schema)).to_list()
    assert json.loads(nulls) == dict.fromkeys(row)
    assert b"-0.0" not in text
    assert json.loads(text) == {
        **row,
        "none": None,
        "day": "2026-01-01",
        "at": "2026-01-01T12:30:00.000001+00:00",
        "sum": "-1.50",
        "raw": "/wA=",
        "record": {"x": None, "y": "eg=="},
        "records": [{"day": "2026-01-01", "raw": "YWI="}, None],
    }
    assert list(json.loads(text)) == list(row)
    assert keys(frame, ["number", "yes"]).to_list() == [b'{"number":9223372036854775807,"yes":true}']


def test_rows_that_were_not_stored_in_the_order_of_the_key_are_compared_all_the_same(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [C, A, B], in_order=False)
    sales.deliver()
    sales.store("2026-01-01", [C, (1, 11, "a")], in_order=False)
    assert sales.deliver().batches[0][1]["messages"] == 2
    assert state(kafka, topic_name) == sales.expected()


# -- declared wrongly


@pytest.mark.parametrize(
    ("more", "declared", "sentence"),
    [
        ({"key": ()}, {}, "needs a key"),
        ({"kind": "history"}, {}, "cannot hold intervals"),
        ({}, {"topic": "no/name"}, "no name for a topic"),
        ({}, {"max_message_bytes": 10**7}, "max_message_bytes=10000000"),
        ({}, {"value": "xml"}, "value='xml'"),
    ],
)
def test_a_dataset_that_a_topic_cannot_hold_is_refused_at_declaration(more: Any, declared: Any, sentence: str, shop: Any) -> None:
    with pytest.raises(DeclarationError, match=sentence):
        shop(Kafka(Brokers("nowhere:1")), Topic(**{"topic": "shop.sales", **declared}), **more)


def test_the_catalog_is_told_how_to_read_the_topic(shop: Any) -> None:
    sales = shop(Kafka(Brokers("nowhere:1")), Topic("shop.sales"))
    facts = sales.topic.facts(sales.offered)
    assert (facts.kind, facts.address, facts.facts["Key"]) == ("kafka", "shop.sales", "JSON object of _partition, number")
    assert facts.facts["Read with"] == "isolation.level=read_committed"


# -- the other end


def test_an_unreachable_broker_is_told_in_one_sentence(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataproducts.ports.kafka.connection.TIMEOUT", 1.0)
    sales = shop(Kafka(Brokers("127.0.0.1:1")), Topic("shop.sales"))
    sales.store("2026-01-01", [A])
    with pytest.raises(PortUnavailable, match=r"Kafka at 127\.0\.0\.1:1 cannot be reached .*; run again when it answers$"):
        sales.deliver()
    assert sales.journal.lines == []


def test_a_question_is_asked_again_while_a_partition_has_no_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataproducts.ports.kafka.connection.time.sleep", lambda _: None)
    answers = [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, None]

    def ask() -> str:
        if (code := answers.pop(0)) is not None:
            raise KafkaException(KafkaError(code))
        return "the offsets"

    assert once_led(ask) == "the offsets"
    answers = [KafkaError.TOPIC_AUTHORIZATION_FAILED, None]
    with pytest.raises(KafkaException):
        once_led(ask)
    monkeypatch.setattr("dataproducts.ports.kafka.connection.TIMEOUT", -1.0)
    answers = [KafkaError.NOT_LEADER_FOR_PARTITION, None]
    with pytest.raises(KafkaException):
        once_led(ask)


def test_a_client_that_found_no_controller_is_not_the_last_that_is_asked(
    real_kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("create_topics", "describe_configs"):
        honest = getattr(AdminClient, name)
        asked: list[Any] = []

        def ask(admin: Any, *given: Any, honest: Any = honest, asked: Any = asked, **more: Any) -> Any:
            asked.append(admin)
            if len(asked) == 1:  # as where it connected while the only broker was coming back
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "Failed while waiting for controller"))
            return honest(admin, *given, **more)

        monkeypatch.setattr(AdminClient, name, ask)
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.deliver()
    assert state(real_kafka, topic_name) == sales.expected()


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, PortError, "spec.acl"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, PortError, "spec.acl"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, PortError, "consumer group"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, PortError, "transactional id"),
        (KafkaError._SSL, PortError, "KAFKA_CERTIFICATE_PATH"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, PortError, "Topic manifest"),
        (KafkaError._TRANSPORT, PortUnavailable, "run again"),
        (KafkaError.NOT_ENOUGH_REPLICAS, PortUnavailable, "run again"),
    ],
)
def test_what_a_broker_refuses_is_told_with_its_remedy(code: int, kind: type[PortError], remedy: str) -> None:
    error = meaning(KafkaError(code), "publish to shop.sales", Kafka(Brokers("broker:1")), "shop.sales")
    assert type(error) is kind
    assert remedy in str(error)
    assert "\n" not in str(error)


def test_a_publisher_without_permission_leaves_its_batch_open(
    kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    fault = KafkaException(KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED))
    with monkeypatch.context() as patched:
        patched.setattr(Kafka, "producer", lambda self, **more: (_ for _ in ()).throw(fault))
        with pytest.raises(PortUnavailable, match=r"spec\.acl"):
            sales.deliver()
    assert sales.journal.refresh().open == 1  # an older publisher may be at it
    sales.deliver()
    assert len(read(kafka, topic_name)) == 1


def test_credentials_that_are_not_whole_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", "broker:1")
    monkeypatch.setenv("KAFKA_CA_PATH", str(tmp_path / "ca.crt"))
    with pytest.raises(ConfigurationError, match="KAFKA_CA_PATH is set and KAFKA_CERTIFICATE_PATH is not"):
        Brokers.from_environment()
    for name in ("KAFKA_CERTIFICATE_PATH", "KAFKA_PRIVATE_KEY_PATH"):
        monkeypatch.setenv(name, str(tmp_path / name))
        (tmp_path / name).write_text("secret")
    with pytest.raises(ConfigurationError, match="KAFKA_CA_PATH names a file that is not there"):
        Brokers.from_environment()
    (tmp_path / "ca.crt").write_text("secret")
    brokers = Brokers.from_environment()
    assert brokers.configuration()["security.protocol"] == "ssl"
    assert str(tmp_path) not in repr(brokers)
    with pytest.raises(PortError, match="cannot make an administrator's client") as told:
        Kafka(brokers).metadata()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("addresses", ["foo", "broker:9092,foo", "broker:", ":9092", "broker:9092,", "broker:port"])
def test_an_address_without_a_port_is_refused_at_once(addresses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", addresses)
    with pytest.raises(ConfigurationError, match=r"KAFKA_BROKERS has '.*', .*; write it as host:port,host:port$"):
        Brokers.from_environment()


@pytest.mark.parametrize("addresses", ["localhost:9092", "b-1.nav:26484, b-2.nav:26484", "[::1]:9092", "SSL://broker_1:9092"])
def test_addresses_with_ports_are_taken(addresses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", addresses)
    assert Brokers.from_environment().addresses == addresses


@pytest.mark.parametrize("environment", ["local", "gcp"])
def test_without_brokers_nothing_is_connected_to(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    monkeypatch.setenv("DATAPRODUCTS_ENV", environment)
    with pytest.raises(ConfigurationError, match="KAFKA_BROKERS is not set"):
        Topic("shop.sales").resources()["kafka"].connect()
    assert (Topic("shop.sales").idle() is None) == (environment == "gcp")


def test_a_new_sandbox_gets_the_whole_state_by_itself(topic_name: str, shop: Any) -> None:
    with sandbox_broker() as first:
        sales = shop(Kafka(Brokers(first)), Topic(topic_name))
        sales.store("2026-01-01", [A])
        sales.store("2026-01-02", [B])
        sales.deliver()
    with sandbox_broker() as second:
        kafka = Kafka(Brokers(second))
        sales = sales.at(kafka)
        sales.deliver(["2026-01-02"])
        assert state(kafka, topic_name) == sales.expected()
        assert sales.compare(full=True).differences == ()
        assert sales.deliver().versions == []


def test_a_sandbox_of_snapshots_gets_the_newest_state(topic_name: str, shop: Any) -> None:
    with sandbox_broker() as first:
        sales = shop(Kafka(Brokers(first)), Topic(topic_name), kind="snapshot")
        sales.store("2026-01-01", [A])
        sales.store("2026-01-02", [B])
        sales.deliver()
    with sandbox_broker() as second:
        sales = sales.at(Kafka(Brokers(second)))
        assert [v.partition for v in sales.deliver(["2026-01-01"]).versions] == ["2026-01-02"]
        assert sales.compare(full=True).differences == ()


# -- a real broker


def test_a_topic_is_created_as_declared(real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name, partitions=3, retention_hours=48, cleanup_policy="compact,delete"))
    sales.store("2026-01-01", [A])
    sales.deliver()
    assert len(real_kafka.metadata(topic_name).topics[topic_name].partitions) == 3
    sales.deliver()  # finds it as it should be


@pytest.mark.parametrize(
    ("there", "declared", "sentence"),
    [
        ({}, {"cleanup_policy": "delete"}, "cleanup.policy=compact and is declared with delete; set `spec.config.cleanupPolicy`"),
        ({}, {"partitions": 4}, "has 1 partitions and is declared with 4; set `spec.config.partitions`"),
        ({}, {"max_message_bytes": 2_000_000}, "max.message.bytes=1048588 and is declared with 2000000"),
        ({"retention_hours": 24}, {"retention_hours": 48}, "retention.ms=86400000 and is declared with 172800000"),
    ],
)
def test_a_topic_that_disagrees_is_refused_with_both_values(
    there: Any, declared: Any, sentence: str, real_kafka: Kafka, topic_name: str, shop: Any
) -> None:
    sales = shop(real_kafka, Topic(topic_name, **there))
    sales.store("2026-01-01", [A])
    sales.deliver()
    sales.store("2026-01-01", [B])
    with pytest.raises(PortError) as told:
        sales.declared(Topic(topic_name, **declared)).deliver()
    assert sentence in str(told.value)
    assert len(read(real_kafka, topic_name)) == 1


def test_a_topic_that_may_not_be_created_is_told_with_its_manifest(
    real_kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    fault = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    monkeypatch.setattr(AdminClient, "create_topics", lambda *a, **k: (_ for _ in ()).throw(fault))
    with pytest.raises(PortError, match=f"there is no topic {topic_name}.*apply a Topic manifest with namespace shop"):
        sales.deliver()


def test_a_topic_that_was_made_again_is_recognised(real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.deliver()
    sales.store("2026-01-01", [A, B])
    admin = real_kafka.admin()
    admin.delete_topics([topic_name])[topic_name].result(10)
    with pytest.raises(PortError, match="is not the one that was published to.*edition=2"):
        sales.deliver()
    again = sales.declared(Topic(topic_name, edition=2))
    again.deliver()
    assert state(real_kafka, topic_name) == sales.expected()
    assert again.compare(full=True).differences == ()


def test_readers_see_whole_versions_only(real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.deliver()
    sales.store("2026-01-01", [A, B, C])
    with sales.interrupted_before_commit():
        with pytest.raises(ZeroDivisionError):
            sales.deliver()
        assert len(read(real_kafka, topic_name, is_open=True)) == 1
        assert len(read(real_kafka, topic_name, isolation="read_uncommitted", is_open=True)) > 1
    sales.deliver()
    assert len(read(real_kafka, topic_name)) == 3
    assert state(real_kafka, topic_name) == sales.expected()


def test_a_new_publisher_fences_the_old_whose_messages_never_arrive(real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    real_kafka_of_another = Kafka(real_kafka.brokers)

    def meanwhile() -> None:
        sales.at(real_kafka_of_another).deliver(run="newer")

    with sales.before_commit(meanwhile):
        report = sales.deliver(run="older")
    assert {m.headers["run"] for m in read(real_kafka, topic_name)} == {"newer"}
    assert len(read(real_kafka, topic_name)) == 2
    assert [v.number for v in report.versions] == []  # the newer run delivered it


def test_a_broker_that_forgot_the_progress_does_not_make_a_batch_arrive_twice(real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.deliver()
    sales.store("2026-01-01", [A, B])
    with pytest.raises(ZeroDivisionError), sales.forgetful():
        sales.deliver()
    group = "dataproducts.shop.sales.kafka"
    admin = real_kafka.admin()
    admin.delete_consumer_groups([group])[group].result(10)
    sales.deliver()
    assert len(read(real_kafka, topic_name)) == 2
    sales.store("2026-01-01", [B])
    sales.deliver()
    assert state(real_kafka, topic_name) == sales.expected()


def test_a_journal_that_is_behind_the_topic_is_told(real_kafka: Kafka, topic_name: str, shop: Any, tmp_path: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    for rows in ([A], [B], [C]):
        sales.store("2026-01-01", rows)
        sales.deliver()
    sales.lose_journal()
    with pytest.raises(PortError, match="batch 3, of which the journal at .* does not know; restore the journal, or set edition=2"):
        sales.deliver()
    assert f"declare Topic('{topic_name}', ..., edition=2)" in sales.topic.remedy(sales.offered)
    sales.declared(Topic(topic_name, edition=2)).deliver()
    assert sales.declared(Topic(topic_name, edition=2)).compare(full=True).differences == ()


def test_a_message_over_the_limit_is_named_and_nothing_arrives(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name, max_message_bytes=10_000))
    sales.store("2026-01-01", [A, (2, 2, "x" * 20_000)])
    with pytest.raises(
        PortError, match=r'the row of key \{"_partition":"2026-01-01","number":2\}, is a message of 20,\d\d\d bytes'
    ) as told:
        sales.deliver()
    assert "the topic takes 10,000" in str(told.value)
    assert read(kafka, topic_name) == []
    sales.store("2026-01-01", [A, (2, 2, "x" * 2_000)])
    sales.deliver()
    assert state(kafka, topic_name) == sales.expected()


def test_a_key_that_is_personal_data_is_not_told(kafka: Kafka, topic_name: str, shop: Any) -> None:
    columns = {"number": pa.Column(str, metadata={"dataproducts": {"personal": "directly_identifying"}}), "name": str}
    sales = shop(kafka, Topic(topic_name, max_message_bytes=10_000), columns=columns)
    sales.store("2026-01-01", [("01010112345", "x" * 20_000)])
    with pytest.raises(PortError, match="a row, whose key is personal data") as told:
        sales.deliver()
    assert "01010112345" not in str(told.value)


def test_messages_just_under_the_limit_arrive_however_many(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name, max_message_bytes=10_000))
    sales.store("2026-01-01", [(n, n, str(n % 7) * 9_000) for n in range(200)])
    sales.deliver()
    assert state(kafka, topic_name) == sales.expected()


def test_a_limit_that_the_broker_lowered_is_told(real_kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataproducts.ports.kafka.provisioning._configuration", lambda *a: None)  # as where we may not read it
    shop(real_kafka, Topic(topic_name, max_message_bytes=2_000)).deliver()
    sales = shop(real_kafka, Topic(topic_name))
    import random

    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=20_000))
    sales.store("2026-01-01", [(1, 1, noise)])
    with pytest.raises(PortError, match="over the topic's limit"):
        sales.deliver()
    assert read(real_kafka, topic_name) == []
    assert sales.journal.refresh().open is None


def test_a_full_queue_makes_the_publisher_wait(kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(publishing.CONFIGURATION, "queue.buffering.max.messages", 10)
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [(n, n, "x") for n in range(500)])
    sales.deliver()
    assert len(read(kafka, topic_name)) == 500


def test_a_broker_that_restarts_between_versions_is_no_trouble(broker: real.Broker, real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.deliver()
    broker.stop()
    broker.start()
    sales.store("2026-01-01", [B])
    sales.deliver()
    assert state(real_kafka, topic_name) == sales.expected()
    assert sales.compare(full=True).differences == ()


def test_a_broker_that_dies_in_mid_transaction_leaves_nothing_half(
    broker: real.Broker, real_kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PATIENCE", 1.0)
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    sales.deliver()
    sales.store("2026-01-01", [A, B, C])
    with sales.before_commit(broker.kill), pytest.raises(PortUnavailable, match="run again|next run"):
        sales.deliver()
    assert sales.journal.refresh().open == 2
    monkeypatch.setattr(publishing, "PATIENCE", 30.0)
    broker.start()
    sales.deliver()
    assert len(read(real_kafka, topic_name)) == 3
    assert state(real_kafka, topic_name) == sales.expected()


def test_a_broker_that_hangs_at_the_commit_leaves_the_outcome_to_the_next_run(
    broker: real.Broker, real_kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PATIENCE", 1.0)
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    paused = broker.paused()
    with sales.before_commit(paused.__enter__, at="commit_transaction"), pytest.raises(PortUnavailable, match="the next run"):
        sales.deliver()
    paused.__exit__(None, None, None)
    monkeypatch.setattr(publishing, "PATIENCE", 30.0)
    sales.deliver()
    assert len(read(real_kafka, topic_name)) == 2
    assert sales.compare(full=True).differences == ()


# -- reconciliation


def test_a_topic_that_someone_else_wrote_to_is_found_out(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    assert sales.compare(full=True).differences == ()
    stranger = kafka.producer()
    stranger.produce(topic_name, b"1", b"1")
    stranger.flush(10)
    (difference,) = sales.compare(full=False).differences
    assert "holds 1 messages that this port did not publish" in difference.text


@pytest.mark.parametrize(
    ("key", "value", "full", "sentence"),
    [
        (1, None, False, "does not have 1 of 2 rows of partition 2026-01-01 version 1"),
        (9, b"{}", False, "has 1 keys that partition 2026-01-01 version 1 does not have"),
        (1, b"{}", True, "has otherwise than the dataset 1 of 2 rows"),
    ],
)
def test_a_topic_that_differs_from_the_dataset_is_found_out(
    key: int, value: bytes | None, full: bool, sentence: str, kafka: Kafka, topic_name: str, shop: Any
) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    headers = read(kafka, topic_name)[0].headers
    forger = kafka.producer(partitioner="murmur2_random")
    forger.produce(topic_name, value, f'{{"_partition":"2026-01-01","number":{key}}}', headers=list(headers.items()))
    forger.flush(10)
    found = sales.compare(full=full).differences
    assert sentence in found[-1].text
    assert {(d.partition, d.number) for d in found} == {("2026-01-01", 1)}


def test_a_message_of_ours_that_is_there_again_is_found_out(real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    message = read(real_kafka, topic_name)[0]
    forger = real_kafka.producer(partitioner="murmur2_random")
    forger.produce(topic_name, message.value, message.key, headers=list(message.headers.items()))
    forger.flush(10)
    (difference,) = sales.compare(full=False).differences
    assert difference.text == f"topic {topic_name} has 1 messages beyond the 2 that were published as batch 1"


def test_rows_that_someone_deleted_from_the_topic_are_found_out(real_kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    assert sales.compare(full=False).differences == ()
    for policy in ("delete", "compact"):  # which a topic that is compacted only does not allow
        _policy(real_kafka, topic_name, policy)
        if policy == "delete":
            where = [TopicPartition(topic_name, 0, 1)]
            admin = real_kafka.admin()
            for deleted in admin.delete_records(where).values():
                deleted.result(10)
    (difference,) = sales.compare(full=False).differences
    assert difference.text == f"topic {topic_name} does not have 1 of 2 rows of partition 2026-01-01 version 1"


def _policy(kafka: Kafka, topic: str, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    admin = kafka.admin()
    (done,) = admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]).values()
    done.result(10)


def test_another_contract_with_the_same_columns_hides_no_difference(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    later = sales.revised(COLUMNS, version="1.1.0")
    assert later.compare(full=True).differences == ()
    message = read(kafka, topic_name)[0]
    forger = kafka.producer(partitioner="murmur2_random")
    forger.produce(topic_name, b"{}", message.key, headers=list({**message.headers, "change": "erase"}.items()))
    forger.flush(10)
    (difference,) = later.compare(full=True).differences
    assert "has otherwise than the dataset 1 of 2 rows" in difference.text
    wider = sales.revised({**COLUMNS, "shop": str}, version="1.2.0")  # under which the messages would be others
    assert wider.compare(full=True).differences == ()


def test_what_is_committed_and_not_marked_yet_is_waited_for(
    real_kafka: Kafka, topic_name: str, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = shop(real_kafka, Topic(topic_name))
    sales.store("2026-01-01", [A, B])
    sales.deliver()
    stranger = real_kafka.producer(**{"transactional.id": topic_name})
    stranger.init_transactions(10)
    stranger.begin_transaction()
    stranger.produce(topic_name, b"1", b"1")
    stranger.flush(10)
    with monkeypatch.context() as patched:
        patched.setattr(state_of_topic, "_MARKED", 0.0)
        assert sales.compare(full=True).differences == ()  # what is open is not there
    honest = state_of_topic.ends

    def commits(*given: Any, **more: Any) -> Any:
        found = honest(*given, **more)
        if not more:  # readers do not see it yet: the broker's marks come a moment after its answer
            monkeypatch.setattr(state_of_topic, "ends", honest)
            stranger.commit_transaction(10)
        return found

    monkeypatch.setattr(state_of_topic, "ends", commits)
    (difference,) = sales.compare(full=False).differences
    assert "holds 1 messages that this port did not publish" in difference.text


def test_versions_that_were_not_delivered_are_not_compared(kafka: Kafka, topic_name: str, shop: Any) -> None:
    sales = shop(kafka, Topic(topic_name))
    sales.store("2026-01-01", [A])
    assert sales.compare(full=True).versions == 0
    sales.deliver()
    sales.store("2026-01-01", [B])
    comparison = sales.compare(full=True)
    assert (comparison.versions, comparison.rows) == (0, 0) or comparison.differences == ()


def test_two_topics_of_one_dataset_are_two_ports() -> None:
    assert [Topic("shop.a").name, Topic("shop.b", port="wide").name] == ["kafka", "wide"]
