"""The search index, kept in the caller's transaction: what is committed is found, what is rolled back never was.

put, remove and the questions asked of them (search, suggest) are the whole interface.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog.search import analysis, engines, facets, vocabulary
from dataproducts.catalog.search.documents import (
    FACET_SET_BITS,
    Document,
    browse_rank,
    digest,
    facet_values,
    next_number,
    rank,
    row_number,
)
from dataproducts.catalog.search.matching import (
    ALL_DOCUMENTS,
    FORM,
    GAP,
    MARKED,
    PART,
    Token,
    facet_token,
    inflected_tokens,
    name_tokens,
    some,
)
from dataproducts.catalog.search.searching import Hit, SearchPage, SearchRequest, search
from dataproducts.catalog.search.suggesting import Suggestion, suggest
from dataproducts.catalog.search.tables import create, drop

__all__ = [
    "Document", "Hit", "SearchPage", "SearchRequest", "Suggestion",
    "create", "drop", "forget", "put", "remove", "search", "suggest", "tidy",
]  # fmt: skip

MAX_FIELD_WORDS = 2_000  # the rest of a longer field is not found
_LAST_PIECE = re.compile(r"(?<=[/.:#])[^/.:#\s]+/?$")  # of a key or address: what it calls the thing itself
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = ("title", "columns", "keywords", "text")
_MARKS = (FORM, PART)


def put(connection: sa.Connection, documents: Sequence[Document]) -> None:
    """Insert the documents, or replace those with the same id. What is unchanged costs a comparison.

    Writers take turns: SQLite sees to it, on PostgreSQL the caller does (`Database.writing`).
    """
    latest = {document.id: document for document in documents}
    held = {row.id: row for row in _rows(connection, _HELD, sorted(latest))}
    changed: list[_Change] = []
    shown: list[_Change] = []
    for document in latest.values():
        change = _Change(document, digest(analysis.VERSION, *_found_by(document)), digest(*_shown_as(document)))
        before = held.get(document.id)
        if before is None or bytes(before.indexed) != change.indexed:
            if before is not None:
                change.was, change.was_set = before.rid, before.facet_set
            changed.append(change)
        elif bytes(before.shown) != change.shown:
            change.rid = before.rid
            shown.append(change)
    if shown:
        connection.execute(_SHOWN, [change.document_row() for change in shown])
        connection.execute(_CARD, [change.card_row() for change in shown])
    if changed:
        _write(connection, changed)


def remove(connection: sa.Connection, ids: Iterable[str]) -> None:
    """Take documents out of the index; ids it does not hold are passed over."""
    held = _rows(connection, _HELD, sorted(set(ids)))
    rids = [row.rid for row in held]
    if not rids:
        return
    engine = engines.of(connection)
    lost: dict[str, int] = {}
    for stored in engine.read(connection, rids).values():
        for word in _vocabulary(stored):
            lost[word] = lost.get(word, 0) - 1
    _erase(connection, rids)
    _, resplit = vocabulary.count(connection, lost)
    _split_anew(connection, resplit, without=())
    _forget_facet_sets(connection, {row.facet_set for row in held})


def tidy(connection: sa.Connection) -> bool:
    """A step towards the shape in which the stored text is read fastest; gives whether there are more. Changes no answer."""
    return engines.of(connection).tidy(connection)


def forget(connection: sa.Connection) -> None:
    """Write the index anew without what was removed from it or replaced, which it otherwise keeps out of sight for a while."""
    engines.of(connection).forget(connection)


@dataclass
class _Change:
    document: Document
    indexed: bytes
    shown: bytes
    was: int | None = None  # the rid it has
    was_set: int | None = None
    rid: int = 0  # the rid it gets
    facet_set: int = 0

    def __post_init__(self) -> None:
        self.facets = facet_values(self.document)
        self.facets_text = facets.stored(self.facets)

    def document_row(self) -> dict[str, Any]:
        document = self.document
        return {
            "rid": self.rid,
            "id": document.id,
            "facet_set": self.facet_set,
            "browse": browse_rank(document),
            "title_key": analysis.alphabetical(document.title[0] if document.title else document.id),
            "updated": _microseconds(document.updated),
            "indexed": self.indexed,
            "shown": self.shown,
        }

    def card_row(self) -> dict[str, Any]:
        card = json.dumps(dict(self.document.card), ensure_ascii=False, separators=(",", ":"), default=str)
        titles = json.dumps(self.document.title, ensure_ascii=False, separators=(",", ":"))
        return {"rid": self.rid, "kind": self.document.kind, "titles": _storable(titles), "card": _storable(card)}


def _write(connection: sa.Connection, changed: list[_Change]) -> None:
    engine = engines.of(connection)
    _combine(connection, changed)
    _place(connection, changed)
    before = engine.read(connection, [change.was for change in changed if change.was is not None])
    analysed = [_analysed(change.document) for change in changed]
    shift: dict[str, int] = {}
    for change, (fields, _) in zip(changed, analysed, strict=True):
        now = {word for words in fields.values() for word in words if vocabulary.is_word(word)}
        then = _vocabulary(before[change.was]) if change.was in before else set()
        for word in now - then:
            shift[word] = shift.get(word, 0) + 1
        for word in then - now:
            shift[word] = shift.get(word, 0) - 1
        for word in now & then:
            shift.setdefault(word, 0)
    parts, resplit = vocabulary.count(connection, shift)
    _erase(connection, [change.was for change in changed if change.was is not None and change.was != change.rid])
    connection.execute(_DOCUMENT, [change.document_row() for change in changed])
    connection.execute(_CARD, [change.card_row() for change in changed])
    texts = []
    for change, (fields, wholes) in zip(changed, analysed, strict=True):
        text: dict[str, Any] = {name: stored_field(words, wholes[name], parts) for name, words in fields.items()}
        tokens = _facet_tokens(change.facets_text)
        texts.append({**text, MARKED: " ".join([ALL_DOCUMENTS, *tokens, *_names(change.document)]), "rid": change.rid})
    engine.write(connection, texts)
    _split_anew(connection, resplit, without={change.rid for change in changed})
    _forget_facet_sets(connection, {change.was_set for change in changed if change.was_set is not None})


def _place(connection: sa.Connection, changed: list[_Change]) -> None:
    """Give each its rid, or the next free number where another document has exactly that one."""
    for change in changed:
        change.rid = row_number(change.document, change.facet_set)
    taken = {row.rid: row.id for row in _rows(connection, _TAKEN, sorted({change.rid for change in changed}))}
    for change in changed:
        while taken.setdefault(change.rid, change.document.id) != change.document.id:
            change.rid = next_number(change.rid)
            for row in connection.execute(_TAKEN, {"some": [change.rid]}):
                taken[row.rid] = row.id


def _analysed(document: Document) -> tuple[dict[str, list[str]], dict[str, dict[str, None]]]:
    """Words of each field in order, texts kept apart by GAP; and the runs written as one."""
    own, context = [], []
    for name in document.names:
        last = _LAST_PIECE.search(name)
        own.append(last.group() if last else name)
        if last and "://" not in name and not name.startswith("/"):  # the words of an address on the web say little of what is there
            context.append(name[: last.start()])
    given = {
        "title": dict.fromkeys([*document.title, *own]),
        "columns": dict.fromkeys(document.columns),
        "keywords": dict.fromkeys([*document.keywords, *context]),
        "text": dict.fromkeys(document.text),
    }
    fields: dict[str, list[str]] = {}
    wholes: dict[str, dict[str, None]] = {}
    for field, texts in given.items():
        words: list[str] = []
        joined = wholes[field] = {}
        for text in texts:
            if len(words) > MAX_FIELD_WORDS:
                break
            if words:
                words.append(GAP)
            for chunk in analysis.chunks(text[: 16 * MAX_FIELD_WORDS]):
                words += chunk.words
                if chunk.whole:
                    joined[chunk.whole] = None
        fields[field] = words[:MAX_FIELD_WORDS]
    return fields, wholes


def stored_field(words: Sequence[str], wholes: Iterable[str], parts: Mapping[str, Sequence[str]]) -> str:
    """A field as it is stored: its words, then their forms, runs written as one, and the parts of compounds."""
    near: dict[str, None] = {}
    distinct = dict.fromkeys(words)
    for word in distinct:
        for form in analysis.forms(word):
            near[FORM + form] = None
    for whole in wholes:
        for form in (whole, *analysis.forms(whole)):
            near[FORM + form] = None
    return " ".join([*words, *near, *_part_tokens(distinct, parts)])


def _part_tokens(words: Iterable[str], parts: Mapping[str, Sequence[str]]) -> dict[str, None]:
    found: dict[str, None] = {}
    for word in words:
        for part in parts.get(word, ()):
            for form in (part, *analysis.forms(part)):
                found[PART + form] = None
    return found


def _vocabulary(stored: engines.Stored) -> set[str]:
    return {t for name in _FIELDS for t in stored[name].split(" ") if not t.startswith(_MARKS) and vocabulary.is_word(t)}


def _split_anew(connection: sa.Connection, resplit: set[str], without: Iterable[int]) -> None:
    """Exchange the parts in documents whose compounds are split in another way than when they were written."""
    if not resplit:
        return
    engine = engines.of(connection)
    rids: set[int] = set()
    query = sa.text(engine.matches.format(q="q"))
    ordered = sorted(resplit)
    for i in range(0, len(ordered), 50):
        wanted = engine.written(some([Token(word) for word in ordered[i : i + 50]]))
        rids.update(connection.execute(query, {"q": wanted}).scalars())
    rids.difference_update(without)
    for some_rids in (sorted(rids)[i : i + 200] for i in range(0, len(rids), 200)):
        stored = engine.read(connection, some_rids)
        held = vocabulary.stored_parts(connection, set().union(*(_vocabulary(row) for row in stored.values())))
        rows = []
        for rid, row in stored.items():
            fields = {}
            for name in _FIELDS:
                tokens = [token for token in row[name].split(" ") if not token.startswith(PART)]
                words = dict.fromkeys(token for token in tokens if not token.startswith(FORM))
                fields[name] = " ".join([*tokens, *_part_tokens(words, held)])
            rows.append({**fields, MARKED: row[MARKED], "rid": rid})
        engine.write(connection, rows)


def _erase(connection: sa.Connection, rids: Sequence[int]) -> None:
    if not rids:
        return
    engines.of(connection).erase(connection, rids)
    rows = [{"rid": rid} for rid in rids]
    for table in ("search_card", "search_document"):
        connection.execute(sa.text(f"DELETE FROM {table} WHERE rid = :rid"), rows)


def _names(document: Document) -> dict[str, None]:
    found: dict[str, None] = {}
    for name in (*document.names, *document.title):
        own, loose = analysis.identity(name), analysis.loose_identity(name)
        if loose:
            found.update(dict.fromkeys(name_tokens(own, loose)))
            if len(one_word := analysis.words(name)) == 1:
                found.update(dict.fromkeys(inflected_tokens(one_word[0])))
    return found


def _combine(connection: sa.Connection, changed: Sequence[_Change]) -> None:
    """Give each the id of its combination of facet values: a hash of it, or the next free number where another one has that."""
    texts = sorted({change.facets_text for change in changed})
    wanted = {text: int.from_bytes(digest(text)[:8]) % (1 << FACET_SET_BITS) for text in texts}
    held = {row.id: row.facets for row in _rows(connection, _SETS, sorted(set(wanted.values())))}
    new: list[dict[str, Any]] = []
    for text in texts:
        one = wanted[text]
        while held.get(one, text) != text:
            one = (one + 1) % (1 << FACET_SET_BITS)
            for row in connection.execute(_SETS, {"some": [one]}):
                held.setdefault(row.id, row.facets)
        if one not in held:
            new.append({"id": one, "facets": text})
        held[one] = text
        wanted[text] = one
    if new:
        connection.execute(sa.text("INSERT INTO search_facet_set (id, facets) VALUES (:id, :facets)"), new)
    tokens = [{"token": token, "facet_set": one} for text, one in wanted.items() for token in _facet_tokens(text)]
    if tokens:
        connection.execute(_LOOKED_FOR, tokens)
    for change in changed:
        change.facet_set = wanted[change.facets_text]


def _facet_tokens(stored: str) -> list[str]:
    return [facet_token(name, value) for name, value in map(facets.pair, facets.pairs_of(stored))]


def _forget_facet_sets(connection: sa.Connection, sets: Iterable[int]) -> None:
    """No longer look for documents with these combinations where there is none left."""
    some = sorted(sets)
    used = {row.facet_set for row in _rows(connection, _USED, some)}
    held = _rows(connection, _SETS, [one for one in some if one not in used])
    tokens = [{"token": token, "facet_set": row.id} for row in held for token in _facet_tokens(row.facets)]
    if tokens:
        connection.execute(sa.text("DELETE FROM search_facet_value WHERE token = :token AND facet_set = :facet_set"), tokens)


def _found_by(document: Document) -> tuple[Any, ...]:
    weakness = rank(document)
    return (document.names, document.title, document.columns, document.keywords, document.text, facet_values(document), weakness)


def _shown_as(document: Document) -> tuple[Any, ...]:
    return (document.kind, browse_rank(document), _microseconds(document.updated), dict(document.card))


def _microseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _storable(text: str) -> str:
    """Half a surrogate pair cannot be stored; a question mark stands for it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _rows(connection: sa.Connection, query: Any, some: Sequence[Any], size: int = 500) -> list[Any]:
    return [row for i in range(0, len(some), size) for row in connection.execute(query, {"some": some[i : i + size]})]


def _expanding(query: str) -> sa.TextClause:
    return sa.text(query).bindparams(sa.bindparam("some", expanding=True))


_HELD = _expanding("SELECT id, rid, facet_set, indexed, shown FROM search_document WHERE id IN :some")
_TAKEN = _expanding("SELECT rid, id FROM search_document WHERE rid IN :some")
_SETS = _expanding("SELECT id, facets FROM search_facet_set WHERE id IN :some")
_USED = _expanding("SELECT DISTINCT facet_set FROM search_document WHERE facet_set IN :some")
_LOOKED_FOR = sa.text("INSERT INTO search_facet_value (token, facet_set) VALUES (:token, :facet_set) ON CONFLICT DO NOTHING")
_DOCUMENT = sa.text(
    "INSERT INTO search_document (rid, id, facet_set, browse, title_key, updated, indexed, shown) "
    "VALUES (:rid, :id, :facet_set, :browse, :title_key, :updated, :indexed, :shown) "
    "ON CONFLICT (rid) DO UPDATE SET facet_set = excluded.facet_set, browse = excluded.browse, title_key = excluded.title_key, "
    "updated = excluded.updated, indexed = excluded.indexed, shown = excluded.shown"
)
_SHOWN = sa.text("UPDATE search_document SET browse = :browse, updated = :updated, shown = :shown WHERE rid = :rid")
_CARD = sa.text(
    "INSERT INTO search_card (rid, kind, titles, card) VALUES (:rid, :kind, :titles, :card) "
    "ON CONFLICT (rid) DO UPDATE SET kind = excluded.kind, titles = excluded.titles, card = excluded.card"
)
