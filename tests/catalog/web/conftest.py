"""Catalogs as web applications: a small shop published, tokens issued."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataproducts.catalog import tokens
from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from dataproducts.catalog.web.app import create_app
from dataproducts.catalog.web.catalog import Catalog, Limits
from dataproducts.messages import ColumnOrigin, Proof
from tests.catalog.messages import LOCATION, at, check, dataset, delivery, failure, product
from tests.catalog.web.client import Answer, Client

NOW = at(30)


class Site(Client):
    """A catalog that answers."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(create_app(catalog))
        self.catalog = catalog

    def token(self, *scopes: str, name: str = "tester") -> dict[str, str]:
        """Headers of one who may do something."""
        return {"authorization": f"Bearer {tokens.issue(self.catalog.store, name, scopes)}"}

    def write(self, method: str, address: str, body: Any, *scopes: str, **headers: str) -> Answer:
        return self.ask(method, address, body=body, headers={**self.token(*scopes), **headers})


def published() -> list[Any]:
    lineage = {"id": (ColumnOrigin(subject="shop/sales", column="id"),)}
    return [
        product("shop"),
        dataset("shop/sales"),
        dataset("shop/stock", upstream=("shop/sales",), column_lineage=lineage, freshness_seconds=None),
        delivery("shop/sales", "2026-11-01", 1, 1),
        delivery("shop/sales", "2026-11-01", 2, 3),
        delivery("shop/sales", "2026-11-02", 1, 24, inputs={"shop/stock": (("2026-11-01", 1),)}),
        check("shop/sales", True, 1),
        check("shop/sales", False, 24),
        failure("shop/stock", 2),
        Proof(location=LOCATION, at=at(26), compared=3, behind=1, missing=0, dead=2, lag_seconds=12.5),
    ]


@pytest.fixture
def new_site(tmp_path: Path, empty_file: Path) -> Iterator[Callable[..., Site]]:
    """Makes catalogs of a file on SQLite, which is empty unless one is given, or on the store given; rates have no limit unless one is."""
    made: list[Site] = []

    def new(store: Store | None = None, file: Path = empty_file, **settings: Any) -> Site:
        if store is None:
            path = shutil.copyfile(file, tmp_path / f"site{len(made)}.db")
            store = Store(Database(f"sqlite:///{path}"), lambda: NOW)
        catalog = Catalog(store.database, store, **{"limits": Limits(rate=0), **settings})
        made.append(Site(catalog))
        return made[-1]

    yield new
    for site in made:
        site.close()
        site.catalog.database.close()


@pytest.fixture(scope="session")
def shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog on SQLite with all that is published."""
    path = tmp_path_factory.mktemp("shop") / "catalog.db"
    database = Database(f"sqlite:///{path}")
    assert {receipt.status for receipt in Store(database, lambda: NOW).apply(published())} == {"stored"}
    database.close()
    return path


@pytest.fixture
def site(new_site: Callable[..., Site], shop_file: Path) -> Site:
    """A shop with two datasets, on SQLite."""
    return new_site(file=shop_file)


@pytest.fixture
def any_site(new_site: Callable[..., Site], store: Store) -> Site:
    """The shop on SQLite and on PostgreSQL."""
    store.clock = lambda: NOW
    store.apply(published())
    return new_site(store)
