"""What the synthetic books consist of: accounts after NS 4102, cost centers, those who keep them, and what vendors are paid for."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, Final

from assets.enhetsregisteret.sandbox.words import person

ACCOUNTS: Final[dict[str, str]] = {
    "1250": "Inventar", "1280": "Kontormaskiner", "1500": "Kundefordringer", "1700": "Forskuddsbetalt leiekostnad",
    "1749": "Andre forskuddsbetalte kostnader", "1920": "Bankinnskudd", "1950": "Bankinnskudd for skattetrekk",
    "2050": "Annen egenkapital", "2400": "Leverandørgjeld", "2600": "Forskuddstrekk", "2700": "Utgående merverdiavgift, høy sats",
    "2710": "Inngående merverdiavgift, høy sats", "2740": "Oppgjørskonto merverdiavgift", "2770": "Skyldig arbeidsgiveravgift",
    "2930": "Skyldig lønn", "2940": "Skyldige feriepenger", "2960": "Påløpte kostnader",
    "3000": "Salgsinntekt tjenester, avgiftspliktig", "3100": "Salgsinntekt tjenester, avgiftsfri", "3400": "Offentlig tilskudd",
    "5000": "Lønn til ansatte", "5092": "Feriepenger", "5400": "Arbeidsgiveravgift", "6010": "Avskrivning på driftsløsøre",
    "6300": "Leie av lokaler", "6340": "Lys og varme", "6360": "Renhold", "6420": "Leie av datasystemer", "6540": "Inventar, kostnadsført",
    "6553": "Programvare", "6701": "Revisjonshonorar", "6725": "Juridisk bistand", "6790": "Annen fremmed tjeneste",
    "6800": "Kontorrekvisita", "6860": "Møter, kurs og oppdatering", "6900": "Telefon og datakommunikasjon", "6940": "Porto",
    "7140": "Reisekostnad, ikke oppgavepliktig", "7320": "Reklamekostnad", "7400": "Kontingent", "7500": "Forsikringspremie",
    "7770": "Bank- og kortgebyr", "8050": "Renteinntekt", "8150": "Rentekostnad",
}  # fmt: skip

LATER_ACCOUNTS: Final = (
    ("6421", "Leie av skytjenester"), ("6861", "Kurs på nett"), ("6791", "Innleide konsulenter"), ("7141", "Reisekostnad, utland"),
    ("6541", "Kontormøbler, kostnadsført"), ("6726", "Juridisk bistand, innkreving"), ("6901", "Mobilabonnement"), ("7321", "Annonser"),
)  # fmt: skip
"""Accounts that are opened as time goes, in this order."""

CENTERS: Final[dict[str, tuple[str, str | None]]] = {
    "1000": ("Virksomheten", None), "1100": ("Ledelse", "1000"), "1200": ("Økonomi", "1000"), "1300": ("Personal", "1000"),
    "1400": ("Lokaler", "1000"), "2000": ("Teknologi", "1000"), "2100": ("Utvikling", "2000"), "2200": ("Drift", "2000"),
    "2300": ("Data", "2000"), "3000": ("Tjenester", "1000"), "3100": ("Rådgivning", "3000"), "3200": ("Brukerstøtte", "3000"),
    "3300": ("Saksbehandling", "3000"),
}  # fmt: skip
"""Name and parent of each cost center; costs are borne by those that are nobody's parent."""

BEARERS: Final = ("1100", "1200", "1300", "1400", "2100", "2200", "2300", "3100", "3200", "3300")

SUPPLIES: Final = ("6300", "6340", "6360", "6420", "6540", "6553", "6725", "6790", "6800", "6860", "6900", "7140", "7320", "7500")
"""Accounts that vendors are paid from; what a vendor sells is one or two of them."""

BUDGETED: Final = ("3000", "5000", "5400", "6300", "6360", "6420", "6790", "6800", "6860", "6900", "7140")

TERMS: Final = (14, 14, 14, 30, 30, 45)


def account(number: str, name: str, *, open_: bool = True) -> dict[str, Any]:
    """A row of the chart of accounts; class and kind follow from the number's first digit."""
    first = int(number[0])
    kind = {1: "eiendel", 2: "egenkapital_gjeld", 3: "inntekt", 8: "finans"}.get(first, "kostnad")
    vat = {"3000": "3", "2700": "3", "2710": "1"}.get(number, "1" if number in SUPPLIES and number not in ("6300", "7500") else "0")
    return {"kontonummer": number, "navn": name, "kontoklasse": first, "kontotype": kind, "mva_kode": vat, "aktiv": open_}


@cache
def staff() -> tuple[str, ...]:
    """Those who register entries and attest them."""
    rng = Random("fist/staff")
    return tuple(" ".join(person(rng)) for _ in range(9))


@cache
def suppliers() -> tuple[tuple[str, str], ...]:
    """Organization number and name of the companies among the units that the synthetic register has at first, in an order of their own."""
    from assets.enhetsregisteret.sandbox import World

    units = [
        (unit["organisasjonsnummer"], unit["navn"])
        for unit in World().bulk("enheter")
        if unit["organisasjonsform"]["kode"] in ("AS", "ASA", "ENK", "NUF") and not unit.get("konkurs") and unit.get("naeringskode1")
    ]
    Random("fist/suppliers").shuffle(units)
    return tuple(units)
