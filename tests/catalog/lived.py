"""A catalog that has lived: every table of it holds rows."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from dataproducts.backup import catalog as kept
from dataproducts.catalog import people, register, tokens
from dataproducts.catalog import tables as t
from dataproducts.catalog.database import Database
from dataproducts.catalog.export import export
from dataproducts.catalog.migrations import HEAD
from dataproducts.catalog.store import Store
from tests.catalog.messages import at, dataset, delivery, failure, random_history

FOLDER = Path(__file__).parents[1] / "data" / "catalog"


def live(store: Store, seed: int = 1, length: int = 60) -> None:
    """Tell a catalog a random history, and let people and publishers add to it."""
    store.apply(list(random_history(seed, length)))
    store.apply([dataset("shop/sales", 900), delivery(hours=901), failure(hours=902)])
    subject = "dataset:shop/sales"
    asked = people.say(store, subject, "question", "kari", "Hva er *dette*?")
    people.say(store, subject, "answer", "ola", "Salg — «brutto» 100 %", asked.id)
    people.rate(store, subject, "kari", 4)
    people.tag(store, subject, "kari", "Årlig")
    tokens.issue(store, "publisher", ["publish:shop-location"], timedelta(days=3))
    tokens.write_down(store, "publisher", "publish", subject, "0" * 64)
    entry = register.Registration(name="sykefravar", type="tabell", uri="https://example.com/sykefravar")
    register.put(store, entry, "stat")
    with store.database.writing() as connection:
        connection.execute(sa.insert(t.usage), [{"subject": subject, "day": "2026-11-01", "views": 3}])


def lines(connection: sa.Connection) -> list[str]:
    """All rows of a catalog: a line is a table's name and a row of it."""
    return [f'["{name}",{line}]' for name in kept.names(connection) for line in kept.lines(connection, name)]


def main() -> None:
    """Write down what a catalog of the present revision holds."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/catalog.db")
        live(Store(database, lambda: at(1000)), length=15)
        with database.reading() as connection:
            (FOLDER / f"{HEAD}.jsonl").write_text("\n".join(lines(connection)) + "\n", encoding="utf-8")
        database.close()


if __name__ == "__main__":
    main()


def assert_headings_agree(database: Database) -> None:
    """On SQLite the index of headings holds every token of the stored text outside the long field, and nothing else."""
    fields = ("title", "columns", "keywords", "facets")
    with database.writing() as connection:
        connection.execute(sa.text("create virtual table temp.told using fts5vocab(main, search_heading, instance)"))
        told = sorted((doc, col, offset, term) for term, doc, col, offset in connection.execute(sa.text("select * from temp.told")))
        connection.execute(sa.text("drop table temp.told"))
        stored = connection.execute(sa.text(f"select rowid as rid, {', '.join(fields)} from search_text")).mappings()
        assert told == sorted((row["rid"], name, i, term) for row in stored for name in fields for i, term in enumerate(row[name].split()))
        assert told


def exported(url: str) -> str:
    """All that a catalog holds, as text."""
    database = Database(url)
    try:
        with database.reading() as connection:
            return "".join(export(connection))
    finally:
        database.close()
