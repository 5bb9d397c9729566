"""The contract of `roller`: who holds which role in which unit, and the records it is read from."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.enhetsregisteret.schemas import organisasjonsnummer as number
from assets.enhetsregisteret.schemas.virksomhet import Lines

_LINKED = ("", "type.", "rolle.type.", "rolle.valgtAv.", "rolle.enhet.", "rolle.enhet.organisasjonsform.")
_UNIT_HREF = re.compile(r"/(?:under)?enheter/([^/?#]+)")


class Rolle(pa.DataFrameModel):
    """One role of one unit, held by a person or by another unit.

    Personal data: names and birth dates are published for every board member, manager and owner, so they identify
    directly. There is no national identity number, and birth date with name is not unique: two persons may share them.
    Limited legal capacity, and a future power of attorney in force, tell of a person's health: special category.
    """

    organisasjonsnummer: str = dp.column(
        "Organisasjonsnummeret til virksomheten rollen gjelder.",
        source="organisasjonsnummer",
        concept="organisasjonsnummer",
        personal="none",
        str_matches=number.FORM,
    )
    lopenummer: int = dp.column(
        "Rollens plass i virksomhetens svar, fra 1; sammen med organisasjonsnummeret er den radens nøkkel, men den "
        "flytter seg når en rolle foran kommer til eller faller fra.",
        source="lopenummer",
        personal="none",
        ge=1,
    )
    rollegruppe_kode: str = dp.column(
        "Kode for rollegruppen, for eksempel STYR (styre) eller DAGL (daglig leder); kan inneholde Æ, Ø og Å.",
        source="type.kode",
        concept="rollegruppe",
        personal="none",
        examples=["STYR", "DAGL", "REVI"],
    )
    rollegruppe_beskrivelse: str = dp.column("Navnet på rollegruppen.", source="type.beskrivelse", personal="none", nullable=True)
    sist_endret: pl.Date = dp.column(
        "Datoen rollegruppen, ikke den enkelte rollen, sist ble endret.",
        source="sistEndret",
        personal="none",
        nullable=True,
    )
    rolle_kode: str = dp.column(
        "Kode for rollen, for eksempel LEDE (styrets leder) eller MEDL (styremedlem); kan inneholde Æ, Ø og Å.",
        source="rolle.type.kode",
        concept="rolle",
        personal="none",
        examples=["LEDE", "MEDL", "DAGL"],
    )
    rolle_beskrivelse: str = dp.column("Navnet på rollen.", source="rolle.type.beskrivelse", personal="none", nullable=True)
    person_fodselsdato: pl.Date = dp.column(
        "Fødselsdatoen til personen som har rollen; mangler når en virksomhet har den.",
        source="rolle.person.fodselsdato",
        personal="directly_identifying",
        nullable=True,
    )
    person_fornavn: str = dp.column(
        "Fornavnet til personen som har rollen.",
        source="rolle.person.navn.fornavn",
        personal="directly_identifying",
        nullable=True,
    )
    person_mellomnavn: str = dp.column(
        "Mellomnavnet til personen som har rollen.",
        source="rolle.person.navn.mellomnavn",
        personal="directly_identifying",
        nullable=True,
    )
    person_etternavn: str = dp.column(
        "Etternavnet til personen som har rollen.",
        source="rolle.person.navn.etternavn",
        personal="directly_identifying",
        nullable=True,
    )
    person_er_dod: bool = dp.column(
        "Om personen som har rollen, er død.",
        source="rolle.person.erDoed",
        personal="possibly_identifying",
        nullable=True,
    )
    enhet_organisasjonsnummer: str = dp.column(
        "Organisasjonsnummeret til virksomheten som har rollen, for eksempel revisor; mangler når en person har den.",
        source="rolle.enhet.organisasjonsnummer",
        concept="organisasjonsnummer",
        personal="none",
        nullable=True,
    )
    enhet_navn: Lines = dp.column(
        "Navnet på virksomheten som har rollen, i én eller flere linjer som må settes sammen.",
        source="rolle.enhet.navn",
        personal="possibly_identifying",
        nullable=True,
    )
    enhet_organisasjonsform_kode: str = dp.column(
        "Kode for organisasjonsformen til virksomheten som har rollen.",
        source="rolle.enhet.organisasjonsform.kode",
        concept="organisasjonsform",
        personal="none",
        nullable=True,
    )
    enhet_organisasjonsform_beskrivelse: str = dp.column(
        "Navnet på organisasjonsformen til virksomheten som har rollen.",
        source="rolle.enhet.organisasjonsform.beskrivelse",
        personal="none",
        nullable=True,
    )
    enhet_organisasjonsform_utgaatt: pl.Date = dp.column(
        "Datoen den organisasjonsformen gikk ut av bruk; mangler når den fortsatt brukes.",
        source="rolle.enhet.organisasjonsform.utgaatt",
        personal="none",
        nullable=True,
    )
    enhet_godkjenningsstatus: str = dp.column(
        "Finanstilsynets godkjenning av et revisjons- eller regnskapsforetak, for eksempel Godkjent revisjonsforetak.",
        source="rolle.enhet.godkjenningsstatus",
        personal="none",
        nullable=True,
    )
    enhet_er_slettet: bool = dp.column(
        "Om virksomheten som har rollen, er slettet.",
        source="rolle.enhet.erSlettet",
        personal="none",
        nullable=True,
    )
    fratraadt: bool = dp.column(
        "Om den som har rollen, har fratrådt, men ennå står registrert.",
        source="rolle.fratraadt",
        personal="none",
        nullable=True,
    )
    avregistrert: bool = dp.column("Om rollen er avregistrert.", source="rolle.avregistrert", personal="none", nullable=True)
    ansvarsandel: str = dp.column(
        "Deltakerens andel av ansvaret i et selskap med delt ansvar, som tekst: en prosent eller en brøk.",
        source="rolle.ansvarsandel",
        personal="none",
        nullable=True,
        examples=["50%", "1/3"],
    )
    valgt_av_kode: str = dp.column(
        "Kode for hvem som har valgt styremedlemmet når det ikke er generalforsamlingen, for eksempel AREP (de ansatte).",
        source="rolle.valgtAv.kode",
        personal="none",
        nullable=True,
        examples=["AREP"],
    )
    valgt_av_beskrivelse: str = dp.column(
        "Hvem som har valgt styremedlemmet, med tekst.",
        source="rolle.valgtAv.beskrivelse",
        personal="none",
        nullable=True,
    )
    rekkefolge: int = dp.column(
        "Rollens rekkefølge innen rollegruppen slik registeret oppgir den; ikke entydig.",
        source="rolle.rekkefolge",
        personal="none",
        nullable=True,
    )
    stadfestet_fremtidsfullmakt: bool = dp.column(
        "Om en stadfestet fremtidsfullmakt gjelder for personen, slik at andre handler på hans eller hennes vegne; sendes siden mars 2024.",
        source="rolle.stadfestetFremtidsfullmakt",
        personal="special_category",
        nullable=True,
    )
    begrenset_rettslig_handleevne: bool = dp.column(
        "Om personen har begrenset rettslig handleevne; sendes siden mars 2024.",
        source="rolle.begrensetRettsligHandleevne",
        personal="special_category",
        nullable=True,
    )
    ukjente_felt: str = dp.column(
        "Felter kilden har begynt å sende og som ennå ikke har egen kolonne, som JSON; mangler når alt er kjent.",
        source=dp.REST,
        personal="special_category",  # nobody knows what a new field about a person will be
        ignore=[f"{where}{links}" for where in _LINKED for links in ("_links", "links")],
        nullable=True,
    )

    class Config:
        """One row per role of a unit."""

        unique: ClassVar = ["organisasjonsnummer", "lopenummer"]
        description = (
            "Rollene i virksomhetene i Enhetsregisteret: hvem som leder, eier, reviderer og fører regnskap. "
            "Inneholder navn og fødselsdato og er derfor begrenset."
        )

    @pa.check("organisasjonsnummer", error=number.MOD11)
    @classmethod
    def mod11(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return number.check_digits(data)

    # A warning: a role is not refused for a wrong reference to its holder.
    @pa.check("enhet_organisasjonsnummer", name="mod11", error=number.MOD11, raise_warning=True)
    @classmethod
    def enhet_organisasjonsnummer_mod11(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return number.check_digits(data)

    @pa.dataframe_check(error="rollen har enten en person eller en virksomhet som innehaver", raise_warning=True)
    @classmethod
    def rollen_har_en_innehaver(cls, data: pa.PolarsData) -> pl.LazyFrame:
        person = pl.any_horizontal(pl.col("person_fodselsdato", "person_fornavn", "person_etternavn").is_not_null())
        return data.lazyframe.select(person ^ pl.col("enhet_organisasjonsnummer").is_not_null())


def role_records(element: object) -> list[dict[str, Any]]:
    """The roles of one unit, a record each: what `Rolle` reads.

    `element` is an entry of `/roller/totalbestand` or an answer of `/enheter/{number}/roller`; its unit is named by the
    member `organisasjonsnummer` or else by the links. A record holds the group's members, `organisasjonsnummer`,
    `lopenummer` and, under `rolle`, the role as sent. Whatever else the element holds comes along under `svar`, so that
    nothing is lost. What is not of this shape becomes a record without a role, which the contract refuses.
    """
    if not isinstance(element, dict) or not isinstance(element.get("rollegrupper") or [], list):
        return [{"organisasjonsnummer": _unit(element), "lopenummer": 1, "svar": element}]
    rest = {k: v for k, v in element.items() if k not in ("organisasjonsnummer", "rollegrupper", "_links", "links")}
    beside: dict[str, Any] = {"organisasjonsnummer": _unit(element), **({"svar": rest} if rest else {})}
    records: list[dict[str, Any]] = []
    for group in element.get("rollegrupper") or []:
        roles = group.get("roller") or [] if isinstance(group, dict) else None
        if not isinstance(roles, list):
            records.append({**beside, "lopenummer": len(records) + 1, "rollegruppe": group})
            continue
        about = {k: v for k, v in group.items() if k != "roller"}
        for role in roles:
            records.append({**about, **beside, "lopenummer": len(records) + 1, "rolle": role})
    return records


def _unit(element: object) -> object:
    """The unit's number as sent, right or wrong; None where the element does not name a unit."""
    if not isinstance(element, dict):
        return None
    if element.get("organisasjonsnummer") is not None:
        return element["organisasjonsnummer"]
    links = element.get("_links")
    for name in ("enhet", "self"):
        link = links.get(name) if isinstance(links, dict) else None
        href = link.get("href") if isinstance(link, dict) else None
        if isinstance(href, str) and (found := _UNIT_HREF.search(href)):
            return found[1]
    return None
