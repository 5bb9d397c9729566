"""The people in ads that were taken down go from every event and every day, while events, days and counts stay."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import dataproducts as dp
from assets.arbeidsplassen import ads, removals
from assets.arbeidsplassen.datasets import product, stillinger, stillingshendelser
from assets.arbeidsplassen.removals import taken_down
from assets.arbeidsplassen.sandbox import World
from tests.assets.arbeidsplassen.messages import EPOCH, records
from tests.erasure.searching import found_in

DAYS = [EPOCH, EPOCH + timedelta(days=1)]
NOW = datetime.combine(EPOCH + timedelta(days=20), time(12), UTC)  # some ads have expired, and some have not


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "_now", lambda: NOW)


@pytest.fixture
def sensor() -> dg.SensorDefinition:
    return next(one for one in product.definitions().sensors or () if getattr(one, "name", None) == "arbeidsplassen_tatt_ned")


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> Any:
    with dg.build_sensor_context(instance=instance) as context:
        return sensor.evaluate_tick(context)


@pytest.fixture
def two_days(home: Path, store: Any) -> Any:
    """Events and ads of two days; called again, the same is delivered again, and the ads made again of what is stored."""
    world = World(epoch=EPOCH, births=40)
    world.advance(DAYS[-1])

    def deliver() -> None:
        offsets: Counter[int] = Counter()
        done, before = 0, stillinger.contract.empty().lazy()
        for day in DAYS:
            last = sum(event.sent < ads.end_of(day) for event in world.log)
            came = [record for record in records(world.log[done:last], offsets) if record is not None]
            for record in came:
                if isinstance(record, dict):
                    record["kafka"]["value"] = str(record)
            hour = f"{day.isoformat()}-12:00"
            store(stillingshendelser.contract, {hour: came}, refused_share=1.0)
            events = dp.scan(stillingshendelser.contract.dataset, hour)
            rows = ads.at_end_of(day, before, events).select(stillinger.contract.names)
            store(stillinger.contract, {day.isoformat(): rows})
            before = dp.scan(stillinger.contract.dataset, day.isoformat())
            done = last

    deliver()
    return deliver


def people(events: pl.DataFrame) -> set[str]:
    """Addresses of the contact persons."""
    found = events["kontaktpersoner"].explode().struct.field("email").drop_nulls()
    return set(found)


def test_people_of_ads_that_were_taken_down_go_from_the_history_and_stay_away(
    two_days: Any, sensor: dg.SensorDefinition, persistent: dg.DagsterInstance, home: Path
) -> None:
    history = stillingshendelser.history()
    before = history.collect(history.versions())
    over = ads.taken_down(before.lazy(), NOW).collect()
    still = before.join(over, on="uuid", how="anti")
    gone = people(over) - people(still)
    assert gone
    assert people(still)
    numbers = [(v.partition, v.number, v.rows) for v in history.versions()]
    counted = dp.scan(stillinger.contract.dataset).select("uuid", "kommunenummer", "aktiv", "antall_stillinger").collect()
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert len(tick(sensor, persistent).run_requests) == 1
    assert sensor.job.execute_in_process(instance=persistent).success
    assert tick(sensor, persistent).skip_message == "there is nobody to erase"

    two_days()  # the topic is read again, and the days are made again
    after = history.collect(history.refresh().versions())
    assert [(v.partition, v.number, v.rows) for v in history.versions()] == numbers
    assert people(after) == people(still)
    assert after.join(over, on="uuid", how="semi")["melding"].unique().to_list() == ["{}"]
    first = dp.scan(stillinger.contract.dataset, DAYS[0].isoformat()).join(over.lazy(), on="uuid", how="semi").collect()
    assert first["tittel"].unique().to_list() == ["..."]
    assert first["kontaktpersoner"].list.len().max() == 0
    assert any(first["aktiv"])  # as it was that day
    assert dp.scan(stillinger.contract.dataset).select(counted.columns).collect().equals(counted)
    for address in sorted(gone)[:3]:
        assert found_in(home / "lake", address) == []


def test_an_ad_that_is_published_again_keeps_what_it_comes_with(
    two_days: Any, sensor: dg.SensorDefinition, persistent: dg.DagsterInstance, store: Any
) -> None:
    history = stillingshendelser.history()
    over = ads.taken_down(history.scan(history.versions()), NOW).collect()
    assert sensor.job.execute_in_process(instance=persistent).success
    world = World(epoch=EPOCH, births=40)
    world.advance(DAYS[-1])
    came = (record for record in records(world.log) if isinstance(record, dict) and record.get("contactList"))
    again = next(record for record in came if record["uuid"] in set(over["uuid"]))
    again |= {"status": "ACTIVE", "privacy": "SHOW_ALL", "expires": "2099-01-01T00:00:00"}
    again["kafka"] |= {"offset": 1_000_000, "value": "all of it"}
    store(stillingshendelser.contract, {"2026-11-05-12:00": [again]})
    (kept,) = dp.scan("arbeidsplassen/stillingshendelser", "2026-11-05-12:00").collect().iter_rows(named=True)
    assert kept["melding"] == "all of it"
    assert len(kept["kontaktpersoner"]) == len(again["contactList"])
    assert taken_down() == {}
