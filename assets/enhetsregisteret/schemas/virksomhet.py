"""What main units and sub-units share: the columns the register sends for both, with their rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.enhetsregisteret.schemas import organisasjonsnummer as number

Lines = Annotated[pl.List, pl.String]
"""A list of texts, kept as it came: an element may be null or empty."""

FormerNames = Annotated[pl.List, pl.Struct({"navn": pl.String, "fraDato": pl.String, "tilDato": pl.String})]

NAERINGSKODE = r"^[0-9]{2}(\.[0-9]{1,3})?$"
KOMMUNENUMMER = POSTNUMMER = SEKTORKODE = "^[0-9]{4}$"
LANDKODE = "^[A-Z]{2}$"

LINKS = ("_links", "links", "organisasjonsform._links", "organisasjonsform.links")
"""Links hold no facts about the unit. Answers call them `_links`; the bulk files send an empty list `links`."""

_ADDRESSES = {
    "forretningsadresse": "forretningsadressen",
    "beliggenhetsadresse": "beliggenhetsadressen",
    "postadresse": "postadressen",
}


def address(
    kind: Literal["forretningsadresse", "beliggenhetsadresse", "postadresse"],
    part: Literal["adresse", "postnummer", "poststed", "kommune", "kommunenummer", "land", "landkode"],
) -> Any:
    """The column of one part of an address. Foreign addresses have no postal code and no municipality."""
    where = _ADDRESSES[kind]
    source = f"{kind}.{part}"
    match part:
        case "adresse":
            return dp.column(
                f"Linjene i {where} (vei og nummer eller postboks); en linje kan være tom eller mangle.",
                source=source,
                personal="possibly_identifying",
                nullable=True,
            )
        case "postnummer":
            return dp.column(
                f"Postnummer i {where}, fire sifre; mangler for utenlandske adresser.",
                source=source,
                personal="possibly_identifying",
                nullable=True,
                examples=["0150"],
                str_matches=POSTNUMMER,
                raise_warning=True,
            )
        case "poststed":
            return dp.column(
                f"Poststed i {where}; for utenlandske adresser sted og eventuelt utenlandsk postnummer.",
                source=source,
                personal="possibly_identifying",
                nullable=True,
            )
        case "kommune":
            return dp.column(
                f"Navnet på kommunen i {where}; mangler for utenlandske adresser.",
                source=source,
                concept="kommune",
                personal="none",
                nullable=True,
            )
        case "kommunenummer":
            return dp.column(
                f"Nummeret på kommunen i {where}, fire sifre; mangler for utenlandske adresser.",
                source=source,
                concept="kommune",
                personal="none",
                nullable=True,
                examples=["0301"],
                str_matches=KOMMUNENUMMER,
                raise_warning=True,
            )
        case "land":
            return dp.column(f"Navnet på landet i {where}, på norsk.", source=source, personal="none", nullable=True)
        case "landkode":
            return dp.column(
                f"Landkode i {where}, to bokstaver (ISO 3166-1).",
                source=source,
                personal="none",
                nullable=True,
                examples=["NO"],
                str_matches=LANDKODE,
                raise_warning=True,
            )


class Virksomhet(pa.DataFrameModel):
    """The columns of every unit. Required is only what every live unit has; a unit is never refused for an odd detail.

    Personal data: a sole proprietorship (ENK) is registered under its owner's name, often at the owner's home and with
    a private phone number or e-mail address, and nothing but `organisasjonsform_kode` sets it apart. So the name,
    former names, street, postal code and place, phone, e-mail and web address are "possibly_identifying" for every
    unit. The organization number is the public number of a business, and municipality and country are too coarse:
    these are "none".
    """

    organisasjonsnummer: str = dp.column(
        "Organisasjonsnummeret, ni sifre: virksomhetens nøkkel i alle offentlige registre.",
        source="organisasjonsnummer",
        concept="organisasjonsnummer",
        personal="none",
        str_matches=number.FORM,
    )
    navn: str = dp.column(
        "Registrert navn, med store bokstaver; et enkeltpersonforetak bærer innehaverens navn.",
        source="navn",
        personal="possibly_identifying",
    )
    organisasjonsform_kode: str = dp.column(
        "Kode for organisasjonsformen, for eksempel AS, ENK eller BEDR; se datasettet organisasjonsformer.",
        source="organisasjonsform.kode",
        concept="organisasjonsform",
        personal="none",
        examples=["AS", "ENK", "BEDR"],
    )
    organisasjonsform_beskrivelse: str = dp.column(
        "Navnet på organisasjonsformen, for eksempel Aksjeselskap.",
        source="organisasjonsform.beskrivelse",
        concept="organisasjonsform",
        personal="none",
        nullable=True,
    )
    organisasjonsform_utgaatt: pl.Date = dp.column(
        "Datoen organisasjonsformen gikk ut av bruk; mangler når formen fortsatt brukes.",
        source="organisasjonsform.utgaatt",
        personal="none",
        nullable=True,
    )
    historiske_navn: FormerNames = dp.column(
        "Tidligere navn, hvert med fraDato og tilDato som tekst i norsk lokal tid (ÅÅÅÅ-MM-DD TT:MM:SS); tom liste "
        "eller ingen verdi når navnet aldri er endret.",
        source="historiskeNavn",
        personal="possibly_identifying",
        nullable=True,
    )
    registreringsdato_enhetsregisteret: pl.Date = dp.column(
        "Datoen virksomheten ble registrert i Enhetsregisteret, som startet i 1995; eldre virksomheter har en dato derfra.",
        source="registreringsdatoEnhetsregisteret",
        personal="none",
    )
    slettedato: pl.Date = dp.column(
        "Datoen virksomheten ble slettet; mangler for levende virksomheter.",
        source="slettedato",
        personal="none",
        nullable=True,
    )
    naeringskode1_kode: str = dp.column(
        "Næringskoden for hovedaktiviteten (Standard for næringsgruppering, to sifre og inntil tre desimaler).",
        source="naeringskode1.kode",
        concept="naeringskode",
        personal="none",
        nullable=True,
        examples=["41.000"],
        str_matches=NAERINGSKODE,
        raise_warning=True,
    )
    naeringskode1_beskrivelse: str = dp.column(
        "Teksten til næringskoden for hovedaktiviteten.",
        source="naeringskode1.beskrivelse",
        personal="none",
        nullable=True,
    )
    naeringskode2_kode: str = dp.column(
        "Næringskoden for den nest viktigste aktiviteten.",
        source="naeringskode2.kode",
        concept="naeringskode",
        personal="none",
        nullable=True,
        str_matches=NAERINGSKODE,
        raise_warning=True,
    )
    naeringskode2_beskrivelse: str = dp.column(
        "Teksten til næringskoden for den nest viktigste aktiviteten.",
        source="naeringskode2.beskrivelse",
        personal="none",
        nullable=True,
    )
    naeringskode3_kode: str = dp.column(
        "Næringskoden for den tredje viktigste aktiviteten.",
        source="naeringskode3.kode",
        concept="naeringskode",
        personal="none",
        nullable=True,
        str_matches=NAERINGSKODE,
        raise_warning=True,
    )
    naeringskode3_beskrivelse: str = dp.column(
        "Teksten til næringskoden for den tredje viktigste aktiviteten.",
        source="naeringskode3.beskrivelse",
        personal="none",
        nullable=True,
    )
    hjelpeenhetskode_kode: str = dp.column(
        "Næringskode for en virksomhet som bare betjener andre deler av samme foretak, for eksempel et hovedkontor.",
        source="hjelpeenhetskode.kode",
        concept="naeringskode",
        personal="none",
        nullable=True,
        examples=["70.100"],
        str_matches=NAERINGSKODE,
        raise_warning=True,
    )
    hjelpeenhetskode_beskrivelse: str = dp.column(
        "Teksten til hjelpeenhetskoden.",
        source="hjelpeenhetskode.beskrivelse",
        personal="none",
        nullable=True,
    )
    har_registrert_antall_ansatte: bool = dp.column(
        "Om virksomheten har registrerte ansatte i Aa-registeret; bruk dette feltet når antall_ansatte mangler.",
        source="harRegistrertAntallAnsatte",
        personal="none",
    )
    antall_ansatte: int = dp.column(
        "Antall ansatte fra Aa-registeret, oppdatert månedlig; siden september 2023 holdes antallet tilbake når det "
        "er 0 til 4, så en manglende verdi betyr ikke null ansatte.",
        source="antallAnsatte",
        personal="none",
        unit="ansatte",
        nullable=True,
        ge=0,
    )
    registreringsdato_antall_ansatte_enhetsregisteret: pl.Date = dp.column(
        "Datoen antall ansatte sist ble registrert i Enhetsregisteret.",
        source="registreringsdatoAntallAnsatteEnhetsregisteret",
        personal="none",
        nullable=True,
    )
    registreringsdato_antall_ansatte_nav_aaregisteret: pl.Date = dp.column(
        "Datoen antall ansatte ble hentet fra NAVs Aa-register.",
        source="registreringsdatoAntallAnsatteNAVAaregisteret",
        personal="none",
        nullable=True,
    )
    registrert_i_mvaregisteret: bool = dp.column(
        "Om virksomheten er registrert i Merverdiavgiftsregisteret.",
        source="registrertIMvaregisteret",
        personal="none",
    )
    registreringsdato_merverdiavgiftsregisteret: pl.Date = dp.column(
        "Datoen registreringen i Merverdiavgiftsregisteret gjelder fra.",
        source="registreringsdatoMerverdiavgiftsregisteret",
        personal="none",
        nullable=True,
    )
    registreringsdato_merverdiavgiftsregisteret_enhetsregisteret: pl.Date = dp.column(
        "Datoen merverdiavgiftsregistreringen ble ført inn i Enhetsregisteret.",
        source="registreringsdatoMerverdiavgiftsregisteretEnhetsregisteret",
        personal="none",
        nullable=True,
    )
    registreringsdato_frivillig_merverdiavgiftsregisteret: pl.Date = dp.column(
        "Datoen virksomheten ble frivillig registrert i Merverdiavgiftsregisteret.",
        source="registreringsdatoFrivilligMerverdiavgiftsregisteret",
        personal="none",
        nullable=True,
    )
    frivillig_mva_registrert_beskrivelser: Lines = dp.column(
        "Hva virksomheten er frivillig merverdiavgiftsregistrert for, for eksempel utleie av bygg eller anlegg.",
        source="frivilligMvaRegistrertBeskrivelser",
        personal="none",
        nullable=True,
    )
    hjemmeside: str = dp.column(
        "Adressen til hjemmesiden slik den er meldt, som oftest uten https://.",
        source="hjemmeside",
        personal="possibly_identifying",
        nullable=True,
    )
    epostadresse: str = dp.column(
        "E-postadressen virksomheten har meldt; den kan være innehaverens private.",
        source="epostadresse",
        personal="possibly_identifying",
        nullable=True,
    )
    telefon: str = dp.column(
        "Telefonnummeret virksomheten har meldt, som fri tekst.",
        source="telefon",
        personal="possibly_identifying",
        nullable=True,
    )
    mobil: str = dp.column(
        "Mobilnummeret virksomheten har meldt, som fri tekst; det kan være innehaverens private.",
        source="mobil",
        personal="possibly_identifying",
        nullable=True,
    )
    postadresse_adresse: Lines = address("postadresse", "adresse")
    postadresse_postnummer: str = address("postadresse", "postnummer")
    postadresse_poststed: str = address("postadresse", "poststed")
    postadresse_kommune: str = address("postadresse", "kommune")
    postadresse_kommunenummer: str = address("postadresse", "kommunenummer")
    postadresse_land: str = address("postadresse", "land")
    postadresse_landkode: str = address("postadresse", "landkode")

    # An inherited check is called after its method: pandera forgets `name=` from the second model on.

    @pa.check("organisasjonsnummer", error=number.MOD11)
    @classmethod
    def mod11(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return number.check_digits(data)

    @pa.dataframe_check(error="har_registrert_antall_ansatte er sann når antall_ansatte er oppgitt", raise_warning=True)
    @classmethod
    def antall_ansatte_er_merket(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("antall_ansatte").is_null() | pl.col("har_registrert_antall_ansatte"))
