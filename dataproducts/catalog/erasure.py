"""Erasing from the catalog: what it keeps of a dataset's rows, in profiles of versions, what runs said of them and what examples showed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataproducts.catalog import indexing
from dataproducts.catalog import tables as t
from dataproducts.catalog.database import Database
from dataproducts.catalog.search import index as search_index

if TYPE_CHECKING:
    from dataproducts.erasure.subjects import Erased

_SAID: tuple[tuple[sa.Table, str], ...] = (
    (t.version, "profile"),
    (t.version, "facts"),
    (t.check_result, "facts"),
    (t.arrival, "facts"),
    (t.failure, "errors"),
)
_WRITTEN = ((t.feed, "body"), (t.remark, "text"), (t.remark, "html"))  # by subject


def erase(database: Database, erased: Mapping[str, Erased], touched: Mapping[str, set[tuple[str, int]]]) -> int:
    """Empty the profiles of touched versions and what examples showed, and take values out of all that was said of dataset and product.

    Gives how many entries changed.
    """
    with database.writing() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("pragma secure_delete=on")
        changed = erase_in(connection, erased, touched)
        if changed:  # what people wrote is found by its words
            indexing.index(connection, [subject for name in erased for subject in _subjects(name)], datetime.now(UTC))
            search_index.forget(connection)
    database.compact()
    return changed


def erase_in(connection: sa.Connection, erased: Mapping[str, Erased], touched: Mapping[str, set[tuple[str, int]]]) -> int:
    """As `erase`, in the caller's transaction, but for the search index."""
    changed = 0
    for name, one in erased.items():
        changed += _wipe(connection, name, touched.get(name, set()))
        for table, column in _SAID:
            changed += _scrub(connection, table, column, table.c.dataset == name, one)
        for table, column in _WRITTEN:
            changed += _scrub(connection, table, column, table.c.subject.in_(_subjects(name)), one)
    return changed + _forget_examples(connection, erased)


def _subjects(name: str) -> list[str]:
    """Where people write of a dataset: on its page, and on that of its product."""
    return [f"dataset:{name}", f"product:{name.partition('/')[0]}"]


def _wipe(connection: sa.Connection, name: str, touched: set[tuple[str, int]]) -> int:
    v, changed = t.version, 0
    for partition, number in sorted(touched):
        mine = (v.c.dataset == name, v.c.partition == partition, v.c.number == number, v.c.profile != [])
        changed += connection.execute(sa.update(v).where(*mine).values(profile=[])).rowcount
    return changed


def _forget_examples(connection: sa.Connection, erased: Mapping[str, Erased]) -> int:
    """What examples showed, in every definition there has been: pictures and tables in which nobody can be looked for.

    A definition keeps the hash it came with, by which what comes next is told from it.
    """
    from dataproducts.examples.forgetting import may_show  # which knows the lake, and a catalog loads nothing of it to serve

    changed = 0
    for table, key in ((t.current, ("subject",)), (t.definition, ("subject", "at", "hash"))):
        columns = [table.c[name] for name in key]
        for row in connection.execute(sa.select(*columns, table.c.body).where(table.c.subject.like("product:%"))).fetchall():
            examples = (row.body or {}).get("examples", [])
            product = row.subject.removeprefix("product:")
            if not any(_shows(one) for one in examples) or not may_show(product, [one["source"] for one in examples], erased):
                continue
            body = {**row.body, "examples": [{**one, "outputs": [], "problem": None} for one in examples]}
            where = [c == value for c, value in zip(columns, row, strict=False)]
            changed += connection.execute(sa.update(table).where(*where).values(body=body)).rowcount
    return changed


def _shows(example: Mapping[str, Any]) -> bool:
    return bool(example.get("outputs") or example.get("problem"))


def _scrub(connection: sa.Connection, table: sa.Table, column: str, mine: Any, erased: Erased) -> int:
    changed = 0
    key = list(table.primary_key.columns)
    for row in connection.execute(sa.select(*key, table.c[column]).where(mine)).fetchall():
        held = row[-1]
        new = erased.scrubbed_text(held) if isinstance(held, str) else erased.scrubbed({"_": held})["_"]
        if new != held:
            where = [c == value for c, value in zip(key, row[:-1], strict=True)]
            connection.execute(sa.update(table).where(*where).values({column: new}))
            changed += 1
    return changed
