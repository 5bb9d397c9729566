"""The sample catalog, filled once, and its application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from dataproducts.catalog.web.app import create_app
from dataproducts.catalog.web.catalog import Catalog, Limits
from tests.catalog.pages import sample

BASE = "http://localhost:8080"
NO_LIMITS = Limits(rate=0)


@pytest.fixture(scope="session")
def sample_catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """The catalog of `sample`."""
    store = sample.filled(tmp_path_factory.mktemp("sample"))
    yield Catalog(store.database, store, base_url=BASE, local=True, limits=NO_LIMITS)
    store.database.close()


@pytest.fixture(scope="session")
def client(sample_catalog: Catalog) -> TestClient:
    """A browser of a kind: asks for HTML, and does not follow where it is sent."""
    headers = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-language": "nb"}
    return TestClient(create_app(sample_catalog), base_url=BASE, headers=headers, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def show(client: TestClient) -> Any:
    """The HTML of an address."""

    def show(address: str, **headers: str) -> str:
        response = client.get(address, headers=headers)
        assert response.headers["content-type"].startswith("text/html"), response.text[:500]
        assert response.status_code in (200, 404) if "finnes_ikke" in address else response.status_code == 200, response.text[:2_000]
        return response.text

    return show
