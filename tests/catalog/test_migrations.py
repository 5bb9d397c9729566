"""Every earlier catalog comes to this version of the code with all it holds; one of a later version is refused.

`tests/data/catalog/<revision>.jsonl` is what a catalog of that revision held: a line is a table's name and a row of it. Before a revision is
added, `python -m tests.catalog.lived` writes the file of the one that becomes an earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from dataproducts.backup import catalog as kept
from dataproducts.catalog import migrations
from dataproducts.catalog.database import Database
from dataproducts.catalog.export import export
from dataproducts.catalog.migrations import HEAD, REVISIONS, upgrade
from dataproducts.catalog.search.index import SearchRequest, search
from dataproducts.catalog.store import Store
from dataproducts.catalog.tables import metadata
from dataproducts.errors import ConfigurationError
from tests.catalog.conftest import LATE
from tests.catalog.lived import FOLDER, assert_headings_agree, lines
from tests.catalog.messages import delivery


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without tables, on either engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    return str(request.getfixturevalue("postgres").new())


def read(revision: str) -> list[str]:
    return (FOLDER / f"{revision}.jsonl").read_text(encoding="utf-8").splitlines()


def earlier(url: str, revision: str) -> None:
    """Make a catalog of that revision, with what it held."""
    database = Database(url)
    held: dict[str, list[Any]] = {}
    for name, row in map(json.loads, read(revision)):
        held.setdefault(name, []).append(row)
    with database.remaking() as connection:
        upgrade(connection, revision)
        for name, rows in held.items():
            kept.fill(connection, name, rows)
        kept.go_on_counting(connection)
        kept.find_again(connection)
    database.close()


def test_every_revision_is_known_and_each_earlier_one_has_rows_in_every_table_of_it(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert [one.revision for one in scripts.walk_revisions()][::-1] == list(REVISIONS)
    assert scripts.get_current_head() == HEAD
    for revision in REVISIONS[:-1]:
        database = Database(f"sqlite:///{tmp_path}/{revision}.db")
        with database.remaking() as connection:
            upgrade(connection, revision)
            assert {json.loads(line)[0] for line in read(revision)} == set(kept.names(connection))


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_earlier_catalog_comes_forward_with_all_it_holds_and_lives_on(revision: str, url: str) -> None:
    earlier(url, revision)
    database = Database(url)
    with database.reading() as connection:
        assert database._head(connection) == HEAD
        assert lines(connection) == read(revision)
        hits = search(connection, SearchRequest(text="salg", limit=50, budget_seconds=10)).hits
        assert "dataset:shop/sales" in {hit.id for hit in hits}
        before = "".join(export(connection))
    Store(database, lambda: LATE).apply([delivery(hours=950)])
    with database.reading() as connection:
        assert "".join(export(connection)) != before
    database.close()


def test_an_earlier_catalog_gets_its_index_of_headings_and_keeps_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    earlier(url, "0002")
    database = Database(url)
    with database.remaking() as connection:  # as tables of that revision were
        connection.execute(sa.text("drop table search_heading"))
    with database.reading() as connection:
        assert "dataset:shop/sales" in {hit.id for hit in search(connection, SearchRequest(text="sales", budget_seconds=10)).hits}
    assert_headings_agree(database)
    Store(database, lambda: LATE).apply([delivery(hours=950)])
    assert_headings_agree(database)
    database.close()


def test_models_and_migrations_agree(url: str) -> None:
    database = Database(url)
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or not str(name).startswith("search_"),
            },
        )
        assert compare_metadata(context, metadata) == []
    database.close()


def test_a_catalog_of_a_later_version_is_refused_in_one_sentence_and_left_as_it_is(url: str) -> None:
    database = Database(url)
    database.migrate()
    with database.writing() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    database.close()
    sentence = "the catalog's database is of revision 9999, and this version of dataproducts knows .* at most; use the newer version"
    attempts: list[Callable[[Database], Any]] = [
        lambda one: one.migrate(),
        lambda one: one.reading().__enter__(),
        lambda one: one.writing().__enter__(),
        lambda one: one.as_it_is().__enter__(),
        lambda one: one.remaking().__enter__(),
    ]
    for attempt in attempts:
        with pytest.raises(ConfigurationError, match=sentence) as raised:
            attempt(Database(url))
        assert "\n" not in str(raised.value)
