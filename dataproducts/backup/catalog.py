"""The catalog's tables as lines of JSON, the same from SQLite and PostgreSQL, and back into either.

The search index is left out: it is made again from the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import indexing
from dataproducts.catalog import tables as t
from dataproducts.catalog.migrations import upgrade
from dataproducts.catalog.search import tables as search

_AT_ONCE = 1_000  # rows
_NOT_KEPT = ("search_", "sqlite_", "alembic_version")


def names(connection: sa.Connection) -> list[str]:
    """The tables that a backup holds, whichever revision they are of."""
    return sorted(name for name in sa.inspect(connection).get_table_names() if not name.startswith(_NOT_KEPT))


def lines(connection: sa.Connection, name: str) -> Iterator[str]:
    """The rows of a table, by its key, as they lie there."""
    inspector = sa.inspect(connection)
    columns = {column["name"]: column["type"] for column in inspector.get_columns(name)}
    truths = {column for column, type_ in columns.items() if isinstance(type_, sa.Boolean)}  # SQLite has numbers for them
    bytewise = {column for column, type_ in columns.items() if isinstance(type_, sa.String) and inspector.dialect.name != "sqlite"}
    table = sa.table(name, *map(sa.column, columns))
    key = inspector.get_pk_constraint(name)["constrained_columns"]
    order = [sa.collate(table.c[column], "C") if column in bytewise else table.c[column] for column in key]
    query = sa.select(*(table.c[column] for column in sorted(columns))).order_by(*order)
    for row in connection.execute(query, execution_options={"yield_per": _AT_ONCE}).mappings():
        yield t.canonical({column: bool(value) if column in truths and value is not None else value for column, value in row.items()})


def is_empty(connection: sa.Connection) -> bool:
    """Whether nobody has told the catalog anything. Also where its tables are not made yet."""
    return not any(connection.execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first() for name in names(connection))


def clear(connection: sa.Connection) -> None:
    """Take away the catalog's tables, of whichever revision, in the caller's transaction."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return
    upgrade(connection)  # so that they are those we know
    search.drop(connection)
    t.metadata.drop_all(connection)
    connection.execute(sa.text("drop table alembic_version"))


def fill(connection: sa.Connection, name: str, rows: Iterable[Any]) -> int:
    """Put rows into a table; gives how many."""
    count, rest = 0, iter(rows)
    while some := list(islice(rest, _AT_ONCE)):
        connection.execute(sa.table(name, *map(sa.column, some[0])).insert(), some)
        count += len(some)
    return count


def go_on_counting(connection: sa.Connection) -> None:
    """PostgreSQL counts apart from the rows: the next number is to follow the greatest."""
    if connection.dialect.name == "sqlite":
        return
    for table in (t.feed, t.audit):
        connection.execute(
            sa.text(f"select setval(pg_get_serial_sequence('{table.name}', 'seq'), max(seq)) from {table.name} having count(*) > 0")
        )


def find_again(connection: sa.Connection) -> None:
    """Make the search index from the tables beside it."""
    subject = t.current.c.subject
    found = list(connection.execute(sa.select(subject).order_by(subject)).scalars())
    now = datetime.now(UTC)
    products = [one for one in found if one.startswith("product:")]
    for one in products:
        indexing.index(connection, [one], now)  # its datasets come along
    theirs = {f"dataset:{one.removeprefix('product:')}/" for one in products}
    rest = [one for one in found if not one.startswith("product:") and f"{one.partition('/')[0]}/" not in theirs]
    for first in range(0, len(rest), _AT_ONCE):
        indexing.index(connection, rest[first : first + _AT_ONCE], now)
