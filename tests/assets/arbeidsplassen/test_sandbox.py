"""The synthetic topic: the same every time, of the shape of the real one, lifelike, and about nobody."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assets.arbeidsplassen.sandbox import World
from assets.arbeidsplassen.sandbox.ads import employers, local, strangers
from assets.enhetsregisteret.sandbox import World as Register
from dataproducts.errors import ConfigurationError
from tests.assets.arbeidsplassen.messages import EPOCH, conformed

MONTH = [EPOCH + timedelta(days=n) for n in range(30)]


@pytest.fixture(scope="module")
def world() -> World:
    world = World(epoch=EPOCH)
    world.advance(MONTH[-1])
    return world


@pytest.fixture(scope="module")
def whole(world: World) -> list[dict[str, Any]]:
    """The values of all messages that are whole."""
    found = []
    for event in world.log:
        try:
            value = json.loads(event.value or b"null")
        except ValueError:
            continue
        if isinstance(value, dict) and not any(value[name] == "ukjent" for name in ("id", "contactList", "created", "employer")):
            found.append(value)
    return found


def test_a_world_is_the_same_every_time_and_another_seed_is_another_world(world: World) -> None:
    again = World(epoch=EPOCH)
    for day in MONTH[:5]:
        again.advance(day)
    assert again.log == world.log[: len(again.log)]
    assert again.events(MONTH[3]) == world.events(MONTH[3])
    assert World(epoch=EPOCH, seed=2).log[0] != world.log[0]


def test_a_day_has_some_hundred_events_and_sunday_fewer(world: World) -> None:
    counts = {day: len(world.events(day)) for day in MONTH}
    assert all(150 < count < 500 for day, count in counts.items() if day.weekday() < 5)
    assert all(15 < count < 120 for day, count in counts.items() if day.weekday() >= 5)


def test_everything_that_can_happen_to_an_ad_happens(whole: list[dict[str, Any]]) -> None:
    stories: dict[str, list[str]] = {}
    for value in whole:
        stories.setdefault(value["uuid"], []).append(value["status"])
    steps = {(a, b) for story in stories.values() for a, b in zip(story, story[1:], strict=False)}
    assert {status for story in stories.values() for status in story} == {"ACTIVE", "INACTIVE", "STOPPED", "DELETED", "REJECTED"}
    assert {("ACTIVE", "ACTIVE"), ("ACTIVE", "STOPPED"), ("STOPPED", "ACTIVE"), ("STOPPED", "DELETED")} <= steps
    assert {("INACTIVE", "ACTIVE"), ("INACTIVE", "REJECTED"), ("ACTIVE", "INACTIVE")} <= steps
    assert {value["privacy"] for value in whole} == {"SHOW_ALL", "INTERNAL_NOT_SHOWN"}
    assert {value["source"] for value in whole} == {"AMEDIA", "FINN", "DIR", "ASS"}
    refused = [value for value in whole if value["status"] == "REJECTED"]
    assert all(value["administration"]["remarks"] for value in refused)
    assert all(re.fullmatch(r"X00\d{4}", value["administration"]["navIdent"]) for value in refused)


def test_some_sources_empty_the_contacts_of_a_stopped_ad_and_some_leave_that_to_us(whole: list[dict[str, Any]]) -> None:
    stopped = Counter(bool(value["contactList"]) for value in whole if value["status"] == "STOPPED")
    assert min(stopped[True], stopped[False]) > 50
    assert not any(value["contactList"] for value in whole if value["status"] == "DELETED")


def test_messages_have_every_field_of_the_ad_and_times_without_a_zone(whole: list[dict[str, Any]]) -> None:
    fields = (
        "id uuid createdBy updatedBy created updated contactList mediaList locationList properties title status privacy source medium "
        "reference published expires employer categoryList businessName administration publishedByAdmin"
    )
    assert {frozenset(value) for value in whole} == {frozenset(fields.split())}
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{6})?)?", value[name]) for value in whole for name in ("created", "expires")
    )
    assert all(isinstance(v, str) for value in whole for v in value["properties"].values())


def test_employers_are_found_in_the_synthetic_register_but_for_a_few(whole: list[dict[str, Any]]) -> None:
    known = {unit["organisasjonsnummer"] for unit in Register().bulk("underenheter")}
    assert {employer.number for employer in employers()} <= known
    assert not known & set(strangers())
    numbers = [(value["employer"] or {}).get("orgnr") for value in whole]
    hits = sum(number in known for number in numbers) / len(numbers)
    assert 0.88 < hits < 0.97
    assert any(number is None for number in numbers)
    assert any(number in strangers() for number in numbers)


def test_nobody_in_it_can_be_real(whole: list[dict[str, Any]]) -> None:
    """Domains that never exist (RFC 2606) and telephones of a series that is not given out."""
    everything = json.dumps(whole)
    assert set(re.findall(r"[\w.-]+@[\w.-]*?(\.\w+)\b", everything)) == {".example"}
    assert set(re.findall(r"https?://[^/\"]*?(\.\w+)[/\"\\]", everything)) == {".example"}
    phones = [contact["phone"] for value in whole for contact in value["contactList"]]
    assert all(phone.startswith("00 ") for phone in phones)


def test_messages_come_late_and_out_of_order(world: World) -> None:
    late = [event for event in world.log if event.sent - event.at > timedelta(minutes=1)]
    assert 0.01 < len(late) / len(world.log) < 0.06
    assert any(event.sent.date() > event.at.date() for event in late)
    assert [event.sent for event in world.log] == sorted(event.sent for event in world.log)
    assert any(a.at > b.at for a, b in zip(world.log, world.log[1:], strict=False))


def test_broken_messages_are_rare_of_every_kind_and_never_all_there_is_of_an_ad(world: World) -> None:
    found = conformed(world.log)
    kinds = Counter(rule.removeprefix("stilling_") for rules in found.refused.rules for rule in rules)
    assert 0.0005 < len(found.refused) / len(world.log) < 0.01
    assert set(kinds) >= {"not_an_object"}
    assert len(kinds) > 2
    assert {event.key for event in world.log} == set(found.frame["uuid"])
    assert any(event.value is None for event in world.log)
    assert found.unknown_fields == set()


def test_an_ad_of_the_night_when_the_clock_is_changed_has_a_time_that_exists() -> None:
    world = World(epoch=date(2026, 10, 24), births=60)
    world.advance(date(2026, 10, 26))
    assert len(world.events(date(2026, 10, 25))) > 0
    spring = World(epoch=date(2027, 3, 27), births=60)
    spring.advance(date(2027, 3, 29))
    assert not [e for e in spring.log if local(e.at)[:13] == "2027-03-28T02"]
    assert conformed(spring.log).frame["oppdatert"].max() < datetime(2027, 3, 30, tzinfo=UTC)


def test_a_world_without_ads_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one new ad a day, not 0"):
        World(births=0)
