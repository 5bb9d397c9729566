"""Words the catalog does not have, and the nearest ones it has."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from dataproducts.catalog.search import analysis

MAX_CANDIDATES = 4_000
_RARE = 3  # documents
_LAST = "\U0010ffff"


def corrections(connection: sa.Connection, documents: Mapping[str, int], rare_too: bool = False) -> dict[str, str]:
    """For each word that no document has in any form: the word one or two letters away that most documents have.

    `documents`: how many have each word, as the vocabulary tells. With `rare_too` also for words that hardly any has, where a neighbor is
    ten times as common. The first letter is taken to be right, lost or swapped with the second: that keeps to a narrow part of the
    vocabulary.
    """
    found: dict[str, str] = {}
    for word, count in documents.items():
        if 3 <= len(word) <= 30 and not word.isdigit() and (count == 0 or (rare_too and count <= _RARE)):
            best = _nearest(connection, word, max(1, 10 * count))
            if best is not None:
                found[word] = best
    return found


def _nearest(connection: sa.Connection, word: str, least: int) -> str | None:
    from rapidfuzz.distance import OSA

    limit = 1 if len(word) < 7 else 2
    starts = sorted({form[0] for form in (word, word[1:], analysis.unfolded(word), *analysis.folds(word)) if form})
    starts += ["å"] if "a" in starts else []
    starts += ["ø"] if "o" in starts else []
    starts = list(dict.fromkeys(starts))[:6]
    condition = " OR ".join(f"(word >= :a{i} AND word < :b{i})" for i in range(len(starts)))
    query = sa.text(
        f"SELECT word, documents FROM search_word WHERE ({condition}) AND documents >= :least "
        "AND length(word) BETWEEN :shortest AND :longest ORDER BY word LIMIT :most"
    )
    values = {f"a{i}": one for i, one in enumerate(starts)} | {f"b{i}": one + _LAST for i, one in enumerate(starts)}
    bounds = {"shortest": len(word) - limit, "longest": len(word) + limit, "least": least, "most": MAX_CANDIDATES}
    best: tuple[int, int, int, str] | None = None
    for candidate, documents in connection.execute(query, {**values, **bounds}):
        distance = OSA.distance(word, candidate, score_cutoff=limit)
        if 0 < distance <= limit:
            key = (distance, int(candidate[0] != word[0]), -documents, candidate)
            if best is None or key < best:
                best = key
    return best[3] if best is not None else None
