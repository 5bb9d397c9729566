"""Search indexes on both databases: empty ones, and one with the corpus in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dataproducts.catalog.search import index
from dataproducts.catalog.search.index import SearchPage, SearchRequest
from tests.catalog.search.catalog import documents

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="session", params=ENGINES)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], sa.Engine]:
    """Makes empty databases on one of the engines."""
    if request.param == "sqlite":
        folder, number = tmp_path_factory.mktemp("search"), itertools.count()
        return lambda: sqlite(folder / f"{next(number)}.db")
    server = request.getfixturevalue("postgres")
    return lambda: sa.create_engine(server.new())


@pytest.fixture
def empty(backend: Callable[[], sa.Engine]) -> Iterator[sa.Engine]:
    """A database with an empty index."""
    engine = backend()
    with engine.begin() as connection:
        index.create(connection)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def corpus(backend: Callable[[], sa.Engine]) -> Iterator[sa.Engine]:
    """A database with the corpus, for tests that only read."""
    engine = backend()
    with engine.begin() as connection:
        index.create(connection)
        index.put(connection, documents())
    yield engine
    engine.dispose()


def sqlite(path: Path) -> sa.Engine:
    """SQLite as the catalog opens it: write-ahead log, transactions begun by us."""
    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def _(raw: Any, _record: Any) -> None:
        raw.isolation_level = None
        raw.execute("pragma journal_mode=wal")

    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin"))
    return engine


def ask(engine: sa.Engine, text: str = "", **more: Any) -> SearchPage:
    """One search, without hurry."""
    with engine.connect() as connection:
        return index.search(connection, SearchRequest(text, **{"budget_seconds": 10, **more}))


def ids(engine: sa.Engine, text: str = "", **more: Any) -> list[str]:
    """What it finds, in order."""
    return [hit.id for hit in ask(engine, text, **more).hits]
