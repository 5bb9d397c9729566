"""A catalog to look at: six products of an imagined organization, with two months of deliveries, failures and talk. The same each time."""

from __future__ import annotations

import base64
import json
import math
import random
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import people, register
from dataproducts.catalog import tables as t
from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from dataproducts.messages import (
    Arrival,
    CheckResult,
    ColumnFacts,
    ColumnFigures,
    ColumnOrigin,
    Concept,
    ContractFacts,
    DatasetBody,
    Definition,
    Delivery,
    Example,
    ExampleOutput,
    Failure,
    PartitionFacts,
    PortFacts,
    PortProof,
    ProductBody,
    Proof,
    RuleFacts,
    SourceFacts,
)
from dataproducts.product_facts import ProductFacts

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
BEGAN = datetime(2026, 6, 1, 8, tzinfo=UTC)
LOCATION = "eksempel"
SECRET = "12057900499"
"""Stands where a careless producer could put a national identity number; no page may ever show it."""

PRODUCTS: dict[str, dict[str, Any]] = {
    "enhetsregisteret": {
        "title": {"nb": "Enhetsregisteret med historikk", "en": "The register of legal entities, with history"},
        "description": {
            "nb": "Alle enheter og underenheter, **dag for dag**: navn, organisasjonsform, adresser, næringskoder, roller og endringer. "
            "Hver dags utgave tas vare på uendret, så registeret kan leses slik det var kjent på et gitt tidspunkt.",
            "en": "Every legal entity and sub-unit, **day by day**: names, legal forms, addresses, industry codes, roles and changes. "
            "Each day's edition is kept unchanged, so that the register can be read as it was known at any time.",
        },
        "readme": "# Slik henger det sammen\n\nDagens fil leses hver natt og sammenlignes med gårsdagens. `enheter_historikk` bygges av "
        "øyeblikksbildene og har **én rad per tidsrom** en enhet sto uendret.\n\n"
        "| datasett | nøkkel |\n|---|---|\n| enheter | organisasjonsnummer |\n| roller | organisasjonsnummer, rolle, person |",
        "team": "team-register",
        "product_area": "Grunndata",
        "personal_data": {
            "class": "directly_identifying",
            "reason": "Kilden er åpen, og handler likevel om mennesker: enkeltpersonforetak bærer eierens navn og adresse, og roller har personers navn.",
        },
        "access": {"level": "restricted", "can_read": ["team-register"], "can_request": ["alle-ansatte"]},
        "purpose": "Én kontrollert og fullstendig historikk i stedet for en kopi av dagens register hos hvert team.",
        "usage": "Koble på `organisasjonsnummer`. Ta en dags partisjon for registeret den dagen, historikken for hva som endret seg.",
        "limitations": "Antall ansatte oppgis ikke for enheter med 0 til 4 ansatte siden september 2023.",
        "license": "NLOD_2_0",
        "themes": ["GOVE", "ECON"],
        "keywords": ["virksomhet", "organisasjonsnummer", "bedrift", "register"],
        "sources": [
            {
                "name": "Enhetsregisteret",
                "owner": "Registerføreren",
                "description": "Nattlige filer.",
                "url": "https://example.com/register",
            }
        ],
        "links": [
            {"title": "Virksomheter i Norge, måned for måned", "url": "https://example.com/rapport/virksomheter", "kind": "dashboard"},
            {"title": "Slik leser du historikken", "url": "https://example.com/fortelling/historikk", "kind": "story"},
        ],
        "repository": "https://example.com/kode/enhetsregisteret",
        "temporal": {"from": "2026-06-01"},
        "issued": "2026-06-01",
    },
    "stillinger": {
        "title": {"nb": "Ledige stillinger", "en": "Job vacancies"},
        "description": {
            "nb": "Alle stillingsannonser som er lagt ut, fra de blir publisert til de blir tatt ned, koblet til arbeidsgiver og yrke.",
            "en": "Every job advertisement, from publication until it is taken down, joined to employer and occupation.",
        },
        "team": "team-stilling",
        "product_area": "Arbeidsmarked",
        "personal_data": {"class": "possibly_identifying", "reason": "Kontaktpersoner kan stå i fritekst i annonsene."},
        "access": {"level": "restricted", "can_read": ["team-stilling", "analyse"], "can_request": ["alle-ansatte"]},
        "purpose": "Et felles grunnlag for statistikk og formidling.",
        "license": "CC_BY_4_0",
        "themes": ["ECON", "SOCI"],
        "keywords": ["stilling", "annonse", "arbeidsmarked", "yrke"],
    },
    "foreldrepenger": {
        "title": {"nb": "Foreldrepenger", "en": "Parental benefit"},
        "description": {
            "nb": "Søknader, vedtak og utbetalinger av foreldrepenger, uten fritekst og vedlegg.",
            "en": "Applications, decisions and payments of parental benefit, without free text and attachments.",
        },
        "team": "team-familie",
        "product_area": "Familie",
        "personal_data": {
            "class": "special_category",
            "also": ["directly_identifying"],
            "reason": "Vedtakene sier noe om helse og familieforhold.",
        },
        "access": {"level": "restricted", "can_read": ["team-familie"], "can_request": ["analyse"]},
        "legal_basis": "Behandling B-214: statistikk og styring.",
        "purpose": "Styring og statistikk.",
        "license": "NLOD_2_0",
        "themes": ["SOCI", "HEAL"],
        "keywords": ["ytelse", "permisjon", "vedtak"],
    },
    "sykefravaer": {
        "title": {"nb": "Sykefravær", "en": "Sickness absence"},
        "description": {
            "nb": "Anonymisert statistikk over sykefravær etter næring, fylke og diagnosegruppe.",
            "en": "Anonymized statistics of sickness absence by industry, county and diagnosis group.",
        },
        "team": "team-helse",
        "product_area": "Helse",
        "personal_data": {"class": "anonymized", "method": "Celler med færre enn fem personer er slått sammen, og tallene er avrundet."},
        "access": {"level": "open"},
        "license": "CC_BY_4_0",
        "themes": ["HEAL"],
        "keywords": ["sykefravær", "statistikk", "åpne data"],
    },
    "saksflyt": {
        "title": {"nb": "Saksflyt", "en": "Case flow"},
        "description": {
            "nb": "Hvor lang tid saker tar, fra de kommer inn til de er avgjort, målt i hvert ledd.",
            "en": "How long cases take, from arrival to decision, measured at each step.",
        },
        "team": "team-saksflyt",
        "product_area": "Produksjon",
        "personal_data": {"class": "none", "reason": "Bare saksnummer uten kobling til person."},
        "access": {"level": "internal"},
        "license": "CC_BY_4_0",
        "themes": ["GOVE"],
        "keywords": ["behandlingstid", "kø", "styring"],
    },
    "geografi": {
        "title": {"nb": "Kommuner, fylker og postnumre", "en": "Municipalities, counties and postal codes"},
        "description": {
            "nb": "Gjeldende og tidligere inndelinger, med gyldighet, slik at gamle og nye tall kan sammenlignes.",
            "en": "Present and former divisions with validity, so that old and new figures can be compared.",
        },
        "team": "team-register",
        "product_area": "Grunndata",
        "personal_data": {"class": "none", "reason": "Bare steder."},
        "access": {"level": "open"},
        "license": "CC0",
        "themes": ["REGI"],
        "keywords": ["kommune", "fylke", "postnummer"],
        "status": "deprecated",
    },
}

CONCEPTS = {
    "enhetsregisteret": (
        Concept(name="virksomhet", label={"nb": "virksomhet", "en": "enterprise"}, definition={"nb": "En juridisk person, et enkeltpersonforetak eller en annen enhet som driver eller kan drive aktivitet.", "en": "A legal person, sole proprietorship or other unit that carries on, or may carry on, an activity."}),
        Concept(name="organisasjonsnummer", label={"nb": "organisasjonsnummer", "en": "organization number"}, definition={"nb": "Ni siffer som entydig identifiserer en enhet. Det siste er et kontrollsiffer (modulus 11).", "en": "Nine digits that identify a unit. The last is a check digit (modulus 11)."}, see="https://example.com/begrep/organisasjonsnummer", broader=("virksomhet",)),
        Concept(name="naeringskode", label={"nb": "næringskode", "en": "industry code"}, definition={"nb": "Virksomhetens hovedaktivitet etter Standard for næringsgruppering.", "en": "The main activity by the standard industrial classification."}, broader=("virksomhet",)),
    ),
    "saksflyt": (Concept(name="behandlingstid", label={"nb": "behandlingstid", "en": "processing time"}, definition={"nb": "Dager fra en sak er mottatt til den er avgjort.", "en": "Days from a case is received until it is decided."}),),
}  # fmt: skip

C = tuple[str, str, str, dict[str, Any]]


def _c(name: str, type_: str, description: str, **more: Any) -> C:
    return name, type_, description, more


_ORGNR = _c(
    "organisasjonsnummer",
    "String",
    "Ni siffer som identifiserer enheten.",
    title="Organisasjonsnummer",
    concept="organisasjonsnummer",
    personal="possibly_identifying",
    source="organisasjonsnummer",
)
_VALID = (
    _c("valid_from", "Date", "Første dag raden gjelder."),
    _c("valid_to", "Date", "Første dag raden ikke lenger gjelder; tom så lenge den gjelder.", nullable=True),
)

DATASETS: dict[str, dict[str, Any]] = {
    "enhetsregisteret/enheter": {
        "title": "Enheter",
        "description": "Alle hovedenheter slik de sto i registeret **den dagen**, én rad per enhet.\n\n- Slettede enheter er ikke med.\n- Adresser følger kilden; utenlandske har ikke postnummer.",
        "kind": "snapshot",
        "key": ("organisasjonsnummer",),
        "personal": "directly_identifying",
        "columns": (
            _ORGNR,
            _c("navn", "String", "Enhetens fulle navn. For enkeltpersonforetak er det eierens.", personal="directly_identifying", source="navn"),
            _c("organisasjonsform", "String", "Kode for organisasjonsformen, som `AS` og `ENK`.", personal="none", source="organisasjonsform.kode"),
            _c("naeringskode", "String", "Hovedaktiviteten, som `62.010`.", title="Næringskode", personal="none", concept="naeringskode", nullable=True, source="naeringskode1.kode"),
            _c("antall_ansatte", "Int64", "Registrerte ansatte. Oppgis ikke for 0 til 4.", personal="none", unit="ansatte", nullable=True, source="antallAnsatte"),
            _c("registrert", "Date", "Dagen enheten ble registrert.", personal="none", source="registreringsdatoEnhetsregisteret"),
            _c("kommunenummer", "String", "Kommunen forretningsadressen ligger i.", personal="none", nullable=True),
            _c("postadresse", "List(String)", "Postadressens linjer.", personal="directly_identifying", nullable=True),
            _c("konkurs", "Boolean", "Om enheten er under konkursbehandling.", personal="none"),
            _c("kapital", "Decimal(20,2)", "Innbetalt kapital.", personal="none", unit="NOK", nullable=True),
        ),
        "ports": ("lake", "bigquery", "file"),
        "source": True,
        "freshness": 30,
        "rows": 1_150_000,
        "days": 62,
    },
    "enhetsregisteret/underenheter": {
        "title": "Underenheter", "description": "Alle underenheter (bedrifter) den dagen, med hvilken enhet de hører til.", "kind": "snapshot", "key": ("organisasjonsnummer",), "personal": "possibly_identifying",
        "columns": (_ORGNR, _c("overordnet_enhet", "String", "Organisasjonsnummeret til hovedenheten.", personal="possibly_identifying"), _c("antall_ansatte", "Int64", "Registrerte ansatte.", personal="none", nullable=True, unit="ansatte"), _c("beliggenhet", "String", "Kommunenummer der bedriften ligger.", personal="none")),
        "source": True, "freshness": 30, "rows": 920_000, "days": 30,
    },
    "enhetsregisteret/roller": {
        "title": "Roller", "description": "Hvem som har hvilken rolle i hver enhet.", "kind": "snapshot", "key": ("organisasjonsnummer", "rolle", "person"), "personal": "directly_identifying",
        "columns": (_ORGNR, _c("rolle", "String", "Rollens kode: `DAGL`, `LEDE`, `MEDL`.", personal="none"), _c("person", "String", "Navnet på den som har rollen.", personal="directly_identifying"), _c("fodselsdato", "Date", "Fødselsdatoen til den som har rollen.", title="Fødselsdato", personal="directly_identifying")),
        "source": True, "freshness": 30, "rows": 3_900_000, "days": 20, "trouble": "failing",
    },
    "enhetsregisteret/organisasjonsformer": {
        "title": "Organisasjonsformer", "description": "Kodeverk over organisasjonsformer.", "kind": "table", "key": ("kode",), "partitions": "none",
        "columns": (_c("kode", "String", "Koden."), _c("beskrivelse", "String", "Hva den betyr."), _c("utgatt", "Date", "Når den gikk ut.", nullable=True)),
        "rows": 44, "days": 3,
    },
    "enhetsregisteret/enheter_historikk": {
        "title": "Enheter, historikk", "description": "Tidsrommene hver enhet sto uendret, fra og med `valid_from` til, men ikke med, `valid_to`.", "kind": "history", "key": ("organisasjonsnummer", "valid_from"), "personal": "directly_identifying", "partitions": "none",
        "columns": (_ORGNR, _c("navn", "String", "Enhetens navn i tidsrommet.", personal="directly_identifying"), _c("antall_ansatte", "Int64", "Registrerte ansatte i tidsrommet.", nullable=True, personal="none", unit="ansatte"), *_VALID),
        "upstream": ("enhetsregisteret/enheter",), "rows": 2_400_000, "days": 20, "ports": ("lake", "bigquery"),
    },
    "stillinger/stillingsannonser": {
        "title": "Stillingsannonser", "description": "Hver endring i hver annonse, i den rekkefølgen den kom.", "kind": "table", "key": ("annonse_id", "endret"), "personal": "possibly_identifying", "partitions": "daily",
        "columns": (_c("annonse_id", "String", "Annonsens uuid.", personal="none"), _c("endret", "Datetime('us', 'UTC')", "Når annonsen ble endret.", time_zone="UTC", personal="none"), _c("tittel", "String", "Annonsens tittel.", personal="none"), _c("kontaktperson", "String", "Navn på kontaktpersonen.", personal="directly_identifying", nullable=True), _c("organisasjonsnummer", "String", "Arbeidsgiverens organisasjonsnummer.", personal="none"), _c("antall_stillinger", "Int64", "Hvor mange som skal ansettes.", personal="none", unit="stillinger")),
        "ports": ("lake", "kafka"), "freshness": 26, "rows": 21_000, "days": 62,
    },
    "stillinger/stillinger_daglig": {
        "title": "Stillinger per dag", "description": "De aktive annonsene ved utgangen av hver dag.", "kind": "snapshot", "key": ("annonse_id",),
        "columns": (_c("annonse_id", "String", "Annonsens uuid."), _c("tittel", "String", "Annonsens tittel."), _c("yrke", "String", "Yrkeskode (STYRK-08).", nullable=True), _c("antall_stillinger", "Int64", "Hvor mange som skal ansettes.", unit="stillinger"), _c("arbeidsgiver", "String", "Arbeidsgiverens organisasjonsnummer.")),
        "upstream": ("stillinger/stillingsannonser",), "ports": ("lake", "bigquery"), "freshness": 30, "rows": 14_500, "days": 62, "quarantine": True, "personal": "none",
    },
    "stillinger/arbeidsgivere": {
        "title": "Arbeidsgivere med ledige stillinger", "description": "Arbeidsgivere som søker folk, beriket fra Enhetsregisteret.", "kind": "snapshot", "key": ("organisasjonsnummer",), "personal": "possibly_identifying",
        "columns": (_ORGNR, _c("navn", "String", "Arbeidsgiverens navn.", personal="possibly_identifying"), _c("antall_stillinger", "Int64", "Ledige stillinger i dag.", personal="none", unit="stillinger"), _c("antall_ansatte", "Int64", "Registrerte ansatte.", personal="none", nullable=True)),
        "upstream": ("stillinger/stillinger_daglig", "enhetsregisteret/enheter"), "freshness": 30, "rows": 6_100, "days": 30,
    },
    "stillinger/stillingsstatistikk": {
        "title": "Stillingsstatistikk", "description": "Nye, aktive og utgåtte stillinger per måned, fylke og yrke.", "kind": "table", "key": ("maned", "fylke", "yrke"), "partitions": "monthly",
        "columns": (_c("maned", "Date", "Månedens første dag.", title="Måned"), _c("fylke", "String", "Fylkesnummer."), _c("yrke", "String", "Yrkeskode."), _c("nye", "Int64", "Stillinger lyst ut i måneden."), _c("aktive", "Int64", "Stillinger aktive ved månedens slutt.")),
        "upstream": ("stillinger/stillinger_daglig", "geografi/fylker"), "ports": ("lake", "file"), "freshness": 24 * 40, "rows": 8_800, "days": 6, "personal": "none", "access": "open",
    },
    "stillinger/kompetanser": {"title": "Etterspurte kompetanser", "description": "Ord for kompetanse funnet i annonsetekstene.", "kind": "table", "key": ("kompetanse",), "columns": (_c("kompetanse", "String", "Kompetansen."), _c("antall", "Int64", "Annonser som nevner den.")), "upstream": ("stillinger/stillingsannonser",), "rows": 5_400, "days": 20, "freshness": 24},
    "foreldrepenger/soknader": {"title": "Søknader", "description": "Én rad per mottatt søknad.", "kind": "table", "key": ("soknad_id",), "personal": "directly_identifying", "columns": (_c("soknad_id", "String", "Søknadens id.", title="Søknad", personal="none"), _c("fnr", "String", "Søkerens fødselsnummer.", personal="directly_identifying", title="Fødselsnummer"), _c("mottatt", "Date", "Når søknaden kom.", personal="none")), "rows": 310, "days": 30, "freshness": 30},
    "foreldrepenger/vedtak": {"title": "Vedtak", "description": "Hvert vedtak med utfall og periode.", "kind": "table", "key": ("vedtak_id",), "personal": "special_category", "columns": (_c("vedtak_id", "String", "Vedtakets id.", personal="none"), _c("soknad_id", "String", "Søknaden vedtaket svarer på.", personal="none"), _c("utfall", "String", "Innvilget, avslått eller trukket.", personal="confidential"), _c("arsak", "String", "Årsakskode.", personal="special_category", title="Årsak")), "upstream": ("foreldrepenger/soknader",), "rows": 290, "days": 30, "freshness": 30, "ports": ("lake", "kafka")},
    "foreldrepenger/utbetalinger": {"title": "Utbetalinger", "description": "Utbetalte beløp per måned.", "kind": "table", "key": ("vedtak_id", "maned"), "personal": "possibly_identifying", "columns": (_c("vedtak_id", "String", "Vedtaket det betales etter.", personal="none"), _c("maned", "Date", "Måneden.", personal="none"), _c("belop", "Decimal(12,2)", "Brutto beløp.", unit="NOK", personal="possibly_identifying", title="Beløp")), "upstream": ("foreldrepenger/vedtak",), "rows": 4_000, "days": 20},
    "foreldrepenger/permisjonsuker": {"title": "Permisjonsuker", "description": "Uker tatt ut per forelder, summert.", "kind": "table", "key": ("ar", "kjonn"), "columns": (_c("ar", "Int32", "Året.", title="År"), _c("kjonn", "String", "Kjønn."), _c("uker", "Float64", "Gjennomsnittlig antall uker.", unit="uker")), "upstream": ("foreldrepenger/vedtak",), "rows": 48, "days": 4, "personal": "anonymized"},
    "foreldrepenger/behandlingstid": {"title": "Behandlingstid, foreldrepenger", "description": "Dager fra søknad til vedtak.", "kind": "table", "key": ("maned",), "columns": (_c("maned", "Date", "Måneden."), _c("median", "Float64", "Median antall dager.", unit="dager")), "upstream": ("foreldrepenger/soknader", "foreldrepenger/vedtak"), "rows": 30, "days": 20, "personal": "none"},
    "sykefravaer/sykmeldinger": {"title": "Sykmeldinger, anonymisert", "description": "Antall sykmeldinger per uke.", "kind": "table", "key": ("uke", "naering"), "columns": (_c("uke", "Date", "Ukens mandag."), _c("naering", "String", "Næringshovedområde.", title="Næring"), _c("antall", "Int64", "Sykmeldinger, avrundet.")), "rows": 1_200, "days": 20, "access": "open", "personal": "anonymized"},
    "sykefravaer/fravaersperioder": {"title": "Fraværsperioder", "description": "Fordeling av lengden på fravær.", "kind": "table", "key": ("lengde",), "columns": (_c("lengde", "Int64", "Dager.", unit="dager"), _c("antall", "Int64", "Perioder.")), "upstream": ("sykefravaer/sykmeldinger",), "rows": 365, "days": 12, "access": "open", "personal": "anonymized"},
    "sykefravaer/sykefravaersstatistikk": {"title": "Sykefraværsstatistikk", "description": "Sykefraværsprosent etter næring og fylke, kvartal for kvartal.", "kind": "table", "key": ("kvartal", "fylke", "naering"), "columns": (_c("kvartal", "String", "Kvartalet, som 2026K3."), _c("fylke", "String", "Fylkesnummer."), _c("naering", "String", "Næring."), _c("prosent", "Float64", "Tapte dagsverk i prosent av avtalte.", unit="%")), "upstream": ("sykefravaer/fravaersperioder", "geografi/fylker"), "rows": 2_300, "days": 8, "access": "open", "personal": "anonymized", "ports": ("lake", "file", "bigquery")},
    "sykefravaer/diagnosegrupper": {"title": "Diagnosegrupper", "description": "Kodeverk over grupper av diagnoser.", "kind": "table", "key": ("kode",), "partitions": "none", "columns": (_c("kode", "String", "Koden."), _c("navn", "String", "Navnet på gruppen.")), "rows": 17, "days": 2, "access": "open", "personal": "none"},
    "saksflyt/saker": {"title": "Saker", "description": "Én rad per sak, med tidspunkt for hvert ledd.", "kind": "snapshot", "key": ("sak",), "columns": (_c("sak", "String", "Saksnummeret."), _c("mottatt", "Date", "Når saken kom inn."), _c("avgjort", "Date", "Når den ble avgjort.", nullable=True), _c("enhet", "String", "Enheten som behandler saken.")), "rows": 84_000, "days": 40, "freshness": 30, "personal": "none", "access": "internal", "quarantine": True},
    "saksflyt/hendelser": {"title": "Hendelser", "description": "Alt som har skjedd med en sak.", "kind": "table", "key": ("hendelse",), "columns": (_c("hendelse", "String", "Hendelsens id."), _c("sak", "String", "Saken."), _c("tid", "Datetime('us', 'UTC')", "Når.", time_zone="UTC")), "rows": 41_000, "days": 40, "freshness": 26, "ports": ("lake", "kafka"), "personal": "none", "access": "internal"},
    "saksflyt/behandlingstider": {"title": "Behandlingstider", "description": "Behandlingstid per enhet og uke.", "kind": "table", "key": ("uke", "enhet"), "columns": (_c("uke", "Date", "Ukens mandag."), _c("enhet", "String", "Enheten."), _c("dager", "Float64", "Gjennomsnittlig behandlingstid.", unit="dager", concept="behandlingstid")), "upstream": ("saksflyt/saker", "saksflyt/hendelser"), "rows": 900, "days": 30, "freshness": 200, "personal": "none", "access": "internal"},
    "saksflyt/ko": {"title": "Kø", "description": "Saker som venter, per enhet.", "kind": "snapshot", "key": ("enhet",), "columns": (_c("enhet", "String", "Enheten."), _c("ventende", "Int64", "Saker som venter.", unit="saker")), "upstream": ("saksflyt/saker",), "rows": 120, "days": 30, "freshness": 26, "trouble": "late", "personal": "none", "access": "internal"},
    "geografi/kommuner": {"title": "Kommuner", "description": "Kommunene slik de er inndelt nå.", "kind": "table", "key": ("kommunenummer",), "partitions": "none", "columns": (_c("kommunenummer", "String", "Fire siffer."), _c("navn", "String", "Kommunens navn."), _c("fylkesnummer", "String", "Fylket kommunen ligger i.")), "rows": 357, "days": 2, "access": "open", "personal": "none"},
    "geografi/fylker": {"title": "Fylker", "description": "Fylkene slik de er inndelt nå.", "kind": "table", "key": ("fylkesnummer",), "partitions": "none", "columns": (_c("fylkesnummer", "String", "To siffer."), _c("navn", "String", "Fylkets navn.")), "rows": 15, "days": 2, "access": "open", "personal": "none", "upstream": ("geografi/kommuner",)},
    "geografi/postnumre": {"title": "Postnumre", "description": "Postnumre med poststed og kommune.", "kind": "table", "key": ("postnummer",), "partitions": "none", "columns": (_c("postnummer", "String", "Fire siffer."), _c("poststed", "String", "Poststedet."), _c("kommunenummer", "String", "Kommunen.")), "rows": 5_132, "days": 3, "access": "open", "personal": "none", "upstream": ("geografi/kommuner",)},
    "geografi/kommuneendringer": {"title": "Kommuneendringer", "description": "Hvilke kommuner som ble til hvilke, og når.", "kind": "history", "key": ("fra", "dato"), "partitions": "none", "columns": (_c("fra", "String", "Gammelt nummer."), _c("til", "String", "Nytt nummer."), _c("dato", "Date", "Da endringen gjaldt fra.")), "rows": 611, "days": 2, "access": "open", "personal": "none", "upstream": ("geografi/kommuner",)},
}  # fmt: skip

EXAMPLE = '''"""Hvor mange virksomheter ble registrert hver måned?"""

import dataproducts

enheter = dataproducts.read("enhetsregisteret/enheter")
per_maaned = enheter.groupby(enheter["registrert"].dt.to_period("M")).size()
print(per_maaned.tail(12))
'''


def facts(name: str) -> ProductFacts:
    given = PRODUCTS[name]
    base = {
        "name": name,
        "status": "active",
        "contact": {"name": given["team"].replace("-", " ").title(), "email": f"{given['team']}@example.com", "slack": f"#{given['team']}"},
        "publisher": {"name": "Eksempeletaten"},
        "periodicity": "DAILY",
        "language": ["nb"],
        "spatial": ["NOR"],
        "version": "1.4.0",
    }
    return ProductFacts.model_validate({**base, **given})


def _column(given: C) -> ColumnFacts:
    name, type_, description, more = given
    return ColumnFacts(name=name, type=type_, description=description, **{"nullable": False, **more})


def _port(kind: str, name: str) -> PortFacts:
    product, dataset = name.split("/")
    return {
        "lake": PortFacts(name="lake", kind="lake", address=f"lake/{name}"),
        "bigquery": PortFacts(
            name="bigquery", kind="bigquery", address=f"eksempel-prod.{product}.{dataset}", facts={"region": "europe-north1"}
        ),
        "kafka": PortFacts(name="kafka", kind="kafka", address=f"{product}.{dataset}-v1", facts={"pool": "prod", "format": "JSON"}),
        "file": PortFacts(name="file", kind="file", address=f"https://example.com/filer/{product}/{dataset}.parquet", title="Parquet"),
    }[kind]


def body(name: str, *, columns: int | None = None, version: str = "1.0.0") -> DatasetBody:
    given = DATASETS[name]
    shape = tuple(_column(c) for c in given["columns"])[:columns]
    product = name.split("/")[0]
    grain = given.get("partitions", "daily")
    key = tuple(k for k in given["key"] if k in {c.name for c in shape})
    rules = [RuleFacts(name="key_unique", kind="unique", description=f"{', '.join(key)} er entydig.")]
    rules += [
        RuleFacts(name=f"{c.name}_required", kind="required", column=c.name, description=f"{c.name} er alltid fylt ut.")
        for c in shape
        if not c.nullable
    ][:5]
    rules.append(
        RuleFacts(name="rows_steady", kind="volume", description="Antall rader endrer seg mindre enn 10 % fra dagen før.", severity="warn")
    )
    lineage = {
        c.name: tuple(
            ColumnOrigin(subject=u, column=c.name) for u in given.get("upstream", ()) if c.name in {x[0] for x in DATASETS[u]["columns"]}
        )
        for c in shape
    }
    if given.get("source"):
        lineage |= {c.name: (ColumnOrigin(subject=f"source:{product}/{name.split('/')[1]}", column=c.source),) for c in shape if c.source}
    return DatasetBody(
        name=name,
        title=given["title"],
        description=given["description"],
        contract=ContractFacts(version=version, fingerprint=version, kind=given["kind"], columns=shape, key=key, rules=tuple(rules)),
        partitions=PartitionFacts(kind=grain, start=NOW - timedelta(days=given["days"]), time_zone="Europe/Oslo")
        if grain != "none"
        else PartitionFacts(),
        access=given.get("access", "restricted"),
        personal=given.get("personal", "none"),
        freshness_seconds=given["freshness"] * 3600 if given.get("freshness") else None,
        schedule="0 6 * * *",
        time_zone="Europe/Oslo",
        kinds=("delta", "polars"),
        tags={"tier": "1"},
        upstream=given.get("upstream", ()),
        source=SourceFacts(name="Enhetsregisteret", description="Nattlig fil over alle enheter.", url="https://example.com/register")
        if given.get("source")
        else None,
        column_lineage={k: v for k, v in lineage.items() if v},
        checks={"shape": "Kolonner og typer er som lovet.", **{r.name: r.description for r in rules}},
        ports=tuple(_port(kind, name) for kind in given.get("ports", ("lake",))),
        quarantine_share=0.01 if given.get("quarantine") else None,
        examples=(
            Example(
                name="nye_virksomheter.py",
                title="Hvor mange virksomheter ble registrert hver måned?",
                source=EXAMPLE,
                passed_at=NOW - timedelta(hours=5),
            ),
        )
        if name.endswith("/enheter")
        else (),
        asset=f"assets/{name}",
    )


def _shown() -> tuple[Example, ...]:
    """Examples of a product, with a plot, a table longer than is kept, text, and one that has failed since."""
    rows = [[f"2026-{month:02}", str(100 + month)] for month in range(1, 11)]
    table = {"columns": ["måned", "virksomheter"], "numeric": [False, True], "rows": rows, "of": 34}
    return (
        Example(
            name="nye_virksomheter.py",
            title="Hvor mange virksomheter ble registrert hver måned?",
            source=EXAMPLE,
            passed_at=NOW - timedelta(hours=5),
            outputs=(
                ExampleOutput(kind="image", content=base64.b64encode(plot()).decode(), alt="Registrerte virksomheter per måned"),
                ExampleOutput(kind="table", content=json.dumps(table, ensure_ascii=False)),
                ExampleOutput(kind="text", content="2026-10    110\n2026-11    111"),
            ),
        ),
        Example(
            name="konkurser.sql",
            title="Hvor mange er konkurs?",
            language="sql",
            source="SELECT COUNT(*) AS konkurser FROM enhetsregisteret.enheter WHERE konkurs",
            passed_at=NOW - timedelta(days=3),
            outputs=(
                ExampleOutput(kind="table", content=json.dumps({"columns": ["konkurser"], "numeric": [True], "rows": [["7"]], "of": 1})),
            ),
            failed_at=NOW - timedelta(hours=5),
            problem='konkurser.sql: Binder Error: Referenced column "konkurs" not found',
        ),
    )


def plot(wide: int = 600, high: int = 240) -> bytes:
    """A picture of bars, as PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def pixel(x: int, y: int) -> bytes:
        bar = x // 50
        return b"\x24\x50\xc8" if x % 50 < 34 and high - y < 60 + (bar * 37) % 150 else b"\xff\xff\xff"

    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(wide)) for y in range(high))
    header = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def messages(seed: int = 4) -> Iterator[Any]:
    """All of it in order: declarations, contract changes, deliveries, checks, failures, a proof."""
    r = random.Random(seed)
    for name in PRODUCTS:
        yield Definition(
            location=LOCATION,
            subject=f"product:{name}",
            observed_at=BEGAN,
            product=ProductBody(
                facts=facts(name), concepts=CONCEPTS.get(name, ()), examples=_shown() if name == "enhetsregisteret" else ()
            ),
        )
    changes = {
        "enhetsregisteret/enheter": [(0, 6, "1.0.0"), (60, 8, "1.1.0"), (140, 10, "2.0.0")],
        "stillinger/stillinger_daglig": [(0, 4, "1.0.0"), (100, 5, "1.1.0")],
    }
    final = {name: steps[-1][2] for name, steps in changes.items()}
    for name in DATASETS:
        for days, columns, version in changes.get(name, [(0, None, "1.0.0")]):
            yield Definition(
                location=LOCATION,
                subject=f"dataset:{name}",
                observed_at=BEGAN + timedelta(days=days, minutes=1),
                dataset=body(name, columns=columns, version=version),
            )
    storage = 0
    for name, given in DATASETS.items():
        numbers: dict[str, int] = {}
        for day in range(given["days"] - 1, -1, -1):
            storage += 10
            late = 3 if given.get("trouble") == "late" else 0
            moment = NOW.replace(hour=5, minute=r.randrange(60)) - timedelta(days=day + late)
            partition = _partition(given.get("partitions", "daily"), moment.date(), day)
            if given.get("partitions", "daily") == "daily" and day in (11, 33):
                if day == 11:
                    yield _failure(
                        name,
                        moment,
                        storage,
                        **{partition: f"{name}: partisjon {partition}: kilden svarte ikke innen 60 sekunder; kjør igjen"},
                    )
                continue
            if given.get("trouble") == "failing" and day == 0:
                yield _check(name, "key_unique", False, "error", moment, storage, partition)
                yield _failure(
                    name,
                    moment + timedelta(minutes=2),
                    storage,
                    **{partition: f"{name}: 12 rader har en nøkkel som ikke er entydig; ingenting ble lagret"},
                )
                continue
            number = numbers[partition] = numbers.get(partition, 0) + 1
            rows = _rows(given["rows"], day, r)
            content = f"{r.getrandbits(128):032x}"
            refused = r.randrange(3, 40) if given.get("quarantine") and day % 9 == 4 else 0
            yield Delivery(
                location=LOCATION, dataset=name, partition=partition, number=number, at=moment, storage_id=storage, run=f"{r.getrandbits(64):016x}", known_at=moment,
                contract=final.get(name, "1.0.0"), rows=rows, content_hash=content, received=rows + refused, refused=refused,
                inputs={u: ((partition, 1),) for u in given.get("upstream", ()) if DATASETS[u].get("partitions", "daily") == "daily" == given.get("partitions", "daily")},
                profile=tuple(_figures(_column(c), rows, r) for c in given["columns"]) if day < 3 else (),
            )  # fmt: skip
            for port in given.get("ports", ("lake",))[1:]:
                if port == "bigquery" or day > 1:  # the topics and files are two days behind
                    yield Arrival(
                        location=LOCATION, dataset=name, port=port, partition=partition, number=number, at=moment + timedelta(minutes=4),
                        storage_id=storage + 6, run=f"{r.getrandbits(64):016x}", rows=rows, content_hash=content,
                    )  # fmt: skip
            if day == 7:
                yield Delivery(
                    location=LOCATION,
                    dataset=name,
                    partition=partition,
                    number=number,
                    at=moment + timedelta(hours=2),
                    storage_id=storage + 5,
                    run=f"{r.getrandbits(64):016x}",
                    known_at=moment,
                    contract=final.get(name, "1.0.0"),
                    rows=rows,
                    content_hash=content,
                    unchanged=True,
                )
            for check in ("shape", "key_unique", "rows_steady"):
                yield _check(
                    name,
                    check,
                    not (check == "rows_steady" and day in (4, 19)),
                    "warn" if check == "rows_steady" else "error",
                    moment,
                    storage,
                    partition,
                )
    for hours in (26, 2):
        ports = tuple(
            PortProof(dataset=name, port=port, versions=21, rows=4_812) for name, port in (("stillinger/stillinger_daglig", "bigquery"),)
        )
        yield Proof(location=LOCATION, at=NOW - timedelta(hours=hours), compared=812, behind=0, missing=0, lag_seconds=14.2, ports=ports)
    yield Proof(
        location="analyse",
        at=NOW - timedelta(hours=3),
        compared=96,
        behind=2,
        missing=0,
        dead=1,
        lag_seconds=73.0,
        details=("stillinger/kompetanser: partisjon 2026-11-21 er sendt på nytt",),
    )


PAGES = {
    "front": "/",
    "search": "/search?q=stillinger",
    "filtered": "/search?kind=dataset&team=team-register",
    "no hits": "/search?q=qqqzzz",
    "misspelled": "/search?q=stilingsanonser",
    "product": "/products/enhetsregisteret",
    "deprecated": "/products/geografi",
    "dataset": "/datasets/enhetsregisteret/enheter",
    "kafka": "/datasets/stillinger/stillingsannonser",
    "monthly": "/datasets/stillinger/stillingsstatistikk",
    "unpartitioned": "/datasets/geografi/kommuner",
    "column": "/datasets/enhetsregisteret/enheter/columns/organisasjonsform",
    "personal": "/datasets/enhetsregisteret/enheter/columns/navn",
    "versions": "/datasets/enhetsregisteret/enheter/versions",
    "version": "/datasets/stillinger/arbeidsgivere/versions/2026-11-22/1",
    "schema": "/datasets/enhetsregisteret/enheter/schema",
    "lineage": "/datasets/stillinger/arbeidsgivere/lineage?up=3&down=2",
    "columns": "/datasets/stillinger/arbeidsgivere/lineage?up=3&down=2&column=antall_ansatte",
    "quality": "/datasets/enhetsregisteret/roller/quality",
    "team": "/teams/team-register",
    "concept": "/concepts/enhetsregisteret/organisasjonsnummer",
    "entry": "/entries/ledighet_rapport",
    "status": "/status",
    "about": "/about",
    "error": "/datasets/enhetsregisteret/finnes_ikke",
    "past": "/datasets/enhetsregisteret/enheter?as_of=2026-11-01&lang=en",
}
"""An address of every page there is, by what it shows."""


def _partition(grain: str, day: date, ago: int) -> str:
    if grain == "monthly":
        month = day.replace(day=1)
        for _ in range(ago):
            month = (month - timedelta(days=1)).replace(day=1)
        return f"{month:%Y-%m}"
    return f"{day}" if grain == "daily" else "-"


def _rows(base: int, day: int, r: random.Random) -> int:
    season = 1 + 0.04 * math.sin(day / 9) - 0.0015 * day
    return max(1, round(base * season * (0.92 if base < 60_000 and day % 7 in (1, 2) else 1) * r.uniform(0.995, 1.005)))


def _figures(c: ColumnFacts, rows: int, r: random.Random) -> ColumnFigures:
    nulls = r.randrange(rows // 3 + 1) if c.nullable else 0
    if c.is_personal:
        return ColumnFigures(name=c.name, nulls=nulls)
    if c.type == "Date":
        return ColumnFigures(name=c.name, nulls=nulls, distinct=min(rows, 9_412), smallest="1995-02-19", largest="2026-11-21")
    if c.type.startswith(("Int", "Float", "Decimal")):
        return ColumnFigures(
            name=c.name, nulls=nulls, distinct=min(rows, 1_874), smallest="5" if "ansatte" in c.name else "0", largest="20612"
        )
    if c.type == "Boolean":
        return ColumnFigures(name=c.name, nulls=nulls, distinct=2, frequent=(("false", rows - rows // 90), ("true", rows // 90)))
    if c.name == "organisasjonsform":
        return ColumnFigures(
            name=c.name,
            nulls=0,
            distinct=41,
            frequent=(
                ("ENK", rows * 39 // 100),
                ("AS", rows * 34 // 100),
                ("FLI", rows * 12 // 100),
                ("NUF", rows * 3 // 100),
                ("SA", rows // 100),
            ),
        )
    if c.name == "naeringskode":
        return ColumnFigures(
            name=c.name,
            nulls=nulls,
            distinct=830,
            frequent=(("68.209", rows * 9 // 100), ("70.220", rows * 5 // 100), ("62.010", rows * 4 // 100), ("94.991", rows * 3 // 100)),
        )
    return ColumnFigures(name=c.name, nulls=nulls, distinct=max(1, rows - nulls))


def _check(name: str, check: str, passed: bool, severity: str, moment: datetime, storage: int, partition: str) -> CheckResult:
    told = {} if passed else {"Rader": "12", "Fra": "14 502", "Til": "16 801"}
    return CheckResult(
        location=LOCATION,
        dataset=name,
        check=check,
        passed=passed,
        severity=severity,
        at=moment,
        storage_id=storage,
        run=f"run-{storage}",
        partitions=partition,
        facts=told,
    )


def _failure(name: str, moment: datetime, storage: int, **errors: str) -> Failure:
    return Failure(location=LOCATION, dataset=name, at=moment, storage_id=storage + 2, run=f"run-{storage}", errors=errors)


def filled(path: Path, url: str | None = None) -> Store:
    """A store with all of it, the clock standing still at NOW."""
    store = Store(Database(url or f"sqlite:///{path / 'catalog.db'}"), clock=lambda: NOW)
    found = list(messages())
    for start in range(0, len(found), 500):
        store.apply(found[start : start + 500])
    talk(store)
    store.expire()
    return store


def talk(store: Store) -> None:
    """What people have said."""
    about = "dataset:enhetsregisteret/enheter"
    question = people.say(store, about, "question", "Kari", "Finnes det et felt for **dato for stiftelse**, eller bare registrering?")
    people.say(store, about, "answer", "Team Register", "Bare registrering foreløpig. Stiftelse kommer med `3.0.0`.", parent=question.id)
    people.say(store, about, "comment", "Ola", "Vi bruker datasettet hver morgen i [rapporten vår](https://example.com/rapport).")
    for author, stars in (("Kari", 5), ("Ola", 4), ("Per", 5)):
        people.rate(store, about, author, stars)
    for tag in ("grunndata", "anbefalt"):
        people.tag(store, about, "Kari", tag)
    people.rate(store, "product:enhetsregisteret", "Kari", 5)
    entry = {
        "name": "ledighet_rapport",
        "type": "tableau",
        "uri": "https://example.com/rapporter/ledighet",
        "title": "Ledighet og stillinger",
        "description": "Rapporten viser **ledige stillinger** mot antall arbeidssøkere, uke for uke.",
        "readme": "# Slik leses den\n\nTallene er foreløpige den første uken.",
        "team": "team-stilling",
        "keyword": ["arbeidsmarked", "stilling"],
        "theme": ["ECON"],
        "contactPoint": {"name": "Team Stilling", "email": "team-stilling@example.com"},
    }
    register.put(store, register.Registration.model_validate(entry), "analyse")
    views = {
        "enhetsregisteret/enheter": 412,
        "stillinger/stillinger_daglig": 208,
        "sykefravaer/sykefravaersstatistikk": 161,
        "geografi/kommuner": 96,
        "saksflyt/behandlingstider": 71,
        "stillinger/stillingsstatistikk": 64,
    }
    with store.database.writing() as connection:
        connection.execute(
            sa.insert(t.usage), [{"subject": f"dataset:{name}", "day": f"{NOW.date()}", "views": many} for name, many in views.items()]
        )
