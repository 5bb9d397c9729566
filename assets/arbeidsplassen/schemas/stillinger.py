"""The contract of `stillinger`: each ad as it stood when the day ended."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.arbeidsplassen.schemas.deler import KOMMUNENUMMER, ORGANISASJONSNUMMER, STATUSER, Kategorier, Kontaktpersoner, Steder, Tid

MASKERT_TITTEL = "..."
"""What stands instead of the title of an ad that is no longer shown, as in the public feed."""


class Stilling(pa.DataFrameModel):
    """One ad. The case worker and the text are left out: whoever needs them has the events.

    Personal data: contact persons, of active ads only. Names of employers may be those of sole proprietors. An ad that is not shown to
    all any more is masked as the public feed demands of its consumers: no contacts, no title, no employer, no addresses.
    """

    uuid: str = dp.column("Stillingens nøkkel.", concept="stilling", personal="none")
    kafka_partisjon: int = dp.column("Partisjonen i topicet der den siste hendelsen ligger.", personal="none", ge=0)
    kafka_offset: int = dp.column("Plassen til den siste hendelsen.", personal="none", ge=0)
    kafka_tidspunkt: Tid = dp.column("Tidspunktet den siste hendelsen er merket med (UTC).", personal="none")
    stilling_id: int = dp.column("Løpenummeret til stillingen i kildens database.", personal="none")
    status: str = dp.column(
        "Tilstanden etter den siste hendelsen; en annonse kan stå som ACTIVE også etter at den er utløpt, se aktiv.",
        concept="stillingsstatus",
        personal="none",
        isin=STATUSER,
        raise_warning=True,
    )
    synlighet: str = dp.column("Hvem som får se annonsen.", concept="synlighet", personal="none", nullable=True)
    aktiv: bool = dp.column(
        "Om annonsen ble vist for alle da dagen var over: ACTIVE, SHOW_ALL, publisert og ikke utløpt.", concept="aktiv_stilling",
        personal="none",
    )  # fmt: skip
    maskert: bool = dp.column(
        "Om annonsen er tatt ned eller skjult og derfor er uten kontaktpersoner, tittel, arbeidsgiver og adresser.",
        concept="maskering",
        personal="none",
    )
    avsluttet: Tid = dp.column(
        "Når annonsen ble tatt ned, skjult eller utløp (UTC); mangler for annonser som ikke er maskert.", personal="none", nullable=True
    )
    tittel: str = dp.column(
        f"Overskriften, eller {MASKERT_TITTEL!r} når annonsen er maskert.",
        personal="possibly_identifying",
        erased=MASKERT_TITTEL,
        nullable=True,
    )
    stillingstittel: str = dp.column("Stillingens tittel.", personal="possibly_identifying", nullable=True)
    firmanavn: str = dp.column(
        "Arbeidsgiverens navn i annonsen; tom tekst når den er maskert.", personal="possibly_identifying", erased="", nullable=True
    )
    kontaktpersoner: Kontaktpersoner = dp.column(
        "Personene det går an å spørre; tom liste når annonsen er maskert.",
        personal="directly_identifying",
        erased=[],
        nullable=True,
    )
    arbeidsgiver_navn: str = dp.column("Arbeidsgiverens navn i Enhetsregisteret.", personal="possibly_identifying", nullable=True)
    arbeidsgiver_orgnr: str = dp.column(
        "Organisasjonsnummeret til underenheten som søker folk; finnes i enhetsregisteret/underenheter.",
        concept="organisasjonsnummer",
        personal="none",
        nullable=True,
        str_matches=ORGANISASJONSNUMMER,
        raise_warning=True,
    )
    arbeidsgiver_overordnet_orgnr: str = dp.column(
        "Organisasjonsnummeret til enheten over; finnes i enhetsregisteret/enheter.",
        concept="organisasjonsnummer",
        personal="none",
        nullable=True,
    )
    arbeidssteder: Steder = dp.column(
        "Stedene der arbeidet skal gjøres; tom liste når annonsen er maskert.",
        concept="kommune",
        personal="possibly_identifying",
        erased=[],
        nullable=True,
    )
    kommunenummer: str = dp.column(
        "Kommunenummeret til det første arbeidsstedet; mangler for utlandet og der kilden ikke har det.",
        concept="kommune",
        personal="none",
        nullable=True,
        str_matches=KOMMUNENUMMER,
        raise_warning=True,
    )
    kommune: str = dp.column("Kommunen til det første arbeidsstedet.", concept="kommune", personal="none", nullable=True)
    kategorier: Kategorier = dp.column("Yrkeskodene til stillingen.", concept="yrke", personal="none", nullable=True)
    styrk08_kode: str = dp.column("Yrkeskoden klassifiseringen ga (STYRK-08).", concept="yrke", personal="none", nullable=True)
    antall_stillinger: int = dp.column(
        "Hvor mange som skal ansettes; 1 der kilden ikke skriver et tall, som i den offentlige strømmen.",
        personal="none",
        unit="stillinger",
        ge=0,
    )
    omfang: str = dp.column("Heltid eller Deltid.", personal="none", nullable=True)
    ansettelsesform: str = dp.column("Fast, Vikariat, Engasjement, Sesong, Åremål, Annet.", personal="none", nullable=True)
    sektor: str = dp.column("Privat, Offentlig eller Ikke oppgitt.", personal="none", nullable=True)
    kilde: str = dp.column("Kilden annonsen kom fra.", personal="none", nullable=True)
    referanse: str = dp.column(
        "Kildens eget nummer på annonsen.", personal="none", not_personal="Et nummer på en annonse, ikke på en person.", nullable=True
    )
    opprettet: Tid = dp.column("Når stillingen ble opprettet (UTC).", personal="none")
    oppdatert: Tid = dp.column("Når stillingen sist ble endret (UTC).", personal="none")
    publisert: Tid = dp.column("Når annonsen skal vises fra (UTC).", personal="none", nullable=True)
    utloeper: Tid = dp.column("Når annonsen ikke lenger skal vises (UTC).", personal="none", nullable=True)

    class Config:
        """One row per ad."""

        unique = "uuid"
        description = (
            "Stillingsannonsene slik de sto da dagen var over, laget av hendelsene til og med dagen i topicets rekkefølge: én rad per "
            "annonse. Annonser som er tatt ned er maskert, og er med i 30 dager til."
        )

    @pa.dataframe_check(error="en maskert annonse har verken kontaktpersoner, tittel, arbeidsgiver eller adresser")
    @classmethod
    def maskert_er_tom(cls, data: pa.PolarsData) -> pl.LazyFrame:
        bare = (
            (pl.col("kontaktpersoner").list.len() == 0)
            & (pl.col("arbeidssteder").list.len() == 0)
            & (pl.col("tittel") == MASKERT_TITTEL)
            & (pl.col("firmanavn") == "")
            & pl.all_horizontal(pl.col("stillingstittel", "arbeidsgiver_navn", "arbeidsgiver_orgnr").is_null())
        )
        return data.lazyframe.select(pl.when("maskert").then(bare.fill_null(False)).otherwise(True))

    @pa.dataframe_check(error="en aktiv annonse er ikke maskert")
    @classmethod
    def aktiv_er_ikke_maskert(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(~(pl.col("aktiv") & pl.col("maskert")))
