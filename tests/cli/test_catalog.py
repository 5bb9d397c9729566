"""`dataproducts catalog migrate`: what a deployment does before it serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dataproducts.catalog.database import Database
from dataproducts.catalog.migrations import HEAD, REVISIONS, upgrade
from dataproducts.cli import cli
from dataproducts.errors import CatalogUnavailable


def migrated() -> str:
    result = CliRunner().invoke(cli, ["catalog", "migrate"], catch_exceptions=False, standalone_mode=False)
    return result.output.strip()


def test_tables_are_made_once(home: Path) -> None:
    assert migrated() == f"The catalog's tables are of version {HEAD}: made"
    assert migrated() == f"The catalog's tables are of version {HEAD}: there already"


def test_tables_are_brought_forward_and_what_was_there_is_said(home: Path) -> None:
    database = Database()
    with database.remaking() as connection:
        upgrade(connection, REVISIONS[0])
    database.close()
    assert migrated() == f"The catalog's tables are of version {HEAD}: brought there from {REVISIONS[0]}"
    assert migrated() == f"The catalog's tables are of version {HEAD}: there already"


def test_a_database_that_does_not_answer_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CATALOG_DATABASE_URL", f"postgresql://nobody@/none?host={tmp_path}")
    result = CliRunner().invoke(cli, ["catalog", "migrate"], standalone_mode=False)
    assert isinstance(result.exception, CatalogUnavailable)
