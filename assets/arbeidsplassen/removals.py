"""Ads that were taken down or have expired: contact persons, case workers and texts go from the history too, and the events stay.

The public feed (navikt/pam-stilling-feed) demands it of everybody who has copies.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl

import dataproducts as dp
from assets.arbeidsplassen import ads
from assets.arbeidsplassen.datasets import product, stillingshendelser

DAILY = 24 * 3600


def _now() -> datetime:
    return datetime.now(UTC)


def taken_down() -> dict[str, list[str]]:
    """The events of ads that are not shown any more, as far as they still hold what they came with.

    Each is named by its place in the topic: an ad that is published again has new events, and those stay.
    """
    history = stillingshendelser.history()
    versions = history.versions()
    if not versions:
        return {}
    place = ["kafka_partisjon", "kafka_offset"]
    columns = ["uuid", *place, "kafka_tidspunkt", "status", "synlighet", "utloeper"]
    every = history.scan(versions, [*columns, "melding"]).with_columns(held=pl.col("melding") != "{}").drop("melding")
    found = ads.taken_down(every.unique([*place, "held"]), _now()).filter("held").select(place).unique()
    keys = history.collecting(versions, found.sort(place))
    name = stillingshendelser.contract.dataset
    return {name: [json.dumps(row) for row in keys.iter_rows(named=True)]} if keys.height else {}


product.add(
    dp.erasure_feed(
        "arbeidsplassen_tatt_ned",
        found=taken_down,
        reason="Annonsen er tatt ned, skjult eller utløpt, og kontaktpersonene i den skal ikke lenger kunne finnes",
        ground="Vilkårene for stillingsannonser fra Arbeidsplassen: kontaktdata slettes når annonsen ikke lenger vises",
        every=DAILY,
        only_personal=True,
    )
)
