"""The contract of `stillinger_per_naering`: counts of active ads by industry and municipality, day by day."""

from __future__ import annotations

from typing import ClassVar, Final

import pandera.polars as pa
import polars as pl

import dataproducts as dp

UKJENT: Final = "ukjent"
"""Industry or municipality that is not known: no organization number, one that the register has not, a place abroad."""


class StillingerPerNaering(pa.DataFrameModel):
    """One count. No personal data: numbers of ads and positions, with no employer and no person."""

    dag: pl.Date = dp.column("Dagen tallene gjelder for, slik det sto da den var over (norsk tid).", personal="none")
    naeringskode: str = dp.column(
        f"Næringskoden til arbeidsgiverens underenhet i Enhetsregisteret samme dag; {UKJENT!r} når annonsen er uten "
        "organisasjonsnummer, registeret ikke har nummeret eller underenheten er uten næringskode.",
        concept="naeringskode",
        personal="none",
        examples=["47.111"],
        str_matches=rf"^([0-9]{{2}}(\.[0-9]{{1,3}})?|{UKJENT})$",
        raise_warning=True,
    )
    naeringskode_beskrivelse: str = dp.column("Teksten til næringskoden.", personal="none", nullable=True)
    kommunenummer: str = dp.column(
        f"Kommunenummeret til det første arbeidsstedet; {UKJENT!r} for utlandet og der annonsen ikke sier det.",
        concept="kommune",
        personal="none",
        examples=["0301"],
        str_matches=rf"^([0-9]{{4}}|{UKJENT})$",
        raise_warning=True,
    )
    kommune: str = dp.column("Navnet på kommunen.", concept="kommune", personal="none", nullable=True)
    antall_annonser: int = dp.column("Antall aktive annonser.", concept="aktiv_stilling", personal="none", unit="annonser", ge=1)
    antall_stillinger: int = dp.column("Antall stillinger i annonsene.", personal="none", unit="stillinger", ge=0)

    class Config:
        """One row per day, industry and municipality with at least one active ad."""

        unique: ClassVar = ["dag", "naeringskode", "kommunenummer"]
        description = (
            "Antall aktive stillingsannonser og stillinger per næring, kommune og dag. Hver annonse telles én gang, under næringen til "
            "underenheten og kommunen til det første arbeidsstedet; det som ikke er kjent telles under 'ukjent'."
        )
