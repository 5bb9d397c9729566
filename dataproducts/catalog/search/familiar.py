"""What the vocabulary says about the words of a query, in one look: how common each is, what it is made of, what begins with it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
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
    unfinished = [word for word in wanted if word in begun or (len(word) >= MIN_BEGINNING and not word.isdigit())]
    engine = engines.of(connection)
    values: dict[str, Any] = {"forms": engine.texts(forms), "keys": engine.texts(sorted(set(forms).union(*cuts.values())))}
    arms, ranges = _beginnings(unfinished)
    values |= ranges
    if name is not None:
        arms.append(f"SELECT {_NAME}, '', '', 0 WHERE EXISTS ({engine.matches.format(q='name')})")
        values["name"] = engine.written(Token(name_tokens(name, "")[0]))
    by_form: dict[str, dict[str, int]] = {}
    known: dict[str, tuple[str, ...]] = {}
    begins: dict[str, list[str]] = {}
    is_name = False
    first = (_WORDS + engine.one_of.format("w.word", texts="forms"), _KEYS + engine.one_of.format("k.key", texts="keys"))
    query = engine.driven(" UNION ALL ".join((*first, *arms)))
    for what, key, word, documents in connection.exec_driver_sql(query, values):
        if what == _NAME:
            is_name = True
        elif what >= 0:
            if word != unfinished[what]:
                begins.setdefault(unfinished[what], []).append(word)
        else:
            by_form.setdefault(key, {})[word] = documents
            if what == _KEY:
                known[key] = ()
    totals = {
        word: sum({w: n for form in all_forms for w, n in by_form.get(form, {}).items()}.values()) for word, all_forms in near.items()
    }
    return Familiar(
        totals,
        {word: found[:2] for word in cuts if (found := vocabulary.halves(word, known)) is not None},
        {word: tuple(found) for word, found in begins.items() if word in begun or totals[word] <= RARE},
        is_name,
    )


def beginnings(connection: sa.Connection, word: str) -> dict[str, int]:
    """The words of the vocabulary that begin like this, with or without æøå, and the documents that have them; the most common first."""
    arms, values = _beginnings([word])
    return {row[2]: row[3] for row in connection.execute(sa.text(arms[0]), values)}


def _beginnings(unfinished: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    arms: list[str] = []
    values: dict[str, Any] = {}
    for i, word in enumerate(unfinished):
        spellings = list(dict.fromkeys((word, *analysis.folds(word), *respelled(word))))
        for j, spelling in enumerate(spellings):
            values |= {f"a{i}_{j}": spelling, f"b{i}_{j}": spelling + _LAST}
        condition = " OR ".join(f"(word >= :a{i}_{j} AND word < :b{i}_{j})" for j in range(len(spellings)))
        arms.append(
            f"SELECT * FROM (SELECT {i} AS what, '' AS key, word, documents FROM search_word WHERE {condition} "
            f"ORDER BY documents DESC, word LIMIT {MOST_BEGINNINGS}) AS b{i}"
        )
    return arms, values


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


_NAME, _KEY, _FORM = -1, -2, -3  # what a row is; from 0 on, the beginning it is for
_WORDS = f"SELECT {_FORM} AS what, w.word AS key, w.word AS word, w.documents AS documents FROM search_word w WHERE "
_KEYS = f"SELECT {_KEY}, k.key, k.word, w.documents FROM search_word_key k JOIN search_word w ON w.word = k.word WHERE "
