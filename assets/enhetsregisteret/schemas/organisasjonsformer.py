"""The contract of `organisasjonsformer`: the register's code list of legal forms."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

import dataproducts as dp


class Organisasjonsform(pa.DataFrameModel):
    """A legal form. Holds no personal data."""

    kode: str = dp.column(
        "Koden for organisasjonsformen; kan inneholde Æ, Ø og Å.",
        source="kode",
        concept="organisasjonsform",
        personal="none",
        examples=["AS", "ENK", "BEDR"],
        str_length={"min_value": 1},
    )
    beskrivelse: str = dp.column(
        "Navnet på organisasjonsformen på bokmål.", source="beskrivelse", personal="none", examples=["Aksjeselskap"]
    )
    utgaatt: pl.Date = dp.column(
        "Datoen organisasjonsformen gikk ut av bruk; mangler når den fortsatt brukes.",
        source="utgaatt",
        personal="none",
        nullable=True,
    )
    ukjente_felt: str = dp.column(
        "Felter kilden har begynt å sende og som ennå ikke har egen kolonne, som JSON; mangler når alt er kjent.",
        source=dp.REST,
        personal="none",
        ignore=["_links", "links"],
        nullable=True,
    )

    class Config:
        """One row per code."""

        unique = "kode"
        description = "Kodelisten over organisasjonsformer i Enhetsregisteret, også de som ikke lenger er i bruk."
