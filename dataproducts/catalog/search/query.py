"""What a person typed, understood: words that all must be there, "phrases", -exclusions, OR and beginnings*. Nothing typed is an error.

lønn måned            both words, in any field
"fra dato"            next to each other
-kommune  -"per uke"  not these
bil OR båt            either (ELLER and | are the same)
regist*               words that begin so
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataproducts.catalog.search import analysis
from dataproducts.catalog.search.familiar import Familiar
from dataproducts.catalog.search.matching import FORM, PART, Every, Expression, Phrase, Token, every, some

MAX_TEXT = 500
MAX_WORDS = 24
_PIECE = re.compile(r'(?P<sign>[-−–]?)(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))')
_QUOTES = str.maketrans(dict.fromkeys("“”„«»‟", '"'))


@dataclass(frozen=True)
class Term:
    """One thing asked for: the words of a run (`dato_fra`) or a phrase, and the run written as one."""

    words: tuple[str, ...]
    whole: str | None = None
    is_phrase: bool = False
    is_prefix: bool = False
    run: str = field(default="", compare=False)  # as it was typed

    def __str__(self) -> str:
        if self.is_phrase:
            return f'"{" ".join(self.words)}"'
        return (self.run or "_".join(self.words)) + ("*" if self.is_prefix else "")


@dataclass(frozen=True)
class Query:
    """All of the clauses, each by one of its terms, and none of the excluded."""

    clauses: tuple[tuple[Term, ...], ...] = ()
    excluded: tuple[Term, ...] = ()

    def __str__(self) -> str:
        """The query as it was understood, in its own syntax."""
        return " ".join([" OR ".join(map(str, clause)) for clause in self.clauses] + [f"-{term}" for term in self.excluded])

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for, only excluded if anything."""
        return not self.clauses

    @property
    def name(self) -> str:
        """All that is asked for as one name; empty where there are alternatives."""
        if any(len(clause) > 1 for clause in self.clauses):
            return ""
        return " ".join(word for clause in self.clauses for word in clause[0].words)

    @property
    def words(self) -> tuple[str, ...]:
        """The words asked for outside phrases, each once."""
        found = [word for clause in self.clauses for term in clause if not term.is_phrase for word in term.words]
        return tuple(dict.fromkeys(found))

    @property
    def begun(self) -> frozenset[str]:
        """The words that were marked as beginnings."""
        return frozenset(term.words[-1] for clause in self.clauses for term in clause if term.is_prefix)

    def corrected(self, corrections: dict[str, str]) -> Query:
        """The same with words exchanged."""

        def exchange(term: Term) -> Term:
            if term.is_phrase or corrections.keys().isdisjoint(term.words):
                return term
            return replace(term, words=tuple(corrections.get(word, word) for word in term.words), whole=None, is_prefix=False, run="")

        return replace(self, clauses=tuple(tuple(exchange(term) for term in clause) for clause in self.clauses))


def parse(text: str) -> Query:
    """Understand a query; of any text there is an understanding, if only the empty one."""
    text = analysis.normalized(text[:MAX_TEXT].translate(_QUOTES))
    clauses: list[list[Term]] = []
    excluded: list[Term] = []
    left, joins = MAX_WORDS, False
    for match in _PIECE.finditer(text.replace("|", " | ")):
        word = match["word"]
        if word in ("OR", "ELLER", "|") and not match["sign"]:
            joins = bool(clauses)
            continue
        terms = _phrase(match["phrase"]) if word is None else _terms(word)
        if match["sign"]:
            terms = [replace(term, is_phrase=len(term.words) > 1, is_prefix=False) for term in terms]
        for term in terms:
            if len(term.words) > left:
                break
            left -= len(term.words)
            if match["sign"]:
                excluded.append(term)
            elif joins:
                clauses[-1].append(term)
            else:
                clauses.append([term])
            joins = False
    return Query(_without_stop_words(clauses), tuple(dict.fromkeys(excluded)))


def literal(text: str) -> Query:
    """The words of a text, with no signs read into it."""
    terms = [Term(chunk.words, chunk.whole, run=chunk.run) for chunk in analysis.chunks(text[:MAX_TEXT])]
    words = 0
    kept = [term for term in terms if (words := words + len(term.words)) <= MAX_WORDS]
    return Query(_without_stop_words([[term] for term in kept]))


def _phrase(text: str) -> list[Term]:
    words = tuple(analysis.words(text))[:MAX_WORDS]
    return [Term(words, is_phrase=True)] if words else []


def _terms(text: str) -> list[Term]:
    found = [Term(chunk.words, chunk.whole, run=chunk.run) for chunk in analysis.chunks(text)]
    if found and text.endswith("*") and len(found[-1].words[-1]) >= 2:
        found[-1] = replace(found[-1], is_prefix=True)
    return found


def _without_stop_words(clauses: Sequence[Sequence[Term]]) -> tuple[tuple[Term, ...], ...]:
    distinct = tuple(dict.fromkeys(tuple(dict.fromkeys(clause)) for clause in clauses))
    kept = tuple(c for c in distinct if len(c) > 1 or c[0].is_phrase or c[0].is_prefix or not analysis.STOP_WORDS.issuperset(c[0].words))
    return kept or distinct


# What a query demands of a text


def asked(query: Query, fields: int, familiar: Familiar | None) -> Expression:
    """The clauses in some of the fields: the very words where `familiar` is None, else also stems, folds, beginnings and compounds."""
    return every([some([_term(term, fields, familiar) for term in clause]) for clause in query.clauses])


def refused(query: Query) -> Expression | None:
    """What no hit may contain, in any field: the words and their inflections, not compounds of them."""
    found: list[Expression] = []
    for term in query.excluded:
        if term.is_phrase:
            found.append(Phrase(term.words))
        else:
            found += [Token(token) for token in _met_as(term.words[0])]
    return some(found) if found else None


def _term(term: Term, fields: int, familiar: Familiar | None) -> Expression:
    if term.is_phrase:
        return Phrase(term.words, fields) if len(term.words) > 1 else Token(term.words[0], fields)
    if familiar is None:
        return every([Token(word, fields) for word in term.words])
    words = [_near(word, fields, familiar) for word in term.words]
    ways: list[Expression] = [every(words)]
    if term.whole:
        ways += [Token(token, fields) for token in _met_as(term.whole)]
    return some(ways)


def _near(word: str, fields: int, familiar: Familiar) -> Expression:
    ways: list[Expression] = [Token(token, fields) for token in _met_as(word)]
    ways += [Token(PART + form, fields) for form in (word, *analysis.forms(word))]
    ways += [Token(whole, fields) for whole in familiar.begun(word)]
    if parts := familiar.parts(word):
        ways.append(Every(tuple(some([Token(t, fields) for t in (*_met_as(p), PART + p)]) for p in parts)))
    return some(ways)


def _met_as(word: str) -> list[str]:
    """The tokens of texts that hold the word or another inflection or spelling of it."""
    forms = analysis.forms(word)
    # a text with the word is marked with the forms of it as well, and is not looked for twice
    return [*(forms or (word,)), *(FORM + form for form in (word, *forms))]
