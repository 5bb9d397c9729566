"""What the kustomizations under `deploy/` come to, as kustomize itself makes it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"


def command() -> list[str] | None:
    """How kustomize is called here; None where it is not there."""
    if path := shutil.which("kustomize"):
        return [path, "build"]
    if path := shutil.which("kubectl"):
        return [path, "kustomize"]
    return None


@cache
def rendered(folder: Path) -> tuple[dict[str, Any], ...]:
    """The documents that a cluster would be given."""
    found = command()
    assert found is not None
    done = subprocess.run([*found, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


class Cluster:
    """These documents, by what is asked of them."""

    def __init__(self, folder: Path) -> None:
        self.documents = rendered(folder)

    def of(self, kind: str) -> dict[str, Any]:
        """Documents of a kind, by name."""
        return {one["metadata"]["name"]: one for one in self.documents if one["kind"] == kind}

    def pods(self) -> dict[str, Any]:
        """Templates of pods, by the name of what makes them."""
        jobs = {name: one["spec"]["jobTemplate"]["spec"]["template"] for name, one in self.of("CronJob").items()}
        return {name: one["spec"]["template"] for kind in ("Deployment", "StatefulSet") for name, one in self.of(kind).items()} | jobs

    def containers(self) -> list[tuple[str, dict[str, Any]]]:
        """Every container, with the name of its pod."""
        return [
            (name, one) for name, pod in self.pods().items() for one in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
        ]
