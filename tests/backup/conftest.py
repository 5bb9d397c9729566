"""Catalogs of both engines, and one on SQLite that has lived."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from tests.catalog.conftest import LATE, empty_file, empty_name, postgres  # noqa: F401 - fixtures
from tests.catalog.lived import live


@pytest.fixture(scope="session")
def lived_file(empty_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A catalog that has lived, on SQLite. Copy it."""
    path = shutil.copyfile(empty_file, tmp_path_factory.mktemp("lived") / "catalog.db")
    database = Database(f"sqlite:///{path}")
    live(Store(database, lambda: LATE))
    database.compact()
    database.close()
    return path


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Make a database the catalog's; gives its URL."""

    def used(url: str) -> str:
        monkeypatch.setenv("CATALOG_DATABASE_URL", url)
        return url

    return used


@pytest.fixture
def lived(lived_file: Path, tmp_path: Path, use: Callable[[str], str]) -> str:
    """The URL of a catalog that has lived, of this test's own and in use."""
    return use(f"sqlite:///{shutil.copyfile(lived_file, tmp_path / 'lived.db')}")
