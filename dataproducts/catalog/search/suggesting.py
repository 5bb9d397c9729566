"""What a person is about to type: titles that hold the words typed so far, the last of them unfinished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog.search import analysis, engines, familiar
from dataproducts.catalog.search.matching import FORM, Expression, Token, every, some

_LOOKED_AT = 10  # titles read for each suggestion wanted: many columns share one


@dataclass(frozen=True)
class Suggestion:
    """One title, the best document that has it, and that document's card."""

    text: str
    id: str
    kind: str
    card: Mapping[str, Any]


def suggest(connection: sa.Connection, prefix: str, limit: int = 8, budget_seconds: float = 0.05) -> list[Suggestion]:
    """Titles and names for what is typed so far, best first and each once; none for nothing typed. Never raises for what is typed."""
    typed = analysis.words(prefix[:200])[:8]
    if not typed or limit < 1:
        return []
    engine = engines.of(connection)
    found: dict[str, Suggestion] = {}
    last = typed[-1]
    begun = familiar.beginnings(connection, last) if not prefix[-1:].isspace() else {}
    is_plenty = len(typed) == 1 and sum(begun.values()) >= engines.PLENTY
    demands = [_word(word, engine.title_fields) for word in typed[:-1]]
    demands.append(some([_word(last, engine.title_fields), *(Token(word, engine.title_fields) for word in begun)]))
    order = engine.rid if is_plenty else engine.sparse
    query = sa.text(
        f"SELECT d.id, c.kind, c.card, c.titles FROM ({engine.titles.format(q='q')} ORDER BY {order} LIMIT :most) AS m "
        "CROSS JOIN search_document d CROSS JOIN search_card c WHERE d.rid = m.rid AND c.rid = m.rid ORDER BY d.rid"
    )
    values = {"q": engine.written(every(demands)), "most": min(limit, 20) * _LOOKED_AT}
    try:
        with engine.within(connection, budget_seconds):
            for row in connection.execute(query, values).mappings():
                text = _closest(json.loads(row["titles"]), typed) or row["id"]
                found.setdefault(text.casefold(), Suggestion(text, row["id"], row["kind"], json.loads(row["card"])))
                if len(found) >= min(limit, 20):
                    break
    except engines.OverBudget:
        pass
    return list(found.values())


def _word(word: str, fields: int) -> Expression:
    return some([Token(token, fields) for form in (word, *analysis.forms(word)) for token in (form, FORM + form)])


def _closest(titles: list[str], typed: list[str]) -> str | None:
    """Of the titles in all languages, the one with most of what was typed."""

    def met(title: str) -> int:
        words = analysis.words(title)
        near = [*words, *(form for word in words for form in analysis.folds(word))]
        return sum(any(word.startswith(one) for word in near) for one in typed)

    return max(titles, key=met, default=None)
