"""From text to words and the forms of a word: one analyser for both databases, for documents and for queries.

A word is what stood in the text, in lower case. Its forms are what else it may be met as: stem (Norwegian and English, since the
language of a query is not known), base form of irregular words, and æøå written without the letters. Words and forms are kept apart all
the way, so that what was typed always ranks before what resembles it.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

VERSION = "3"  # part of every document's digest: a change in analysis makes the next put write the document anew

MAX_WORD = 64  # letters; the rest of a longer word is not compared
MAX_JOINED = 3  # words; a longer run is an address, which nobody writes as one word
_CHUNK = re.compile(r"[^\W_]+(?:[-_.'’][^\W_]+|_+[^\W_]+)*")
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-zæøåéü0-9])(?=[A-ZÆØÅÉÜ])|(?<=[A-ZÆØÅ])(?=[A-ZÆØÅ][a-zæøå])")

# Words whose inflection no rule of endings finds, or which the stemmer tears apart or merges (enhet/enheter, ledig/leder); base form first.
_IRREGULAR = """
barn barnet barna barnas barns; bok boka boken bøker bøkene; bonde bonden bønder bøndene; bror broren brødre brødrene; by byen
byer byene; bruker brukeren brukere brukerne; bygg bygget byggene; bygning bygningen bygninger bygningene; data dataene datas;
datter datteren døtre døtrene; dato datoen datoer datoene; datasett datasettet datasettene; eksempel eksempelet eksemplet
eksempler eksemplene; enhet enheten enheter enhetene enhetens enheters; far faren fedre fedrene; fødsel fødselen fødsler fødslene;
forelder forelderen foreldre foreldrene; fot foten føtter føttene; fylke fylket fylker fylkene; gås gåsa gåsen gjess gjessene;
hånd hånda hånden hender hendene; kapittel kapittelet kapitlet kapitler kapitlene; ku kua kuen kyr kyrne kuer; kontonummer
kontonummeret kontonumre; kraft kraften krefter kreftene; ledig ledige ledighet ledigheten; leder lederen ledere lederne; mann
mannen menn mennene manns menns; middel middelet midler midlene; mor moren mødre mødrene; mål målet målene måla; natt natta natten
netter nettene; nummer nummeret numre numrene nummere nr; nøkkel nøkkelen nøkler nøklene; artikkel artikkelen artikler artiklene;
regel regelen regler reglene; register registeret registret registre registrene registere registerene; rot rota roten røtter
røttene; semester semesteret semestre semestrene; senter senteret senteren sentre sentrene sentra; seddel seddelen sedler sedlene;
sted stedet steder stedene; søster søsteren søstre søstrene; tang tanga tenger; tann tanna tannen tenner tennene; tittel tittelen
titler titlene; tre treet trær trærne; vare varen varer varene; verk verket verkene; vindu vinduet vinduer vinduene; virksomhet
virksomheten virksomheter virksomhetene; år året årene årets års; øre øret ører ørene; lærer læreren lærere lærerne; måned måneden
måneder månedene; medlem medlemmet medlemmer medlemmene; skjema skjemaet skjemaer skjemaene; sykdom sykdommen sykdommer
sykdommene; område området områder områdene; tiltak tiltaket tiltakene tiltaka; teller telleren tellere; ytelse ytelsen ytelser
ytelsene; nav navs; child children; index indexes indices; man men; person persons people personer personen personene; woman
women; analysis analyses; datum; foot feet; tooth teeth; matrix matrices; vertex vertices; criterion criteria; axis axes; half
halves; life lives; leaf leaves; status statusen statuser statuses; address addresses; business businesses; process processes;
series; news
"""
BASE_FORM: dict[str, str] = {w: group.split()[0] for group in _IRREGULAR.split(";") if group.split() for w in group.split()}

# What registers abbreviate; other words that end in -nr are the same with -nummer.
_ABBREVIATED = {"orgnr": "organisasjonsnummer", "orgnummer": "organisasjonsnummer", "fnr": "fødselsnummer"}

# Too common to require: dropped from a query that has other words.
STOP_WORDS = frozenset(
    """
    alle at av både ble bli blir da de den denne der det dette din disse du eller en er et etter fra for ha han har hos hun hva
    hvem hver hvilke hvilken hvis hvor hvordan hvorfor i ikke inn jeg kan kun man mange med meg men mot må når nå og også om opp
    oss over på samt seg sin sitt skal slik som så til under ut var ved vi vil være vår a about all am an and any are as at be
    been but by can did do does for from had has have how i in into is it its many me my no not of on or our she so that the their
    them there these they this those to up was we were what when where which who why will with would you your
    """.split()  # noqa: SIM905 - a list of words reads as words
)

_SCHEMES: tuple[dict[int, str], ...] = tuple(
    str.maketrans(letters)
    for letters in (
        {"å": "aa", "ø": "oe", "æ": "ae", "ö": "oe", "ä": "ae"},
        {"å": "a", "ø": "o", "æ": "ae", "ö": "o", "ä": "ae"},
        {"å": "a", "ø": "o", "æ": "a", "ö": "o", "ä": "a"},
    )
)
_SPECIAL = frozenset("åøæöä")
_ALPHABET = str.maketrans({"æ": "{", "ä": "{", "ø": "|", "ö": "|", "å": "}"})  # the three characters after z, in the order of the alphabet


class Chunk(NamedTuple):
    """One unbroken run of text: its words, these as one word where there are several (`dato_fra`: dato, fra; datofra), and itself."""

    words: tuple[str, ...]
    whole: str | None
    run: str


_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))


def normalized(text: str) -> str:
    """NFKC; soft hyphens and joiners are gone, and what else a person cannot see is a space."""
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text.translate(_UNSEEN))


def chunks(text: str) -> list[Chunk]:
    """The runs of a text in order. `_ - .` and humps are split before lower-casing."""
    found = []
    for match in _CHUNK.finditer(normalized(text)):
        run = match.group()
        if run[1:].islower() and run.isalnum():  # most of all text: neither signs nor humps
            found.append(Chunk((run.lower()[:MAX_WORD],), None, run))
            continue
        pieces = [piece for word in _WORD.findall(run) for piece in (_HUMP.split(word) if not word.islower() else (word,))]
        words = tuple(piece.lower()[:MAX_WORD] for piece in pieces if piece)
        whole = "".join(words) if 1 < len(words) <= MAX_JOINED else None
        found.append(Chunk(words, whole if whole and len(whole) <= MAX_WORD else None, run))
    return found


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case."""
    return [word for chunk in chunks(text) for word in chunk.words]


def folds(word: str) -> tuple[str, ...]:
    """How a word is written without æøå and accents: å as aa or a, ø as oe or o, æ as ae or a; empty where it has none."""
    if word.isascii():
        return ()
    if _SPECIAL.isdisjoint(word):
        plain = _plain(word)
        return (plain,) if plain and plain != word else ()
    written = dict.fromkeys(_plain(word.translate(scheme)) for scheme in _SCHEMES)
    written.pop(word, None)
    return tuple(written)


def unfolded(word: str) -> str:
    """A guess at the word behind an ASCII spelling: naering -> næring."""
    return word.replace("ae", "æ").replace("oe", "ø").replace("aa", "å")


@lru_cache(maxsize=16_384)
def stems(word: str) -> tuple[str, ...]:
    """Base form, or the Norwegian and the English stem; without the word itself. Numbers and words of less than three letters have none."""
    base = BASE_FORM.get(word)
    if base is not None:
        return (base,) if base != word else ()
    if word in _ABBREVIATED:
        return (_ABBREVIATED[word],)
    if word.endswith("nr") and len(word) > 4 and word.isalpha():
        return (f"{word[:-2]}nummer",)
    if len(word) < 3 or not word.isalpha():
        return ()
    norwegian, english = _stemmers()
    found = dict.fromkeys(s for s in (norwegian.stemWord(word), english.stemWord(word)) if len(s) >= 3)
    found.pop(word, None)
    return tuple(found)


@lru_cache(maxsize=16_384)
def forms(word: str) -> tuple[str, ...]:
    """All a word may be met as except the word itself: stems, and both written without æøå."""
    near = stems(word)
    found = dict.fromkeys(near)
    for form in (word, *near):
        found.update(dict.fromkeys(folds(form)))
    found.pop(word, None)
    return tuple(found)


def identity(name: str) -> str:
    """A name as it is compared: case and surrounding space do not matter."""
    return " ".join(normalized(name).lower().split())[:500]


def loose_identity(name: str) -> str:
    """A name with nothing but letters and digits: `Dato fra`, `dato_fra` and `datoFra` are one."""
    return "".join(_WORD.findall(normalized(name).lower()))[:500]


def alphabetical(title: str) -> str:
    """A key that sorts bytewise as the Norwegian alphabet does: æ, ø, å last, accents ignored."""
    text = " ".join(normalized(title).lower().translate(_ALPHABET).split())
    return _plain(text).lstrip("\"'«»([ ")[:120]


def _plain(word: str) -> str:
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


_LOCAL = threading.local()  # a snowball stemmer keeps the word it works on: one per thread


def _stemmers() -> tuple[Any, Any]:
    found: tuple[Any, Any] | None = getattr(_LOCAL, "stemmers", None)
    if found is None:
        import snowballstemmer  # type: ignore[import-untyped,unused-ignore]

        found = _LOCAL.stemmers = (snowballstemmer.stemmer("norwegian"), snowballstemmer.stemmer("english"))
    return found
