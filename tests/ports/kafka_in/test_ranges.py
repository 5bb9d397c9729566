"""Which messages a partition holds: contiguous ranges of offsets, each message in exactly one, whatever its time says."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from confluent_kafka import KafkaException

from dataproducts.materialization import Limits
from dataproducts.ports.kafka import consuming
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.sandbox import sandbox_broker
from tests.kafka import Broker
from tests.ports.kafka_in.conftest import FIRST, Feed, at, hour, make_topic, order, send

SEEDS = 40 if os.environ.get("CI") else 4


def test_each_hour_holds_the_messages_of_its_time(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(n % 2, at(n / 4), order(n)) for n in range(12)])
    feed.store(0, 1, 2)
    assert [len(feed.stored(h)) for h in (0, 1, 2)] == [4, 4, 4]
    assert feed.range(1).offsets == {0: (2, 4), 1: (2, 4), 2: (0, 0), 3: (0, 0)}
    assert feed.rows(2).get_column("number").sort().to_list() == [8, 9, 10, 11]


def test_a_late_message_is_in_the_hour_in_which_it_lies(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0)), (0, at(1.5), order(1)), (0, at(0.6), order(2)), (0, at(2.5), order(3))])
    feed.store(0, 1, 2)
    assert [feed.rows(h).get_column("number").to_list() for h in (0, 1, 2)] == [[0], [1, 2], [3]]


def test_messages_that_come_after_an_hour_was_read_are_in_the_next(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0))])
    feed.store(0)
    send(feed.kafka, feed.topic, [(0, at(0.6), order(1)), (1, at(0.7), order(2))])
    feed.store(0, 1)
    assert feed.rows(0).get_column("number").to_list() == [0]
    assert feed.rows(1).get_column("number").to_list() == [1, 2]


def test_a_clock_from_the_future_holds_nothing_up(feed: Feed) -> None:
    future = int((datetime.now(UTC) + timedelta(days=365 * 70)).timestamp() * 1000)
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0)), (0, future, order(1)), (0, at(0.6), order(2)), (0, at(1.5), order(3))])
    feed.store(0, 1)
    assert feed.rows(0).get_column("number").to_list() == [0, 1, 2]
    assert feed.rows(1).get_column("number").to_list() == [3]


def test_the_same_again_changes_nothing(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(n / 2), order(n)) for n in range(4)])
    feed.store(0, 1)
    again = feed.store(1, 0)
    assert all(o.committed is not None and not o.committed.is_new for o in again.outcomes.values())
    assert [v.number for v in feed.history.versions()] == [1, 1]


def test_an_hour_waits_for_the_one_before_and_says_which(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0))])
    assert f"materialize {hour(0)!r} first" in feed.error(2)
    feed.store(0)
    assert f"materialize {hour(1)!r} first" in feed.error(2)
    assert feed.stored() == [(0, 0)]
    feed.store(1, 2)


def test_an_hour_that_is_not_over_is_refused(feed: Feed) -> None:
    now = (datetime.now(UTC) - FIRST) // timedelta(hours=1)
    assert f"{hour(now)!r} is not over before" in feed.error(now)


def test_an_empty_topic_gives_hours_without_rows(feed: Feed) -> None:
    feed.store(0, 1)
    assert feed.stored() == []
    assert feed.version(1).rows == 0
    send(feed.kafka, feed.topic, [(3, at(0.5), order(0))])
    feed.store(2)
    assert feed.stored(2) == [(3, 0)]


def test_the_note_says_what_was_read_and_how_far_behind_it_is(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(n), order(n)) for n in range(5)])
    feed.store(0, 1)
    note = feed.version(1).note
    assert (note["messages"], note["lag"]) == (1, 3)
    assert note["kafka"]["topic"] == feed.topic
    assert note["kafka"]["offsets"]["0"] == [1, 2]


def test_a_backfill_is_one_run(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(n % 4, at(n / 10), order(n)) for n in range(100)])
    feed.store(*range(10))
    assert len(feed.stored()) == 100
    assert len({v.known_at for v in feed.history.versions()}) == 1  # committed together


def test_hours_after_one_that_failed_wait_for_it(feed: Feed) -> None:
    feed.limits = Limits(row_change=None, refused_share=0.2)
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0)), (0, at(1.5), b"broken"), (0, at(2.5), order(2))])
    report = feed.run(0, 1, 2)
    assert [o.partition for o in report.failed] == [hour(1), hour(2)]
    assert f"materialize {hour(1)!r} first" in (report.outcomes[hour(2)].error or "")
    assert feed.stored() == [(0, 0)]
    feed.limits = Limits(row_change=None, refused_share=1.0)
    feed.store(1, 2)
    assert feed.stored() == [(0, 0), (0, 2)]
    assert feed.quarantined().height == 1


def test_of_two_runs_that_saw_different_ends_the_second_follows_the_first(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0))])
    other = replace(feed)

    def between(number: int) -> None:  # the first has read hour 0 and not stored it
        if number == 1 and not feed.history.tables():
            send(feed.kafka, feed.topic, [(0, at(0.6), order(1)), (0, at(1.5), order(2))])
            other.store(0)

    report = feed.run(0, 1, before=between)
    assert not report.failed, report.failed[0].error
    assert feed.stored(0) == [(0, 0), (0, 1)]
    assert feed.stored(1) == [(0, 2)]
    assert [v.number for v in feed.history.versions()] == [1, 1]


def test_a_run_whose_hour_was_stored_by_another_follows_it_too_when_it_saw_more(feed: Feed) -> None:
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0))])
    other = replace(feed)

    def seen_less(messages: Any) -> Any:
        rows = [record for records in messages.records() for record in records]
        if not feed.history.tables():  # meanwhile another run reads further
            send(feed.kafka, feed.topic, [(0, at(0.6), order(1))])
            other.store(0)
        return rows

    report = feed.run(0, function=seen_less)
    assert not report.failed
    outcome = report.outcomes[hour(0)]
    assert outcome.committed is not None
    assert not outcome.committed.is_new
    assert feed.stored() == [(0, 0), (0, 1)]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_message_is_stored_once_whatever_the_times_the_cuts_and_the_runs(seed: int, feed: Feed) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    sent: list[tuple[int, int]] = []
    ends = dict.fromkeys(range(4), 0)
    done = 0
    while done < 8:
        messages = []
        for _ in range(chance.randrange(30)):
            partition = chance.randrange(3)
            messages.append((partition, at(chance.uniform(done - 2, done + 3)), order(chance.randrange(100))))
            sent.append((partition, ends[partition]))
            ends[partition] += 1
        send(feed.kafka, feed.topic, messages)
        step = chance.randint(1, 3)
        feed.store(*range(max(0, done - chance.randrange(3)), done + step))  # some of them again
        done += step
        if chance.random() < 0.3:
            feed.store(*chance.sample(range(done), min(done, 3)))
    stored = feed.stored()
    assert stored == sorted(set(stored))
    reached = {n: feed.range(done - 1).ends[n] for n in range(4)}
    assert stored == sorted((p, o) for p, o in sent if o < reached[p])
    for number in range(1, done):
        before, own = feed.range(number - 1), feed.range(number)
        assert {n: start for n, (start, _) in own.offsets.items()} == before.ends
    assert [v.number for v in feed.history.versions()] == [1] * done
    feed.store(*range(done, done + 4))
    assert feed.stored() == sorted(sent)


# The topic is not what it was


def test_a_topic_that_has_been_rewound_is_refused_with_both_figures(lake: str, topic_name: str) -> None:
    with sandbox_broker() as first, sandbox_broker() as second:
        feed = Feed(Kafka(Brokers(first)), topic_name, lake)
        send(feed.kafka, feed.topic, [(0, at(0.5), order(n)) for n in range(5)])
        feed.store(0)
        feed.kafka = Kafka(Brokers(second))
        send(feed.kafka, feed.topic, [(0, at(1.5), order(n)) for n in range(2)])
        for number in (0, 1):
            text = feed.error(number)
            assert "ends at offset 2" in text
            assert "was read to offset 5" in text
            assert feed.faults["offsets"][hour(number)] == text
        assert "anew=" in feed.error(1)
        assert feed.stored() == [(0, n) for n in range(5)]


def test_a_topic_that_was_made_again_is_refused_until_the_dataset_says_so(real_feed: Feed) -> None:
    feed = real_feed
    send(feed.kafka, feed.topic, [(0, at(0.5), order(n)) for n in range(3)])
    feed.store(0)
    before = feed.range(0).identity
    admin = feed.kafka.admin()
    admin.delete_topics([feed.topic])[feed.topic].result(10)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with suppress(KafkaException):  # it is still being deleted
            make_topic(feed.kafka, feed.topic)
            break
        time.sleep(0.1)
    send(feed.kafka, feed.topic, [(0, at(1.5), order(n)) for n in range(9)])
    text = feed.error(1)
    assert str(before) in text
    assert before.topic_id is not None
    assert f'anew=("{hour(1)}",)' in text
    assert "offsets" in feed.faults
    assert len(feed.stored()) == 3
    feed.settings = {"anew": (hour(1),)}
    feed.store(1, 2)
    assert len(feed.stored(1)) == 9
    assert feed.error(0)  # what it was read from is gone
    assert len(feed.stored(0)) == 3


def test_messages_that_retention_took_first_are_told_and_the_rest_is_stored(real_feed: Feed) -> None:
    feed = real_feed
    send(feed.kafka, feed.topic, [(0, at(n / 10), order(n)) for n in range(30)])
    feed.store(0)
    drop(feed, 15)
    feed.store(1)
    assert feed.stored(1) == [(0, n) for n in range(15, 20)]
    assert "5 offsets" in feed.faults["offsets"][hour(1)]
    assert "partition 0: 10 to 14 (5)" in feed.faults["offsets"][hour(1)]
    assert feed.version(1).note["lost_offsets"] == 5
    feed.store(2)
    assert not feed.faults
    feed.store(1)
    assert feed.version(1).number == 1
    assert feed.faults


def test_a_range_that_is_gone_is_not_read_again_and_stays_stored(real_feed: Feed) -> None:
    feed = real_feed
    send(feed.kafka, feed.topic, [(0, at(n / 10), order(n)) for n in range(20)])
    feed.store(0, 1)
    drop(feed, 4)
    text = feed.error(0)
    assert "partition 0: 0 to 3 (4)" in text
    assert "what is stored stays as it is" in text
    assert len(feed.stored()) == 20
    feed.store(1)


def test_new_partitions_of_the_topic_are_read_from_their_beginning(real_feed: Feed) -> None:
    from confluent_kafka.admin import NewPartitions

    feed = real_feed
    send(feed.kafka, feed.topic, [(0, at(0.5), order(0))])
    feed.store(0)
    admin = feed.kafka.admin()
    admin.create_partitions([NewPartitions(feed.topic, 6)])[feed.topic].result(10)
    until = time.monotonic() + 10
    while len(feed.kafka.metadata(feed.topic).topics[feed.topic].partitions) < 6 and time.monotonic() < until:
        time.sleep(0.05)
    send(feed.kafka, feed.topic, [(5, at(1.5), order(1)), (0, at(1.5), order(2))])
    feed.store(1)
    assert feed.stored(1) == [(0, 1), (5, 0)]
    assert not feed.faults


def drop(feed: Feed, before: int) -> None:
    """As retention does: drop the offsets of partition 0 before one."""
    from confluent_kafka import TopicPartition

    admin = feed.kafka.admin()
    for future in admin.delete_records([TopicPartition(feed.topic, 0, before)]).values():
        future.result(10)


# Transactions


def transact(feed: Feed, messages: list[tuple[int, int, bytes]], *, commit: bool) -> None:
    """One transaction; returns when its markers stand in the topic, which brokers write a moment after they have answered."""
    ends = dict(consuming.state(feed.kafka, feed.topic).ends)
    for number, of_partition in Counter(partition for partition, _, _ in messages).items():
        ends[number] += of_partition + 1
    producer = feed.kafka.producer(**{"transactional.id": f"{feed.topic}-{random.random()}"})
    producer.init_transactions(10)
    producer.begin_transaction()
    for partition, moment, value in messages:
        producer.produce(feed.topic, value, partition=partition, timestamp=moment)
    producer.flush(10)
    if commit:
        producer.commit_transaction(10)
    else:
        producer.abort_transaction(10)
    until = time.monotonic() + 10
    while consuming.state(feed.kafka, feed.topic).ends != ends:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_was_aborted_is_not_stored_and_leaves_no_gap(real_feed: Feed) -> None:
    feed = real_feed
    transact(feed, [(0, at(0.1), order(1))], commit=False)
    transact(feed, [(0, at(0.2), order(2))], commit=True)
    transact(feed, [(0, at(0.3), order(3)), (1, at(0.3), order(3))], commit=False)
    feed.store(0)
    assert feed.rows(0).get_column("number").to_list() == [2]
    assert feed.range(0).ends == {0: 6, 1: 2, 2: 0, 3: 0}
    transact(feed, [(0, at(1.2), order(4))], commit=True)
    feed.store(0, 1)
    assert feed.rows(1).get_column("number").to_list() == [4]
    assert not feed.faults


def test_an_open_transaction_is_waited_for_and_then_the_run_is_to_be_repeated(real_feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "OPEN_TRANSACTION_SECONDS", 0.5)
    feed = real_feed
    send(feed.kafka, feed.topic, [(0, at(0.1), order(0))])
    producer = feed.kafka.producer(**{"transactional.id": feed.topic})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(feed.topic, order(1), partition=0, timestamp=at(0.2))
    producer.flush(10)
    assert "a transaction in partition 0 has been open for more than" in feed.error(0)
    assert feed.stored() == []
    producer.commit_transaction(10)
    monkeypatch.setattr(consuming, "OPEN_TRANSACTION_SECONDS", 30.0)  # its marker may still be on its way
    feed.store(0)
    assert feed.rows(0).get_column("number").to_list() == [0, 1]


def test_an_open_transaction_of_a_later_time_is_not_waited_for(real_feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "OPEN_TRANSACTION_SECONDS", 0.5)
    feed = real_feed
    send(feed.kafka, feed.topic, [(0, at(0.1), order(0)), (0, at(1.1), order(1))])
    producer = feed.kafka.producer(**{"transactional.id": feed.topic})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(feed.topic, order(2), partition=0, timestamp=at(1.2))
    producer.flush(10)
    feed.store(0)
    assert feed.stored() == [(0, 0)]
    producer.abort_transaction(10)


@pytest.mark.skipif(not os.environ.get("CI"), reason="a broker cleans a compacted topic in its own time, which is half a minute")
def test_a_compacted_topic_has_holes_and_no_gaps_and_is_not_read_again_for_less(real_kafka: Kafka, topic_name: str, lake: str) -> None:
    make_topic(
        real_kafka, topic_name, cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.0", max_compaction_lag_ms="1000"
    )
    feed = Feed(real_kafka, topic_name, lake)
    send(feed.kafka, feed.topic, [(0, at(n / 10), order(n), f"key {n % 3}") for n in range(10)])
    feed.store(0)
    send(feed.kafka, feed.topic, [(0, at(1 + n / 10), order(10 + n), f"key {n % 3}") for n in range(10)])
    until, number, text = time.monotonic() + 90, 0, ""
    while time.monotonic() < until and not text:
        time.sleep(1)
        number += 1
        send(feed.kafka, feed.topic, [(0, at(2.5), order(100 + number), "filler")])  # so that another segment is begun
        text = feed.error(0)
    assert "of the recorded offsets and had 10 when they were read" in text
    assert len(feed.stored(0)) == 10
    feed.store(1, 2)
    assert not feed.faults
    assert feed.range(1).offsets[0] == (10, 20)


# Brokers


def test_a_broker_that_is_not_there_is_one_sentence_soon(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "TIMEOUT", 2.0)
    feed = Feed(Kafka(Brokers("127.0.0.1:1")), "shop.orders", lake)
    begun = time.monotonic()
    text = feed.error(0)
    assert "cannot be reached" in text or "did not answer" in text
    assert time.monotonic() - begun < 20  # the client itself would try for minutes


def test_a_topic_that_is_not_there_is_one_sentence(real_kafka: Kafka, topic_name: str, lake: str) -> None:
    text = Feed(real_kafka, topic_name, lake).error(0)
    assert f"has no topic {topic_name}" in text


def test_a_broker_that_stalls_is_given_up_and_nothing_is_stored(real_feed: Feed, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "STALLED_SECONDS", 1.0)
    feed = real_feed
    send(feed.kafka, feed.topic, [(n % 4, at(0.5), order(n)) for n in range(100)])
    held = []

    def stalls(messages: Any) -> Any:
        held.append(broker.paused())
        held[-1].__enter__()
        return messages

    try:
        report = feed.run(0, function=stalls)
    finally:
        held[-1].__exit__(None, None, None)
    assert "sent nothing of partition" in (report.outcomes[hour(0)].error or "")
    assert feed.stored() == []
    monkeypatch.setattr(consuming, "STALLED_SECONDS", 30.0)
    feed.store(0)
    assert len(feed.stored()) == 100


def test_a_broker_that_restarts_while_it_is_read_loses_nothing(real_feed: Feed, broker: Broker) -> None:
    feed = real_feed
    send(feed.kafka, feed.topic, [(n % 4, at(0.5), order(n)) for n in range(20_000)])

    def restarted(messages: Any) -> Any:
        broker.kill()
        broker.start()
        return messages

    report = feed.run(0, function=restarted)
    assert not report.failed, report.failed[0].error
    assert len(feed.stored()) == 20_000
    assert feed.rows(0).get_column("number").sort().equals(pl.Series("number", range(20_000)))


def test_a_rebalance_of_its_group_is_no_concern_of_ours(real_feed: Feed) -> None:
    """Offsets are kept with the rows: members of a group of the same name come, go and commit, and nothing is lost or read twice."""
    feed = real_feed
    send(feed.kafka, feed.topic, [(n % 4, at(0.5), order(n)) for n in range(2_000)])
    others = [feed.kafka.consumer("dataproducts", **{"auto.offset.reset": "earliest", "session.timeout.ms": 6_000}) for _ in range(2)]

    def rebalanced(messages: Any) -> Iterator[Any]:
        rows = iter(messages)
        yield next(rows)
        for number, other in enumerate(others, 1):  # each that comes takes partitions from those before
            other.subscribe([feed.topic])
            deadline = time.monotonic() + 30
            while not all(member.assignment() for member in others[:number]):
                assert time.monotonic() < deadline
                for member in others[:number]:
                    member.poll(0.05)
        yield from rows

    try:
        assert not feed.run(0, function=rebalanced).failed
        others[0].consume(10, 5)
        others[0].commit(asynchronous=False)
        others[0].close()
        send(feed.kafka, feed.topic, [(0, at(1.5), order(2_000))])
        feed.store(1)
    finally:
        for other in others:
            other.close()
    assert feed.rows(0).get_column("number").sort().to_list() == list(range(2_000))
    assert feed.rows(1).get_column("number").to_list() == [2_000]
