"""A cluster for the tests of a module, as new for each of them, and this process's client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.kubernetes import server

INSTANCE = {
    "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
    "telemetry": {"enabled": False},
}
"""What Dagster's instances have besides their launcher: no queue, and no processes that copy what runs print."""


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


@pytest.fixture(scope="session")
def may() -> Callable[[str], set[str]]:
    """What a role of the deployment lets its holder do, as "create pods"."""
    rights = Path(__file__).parents[2] / "deploy/kubernetes/base/rights/rights.yaml"
    documents = [one for one in yaml.safe_load_all(rights.read_text()) if one["kind"] == "Role"]
    roles = {one["metadata"]["name"]: one["rules"] for one in documents}
    return lambda name: {f"{verb} {resource}" for rule in roles[name] for resource in rule["resources"] for verb in rule["verbs"]}
