"""Catalogs for the tests, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dataproducts.catalog.database import Database
from dataproducts.catalog.search import searching
from dataproducts.catalog.store import Store
from tests import postgres as pg
from tests.catalog.messages import at

LATE = at(1000)
NO_SERVER = "needs a PostgreSQL server (apt: postgresql)"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches may take their time: what they find is not to depend on what else the machine does."""
    monkeypatch.setattr(searching, "BUDGET", 10.0)


@pytest.fixture(scope="session")
def postgres() -> Iterator[pg.Postgres]:
    """A server of the session's own."""
    if pg.binaries() is None:
        pytest.skip(NO_SERVER)
    with pg.server() as server:
        yield server


def migrated(url: str) -> None:
    """Make the tables of a catalog. A copy of an empty one is much quicker to have than one of its own."""
    database = Database(url)
    database.migrate()
    database.close()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog without a message, on SQLite."""
    path = tmp_path_factory.mktemp("catalog") / "empty.db"
    migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def empty_name(postgres: pg.Postgres) -> str:
    """The name of one on PostgreSQL."""
    url = postgres.new()
    migrated(url)
    return str(sa.make_url(url).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Database]]:
    """Makes empty databases, by name, on either engine."""
    made: list[Database] = []

    def new(name: str) -> Database:
        if request.param == "sqlite":
            path = shutil.copyfile(request.getfixturevalue("empty_file"), tmp_path / f"{name}.db")
            database = Database(f"sqlite:///{path}")
        else:
            database = Database(request.getfixturevalue("postgres").new(request.getfixturevalue("empty_name")))
        made.append(database)
        return database

    yield new
    for database in made:
        database.close()


@pytest.fixture
def new_store(new_database: Callable[[str], Database]) -> Callable[..., Store]:
    """Makes empty stores, by name, whose clock stands still or is the one given."""

    def new(name: str, now: datetime | Callable[[], datetime] = LATE) -> Store:
        clock: Any = now if callable(now) else lambda: now
        return Store(new_database(name), clock)

    return new


@pytest.fixture
def store(new_store: Callable[..., Store]) -> Store:
    """An empty store, late in the year that the messages are of."""
    return new_store("catalog")
