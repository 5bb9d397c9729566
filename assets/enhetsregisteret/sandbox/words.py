"""Invented names: companies, people, streets, domains, telephones. Nothing here is meant to be anyone."""

from __future__ import annotations

from random import Random
from typing import Final

_HEADS: Final = (
    "BLIM", "BOMPE", "DINGEL", "DUPPE", "FJOMP", "FLUPP", "GNURR", "HUMPE", "KLUKK", "KNIRKE", "KVAKS", "LURVE", "MJAU",
    "NØFFE", "PLASK", "PLOMPE", "PUSLE", "RABBEL", "SKVULP", "SLURP", "SNURK", "SPRELL", "SUMLE", "TASSE", "TJOHEI",
    "TRILLE", "TRULLE", "TULLE", "VIMSE", "ÆRLE", "ØDDEL", "ÅMPE",
)  # fmt: skip
_TAILS: Final = ("BIMS", "DULT", "FNAS", "FUTT", "KRUSS", "LUNT", "NUSK", "PLING", "RUSK", "SNUPP", "TUTT", "VIMS")
_TRADES: Final = (
    "BAKERI", "BYGG", "DATA", "DESIGN", "EIENDOM", "ELEKTRO", "FISKE", "FRISØR", "GÅRDSDRIFT", "HANDEL", "HOLDING",
    "KAFE", "KLÆR", "MØBLER", "RENHOLD", "RÅDGIVNING", "TAXI", "TRANSPORT", "VERKSTED", "VÆR OG VIND",
)  # fmt: skip
_CLUBS: Final = ("IDRETTSLAG", "KORPS", "VELFORENING", "SANGKOR", "LEKEKLUBB", "BÅTFORENING")
_GIVEN: Final = (
    "Blimpa", "Bompeline", "Dingelin", "Duppert", "Fjompia", "Fluppine", "Gnurrik", "Humpelina", "Klukkar", "Knirkel",
    "Kvaksine", "Lurvina", "Mjauste", "Nøffar", "Plaskia", "Plompert", "Puslina", "Rabbelin", "Skvulpar", "Slurpia",
    "Snurkel", "Sprellina", "Sumlar", "Tassine", "Trillert", "Trullina", "Tullert", "Vimsine", "Ødder", "Åmpine",
)  # fmt: skip
_ENDINGS: Final = ("esnurr", "dulten", "bimsrud", "plingvik", "fnasli", "ruskemo", "tuttheim", "snuppdal")
_STREETS: Final = ("Sandkassestien", "Prøveveien", "Eksempelgata", "Bøttebakken", "Spadesvingen", "Syntesealleen")


def company(rng: Random, form: str) -> str:
    """A name in the register's capitals, ending as its legal form does."""
    stem = rng.choice(_HEADS) + rng.choice(_TAILS)
    if form == "FLI":
        return f"{stem} {rng.choice(_CLUBS)}"
    if form == "BRL":
        return f"BORETTSLAGET {stem}"
    if form == "ESEK":
        return f"SAMEIET {stem}"
    if form == "STI":
        return f"STIFTELSEN {stem}"
    if form == "KBO":
        return f"{stem} {rng.choice(_TRADES)} AS KONKURSBO"
    if form == "ENK":
        given, family = person(rng)
        return f"{rng.choice(_TRADES)} {given} {family}".upper()
    if form in {"KOMM", "ORGL"}:
        return f"{stem} KOMMUNE" if form == "KOMM" else f"{stem} SKOLE"
    if form in {"UTLA", "UTBG"}:
        return f"{stem} LTD" if form == "UTLA" else f"{stem} UTLEIEBYGG"
    return f"{stem} {rng.choice(_TRADES)} {form}"


def person(rng: Random) -> tuple[str, str]:
    """Given name and family name."""
    return rng.choice(_GIVEN), rng.choice(_HEADS).capitalize() + rng.choice(_ENDINGS)


def given(rng: Random) -> str:
    """A middle name."""
    return rng.choice(_GIVEN)


def street(rng: Random) -> str:
    """A street and a number."""
    return f"{rng.choice(_STREETS)} {rng.randint(1, 199)}"


def domain(name: str) -> str:
    """A domain that can never exist (RFC 2606)."""
    return "".join(letter for letter in name.lower().split()[0] if letter.isascii()) + ".example"


def telephone(rng: Random, mobile: bool = False) -> str:
    """Eight digits in the 00 series, which is not given to subscribers."""
    return f"00 {9 if mobile else 1}{rng.randint(0, 9)} {rng.randint(0, 99):02d} {rng.randint(0, 99):02d}"
