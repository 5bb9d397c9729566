"""Facet counts: disjunctive, so that a facet's own choice does not empty its other values.

Documents share combinations of facet values; the database counts combinations and the rest is arithmetic over them.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dataproducts.catalog.search.documents import FACETS
from dataproducts.catalog.search.matching import Expression, Token, facet_token, some

MAX_VALUES = 50  # of a facet, in a page; chosen values are always there

Chosen = Mapping[str, frozenset[str]]
KEYWORD = "keyword"
_OTHERS = tuple(name for name in FACETS if name != KEYWORD)
Combination = tuple[tuple[str, ...], ...]  # the values of each of _OTHERS
Value = tuple[str, int, bool]  # value, documents, chosen


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
    """Combinations met before, by id. An id means one combination for ever, so what is remembered is never stale.

    Keywords are held apart: hardly two datasets have the same, while few combinations of everything else occur, over and over.
    """

    def __init__(self, most: int = 32_768) -> None:
        self._keywords: dict[int, tuple[str, ...]] = {}
        self._others: dict[int, int] = {}
        self._alike: dict[Combination, int] = {}  # equal ones have one number: a number is counted faster than what it stands for
        self._numbered: list[Combination] = []
        self._having: dict[tuple[str, str], set[int]] = {}
        self._most = most

    def missing(self, ids: Iterable[int]) -> list[int]:
        """Those not met before."""
        return list(set(ids).difference(self._others))

    def learn(self, rows: Iterable[Sequence[Any]]) -> None:
        """Remember combinations, given as (id, text)."""
        if len(self._others) > self._most:
            self.__init__(self._most)  # type: ignore[misc]
        for identifier, text in rows:
            values: dict[str, tuple[str, ...]] = {}
            for name, value in map(pair, pairs_of(text)):
                values[name] = (*values.get(name, ()), sys.intern(value))
                self._having.setdefault((name, sys.intern(value)), set()).add(identifier)
            self._keywords[identifier] = values.get(KEYWORD, ())
            others = tuple(values.get(name, ()) for name in _OTHERS)
            number = self._alike.setdefault(others, len(self._numbered))
            if number == len(self._numbered):
                self._numbered.append(others)
            self._others[identifier] = number

    def count(self, ids: Iterable[int], names: Iterable[str] = FACETS) -> dict[str, dict[str, int]]:
        """How often each value of these facets occurs, given the id of each document; all of them have to be remembered."""
        ids = list(ids)
        counts: dict[str, dict[str, int]] = {name: {} for name in names}
        if KEYWORD in counts:
            counts[KEYWORD] = Counter(itertools.chain.from_iterable(map(self._keywords.__getitem__, ids)))
        wanted = [(i, counts[name]) for i, name in enumerate(_OTHERS) if name in counts]
        if wanted:
            for number, documents in Counter(map(self._others.__getitem__, ids)).items():
                others = self._numbered[number]
                for i, of_facet in wanted:
                    for value in others[i]:
                        of_facet[value] = of_facet.get(value, 0) + documents
        return counts

    def meeting(self, ids: Iterable[int], facets: Chosen) -> set[int]:
        """Those of the ids whose combination has one of the values of each facet."""
        found = set(ids)
        for name, wanted in facets.items():
            found &= set().union(*(self._having.get((name, value), set()) for value in wanted))
        return found


COMBINATIONS = Combinations()


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
