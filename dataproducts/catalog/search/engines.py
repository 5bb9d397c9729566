"""The two databases' own words for the same thing: the stored text, a match, a time limit. Nothing else knows which one it is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dataproducts.catalog.search.matching import (
    EVERYWHERE,
    FIELDS,
    GAP,
    MARKED,
    TITLE,
    Every,
    Expression,
    Phrase,
    Token,
    Without,
    is_marked,
)

STORED = (*FIELDS, MARKED)
PLENTY = 2_000  # documents with a word, from which a walk in order of rank meets hits soon
Stored = Mapping[str, Any]  # rid, and a string for each of STORED


class OverBudget(Exception):
    """The database was stopped because the time was up. Never leaves the search."""


class Engine(Protocol):
    """What a database has to offer the index."""

    matches: str  # a SELECT of `rid` from the texts that match the bound parameter named {q}; more conditions may follow
    headings: str  # the same, sooner, for expressions that name no field but titles, columns and keywords
    titles: str  # the same of titles alone, for expressions that name `title_fields`
    title_fields: int
    in_titles: str  # a condition beside those of `matches`: the title meets {q} too; empty where this finds nothing sooner
    rid: str  # what the rid is called in it
    sparse: str  # the same to sort by, where few texts are expected to match
    best_first: str  # puts matches of which only some are wanted in order of rank, where that costs nothing
    both: str  # stands between expressions, as `written` makes them, that all have to be met
    either: str  # the same where one of them is enough
    but: str  # what meets the first and does not meet the second
    joined: str  # an aggregate: the values of {} with commas between
    one_of: str  # whether {} is one of the bound parameter named {texts}, as `texts` makes it
    among: str  # whether {} is one of the whole numbers of the bound parameter named {ids}, a text with commas between

    def create_text(self, connection: sa.Connection) -> None: ...
    def drop_text(self, connection: sa.Connection) -> None: ...
    def write(self, connection: sa.Connection, rows: Sequence[Stored]) -> None: ...
    def erase(self, connection: sa.Connection, rids: Sequence[int]) -> None: ...
    def read(self, connection: sa.Connection, rids: Sequence[int]) -> dict[int, Stored]: ...
    def tidy(self, connection: sa.Connection) -> bool: ...
    def forget(self, connection: sa.Connection) -> None: ...
    def written(self, expression: Expression) -> str: ...
    def within(self, connection: sa.Connection, seconds: float) -> Any: ...
    def texts(self, values: Sequence[str]) -> Any: ...
    def driven(self, query: str) -> str: ...  # with its parameters as the driver writes them: searches pass by SQLAlchemy's compiler


def of(connection: sa.Connection) -> Engine:
    """The engine behind a connection."""
    return SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL


_MERGED_AT_ONCE = 500  # pages: some hundredths of a second in which no one else can write


class _Sqlite:
    """FTS5. The tokenizer is `ascii`, which only cuts at space and never folds: what is a word was decided before.

    `search_heading` is an index of the same text without the long field: who asks for a word in the others walks past no descriptions.
    """

    matches = "SELECT rowid AS rid FROM search_text WHERE search_text MATCH :{q}"
    headings = "SELECT rowid AS rid FROM search_heading WHERE search_heading MATCH :{q}"
    titles, title_fields, in_titles = headings, TITLE, ""
    rid = sparse = "rowid"
    best_first = " ORDER BY rowid"
    both, either, but = " AND ", " OR ", "(({}) NOT ({}))"
    joined = "group_concat({})"
    one_of = "{} IN (SELECT value FROM json_each(:{texts}))"
    among = "{} IN (SELECT value FROM json_each('[' || :{ids} || ']'))"
    _indexes = ("search_heading", "search_text")
    _columns = ", ".join(STORED)
    _headings = ", ".join(name for name in STORED if name != "text")

    def create_text(self, connection: sa.Connection) -> None:
        # columnsize=0 leaves out what only bm25 needs; no prefix index: beginnings are looked up in the vocabulary
        options = 'tokenize="ascii", columnsize=0'
        connection.exec_driver_sql(f"CREATE VIRTUAL TABLE IF NOT EXISTS search_text USING fts5({self._columns}, {options})")
        options += ", content=''"  # its text is in the other table
        connection.exec_driver_sql(f"CREATE VIRTUAL TABLE IF NOT EXISTS search_heading USING fts5({self._headings}, {options})")

    def drop_text(self, connection: sa.Connection) -> None:
        for table in self._indexes:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")

    def write(self, connection: sa.Connection, rows: Sequence[Stored]) -> None:
        if not rows:
            return
        ordered = sorted((dict(row) for row in rows), key=lambda row: int(row["rid"]))
        self._leave_headings(connection, [row["rid"] for row in ordered])
        for into, columns in (("INSERT OR REPLACE INTO search_text", self._columns), ("INSERT INTO search_heading", self._headings)):
            values = ", ".join(f":{name}" for name in columns.split(", "))
            connection.execute(sa.text(f"{into}(rowid, {columns}) VALUES (:rid, {values})"), ordered)

    def erase(self, connection: sa.Connection, rids: Sequence[int]) -> None:
        if rids:
            self._leave_headings(connection, sorted(rids))
            connection.execute(sa.text("DELETE FROM search_text WHERE rowid = :rid"), [{"rid": rid} for rid in sorted(rids)])

    def _leave_headings(self, connection: sa.Connection, rids: Sequence[int]) -> None:
        """Take what is stored out of the index of headings, which has to be told what that is."""
        statement = (
            f"INSERT INTO search_heading(search_heading, rowid, {self._headings}) "
            f"SELECT 'delete', rowid, {self._headings} FROM search_text WHERE rowid = :rid"
        )
        connection.execute(sa.text(statement), [{"rid": rid} for rid in rids])

    def read(self, connection: sa.Connection, rids: Sequence[int]) -> dict[int, Stored]:
        query = sa.text(f"SELECT rowid AS rid, {self._columns} FROM search_text WHERE rowid IN :rids").bindparams(
            sa.bindparam("rids", expanding=True)
        )
        return {row["rid"]: dict(row) for some in _slices(rids) for row in connection.execute(query, {"rids": some}).mappings()}

    def tidy(self, connection: sa.Connection) -> bool:
        changes = "SELECT total_changes()"
        are_more = []
        for table in self._indexes:
            before = connection.exec_driver_sql(changes).scalar_one()
            connection.exec_driver_sql(f"INSERT INTO {table}({table}, rank) VALUES ('merge', {-_MERGED_AT_ONCE})")
            are_more.append(int(connection.exec_driver_sql(changes).scalar_one()) - int(before) >= 2)  # as FTS5 tells that there is more
        return any(are_more)

    def forget(self, connection: sa.Connection) -> None:
        for table in self._indexes:
            connection.exec_driver_sql(f"INSERT INTO {table}({table}) VALUES ('optimize')")

    def written(self, expression: Expression) -> str:
        if isinstance(expression, Token):
            return f"{_fts_columns(expression)}{_quoted(expression.token)}"
        if isinstance(expression, Phrase):
            return f"{_fts_columns(expression)}{_quoted(' '.join(expression.words))}"
        if isinstance(expression, Without):
            return f"({self.written(expression.this)} NOT {self.written(expression.that)})"
        if isinstance(expression, Every):
            return f"({' AND '.join(self.written(part) for part in expression.of)})"
        # tokens of the same fields share one column filter
        groups: dict[str, list[str]] = {}
        rest = []
        for part in expression.of:
            if isinstance(part, Token):
                groups.setdefault(_fts_columns(part), []).append(_quoted(part.token))
            else:
                rest.append(self.written(part))
        together = [f"{columns}({' OR '.join(tokens)})" for columns, tokens in groups.items()]
        return f"({' OR '.join([*together, *rest])})"

    def texts(self, values: Sequence[str]) -> Any:
        return json.dumps(values)

    def driven(self, query: str) -> str:
        return query

    @contextmanager
    def within(self, connection: sa.Connection, seconds: float) -> Iterator[None]:
        raw = connection.connection.driver_connection
        assert raw is not None
        deadline = time.perf_counter() + seconds
        raw.set_progress_handler(lambda: time.perf_counter() > deadline, 2_000)
        try:
            yield
        except DBAPIError as error:
            if "interrupted" in str(error.orig):
                raise OverBudget from None
            raise
        finally:
            raw.set_progress_handler(None, 0)


class _Postgresql:
    """A tsvector made here, word for word, so that its own parser and dictionaries have no say."""

    rid = "rid"
    sparse = "rid + 0"  # the planner knows nothing of fields: it would walk the whole table in order, expecting to meet hits soon
    best_first = ""  # it would fetch every match to find the best of them
    both, either, but = " & ", " | ", "(({}) & !({}))"
    joined = "string_agg(CAST({} AS text), ',')"
    one_of = "{} = ANY(CAST(:{texts} AS text[]))"
    among = "{} = ANY(CAST(string_to_array(:{ids}, ',') AS bigint[]))"
    matches = headings = "SELECT rid FROM search_text WHERE words @@ CAST(:{q} AS tsquery)"
    in_titles = "title_words @@ CAST(:{q} AS tsquery)"
    titles, title_fields = f"SELECT rid FROM search_text WHERE {in_titles}", EVERYWHERE

    def create_text(self, connection: sa.Connection) -> None:
        stored = ", ".join(f"{name} text NOT NULL" for name in STORED)
        vectors = ("words", "title_words")
        columns = ", ".join(("rid bigint PRIMARY KEY", stored, *(f"{name} tsvector NOT NULL" for name in vectors)))
        connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS search_text ({columns})")
        for name in vectors:
            index = f"search_text_{name} ON search_text USING gin ({name}) WITH (fastupdate = off)"
            connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {index}")

    def drop_text(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("DROP TABLE IF EXISTS search_text")

    def write(self, connection: sa.Connection, rows: Sequence[Stored]) -> None:
        if not rows:
            return
        values = ", ".join(f":{name}" for name in STORED)
        changes = ", ".join(f"{name} = excluded.{name}" for name in (*STORED, "words", "title_words"))
        statement = sa.text(
            f"INSERT INTO search_text(rid, {', '.join(STORED)}, words, title_words) "
            f"VALUES (:rid, {values}, CAST(:words AS tsvector), CAST(:title_words AS tsvector)) "
            f"ON CONFLICT (rid) DO UPDATE SET {changes}"
        )
        connection.execute(statement, [_with_words(row) for row in sorted(rows, key=lambda row: int(row["rid"]))])

    def erase(self, connection: sa.Connection, rids: Sequence[int]) -> None:
        if rids:
            connection.execute(sa.text("DELETE FROM search_text WHERE rid = :rid"), [{"rid": rid} for rid in sorted(rids)])

    def read(self, connection: sa.Connection, rids: Sequence[int]) -> dict[int, Stored]:
        query = sa.text(f"SELECT rid, {', '.join(STORED)} FROM search_text WHERE rid IN :rids").bindparams(
            sa.bindparam("rids", expanding=True)
        )
        return {row["rid"]: dict(row) for some in _slices(rids) for row in connection.execute(query, {"rids": some}).mappings()}

    def tidy(self, connection: sa.Connection) -> bool:
        connection.exec_driver_sql("ANALYZE search_text, search_document, search_facet_value")
        return False

    def forget(self, connection: sa.Connection) -> None:
        """Nothing: what is gone is no longer read, and its room is used anew when the server's own vacuum has passed."""

    def written(self, expression: Expression) -> str:
        if isinstance(expression, Token):
            weights = _weights(expression.fields)
            return _lexeme(expression.token) + (f":{weights}" if weights else "")
        if isinstance(expression, Phrase):
            weights = _weights(expression.fields)
            return "(" + " <-> ".join(_lexeme(word) + (f":{weights}" if weights else "") for word in expression.words) + ")"
        if isinstance(expression, Without):
            return f"({self.written(expression.this)} & !{self.written(expression.that)})"
        sign = " & " if isinstance(expression, Every) else " | "
        return f"({sign.join(self.written(part) for part in expression.of)})"

    def texts(self, values: Sequence[str]) -> Any:
        return list(values)

    def driven(self, query: str) -> str:
        return _for_psycopg(query)

    @contextmanager
    def within(self, connection: sa.Connection, seconds: float) -> Iterator[None]:
        savepoint = connection.begin_nested()
        # reading a long tsvector costs far more than the planner believes: it is to trust its index
        limit = f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}"
        connection.exec_driver_sql(f"{limit}; SET LOCAL enable_seqscan = off")
        try:
            yield
        except DBAPIError as error:
            savepoint.rollback()
            if getattr(error.orig, "sqlstate", "") == "57014":  # query_canceled
                raise OverBudget from None
            raise
        except BaseException:
            savepoint.rollback()
            raise
        savepoint.rollback()  # only read: this takes the limit back as well


@lru_cache(maxsize=512)
def _for_psycopg(query: str) -> str:
    return re.sub(r":([a-z]\w*)", r"%(\1)s", query.replace("%", "%%"))


def _fts_columns(part: Token | Phrase) -> str:
    if isinstance(part, Token) and is_marked(part.token):
        return f"{MARKED} : "
    if part.fields == EVERYWHERE:  # the other column holds nothing but marked tokens
        return ""
    return "{" + " ".join(name for name, bit in FIELDS.items() if part.fields & bit) + "} : "


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


_LETTERS = {"title": "A", "columns": "B", "keywords": "C", "text": "D"}


def _weights(fields: int) -> str:
    if fields == EVERYWHERE:
        return ""
    return "".join(_LETTERS[name] for name, bit in FIELDS.items() if fields & bit)


def _lexeme(token: str) -> str:
    return "'" + token.replace("\\", "\\\\").replace("'", "''") + "'"


def _with_words(row: Stored) -> dict[str, Any]:
    titles = " ".join(_lexeme(token) for token in dict.fromkeys(row["title"].split()) if token != GAP)
    return {**row, "words": _tsvector(row), "title_words": titles}


def _tsvector(row: Stored) -> str:
    positions: dict[str, list[str]] = {}
    position = 0
    for name in STORED:
        weight = _LETTERS.get(name, "")
        for token in row[name].split():
            position += 1
            if token != GAP:
                at = positions.setdefault(token, [])
                if len(at) < 255:  # more are dropped by PostgreSQL itself
                    at.append(f"{min(position, 16_383)}{weight}")
        position += 1
    return " ".join(f"{_lexeme(token)}:{','.join(at)}" for token, at in positions.items())


def _slices(values: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    held = list(values)
    return (held[i : i + size] for i in range(0, len(held), size))


SQLITE: Engine = _Sqlite()
POSTGRESQL: Engine = _Postgresql()
