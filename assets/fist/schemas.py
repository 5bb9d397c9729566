"""The contracts of the raw datasets: one pandera model per table of the accounting system, its key in `Config.unique`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.enhetsregisteret.schemas.organisasjonsnummer import MOD11, check_digits

Kroner = Annotated[pl.Decimal, 18, 2]
Tidspunkt = Annotated[pl.Datetime, "us", "UTC"]

KONTO: Final = r"^[1-8][0-9]{3}$"
PERIODE: Final = r"^[0-9]{4}-(0[1-9]|1[0-2])$"

ARTER: Final[dict[str, str]] = {
    "AP": "inngående balanse", "IF": "inngående faktura", "UF": "utgående faktura", "BE": "betaling", "IB": "innbetaling", "LO": "lønn",
    "AV": "avskrivning", "PE": "periodisering", "OM": "ompostering", "TI": "tilbakeføring", "EP": "etterpostering",
}  # fmt: skip
"""Kinds of entries."""


class Konto(pa.DataFrameModel):
    """One account."""

    kontonummer: str = dp.column(
        "Kontonummeret etter NS 4102.", source="kontonummer", concept="konto", personal="none", examples=["6540"], str_matches=KONTO
    )
    navn: str = dp.column("Navnet på kontoen.", source="navn", personal="none", examples=["Inventar, kostnadsført"])
    kontoklasse: int = dp.column("Første siffer i kontonummeret.", source="kontoklasse", personal="none", isin=range(1, 9))
    kontotype: str = dp.column(
        "Hva slags konto det er.",
        source="kontotype",
        personal="none",
        isin=["eiendel", "egenkapital_gjeld", "inntekt", "kostnad", "finans"],
    )
    mva_kode: str = dp.column("Mva-koden kontoen foreslår.", source="mva_kode", personal="none", examples=["1"])
    aktiv: bool = dp.column("Om det kan føres på kontoen.", source="aktiv", personal="none")
    endret: Tidspunkt = dp.column("Når kontoen sist ble endret.", source="endret", personal="none", time_zone="UTC")

    class Config:
        """One row per account."""

        unique: ClassVar = ["kontonummer"]
        description = "Kontoplanen slik den sto den dagen. Kontoer slettes ikke; de som ikke brukes lenger, er ikke aktive."


class Kostnadssted(pa.DataFrameModel):
    """One cost center."""

    kostnadssted: str = dp.column(
        "Koden til kostnadsstedet.", source="kostnadssted", concept="kostnadssted", personal="none", examples=["2100"]
    )
    navn: str = dp.column("Navnet på kostnadsstedet.", source="navn", personal="none", examples=["Utvikling"])
    overordnet: str = dp.column(
        "Kostnadsstedet det hører under.", source="overordnet", concept="kostnadssted", personal="none", nullable=True, examples=["2000"]
    )
    gyldig_fra: pl.Date = dp.column("Første dag det kan føres på.", source="gyldig_fra", personal="none")
    gyldig_til: pl.Date = dp.column(
        "Siste dag det kan føres på; tom når det ikke er lukket.", source="gyldig_til", personal="none", nullable=True
    )
    endret: Tidspunkt = dp.column("Når kostnadsstedet sist ble endret.", source="endret", personal="none", time_zone="UTC")

    class Config:
        """One row per cost center."""

        unique: ClassVar = ["kostnadssted"]
        description = "Kostnadsstedene og hvordan de henger sammen, slik de sto den dagen."


class Leverandor(pa.DataFrameModel):
    """One vendor. A sole proprietorship bears its owner's name, so name and numbers may identify a person."""

    leverandornummer: str = dp.column(
        "Nummeret i leverandørreskontroen.",
        source="leverandornummer",
        concept="leverandor",
        personal="possibly_identifying",
        examples=["L00007"],
        str_matches=r"^L[0-9]{5}$",
    )
    organisasjonsnummer: str = dp.column(
        "Organisasjonsnummeret i Enhetsregisteret; utenlandske leverandører har ikke noe.",
        source="organisasjonsnummer",
        concept="organisasjonsnummer",
        personal="possibly_identifying",
        nullable=True,
    )
    navn: str = dp.column("Navnet på leverandøren.", source="navn", personal="possibly_identifying")
    land: str = dp.column(
        "Landet den hører hjemme i (ISO 3166-1, to bokstaver).", source="land", personal="none", str_matches=r"^[A-Z]{2}$"
    )
    betalingsdager: int = dp.column(
        "Dager fra fakturadato til forfall.", source="betalingsdager", personal="none", unit="dager", ge=0, le=120
    )
    sperret: bool = dp.column("Om det ikke skal føres nye fakturaer fra den.", source="sperret", personal="none")
    opprettet: Tidspunkt = dp.column("Når leverandøren ble registrert.", source="opprettet", personal="none", time_zone="UTC")
    endret: Tidspunkt = dp.column("Når den sist ble endret.", source="endret", personal="none", time_zone="UTC")

    @pa.check("organisasjonsnummer", name="mod11", description=MOD11)
    def _mod11(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's form
        return check_digits(data)

    class Config:
        """One row per vendor."""

        unique: ClassVar = ["leverandornummer"]
        description = "Leverandørene slik de sto den dagen, med organisasjonsnummer som finnes i Enhetsregisteret."


class Bilag(pa.DataFrameModel):
    """One journal entry, without its lines."""

    bilagsnummer: int = dp.column("Nummeret, i ubrutt rekke.", source="bilagsnummer", concept="bilag", personal="none", ge=1)
    art: str = dp.column(
        "Hva slags bilag det er: " + ", ".join(f"{kode} {navn}" for kode, navn in ARTER.items()) + ".",
        source="art",
        personal="none",
        isin=list(ARTER),
    )
    bilagsdato: pl.Date = dp.column("Datoen på bilaget, som fakturadato.", source="bilagsdato", personal="none")
    periode: str = dp.column(
        "Måneden det hører til i regnskapet.",
        source="periode",
        concept="regnskapsperiode",
        personal="none",
        examples=["2026-11"],
        str_matches=PERIODE,
    )
    leverandornummer: str = dp.column(
        "Leverandøren det gjelder.", source="leverandornummer", concept="leverandor", personal="possibly_identifying", nullable=True
    )
    gjelder_bilag: int = dp.column(
        "Bilaget som tilbakeføres eller omposteres.", source="gjelder_bilag", concept="bilag", personal="none", nullable=True, ge=1
    )
    tekst: str = dp.column("Teksten på bilaget.", source="tekst", personal="possibly_identifying")
    registrert_av: str = dp.column("Den som registrerte bilaget.", source="registrert_av", personal="directly_identifying")
    attestert_av: str = dp.column(
        "Den som attesterte bilaget; tom for det som føres av systemet.",
        source="attestert_av",
        concept="attestasjon",
        personal="directly_identifying",
        nullable=True,
    )
    registrert: Tidspunkt = dp.column("Når bilaget ble registrert.", source="registrert", personal="none", time_zone="UTC")

    @pa.dataframe_check(
        name="attestert_av_en_annen", description="den som attesterer er en annen enn den som registrerte", raise_warning=True
    )
    def _by_another(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's form
        return data.lazyframe.select((pl.col("attestert_av") != pl.col("registrert_av")).fill_null(True))

    class Config:
        """One row per entry."""

        unique: ClassVar = ["bilagsnummer"]
        description = (
            "Bilagene som ble registrert den dagen, uansett hvilken dato eller periode de har. Den første dagen har også det som ble "
            "registrert før den."
        )


class Bilagslinje(pa.DataFrameModel):
    """One line of an entry."""

    bilagsnummer: int = dp.column("Bilaget linjen hører til.", source="bilagsnummer", concept="bilag", personal="none", ge=1)
    linjenummer: int = dp.column("Nummeret i bilaget.", source="linjenummer", concept="bilagslinje", personal="none", ge=1)
    kontonummer: str = dp.column("Kontoen det er ført på.", source="kontonummer", concept="konto", personal="none", str_matches=KONTO)
    kostnadssted: str = dp.column(
        "Kostnadsstedet; tom for balansekontoer.", source="kostnadssted", concept="kostnadssted", personal="none", nullable=True
    )
    belop: Kroner = dp.column("Beløpet; debet er positivt og kredit negativt.", source="belop", personal="none", unit="NOK")
    mva_kode: str = dp.column(
        "Mva-koden: 0 uten, 1 inngående og 3 utgående, høy sats.", source="mva_kode", personal="none", isin=["0", "1", "3"]
    )
    registrert: Tidspunkt = dp.column("Når bilaget ble registrert.", source="registrert", personal="none", time_zone="UTC")

    class Config:
        """One row per line."""

        unique: ClassVar = ["bilagsnummer", "linjenummer"]
        description = "Linjene i bilagene som ble registrert den dagen. Linjene i hvert bilag er til sammen null."


class Budsjett(pa.DataFrameModel):
    """What is planned on an account and a cost center in a month."""

    periode: str = dp.column("Måneden.", source="periode", concept="regnskapsperiode", personal="none", str_matches=PERIODE)
    kontonummer: str = dp.column("Kontoen.", source="kontonummer", concept="konto", personal="none", str_matches=KONTO)
    kostnadssted: str = dp.column("Kostnadsstedet.", source="kostnadssted", concept="kostnadssted", personal="none")
    belop: Kroner = dp.column(
        "Beløpet; kostnader er positive og inntekter negative, som i regnskapet.",
        source="belop",
        concept="budsjett",
        personal="none",
        unit="NOK",
    )
    versjon: int = dp.column("Hvilken revisjon beløpet er fra; 1 er det vedtatte.", source="versjon", personal="none", ge=1)
    endret: Tidspunkt = dp.column("Når beløpet sist ble endret.", source="endret", personal="none", time_zone="UTC")

    class Config:
        """One row per month, account and cost center."""

        unique: ClassVar = ["periode", "kontonummer", "kostnadssted"]
        description = "Budsjettet slik det sto den dagen."


class Postering(pa.DataFrameModel):
    """A line with what holds for its whole entry."""

    bilagsnummer: int = dp.column("Bilaget.", concept="bilag", personal="none", ge=1)
    linjenummer: int = dp.column("Nummeret i bilaget.", concept="bilagslinje", personal="none", ge=1)
    periode: str = dp.column("Måneden i regnskapet.", concept="regnskapsperiode", personal="none", str_matches=PERIODE)
    bilagsdato: pl.Date = dp.column("Datoen på bilaget.", personal="none")
    art: str = dp.column("Hva slags bilag det er.", personal="none", isin=list(ARTER))
    gjelder_bilag: int = dp.column("Bilaget som tilbakeføres eller omposteres.", concept="bilag", personal="none", nullable=True, ge=1)
    kontonummer: str = dp.column("Kontoen.", concept="konto", personal="none", str_matches=KONTO)
    kostnadssted: str = dp.column("Kostnadsstedet; tom for balansekontoer.", concept="kostnadssted", personal="none", nullable=True)
    belop: Kroner = dp.column("Beløpet; debet er positivt og kredit negativt.", personal="none", unit="NOK")

    class Config:
        """One row per line."""

        unique: ClassVar = ["bilagsnummer", "linjenummer"]


class DimKostnadssted(pa.DataFrameModel):
    """A cost center with the one above it."""

    kostnadssted: str = dp.column("Koden til kostnadsstedet.", concept="kostnadssted", personal="none")
    navn: str = dp.column("Navnet.", personal="none")
    hovedsted: str = dp.column("Kostnadsstedet det hører under; det selv når det er øverst.", concept="kostnadssted", personal="none")
    hovedsted_navn: str = dp.column("Navnet på det.", personal="none")
    apent: bool = dp.column("Om det kan føres på det den dagen.", personal="none")

    class Config:
        """One row per cost center."""

        unique: ClassVar = ["kostnadssted"]


class Manedssaldo(pa.DataFrameModel):
    """What moved on an account in a month, and what stands on it at the month's end."""

    periode: str = dp.column("Måneden i regnskapet.", concept="regnskapsperiode", personal="none", str_matches=PERIODE)
    kontonummer: str = dp.column("Kontoen.", concept="konto", personal="none", str_matches=KONTO)
    konto: str = dp.column("Navnet på kontoen.", personal="none")
    kontotype: str = dp.column("Hva slags konto det er.", personal="none")
    debet: Kroner = dp.column("Summen av det som er ført i debet.", personal="none", unit="NOK", ge=0)
    kredit: Kroner = dp.column("Summen av det som er ført i kredit.", personal="none", unit="NOK", ge=0)
    bevegelse: Kroner = dp.column("Debet minus kredit.", personal="none", unit="NOK")
    saldo: Kroner = dp.column("Bevegelsene til og med måneden.", concept="manedssaldo", personal="none", unit="NOK")
    linjer: int = dp.column("Antall linjer.", personal="none", unit="linjer", ge=1)

    class Config:
        """One row per month and account."""

        unique: ClassVar = ["periode", "kontonummer"]


class BudsjettMotFaktisk(pa.DataFrameModel):
    """What was planned and what was spent."""

    periode: str = dp.column("Måneden.", concept="regnskapsperiode", personal="none", str_matches=PERIODE)
    kontonummer: str = dp.column("Kontoen.", concept="konto", personal="none", str_matches=KONTO)
    kostnadssted: str = dp.column("Kostnadsstedet.", concept="kostnadssted", personal="none")
    faktisk: Kroner = dp.column("Det som er ført; 0 når ingenting er.", personal="none", unit="NOK")
    budsjett: Kroner = dp.column("Det som er budsjettert; 0 når ingenting er.", concept="budsjett", personal="none", unit="NOK")
    avvik: Kroner = dp.column(
        "Faktisk minus budsjett; positivt er mer brukt, eller mindre tjent, enn planlagt.", concept="avvik", personal="none", unit="NOK"
    )

    class Config:
        """One row per month, account and cost center."""

        unique: ClassVar = ["periode", "kontonummer", "kostnadssted"]


class ForbrukPerNaering(pa.DataFrameModel):
    """What was bought of an industry in a month."""

    periode: str = dp.column("Måneden i regnskapet.", concept="regnskapsperiode", personal="none", str_matches=PERIODE)
    naering: str = dp.column(
        "De to første sifrene i leverandørens næringskode; «ukjent» der den ikke finnes i Enhetsregisteret.",
        personal="none",
        examples=["62"],
    )
    leverandorer: int = dp.column(
        "Antall leverandører; tomt når det er færre enn tre, eller når tallet ville røpe et slikt.",
        personal="none",
        unit="leverandører",
        nullable=True,
        ge=0,
    )
    belop: Kroner = dp.column("Summen av kjøpene; tomt der antallet er det.", personal="none", unit="NOK", nullable=True)

    class Config:
        """One row per month and industry."""

        unique: ClassVar = ["periode", "naering"]
