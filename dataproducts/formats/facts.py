"""What documents say beside the declared bodies: the catalog itself, the newest delivery, and what follows from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dataproducts.formats.addresses import clean
from dataproducts.messages import ColumnFacts, ColumnFigures, DatasetBody, Delivery, ProductBody
from dataproducts.product_facts import Contact, License, Localized, Organization, PersonalData, ProductFacts

__all__ = ["CatalogFacts", "Entry", "Newest", "covered", "described", "figures", "is_sensitive", "wording"]

LANGUAGE = "nb"
"""The language of texts that state none: a dataset's title and description, and keywords."""


@dataclass(frozen=True)
class CatalogFacts:
    """Who publishes the catalog, and what it is. `spatial` as in a product's facts; `modified` is an aware time."""

    title: Localized
    description: Localized
    publisher: Organization
    contact: Contact
    license: License | None = None
    spatial: tuple[str, ...] = ("NOR",)
    issued: date | None = None
    modified: datetime | None = None


@dataclass(frozen=True)
class Newest:
    """The newest version of a dataset's newest partition. `at` is when it was stored, an aware time in UTC."""

    at: datetime
    partition: str
    number: int
    rows: int
    profile: tuple[ColumnFigures, ...] = ()

    @classmethod
    def of(cls, delivery: Delivery) -> Newest:
        """The facts of a delivery that documents use."""
        return cls(delivery.at, delivery.partition, delivery.number, delivery.rows, delivery.profile)


Entry = tuple[DatasetBody, Newest | None]
"""A dataset and its newest version, None where nothing has been delivered yet."""


def wording(text: Localized) -> list[tuple[str, str]]:
    """A text as (language, text), bokmål first."""
    stated = (("nb", text.nb), ("nn", text.nn), ("en", text.en))
    return [(language, found) for language, one in stated if one and (found := clean(one).strip())]


def described(body: DatasetBody, facts: ProductFacts) -> list[tuple[str, str]]:
    """A dataset's description by language; that of its product where it has none."""
    own = clean(body.description).strip()
    return [(LANGUAGE, own)] if own else wording(facts.description)


def is_sensitive(body: DatasetBody) -> bool:
    """Whether a dataset holds personal or confidential data; an unknown class counts as such."""
    return body.personal not in (PersonalData.NONE, PersonalData.ANONYMIZED)


def figures(body: DatasetBody, newest: Newest | None) -> dict[str, ColumnFigures]:
    """The profile of the columns whose values may be shown, by name.

    That is those declared free of personal data: one that states nothing counts as such only in a dataset that has none.
    """
    shown = {column.name for column in body.contract.columns if _may_be_shown(column, body)}
    return {one.name: one for one in (newest.profile if newest else ()) if one.name in shown}


def _may_be_shown(column: ColumnFacts, body: DatasetBody) -> bool:
    return not column.is_personal and (column.personal is not None or not is_sensitive(body))


def covered(body: DatasetBody, product: ProductBody, newest: Newest | None) -> tuple[date, date | None] | None:
    """First and last day a dataset is about; no last day while it goes on. None where nobody knows."""
    stated = product.facts.temporal
    if stated is not None:
        return stated.from_, stated.to
    if body.partitions.start is None:
        return None
    first = body.partitions.start.astimezone(ZoneInfo(body.partitions.time_zone or "UTC")).date()
    last = _day(newest.partition) if newest else None
    return first, last if last and last >= first else None


def _day(partition: str) -> date | None:
    try:
        return date.fromisoformat(partition) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", partition) else None
    except ValueError:
        return None
