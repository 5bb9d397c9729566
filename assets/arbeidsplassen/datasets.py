"""The datasets of Arbeidsplassen: the events of the topic hour by hour, the ads when each day was over, and how many there are of what."""

from __future__ import annotations

import os
from datetime import date, timedelta

import dagster as dg
import polars as pl

import dataproducts as dp
from assets.arbeidsplassen import ads
from assets.arbeidsplassen.schemas import Stilling, StillingerPerNaering, Stillingshendelse
from assets.enhetsregisteret.datasets import underenheter
from dataproducts import settings
from dataproducts.errors import ConfigurationError

product = dp.DataProduct(__file__)

TIME_ZONE = "Europe/Oslo"
"""Hours and days are Norwegian, so that a day is whole hours: 23 of them once a year, and 25 once."""

MONTH_OF_HOURS = 31 * 24


def _first_day() -> str:
    """The first day of the history; what the topic had before is in its first hour. On a laptop, the day that `up` began with."""
    day = os.environ.get("ARBEIDSPLASSEN_START")
    if not day:
        return (settings.first_day() or date(2026, 11, 1)).isoformat()
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        text = f"ARBEIDSPLASSEN_START is {day!r}, which is not a day; write it as 2026-11-01"
        raise ConfigurationError(text) from None


hourly = dg.HourlyPartitionsDefinition(start_date=f"{_first_day()}-00:00", timezone=TIME_ZONE)
daily = dg.DailyPartitionsDefinition(start_date=_first_day(), timezone=TIME_ZONE)

WHEN_WHOLE = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
"""A day is made when all it is made of is there, and again when that changes, however old the day is."""


@product.dataset(
    schema=Stillingshendelse,
    partitions=hourly,
    source=dp.TopicInput("teampam.stilling-historikk", "Hendelsene om stillingsannonser: hele annonsen etter hver endring."),
    # an hour may hold one message, and that one be broken: it must not hold up all that come after
    quarantine=1.0,
    row_change=None,  # hours of the night and of the day are not alike
    freshness=timedelta(hours=3),
    partitions_per_run=MONTH_OF_HOURS,
    retries=2,
    title="Stillingshendelser",
    access="restricted",
    personal="directly_identifying",
)
def stillingshendelser(messages: dp.Messages) -> dp.Messages:
    """Hver hendelse om en stillingsannonse slik den kom på topicet. Kontaktpersoner og saksbehandlere er personopplysninger."""
    return messages


@product.dataset(
    schema=Stilling,
    kind="snapshot",
    partitions=daily,
    inputs={"before": dp.previous()},
    automation=WHEN_WHOLE,
    freshness=timedelta(hours=36),
    title="Stillinger",
    access="restricted",
    personal="directly_identifying",
)
def stillinger(partition: str, stillingshendelser: pl.LazyFrame, before: pl.LazyFrame) -> pl.LazyFrame:
    """Stillingsannonsene slik de sto da dagen var over. Annonser som er tatt ned er uten kontaktpersoner, tittel og arbeidsgiver."""
    return ads.at_end_of(date.fromisoformat(partition), before, stillingshendelser).select(product.datasets["stillinger"].contract.names)


@product.dataset(
    schema=StillingerPerNaering,
    partitions=daily,
    inputs=[underenheter],
    automation=WHEN_WHOLE,
    freshness=timedelta(hours=36),
    title="Stillinger per næring",
    access="internal",
    personal="none",
    personal_reason="Antall annonser og stillinger per næring og kommune, uten arbeidsgiver og uten person.",
    ports=[dp.BigQuery(), dp.Topic("team-stilling.stillinger-per-naering")],
)
def stillinger_per_naering(partition: str, stillinger: pl.LazyFrame, underenheter: pl.LazyFrame) -> pl.LazyFrame:
    """Antall aktive annonser og stillinger per næring, kommune og dag. Uten personopplysninger."""
    counted = ads.per_industry(date.fromisoformat(partition), stillinger, underenheter)
    return counted.select(product.datasets["stillinger_per_naering"].contract.names)
