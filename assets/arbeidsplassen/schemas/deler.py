"""What the datasets of ads share: the lists within an ad, and how columns of text and time are declared."""

from __future__ import annotations

from typing import Annotated, Any, Final

import polars as pl

import dataproducts as dp
from dataproducts.contract import PersonalClass

Tid = Annotated[pl.Datetime, "us", "UTC"]
"""A moment; the topic writes Norwegian time without a zone."""

Kontaktpersoner = Annotated[
    pl.List, pl.Struct({"name": pl.String, "title": pl.String, "email": pl.String, "phone": pl.String, "role": pl.String})
]
Steder = Annotated[
    pl.List,
    pl.Struct(
        {
            "address": pl.String,
            "postalCode": pl.String,
            "country": pl.String,
            "county": pl.String,
            "municipal": pl.String,
            "municipalCode": pl.String,
            "city": pl.String,
            "latitude": pl.String,
            "longitude": pl.String,
        }
    ),
]
Kategorier = Annotated[
    pl.List,
    pl.Struct(
        {
            "id": pl.Int64,
            "code": pl.String,
            "categoryType": pl.String,
            "name": pl.String,
            "description": pl.String,
            "parentId": pl.Int64,
            "score": pl.Float64,
        }
    ),
]
Medier = Annotated[pl.List, pl.Struct({"name": pl.String, "type": pl.String, "reference": pl.String})]
Merknader = Annotated[pl.List, pl.String]

OSLO: Final = "Europe/Oslo"
STATUSER: Final = ["ACTIVE", "INACTIVE", "STOPPED", "DELETED", "REJECTED"]
"""INACTIVE is known from the public feed: waiting for a case worker, or run out."""

KOMMUNENUMMER: Final = "^[0-9]{4}$"
ORGANISASJONSNUMMER: Final = "^[89][0-9]{8}$"


def tekst(beskrivelse: str, source: str | None, personal: PersonalClass = "none", **more: Any) -> Any:
    """A column of text that may be missing."""
    return dp.column(beskrivelse, source=source, personal=personal, nullable=True, **more)


def tid(beskrivelse: str, source: str, **more: Any) -> Any:
    """A column of time that the topic writes without a zone."""
    return dp.column(f"{beskrivelse} (UTC; kilden skriver norsk tid).", source=source, personal="none", time_zone=OSLO, **more)
