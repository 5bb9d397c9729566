"""Badges: a status mark and a few words, inline in a line of text."""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup

from dataproducts.catalog.drawing.glyphs import kind_path, status_mark
from dataproducts.catalog.drawing.text import Language, link, number, safe
from dataproducts.catalog.drawing.words import say

BadgeStatus = Literal["good", "warn", "bad", "unknown", "info"]


def badge(status: BadgeStatus, text: str, *, href: str | None = None, hint: str | None = None) -> Markup:
    """A badge; a link if `href` is an address. The words carry the meaning, the mark only repeats it."""
    return _badge(f"dp-{status}", status_mark(status, 0, 0), text, href, hint)


def kind_badge(kind: str, language: Language) -> Markup:
    """What kind of thing it is: its icon and name."""
    return _badge("dp-kind", f'<path class="dp-icon" d="{kind_path(kind)}"/>', say(kind, language), None, None)


def quality_badge(passed: int, warned: int, failed: int, *, language: Language, href: str | None = None) -> Markup:
    """How the checks of the latest version went; failures outrank warnings."""
    total = passed + warned + failed
    figures = {"total": number(total, language)}
    if failed:
        return badge("bad", say("checks fail", language, n=number(failed, language), **figures), href=href)
    if warned:
        return badge("warn", say("checks warn", language, n=number(warned, language), **figures), href=href)
    if not total:
        return badge("unknown", say("checks none", language), href=href)
    said = say("check passes", language) if total == 1 else say("checks pass", language, n=number(total, language))
    return badge("good", said, href=href)


def freshness_badge(
    state: Literal["fresh", "late", "overdue", "no promise"], *, language: Language, latest: str | None = None, href: str | None = None
) -> Markup:
    """Freshness against the promise; `latest` is the latest partition or an ISO time, written after the word."""
    status: dict[str, BadgeStatus] = {"fresh": "good", "late": "warn", "overdue": "bad"}
    text = say(state, language) + (f" · {latest}" if latest else "")
    return badge(status.get(state, "unknown"), text, href=href)


def personal_badge(level: Literal["none", "yes", "special", "unknown"], *, language: Language, href: str | None = None) -> Markup:
    """Whether there is personal data in it."""
    status: dict[str, BadgeStatus] = {"none": "good", "yes": "info", "special": "warn"}
    return badge(status.get(level, "unknown"), say(f"personal {level}", language), href=href)


def _badge(classes: str, mark: str, text: str, href: str | None, hint: str | None) -> Markup:
    title = f' title="{safe(hint)}"' if hint else ""
    inside = f'<svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">{mark}</svg><span class="dp-text">{safe(text)}</span>'
    address = link(href)
    if address is None:
        return Markup(f'<span class="dp-badge {classes}"{title}>{inside}</span>')
    return Markup(f'<a class="dp-badge {classes}" href="{address}"{title}>{inside}</a>')
