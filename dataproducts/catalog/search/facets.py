"""Facet counts: disjunctive, so that a facet's own choice does not empty its other values.

Documents share combinations of facet values; `combinations` counts over them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from dataproducts.catalog.search.documents import FACETS
from dataproducts.catalog.search.matching import Expression, Token, facet_token, some

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
