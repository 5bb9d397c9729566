"""What synthetic ads are written with: the public list of occupations and counties, and invented texts."""

from __future__ import annotations

from typing import Final

OCCUPATIONS: Final = (
    # STYRK-08, its name, titles in ads, ESCO's number of the occupation group
    ("2223", "Sykepleiere", ("Sykepleier", "Sykepleier, natt", "Sykepleier 75 %"), "C2221"),
    ("5321", "Helsefagarbeidere", ("Helsefagarbeider", "Helsefagarbeider, helg"), "C5321"),
    ("5223", "Butikkmedarbeidere", ("Butikkmedarbeider", "Butikkmedarbeider, kveld", "Ekstrahjelp i butikk"), "C5223"),
    ("2341", "Grunnskolelærere", ("Lærer 1.-7. trinn", "Kontaktlærer"), "C2341"),
    ("5311", "Barnehage- og skolefritidsassistenter mv.", ("Barnehageassistent", "Assistent i SFO"), "C5311"),
    ("7115", "Tømrere og snekkere", ("Tømrer", "Lærling i tømrerfaget"), "C7115"),
    ("7411", "Elektrikere", ("Elektriker", "Serviceelektriker"), "C7411"),
    ("2512", "Programvareutviklere", ("Utvikler", "Seniorutvikler", "Fullstackutvikler"), "C2512"),
    ("8332", "Lastebil- og trailersjåfører", ("Sjåfør klasse C", "Langtransportsjåfør"), "C8332"),
    ("9112", "Renholdere i virksomheter", ("Renholder", "Renholder, morgen"), "C9112"),
    ("5120", "Kokker", ("Kokk", "Kokk til kantine"), "C5120"),
    ("5131", "Servitører", ("Servitør", "Servitør, sesong"), "C5131"),
    ("4110", "Kontormedarbeidere", ("Kontormedarbeider", "Kundebehandler"), "C4110"),
    ("3313", "Regnskapsmedarbeidere", ("Regnskapsmedarbeider", "Lønnsmedarbeider"), "C3313"),
    ("5141", "Frisører", ("Frisør",), "C5141"),
    ("3412", "Miljøarbeidere innen sosiale fagfelt", ("Miljøarbeider", "Miljøarbeider, turnus"), "C3412"),
)

COUNTIES: Final = {
    "03": "OSLO",
    "11": "ROGALAND",
    "15": "MØRE OG ROMSDAL",
    "18": "NORDLAND",
    "31": "ØSTFOLD",
    "32": "AKERSHUS",
    "33": "BUSKERUD",
    "34": "INNLANDET",
    "40": "TELEMARK",
    "42": "AGDER",
    "46": "VESTLAND",
    "50": "TRØNDELAG",
    "55": "TROMS",
    "56": "FINNMARK",
}
"""Names of counties by the first two digits of their municipalities' numbers."""

OPENINGS: Final = (
    "Vi har mye å gjøre og blir gjerne én til.",
    "Hos oss er ingen dager like, og kaffen er alltid varm.",
    "Vi søker deg som liker å være til nytte.",
    "Det er ledig plass rundt bordet vårt.",
)
TASKS: Final = (
    "Du hjelper kundene våre med små og store ting",
    "Du holder orden der andre har slått seg til ro",
    "Du planlegger dagen sammen med resten av laget",
    "Du lærer opp den som kommer etter deg",
    "Du skriver ned det som ellers blir glemt",
)
WISHES: Final = (
    "Vi ønsker oss en som er blid, presis og nysgjerrig.",
    "Erfaring er fint, interesse er finere.",
    "Fagbrev er en fordel, men ikke et krav.",
    "Du må beherske norsk muntlig og skriftlig.",
)
CONTACT_TITLES: Final = ("Avdelingsleder", "Daglig leder", "Rekrutteringsansvarlig", "Teamleder")
REMARKS: Final = (
    "NOT_APPROVED_BY_LABOUR_INSPECTION",
    "NO_EMPLOYMENT",
    "DUPLICATE",
    "DISCRIMINATING",
    "REJECT_BECAUSE_CAPACITY",
    "FOREIGN_JOB",
    "COLLECTION_JOB",
    "UNKNOWN",
)
EXTENTS: Final = ("Heltid", "Heltid", "Heltid", "Deltid")
ENGAGEMENTS: Final = ("Fast", "Fast", "Fast", "Vikariat", "Engasjement", "Sesong", "Åremål", "Annet")
SECTORS: Final = ("Privat", "Privat", "Offentlig", "Ikke oppgitt")
