"""An erasure takes its keys back from a topic as tombstones, told the values or knowing hashes only, and the topic agrees with the lake."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dataproducts.erasure import erasing
from dataproducts.erasure.emptying import Empties
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.ports.delivery import finish
from dataproducts.ports.kafka.connection import Kafka
from dataproducts.ports.kafka.topic import Topic
from dataproducts.ports.port import Removed
from tests.ports.kafka.topics import Shop, read, state

GONE, A, B = (90917731, 10, "gone-person"), (1, 10, "a"), (2, 20, "b")


def erase(sales: Shop, key: str = "90917731", empties: Empties = ()) -> Removed:
    """As `dataproducts erase` does it: the lake, then the port, by what the registry knows."""
    plan = erasing.plan(World(sales.lake), "shop/sales", [("--key", key)])
    erasing.erase(replace(plan, empties={"shop/sales": empties} if empties else {}), reason="asked for it", who="tester")
    erased = Registry(sales.lake).refresh().erased("shop/sales")
    assert erased is not None
    with sales.topic.open(sales.offered, sales.history.refresh(), {"kafka": sales.kafka}, "erasure") as session:
        finish(session, sales.journal, sales.history, "erasure")
        removed: Removed = session.erase(erased)
        assert session.erase(erased).rows == 0
        return removed


@pytest.mark.parametrize("kind", ["table", "snapshot"])
def test_a_reader_of_the_topic_ends_up_without_them(kafka: Kafka, topic_name: str, lake: str, product: Any, kind: str) -> None:
    sales = Shop(lake, product.facts, kafka, Topic(topic_name, partitions=2), kind=kind)
    sales.store("2026-01-01", [GONE, A])
    sales.store("2026-01-02", [GONE, B])
    sales.deliver()
    removed = erase(sales)
    assert removed.rows == (2 if kind == "table" else 1)
    assert "until the broker compacts it" in removed.later
    assert not any(b"gone-person" in (value or b"") for value in state(kafka, topic_name).values())
    tombstones = [m for m in read(kafka, topic_name) if m.headers["change"] == "erase"]
    assert {m.value for m in tombstones} == {None}
    assert not sales.compare(full=True).differences
    sales.store("2026-01-03", [GONE, A, B])
    sales.deliver()
    assert not sales.compare(full=True).differences
    assert not any(b"90917731" in key for key in state(kafka, topic_name))


def test_a_batch_that_a_dead_run_left_open_arrives_without_them(kafka: Kafka, topic_name: str, lake: str, product: Any) -> None:
    sales = Shop(lake, product.facts, kafka, Topic(topic_name))
    sales.store("2026-01-01", [GONE, A])
    with sales.forgetful(), pytest.raises(ZeroDivisionError):
        sales.deliver()
    erase(sales)
    assert list(state(kafka, topic_name)) == [b'{"_partition":"2026-01-01","number":1}']
    assert sales.deliver().batches == []
    assert not sales.compare(full=True).differences


def test_they_are_found_by_a_column_that_is_not_the_key(kafka: Kafka, topic_name: str, lake: str, product: Any) -> None:
    sales = Shop(lake, product.facts, kafka, Topic(topic_name))
    sales.store("2026-01-01", [GONE, A])
    sales.deliver()
    assert erase(sales, '{"name": "gone-person"}').rows == 1
    assert list(state(kafka, topic_name)) == [b'{"_partition":"2026-01-01","number":1}']


@pytest.mark.parametrize("kind", ["table", "snapshot"])
def test_where_the_row_stays_readers_get_it_without_the_values(kafka: Kafka, topic_name: str, lake: str, product: Any, kind: str) -> None:
    sales = Shop(lake, product.facts, kafka, Topic(topic_name, partitions=2), kind=kind)
    sales.store("2026-01-01", [GONE, A])
    sales.store("2026-01-02", [GONE, B])
    sales.deliver()
    removed = erase(sales, empties=(("name", "null"),))
    assert removed.rows == (2 if kind == "table" else 1)
    assert "readers see the row as it is now" in removed.later
    held = state(kafka, topic_name)
    assert sum(b"90917731" in key for key in held) == removed.rows
    assert not any(b"gone-person" in value for value in held.values())
    assert not sales.compare(full=True).differences
    sales.store("2026-01-03", [GONE, A, B])
    sales.deliver()
    assert not any(b"gone-person" in value for value in state(kafka, topic_name).values())
    assert not sales.compare(full=True).differences
