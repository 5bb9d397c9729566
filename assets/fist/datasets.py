"""The raw datasets of Fist: the tables of the accounting system, day by day. What is made of them is in `accounts`."""

from __future__ import annotations

import os
from datetime import date, timedelta
from typing import Any

import dagster as dg

import dataproducts as dp
from assets.fist.schemas import Bilag, Bilagslinje, Budsjett, Konto, Kostnadssted, Leverandor
from dataproducts import settings
from dataproducts.errors import ConfigurationError

product = dp.DataProduct(__file__)

VARIABLE = "FIST_DATABASE_URL"
TIME_ZONE = "Europe/Oslo"


def _first_day() -> str:
    """The first day of the history; what was registered before is in it. On a laptop, the day that `up` began with."""
    day = os.environ.get("FIST_START")
    if not day:
        return (settings.first_day() or date(2026, 11, 1)).isoformat()
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        text = f"FIST_START is {day!r}, which is not a day; write it as 2026-11-01"
        raise ConfigurationError(text) from None


daily = dg.DailyPartitionsDefinition(start_date=_first_day(), timezone=TIME_ZONE)
"""Days of what is added: each is whole when it is over."""
states = dg.DailyPartitionsDefinition(start_date=_first_day(), timezone=TIME_ZONE, end_offset=1)
"""Days of what is changed in place: only today's can be seen."""


def _sandbox() -> str:
    from assets.fist.sandbox import address

    return address()


def _table(name: str, description: str, **more: Any) -> dp.Database:
    return dp.Database(name, description, variable=VARIABLE, table=name, sandbox=_sandbox, **more)


def _state(name: str, description: str) -> dp.Database:
    """A table that is changed in place; the accounting system says which day it is at."""
    return _table(name, description, moment="select dag from driftsdag")


@product.dataset(
    schema=Konto,
    kind="snapshot",
    partitions=states,
    source=_state("konto", "Kontoplanen i regnskapssystemet."),
    freshness=timedelta(hours=36),
    title="Kontoplan",
    access="internal",
    personal="none",
    personal_reason="Navn og numre på kontoer; ingen personer.",
)
def kontoplan(rows: dp.Rows) -> dp.Rows:
    """Kontoplanen slik den sto den dagen, etter NS 4102."""
    return rows


@product.dataset(
    schema=Kostnadssted,
    kind="snapshot",
    partitions=states,
    source=_state("kostnadssted", "Kostnadsstedene i regnskapssystemet."),
    freshness=timedelta(hours=36),
    title="Kostnadssteder",
    access="internal",
    personal="none",
    personal_reason="Deler av virksomheten; ingen personer.",
)
def kostnadssteder(rows: dp.Rows) -> dp.Rows:
    """Kostnadsstedene slik de sto den dagen."""
    return rows


@product.dataset(
    schema=Leverandor,
    kind="snapshot",
    partitions=states,
    source=_state("leverandor", "Leverandørreskontroen i regnskapssystemet."),
    freshness=timedelta(hours=36),
    title="Leverandører",
    access="restricted",
    personal="possibly_identifying",
)
def leverandorer(rows: dp.Rows) -> dp.Rows:
    """Leverandørene slik de sto den dagen. Enkeltpersonforetak bærer navnet til eieren."""
    return rows


@product.dataset(
    schema=Budsjett,
    kind="snapshot",
    partitions=states,
    source=_state("budsjett", "Budsjettet i regnskapssystemet."),
    freshness=timedelta(hours=36),
    title="Budsjett",
    access="internal",
    personal="none",
    personal_reason="Planlagte beløp per konto og kostnadssted; ingen personer.",
)
def budsjett(rows: dp.Rows) -> dp.Rows:
    """Budsjettet per måned, konto og kostnadssted slik det sto den dagen."""
    return rows


@product.dataset(
    schema=Bilag,
    partitions=daily,
    source=_table("bilag", "Bilagene i regnskapssystemet.", since="registrert"),
    row_change=None,  # nothing is registered on Saturdays and Sundays
    freshness=timedelta(hours=36),
    retries=2,
    title="Bilag",
    access="restricted",
    personal="directly_identifying",
)
def bilag(rows: dp.Rows) -> dp.Rows:
    """Bilagene som ble registrert den dagen. De som registrerte og attesterte er personopplysninger."""
    return rows


@product.dataset(
    schema=Bilagslinje,
    partitions=daily,
    source=_table("bilagslinje", "Linjene i bilagene i regnskapssystemet.", since="registrert"),
    row_change=None,
    freshness=timedelta(hours=36),
    retries=2,
    title="Bilagslinjer",
    access="internal",
    personal="none",
    personal_reason="Beløp på kontoer; navn står bare på bilaget.",
)
def bilagslinjer(rows: dp.Rows) -> dp.Rows:
    """Linjene i bilagene som ble registrert den dagen, med konto, kostnadssted og beløp."""
    return rows
