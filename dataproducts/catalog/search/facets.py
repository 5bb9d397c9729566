"""Facet counts: disjunctive, so that a facet's own choice does not empty its other values.

Documents share combinations of facet values; the database counts combinations and the rest is arithmetic over them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dataproducts.catalog.search.documents import FACETS
from dataproducts.catalog.search.matching import Expression, Token, facet_token, some

MAX_VALUES = 50  # of a facet, in a page; chosen values are always there
MOST_REMEMBERED = 32_768  # combinations, some 10 MB

Chosen = Mapping[str, frozenset[str]]
KEYWORD = "keyword"
_OTHERS = tuple(name for name in FACETS if name != KEYWORD)
Combination = tuple[tuple[str, ...], ...]  # the values of each of _OTHERS
Value = tuple[str, int, bool]  # value, documents, chosen
Documents = Sequence[tuple[int, tuple[str, ...], int]]  # the number of all but the keywords, the keywords, how many have both


def stored(facets: Mapping[str, Sequence[str]]) -> str:
    """A combination as it is stored: quick to take apart, and the same for the same values."""
    pairs = (f"{name}{_INNER}{_plain(value)}" for name in sorted(facets) for value in sorted(set(facets[name])))
    return _OUTER.join(pairs)


def pairs_of(text: str) -> tuple[str, ...]:
    """The (facet, value) pairs of a stored combination, each still one string."""
    return tuple(map(sys.intern, text.split(_OUTER)))


def pair(one: str) -> tuple[str, str]:
    """Facet and value."""
    name, _, value = one.partition(_INNER)
    return name, value


class Combinations:
    """Combinations met before, by id as text. An id means one combination for ever, so what is remembered is never stale.

    Keywords are held apart: hardly two datasets have the same, while few combinations of everything else occur, over and over.
    """

    def __init__(self) -> None:
        self._met: dict[str, tuple[int, tuple[str, ...]]] = {}  # the number of all but the keywords, and the keywords
        self._alike: dict[Combination, int] = {}  # equal ones have one number: a number is counted faster than what it stands for
        self._numbered: list[Combination] = []
        self._learning = threading.Lock()

    def __len__(self) -> int:
        return len(self._met)

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those not met before."""
        return [one for one in ids if one not in self._met]

    def learn(self, rows: Iterable[Sequence[Any]]) -> None:
        """Remember combinations, given as (id, text)."""
        with self._learning:
            for identifier, text in rows:
                values: dict[str, tuple[str, ...]] = {}
                for name, value in map(pair, pairs_of(text)):
                    values[name] = (*values.get(name, ()), sys.intern(value))
                others = tuple(values.get(name, ()) for name in _OTHERS)
                number = self._alike.setdefault(others, len(self._numbered))
                if number == len(self._numbered):
                    self._numbered.append(others)
                self._met[str(identifier)] = (number, values.get(KEYWORD, ()))

    def of(self, documents: Mapping[str, int]) -> Documents:
        """Documents by what they have. Raises KeyError for a combination that was not met before."""
        met = self._met
        return [(*met[one], many) for one, many in documents.items()]

    def count(self, documents: Documents, names: Iterable[str] = FACETS) -> dict[str, dict[str, int]]:
        """How often each value of these facets occurs."""
        counts: dict[str, dict[str, int]] = {name: {} for name in names}
        if KEYWORD in counts:
            of_facet = counts[KEYWORD]
            for _, keywords, many in documents:
                for value in keywords:
                    of_facet[value] = of_facet.get(value, 0) + many
        wanted = [(i, counts[name]) for i, name in enumerate(_OTHERS) if name in counts]
        if wanted:
            alike: dict[int, int] = {}
            for number, _, many in documents:
                alike[number] = alike.get(number, 0) + many
            for number, many in alike.items():
                others = self._numbered[number]
                for i, of_facet in wanted:
                    for value in others[i]:
                        of_facet[value] = of_facet.get(value, 0) + many
        return counts

    def narrowed(self, documents: Documents, facets: Chosen) -> Documents:
        """Those of the documents that have one of the values of each facet."""
        keywords = facets.get(KEYWORD)
        wanted = [(i, facets[name]) for i, name in enumerate(_OTHERS) if name in facets]
        fits = {
            number
            for number in {one[0] for one in documents}
            if all(not values.isdisjoint(self._numbered[number][i]) for i, values in wanted)
        }
        return [one for one in documents if one[0] in fits and (keywords is None or not keywords.isdisjoint(one[1]))]


def combinations() -> Combinations:
    """What this process remembers. A search keeps to what it was given, so that what has grown too large can be begun anew beside it."""
    global _remembered
    if len(_remembered) > MOST_REMEMBERED:
        _remembered = Combinations()
    return _remembered


_remembered = Combinations()


def chosen(facets: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """The facets that narrow; names that are no facet narrow nothing."""
    return {name: frozenset(map(str, facets[name])) for name in FACETS if facets.get(name)}


def required(facets: Chosen) -> list[Expression]:
    """What a text must carry: one of the values of each facet."""
    return [some([Token(facet_token(name, value)) for value in sorted(values)]) for name, values in facets.items()]


def relaxations(facets: Chosen) -> list[tuple[str, dict[str, frozenset[str]]]]:
    """For each facet that narrows, what is left when it does not."""
    return [(name, {other: values for other, values in facets.items() if other != name}) for name in facets]


def listed(values: Mapping[str, int], picked: frozenset[str]) -> list[Value]:
    """The values of one facet, most documents first; what is picked is there with no documents too."""
    items: Iterable[tuple[str, int]] = values.items()
    if len(values) > MAX_VALUES:
        least = sorted(values.values(), reverse=True)[MAX_VALUES - 1]
        items = [(value, documents) for value, documents in items if documents >= least or value in picked]
    ordered = sorted({**dict.fromkeys(picked, 0), **dict(items)}.items(), key=lambda item: (-item[1], item[0]))
    kept = ordered[:MAX_VALUES] + [item for item in ordered[MAX_VALUES:] if item[0] in picked]
    return [(value, documents, value in picked) for value, documents in kept]


def _plain(value: str) -> str:
    """A value without the signs that stored combinations are taken apart by, or what cannot be stored at all."""
    if value.isascii() and value.isprintable():
        return value
    return value.translate(_SIGNS).encode("utf-8", "replace").decode()


_OUTER, _INNER = "\x1e", "\x1f"
_SIGNS = {0x00: " ", 0x1E: " ", 0x1F: " "}
