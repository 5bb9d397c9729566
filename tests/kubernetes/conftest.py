"""A cluster for the tests of a module, as new for each of them, and this process's client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes import server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[server.Cluster, Path]]:
    """A cluster and its kubeconfig."""
    with server.serving(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def cluster(served: tuple[server.Cluster, Path]) -> Iterator[server.Cluster]:
    """The cluster, with nothing in it."""
    found, _ = served
    yield found
    found.clear()
