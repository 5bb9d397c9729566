"""The words of the catalog, and what compounds among them are made of.

The lexicon that compounds are split by is the vocabulary itself: `arbeidsgiveravgift` is split because other documents say
`arbeidsgiver` and `avgift`. It is a function of the documents held, not of the order they came in: a word that is new (or gone) makes the
compounds it begins or ends be split anew, and the words that changed are told to the caller, all in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog.search import analysis

LONGEST = 40  # letters; longer runs are no words
_COMPOUND, _TAIL = 7, 4  # least letters of a compound, and of its last part
_ALONE, _FRONT_ALONE = 6, 4  # least letters of a last part beside an unknown first, and of that first
_LAST = "\U0010ffff"

# Short parts the vocabulary is not trusted with, and frequent ones that a small catalog may lack.
_SHORT = frozenset("by bok dag tid sak fag lån bil båt hus vei veg tog mål år uke øre rad kjøp salg jord skog lov vann brann".split())  # noqa: SIM905
_FREQUENT = frozenset(
    """
    adresse alder antall arbeid arbeidsgiver arbeidstaker avgift barn behandling betaling bidrag bolig bruker dato eiendom enhet
    fylke gruppe hage helse hjelp informasjon inntekt institusjon kategori kode kommune kostnad land liste lønn løsning melding
    måned navn nummer næring område omsorg opplysning penger pensjon periode person plan plass prosent register regnskap resultat
    saksbehandler sats selskap skatt skole statistikk status stilling stønad støtte syk sykdom søker søknad tabell tiltak tjeneste
    trygd type utbetaling utdanning varsel vedtak verdi virksomhet ytelse
    """.split()  # noqa: SIM905
)
# Endings and prefixes that are not parts, however often they stand as words.
_NO_TAIL = frozenset(
    """
    able ande aner ansk asjon ater andre bare dels ding else ende ering eres erte ette etter gang heten inge inger ings iner isme king lagt
    lige ling ment ness ning ping ring satt sing sjon skap sten stene ster ting tion
    """.split()  # noqa: SIM905
)
_NO_FRONT = frozenset(
    """
    anti auto etter foran fore fram frem gjen hyper ikke inn innen inter mellom ned opp over sammen selv super tilbake under uten videre
    """.split()  # noqa: SIM905
)
_INFLECTED: dict[str, list[str]] = {}
for _inflected, _base in analysis.BASE_FORM.items():
    _INFLECTED.setdefault(_base, []).append(_inflected)
_VOWELS = frozenset("aeiouyæøåéöäü")

Known = Mapping[str, tuple[str, ...]]  # key of a word -> the parts of that word


def is_word(word: str) -> bool:
    """Whether it goes into the vocabulary: it has a letter and a sensible length."""
    return 2 <= len(word) <= LONGEST and not word.isnumeric()


def keys(word: str) -> tuple[str, ...]:
    """What the word is recognized by inside a compound: itself and its stem or base form; none for what is no part."""
    if not _TAIL <= len(word) <= LONGEST or not word.isalpha() or word in analysis.STOP_WORDS:
        return ()
    near = analysis.stems(word)[:1]
    return (word, *(stem for stem in near if len(stem) >= 3))


def candidates(word: str) -> set[str]:
    """The keys that have to be known to split the word."""
    wanted: set[str] = set()
    for fronts, tails in _cuts(word):
        wanted.update(fronts)
        wanted.update(tails)
    return wanted


def halves(word: str, known: Known) -> tuple[str, str, str] | None:
    """First part, last part, and what the last part is known as, where both are known; the longest last part wins.

    The first may carry a binding -s- or -e-.
    """
    for fronts, tails in _cuts(word):
        tail = _known_as(tails, known) if tails[0] not in _NO_TAIL else None
        front = next((f for f in fronts if f not in _NO_FRONT and _is_part(f, known)), None) if tail else None
        if tail and front:
            return front, tails[0], tail
    return None


def split(word: str, known: Known) -> tuple[str, ...]:
    """The parts of a compound and their parts; empty where it is none. A long known last part beside an unknown first one is enough."""
    found = halves(word, known)
    if found is not None:
        front, last, tail = found
        return tuple(dict.fromkeys((front, last, tail, *known.get(front, ()), *known.get(tail, ()))))
    for fronts, tails in _cuts(word):
        first, last_known = fronts[0], _known_as(tails, known)
        is_long = len(tails[0]) >= _ALONE and len(first) >= _FRONT_ALONE
        if last_known and is_long and first not in _NO_FRONT and not _VOWELS.isdisjoint(first):
            return tuple(dict.fromkeys((tails[0], last_known, *known.get(last_known, ()))))
    return ()


def parts_of(connection: sa.Connection, some_words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The parts of words by the vocabulary as it is; words that are no compounds are left out."""
    wanted = {word: candidates(word) for word in some_words}
    known = _known(connection, set().union(*wanted.values())) if any(wanted.values()) else {}
    found = {word: split(word, known) for word, needed in wanted.items() if needed}
    return {word: parts for word, parts in found.items() if parts}


def stored_parts(connection: sa.Connection, some_words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The parts of words of the vocabulary as they were last found."""
    return {row[0]: tuple(row[2].split()) for row in _look(connection, _WORDS, sorted(some_words)) if row[2]}


def count(connection: sa.Connection, changes: Mapping[str, int]) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Add to and take from the number of documents each word is in.

    Returns the parts of the words named (those that have any), and the words named or not whose parts have changed by it.
    """
    held = {row[0]: (row[1], row[2]) for row in _look(connection, _WORDS, sorted(changes))}
    new, more, gone = [], [], []
    for word, change in sorted(changes.items()):
        if word not in held:
            if change > 0:
                new.append({"word": word, "documents": change, "parts": ""})
        elif held[word][0] + change <= 0:
            gone.append(word)
        elif change:
            more.append({"word": word, "change": change})
    if more:
        connection.execute(sa.text("UPDATE search_word SET documents = documents + :change WHERE word = :word"), more)
    if gone:
        connection.execute(sa.text("DELETE FROM search_word WHERE word = :word"), [{"word": word} for word in gone])
        connection.execute(sa.text("DELETE FROM search_word_key WHERE word = :word"), [{"word": word} for word in gone])
    if new:
        connection.execute(sa.text("INSERT INTO search_word (word, documents, parts) VALUES (:word, :documents, :parts)"), new)
        rows = [{"key": key, "word": row["word"], "backwards": key[::-1]} for row in new for key in keys(str(row["word"]))]
        if rows:
            connection.execute(sa.text("INSERT INTO search_word_key (key, word, backwards) VALUES (:key, :word, :backwards)"), rows)
    names = [str(row["word"]) for row in new]
    parts = {word: tuple(text.split()) for word, (_, text) in held.items() if text}
    if not names and not gone:
        return parts, set()
    changed = _resplit(connection, names, [*names, *gone])
    parts.update({word: found for word, found in changed.items() if word in changes})
    return {word: found for word, found in parts.items() if found}, set(changed) - set(names)


def _resplit(connection: sa.Connection, new: Sequence[str], moved: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Split the new words and all that the moved words begin or end, until nothing changes any more."""
    changed: dict[str, tuple[str, ...]] = {}
    moved_now: set[str] = set(moved)
    pending: set[str] = set(new)
    for _ in range(6):  # a compound of compounds of compounds; deeper ones keep what they have
        pending |= _made_of(connection, moved_now)
        if not pending:
            break
        now = {row[0]: tuple(row[2].split()) for row in _look(connection, _WORDS, sorted(pending))}
        found = parts_of(connection, now)
        moved_now = {word for word in now if found.get(word, ()) != now[word]}
        if moved_now:
            rows = [{"word": word, "parts": " ".join(found.get(word, ()))} for word in sorted(moved_now)]
            connection.execute(sa.text("UPDATE search_word SET parts = :parts WHERE word = :word"), rows)
        changed.update({word: found.get(word, ()) for word in moved_now})
        pending = set()
        if not moved_now:
            break
    return changed


def _made_of(connection: sa.Connection, some_words: Iterable[str]) -> set[str]:
    """The words of the vocabulary that begin or end with one of these (as it is, as a stem, and begin: as written without æøå)."""
    begins: set[str] = set()
    ends: set[str] = set()
    for word in some_words:
        for key in keys(word):
            begins.add(key)
            begins.update(analysis.folds(key)[:1])
            ends.add(key[::-1])
            ends.update(inflected[::-1] for inflected in _INFLECTED.get(key, ()))
    found = _ranges(connection, "SELECT word FROM search_word WHERE ({})", "word", begins)
    found |= _ranges(connection, "SELECT word FROM search_word_key WHERE ({})", "backwards", ends)
    return {word for word in found if len(word) >= _COMPOUND}


def _ranges(connection: sa.Connection, query: str, column: str, beginnings: Iterable[str], size: int = 40) -> set[str]:
    held = sorted(beginnings)
    found: set[str] = set()
    for some in (held[i : i + size] for i in range(0, len(held), size)):
        # padded to one of a few lengths, so that the statements stay few and cached
        some += [some[-1]] * ((4 if len(some) <= 4 else size) - len(some))
        condition = " OR ".join(f"({column} > :a{i} AND {column} < :b{i})" for i in range(len(some)))
        values = {f"a{i}": one for i, one in enumerate(some)} | {f"b{i}": one + _LAST for i, one in enumerate(some)}
        found.update(connection.execute(sa.text(query.format(condition)), values).scalars())
    return found


def _splittable(word: str) -> bool:
    return _COMPOUND <= len(word) <= LONGEST and word.isalpha() and word not in analysis.BASE_FORM


@lru_cache(maxsize=1_024)
def _cuts(word: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Each way to cut, longest last part first: the spellings the first part may be known by, and those of the last."""
    if not _splittable(word):
        return ()
    found = []
    stem = next(iter(analysis.stems(word)), word)
    for i in range(2, len(word) - 2):
        front, tail, tail_stem = word[:i], word[i:], stem[i:]
        tails = [tail] if len(tail) >= _TAIL or tail in _SHORT else []
        if tail in analysis.BASE_FORM:
            tails.append(analysis.BASE_FORM[tail])
        elif len(tail_stem) >= 3 and tails and word.startswith(stem):
            tails.append(tail_stem)
        fronts = [front]
        if front[-1] in "se":
            fronts.append(front[:-1])
        if "a" in front or "o" in front:
            fronts += [analysis.unfolded(one) for one in fronts]
        usable = [one for one in dict.fromkeys(fronts) if len(one) >= _FRONT_ALONE or one in _SHORT]
        if tails and usable:
            found.append((tuple(usable), tuple(dict.fromkeys(tails))))
    return tuple(found)


def _is_part(key: str, known: Known) -> bool:
    return key in known or key in _SHORT or key in _FREQUENT


def _known_as(tails: Sequence[str], known: Known) -> str | None:
    return next((tail for tail in tails if _is_part(tail, known)), None)


def _known(connection: sa.Connection, wanted: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, str]] = {}
    for key, word, parts in _look(connection, _KEYS, sorted(wanted)):
        if key not in found or word == key or (found[key][0] != key and word < found[key][0]):
            found[key] = (word, parts)
    return {key: tuple(parts.split()) for key, (_, parts) in found.items()}


_WORDS = sa.text("SELECT word, documents, parts FROM search_word WHERE word IN :some").bindparams(sa.bindparam("some", expanding=True))
_KEYS = sa.text(
    "SELECT k.key, k.word, w.parts FROM search_word_key k JOIN search_word w ON w.word = k.word WHERE k.key IN :some"
).bindparams(sa.bindparam("some", expanding=True))


def _look(connection: sa.Connection, query: Any, some: Sequence[str], size: int = 500) -> Iterator[Any]:
    for i in range(0, len(some), size):
        yield from connection.execute(query, {"some": some[i : i + size]})
