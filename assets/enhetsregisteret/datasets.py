"""The datasets of Enhetsregisteret: each day's bulk files, the update events, and what follows from them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

import dataproducts as dp
from assets.enhetsregisteret.register import Kind, Register, UnitKind
from assets.enhetsregisteret.schemas import (
    Enhet,
    Oppdatering,
    Organisasjonsform,
    Rolle,
    Underenhet,
    event_record,
    role_records,
)
from dataproducts import settings
from dataproducts.errors import ConfigurationError, PartitionUnavailable

product = dp.DataProduct(__file__)

OSLO = ZoneInfo("Europe/Oslo")


def _first_day() -> str:
    """The day a team began to keep the register; days before it were never to be had. On a laptop, the day that `up` began with."""
    day = os.environ.get("ENHETSREGISTERET_START")
    if not day:
        return (settings.first_day() or date(2026, 11, 1)).isoformat()
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        text = f"ENHETSREGISTERET_START is {day!r}, which is not a day; write it as 2026-11-01"
        raise ConfigurationError(text) from None


daily = dg.DailyPartitionsDefinition(
    start_date=_first_day(),
    timezone="Europe/Oslo",
    end_offset=1,  # the register publishes today's file in the morning
)
API = "https://data.brreg.no/enhetsregisteret/api"


def _source(path: str, description: str) -> dp.Source:
    return dp.Source(path.strip("/").replace("/", "_"), description, f"{API}{path}")


@product.dataset(
    schema=Enhet,
    kind="snapshot",
    partitions=daily,
    source=_source("/enheter/lastned", "Samlefilen over alle enheter, bygget hver natt."),
    quarantine=0.01,
    freshness=timedelta(hours=36),
    title="Enheter",
    personal="possibly_identifying",
    ports=[dp.BigQuery(), dp.Topic("team-register.enheter", partitions=4)],
)
def enheter(partition: str, register: Register) -> dp.Result:
    """Alle enheter i Enhetsregisteret slik registeret viste dem den dagen."""
    return _bulk("enheter", partition, register)


@product.dataset(
    schema=Underenhet,
    kind="snapshot",
    partitions=daily,
    source=_source("/underenheter/lastned", "Samlefilen over alle underenheter, bygget hver natt."),
    quarantine=0.01,
    freshness=timedelta(hours=36),
    title="Underenheter",
    personal="possibly_identifying",
)
def underenheter(partition: str, register: Register) -> dp.Result:
    """Alle underenheter (bedrifter) i Enhetsregisteret slik registeret viste dem den dagen."""
    return _bulk("underenheter", partition, register)


@product.dataset(
    schema=Rolle,
    kind="snapshot",
    partitions=daily,
    source=_source("/roller/totalbestand", "Samlefilen over alle roller, bygget hver natt."),
    quarantine=0.01,
    freshness=timedelta(hours=36),
    title="Roller",
    access="restricted",
    personal="directly_identifying",
)
def roller(partition: str, register: Register) -> dp.Result:
    """Rollene i alle enheter: styre, daglig leder, revisor og andre. Navn og fødselsdato er personopplysninger."""
    return _bulk("roller", partition, register)


@product.dataset(
    schema=Oppdatering,
    partitions=daily,
    source=_source("/oppdateringer/enheter", "Hendelsene i registeret: nye, endrede, slettede og fjernede enheter."),
    quarantine=0.01,
    row_change=None,  # the monthly employee update makes some days many times larger than others
    title="Oppdateringer",
    personal="possibly_identifying",
)
def oppdateringer(partition: str, register: Register) -> dp.Result:
    """Dagens hendelser for enheter og underenheter, med endringene registeret sender."""
    start = datetime.combine(date.fromisoformat(partition), time(), OSLO)
    until = datetime.combine(start.date() + timedelta(days=1), time(), OSLO)
    kinds: list[tuple[UnitKind, Any]] = [("enheter", "enhet"), ("underenheter", "underenhet")]
    records = [
        event_record(event, label) for kind, label in kinds for page in register.updates(kind, since=start, until=until) for event in page
    ]
    removed = [r["organisasjonsnummer"] for r in records if r.get("endringstype") == "Fjernet"]
    # "Fjernet" is removed for legal reasons: whoever erases reads the list from the version's note
    return dp.Result(records, metadata={"removed_units": removed} if removed else {})


@product.dataset(
    schema=Organisasjonsform,
    least_rows=1,
    source=_source("/organisasjonsformer", "Kodelisten over organisasjonsformer."),
    freshness=timedelta(days=7),
    title="Organisasjonsformer",
    access="open",
    personal="none",
    personal_reason="Kodeliste over organisasjonsformer; den sier ikke noe om enkelte enheter eller personer.",
    ports=[dp.Package()],
)
def organisasjonsformer(register: Register) -> list[dict[str, Any]]:
    """Kodelisten over organisasjonsformer."""
    return register.organization_forms()


enheter_historikk = product.history(
    enheter,
    name="enheter_historikk",
    title="Enheter, historikk",
    description="Tidsrommene hver enhet sto uendret i registeret, fra og med valid_from til (men ikke med) valid_to.",
    automation=dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window()),
)


def _bulk(kind: Kind, partition: str, register: Register) -> dp.Result:
    """The bulk file of that day and no other. Raises PartitionUnavailable if the register serves another day's."""
    folder = tempfile.TemporaryDirectory(prefix="register-")
    held = product.datasets[kind].history().current().get(partition)
    known = held.note.get("etag") if held and held.contract == str(product.datasets[kind].contract.version) else None
    _refuse_other_day(kind, partition, register.published(kind).day)
    bulk = register.download(kind, Path(folder.name), known_etag=known)
    if bulk is None:
        return dp.Result(dp.UNCHANGED)
    _refuse_other_day(kind, partition, bulk.publication.day)  # a new file may have come between the two questions
    metadata = {
        "published_at": bulk.publication.published_at.isoformat(),
        "etag": bulk.publication.etag,
        "sha256": bulk.sha256,
        "bytes": bulk.bytes,
    }

    def records() -> Iterator[list[Any]]:
        with folder:
            for elements in Register.read_bulk(bulk.path):
                yield elements if kind != "roller" else [row for e in elements for row in role_records(e)]

    return dp.Result(records(), metadata=metadata)


def _refuse_other_day(kind: Kind, partition: str, served: date) -> None:
    asked = date.fromisoformat(partition)
    if served > asked:
        raise PartitionUnavailable(
            f"enhetsregisteret/{kind}: the register no longer serves {partition}; it keeps only its newest file, which is of "
            f"{served}; nothing was stored"
        )
    if served < asked:
        raise PartitionUnavailable(
            f"enhetsregisteret/{kind}: the register has not published {partition} yet; its newest file is of {served}; "
            "nothing was stored, try again after its nightly build"
        )
