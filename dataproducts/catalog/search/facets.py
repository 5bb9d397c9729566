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
from dataproducts.catalog.search.matching import Expression, Token, every, facet_token, some

MAX_VALUES = 50  # of a facet, in a page; chosen values are always there

Chosen = Mapping[str, frozenset[str]]
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
    """Combinations met before, by id. An id means one combination for ever, so what is remembered is never stale."""

    def __init__(self, most: int = 65_536) -> None:
        self._held: dict[int, tuple[str, ...]] = {}
        self._most = most

    def missing(self, ids: Iterable[Iterable[int]]) -> list[int]:
        """Those not met before."""
        return list(set().union(*ids).difference(self._held))

    def learn(self, rows: Iterable[Sequence[Any]]) -> None:
        """Remember combinations, given as (id, text)."""
        if len(self._held) > self._most:
            self._held.clear()
        self._held.update((identifier, pairs_of(text)) for identifier, text in rows)

    def count(self, sets: Mapping[int, int]) -> Counter[str]:
        """How often each pair occurs, from how often each id does; an id that is not remembered counts for nothing."""
        held = self._held
        alike: dict[int, list[tuple[str, ...]]] = {}  # those that occur equally often are counted together, which needs no loop here
        for one, times in sets.items():
            if one in held:
                alike.setdefault(times, []).append(held[one])
        total: Counter[str] = Counter()
        for times, combinations in alike.items():
            for pair, documents in Counter(itertools.chain.from_iterable(combinations)).items():
                total[pair] += times * documents
        return total


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


def narrowed(this: Expression, facets: Chosen) -> Expression:
    """An expression with the facets' demands added."""
    return every([this, *required(facets)])


def tally(counted: Mapping[str, Counter[str]], facets: Chosen) -> dict[str, list[Value]]:
    """From counts of pairs to values, most documents first. `counted`: by the facet they are for; "" for all facets that do not narrow."""
    counts: dict[str, dict[str, int]] = {name: {} for name in FACETS}
    for own, pairs in counted.items():
        for one, documents in pairs.items():
            name, value = pair(one)
            if name == own or (not own and name not in facets):
                counts[name][value] = documents
    return {name: listed(values, facets.get(name, frozenset())) for name, values in counts.items() if values or facets.get(name)}


def listed(values: Mapping[str, int], picked: frozenset[str]) -> list[Value]:
    """The values of one facet, most documents first; what is picked is there with no documents too."""
    ordered = sorted({**dict.fromkeys(picked, 0), **values}.items(), key=lambda item: (-item[1], item[0]))
    kept = ordered[:MAX_VALUES] + [item for item in ordered[MAX_VALUES:] if item[0] in picked]
    return [(value, documents, value in picked) for value, documents in kept]


def _plain(value: str) -> str:
    """A value without the signs that stored combinations are taken apart by, or what cannot be stored at all."""
    if value.isascii() and value.isprintable():
        return value
    return value.translate(_SIGNS).encode("utf-8", "replace").decode()


_OUTER, _INNER = "\x1e", "\x1f"
_SIGNS = {0x00: " ", 0x1E: " ", 0x1F: " "}
