"""What the vocabulary says about the words of a query, in one look: how common each is, what it is made of, what begins with it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog.search import analysis, engines, vocabulary
from dataproducts.catalog.search.matching import Token, name_tokens

MOST_BEGINNINGS = 48  # words a beginning stands for: the most common ones
MIN_BEGINNING = 3
RARE = 20  # documents up to which a whole word is also taken for the beginning of others
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class Familiar:
    """What is known of the words of a query. Words not looked up are known to be nothing special."""

    documents: dict[str, int] = field(default_factory=dict)  # at least that many have the word in some form; 0 where none seems to
    halves: dict[str, tuple[str, str]] = field(default_factory=dict)
    beginnings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_name: bool = False

    def parts(self, word: str) -> tuple[str, ...]:
        """The two parts of a compound, or nothing."""
        return self.halves.get(word, ())

    def begun(self, word: str) -> tuple[str, ...]:
        """The words it may be the beginning of."""
        return self.beginnings.get(word, ())


def look_up(connection: sa.Connection, some_words: Iterable[str], begun: Collection[str], name: str | None) -> Familiar:
    """Look up words; `begun` are known to be beginnings. `name`: to know whether any document has it."""
    wanted = list(dict.fromkeys(some_words))
    if not wanted and name is None:
        return Familiar()
    near = {word: (word, *analysis.forms(word)) for word in wanted}
    forms = sorted({form for all_forms in near.values() for form in all_forms})
    cuts = {word: needed for word in wanted if (needed := vocabulary.candidates(word))}
    values: dict[str, Any] = {"forms": forms or [""], "keys": sorted(set(forms).union(*cuts.values())) or [""]}
    query = _VOCABULARY
    if name is not None:
        engine = engines.of(connection)
        query = _with_name(engine.matches.format(q="name"))
        values["name"] = engine.written(Token(name_tokens(name, "")[0]))
    documents: dict[tuple[str, str], int] = {}
    known: dict[str, tuple[str, ...]] = {}
    is_name = False
    for row in connection.execute(query, values):
        if row.is_name:
            is_name = True
        else:
            documents[(row.key, row.word)] = row.documents
            if row.is_key:
                known[row.key] = ()
    by_form: dict[str, dict[str, int]] = {}
    for (key, word), count in documents.items():
        by_form.setdefault(key, {})[word] = count
    totals = {}
    for word, all_forms in near.items():
        met: dict[str, int] = {}
        for form in all_forms:
            met.update(by_form.get(form, {}))
        totals[word] = sum(met.values())
    halves = {word: found[:2] for word in cuts if (found := vocabulary.halves(word, known)) is not None}
    unfinished = [w for w in wanted if w in begun or (totals[w] <= RARE and len(w) >= MIN_BEGINNING and not w.isdigit())]
    return Familiar(totals, halves, beginnings(connection, unfinished) if unfinished else {}, is_name)


def beginnings(connection: sa.Connection, unfinished: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The words of the vocabulary that begin like each, with or without æøå; the most common first."""
    found: dict[str, tuple[str, ...]] = {}
    branches: list[str] = []
    values: dict[str, str] = {}
    wanted = list(dict.fromkeys(unfinished))
    for i, word in enumerate(wanted):
        spellings = list(dict.fromkeys((word, *analysis.folds(word), *respelled(word))))
        condition = " OR ".join(f"(word >= :a{i}_{j} AND word < :b{i}_{j})" for j in range(len(spellings)))
        for j, spelling in enumerate(spellings):
            values |= {f"a{i}_{j}": spelling, f"b{i}_{j}": spelling + _LAST}
        branches.append(
            f"SELECT * FROM (SELECT {i} AS i, word, documents FROM search_word WHERE {condition} "
            f"ORDER BY documents DESC, word LIMIT {MOST_BEGINNINGS}) AS b{i}"
        )
    if branches:
        for row in connection.execute(sa.text(" UNION ALL ".join(branches)), values):
            word = wanted[row.i]
            if row.word != word:
                found[word] = (*found.get(word, ()), row.word)
    return found


def respelled(word: str, most: int = 8) -> list[str]:
    """What an ASCII beginning may stand for: naer -> nær, hoy -> høy, aa -> å, a -> å or æ."""
    if not word.isascii():
        return []
    found = [analysis.unfolded(word)]
    places = [i for i, letter in enumerate(word) if letter in "ao"][:2]
    for letters in itertools.product(*(("a", "å", "æ") if word[i] == "a" else ("o", "ø") for i in places)):
        spelled = list(word)
        for i, letter in zip(places, letters, strict=True):
            spelled[i] = letter
        found.append("".join(spelled))
    return [one for one in dict.fromkeys(found) if one != word][:most]


_ARMS = (
    "SELECT w.word AS key, w.word AS word, w.documents AS documents, 0 AS is_key, 0 AS is_name FROM search_word w WHERE w.word IN :forms "
    "UNION ALL SELECT k.key, k.word, w.documents, 1, 0 FROM search_word_key k JOIN search_word w ON w.word = k.word WHERE k.key IN :keys"
)
_EXPANDED: tuple[Any, ...] = (sa.bindparam("forms", expanding=True), sa.bindparam("keys", expanding=True))
_VOCABULARY = sa.text(_ARMS).bindparams(*_EXPANDED)


@lru_cache
def _with_name(matches: str) -> sa.TextClause:
    return sa.text(f"{_ARMS} UNION ALL SELECT '', '', 0, 0, 1 WHERE EXISTS ({matches})").bindparams(*_EXPANDED)
