"""What a request asks for beside its address: which form, which language, as of when, from where on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import Request

from dataproducts.errors import BadRequest

HTML, JSON, JSON_LD, TURTLE = "text/html", "application/json", "application/ld+json", "text/turtle"
SUFFIXES = {"json": JSON, "jsonld": JSON_LD, "ttl": TURTLE}
"""Suffixes of addresses, by which a form can be linked to."""
Language = Literal["nb", "en"]
_SAME = {"application/xhtml+xml": HTML, "application/x-turtle": TURTLE, "application/problem+json": JSON}


def chosen(accept: str, offers: Sequence[str]) -> str | None:
    """The offer that an Accept header prefers (RFC 9110), the first of equals; None where it admits none.

    What cannot be read counts as not there; an empty header admits everything.
    """
    wanted = _qualities(accept)
    if not wanted:
        return offers[0]
    best, best_quality = None, 0.0
    for offer in offers:
        kind = offer.split("/")[0]
        quality = next((wanted[one] for one in (offer, f"{kind}/*", "*/*") if one in wanted), 0.0)
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def _qualities(header: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in header[:2_000].lower().split(","):
        value, *parameters = (one.strip() for one in part.split(";"))
        quality = next((_number(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        if value:
            found.setdefault(_SAME.get(value, value), quality)
    return found


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", text) else 0.0


def asks_for_page(headers: Headers) -> bool:
    """Whether the one who asks is a browser: HTML is named in its Accept, and preferred to JSON."""
    accept = headers.get("accept", "")
    return "text/html" in accept.lower() and chosen(accept, (HTML, JSON)) == HTML


def language(request: Request) -> Language:
    """The language of the interface: `?lang=`, else Accept-Language, else bokmål."""
    asked = request.query_params.get("lang", "")
    if asked in ("nb", "en"):
        return "en" if asked == "en" else "nb"
    wanted: dict[str, float] = {}
    for tag, quality in _qualities(request.headers.get("accept-language", "")).items():
        first = tag.split("-")[0]
        own = "nb" if first in ("nb", "no", "nn", "da", "sv", "*") else "en"
        wanted[own] = max(wanted.get(own, 0.0), quality)
    return "en" if wanted.get("en", 0.0) > wanted.get("nb", 0.0) else "nb"


def as_of(request: Request) -> datetime | None:
    """The moment of `?as_of=`, in UTC: a date means the end of that day in UTC, a time without a zone is UTC; None is now.

    Raises BadRequest for what is neither.
    """
    given = request.query_params.get("as_of", "").strip()
    if not given:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", given):
            return datetime.combine(date.fromisoformat(given), time.max, UTC)
        if len(given) > 40 or not re.match(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", given):
            raise ValueError
        moment = datetime.fromisoformat(re.sub(r"(?<=:\d{2}) (?=\d{2}:?\d{2}$)", "+", given))  # a plus that was not written as %2B
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest(f"as_of is {given[:40]!r}; write a day as 2026-11-10 or a time as 2026-11-10T06:00:00Z") from None


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query. Raises BadRequest for what is none, or out of bounds."""
    given = request.query_params.get(name)
    if given is None or given == "":
        return default
    if not re.fullmatch(r"[0-9]{1,18}", given) or not least <= int(given) <= most:
        raise BadRequest(f"{name} is {given[:40]!r}; write a whole number from {least} to {most}")
    return int(given)


def one_of(request: Request, name: str, values: Sequence[str]) -> str | None:
    """A value of the query out of several. Raises BadRequest for any other."""
    given = request.query_params.get(name) or None
    if given is not None and given not in values:
        raise BadRequest(f"{name} is {given[:40]!r}; it is one of {', '.join(values)}")
    return given
