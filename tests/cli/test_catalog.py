"""`dataproducts catalog migrate`: what a deployment does before it serves."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from dataproducts.catalog.database import Database
from dataproducts.catalog.migrations import HEAD
from dataproducts.cli import cli
from dataproducts.errors import CatalogUnavailable


def migrated() -> str:
    result = CliRunner().invoke(cli, ["catalog", "migrate"], catch_exceptions=False, standalone_mode=False)
    return result.output.strip()


def test_tables_are_made_and_brought_forward_and_what_was_there_is_said(home: Path) -> None:
    assert migrated() == f"The catalog's tables are of version {HEAD}: made"
    assert migrated() == f"The catalog's tables are of version {HEAD}: there already"
    database = Database()
    with database.writing() as connection:  # as the version before the newest left it
        connection.execute(sa.text("drop index dataset_state_standing"))
        connection.execute(sa.text("drop index dataset_state_quality"))
        connection.execute(sa.text("update alembic_version set version_num = '0001'"))
    database.close()
    assert migrated() == f"The catalog's tables are of version {HEAD}: brought there from 0001"


def test_a_database_that_does_not_answer_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CATALOG_DATABASE_URL", f"postgresql://nobody@/none?host={tmp_path}")
    result = CliRunner().invoke(cli, ["catalog", "migrate"], standalone_mode=False)
    assert isinstance(result.exception, CatalogUnavailable)
