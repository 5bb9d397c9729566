"""The contract of `underenheter`: sub-units (places of business), one row each."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.enhetsregisteret.schemas import organisasjonsnummer as number
from assets.enhetsregisteret.schemas.virksomhet import LINKS, Lines, Virksomhet, address


class Underenhet(Virksomhet):
    """A sub-unit: where a main unit carries out its activity. The parent may be missing, now and then.

    Personal data as in `Virksomhet`: the sub-unit of a sole proprietorship usually carries its owner's name too.
    """

    overordnet_enhet: str = dp.column(
        "Organisasjonsnummeret til enheten som eier underenheten; kan mangle, som oftest når underenheten er i ferd med å bli slettet.",
        source="overordnetEnhet",
        concept="organisasjonsnummer",
        personal="none",
        nullable=True,
    )
    beliggenhetsadresse_adresse: Lines = address("beliggenhetsadresse", "adresse")
    beliggenhetsadresse_postnummer: str = address("beliggenhetsadresse", "postnummer")
    beliggenhetsadresse_poststed: str = address("beliggenhetsadresse", "poststed")
    beliggenhetsadresse_kommune: str = address("beliggenhetsadresse", "kommune")
    beliggenhetsadresse_kommunenummer: str = address("beliggenhetsadresse", "kommunenummer")
    beliggenhetsadresse_land: str = address("beliggenhetsadresse", "land")
    beliggenhetsadresse_landkode: str = address("beliggenhetsadresse", "landkode")
    oppstartsdato: pl.Date = dp.column("Datoen aktiviteten i underenheten startet.", source="oppstartsdato", personal="none", nullable=True)
    dato_eierskifte: pl.Date = dp.column("Datoen underenheten sist skiftet eier.", source="datoEierskifte", personal="none", nullable=True)
    nedleggelsesdato: pl.Date = dp.column(
        "Datoen aktiviteten i underenheten ble lagt ned; den kan stå en tid før underenheten slettes.",
        source="nedleggelsesdato",
        personal="none",
        nullable=True,
    )
    respons_klasse: str = dp.column(
        "Kildens merke på svaret: Underenhet for en levende underenhet, SlettetUnderEnhet for en slettet; mangler i eldre svar.",
        source="respons_klasse",
        personal="none",
        nullable=True,
        isin=["Underenhet", "SlettetUnderEnhet"],
        raise_warning=True,
    )
    ukjente_felt: str = dp.column(
        "Felter kilden har begynt å sende og som ennå ikke har egen kolonne, som JSON; mangler når alt er kjent.",
        source=dp.REST,
        personal="possibly_identifying",
        ignore=[*LINKS],
        nullable=True,
    )

    class Config:
        """One row per sub-unit."""

        unique = "organisasjonsnummer"
        description = (
            "Underenhetene (de fysiske virksomhetene) i Enhetsregisteret slik de sto i Brønnøysundregistrenes fil for "
            "dagen: én rad per underenhet, med alle felter API-et har. Slettede underenheter er ikke med."
        )

    # A warning: a unit is not refused for a wrong reference to another.
    @pa.check("overordnet_enhet", name="mod11", error=number.MOD11, raise_warning=True)
    @classmethod
    def overordnet_enhet_mod11(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return number.check_digits(data)
