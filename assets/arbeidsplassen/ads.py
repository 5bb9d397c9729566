"""What a day's ads are: the last event of each, masked where the ad is no longer shown; and how many there are of what."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from assets.arbeidsplassen.schemas.stillinger import MASKERT_TITTEL
from assets.arbeidsplassen.schemas.stillinger_per_naering import UKJENT

OSLO: Final = ZoneInfo("Europe/Oslo")

KEPT: Final = timedelta(days=30)
"""How long an ad that was taken down stays among the ads of a day; if it is published again after that, the event brings it back."""

_AS_THEY_CAME: Final = (
    "uuid", "kafka_partisjon", "kafka_offset", "kafka_tidspunkt", "stilling_id", "status", "synlighet", "tittel", "stillingstittel",
    "firmanavn", "kontaktpersoner", "arbeidsgiver_navn", "arbeidsgiver_orgnr", "arbeidsgiver_overordnet_orgnr", "arbeidssteder",
    "kategorier", "styrk08_kode", "omfang", "ansettelsesform", "sektor", "kilde", "referanse", "opprettet", "oppdatert", "publisert",
    "utloeper",
)  # fmt: skip
_EMPTIED: Final = ("kontaktpersoner", "arbeidssteder")
_LEFT_OUT: Final = ("stillingstittel", "arbeidsgiver_navn", "arbeidsgiver_orgnr", "arbeidsgiver_overordnet_orgnr")


def end_of(day: date) -> datetime:
    """When a Norwegian day is over, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), OSLO).astimezone(UTC)


def at_end_of(day: date, before: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """The ads when the day was over, from those of the day before and the day's events; columns as `stillinger` has them.

    The last event of an ad is the one with the greatest offset, whatever its timestamp. Only where a topic was given more partitions, and
    an ad's events lie in two of them, do timestamps tell which came last.
    """
    columns = [*_AS_THEY_CAME, "kommunenummer", "kommune", "antall_stillinger"]
    together = pl.concat([before.select(columns), _states(events).select(columns)])
    return masked(_last(together), end_of(day))


def masked(ads: pl.LazyFrame, now: datetime) -> pl.LazyFrame:
    """Ads as they may be shown at that moment, without those that were taken down more than `KEPT` ago.

    The public feed (navikt/pam-stilling-feed) sends an ad that is not active, or not for all, without contacts, employer and title, and
    demands of those who copy it to remove them too. An ad past its expiry is not active there, whether or not an event says so.
    What is taken away comes back with an event or not at all, so it makes no difference that this reads the masked ads of the day before.
    """
    hidden, expired = _ended(now)
    return (
        ads.with_columns(
            maskert=hidden | expired,
            avsluttet=pl.when(hidden).then("kafka_tidspunkt").when(expired).then("utloeper"),
        )
        .filter(pl.col("avsluttet").is_null() | (pl.col("avsluttet") > now - KEPT))
        .with_columns(aktiv=~pl.col("maskert") & (pl.col("publisert") < now).fill_null(True))
        .with_columns(
            pl.when("maskert").then(pl.lit(MASKERT_TITTEL)).otherwise("tittel").alias("tittel"),
            pl.when("maskert").then(pl.lit("")).otherwise("firmanavn").alias("firmanavn"),
            *(pl.when("maskert").then(pl.col(name).list.head(0).fill_null([])).otherwise(name).alias(name) for name in _EMPTIED),
            *(pl.when(~pl.col("maskert")).then(name).alias(name) for name in _LEFT_OUT),
        )
    )


def taken_down(events: pl.LazyFrame, now: datetime) -> pl.LazyFrame:
    """The events of ads whose last one says that they are not shown any more, or that are past their expiry."""
    of_ad = ["uuid", "kafka_partisjon", "kafka_offset", "kafka_tidspunkt", "status", "synlighet", "utloeper"]
    over = _last(events.select(of_ad)).filter(pl.any_horizontal(_ended(now)))
    return events.join(over, on="uuid", how="semi")


def _ended(now: datetime) -> tuple[pl.Expr, pl.Expr]:
    """Whether an ad is taken down or hidden, and whether it has expired."""
    hidden = pl.col("status").ne_missing("ACTIVE") | pl.col("synlighet").ne_missing("SHOW_ALL")
    return hidden, (pl.col("utloeper") <= now).fill_null(False)


def _last(ads: pl.LazyFrame) -> pl.LazyFrame:
    """The last event of each ad."""
    return (
        ads.sort("kafka_offset")
        .unique(["uuid", "kafka_partisjon"], keep="last", maintain_order=True)
        .sort("kafka_tidspunkt", "kafka_offset")
        .unique("uuid", keep="last", maintain_order=True)
    )


def per_industry(day: date, ads: pl.LazyFrame, units: pl.LazyFrame) -> pl.LazyFrame:
    """Active ads and their positions by industry of the sub-unit and municipality of the first place of work.

    Each active ad is counted once: sums are those of the ads. `units` are the register's sub-units of that day.
    """
    industries = units.select(
        "organisasjonsnummer", naeringskode=pl.col("naeringskode1_kode"), naeringskode_beskrivelse=pl.col("naeringskode1_beskrivelse")
    )
    return (
        ads.filter("aktiv")
        .select("arbeidsgiver_orgnr", "kommunenummer", "kommune", "antall_stillinger")
        .join(industries, left_on="arbeidsgiver_orgnr", right_on="organisasjonsnummer", how="left", validate="m:1")
        .with_columns(
            kommune=pl.when(pl.col("kommunenummer").is_not_null()).then("kommune"),
            kommunenummer=pl.col("kommunenummer").fill_null(UKJENT),
            naeringskode=pl.col("naeringskode").fill_null(UKJENT),
        )
        .group_by("naeringskode", "kommunenummer")
        .agg(
            pl.col("naeringskode_beskrivelse").min(),  # of spellings that differ the same one each time
            pl.col("kommune").min(),
            antall_annonser=pl.len().cast(pl.Int64),
            antall_stillinger=pl.col("antall_stillinger").sum(),
        )
        .with_columns(dag=pl.lit(day, pl.Date))
    )


def _states(events: pl.LazyFrame) -> pl.LazyFrame:
    """What `stillinger` has of an ad, from an event."""
    first = pl.col("arbeidssteder").list.get(0, null_on_oob=True).struct
    count = pl.col("antall_stillinger").str.strip_chars()
    return events.select(
        *_AS_THEY_CAME,
        kommunenummer=first.field("municipalCode"),
        kommune=first.field("municipal"),
        antall_stillinger=pl.when(count.str.contains("^[0-9]{1,6}$")).then(count).cast(pl.Int64, strict=False).fill_null(1),
    )
