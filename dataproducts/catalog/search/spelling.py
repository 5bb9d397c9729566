"""Words the catalog does not have, and the nearest ones it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dataproducts.catalog.search import analysis

MAX_CANDIDATES = 4_000
RARE = 3
"""Documents up to which a word may be a misspelled one, where a neighbor is ten times as common."""
_LAST = "\U0010ffff"


def is_doubtful(word: str, documents: int) -> bool:
    """Whether a word that so many documents have may be misspelled."""
    return documents <= RARE and 3 <= len(word) <= 30 and not word.isdigit()


def candidates(word: str, documents: int, prefix: str) -> tuple[str, dict[str, Any]]:
    """A SELECT of word and documents from the part of the vocabulary where the word meant has to be, and its parameters.

    The first letter is taken to be right, lost or swapped with the second: that keeps the part narrow. `documents`: how many have the word
    as it is written; of one that some have, the neighbors that are ten times as common.
    """
    limit = _distance(word)
    starts = sorted({form[0] for form in (word, word[1:], analysis.unfolded(word), *analysis.folds(word)) if form})
    starts += ["å"] if "a" in starts else []
    starts += ["ø"] if "o" in starts else []
    starts = list(dict.fromkeys(starts))[:6]
    condition = " OR ".join(f"(word >= :{prefix}a{i} AND word < :{prefix}b{i})" for i in range(len(starts)))
    values: dict[str, Any] = {}
    for i, one in enumerate(starts):
        values |= {f"{prefix}a{i}": one, f"{prefix}b{i}": one + _LAST}
    bounds = {"shortest": len(word) - limit, "longest": len(word) + limit, "least": max(1, 10 * documents), "most": MAX_CANDIDATES}
    query = (
        f"SELECT word, documents FROM search_word WHERE ({condition}) AND documents >= :{prefix}least "
        f"AND length(word) BETWEEN :{prefix}shortest AND :{prefix}longest ORDER BY word LIMIT :{prefix}most"
    )
    return query, values | {f"{prefix}{name}": value for name, value in bounds.items()}


def nearest(word: str, near: Iterable[str]) -> str | None:
    """Of candidates, each a word and after a space the documents that have it: the one one or two letters away that most documents have."""
    from rapidfuzz.distance import OSA

    limit = _distance(word)
    best: tuple[int, int, int, str] | None = None
    for one in near:
        candidate, documents = one.split(" ")
        if candidate in analysis.STOP_WORDS:  # nobody asks for one, and a query drops it
            continue
        distance = OSA.distance(word, candidate, score_cutoff=limit)
        if 0 < distance <= limit:
            key = (distance, int(candidate[0] != word[0]), -int(documents), candidate)
            if best is None or key < best:
                best = key
    return best[3] if best is not None else None


def _distance(word: str) -> int:
    return 1 if len(word) < 7 else 2
