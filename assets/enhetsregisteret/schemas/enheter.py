"""The contract of `enheter`: main units, one row each."""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.enhetsregisteret.schemas import organisasjonsnummer as number
from assets.enhetsregisteret.schemas.virksomhet import LANDKODE, LINKS, SEKTORKODE, Lines, Virksomhet, address

Endorsements = Annotated[pl.List, pl.Struct({"infotype": pl.String, "tekst": pl.String, "innfoertDato": pl.Date})]


class Enhet(Virksomhet):
    """A main unit. What is required was there in all of 1,171,373 records when a bulk file was profiled in 2026.

    Personal data as in `Virksomhet`; besides, an endorsement is free text and may name an owner or a trustee.
    """

    forretningsadresse_adresse: Lines = address("forretningsadresse", "adresse")
    forretningsadresse_postnummer: str = address("forretningsadresse", "postnummer")
    forretningsadresse_poststed: str = address("forretningsadresse", "poststed")
    forretningsadresse_kommune: str = address("forretningsadresse", "kommune")
    forretningsadresse_kommunenummer: str = address("forretningsadresse", "kommunenummer")
    forretningsadresse_land: str = address("forretningsadresse", "land")
    forretningsadresse_landkode: str = address("forretningsadresse", "landkode")
    institusjonell_sektorkode_kode: str = dp.column(
        "Institusjonell sektorkode, fire sifre, etter Statistisk sentralbyrås standard.",
        source="institusjonellSektorkode.kode",
        personal="none",
        nullable=True,
        examples=["2100"],
        str_matches=SEKTORKODE,
        raise_warning=True,
    )
    institusjonell_sektorkode_beskrivelse: str = dp.column(
        "Teksten til den institusjonelle sektorkoden.",
        source="institusjonellSektorkode.beskrivelse",
        personal="none",
        nullable=True,
    )
    overordnet_enhet: str = dp.column(
        "Organisasjonsnummeret til enheten over i hierarkiet; brukes bare i offentlig sektor.",
        source="overordnetEnhet",
        personal="none",
        nullable=True,
    )
    maalform: str = dp.column(
        "Målformen enheten vil ha brev på: Bokmål eller Nynorsk.",
        source="maalform",
        personal="none",
        isin=["Bokmål", "Nynorsk"],
        raise_warning=True,
    )
    stiftelsesdato: pl.Date = dp.column(
        "Datoen enheten ble stiftet, slik den er meldt.", source="stiftelsesdato", personal="none", nullable=True
    )
    vedtektsdato: pl.Date = dp.column("Datoen på de gjeldende vedtektene.", source="vedtektsdato", personal="none", nullable=True)
    vedtektsfestet_formaal: Lines = dp.column(
        "Formålet i vedtektene, delt i linjer som må settes sammen; kan være én tom linje.",
        source="vedtektsfestetFormaal",
        personal="none",
        nullable=True,
    )
    aktivitet: Lines = dp.column(
        "Hva enheten driver med, med egne ord, delt i linjer som må settes sammen.",
        source="aktivitet",
        personal="none",
        nullable=True,
    )
    er_i_konsern: bool = dp.column("Om enheten er del av et konsern.", source="erIKonsern", personal="none")
    registrert_i_foretaksregisteret: bool = dp.column(
        "Om enheten er registrert i Foretaksregisteret.", source="registrertIForetaksregisteret", personal="none"
    )
    registreringsdato_foretaksregisteret: pl.Date = dp.column(
        "Datoen enheten ble registrert i Foretaksregisteret.",
        source="registreringsdatoForetaksregisteret",
        personal="none",
        nullable=True,
    )
    registrert_i_stiftelsesregisteret: bool = dp.column(
        "Om enheten er registrert i Stiftelsesregisteret.", source="registrertIStiftelsesregisteret", personal="none"
    )
    registrert_i_frivillighetsregisteret: bool = dp.column(
        "Om enheten er registrert i Frivillighetsregisteret.",
        source="registrertIFrivillighetsregisteret",
        personal="none",
    )
    registreringsdato_frivillighetsregisteret: pl.Date = dp.column(
        "Datoen enheten ble registrert i Frivillighetsregisteret.",
        source="registreringsdatoFrivillighetsregisteret",
        personal="none",
        nullable=True,
    )
    registrert_i_partiregisteret: bool = dp.column(
        "Om enheten er registrert i Partiregisteret.", source="registrertIPartiregisteret", personal="none"
    )
    registreringsdato_partiregisteret: pl.Date = dp.column(
        "Datoen enheten ble registrert i Partiregisteret.",
        source="registreringsdatoPartiregisteret",
        personal="none",
        nullable=True,
    )
    siste_innsendte_aarsregnskap: int = dp.column(
        "Regnskapsåret til det siste årsregnskapet Regnskapsregisteret har mottatt; kilden sender årstallet som tekst.",
        source="sisteInnsendteAarsregnskap",
        personal="none",
        nullable=True,
        examples=[2024],
        in_range=(1900, 2100),
        raise_warning=True,
    )
    fravalg_revisjon_dato: pl.Date = dp.column(
        "Datoen fravalget av revisjon gjelder fra.", source="fravalgRevisjonDato", personal="none", nullable=True
    )
    fravalg_revisjon_beslutnings_dato: pl.Date = dp.column(
        "Datoen det ble besluttet å velge bort revisjon.",
        source="fravalgRevisjonBeslutningsDato",
        personal="none",
        nullable=True,
    )
    kapital_belop: Annotated[pl.Decimal, 20, 2] = dp.column(
        "Registrert kapital, i valutaen i kapital_valuta.",
        source="kapital.belop",
        personal="none",
        nullable=True,
        ge=0,
        raise_warning=True,
    )
    kapital_antall_aksjer: int = dp.column(
        "Antall aksjer kapitalen er delt i; kan være flere milliarder.",
        source="kapital.antallAksjer",
        personal="none",
        unit="aksjer",
        nullable=True,
        ge=0,
        raise_warning=True,
    )
    kapital_type: str = dp.column(
        "Hva slags kapital beløpet er.",
        source="kapital.type",
        personal="none",
        nullable=True,
        examples=["Aksjekapital", "Grunnkapital"],
    )
    kapital_valuta: str = dp.column(
        "Valutaen alle kapitalbeløpene er oppgitt i (ISO 4217).",
        source="kapital.valuta",
        personal="none",
        nullable=True,
        examples=["NOK"],
        str_matches="^[A-Z]{3}$",
        raise_warning=True,
    )
    kapital_innfort_dato: pl.Date = dp.column(
        "Datoen kapitalen ble ført inn i registeret.", source="kapital.innfortDato", personal="none", nullable=True
    )
    kapital_innbetalt: Annotated[pl.Decimal, 20, 2] = dp.column(
        "Innbetalt del av kapitalen, i valutaen i kapital_valuta; sjelden oppgitt.",
        source="kapital.innbetalt",
        personal="none",
        nullable=True,
    )
    kapital_fullt_innbetalt: bool = dp.column(
        "Om hele kapitalen er innbetalt; sjelden oppgitt.",
        source="kapital.fulltInnbetalt",
        personal="none",
        nullable=True,
    )
    kapital_bundet: Annotated[pl.Decimal, 20, 2] = dp.column(
        "Bundet del av kapitalen, i valutaen i kapital_valuta; sjelden oppgitt.",
        source="kapital.bundet",
        personal="none",
        nullable=True,
    )
    konkurs: bool = dp.column("Om enheten er slått konkurs.", source="konkurs", personal="none")
    konkursdato: pl.Date = dp.column(
        "Datoen konkursen ble åpnet; kilden sender iblant en tom tekst, som leses som manglende.",
        source="konkursdato",
        personal="none",
        nullable=True,
    )
    under_avvikling: bool = dp.column("Om enheten er besluttet oppløst og er under avvikling.", source="underAvvikling", personal="none")
    under_avvikling_dato: pl.Date = dp.column(
        "Datoen avviklingen ble registrert.", source="underAvviklingDato", personal="none", nullable=True
    )
    under_tvangsavvikling_eller_tvangsopplosning: bool = dp.column(
        "Om enheten er under tvangsavvikling eller tvangsoppløsning.",
        source="underTvangsavviklingEllerTvangsopplosning",
        personal="none",
    )
    tvangsopplost_pga_manglende_daglig_leder_dato: pl.Date = dp.column(
        "Datoen enheten ble tvangsoppløst fordi den manglet daglig leder.",
        source="tvangsopplostPgaManglendeDagligLederDato",
        personal="none",
        nullable=True,
    )
    tvangsopplost_pga_manglende_revisor_dato: pl.Date = dp.column(
        "Datoen enheten ble tvangsoppløst fordi den manglet revisor.",
        source="tvangsopplostPgaManglendeRevisorDato",
        personal="none",
        nullable=True,
    )
    tvangsopplost_pga_manglende_regnskap_dato: pl.Date = dp.column(
        "Datoen enheten ble tvangsoppløst fordi den ikke sendte inn årsregnskap.",
        source="tvangsopplostPgaManglendeRegnskapDato",
        personal="none",
        nullable=True,
    )
    tvangsopplost_pga_mangelfullt_styre_dato: pl.Date = dp.column(
        "Datoen enheten ble tvangsoppløst fordi styret var mangelfullt.",
        source="tvangsopplostPgaMangelfulltStyreDato",
        personal="none",
        nullable=True,
    )
    tvangsavviklet_pga_manglende_sletting_dato: pl.Date = dp.column(
        "Datoen enheten ble tvangsavviklet fordi den ikke meldte sletting etter oppløsning.",
        source="tvangsavvikletPgaManglendeSlettingDato",
        personal="none",
        nullable=True,
    )
    under_rekonstruksjonsforhandling_dato: pl.Date = dp.column(
        "Datoen forhandling om rekonstruksjon ble åpnet.",
        source="underRekonstruksjonsforhandlingDato",
        personal="none",
        nullable=True,
    )
    under_utenlandsk_insolvensbehandling_dato: pl.Date = dp.column(
        "Datoen insolvensbehandling i utlandet ble åpnet.",
        source="underUtenlandskInsolvensbehandlingDato",
        personal="none",
        nullable=True,
    )
    paategninger: Endorsements = dp.column(
        "Registerførerens påtegninger på enheten, hver med infotype, tekst og innfoertDato; som oftest en tom liste.",
        source="paategninger",
        personal="possibly_identifying",
        nullable=True,
    )
    registreringsnummer_i_hjemlandet: str = dp.column(
        "Registreringsnummeret et utenlandsk foretak har i hjemlandet.",
        source="registreringsnummerIHjemlandet",
        personal="none",
        nullable=True,
    )
    foretaksform_i_hjemlandet_kode: str = dp.column(
        "Kode for foretaksformen et utenlandsk foretak har i hjemlandet.",
        source="foretaksformIHjemlandet.kode",
        personal="none",
        nullable=True,
    )
    foretaksform_i_hjemlandet_beskrivelse: str = dp.column(
        "Navnet på foretaksformen på hjemlandets språk.",
        source="foretaksformIHjemlandet.beskrivelse",
        personal="none",
        nullable=True,
    )
    foretaksform_i_hjemlandet_beskrivelse_bokmaal: str = dp.column(
        "Navnet på foretaksformen i hjemlandet, oversatt til bokmål.",
        source="foretaksformIHjemlandet.beskrivelseBokmaal",
        personal="none",
        nullable=True,
    )
    underlagt_lovgivning_land: str = dp.column(
        "Landet hvis lovgivning et utenlandsk foretak er underlagt.",
        source="underlagtLovgivningLand",
        personal="none",
        nullable=True,
    )
    underlagt_lovgivning_landkode: str = dp.column(
        "Landkoden til landet hvis lovgivning et utenlandsk foretak er underlagt.",
        source="underlagtLovgivningLandKode",
        personal="none",
        nullable=True,
        str_matches=LANDKODE,
        raise_warning=True,
    )
    utenlandsk_register_navn: str = dp.column(
        "Navnet på registeret i hjemlandet der foretaket er registrert.",
        source="utenlandskRegisterNavn",
        personal="none",
        nullable=True,
    )
    utenlandsk_register_adresse_adresse: Lines = dp.column(
        "Adresselinjene til registeret i hjemlandet.",
        source="utenlandskRegisterAdresse.adresse",
        personal="none",
        nullable=True,
    )
    utenlandsk_register_adresse_poststed: str = dp.column(
        "Poststedet til registeret i hjemlandet.",
        source="utenlandskRegisterAdresse.poststed",
        personal="none",
        nullable=True,
    )
    utenlandsk_register_adresse_land: str = dp.column(
        "Landet til registeret i hjemlandet.",
        source="utenlandskRegisterAdresse.land",
        personal="none",
        nullable=True,
    )
    respons_klasse: str = dp.column(
        "Kildens merke på svaret: Enhet for en levende enhet, SlettetEnhet for en slettet; mangler i eldre svar.",
        source="respons_klasse",
        personal="none",
        nullable=True,
        isin=["Enhet", "SlettetEnhet"],
        raise_warning=True,
    )
    ukjente_felt: str = dp.column(
        "Felter kilden har begynt å sende og som ennå ikke har egen kolonne, som JSON; mangler når alt er kjent.",
        source=dp.REST,
        personal="possibly_identifying",
        ignore=[*LINKS, "foretaksformIHjemlandet._links", "foretaksformIHjemlandet.links"],
        nullable=True,
    )

    class Config:
        """One row per unit."""

        unique = "organisasjonsnummer"
        description = (
            "Hovedenhetene i Enhetsregisteret slik de sto i Brønnøysundregistrenes fil for dagen: én rad per enhet, "
            "med alle felter API-et har. Slettede enheter er ikke med."
        )

    # A warning: a unit is not refused for a wrong reference to another.
    @pa.check("overordnet_enhet", name="mod11", error=number.MOD11, raise_warning=True)
    @classmethod
    def overordnet_enhet_mod11(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return number.check_digits(data)
