"""The public code lists and places the sandbox draws on: legal forms, industries, sectors, municipalities, roles."""

from __future__ import annotations

from typing import Any, Final

BASE: Final = "https://enhetsregisteret.invalid/enhetsregisteret/api"
"""What `_links` of records begin with: the same on every port, and leading nowhere (RFC 2606)."""

ORGANIZATION_FORMS: Final[dict[str, tuple[str, str | None]]] = {
    "AAFY": ("Underenhet til ikke-næringsdrivende", None),
    "ADOS": ("Administrativ enhet - offentlig sektor", None),
    "ANNA": ("Annen juridisk person", None),
    "ANS": ("Ansvarlig selskap med solidarisk ansvar", None),
    "AS": ("Aksjeselskap", None),
    "ASA": ("Allmennaksjeselskap", None),
    "BA": ("Selskap med begrenset ansvar", None),
    "BBL": ("Boligbyggelag", None),
    "BEDR": ("Underenhet til næringsdrivende og offentlig forvaltning", None),
    "BO": ("Andre bo", None),
    "BRL": ("Borettslag", None),
    "DA": ("Ansvarlig selskap med delt ansvar", None),
    "ENK": ("Enkeltpersonforetak", None),
    "EOFG": ("Europeisk økonomisk foretaksgruppe", None),
    "ESEK": ("Eierseksjonssameie", None),
    "FKF": ("Fylkeskommunalt foretak", None),
    "FLI": ("Forening/lag/innretning", None),
    "FYLK": ("Fylkeskommune", None),
    "GFS": ("Gjensidig forsikringsselskap", None),
    "IKJP": ("Andre ikke-juridiske personer", None),
    "IKS": ("Interkommunalt selskap", None),
    "KBO": ("Konkursbo", None),
    "KF": ("Kommunalt foretak", None),
    "KIRK": ("Den norske kirke", None),
    "KOMM": ("Kommune", None),
    "KS": ("Kommandittselskap", None),
    "KTRF": ("Kontorfellesskap", None),
    "NUF": ("Norskregistrert utenlandsk foretak", None),
    "OPMV": ("Særskilt oppdelt enhet, jf. mval. § 2-2", None),
    "ORGL": ("Organisasjonsledd", None),
    "PERS": ("Andre enkeltpersoner som registreres i tilknyttet register", None),
    "PK": ("Pensjonskasse", None),
    "PRE": ("Partrederi", None),
    "SA": ("Samvirkeforetak", None),
    "SAM": ("Tingsrettslig sameie", None),
    "SE": ("Europeisk selskap", None),
    "SF": ("Statsforetak", None),
    "SPA": ("Sparebank", None),
    "STAT": ("Staten", None),
    "STI": ("Stiftelse", None),
    "SÆR": ("Annet foretak iflg. særskilt lov", None),
    "TVAM": ("Tvangsregistrert for MVA", None),
    "UTBG": ("Frivillig registrert utleiebygg", "2017-07-17"),
    "UTLA": ("Utenlandsk enhet", None),
    "VPFO": ("Verdipapirfond", None),
}
SUB_UNIT_FORMS: Final = ("AAFY", "BEDR")

INDUSTRIES: Final = (
    ("01.500", "Kombinert husdyrhold og planteproduksjon"),
    ("03.111", "Hav- og kystfiske"),
    ("10.209", "Slakting, bearbeiding og konservering av fisk og fiskevarer ellers"),
    ("10.710", "Produksjon av brød og ferske konditorvarer"),
    ("31.090", "Produksjon av andre møbler"),
    ("41.000", "Oppføring av bygninger"),
    ("43.210", "Elektrisk installasjonsarbeid"),
    ("45.200", "Vedlikehold og reparasjon av motorvogner"),
    ("47.111", "Butikkhandel med bredt vareutvalg med hovedvekt på nærings- og nytelsesmidler"),
    ("47.710", "Butikkhandel med klær"),
    ("49.320", "Drosjebiltransport"),
    ("56.101", "Drift av restauranter og kafeer"),
    ("62.010", "Programmeringstjenester"),
    ("62.020", "Konsulentvirksomhet tilknyttet informasjonsteknologi"),
    ("64.220", "Spesielle holdingselskaper"),
    ("68.209", "Utleie av egen eller leid fast eiendom ellers"),
    ("69.201", "Regnskap og bokføring"),
    ("69.202", "Revisjon"),
    ("70.220", "Bedriftsrådgivning og annen administrativ rådgivning"),
    ("74.101", "Industridesign, produktdesign og annen teknisk designvirksomhet"),
    ("81.210", "Rengjøring av bygninger"),
    ("85.100", "Undervisning i førskole"),
    ("86.211", "Allmenn legetjeneste"),
    ("90.012", "Utøvende kunstnere og underholdningsvirksomhet innen scenekunst"),
    ("93.120", "Idrettslag og -klubber"),
    ("94.991", "Aktiviteter i andre interesseorganisasjoner"),
    ("96.020", "Frisering og annen skjønnhetspleie"),
)
HOUSING: Final = ("68.201", "Borettslag")
PUBLIC: Final = ("84.110", "Generell offentlig administrasjon")
AUXILIARY: Final = ("70.100", "Hovedkontortjenester")

SECTORS: Final[dict[str, tuple[str, str]]] = {
    "AS": ("2100", "Private aksjeselskaper mv."),
    "ENK": ("8200", "Personlig næringsdrivende"),
    "NUF": ("2100", "Private aksjeselskaper mv."),
    "FLI": ("7000", "Ideelle organisasjoner"),
    "STI": ("7000", "Ideelle organisasjoner"),
    "DA": ("2300", "Personlige foretak"),
    "ANS": ("2300", "Personlige foretak"),
    "BRL": ("8300", "Borettslag o.l."),
    "ESEK": ("8300", "Borettslag o.l."),
    "KOMM": ("6500", "Kommuneforvaltningen"),
    "ORGL": ("6500", "Kommuneforvaltningen"),
    "UTLA": ("9000", "Utlandet"),
}

PLACES: Final = (
    # postnummer, poststed, kommune, kommunenummer
    ("0150", "OSLO", "OSLO", "0301"),
    ("0251", "OSLO", "OSLO", "0301"),
    ("0581", "OSLO", "OSLO", "0301"),
    ("1400", "SKI", "NORDRE FOLLO", "3207"),
    ("1606", "FREDRIKSTAD", "FREDRIKSTAD", "3107"),
    ("2317", "HAMAR", "HAMAR", "3403"),
    ("3015", "DRAMMEN", "DRAMMEN", "3301"),
    ("3724", "SKIEN", "SKIEN", "4003"),
    ("4035", "STAVANGER", "STAVANGER", "1103"),
    ("4306", "SANDNES", "SANDNES", "1108"),
    ("4611", "KRISTIANSAND S", "KRISTIANSAND", "4204"),
    ("5003", "BERGEN", "BERGEN", "4601"),
    ("5055", "BERGEN", "BERGEN", "4601"),
    ("6002", "ÅLESUND", "ÅLESUND", "1508"),
    ("6413", "MOLDE", "MOLDE", "1506"),
    ("7030", "TRONDHEIM", "TRONDHEIM", "5001"),
    ("8006", "BODØ", "BODØ", "1804"),
    ("8910", "BRØNNØYSUND", "BRØNNØY", "1813"),
    ("9008", "TROMSØ", "TROMSØ", "5501"),
    ("9510", "ALTA", "ALTA", "5601"),
    ("9392", "STONGLANDSEIDET", "SENJA", "5530"),
    ("9730", "KARASJOK", "KARASJOHKA - KÁRÁŠJOHKA - KARASJOK", "5610"),
)

GROUPS: Final[dict[str, str]] = {
    "DAGL": "Daglig leder/ adm.direktør",
    "STYR": "Styre",
    "INNH": "Innehaver",
    "DELT": "Deltakere",
    "KOMP": "Komplementar",
    "REVI": "Revisor",
    "REGN": "Regnskapsfører",
    "FFØR": "Forretningsfører",
    "KONT": "Kontaktperson",
    "BEST": "Bestyrende reder",
    "BOBE": "Bostyrer",
    "REPR": "Norsk representant for utenlandsk enhet",
    "SIGN": "Signatur",
    "PROK": "Prokura",
}
ROLES: Final[dict[str, str]] = {
    "DAGL": "Daglig leder",
    "LEDE": "Styrets leder",
    "NEST": "Nestleder",
    "MEDL": "Styremedlem",
    "VARA": "Varamedlem",
    "OBS": "Observatør",
    "INNH": "Innehaver",
    "DTPR": "Deltaker med delt ansvar",
    "DTSO": "Deltaker med solidarisk ansvar",
    "KOMP": "Komplementar",
    "REVI": "Revisor",
    "REGN": "Regnskapsfører",
    "FFØR": "Forretningsfører",
    "KONT": "Kontaktperson",
    "BEST": "Bestyrende reder",
    "BOBE": "Bostyrer",
    "REPR": "Norsk representant for utenlandsk enhet",
    "SIGN": "Signatur",
    "PROK": "Prokura",
}


def link(path: str) -> dict[str, Any]:
    """A `_links` object with only `self`."""
    return {"self": {"href": f"{BASE}{path}"}}


def form(code: str) -> dict[str, Any]:
    """A legal form as it stands inside a record and in the code list."""
    description, expired = ORGANIZATION_FORMS[code]
    body: dict[str, Any] = {"kode": code, "beskrivelse": description}
    if expired:
        body["utgaatt"] = expired
    return body | {"_links": link(f"/organisasjonsformer/{code}")}


def code(pair: tuple[str, str]) -> dict[str, str]:
    """Industry or sector as it stands inside a record."""
    return {"kode": pair[0], "beskrivelse": pair[1]}
