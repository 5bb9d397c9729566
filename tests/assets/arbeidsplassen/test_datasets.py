"""The datasets of Arbeidsplassen, whole: from the topic through events and states to the counts, and what Dagster is told of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import dataproducts as dp
from assets.arbeidsplassen import ads
from assets.arbeidsplassen.checks import sums_to_active_ads
from assets.arbeidsplassen.datasets import daily, hourly, product, stillinger, stillinger_per_naering, stillingshendelser
from assets.arbeidsplassen.sandbox import TOPIC, Event, Sandbox, World
from assets.arbeidsplassen.schedules import arbeidsplassen_hourly
from assets.arbeidsplassen.schemas import Stillingshendelse
from assets.enhetsregisteret.datasets import underenheter
from assets.enhetsregisteret.sandbox import World as Register
from dataproducts.materialization import Limits, Materializer
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.sandbox import sandbox_broker
from dataproducts.ports.kafka.synthetic import send
from dataproducts.quality.quarantine import Quarantine
from tests.assets.arbeidsplassen.messages import records

DAY, KEY = date(2026, 11, 1), "2026-11-01"
HOURS = ("2026-11-01-00:00", "2026-11-01-23:00")
BROKEN = [b"<html>", None, b'{"uuid": "half', b'["a"]', b"\xff\xfe", b'{"id": "x", "uuid": "a", "status": "ACTIVE"}']


@dataclass(frozen=True)
class Story:
    """A day, from the topic to the counts."""

    lake: str
    world: World
    kafka: Kafka
    instance: Any
    results: dict[str, Any]

    def passed(self, name: str) -> dict[str, bool]:
        """Checks of a run by name."""
        return {e.check_name: e.passed for e in self.results[name].get_asset_check_evaluations()}


def run(dataset: Any, instance: Any, *, partition: str | None = None, span: tuple[str, str] = ("", ""), kafka: Any = "not needed") -> Any:
    tags = {} if partition else {"dagster/asset_partition_range_start": span[0], "dagster/asset_partition_range_end": span[1]}
    return dg.materialize(
        [*product.datasets.values(), sums_to_active_ads],
        selection=dg.AssetSelection.assets(dataset.key),
        partition_key=partition,
        tags=tags,
        resources={"kafka": kafka},
        instance=instance,
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    lake = str(tmp_path_factory.mktemp("lake"))
    world = World(epoch=DAY, births=60)
    with sandbox_broker() as addresses, dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAPRODUCTS_LAKE", lake)
        kafka = Kafka(Brokers(addresses))
        sandbox = Sandbox(world, brokers=addresses)
        sandbox.start()
        at = ads.end_of(DAY) - timedelta(hours=4)
        send([Event(at, at, f"broken-{n}", value) for n, value in enumerate(BROKEN)], kafka.producer(), TOPIC)
        sandbox.travel(DAY)
        sandbox.stop()
        _register(lake)
        results = {
            "stillingshendelser": run(stillingshendelser, instance, span=HOURS, kafka=kafka),
            "stillinger": run(stillinger, instance, partition=KEY),
            "stillinger_per_naering": run(stillinger_per_naering, instance, partition=KEY),
        }
        yield Story(lake, world, kafka, instance, results)


def _register(lake: str) -> None:
    """The sub-units of the day, without a register."""
    import logging

    materializer = Materializer(lake, underenheter.contract, Limits(refused_share=0.01), run="test", log=logging.getLogger("test"))
    report = materializer.materialize([KEY], lambda _: list(Register().bulk("underenheter")))
    assert not report.failed


@pytest.fixture(autouse=True)
def lake_of_the_story(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "story" in request.fixturenames:
        monkeypatch.setenv("DATAPRODUCTS_LAKE", request.getfixturevalue("story").lake)


def last_of_each(world: World) -> dict[str, dict[str, Any]]:
    """The last whole message of each ad, read as anybody would."""
    found: dict[str, dict[str, Any]] = {}
    for event in world.log:
        if event.sent < ads.end_of(DAY):
            try:
                value = json.loads(event.value or b"null")
            except ValueError:
                continue
            if isinstance(value, dict) and isinstance(value["id"], int) and value["contactList"] != "ukjent":
                found[value["uuid"]] = value
    return found


def test_every_run_of_the_day_ends_well_and_every_check_passes_but_that_of_broken_messages(story: Story) -> None:
    assert {name: result.success for name, result in story.results.items()} == dict.fromkeys(story.results, True)
    failed = {name: [check for check, ok in story.passed(name).items() if not ok] for name in story.results}
    assert failed == {"stillingshendelser": ["shape"], "stillinger": [], "stillinger_per_naering": []}


def test_every_message_is_a_row_or_in_quarantine_once(story: Story) -> None:
    sent = [event for event in story.world.log if event.sent < ads.end_of(DAY)]
    events = dp.read("arbeidsplassen/stillingshendelser")
    refused = Quarantine(story.lake, "arbeidsplassen/stillingshendelser").rows()
    assert len(events) + refused.height == len(sent) + len(BROKEN)
    assert refused.height >= len(BROKEN)
    whole = {(e.key, (e.value or b"").decode(errors="replace")) for e in sent}
    assert {(row.kafka_noekkel, row.melding) for row in events.itertuples()} <= whole


def test_broken_messages_are_in_quarantine_byte_for_byte(story: Story) -> None:
    kept = [json.loads(row) for row in Quarantine(story.lake, "arbeidsplassen/stillingshendelser").rows()["received"]]
    undecoded = {r["undecoded"]["value_base64"] for r in kept if "undecoded" in r}
    assert {None if raw is None else base64.b64encode(raw).decode() for raw in BROKEN[:5]} <= undecoded
    assert any(r.get("id") == "x" and r["kafka"]["key"] == "broken-5" for r in kept)  # JSON, but of another shape


def test_an_event_is_renamed_and_typed_and_not_otherwise_altered(story: Story) -> None:
    event = (
        dp.scan("arbeidsplassen/stillingshendelser").filter(pl.col("arbeidsgiver_orgnr").is_not_null()).head(1).collect().row(0, named=True)
    )
    sent = json.loads(event["melding"])
    oslo = datetime.fromisoformat(sent["created"]).replace(tzinfo=ads.OSLO)
    assert event["opprettet"] == oslo.astimezone(UTC)
    assert event["kontaktpersoner"] == sent["contactList"]
    assert (event["arbeidsgiver_orgnr"], event["tittel"]) == (sent["employer"]["orgnr"], sent["title"])
    assert event["annonsetekst"] == sent["properties"]["adtext"]
    assert event["ukjente_felt"] is None


def test_the_ads_of_the_day_are_the_last_message_of_each(story: Story) -> None:
    expected = last_of_each(story.world)
    ours = dp.read("arbeidsplassen/stillinger")
    assert dict(zip(ours["uuid"], ours["status"], strict=True)) == {uuid: ad["status"] for uuid, ad in expected.items()}
    active = {
        uuid
        for uuid, ad in expected.items()
        if ad["status"] == "ACTIVE" and ad["privacy"] == "SHOW_ALL" and ad["expires"] > "2026-11-02T00:00:00" > ad["published"]
    }
    assert set(ours[ours["aktiv"]]["uuid"]) == active


def test_no_contact_person_of_an_ad_that_was_taken_down_is_among_the_ads_of_that_day(story: Story) -> None:
    down = {uuid: ad for uuid, ad in last_of_each(story.world).items() if ad["status"] in ("STOPPED", "DELETED", "REJECTED")}
    named = {uuid: ad["contactList"][0] for uuid, ad in down.items() if ad["contactList"]}
    assert named  # the topic does name them
    rows = dp.scan("arbeidsplassen/stillinger").filter(pl.col("uuid").is_in(list(down))).collect()
    assert rows.height == len(down)
    for row in rows.iter_rows(named=True):
        assert (row["tittel"], row["kontaktpersoner"], row["arbeidsgiver_orgnr"]) == ("...", [], None)
        contact = named.get(row["uuid"])
        assert contact is None or not any(contact[part] in str(row) for part in ("name", "email", "phone"))


def test_the_counts_sum_to_the_active_ads_and_find_the_register(story: Story) -> None:
    counts, ours = dp.read("arbeidsplassen/stillinger_per_naering"), dp.read("arbeidsplassen/stillinger")
    active = ours[ours["aktiv"]]
    assert counts["antall_annonser"].sum() == len(active) > 500
    assert counts["antall_stillinger"].sum() == active["antall_stillinger"].sum()
    unknown = counts[counts["naeringskode"] == "ukjent"]["antall_annonser"].sum()
    assert 0 < unknown < 0.12 * len(active)
    assert story.passed("stillinger_per_naering")["sums_to_active_ads"]


def test_each_day_says_which_versions_it_was_made_from(story: Story) -> None:
    state, counts = dp.versions("arbeidsplassen/stillinger")[0], dp.versions("arbeidsplassen/stillinger_per_naering")[0]
    hours = [f"2026-11-01-{hour:02d}:00" for hour in range(24)]
    assert state.note["inputs"] == {
        "arbeidsplassen/stillinger": [],
        "arbeidsplassen/stillingshendelser": [[hour, 1] for hour in hours],
    }
    assert counts.note["inputs"] == {"arbeidsplassen/stillinger": [[KEY, 1]], "enhetsregisteret/underenheter": [[KEY, 1]]}


def test_to_make_the_days_again_changes_nothing(story: Story) -> None:
    for dataset in (stillinger, stillinger_per_naering):
        assert run(dataset, story.instance, partition=KEY).success
        assert len(dp.versions(dataset.contract.dataset)) == 1


def test_a_day_waits_for_its_hours_and_for_the_register_of_that_day(story: Story) -> None:
    result = run(stillinger, story.instance, partition="2026-11-02")
    (event,) = result.get_step_failure_events()
    assert (
        "arbeidsplassen/stillingshendelser has no partition '2026-11-02-00:00' yet" in event.step_failure_data.user_failure_data.description
    )
    result = run(stillinger_per_naering, story.instance, partition="2026-11-02")
    (event,) = result.get_step_failure_events()
    assert "'2026-11-02'" in event.step_failure_data.user_failure_data.description


def test_counts_that_do_not_sum_to_the_ads_fail_the_check(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import logging
    import shutil

    copy = shutil.copytree(story.lake, tmp_path / "lake")
    monkeypatch.setenv("DATAPRODUCTS_LAKE", str(copy))
    counts = dp.scan("arbeidsplassen/stillinger_per_naering").collect()
    wrong = counts.with_columns(antall_annonser=pl.col("antall_annonser") + (pl.int_range(pl.len()) == 0).cast(pl.Int64))
    contract = stillinger_per_naering.contract
    inputs = dp.versions(contract.dataset)[0].note["inputs"]
    materializer = Materializer(str(copy), contract, Limits(), run="test", log=logging.getLogger("test"))
    assert not materializer.materialize([KEY], lambda _: wrong, note=lambda _: {"inputs": inputs}).failed
    ours = sums_to_active_ads(dg.build_asset_check_context())
    assert not ours.passed
    assert "are active" in str(ours.metadata[KEY])


def test_the_sql_example_finds_the_industries_with_most_ads(story: Story) -> None:
    import duckdb

    counts = dp.scan("arbeidsplassen/stillinger_per_naering").collect().to_arrow()
    with duckdb.connect() as database:
        database.register("counts", counts)
        database.execute("CREATE SCHEMA arbeidsplassen")
        database.execute("CREATE TABLE arbeidsplassen.stillinger_per_naering AS SELECT * FROM counts")
        found = database.execute((product.folder / "examples" / "stoerste_naeringer.sql").read_text(encoding="utf-8")).fetchall()
    ours = dp.read("arbeidsplassen/stillinger_per_naering").groupby("naeringskode")["antall_annonser"].sum()
    assert len(found) == 10
    assert found[0][2] == ours.max()


# What Dagster and consumers are told


def test_lineage_runs_from_the_topic_to_the_counts() -> None:
    above = {name: {"/".join(d.asset_key.path) for d in dataset.get_asset_spec().deps} for name, dataset in product.datasets.items()}
    assert above == {
        "stillingshendelser": {"arbeidsplassen/source/teampam.stilling-historikk"},
        "stillinger": {"arbeidsplassen/stillinger", "arbeidsplassen/stillingshendelser"},
        "stillinger_per_naering": {"arbeidsplassen/stillinger", "enhetsregisteret/underenheter"},
    }
    ports = {"/".join(port.key.path): port for port in product.ports["stillinger_per_naering"]}
    assert list(ports) == ["arbeidsplassen/stillinger_per_naering/bigquery", "arbeidsplassen/stillinger_per_naering/kafka"]
    assert {dep.asset_key for port in ports.values() for spec in port.specs for dep in spec.deps} == {stillinger_per_naering.key}


def test_the_catalog_leads_from_the_topic_to_the_table_and_the_topic_of_the_counts(tmp_path: Path) -> None:
    from dataproducts.catalog import graph
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.store import Store
    from dataproducts.definitions import products
    from dataproducts.messages import Definition
    from dataproducts.publication.describe import bodies

    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    database.migrate()
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    given = [(subject, {subject.partition(":")[0]: body}) for subject, body in bodies(products())]
    Store(database).apply([Definition(location="here", subject=subject, observed_at=moment, **body) for subject, body in given])
    events, ads, counts = (f"dataset:arbeidsplassen/{name}" for name in ("stillingshendelser", "stillinger", "stillinger_per_naering"))
    with database.reading() as connection:
        above = graph.lineage(connection, counts, up=4, down=0)
        ports = {edge.target for edge in graph.edges(connection, counts, "out", label="published_through")}
        uuid = "column:arbeidsplassen/stillingshendelser/uuid"
        fields = {edge.target.partition("#")[0] for edge in graph.edges(connection, uuid, "out", label="derived_from")}
    source = "source:arbeidsplassen/teampam.stilling-historikk"
    assert {(source, events), (events, ads), (ads, counts)} <= set(above.edges)
    assert fields == {source}  # the same node, whether one comes from the dataset or from its columns
    assert ports == {f"port:arbeidsplassen/stillinger_per_naering/{name}" for name in ("bigquery", "kafka", "lake")}


def test_people_are_classed_as_people_and_datasets_with_them_are_restricted() -> None:
    directly = {c.name for c in stillingshendelser.contract.columns if c.personal == "directly_identifying"}
    assert {
        "melding",
        "kontaktpersoner",
        "arbeidsgiver_kontaktpersoner",
        "administrasjon_saksbehandler",
        "administrasjon_ident",
    } <= directly
    assert all(c.description for d in product.datasets.values() for c in d.contract.columns)
    assert {name: (d.declaration.access, d.declaration.personal) for name, d in product.datasets.items()} == {
        "stillingshendelser": ("restricted", "directly_identifying"),
        "stillinger": ("restricted", "directly_identifying"),
        "stillinger_per_naering": ("internal", "none"),
    }
    assert not any(c.name.startswith("administrasjon") for c in stillinger.contract.columns)


# When


def tick(now: datetime, instance: Any) -> Any:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=now)
    return arbeidsplassen_hourly(context)


def test_the_schedule_asks_for_the_hours_that_are_over_and_missing_in_order(instance: Any, store: Any) -> None:
    asked = tick(datetime(2026, 11, 1, 4, 3, tzinfo=ads.OSLO), instance)
    assert asked.tags == {
        "dagster/asset_partition_range_start": "2026-11-01-00:00",
        "dagster/asset_partition_range_end": "2026-11-01-03:00",
    }
    contract = dp.Contract.of(Stillingshendelse, dataset="arbeidsplassen/stillingshendelser")
    first = [r for r in records(World(epoch=DAY, births=1).log) if isinstance(r, dict)][:2]
    store(contract, {f"2026-11-01-0{hour}:00": first if hour == 0 else [] for hour in range(4)})
    again = tick(datetime(2026, 11, 1, 4, 3, tzinfo=ads.OSLO), instance)
    assert isinstance(again, dg.SkipReason)
    asked = tick(datetime(2026, 11, 1, 5, 3, tzinfo=ads.OSLO), instance)
    assert (asked.partition_key, asked.run_key.split(":2026")[0]) == ("2026-11-01-04:00", "2026-11-01-04:00..2026-11-01-04:00")


def test_the_schedule_catches_up_a_month_at_a_time(instance: Any) -> None:
    asked = tick(datetime(2027, 1, 15, 4, 3, tzinfo=ads.OSLO), instance)
    assert asked.tags["dagster/asset_partition_range_end"] == "2026-12-01-23:00"


def test_a_laptop_whose_broker_begins_anew_goes_on_where_it_was(instance: Any) -> None:
    """The sandbox broker ends with `dataproducts up`; the next one is sent everything again, at the same offsets."""
    for first, last in (("2026-11-01-00:00", "2026-11-01-09:00"), ("2026-11-01-10:00", "2026-11-01-12:00")):
        with sandbox_broker() as addresses:
            sandbox = Sandbox(World(epoch=DAY, births=20), brokers=addresses)
            sandbox.start()
            sandbox.travel(DAY)
            assert run(stillingshendelser, instance, span=(first, last), kafka=Kafka(Brokers(addresses))).success
            sandbox.stop()
    events = dp.read("arbeidsplassen/stillingshendelser", columns=["kafka_partisjon", "kafka_offset", "melding"])
    noon = datetime(2026, 11, 1, 13, tzinfo=ads.OSLO)
    sent = [e.value.decode() for e in sandbox.world.log if e.sent < noon and e.sent - e.at < timedelta(minutes=1) and e.value]
    assert not events.duplicated(["kafka_partisjon", "kafka_offset"]).any()
    assert set(sent) <= set(events["melding"])
    assert len(sent) > 240


def test_the_hour_that_comes_twice_is_two_hours_of_the_topic(materialize: Any) -> None:
    """In the night of 25 October 2026 the hour from two comes twice; each message is in one of them."""
    night = dp.DataProduct(product.folder)
    night.dataset(
        schema=Stillingshendelse,
        partitions=dg.HourlyPartitionsDefinition("2026-10-25-01:00", timezone="Europe/Oslo"),
        source=dp.TopicInput("pam.night"),
        row_change=None,
        name="night",
    )(stillingshendelser.function)
    log = World(epoch=DAY, births=1).log[:8]
    start = datetime(2026, 10, 24, 23, tzinfo=UTC)
    moved = [Event(at := start + timedelta(minutes=30 * n), at, e.key, e.value) for n, e in enumerate(log)]
    with sandbox_broker() as addresses:
        kafka = Kafka(Brokers(addresses))
        send(moved, kafka.producer(), "pam.night")
        ran = materialize(night, "night", span=("2026-10-25-01:00", "2026-10-25-03:00"), resources={"kafka": kafka})
    assert ran.success
    counts = {v.partition: v.rows for v in dp.versions("arbeidsplassen/night")}
    assert counts == {"2026-10-25-01:00": 2, "2026-10-25-02:00": 2, "2026-10-25-02:00+0100": 2, "2026-10-25-03:00": 2}
    placed = dp.scan("arbeidsplassen/night").select("kafka_tidspunkt").collect().to_series().sort().to_list()
    assert placed == [event.at for event in moved]


def test_days_and_hours_begin_together_in_norwegian_time() -> None:
    assert hourly.start == daily.start
    assert hourly.timezone == daily.timezone == "Europe/Oslo"
