"""What a stored text has to contain: an expression both databases understand, and how text is laid out for it.

A stored field is words in order, then what the words may be met as. Marks that no word can contain keep the kinds apart, so nothing that a
person types can address a form, a part or a facet by accident.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from dataproducts.catalog.search import analysis

FORM, PART, GAP = "·", "§", "¦"  # · stem or fold of a word, § part of a compound, ¦ between two texts
# ¤ a facet value, ¶ a name, © a name with nothing but its letters and digits, ® a form of a name of one word; hashed, in their own field
FACET, NAME, LOOSE, INFLECTED = "¤", "¶", "©", "®"

TITLE, COLUMNS, KEYWORDS, TEXT = 1, 2, 4, 8
EVERYWHERE = TITLE | COLUMNS | KEYWORDS | TEXT
FIELDS = {"title": TITLE, "columns": COLUMNS, "keywords": KEYWORDS, "text": TEXT}
MARKED, MARKED_FIELD = "facets", 16  # the field of facet values and names
_NAMES = {**{bit: name for name, bit in FIELDS.items()}, MARKED_FIELD: MARKED}
_BITS = {fields: tuple(bit for bit in _NAMES if bit & fields) for fields in range(2 * MARKED_FIELD)}
ALL_DOCUMENTS = FACET


@dataclass(frozen=True)
class Token:
    """One stored token in any of the fields."""

    token: str
    fields: int = EVERYWHERE


@dataclass(frozen=True)
class Phrase:
    """Words next to each other in one text of one field."""

    words: tuple[str, ...]
    fields: int = EVERYWHERE


@dataclass(frozen=True)
class Every:
    """All of them."""

    of: tuple[Expression, ...]


@dataclass(frozen=True)
class Some:
    """At least one of them."""

    of: tuple[Expression, ...]

    @cached_property
    def grouped(self) -> tuple[tuple[tuple[int, frozenset[str]], ...], tuple[Expression, ...]]:
        """The tokens by the fields they may stand in, and what is no token."""
        groups: dict[int, set[str]] = {}
        for part in self.of:
            if isinstance(part, Token):
                groups.setdefault(MARKED_FIELD if is_marked(part.token) else part.fields, set()).add(part.token)
        rest = tuple(part for part in self.of if not isinstance(part, Token))
        return tuple((fields, frozenset(tokens)) for fields, tokens in groups.items()), rest


@dataclass(frozen=True)
class Without:
    """The first where the second does not hold."""

    this: Expression
    that: Expression


Expression = Token | Phrase | Every | Some | Without


def every(parts: Sequence[Expression]) -> Expression:
    """All of the parts; one part is itself."""
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def some(parts: Sequence[Expression]) -> Expression:
    """Any of the parts; doubles are dropped, one part is itself."""
    distinct = tuple(dict.fromkeys(parts))
    return distinct[0] if len(distinct) == 1 else Some(distinct)


class Held:
    """A stored text, to hold expressions against without asking the database."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored = stored
        self._tokens: dict[int, frozenset[str]] = {}

    def tokens(self, bit: int) -> frozenset[str]:
        """The tokens of one field."""
        found = self._tokens.get(bit)
        if found is None:
            found = self._tokens[bit] = frozenset(self._stored[_NAMES[bit]].split(" "))
        return found

    def meets(self, expression: Expression) -> bool:
        """Whether the text satisfies an expression."""
        if isinstance(expression, Token):
            fields = MARKED_FIELD if is_marked(expression.token) else expression.fields
            return any(expression.token in self.tokens(bit) for bit in _BITS[fields])
        if isinstance(expression, Some):
            groups, rest = expression.grouped
            for fields, tokens in groups:
                for bit in _BITS[fields]:
                    if not tokens.isdisjoint(self.tokens(bit)):
                        return True
            return any(self.meets(part) for part in rest)
        if isinstance(expression, Every):
            return all(self.meets(part) for part in expression.of)
        if isinstance(expression, Without):
            return self.meets(expression.this) and not self.meets(expression.that)
        words = f" {' '.join(expression.words)} "
        return any(words in f" {self._stored[_NAMES[bit]]} " for bit in _BITS[expression.fields])


@lru_cache(maxsize=8_192)
def facet_token(facet: str, value: str) -> str:
    """The token a document carries for a facet value."""
    return FACET + _hashed(f"{facet}\0{value}")


def name_tokens(own: str, loose: str) -> tuple[str, str]:
    """The tokens a document carries for a name of its own, as it is and loosely."""
    return NAME + _hashed(own), LOOSE + _hashed(loose)


def is_marked(token: str) -> bool:
    """Whether the token stands in the field of facet values and names."""
    return token[0] in _MARKS


def inflected_tokens(word: str) -> list[str]:
    """The tokens a document carries that has the word for a name, in all its forms; asked for by those of the word in any other form."""
    return [INFLECTED + _hashed(form) for form in (word, *analysis.forms(word))]


_MARKS = frozenset((FACET, NAME, LOOSE, INFLECTED))


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=5).hexdigest()
