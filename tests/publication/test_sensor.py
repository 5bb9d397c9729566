"""Nothing is lost between Dagster's event log and the catalog, whatever goes wrong between them."""

from __future__ import annotations

import json
import os
import random
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from dataproducts.errors import CatalogUnavailable, ConfigurationError
from dataproducts.messages import CheckResult, Definition, Failure
from dataproducts.publication import events
from dataproducts.publication.cursor import Cursor
from dataproducts.publication.sensor import Publication, publication_sensor
from tests.publication.conftest import BEGAN, LETTERS, Memory, away, delivered, run_range, write

SEEDS = min(25, int(os.environ.get("CRASH_SEEDS", "4")))


class Clock:
    def __init__(self, now: datetime = BEGAN) -> None:
        self.time = now
        self.elapsed = 0.0

    def now(self) -> datetime:
        return self.time

    def seconds(self) -> float:
        return self.elapsed


def publication(shop: Any, catalog: Memory, clock: Clock | None = None, **settings: Any) -> Publication:
    clock = clock or Clock(BEGAN + timedelta(days=1))
    return Publication({"shop": shop}, catalog, "here", now=clock.now, seconds=clock.seconds, **settings)


def expected(instance: Any, of: Publication) -> set[str]:
    """Keys of all messages that the event log, read from end to end, asks for."""
    found = events.entries(instance, after=0, limit=1_000_000)
    payloads = events.records(instance, [e.id for e in found])
    return {m.key for e in found if of.translation.concerns(e) for m in of.translation.messages(instance, e, payloads[e.id])}


def received(catalog: Memory) -> set[str]:
    return {key for key, m in catalog.messages.items() if not isinstance(m, Definition)}


def test_partitions_runs_checks_and_failures_arrive_each_once(shop: Any, catalog: Memory, log: Any) -> None:
    d = shop.datasets
    run_range(d["sales"], log, "p00", "p29")
    dg.materialize([d["totals"]], instance=log)
    run_range(d["prices"], log, "p12", "p14")
    dg.materialize([d["prices"]], partition_key="p13", instance=log, raise_on_error=False)
    publisher = publication(shop, catalog)
    first = publisher.tick(log, None)
    assert {(m.dataset, m.partition) for m in catalog.deliveries} == {
        *(("shop/sales", p) for p in LETTERS[:30]),
        ("shop/totals", "-"),
        ("shop/prices", "p12"),
        ("shop/prices", "p14"),
    }
    assert [list(f.errors) for f in catalog.of(Failure)] == [["p13"], ["p13"]]
    assert {c.dataset for c in catalog.of(CheckResult)} == {"shop/sales", "shop/totals", "shop/prices"}
    assert received(catalog) == expected(log, publisher)
    second = publisher.tick(log, first.cursor)
    assert (second.sent, second.summary) == (0, "nothing new")


def test_events_seen_late_in_any_order_with_a_catalog_that_fails_and_ticks_that_are_killed_all_arrive(
    shop: Any, catalog: Memory, log: Any
) -> None:
    sales, prices = shop.datasets["sales"], shop.datasets["prices"]
    rng = random.Random(1)
    said = []
    for n in range(150):
        at = BEGAN + timedelta(seconds=n * 4 + rng.uniform(0, 3))
        if n % 5 == 0:
            passed = dg.AssetCheckEvaluation(sales.key, "shape", passed=True, metadata={})
            said.append((at, passed))
        elif n % 7 == 0:
            said.append((at, dg.AssetMaterialization(["other", "table"])))
        else:
            said.append((at, delivered(rng.choice([sales, prices]), rng.choice(LETTERS), n)))
    write(log, said)
    times = {e.id: e.at for e in events.entries(log, after=0, limit=1_000)}
    all_keys = expected(log, publication(shop, Memory()))
    for seed in range(SEEDS):
        rng = random.Random(seed)
        visible = {number: at + timedelta(seconds=rng.choice([0, 0, 1, 20, 50])) for number, at in times.items()}
        clock, target = Clock(), Memory()

        def read(instance: Any, *, after: int, limit: int, clock: Clock = clock, visible: Any = visible) -> list[Any]:
            there = events.entries(instance, after=after, limit=10_000)
            return [e for e in there if e.id in visible and visible[e.id] <= clock.time][:limit]

        target.before = lambda m, rng=rng: away(m) if rng.random() < 0.15 else None
        target.after = lambda m, rng=rng: away(m) if rng.random() < 0.1 else None
        publisher = publication(shop, target, clock, read=read, page=rng.choice([7, 40, 500]))
        cursor: str | None = None
        cursors: list[tuple[str | None, datetime]] = []
        while clock.time < BEGAN + timedelta(minutes=20):
            clock.time += timedelta(seconds=30)
            try:
                ticked = publisher.tick(log, cursor)
            except CatalogUnavailable:
                continue
            if rng.random() < 0.8:  # else killed before Dagster kept the cursor
                cursor = ticked.cursor
                cursors.append((cursor, clock.time))
        assert received(target) == all_keys, f"seed {seed}"
        assert Cursor.read(cursor).low == max(times), f"seed {seed}: the mark did not reach the end"
        assert Cursor.read(cursor).seen == set()
        older, clock.time = rng.choice(cursors)[0], clock.time
        target.before = target.after = lambda _: None
        publisher.tick(log, older)
        assert received(target) == all_keys, f"seed {seed}: an older cursor changed what was there"


def test_an_entry_that_turns_up_below_the_largest_id_is_not_lost(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN + timedelta(seconds=n), delivered(shop.datasets["sales"], LETTERS[n], 1)) for n in range(3)])
    clock, hidden = Clock(BEGAN + timedelta(seconds=10)), {2}
    publisher = publication(
        shop, catalog, clock, read=lambda i, *, after, limit: [e for e in events.entries(i, after=after, limit=limit) if e.id not in hidden]
    )
    cursor = publisher.tick(log, None).cursor
    assert {m.partition for m in catalog.deliveries} == {"p00", "p02"}
    hidden.clear()
    clock.time += timedelta(seconds=30)
    publisher.tick(log, cursor)
    assert {m.partition for m in catalog.deliveries} == {"p00", "p01", "p02"}


def test_a_catalog_that_is_away_fails_the_tick_and_the_next_one_catches_up(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS])
    sensor = publication_sensor({"shop": shop}, catalog, "here")
    catalog.before = away
    with dg.build_sensor_context(instance=log) as context, pytest.raises(CatalogUnavailable, match="does not answer"):
        sensor.evaluate_tick(context)
    catalog.before = lambda _: None
    with dg.build_sensor_context(instance=log) as context:
        tick = sensor.evaluate_tick(context)
    assert tick.skip_message.startswith("44 messages sent")
    assert len(catalog.deliveries) == 40
    with dg.build_sensor_context(instance=log, cursor=tick.cursor) as context:
        assert sensor.evaluate_tick(context).skip_message == "nothing new"
    assert len(catalog.messages) == 44


def test_what_a_catalog_took_before_it_went_away_is_remembered(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS])
    catalog.before = lambda _: away(_) if len(catalog.calls) == 2 else None
    publisher = publication(shop, catalog, page=10)
    ticked = publisher.tick(log, None)
    assert "does not answer" in ticked.summary
    assert len(catalog.deliveries) == 10
    catalog.calls.clear()
    catalog.before = lambda _: None
    publisher.tick(log, ticked.cursor)
    assert sum(catalog.calls) == 30  # and none of the first ten again
    assert len(catalog.deliveries) == 40


def test_a_slow_catalog_ends_the_tick_when_its_time_is_over_and_the_next_goes_on(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p, n)) for n in range(5) for p in LETTERS])
    clock = Clock(BEGAN + timedelta(days=1))

    def slowly(_: Any) -> None:
        clock.elapsed += 15

    catalog.before = slowly
    publisher = publication(shop, catalog, clock, page=20)
    cursor, ticks = None, 0
    while len(catalog.deliveries) < 200:
        began = clock.elapsed
        cursor = publisher.tick(log, cursor).cursor
        assert clock.elapsed - began <= publisher.budget
        ticks += 1
        assert ticks < 20
    assert ticks > 2


def test_poison_is_given_up_after_three_ticks_shown_as_a_failing_check_and_holds_nothing_up(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS])
    catalog.poison = lambda m: getattr(m, "partition", "") in ("p03", "p30")
    clock = Clock(BEGAN + timedelta(days=1))
    publisher = publication(shop, catalog, clock)
    cursor: str | None = None
    low = []
    for _ in range(3):
        ticked = publisher.tick(log, cursor)
        cursor = ticked.cursor
        low.append(Cursor.read(cursor).low)
        assert len(catalog.deliveries) == 38
        clock.time += timedelta(seconds=30)
    assert low[:2] == [3, 3]
    assert low[2] >= 40
    assert [p.split(" was")[0] for p in ticked.problems] == ["event 4", "event 31"]
    assert "it is poison" in ticked.problems[0]
    assert latest_check(log) == (False, "2 problems; the first: event 4 was given up: it is poison")
    catalog.poison = lambda _: False
    clock.time += timedelta(days=1)
    ticked = publisher.tick(log, cursor)
    assert (ticked.problems, len(catalog.deliveries)) == ((), 40)
    assert latest_check(log)[0] is True


def test_what_was_given_up_is_tried_again_when_the_location_is_loaded_anew(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], "p00"))])
    catalog.poison = lambda m: m.type == "delivery" or getattr(m, "subject", "") == "dataset:shop/totals"
    publisher = publication(shop, catalog, attempts=1)
    cursor = publisher.tick(log, None).cursor
    assert len(Cursor.read(cursor).dead) == 2
    catalog.poison = lambda _: False
    assert publisher.tick(log, cursor).sent == 0
    ticked = publication(shop, catalog).tick(log, cursor)
    assert (ticked.sent, ticked.problems) == (2, ())


def latest_check(instance: Any) -> tuple[bool, str]:
    key = dg.AssetCheckKey(dg.AssetKey(["here", "catalog"]), "publish_metadata")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    evaluation = record.event.dagster_event.event_specific_data
    return evaluation.passed, evaluation.description


def test_a_damaged_entry_of_the_log_is_given_up_and_the_next_one_arrives(shop: Any, catalog: Memory, log: Any) -> None:
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS[:3]])
    with log.event_log_storage.index_connection() as connection:
        connection.execute(SqlEventLogStorageTable.update().where(SqlEventLogStorageTable.c.id == 2).values(event="{damaged"))
    ticked = publication(shop, catalog, attempts=1).tick(log, None)
    assert {m.partition for m in catalog.deliveries} == {"p00", "p02"}
    assert ticked.problems == ("event 2 was given up: entry 2 of the event log cannot be read (JSONDecodeError)",)


def test_ids_that_sqlite_gives_out_again_after_a_wipe_are_published(shop: Any, catalog: Memory, log: Any) -> None:
    """The newest rows are wiped and their ids used again: a mark alone would take the new events for the old ones."""
    sales, prices = shop.datasets["sales"], shop.datasets["prices"]
    write(log, [(BEGAN, delivered(prices, "p00"))])
    publisher = publication(shop, catalog)
    cursor = publisher.tick(log, None).cursor
    write(log, [(BEGAN + timedelta(minutes=5), delivered(sales, p)) for p in LETTERS[:5]])
    cursor = publisher.tick(log, cursor).cursor
    before = {e.id for e in events.entries(log, after=0, limit=100) if e.asset == ("shop", "sales")}
    assert Cursor.read(cursor).low == max(before)
    log.wipe_assets([sales.key])
    write(log, [(BEGAN + timedelta(days=1), delivered(sales, p, 2)) for p in LETTERS[:7]])
    assert before < {e.id for e in events.entries(log, after=0, limit=100) if e.asset == ("shop", "sales")}
    publisher.tick(log, cursor)
    assert {m.partition for m in catalog.deliveries if m.number == 2} == set(LETTERS[:7])


def test_an_asset_wiped_between_two_questions_stops_nothing(shop: Any, catalog: Memory, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS[:3]])
    real = events.records
    monkeypatch.setattr(events, "records", lambda i, ids: {n: r for n, r in real(i, ids).items() if n != 2})
    publisher = publication(shop, catalog)
    ticked = publisher.tick(log, None)
    assert (len(catalog.deliveries), ticked.problems) == (2, ())
    assert Cursor.read(ticked.cursor).low == 3


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99, "low": 7}', "garbled", "[]", '{"version": 1}', '{"version": 1, "low": "x"}'])
def test_without_a_cursor_it_can_read_it_begins_at_the_beginning(shop: Any, catalog: Memory, log: Any, text: str) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS])
    publication(shop, catalog).tick(log, text)
    assert len(catalog.deliveries) == 40
    assert len(catalog.of(Definition)) == 4


def test_a_resync_sends_every_event_again_as_it_was(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS])
    publication(shop, catalog).tick(log, None)
    before = {m.key: m.digest for m in catalog.deliveries}
    assert publication(shop, catalog).tick(log, None).problems == ()
    assert {m.key: m.digest for m in catalog.deliveries} == before


def test_an_idle_tick_reads_no_payload_and_unpacks_no_hashes(shop: Any, catalog: Memory, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p)) for p in LETTERS])
    publisher = publication(shop, catalog)
    cursor = publisher.tick(log, publisher.tick(log, None).cursor).cursor
    monkeypatch.setattr(events, "records", lambda *_: pytest.fail("a payload was read"))
    monkeypatch.setattr(Cursor, "published", property(lambda _: pytest.fail("hashes were unpacked")))
    ticked = publisher.tick(log, cursor)
    assert (ticked.sent, ticked.cursor) == (0, cursor)


def test_materializations_of_other_assets_pass_by_unread(shop: Any, catalog: Memory, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(log, [(BEGAN, dg.AssetMaterialization(["other", str(n)])) for n in range(50)])
    monkeypatch.setattr(events, "records", lambda *_: pytest.fail("a payload was read"))
    assert Cursor.read(publication(shop, catalog).tick(log, None).cursor).low == 50
    assert catalog.deliveries == []


def test_a_clock_far_ahead_does_not_hold_up_the_mark_for_ever(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(datetime.fromisoformat("2099-01-01T00:00:00+00:00"), delivered(shop.datasets["sales"], "p00"))])
    assert Cursor.read(publication(shop, catalog).tick(log, None).cursor).low == 1


def test_a_changed_description_is_published_without_an_event_and_an_unchanged_one_is_not(shop: Any, catalog: Memory, log: Any) -> None:
    import dataclasses

    cursor = publication(shop, catalog).tick(log, None).cursor
    assert {m.subject for m in catalog.of(Definition)} == {
        "product:shop",
        "dataset:shop/sales",
        "dataset:shop/totals",
        "dataset:shop/prices",
    }
    assert publication(shop, catalog).tick(log, cursor).sent == 0
    sales = shop.datasets["sales"]
    sales.declaration = dataclasses.replace(sales.declaration, description="What was sold, and when.")
    ticked = publication(shop, catalog, Clock(BEGAN + timedelta(days=2))).tick(log, cursor)
    assert ticked.sent == 1
    assert catalog.of(Definition)[-1].dataset.description == "What was sold, and when."


def test_a_dataset_that_is_no_longer_declared_is_said_to_be_gone_once(shop: Any, catalog: Memory, log: Any) -> None:
    cursor = publication(shop, catalog).tick(log, None).cursor
    del shop.datasets["prices"]
    ticked = publication(shop, catalog, Clock(BEGAN + timedelta(days=2))).tick(log, cursor)
    (gone,) = [m for m in catalog.of(Definition) if m.body is None]
    assert gone.subject == "dataset:shop/prices"
    assert publication(shop, catalog).tick(log, ticked.cursor).sent == 0


def test_a_location_that_loads_almost_empty_removes_nothing_unless_forced(
    shop: Any, catalog: Memory, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = publication(shop, catalog).tick(log, None).cursor
    empty = Publication({}, catalog, "here")
    ticked = empty.tick(log, cursor)
    assert [m for m in catalog.of(Definition) if m.body is None] == []
    assert "4 of 4 products and datasets are no longer declared" in ticked.problems[0]
    assert latest_check(log)[0] is False
    monkeypatch.setenv("DATAPRODUCTS_FORCE_REMOVAL", "1")
    forced = empty.tick(log, ticked.cursor)
    assert len([m for m in catalog.of(Definition) if m.body is None]) == 4
    assert forced.problems == ()


def test_a_wrong_token_fails_the_tick_and_keeps_the_cursor(shop: Any, catalog: Memory, log: Any) -> None:
    def refused(_: Any) -> None:
        raise ConfigurationError("the token is wrong")

    catalog.before = refused
    with pytest.raises(ConfigurationError):
        publication(shop, catalog).tick(log, None)


def test_the_sensor_is_on_from_the_start_and_its_check_stands_in_the_definitions(shop: Any, catalog: Memory, log: Any) -> None:
    from dataproducts.publication.reconcile import reconciliation

    asset, *rest = reconciliation({"shop": shop}, catalog, "here")
    checks = [one for one in rest if isinstance(one, dg.AssetChecksDefinition)]
    sensor = publication_sensor({"shop": shop}, lambda: catalog, "here")
    defs = dg.Definitions.merge(shop.definitions(), dg.Definitions(assets=[asset], asset_checks=checks, sensors=[sensor]))
    found = {s.name: s.default_status for s in defs.get_repository_def().sensor_defs}
    assert found["publish_metadata"] is dg.DefaultSensorStatus.RUNNING
    graph = defs.resolve_asset_graph()
    assert dg.AssetCheckKey(asset.key, "publish_metadata") in graph.asset_check_keys
    assert catalog.calls == []  # nothing is sent, or even made, at load


def test_batches_are_small_enough_for_the_catalog(shop: Any, catalog: Memory, log: Any) -> None:
    write(log, [(BEGAN, delivered(shop.datasets["sales"], p, n)) for n in range(30) for p in LETTERS])
    publication(shop, catalog, page=5_000).tick(log, None)
    assert len(catalog.deliveries) == 1_200
    assert max(catalog.calls) <= 500


def test_the_cursor_of_thousands_of_datasets_and_unsettled_events_stays_small() -> None:
    cursor = Cursor(low=10**6, seen=set(range(10**6 + 1, 10**6 + 20_001, 2)))
    cursor.published.update({f"dataset:product_{n % 600}/dataset_{n}": f"{n * 7919:012x}" for n in range(3_000)})
    text = cursor.text()
    assert len(text) < 90_000
    again = Cursor.read(text)
    assert (again.seen, again.published, again.low) == (cursor.seen, cursor.published, cursor.low)
    assert json.loads(again.text()) == json.loads(text)
