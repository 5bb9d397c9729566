"""Text and numbers as they stand in a picture: cleaned, escaped, clipped to a width, written for a language."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Literal

from markupsafe import Markup, escape

Language = Literal["nb", "en"]

NARROW_SPACE = "\u202f"
# What XML 1.0 forbids, and marks that turn the reading direction: a name could pass for another with them.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"
)
_SPACES = re.compile(r"[^\S\u202f]+")  # the space inside numbers stays
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_JOINERS = "\u200d\ufe0e\ufe0f"


class _Widths(dict[str, float]):
    """Estimated advance of a character in em, for system sans-serif fonts; learned once per character."""

    def __missing__(self, character: str) -> float:
        if unicodedata.combining(character) or character in _JOINERS:
            width = 0.0
        elif character >= "\U0001f000":
            width = 1.3
        elif unicodedata.east_asian_width(character) in "WF":
            width = 1.02
        elif character.isupper():
            width = 0.68
        else:
            width = 0.6
        self[character] = width
        return width


_WIDTHS = _Widths()
for _characters, _width in (
    ("ijl.,:;'|!`", 0.29),
    (' ftrI()[]{}/\\-"*', 0.38),
    ("abcdeghknopqsuvxyzøåæ0123456789_$?<>=+~^#&", 0.58),
    ("BEFJLPST", 0.64),
    ("mwMWÆ%@", 0.92),
):
    _WIDTHS.update(dict.fromkeys(_characters, _width))


def clean(value: object) -> str:
    """The value as one line of text: no control characters, no direction marks, each run of spaces one space."""
    return _SPACES.sub(" ", _UNWANTED.sub("", str(value))).strip()


def safe(value: object) -> Markup:
    """The value cleaned and escaped, for text and for quoted attributes."""
    return escape(clean(value))


def width(text: str, size: float) -> float:
    """Estimated width of `text` in pixels at a font size in pixels."""
    return sum(map(_WIDTHS.__getitem__, text)) * size


def clip(text: str, room: float, size: float) -> str:
    """`text` cleaned and, if it is wider than `room` pixels, cut and ended by an ellipsis; never inside an emoji or an accented letter."""
    text = clean(text[: int(room) * 4])  # no character that shows is narrower than a quarter of a pixel
    limit = room / size
    if len(text) * 1.3 <= limit:
        return text
    used, fits = 0.0, 0
    for place, character in enumerate(text):
        used += _WIDTHS[character]
        if used <= limit - 1:
            fits = place + 1
        elif used > limit:
            break
    else:
        return text
    while fits and (text[fits - 1] == "\u200d" or _continues(text[fits])):
        fits -= 1
    return text[:fits].rstrip() + "…"


def _continues(character: str) -> bool:
    return character in _JOINERS or bool(unicodedata.combining(character)) or "\U0001f3fb" <= character <= "\U0001f3ff"


def link(href: str | None) -> Markup | None:
    """The address escaped for an href, or None if it is empty or its scheme is other than http, https and mailto."""
    if href is None:
        return None
    # browsers drop tabs and newlines inside an address and spaces around it: look at what they will see
    address = re.sub(r"[\t\r\n]", "", _UNWANTED.sub("", href)).strip()
    scheme = _SCHEME.match(address)
    if not address or (scheme and scheme[0].lower() not in ("http:", "https:", "mailto:")):
        return None
    return escape(address)


def identifier(value: str) -> str:
    """`value` as an id that may stand in an attribute and in `url(#...)`."""
    return "d" + re.sub(r"[^A-Za-z0-9-]", "-", value)[:80]


def number(value: float | Decimal, language: Language, decimals: int = 0) -> str:
    """A number for people: `1 234,5` with narrow no-break spaces in nb, `1,234.5` in en; the minus is a real minus."""
    text = f"{value:,.{decimals}f}"
    if language == "nb":
        text = text.replace(",", NARROW_SPACE).replace(".", ",")
    return text.replace("-", "−")


def percent(share: float, language: Language) -> str:
    """A share between 0 and 1 as a percentage; what is more than none and less than all never reads 0 % or 100 %."""
    whole = round(share * 100)
    sign = f"{NARROW_SPACE}%" if language == "nb" else "%"
    if share > 0 and whole == 0:
        return f"<1{sign}"
    if share < 1 and whole == 100:
        return f">99{sign}"
    return f"{whole}{sign}"


def shown(value: Any, language: Language) -> str:
    """Any value of a profile as text: numbers for the language, dates as ISO, text cleaned."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "–"}[value]
    if isinstance(value, int):
        return number(value, language)
    if isinstance(value, (float, Decimal)):
        value = float(value)
        if not isfinite(value) or (value and not 1e-3 <= abs(value) < 1e12):
            return f"{value:.4g}".replace("-", "−")
        text = f"{value:.4f}".rstrip("0").rstrip(".")
        return number(value, language, len(text.partition(".")[2]))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, date):
        return value.isoformat()
    return clean(value)


def coordinate(value: float) -> str:
    """A coordinate with at most one decimal: short and the same on every machine."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
