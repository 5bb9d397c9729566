"""Why a hit is one: the fields it was found in and the words that were met there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataproducts.catalog.search import analysis
from dataproducts.catalog.search.familiar import Familiar
from dataproducts.catalog.search.matching import FIELDS, FORM, GAP, PART, Held
from dataproducts.catalog.search.query import Query

MAX_WORDS = 6  # shown of one field
_LOOKED_AT = 1_000  # tokens of one field, of which its words are the first

Matched = tuple[tuple[str, tuple[str, ...]], ...]


class Explanation:
    """A query made ready to be held against many hits."""

    def __init__(self, query: Query, familiar: Familiar) -> None:
        self._met: set[str] = set()
        self._inside: set[str] = set()
        for clause in query.clauses:
            for term in clause:
                for word in term.words:
                    near = (word, *analysis.forms(word)) if not term.is_phrase else (word,)
                    self._met.update(near)
                    if not term.is_phrase:
                        self._inside.update(near)
                        self._met.update(familiar.begun(word))
                        for part in familiar.parts(word):
                            self._met.update((part, *analysis.forms(part)))
                            self._inside.update((part, *analysis.forms(part)))
                if term.whole:
                    self._met.update((term.whole, *analysis.forms(term.whole)))
        self._judged = _Judged(self._met)
        self._explained: dict[frozenset[str], set[str]] = {}
        self._tokens = self._met | {FORM + one for one in self._met} | {PART + one for one in self._inside}

    def of(self, stored: Mapping[str, Any], held: Held | None = None, most: int = len(FIELDS)) -> Matched:
        """The fields of a stored text, in the order they weigh and so many at most, each with the words met in it."""
        found: list[tuple[str, tuple[str, ...]]] = []
        for name, bit in FIELDS.items():
            if len(found) == most:
                break
            tokens = stored[name].split(" ")
            if met := self._tokens.intersection(tokens if held is None else held.tokens(bit)):
                found.append((name, self._words(tokens, met)))
        return tuple(found)

    def _words(self, tokens: Sequence[str], met: set[str]) -> tuple[str, ...]:
        """The words of a field behind the tokens that were met."""
        plain = {token for token in met if token[0] not in _MARKS}
        if plain and met - plain <= self._explained_by(frozenset(plain)):
            return tuple(dict.fromkeys(filter(plain.__contains__, tokens)))[:MAX_WORDS]
        inside = [token[1:] for token in met if token[0] == PART]
        own = dict.fromkeys(tokens[:_LOOKED_AT])
        judged = self._judged
        words = [word for word in own if judged[word] or (inside and word[:1] not in _MARKS and any(part in word for part in inside))]
        if not words:  # a run written as one, found by its pieces or the other way round
            words = [word for word in own if len(word) > 1 and word[0] not in _MARKS and any(word in one for one in self._met)]
        return tuple(words[:MAX_WORDS])

    def _explained_by(self, plain: frozenset[str]) -> set[str]:
        found = self._explained.get(plain)
        if found is None:
            found = self._explained[plain] = {FORM + form for word in plain for form in analysis.forms(word)}
        return found


class _Judged(dict[str, bool]):
    """Whether a token is a word that was asked for in some form; each is looked at once, since hits share most of theirs."""

    def __init__(self, met: set[str]) -> None:
        self._met = met

    def __missing__(self, token: str) -> bool:
        is_word = token[:1] not in _MARKS
        found = self[token] = is_word and (token in self._met or not self._met.isdisjoint(analysis.forms(token)))
        return found


_MARKS = (FORM, PART, GAP, "")
