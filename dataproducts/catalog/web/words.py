"""What the interface says, in Norwegian (bokmål) and English: one table of words, and how numbers, dates and times are written."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from dataproducts.catalog.drawing.text import NARROW_SPACE, Language
from dataproducts.catalog.drawing.text import number as written_number
from dataproducts.catalog.drawing.text import percent as written_percent
from dataproducts.product_facts import Localized

LANGUAGES: tuple[Language, ...] = ("nb", "en")
ZONE = ZoneInfo("Europe/Oslo")
MONTHS = {
    "nb": ("januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "desember"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
}

WORDS: dict[str, tuple[str, str]] = {
    # the frame of every page
    "site": ("Datakatalogen", "The data catalog"),
    "skip": ("Hopp til innholdet", "Skip to content"),
    "nav.main": ("Hovedmeny", "Main menu"),
    "nav.crumbs": ("Du er her", "You are here"),
    "nav.explore": ("Utforsk", "Explore"),
    "nav.status": ("Status", "Status"),
    "nav.about": ("Om", "About"),
    "nav.front": ("Forsiden", "Front page"),
    "nav.sections": ("På denne siden", "On this page"),
    "nav.dataset": ("Om datasettet", "About the dataset"),
    "language.other": ("English", "Norsk"),
    "search.label": ("Søk i katalogen", "Search the catalog"),
    "search.placeholder": ("Datasett, kolonne, begrep …", "Dataset, column, concept …"),
    "search.button": ("Søk", "Search"),
    "search.suggestions": ("Forslag", "Suggestions"),
    "footer.formats": ("Denne siden som", "This page as"),
    "footer.zone": ("Tidspunkter er i Europe/Oslo.", "Times are in Europe/Oslo."),
    "footer.feed": ("Endringer (Atom)", "Changes (Atom)"),
    "footer.api": ("API", "API"),
    "asof.label": ("Vis slik det var", "Show as it was on"),
    "asof.button": ("Vis", "Show"),
    "asof.banner": ("Slik det var {when}.", "As it was {when}."),
    "asof.end of day": ("ved slutten av {day} (UTC)", "at the end of {day} (UTC)"),
    "asof.back": ("Tilbake til nå", "Back to now"),
    "asof.not here": ("Denne siden viser alltid nåtilstanden.", "This page always shows the present."),
    "copy": ("Kopier", "Copy"),
    "copied": ("Kopiert", "Copied"),
    "copy.what": ("Kopier: {what}", "Copy: {what}"),
    "more": ("Vis mer", "Show more"),
    "yes": ("ja", "yes"),
    "no": ("nei", "no"),
    "picture.scroll": ("Bilde som kan rulles sidelengs", "Picture that scrolls sideways"),
    # counting
    "datasets.one": ("{n} datasett", "{n} dataset"),
    "datasets.many": ("{n} datasett", "{n} datasets"),
    "products.one": ("{n} produkt", "{n} product"),
    "products.many": ("{n} produkter", "{n} products"),
    "entries.one": ("{n} annen ressurs", "{n} other resource"),
    "entries.many": ("{n} andre ressurser", "{n} other resources"),
    "columns.one": ("{n} kolonne", "{n} column"),
    "columns.many": ("{n} kolonner", "{n} columns"),
    "rows.one": ("{n} rad", "{n} row"),
    "rows.many": ("{n} rader", "{n} rows"),
    "results.one": ("{n} treff", "{n} result"),
    "results.many": ("{n} treff", "{n} results"),
    "results.capped": ("Mer enn {n} treff", "More than {n} results"),
    "hours.one": ("{n} time", "{n} hour"),
    "hours.many": ("{n} timer", "{n} hours"),
    "days.one": ("{n} døgn", "{n} day"),
    "days.many": ("{n} døgn", "{n} days"),
    "minutes.one": ("{n} minutt", "{n} minute"),
    "minutes.many": ("{n} minutter", "{n} minutes"),
    "ratings.one": ("{n} vurdering", "{n} rating"),
    "ratings.many": ("{n} vurderinger", "{n} ratings"),
    "partitions compared.one": ("{n} partisjon", "{n} partition"),
    "partitions compared.many": ("{n} partisjoner", "{n} partitions"),
    # the front page
    "front.title": ("Finn data du kan stole på", "Find data you can trust"),
    "front.lead": (
        "Alt organisasjonen deler av data: hva det er, om det holder mål, og hvordan du får tak i det.",
        "All the data the organization shares: what it is, whether it holds up, and how to get it.",
    ),
    "front.fresh": ("Nylig oppdatert", "Recently updated"),
    "front.popular": ("Mest brukt siste 30 dager", "Most used the last 30 days"),
    "front.health": ("Tilstand", "Health"),
    "front.troubled": ("Trenger tilsyn", "Needs attention"),
    "front.health.fresh": ("levert som lovet", "delivered as promised"),
    "front.health.late": ("forsinket", "late"),
    "front.health.passing": ("består alle kontroller", "pass all checks"),
    "front.health.failing": ("med feil", "failing"),
    "front.health.all": ("Alt er levert og kontrollert.", "Everything is delivered and checked."),
    "front.empty": ("Katalogen er tom ennå.", "The catalog is empty so far."),
    "front.empty.how": (
        "Her kommer det som blir publisert. Start en materialisering, så dukker datasettet opp.",
        "What is published shows up here. Materialize something and its dataset appears.",
    ),
    # search results
    "results.title": ("Søk", "Search"),
    "results.title.for": ("Søk: {text}", "Search: {text}"),
    "results.all": ("Alt i katalogen", "Everything in the catalog"),
    "results.for": ("Treff på «{text}»", "Results for “{text}”"),
    "results.none": ("Ingenting passer.", "Nothing matches."),
    "results.none.how": (
        "Prøv færre ord, en annen skrivemåte, eller fjern et filter.",
        "Try fewer words, another spelling, or remove a filter.",
    ),
    "results.none.each": ("Søk på ett av ordene:", "Search for one of the words:"),
    "results.mean": ("Mente du", "Did you mean"),
    "results.corrected": ("Ingenting inneholdt «{text}». Her er treff på", "Nothing held “{text}”. These are results for"),
    "results.partial": ("Søket ble stoppet av tidsgrensen, så noe kan mangle.", "The time limit stopped the search; some may be missing."),
    "results.sort": ("Sorter etter", "Sort by"),
    "results.sort.relevance": ("relevans", "relevance"),
    "results.sort.title": ("tittel", "title"),
    "results.sort.updated": ("sist oppdatert", "last updated"),
    "results.next": ("Neste side", "Next page"),
    "results.first": ("Første side", "First page"),
    "results.filters": ("Filtre", "Filters"),
    "results.apply": ("Bruk filtrene", "Apply filters"),
    "results.active": ("Valgte filtre", "Chosen filters"),
    "results.remove": ("Fjern filteret {what}", "Remove the filter {what}"),
    "results.clear": ("Fjern alle", "Remove all"),
    "results.why": ("Treff:", "Found:"),
    "results.why.name": ("navnet er nøyaktig dette", "this is its exact name"),
    "results.why.title": ("i tittelen: {words}", "in the title: {words}"),
    "results.why.columns": ("i kolonnene: {words}", "in the columns: {words}"),
    "results.why.keywords": ("i emneordene: {words}", "in the keywords: {words}"),
    "results.why.text": ("i beskrivelsen: {words}", "in the description: {words}"),
    # facets
    "facet.kind": ("Type", "Kind"),
    "facet.theme": ("Tema", "Theme"),
    "facet.keyword": ("Emneord", "Keyword"),
    "facet.team": ("Team", "Team"),
    "facet.access": ("Tilgang", "Access"),
    "facet.personal_data": ("Personopplysninger", "Personal data"),
    "facet.port": ("Finnes som", "Available as"),
    "facet.freshness": ("Ferskhet", "Freshness"),
    "facet.quality": ("Kvalitet", "Quality"),
    "kind.product": ("Dataprodukt", "Data product"),
    "kind.dataset": ("Datasett", "Dataset"),
    "kind.column": ("Kolonne", "Column"),
    "kind.concept": ("Begrep", "Concept"),
    "kind.team": ("Team", "Team"),
    "kind.entry": ("Ressurs", "Resource"),
    "kind.version": ("Versjon", "Version"),
    "kind.contract": ("Kontrakt", "Contract"),
    "kind.port": ("Port", "Port"),
    "kind.person": ("Kontakt", "Contact"),
    "kind.theme": ("Tema", "Theme"),
    "kind.keyword": ("Emneord", "Keyword"),
    "kind.example": ("Eksempel", "Example"),
    "kind.dashboard": ("Lenke", "Link"),
    "kind.source": ("Kilde", "Source"),
    "kind.run": ("Kjøring", "Run"),
    "access.open": ("Åpen for alle", "Open to everyone"),
    "access.internal": ("Hele organisasjonen", "The whole organization"),
    "access.restricted": ("Etter søknad", "On request"),
    "personal.none": ("Ingen personopplysninger", "No personal data"),
    "personal.anonymized": ("Anonymisert", "Anonymized"),
    "personal.confidential": ("Taushetsbelagt", "Confidential"),
    "personal.possibly_identifying": ("Kan identifisere personer", "May identify persons"),
    "personal.directly_identifying": ("Identifiserer personer", "Identifies persons"),
    "personal.special_category": ("Særlige kategorier", "Special categories"),
    "personal.protected_address": ("Adressesperre", "Protected address"),
    "port.lake": ("Innsjøen (Delta)", "The lake (Delta)"),
    "port.bigquery": ("BigQuery", "BigQuery"),
    "port.kafka": ("Kafka", "Kafka"),
    "port.file": ("Fil", "File"),
    "freshness.fresh": ("Fersk", "Fresh"),
    "freshness.late": ("Forsinket", "Late"),
    "freshness.never": ("Aldri levert", "Never delivered"),
    "freshness.none": ("Ingen frist lovet", "No deadline promised"),
    "quality.passing": ("Består kontrollene", "Passes its checks"),
    "quality.warning": ("Advarsel", "Warning"),
    "quality.failing": ("Feil", "Failing"),
    "quality.unchecked": ("Ikke kontrollert", "Not checked"),
    "theme.AGRI": ("Landbruk og mat", "Agriculture and food"),
    "theme.ECON": ("Økonomi", "Economy"),
    "theme.EDUC": ("Utdanning og kultur", "Education and culture"),
    "theme.ENER": ("Energi", "Energy"),
    "theme.ENVI": ("Miljø", "Environment"),
    "theme.GOVE": ("Forvaltning", "Government"),
    "theme.HEAL": ("Helse", "Health"),
    "theme.INTR": ("Internasjonale spørsmål", "International issues"),
    "theme.JUST": ("Justis og sikkerhet", "Justice and safety"),
    "theme.REGI": ("Regioner og byer", "Regions and cities"),
    "theme.SOCI": ("Befolkning og samfunn", "Population and society"),
    "theme.TECH": ("Vitenskap og teknologi", "Science and technology"),
    "theme.TRAN": ("Transport", "Transport"),
    "status.proposed": ("Foreslått", "Proposed"),
    "status.draft": ("Utkast", "Draft"),
    "status.active": ("I drift", "Active"),
    "status.deprecated": ("Utgår", "Deprecated"),
    "status.retired": ("Avviklet", "Retired"),
    "contract.table": ("tabell", "table"),
    "contract.snapshot": ("øyeblikksbilder", "snapshots"),
    "contract.history": ("historikk", "history"),
    # dataset
    "dataset.overview": ("Oversikt", "Overview"),
    "dataset.versions": ("Versjoner", "Versions"),
    "dataset.schema": ("Kontrakt", "Contract"),
    "dataset.lineage": ("Avstamning", "Lineage"),
    "dataset.quality": ("Kvalitet", "Quality"),
    "dataset.trust": ("Kan du stole på det?", "Can you trust it?"),
    "dataset.get": ("Slik får du tak i det", "How to get it"),
    "dataset.columns": ("Kolonner", "Columns"),
    "dataset.partitions": ("Partisjoner", "Partitions"),
    "dataset.examples": ("Eksempler", "Examples"),
    "dataset.used by": ("Brukt av", "Used by"),
    "dataset.talk": ("Spørsmål og kommentarer", "Questions and comments"),
    "dataset.facts": ("Fakta", "Facts"),
    "dataset.unpublished product": ("Produktet er ikke publisert ennå.", "The product has not been published yet."),
    "trust.contract": ("Kontrakt", "Contract"),
    "trust.contract.plain": ("{columns} og {rules} regler", "{columns} and {rules} rules"),
    "trust.freshness": ("Ferskhet", "Freshness"),
    "trust.freshness.promise": ("Lovet minst hver {every}", "Promised at least every {every}"),
    "trust.freshness.delivered": ("Sist levert {when}", "Last delivered {when}"),
    "trust.freshness.never": ("Ingenting er levert ennå.", "Nothing has been delivered yet."),
    "trust.freshness.nothing": ("Ingen frist er lovet", "No deadline is promised"),
    "trust.quality": ("Kontroller", "Checks"),
    "trust.quality.passed": ("{passed} av {total} bestått ved siste kjøring", "{passed} of {total} passed in the latest run"),
    "trust.quality.unchecked": ("Ingen kontroller er kjørt ennå", "No checks have run yet"),
    "trust.quality.failed at": ("Siste mislykkede kjøring {when}", "Latest failed run {when}"),
    "trust.quality.link": ("Se kontrollene over tid", "See the checks over time"),
    "trust.personal": ("Personopplysninger", "Personal data"),
    "trust.personal.columns": ("I {n} av {total} kolonner", "In {n} of {total} columns"),
    "get.python": ("Python", "Python"),
    "get.shell": ("Kommandolinje", "Command line"),
    "get.bigquery": ("BigQuery", "BigQuery"),
    "get.kafka": ("Kafka", "Kafka"),
    "get.file": ("Fil", "File"),
    "get.lake": ("Delta-tabell", "Delta table"),
    "get.arrived.newest": ("Har det nyeste: {what}, levert", "Has the newest: {what}, delivered"),
    "get.arrived.older": ("Sist levert: {what},", "Last delivered: {what},"),
    "get.arrived.none": ("Ingenting er levert hit ennå.", "Nothing has been delivered here yet."),
    "get.address": ("Adresse", "Address"),
    "access.title": ("Tilgang", "Access"),
    "access.open.how": ("Alle kan lese det. Du trenger ikke spørre.", "Everyone may read it. No need to ask."),
    "access.internal.how": ("Alle i organisasjonen kan lese det.", "Everyone in the organization may read it."),
    "access.restricted.how": ("Bare disse kan lese det: {who}.", "Only these may read it: {who}."),
    "access.restricted.request": ("Disse kan be om tilgang: {who}.", "These may ask for access: {who}."),
    "access.owner": ("teamet som eier det", "the team that owns it"),
    "access.ask": ("Be om tilgang", "Ask for access"),
    "access.ask.subject": ("Tilgang til {dataset}", "Access to {dataset}"),
    "access.ask.body": (
        "Hei,\n\nJeg ber om tilgang til {dataset}.\n\nFormål:\nHvor lenge:\nHvem skal lese:\n",
        "Hello,\n\nI ask for access to {dataset}.\n\nPurpose:\nFor how long:\nWho will read it:\n",
    ),
    "columns.name": ("Navn", "Name"),
    "columns.type": ("Type", "Type"),
    "columns.description": ("Beskrivelse", "Description"),
    "columns.pseudonym": ("Pseudonym", "Pseudonym"),
    "columns.pseudonym.group": (
        "Kan kobles med andre pseudonymer i gruppen {group}",
        "Can be joined with other pseudonyms of the group {group}",
    ),
    "columns.not personal": ("Hvorfor det ikke er personopplysninger", "Why it is not personal data"),
    "columns.personal": ("Person\u00adopplysninger", "Personal data"),
    "columns.profile": ("Innhold", "Content"),
    "columns.key": ("nøkkel", "key"),
    "columns.nullable": ("kan mangle", "may be missing"),
    "columns.filled": ("{share} utfylt", "{share} filled in"),
    "columns.distinct": ("{n} ulike", "{n} distinct"),
    "columns.range": ("{low} – {high}", "{low} – {high}"),
    "columns.hidden": ("verdier vises ikke", "values are not shown"),
    "columns.caption": (
        "Kolonner i {dataset}, med innholdet i nyeste versjon",
        "Columns of {dataset}, with the content of the newest version",
    ),
    "columns.unit": ("Enhet", "Unit"),
    "columns.zone": ("Tidssone", "Time zone"),
    "columns.source": ("Kommer fra feltet", "Comes from the field"),
    "columns.concept": ("Begrep", "Concept"),
    "columns.examples": ("Eksempler på verdier", "Examples of values"),
    "partitions.caption": (
        "De nyeste partisjonene, og eldre som mangler, feilet eller har rader i karantene",
        "The newest partitions, and older ones that are missing, failed or have quarantined rows",
    ),
    "partitions.partition": ("Partisjon", "Partition"),
    "partitions.rows": ("Rader", "Rows"),
    "partitions.refused": ("Karantene", "Quarantined"),
    "partitions.version": ("Versjon", "Version"),
    "partitions.at": ("Levert", "Delivered"),
    "partitions.contract": ("Kontrakt", "Contract"),
    "partitions.table": ("Vis som tabell", "Show as a table"),
    "partitions.state": ("Tilstand", "State"),
    "partitions.missing": ("mangler", "missing"),
    "partitions.failed": ("feilet", "failed"),
    "partitions.whole": ("hele datasettet", "the whole dataset"),
    "partitions.unpartitioned": ("Datasettet er ikke delt i partisjoner.", "The dataset is not partitioned."),
    "facts.product": ("Produkt", "Product"),
    "facts.team": ("Team", "Team"),
    "facts.contact": ("Kontakt", "Contact"),
    "facts.access": ("Tilgang", "Access"),
    "facts.license": ("Lisens", "License"),
    "facts.size": ("Størrelse", "Size"),
    "facts.key": ("Nøkkel", "Key"),
    "facts.schedule": ("Tidsplan", "Schedule"),
    "facts.source": ("Kilde", "Source"),
    "facts.changed": ("Sist endret", "Last changed"),
    "facts.since": ("I katalogen siden", "In the catalog since"),
    "facts.stars": ("{stars} av 5", "{stars} of 5"),
    "facts.dagster": ("Åpne i Dagster", "Open in Dagster"),
    "facts.location": ("Publiseres av", "Published by"),
    "facts.status": ("Status", "Status"),
    "facts.publisher": ("Utgiver", "Publisher"),
    "facts.creator": ("Opphav", "Creator"),
    "facts.periodicity": ("Oppdateres", "Updated"),
    "facts.period": ("Gjelder", "Covers"),
    "facts.period.from": ("fra {from_}", "from {from_}"),
    "facts.period.both": ("{from_} til {to}", "{from_} to {to}"),
    "facts.repository": ("Kode", "Code"),
    "facts.version": ("Versjon", "Version"),
    "facts.area": ("Område", "Area"),
    "facts.examples": ("Kjørt uten feil {when}", "Ran without error {when}"),
    "facts.fair": ("FAIR", "FAIR"),
    "fair.title": ("Finnbart og gjenbrukbart", "Findable and reusable"),
    "fair.badge": ("FAIR: {level}", "FAIR: {level}"),
    "fair.points": ("{points} av {judged} poeng", "{points} of {judged} points"),
    "fair.lead": (
        "Poengene er de data.norge.no gir (EUs MQA), regnet av det produktet selv oppgir. {open} av {total} poeng kan bare avgjøres "
        "med et kall og er ikke regnet med.",
        "The points are those data.norge.no gives (the EU's MQA), worked out from what the product states. {open} of {total} points can "
        "only be told by a call and are left out.",
    ),
    "fair.metrics": (
        "Av F-UJIs {all} FAIR-mål er {met} oppfylt og {open} åpne.",
        "Of F-UJI's {all} FAIR metrics {met} are met and {open} are open.",
    ),
    "fair.caption": ("Poeng for hvert mål", "Points for each measure"),
    "fair.what": ("Mål", "Measure"),
    "fair.earned": ("Poeng", "Points"),
    "fair.remedy": ("Slik får produktet flere", "What would give more"),
    "fair.every": ("Vis alle målene", "Show every measure"),
    "fair.level.excellent": ("utmerket", "excellent"),
    "fair.level.good": ("god", "good"),
    "fair.level.sufficient": ("tilstrekkelig", "sufficient"),
    "fair.level.poor": ("svak", "poor"),
    "fair.dimension.findable": ("Finnbart", "Findable"),
    "fair.dimension.accessible": ("Tilgjengelig", "Accessible"),
    "fair.dimension.interoperable": ("Samhandlende", "Interoperable"),
    "fair.dimension.reusable": ("Gjenbrukbart", "Reusable"),
    "fair.dimension.contextual": ("Sammenheng", "Contextual"),
    "fair.check.keyword": ("Nøkkelord", "Keywords"),
    "fair.remedy.keyword": ("skriv keywords i product.yaml", "state keywords in product.yaml"),
    "fair.check.theme": ("Tema", "Themes"),
    "fair.remedy.theme": ("skriv themes i product.yaml", "state themes in product.yaml"),
    "fair.check.spatial": ("Område dataene gjelder", "Area the data is about"),
    "fair.remedy.spatial": ("skriv spatial i product.yaml", "state spatial in product.yaml"),
    "fair.check.temporal": ("Tidsrom dataene gjelder", "Period the data is about"),
    "fair.remedy.temporal": (
        "del datasettene etter tid, eller skriv temporal i product.yaml",
        "divide the datasets by time, or state temporal in product.yaml",
    ),
    "fair.check.access address answers": ("Tilgangsadressen svarer", "The access address answers"),
    "fair.remedy.access address answers": ("kan bare prøves med et kall", "only a call can tell"),
    "fair.check.download": ("Kan lastes ned fra nettet", "Can be downloaded from the web"),
    "fair.remedy.download": ("publiser filer med dp.Package(url=...)", "publish files with dp.Package(url=...)"),
    "fair.check.download answers": ("Nedlastingsadressen svarer", "The download address answers"),
    "fair.remedy.download answers": ("kan bare prøves med et kall", "only a call can tell"),
    "fair.check.format": ("Filformat", "File format"),
    "fair.remedy.format": ("gi datasettene en port med filformat", "give the datasets a port with a file format"),
    "fair.check.media type": ("Medietype", "Media type"),
    "fair.remedy.media type": ("gi datasettene en port med medietype", "give the datasets a port with a media type"),
    "fair.check.vocabulary": ("Format fra EUs vokabular", "Format from the EU's vocabulary"),
    "fair.remedy.vocabulary": ("velg et format EU har et navn på", "choose a format that the EU has a name for"),
    "fair.check.open format": ("Åpent format", "Open format"),
    "fair.remedy.open format": (
        "velg et format alle kan lese, som CSV eller Parquet",
        "choose a format that anybody can read, such as CSV or Parquet",
    ),
    "fair.check.machine-readable": ("Maskinlesbart format", "Machine-readable format"),
    "fair.remedy.machine-readable": ("velg et format programmer kan lese", "choose a format that programs can read"),
    "fair.check.profile": ("Alt DCAT-AP-NO krever", "All that DCAT-AP-NO requires"),
    "fair.remedy.profile": ("gi hvert datasett tittel, tema og kontaktpunkt", "give every dataset title, theme and contact"),
    "fair.check.content": ("Innholdet er i formatet som er oppgitt", "The content has the format stated"),
    "fair.remedy.content": ("gi datasettene en port med filformat", "give the datasets a port with a file format"),
    "fair.check.syntax": ("Innholdet er gyldig", "The content is valid"),
    "fair.remedy.syntax": ("gi datasettene en port med filformat", "give the datasets a port with a file format"),
    "fair.check.license": ("Lisens", "License"),
    "fair.remedy.license": ("skriv license i product.yaml", "state license in product.yaml"),
    "fair.check.known license": ("Lisens fra EUs vokabular", "License from the EU's vocabulary"),
    "fair.remedy.known license": (
        "velg en kjent lisens, som NLOD_2_0 eller CC_BY_4_0, om vilkårene tillater det",
        "choose a known license, such as NLOD_2_0 or CC_BY_4_0, if the terms allow",
    ),
    "fair.check.access": ("Tilgangsnivå", "Level of access"),
    "fair.remedy.access": ("skriv access i product.yaml", "state access in product.yaml"),
    "fair.check.access vocabulary": ("Tilgangsnivå fra EUs vokabular", "Level of access from the EU's vocabulary"),
    "fair.remedy.access vocabulary": ("velg open, internal eller restricted", "choose open, internal or restricted"),
    "fair.check.contact": ("Kontaktpunkt", "Contact"),
    "fair.remedy.contact": ("skriv contact i product.yaml", "state contact in product.yaml"),
    "fair.check.publisher": ("Utgiver", "Publisher"),
    "fair.remedy.publisher": ("skriv publisher i product.yaml", "state publisher in product.yaml"),
    "fair.check.rights": ("Rettighetserklæring", "Statement of rights"),
    "fair.remedy.rights": ("skriv rights i product.yaml", "state rights in product.yaml"),
    "fair.check.size": ("Størrelse i byte", "Size in bytes"),
    "fair.remedy.size": ("oppgis ikke, siden en historikk vokser", "not stated, as a history grows"),
    "fair.check.issued": ("Dato for første utgivelse", "Date of first publication"),
    "fair.remedy.issued": ("skriv issued i product.yaml", "state issued in product.yaml"),
    "fair.check.modified": ("Dato for siste endring", "Date of last change"),
    "fair.remedy.modified": ("lever data, eller skriv modified i product.yaml", "deliver data, or state modified in product.yaml"),
    "examples.failed": ("Feilet {when}", "Failed {when}"),
    "examples.shows": ("Resultat av {what}", "Result of {what}"),
    "examples.rows": ("De {shown} første av {of} rader", "The first {shown} of {of} rows"),
    "examples.code": ("Vis koden", "Show the code"),
    "periodicity.DAILY": ("daglig", "daily"),
    "periodicity.HOURLY": ("hver time", "hourly"),
    "periodicity.WEEKLY": ("ukentlig", "weekly"),
    "periodicity.MONTHLY": ("månedlig", "monthly"),
    "periodicity.QUARTERLY": ("hvert kvartal", "quarterly"),
    "periodicity.ANNUAL": ("årlig", "annually"),
    "periodicity.CONT": ("fortløpende", "continuously"),
    "periodicity.UPDATE_CONT": ("fortløpende", "continuously"),
    "periodicity.AS_NEEDED": ("ved behov", "as needed"),
    "periodicity.IRREG": ("uregelmessig", "irregularly"),
    "periodicity.NEVER": ("aldri", "never"),
    # lineage
    "lineage.caption": ("Det samme som i bildet, som tabell", "The same as in the picture, as a table"),
    "lineage.direction": ("Retning", "Direction"),
    "lineage.up": ("oppstrøms", "upstream"),
    "lineage.down": ("nedstrøms", "downstream"),
    "lineage.hops": ("Ledd", "Hops"),
    "lineage.what": ("Hva", "What"),
    "lineage.kind": ("Type", "Kind"),
    "lineage.more up": ("Vis et ledd til oppstrøms", "Show one more hop upstream"),
    "lineage.more down": ("Vis et ledd til nedstrøms", "Show one more hop downstream"),
    "lineage.less": ("Bare nærmeste ledd", "Nearest hop only"),
    "lineage.whole": ("Hele avstamningen", "The whole lineage"),
    "lineage.columns.label": ("Kolonne", "Column"),
    "lineage.columns.all": ("hele datasettet", "the whole dataset"),
    "lineage.columns.show": ("Vis", "Show"),
    "lineage.none": ("Ingen avstamning er registrert.", "No lineage is recorded."),
    "lineage.counts": ("{up} oppstrøms, {down} nedstrøms", "{up} upstream, {down} downstream"),
    "lineage.state": ("Tilstand", "State"),
    # versions
    "versions.lead": (
        "Alt som er lagret, og aldri endret siden. En ny leveranse av samme partisjon blir en ny versjon.",
        "Everything stored, never changed since. A new delivery of the same partition becomes a new version.",
    ),
    "versions.caption": ("Versjoner, nyeste partisjon først", "Versions, newest partition first"),
    "versions.filter": ("Partisjon", "Partition"),
    "versions.filter.button": ("Vis", "Show"),
    "versions.all": ("Alle partisjoner", "All partitions"),
    "versions.every": ("Se alle versjoner", "See all versions"),
    "versions.none": ("Ingen versjoner.", "No versions."),
    "versions.older": ("Eldre", "Older"),
    "versions.run": ("Kjøring", "Run"),
    "version.title": ("{partition}, versjon {number}", "{partition}, version {number}"),
    "version.number": ("versjon {number}", "version {number}"),
    "version.hash": ("Avtrykk av innholdet", "Fingerprint of the content"),
    "version.known": ("Kjent fra", "Known from"),
    "version.received": ("Mottatt", "Received"),
    "version.inputs": ("Laget av", "Made from"),
    "version.used": ("Brukt i", "Used in"),
    "version.deliveries": ("Kjøringer som leverte den", "Runs that delivered it"),
    "version.unchanged": ("fant innholdet uendret", "found the content unchanged"),
    "version.made": ("lagret den", "stored it"),
    "version.others": ("Andre versjoner av partisjonen", "Other versions of the partition"),
    "version.read": ("Les nettopp denne versjonen", "Read exactly this version"),
    "version.facts": ("Flere opplysninger", "More facts"),
    # schema
    "schema.lead": (
        "Det datasettet lover, og hver gang løftet har endret seg.",
        "What the dataset promises, and each time the promise has changed.",
    ),
    "schema.now": ("Gjelder nå: {version}", "In force now: {version}"),
    "schema.rules": ("Regler", "Rules"),
    "schema.rule": ("Regel", "Rule"),
    "schema.rule.means": ("Betyr", "Means"),
    "schema.rule.severity": ("Ved brudd", "On a breach"),
    "severity.error": ("stanser leveransen", "stops the delivery"),
    "severity.warn": ("varsler", "warns"),
    "schema.history": ("Endringer", "Changes"),
    "schema.declared": ("Publisert første gang", "First published"),
    "schema.removed": ("Tatt ut av katalogen", "Taken out of the catalog"),
    "schema.changed": ("Fra {before} til {after}", "From {before} to {after}"),
    "schema.same": ("Endret uten ny versjon ({version})", "Changed without a new version ({version})"),
    "schema.added": ("Ny kolonne", "New column"),
    "schema.dropped": ("Fjernet kolonne", "Removed column"),
    "schema.differs": ("Endret kolonne", "Changed column"),
    "schema.change": ("Endring", "Change"),
    "schema.before": ("Før", "Before"),
    "schema.after": ("Etter", "After"),
    "schema.nothing": ("Bare regler eller nøkkel er endret.", "Only rules or key have changed."),
    "schema.caption": ("Kolonner som er endret", "Columns that changed"),
    # quality
    "quality.lead": ("Hver kontroll, kjøring for kjøring.", "Every check, run by run."),
    "quality.caption": ("Kontroller og siste resultat", "Checks and their latest result"),
    "quality.check": ("Kontroll", "Check"),
    "quality.result": ("Siste resultat", "Latest result"),
    "quality.when": ("Når", "When"),
    "quality.over time": ("Over tid", "Over time"),
    "quality.passed": ("bestått", "passed"),
    "quality.failed": ("feilet", "failed"),
    "quality.warned": ("varslet", "warned"),
    "quality.not run": ("ikke kjørt", "not run"),
    "quality.none": ("Datasettet har ingen kontroller.", "The dataset has no checks."),
    "quality.failures": ("Mislykkede kjøringer", "Failed runs"),
    "quality.findings": ("Det som ikke besto", "What did not pass"),
    "quality.findings.caption": ("Kontroller som ikke besto, nyeste først", "Checks that did not pass, newest first"),
    "quality.findings.what": ("Funn", "Findings"),
    "quality.findings.none": ("Alle kontroller har bestått.", "All checks have passed."),
    "quality.failures.caption": ("Kjøringer som ikke lagret det de skulle", "Runs that did not store what they should"),
    "quality.failures.error": ("Hva som gikk galt", "What went wrong"),
    # column, team, concept, entry, product
    "column.title": ("{column} i {dataset}", "{column} in {dataset}"),
    "column.values": ("Innhold i nyeste versjon", "Content of the newest version"),
    "column.values.none": ("Ingen tall ennå.", "No figures yet."),
    "column.values.frequent": ("Hyppigste verdier", "Most frequent values"),
    "column.values.frequent.caption": (
        "De hyppigste verdiene og hvor mange rader som har dem",
        "The most frequent values and how many rows have them",
    ),
    "column.values.value": ("Verdi", "Value"),
    "column.values.missing": ("Mangler", "Missing"),
    "column.values.distinct": ("Ulike verdier", "Distinct values"),
    "column.values.smallest": ("Minste", "Smallest"),
    "column.values.largest": ("Største", "Largest"),
    "column.values.personal": (
        "Verdiene vises ikke, for de kan si noe om mennesker.",
        "The values are not shown, since they may say something about people.",
    ),
    "column.history": ("Slik har kolonnen endret seg", "How the column has changed"),
    "column.history.caption": ("Kolonnens form over tid", "The column over time"),
    "column.valid from": ("Fra", "From"),
    "column.valid to": ("Til", "To"),
    "column.now": ("nå", "now"),
    "column.same": ("Samme navn i andre datasett", "The same name in other datasets"),
    "product.datasets": ("Datasett", "Datasets"),
    "product.datasets.caption": ("Datasettene i {product}", "The datasets of {product}"),
    "product.about": ("Om produktet", "About the product"),
    "product.purpose": ("Formål", "Purpose"),
    "product.usage": ("Bruk", "Usage"),
    "product.limitations": ("Begrensninger", "Limitations"),
    "product.rights": ("Rettigheter", "Rights"),
    "product.provenance": ("Opprinnelse", "Provenance"),
    "product.legal": ("Behandlingsgrunnlag", "Legal basis"),
    "product.sources": ("Kilder", "Sources"),
    "product.concepts": ("Begreper", "Concepts"),
    "product.personal.reason": ("Vurdering", "Assessment"),
    "product.personal.method": ("Slik er det anonymisert", "How it is anonymized"),
    "product.dataset": ("Datasett", "Dataset"),
    "product.state": ("Tilstand", "State"),
    "product.newest": ("Nyeste", "Newest"),
    "team.title": ("Team: {team}", "Team: {team}"),
    "team.products": ("Produkter", "Products"),
    "concept.see": ("Bestemt her", "Decided here"),
    "concept.broader": ("Overordnede begreper", "Broader concepts"),
    "concept.narrower": ("Underordnede begreper", "Narrower concepts"),
    "concept.columns": ("Kolonner som handler om dette", "Columns about this"),
    "concept.columns.none": ("Ingen kolonner viser til begrepet ennå.", "No columns refer to the concept yet."),
    "concept.other": ("På andre språk", "In other languages"),
    "entry.address": ("Adresse", "Address"),
    "entry.type": ("Slag", "Type"),
    "entry.description": ("Beskrivelse", "Description"),
    "entry.datasets": ("Hører sammen med", "Goes with"),
    "entry.fields": ("Alle opplysninger", "All fields"),
    "entry.field": ("Opplysning", "Field"),
    "entry.value": ("Verdi", "Value"),
    # talk
    "talk.none": ("Ingen har sagt noe ennå.", "Nobody has said anything yet."),
    "talk.question": ("Spørsmål", "Question"),
    "talk.answer": ("Svar", "Answer"),
    "talk.comment": ("Kommentar", "Comment"),
    "talk.write": ("Skriv noe", "Write something"),
    "talk.text": ("Spørsmålet eller kommentaren", "Your question or comment"),
    "talk.kind": ("Hva er det?", "What is it?"),
    "talk.author": ("Navnet ditt", "Your name"),
    "talk.send": ("Send", "Send"),
    "talk.markdown": ("Markdown virker. Alle kan lese det du skriver.", "Markdown works. Everyone can read what you write."),
    "talk.reply": ("Svar på spørsmålet", "Answer the question"),
    "talk.rate": ("Gi vurdering", "Rate it"),
    "talk.rate.star": ("{n} av 5", "{n} of 5"),
    "talk.tag": ("Ny merkelapp", "New tag"),
    "talk.tag.add": ("Legg til", "Add"),
    "talk.no": ("Fakta kan bare leses her.", "This can only be read here."),
    # status
    "status.title": ("Status", "Status"),
    "status.lead": ("Er katalogen à jour med det som er levert?", "Is the catalog up to date with what is delivered?"),
    "status.proof": ("{behind} etter, {missing} mangler", "{behind} behind, {missing} missing"),
    "status.proof.when": ("sist bevist {when}", "last proven {when}"),
    "status.proof.none": ("Ingenting er bevist ennå.", "Nothing has been proven yet."),
    "status.proof.compared": ("{compared} sammenlignet", "{compared} compared"),
    "status.proof.dead": ("{dead} gitt opp", "{dead} given up"),
    "status.proof.lag": ("{seconds} s forsinkelse", "{seconds} s lag"),
    "status.ports": ("Porter", "Ports"),
    "status.ports.caption": ("Siste avstemming av hver port mot datasettet", "The latest reconciliation of each port with its dataset"),
    "status.ports.versions": ("Versjoner", "Versions"),
    "status.ports.rows": ("Rader", "Rows"),
    "status.ports.waiting": ("Venter", "Waiting"),
    "status.ports.differences": ("Avvik", "Differences"),
    "status.proofs": ("Bevis fra hver kodelokasjon", "Proof from each code location"),
    "status.proofs.caption": ("Siste avstemming for hver kodelokasjon", "The latest reconciliation of each code location"),
    "status.location": ("Kodelokasjon", "Code location"),
    "status.behind": ("Etter", "Behind"),
    "status.missing": ("Mangler", "Missing"),
    "status.dead": ("Gitt opp", "Given up"),
    "status.compared": ("Sammenlignet", "Compared"),
    "status.lag": ("Forsinkelse", "Lag"),
    "status.proven": ("Bevist", "Proven"),
    "status.details": ("Merknader", "Notes"),
    "status.deliveries": ("Leveranser per dag", "Deliveries per day"),
    "status.deliveries.caption": ("Leveranser per dag, siste 30 dager", "Deliveries per day, the last 30 days"),
    "status.deliveries.none": ("Ingen leveranser de siste 30 dagene.", "No deliveries in the last 30 days."),
    "status.day": ("Dag", "Day"),
    "status.count": ("Antall", "Count"),
    "status.late": ("Forsinket eller med feil", "Late or failing"),
    "status.late.none": ("Ingen.", "None."),
    "status.received": ("Siste melding mottatt", "Latest message received"),
    "status.newest": ("Siste leveranse", "Latest delivery"),
    "status.messages": ("Meldinger", "Messages"),
    "status.versions": ("Versjoner", "Versions"),
    "status.datasets": ("Datasett", "Datasets"),
    "status.changes": ("Endringer", "Changes"),
    # about
    "about.title": ("Om katalogen", "About the catalog"),
    "about.lead": (
        "Her finner du dataene organisasjonen deler. Det meste er fortalt av koden som lager dem, og ingenting overskrives.",
        "This is the data the organization shares. Most of it is told by the code that makes it, and nothing is overwritten.",
    ),
    "about.search": ("Slik søker du", "How to search"),
    "about.search.words": (
        "Flere ord må alle finnes. Bøyninger og deler av sammensatte ord finnes også.",
        "All words must be found. Inflections and parts of Norwegian compounds are found too.",
    ),
    "about.search.phrase": ("Ordene samlet og i rekkefølge.", "The words together and in order."),
    "about.search.not": ("Uten dette ordet.", "Without this word."),
    "about.search.or": ("Det ene eller det andre.", "One or the other."),
    "about.search.name": (
        "Nøyaktige navn, BigQuery-adresser og topic-navn kommer alltid først.",
        "Exact names, BigQuery addresses and topic names always come first.",
    ),
    "about.search.example.words": ("ledige stillinger", "vacancies"),
    "about.search.example.phrase": ('"antall ansatte"', '"number of employees"'),
    "about.search.example.not": ("roller -person", "roles -person"),
    "about.search.example.or": ("kommune OR fylke", "municipality OR county"),
    "about.search.example.name": ("organisasjonsnummer", "organisasjonsnummer"),
    "about.search.write": ("Skriv", "Type"),
    "about.search.get": ("Og få", "And get"),
    "about.search.caption": ("Søkespråket", "The query language"),
    "about.keys": ("Tastatur", "Keyboard"),
    "about.keys.slash": ("går til søkefeltet.", "goes to the search field."),
    "about.keys.arrows": ("velger blant forslagene.", "choose among the suggestions."),
    "about.time": ("Tidsreise", "Time travel"),
    "about.time.how": (
        "Nederst på siden kan du velge en dato og se katalogen slik den var da.",
        "At the foot of the page you can pick a date and see the catalog as it was.",
    ),
    "about.machines": ("For maskiner", "For machines"),
    "about.machines.how": (
        "Sidene finnes også som data: legg til .json på adressen, eller be om det med Accept. Produkter, datasett, kolonner og begreper "
        "finnes som .jsonld og .ttl også.",
        "Pages are data too: add .json to the address, or ask with Accept. Products, datasets, columns and concepts are there as .jsonld "
        "and .ttl too.",
    ),
    "about.machines.openapi": ("OpenAPI-beskrivelse", "OpenAPI description"),
    "about.machines.catalog": ("Hele katalogen som DCAT-AP-NO", "The whole catalog as DCAT-AP-NO"),
    "about.machines.feed": ("Endringer som Atom", "Changes as Atom"),
    "about.accessibility": ("Tilgjengelighet", "Accessibility"),
    "about.accessibility.how": (
        "Sidene er laget for å følge WCAG 2.2 AA: de virker med tastatur, skjermleser, uten JavaScript, på smale skjermer og på papir. "
        "Hvert bilde har en tabell ved siden av seg. Finner du noe som ikke virker, si fra til dem som driver katalogen.",
        "The pages are made to meet WCAG 2.2 AA: they work by keyboard, with a screen reader, without JavaScript, on narrow screens "
        "and on paper. Every picture has a table beside it. If something does not work, tell those who run the catalog.",
    ),
    "about.privacy": ("Personvern", "Privacy"),
    "about.privacy.how": (
        "Katalogen bruker ingen informasjonskapsler. Besøk telles per dag, aldri per person. "
        "Verdier i kolonner med personopplysninger vises aldri.",
        "The catalog sets no cookies. Visits are counted per day, never per person. Values of columns with personal data are never shown.",
    ),
    # errors
    "error.title.404": ("Finnes ikke", "Not found"),
    "error.title.400": ("Noe i adressen er feil", "Something in the address is wrong"),
    "error.title.429": ("For mange forespørsler", "Too many requests"),
    "error.title.503": ("Katalogen er utilgjengelig akkurat nå", "The catalog is not available just now"),
    "error.title.500": ("Noe gikk galt hos oss", "Something went wrong on our side"),
    "error.title.other": ("Det gikk ikke", "That did not work"),
    "error.404": (
        "Det du leter etter finnes ikke i katalogen, eller fantes ikke på det tidspunktet.",
        "What you are looking for is not in the catalog, or was not at that time.",
    ),
    "error.400": ("Rett på adressen og prøv igjen.", "Correct the address and try again."),
    "error.429": ("Vent litt og prøv igjen.", "Wait a little and try again."),
    "error.503": ("Prøv igjen om litt. Ingenting er tapt.", "Try again in a while. Nothing is lost."),
    "error.500": ("Feilen er loggført. Oppgi denne koden hvis du melder fra:", "The error is logged. Give this code if you report it:"),
    "error.other": ("Gå tilbake og prøv igjen.", "Go back and try again."),
    "error.search": ("Søk etter det i stedet", "Search for it instead"),
}

_ENGLISH = frozenset("the of and is are with for from to by that which each not its this an on was were has have at or as be".split())  # noqa: SIM905
_NORWEGIAN = frozenset("og er av det som til den på med en et ikke for fra at de i hver om ved har når eller slik der".split())  # noqa: SIM905
_CODE = re.compile(r"`([^`<>\n]+)`")
_WORD = re.compile(r"[a-zæøå]+")


@functools.lru_cache(maxsize=4_096)
def tongue(text: str) -> Language | None:
    """Norwegian or English, by the small words of a text nobody said the language of; None where they do not tell."""
    words = _WORD.findall(text[:600].lower())
    english, norwegian = sum(map(_ENGLISH.__contains__, words)), sum(map(_NORWEGIAN.__contains__, words))
    if any(c in text for c in "æøåÆØÅ"):
        norwegian += 1
    if english == norwegian:
        return None
    return "en" if english > norwegian else "nb"


@dataclass(frozen=True)
class Speech:
    """One language at one moment: looks words up and writes numbers, dates and times. Times are shown in Europe/Oslo."""

    language: Language
    now: datetime

    def t(self, key: str, **values: Any) -> str:
        """The words of a key, with values put in. Raises KeyError for a key that is none."""
        text = WORDS[key][0 if self.language == "nb" else 1]
        return text.format(**values) if values else text

    def label(self, group: str, value: str | None) -> str:
        """The words for a value of a group such as "access", "kind", "personal"; the value itself where there are none."""
        found = WORDS.get(f"{group}.{value}")
        return str(value or "") if found is None else found[0 if self.language == "nb" else 1]

    def many(self, what: str, count: int) -> str:
        """How many of something: `1 dataset`, `27 datasets`."""
        return self.t(f"{what}.one" if count == 1 else f"{what}.many", n=self.number(count))

    def number(self, value: float, decimals: int = 0) -> str:
        """`1 234 567` with narrow no-break spaces, or `1,234,567`."""
        return written_number(value, self.language, decimals)

    def percent(self, share: float) -> str:
        """A share between 0 and 1."""
        return written_percent(share, self.language)

    def short_number(self, value: float) -> str:
        """At most four characters and a unit: `1,2 mill.`, `1.2M`."""
        for size, nb, en in ((1e9, " mrd.", "B"), (1e6, " mill.", "M")):
            if value >= size:
                decimals = 1 if value < 10 * size else 0
                return self.number(value / size, decimals) + (nb.replace(" ", NARROW_SPACE) if self.language == "nb" else en)
        return self.number(value)

    def value(self, text: str) -> str:
        """A figure of a profile, which comes as text: numbers are grouped, all else stands."""
        if re.fullmatch(r"-?\d{5,18}", text):
            return self.number(int(text))
        return text

    def date(self, day: date) -> str:
        """`4. november 2026`, `4 November 2026`."""
        month = MONTHS[self.language][day.month - 1]
        return f"{day.day}.\u00a0{month} {day.year}" if self.language == "nb" else f"{day.day}\u00a0{month} {day.year}"

    def day(self, moment: datetime) -> Markup:
        """The civil date of a moment, as a `time` element."""
        local = moment.astimezone(ZONE)
        return Markup('<time datetime="{}">{}</time>').format(local.date().isoformat(), self.date(local.date()))

    def time(self, moment: datetime) -> Markup:
        """Date and time of day with the zone named, as a `time` element."""
        return Markup(f'<time datetime="{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S+00:00}">{self.moment(moment)}</time>')

    def moment(self, moment: datetime) -> str:
        """Date and time of day with the zone named: `i dag kl. 06:39 CET`."""
        local, today = moment.astimezone(ZONE), self.now.astimezone(ZONE).date()
        clock = f"{local:%H:%M}\u00a0{local.tzname()}"
        away = (today - local.date()).days
        near = {0: ("i dag", "today"), 1: ("i går", "yesterday"), -1: ("i morgen", "tomorrow")}.get(away)
        nb = self.language == "nb"
        day = (near[0] if nb else near[1]) if near else self.date(local.date())
        return f"{day} kl.\u00a0{clock}" if nb else f"{day} at {clock}"

    def every(self, seconds: int) -> str:
        """A duration in the largest whole unit."""
        for size, what in ((86_400, "days"), (3_600, "hours")):
            if seconds % size == 0 and seconds >= size and (what != "days" or seconds >= 2 * size):
                return self.many(what, seconds // size)
        return self.many("hours", round(seconds / 3_600)) if seconds >= 5_400 else self.many("minutes", max(1, round(seconds / 60)))

    def best(self, text: Localized | Mapping[str, str | None]) -> tuple[str, str]:
        """A text given in several languages, in this one or the next best, and the language it is in."""
        given = text if isinstance(text, Mapping) else {"nb": text.nb, "nn": text.nn, "en": text.en}
        order: Iterable[str] = ("nb", "nn", "no", "en") if self.language == "nb" else ("en", "nb", "nn", "no")
        for language in (*order, *given):
            if found := given.get(language):
                return found, language
        return "", self.language

    def said(self, text: str, language: str | None = None) -> Markup:
        """A text as HTML, marked where it is in another language than the page."""
        spoken = language or tongue(text)
        if spoken is None or spoken == self.language:
            return escape(text)
        return Markup('<span lang="{}">{}</span>').format(spoken, text)

    def told(self, text: str) -> Markup:
        """A short text as HTML, with what stands between backticks as code."""
        said = self.said(text)
        return Markup(_CODE.sub(r'<code translate="no">\1</code>', str(said))) if "`" in text else said

    def localized(self, text: Localized | Mapping[str, str | None]) -> Markup:
        """The best of a text in several languages, as HTML."""
        return self.said(*self.best(text))

    def lang(self, text: str) -> Markup:
        """A `lang` attribute for an element that holds a text, where it needs one."""
        spoken = tongue(text)
        return Markup("") if spoken is None or spoken == self.language else Markup(' lang="{}"').format(spoken)
