"""The state of ads and the counts of them, worked out from events: in the order of the topic, masked, and with sums that tie."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from assets.arbeidsplassen import ads
from assets.arbeidsplassen.sandbox import World
from assets.arbeidsplassen.schemas import Stilling, StillingerPerNaering
from assets.enhetsregisteret.sandbox import World as Register
from dataproducts.contract import Contract
from dataproducts.quality.validation import validate
from tests.assets.arbeidsplassen.messages import CONTRACT, EPOCH, conformed, rows

DAYS = [EPOCH + timedelta(days=n) for n in range(10)]
STATES = Contract.of(Stilling, dataset="arbeidsplassen/stillinger", kind="snapshot")
COUNTS = Contract.of(StillingerPerNaering, dataset="arbeidsplassen/stillinger_per_naering")
PEOPLE = ("kontaktpersoner", "arbeidssteder", "arbeidsgiver_navn", "arbeidsgiver_orgnr", "arbeidsgiver_overordnet_orgnr", "stillingstittel")

AD: dict[str, Any] = {
    "id": 1,
    "uuid": "a",
    "created": "2026-11-01T08:00:00",
    "updated": "2026-11-01T08:00:00.5",
    "status": "ACTIVE",
    "privacy": "SHOW_ALL",
    "title": "Kokk søkes",
    "businessName": "PLOMPEDULT KAFE AS",
    "published": "2026-11-01T00:00",
    "expires": "2026-12-01T00:00:00",
    "contactList": [{"name": "Blimpa Humpetuttheim", "email": "blimpa@plompedult.example"}],
    "locationList": [{"municipal": "OSLO", "municipalCode": "0301", "address": "Prøveveien 1"}],
    "employer": {"name": "PLOMPEDULT KAFE AS", "orgnr": "800000197"},
    "properties": {"jobtitle": "Kokk", "positioncount": "2"},
}


def event(offset: int, *, partition: int = 0, at: str = "2026-11-02T10:00:00+00:00", **changed: Any) -> dict[str, Any]:
    """A record of one message about the ad."""
    own = {
        "partition": partition,
        "offset": offset,
        "timestamp": datetime.fromisoformat(at),
        "key": changed.get("uuid", "a"),
        "value": "{}",
    }
    return {"kafka": own, **AD, **changed}


def state(*records: dict[str, Any], day: date = EPOCH, before: pl.DataFrame | None = None) -> pl.DataFrame:
    """The ads at the end of the day; every rule of the contract is kept."""
    from dataproducts.quality.conform import conform

    found = conform(list(records), CONTRACT)
    assert len(found.refused) == 0, found.refused
    earlier = STATES.empty() if before is None else before
    frame = ads.at_end_of(day, earlier.lazy(), found.frame.lazy()).select(STATES.names).collect()
    assert dict(frame.schema) == dict(STATES.dtypes)
    assert validate(frame, STATES).broken == {}
    return frame


@pytest.fixture(scope="module")
def story() -> dict[date, pl.DataFrame]:
    """Ten days of a world, each made from the one before."""
    frames: dict[date, pl.DataFrame] = {}
    before = STATES.empty()
    for day, events in rows(World(epoch=EPOCH), DAYS).items():
        before = frames[day] = ads.at_end_of(day, before.lazy(), events).select(STATES.names).collect()
    return frames


def test_a_state_made_day_by_day_is_the_state_made_from_all_events_at_once(story: dict[date, pl.DataFrame]) -> None:
    world = World(epoch=EPOCH)
    for day in (DAYS[0], DAYS[-1]):
        world.advance(day)
        everything = conformed([e for e in world.log if e.sent < ads.end_of(day)]).frame.lazy()
        at_once = ads.at_end_of(day, STATES.empty().lazy(), everything).select(STATES.names).collect()
        assert at_once.sort("uuid").equals(story[day].sort("uuid"))
        assert validate(at_once, STATES).broken == {}


def test_the_last_event_in_the_topic_wins_whatever_its_timestamp() -> None:
    frame = state(
        event(7, title="sist", at="2026-11-02T09:00:00+00:00"),
        event(6, title="først", at="2026-11-02T11:00:00+00:00"),
    )
    assert frame["tittel"].to_list() == ["sist"]
    later = state(event(8, title="enda senere", at="2026-11-01T00:00:00+00:00"), day=DAYS[1], before=frame)
    assert later["tittel"].to_list() == ["enda senere"]
    assert later["kafka_offset"].to_list() == [8]


def test_of_a_key_that_moved_to_a_new_partition_the_later_event_wins() -> None:
    frame = state(event(900, title="gammel"), event(3, partition=4, title="ny", at="2026-11-02T12:00:00+00:00"))
    assert frame["tittel"].to_list() == ["ny"]


@pytest.mark.parametrize("status", ["INACTIVE", "STOPPED", "DELETED", "REJECTED"])
def test_an_ad_that_is_taken_down_names_nobody_from_that_day_on(status: str) -> None:
    frame = state(event(0), event(1, status=status))
    (row,) = frame.iter_rows(named=True)
    assert (row["status"], row["aktiv"], row["maskert"]) == (status, False, True)
    assert (row["tittel"], row["firmanavn"], row["kontaktpersoner"], row["arbeidssteder"]) == ("...", "", [], [])
    assert row["avsluttet"] == datetime(2026, 11, 2, 10, tzinfo=UTC)
    assert (row["kommunenummer"], row["antall_stillinger"]) == ("0301", 2)  # what figures need, and names nobody
    text = str(row)
    assert not any(word in text for word in ("Blimpa", "PLOMPEDULT", "800000197", "Kokk", "Prøveveien"))


def test_an_ad_that_is_not_for_all_is_masked_too() -> None:
    frame = state(event(0, privacy="INTERNAL_NOT_SHOWN"), event(1, uuid="b", privacy=None))
    assert frame["maskert"].to_list() == [True, True]


def test_an_ad_that_runs_out_is_masked_though_no_event_says_so() -> None:
    frame = state(
        event(0, expires="2026-11-03T00:00:00"), event(1, uuid="b", expires="2026-11-03T00:00:01"), event(2, uuid="c", expires=None)
    )
    assert dict(frame.select("uuid", "aktiv").iter_rows()) == {"a": False, "b": True, "c": True}
    assert frame.filter(uuid="a")["avsluttet"].item() == datetime(2026, 11, 2, 23, tzinfo=UTC)
    later = state(day=DAYS[1], before=frame)
    assert dict(later.select("uuid", "maskert").iter_rows()) == {"a": True, "b": True, "c": False}


def test_an_ad_that_waits_to_be_published_is_not_active_and_loses_nothing_meanwhile() -> None:
    waiting = state(event(0, published="2026-11-04T00:00:00"))
    assert waiting.select("aktiv", "maskert").row(0) == (False, False)
    published = state(day=date(2026, 11, 4), before=waiting)
    assert published["aktiv"].to_list() == [True]
    assert published["kontaktpersoner"].list.len().to_list() == [1]


def test_an_ad_that_is_published_again_is_whole_again() -> None:
    stopped = state(event(0), event(1, status="STOPPED", contactList=[]))
    again = state(event(2, title="Kokk søkes igjen"), day=DAYS[1], before=stopped)
    assert again.select("aktiv", "maskert", "avsluttet", "tittel", "arbeidsgiver_orgnr").row(0) == (
        True, False, None, "Kokk søkes igjen", "800000197",
    )  # fmt: skip


def test_an_ad_leaves_thirty_days_after_it_was_taken_down_and_comes_back_with_an_event() -> None:
    frame = state(event(0), event(1, status="STOPPED"), event(2, uuid="b", expires=None))
    assert state(day=EPOCH + timedelta(days=29), before=frame)["uuid"].sort().to_list() == ["a", "b"]
    left = state(day=EPOCH + timedelta(days=30), before=frame)
    assert left["uuid"].to_list() == ["b"]
    back = state(event(3, expires=None), day=EPOCH + timedelta(days=40), before=left)
    assert back["uuid"].sort().to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("written", "count"), [("3", 3), (" 3 ", 3), ("Flere", 1), ("", 1), (None, 1), ("0", 0), ("-2", 1), ("3.5", 1), ("12345678", 1)]
)
def test_positions_are_counted_where_the_source_writes_a_number(written: str | None, count: int) -> None:
    assert state(event(0, properties={"positioncount": written}))["antall_stillinger"].to_list() == [count]
    assert state(event(0, properties={}))["antall_stillinger"].to_list() == [1]


def test_every_status_is_there_and_no_masked_ad_names_anybody(story: dict[date, pl.DataFrame]) -> None:
    last = story[DAYS[-1]]
    assert set(last["status"]) == {"ACTIVE", "INACTIVE", "STOPPED", "DELETED", "REJECTED"}
    silent = last.filter(pl.col("maskert") & (pl.col("status") == "ACTIVE") & (pl.col("synlighet") == "SHOW_ALL"))
    assert silent.height > 5  # run out without a word
    for frame in story.values():
        masked = frame.filter("maskert")
        assert masked.filter(pl.col("kontaktpersoner").list.len() + pl.col("arbeidssteder").list.len() > 0).height == 0
        assert masked.select(pl.col(PEOPLE[2:])).null_count().row(0) == (masked.height,) * 4
        assert frame.filter("aktiv")["kontaktpersoner"].list.len().min() > 0


def test_the_ads_of_a_day_do_not_grow_without_end(story: dict[date, pl.DataFrame]) -> None:
    long = World(epoch=EPOCH, births=3)
    before, heights = STATES.empty(), []
    days = [EPOCH + timedelta(days=n) for n in range(100)]
    for day, events in rows(long, days).items():
        before = ads.at_end_of(day, before.lazy(), events).select(STATES.names).collect()
        heights.append(before.height)
    assert max(heights[50:]) < 2 * min(heights[50:])


# Counts

UNITS = pl.DataFrame(
    {
        "organisasjonsnummer": ["800000197", "800000278", "800000359"],
        "naeringskode1_kode": ["56.101", "47.111", None],
        "naeringskode1_beskrivelse": ["Drift av restauranter og kafeer", "Butikkhandel", None],
    }
)


def count(frame: pl.DataFrame, units: pl.DataFrame = UNITS, day: date = EPOCH) -> pl.DataFrame:
    """The counts; every rule of the contract is kept."""
    counted = ads.per_industry(day, frame.lazy(), units.lazy()).select(COUNTS.names).collect()
    assert dict(counted.schema) == dict(COUNTS.dtypes)
    assert validate(counted, COUNTS).broken == {}
    return counted.sort("naeringskode", "kommunenummer")


def test_ads_are_counted_by_the_industry_of_the_sub_unit_and_the_first_place_of_work() -> None:
    bergen = [{"municipal": "BERGEN", "municipalCode": "4601"}, {"municipal": "OSLO", "municipalCode": "0301"}]
    frame = state(
        event(0),
        event(1, uuid="b"),
        event(2, uuid="c", locationList=bergen),
        event(3, uuid="d", employer={"name": "X", "orgnr": "800000278"}),
        event(4, uuid="e", status="STOPPED"),
    )
    assert count(frame).drop("naeringskode_beskrivelse", "dag").rows() == [
        ("47.111", "0301", "OSLO", 1, 2),
        ("56.101", "0301", "OSLO", 2, 4),
        ("56.101", "4601", "BERGEN", 1, 2),
    ]


def test_what_the_register_does_not_know_is_counted_as_unknown_and_not_left_out() -> None:
    abroad = [{"country": "SVERIGE", "municipal": "STRÖMSTAD"}]
    frame = state(
        event(0, employer={"name": "X", "orgnr": "809990001"}),
        event(1, uuid="b", employer={"name": "X", "orgnr": None}),
        event(2, uuid="c", employer=None, locationList=[]),
        event(3, uuid="d", employer={"name": "X", "orgnr": "800000359"}, locationList=abroad),
    )
    assert count(frame).drop("dag").rows() == [("ukjent", None, "0301", "OSLO", 2, 4), ("ukjent", None, "ukjent", None, 2, 4)]


def test_counts_sum_to_the_active_ads_and_mostly_have_an_industry(story: dict[date, pl.DataFrame]) -> None:
    units = pl.DataFrame(
        [
            {
                "organisasjonsnummer": unit["organisasjonsnummer"],
                "naeringskode1_kode": (unit.get("naeringskode1") or {}).get("kode"),
                "naeringskode1_beskrivelse": (unit.get("naeringskode1") or {}).get("beskrivelse"),
            }
            for unit in Register().bulk("underenheter")
        ],
        schema=UNITS.schema,
    )
    for day, frame in story.items():
        counted, active = count(frame, units, day), frame.filter("aktiv")
        assert counted["antall_annonser"].sum() == active.height
        assert counted["antall_stillinger"].sum() == active["antall_stillinger"].sum()
        unknown = counted.filter(naeringskode="ukjent")["antall_annonser"].sum() / active.height
        assert 0 < unknown < 0.12
        assert counted["dag"].unique().to_list() == [day]


def test_a_register_with_a_unit_twice_is_refused_rather_than_counted_twice() -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        count(state(event(0)), pl.concat([UNITS, UNITS]))


def test_a_day_without_active_ads_has_no_counts() -> None:
    assert count(state(event(0, status="STOPPED"))).height == 0


def test_counts_hold_nothing_that_names_anybody() -> None:
    assert Counter(c.personal for c in COUNTS.columns) == {"none": len(COUNTS.columns)}
