"""The few words that stand inside pictures, in Norwegian (bokmål) and English."""

from __future__ import annotations

from dataproducts.catalog.drawing.text import Language, number

_WORDS: dict[str, tuple[str, str]] = {
    # statuses
    "good": ("i orden", "in order"),
    "warn": ("advarsel", "warning"),
    "bad": ("feil", "failing"),
    "unknown": ("ukjent", "unknown"),
    # kinds of nodes
    "product": ("dataprodukt", "data product"),
    "dataset": ("datasett", "dataset"),
    "column": ("kolonne", "column"),
    "version": ("versjon", "version"),
    "contract": ("kontrakt", "contract"),
    "port": ("tilgang", "port"),
    "team": ("team", "team"),
    "person": ("person", "person"),
    "concept": ("begrep", "concept"),
    "theme": ("tema", "theme"),
    "keyword": ("emneord", "keyword"),
    "example": ("eksempel", "example"),
    "dashboard": ("rapport", "dashboard"),
    "source": ("kilde", "source"),
    "run": ("kjøring", "run"),
    "entry": ("registrert for hånd", "registered by hand"),
    # lineage
    "lineage": ("Avstamning", "Lineage"),
    "more": ("{n} til", "{n} more"),
    "focus": ("vises nå", "shown now"),
    "nothing": ("Ingen avstamning er registrert", "No lineage is recorded"),
    # partitions
    "partitions": ("Partisjoner", "Partitions"),
    "stored": ("lagret", "stored"),
    "unchanged": ("uendret", "unchanged"),
    "missing": ("mangler", "missing"),
    "failed": ("feilet", "failed"),
    "quarantined": ("i karantene", "quarantined"),
    "rows": ("{n} rader", "{n} rows"),
    "row": ("{n} rad", "{n} row"),
    "fewer": ("færre rader", "fewer rows"),
    "greater": ("flere", "more"),
    "latest of": ("De siste {n} av {total} partisjoner", "The latest {n} of {total} partitions"),
    "no partitions": ("Ingen partisjoner ennå", "No partitions yet"),
    # charts
    "rows over partitions": ("Rader per partisjon", "Rows per partition"),
    "no figures": ("Ingen tall ennå", "No figures yet"),
    "lowest": ("lavest", "lowest"),
    "highest": ("høyest", "highest"),
    "frequent": ("Hyppigste verdier", "Most frequent values"),
    "range": ("Fra {low} til {high}", "From {low} to {high}"),
    "present": ("utfylt", "present"),
    "absent": ("{share} mangler", "{share} missing"),
    "full": ("alle utfylt", "none missing"),
    "checks": ("Kontroller over tid", "Checks over time"),
    "pass": ("bestått", "passed"),
    "fail": ("feilet", "failed"),
    "error": ("kunne ikke kjøres", "could not run"),
    # badges
    "checks pass": ("{n} kontroller bestått", "{n} checks pass"),
    "check passes": ("1 kontroll bestått", "1 check passes"),
    "checks fail": ("{n} av {total} kontroller feiler", "{n} of {total} checks fail"),
    "checks warn": ("{n} av {total} kontroller varsler", "{n} of {total} checks warn"),
    "checks none": ("ikke kontrollert", "not checked"),
    "fresh": ("fersk", "fresh"),
    "late": ("forsinket", "late"),
    "overdue": ("for gammel", "overdue"),
    "no promise": ("ingen ferskhetslovnad", "no freshness promise"),
    "personal none": ("ingen personopplysninger", "no personal data"),
    "personal yes": ("personopplysninger", "personal data"),
    "personal special": ("særlige kategorier", "special categories"),
    "personal unknown": ("personopplysninger ikke vurdert", "personal data not assessed"),
}


def say(word: str, language: Language, **figures: str) -> str:
    """The word in the language, with its figures filled in; a word that is not known stands as it is."""
    nb, en = _WORDS.get(word, (word, word))
    text = nb if language == "nb" else en
    return text.format(**figures) if figures else text


def rows(count: int, language: Language) -> str:
    """`1 234 rows`, one row in the singular."""
    return say("row" if count == 1 else "rows", language, n=number(count, language))
