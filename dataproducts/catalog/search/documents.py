"""What is indexed: one document per thing that can be found, and the facets it can be narrowed by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dataproducts.catalog.search import analysis

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.int64]]

FACETS = ("kind", "theme", "keyword", "team", "access", "personal_data", "port", "freshness", "quality")

# Among equals the thing itself comes before its parts; kinds not named come between.
_KINDS = {"product": 0, "dataset": 1, "entry": 1, "concept": 2, "team": 2, "theme": 2, "column": 5, "example": 4, "version": 6, "run": 7}
_OTHER_KIND = 3

FACET_SET_BITS = 26  # of a row number; the 13 above are its rank
_OWN_BITS = 24
_LAST_OWN = (1 << _OWN_BITS) - 1


@dataclass(frozen=True)
class Document:
    """One findable thing, as the catalog's store sees it.

    `names`: identities (key, own name, title, BigQuery address, topic name, URIs); any of them typed alone is an exact match (stage 1).
    `title`: titles in all languages. `columns`: names and titles of a dataset's columns. `keywords`: keywords, themes, concepts, people's
    tags. `text`: descriptions, readme, comments, questions and answers. `facets`: values by facet (FACETS). `updated`: aware.
    `standing`: 0..1, quality, freshness and curation, with usage last; it breaks ties. `deprecated`: shown after all others of its stage.
    `card`: JSON returned with each hit.
    """

    id: str
    kind: str
    names: tuple[str, ...] = ()
    title: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    updated: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    standing: float = 0.5
    deprecated: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)


def facet_values(document: Document) -> dict[str, tuple[str, ...]]:
    """The document's facets in a fixed order; its kind is always one. Names that are no facet are left out."""
    given: dict[str, Sequence[str]] = {"kind": (document.kind,), **{k: v for k, v in document.facets.items() if k != "kind"}}
    return {name: tuple(sorted({str(v) for v in given[name]})) for name in FACETS if given.get(name)}


def rank(document: Document) -> int:
    """Position among documents that match equally well: 13 bits, smallest first, the same on every database.

    Deprecated last; the thing before its parts; a title with less beside the match first; then standing.
    """
    length = max((len(analysis.words(title)) for title in document.title[:1]), default=0)
    return (
        int(document.deprecated) << 12
        | _KINDS.get(document.kind, _OTHER_KIND) << 9
        | min(7, {0: 7, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 3}.get(length, 4)) << 6
        | _weakness(document, 63)
    )


def row_number(document: Document, facet_set: int) -> int:
    """What the document is stored under, 63 bits: its rank, so that reading in order is reading the best first; its combination of facet
    values, so that they are counted without a look at the document; and a hash of its id, which keeps the order from depending on the
    order in which documents came. Where another has the number, `next_number`.
    """
    own = int.from_bytes(hashlib.blake2b(document.id.encode("utf-8", "replace"), digest_size=4).digest()) & _LAST_OWN
    return (rank(document) << FACET_SET_BITS | facet_set) << _OWN_BITS | own


def least_number(kind: str) -> int:
    """No document of the kind has a row number below."""
    return _KINDS.get(kind, _OTHER_KIND) << 9 << FACET_SET_BITS << _OWN_BITS


def next_number(number: int) -> int:
    """The next row number of the same rank and facets."""
    return number & ~_LAST_OWN | (number + 1) & _LAST_OWN


def facet_sets(rids: Numbers) -> Numbers:
    """The combinations of facet values in row numbers."""
    return (rids >> _OWN_BITS) & ((1 << FACET_SET_BITS) - 1)


def browse_rank(document: Document) -> int:
    """Position where nothing was asked for: deprecated last, the thing before its parts, best standing first."""
    return int(document.deprecated) << 20 | least_browse_rank(document.kind) | _weakness(document, 65_535)


def least_browse_rank(kind: str) -> int:
    """No document of the kind has less."""
    return _KINDS.get(kind, _OTHER_KIND) << 16


def digest(*parts: object) -> bytes:
    """Sixteen bytes that change when any of the parts does."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _weakness(document: Document, steps: int) -> int:
    standing = document.standing
    return round((1.0 - min(1.0, max(0.0, standing if standing == standing else 0.0))) * steps)
