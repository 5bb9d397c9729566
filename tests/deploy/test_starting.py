"""The image, and the deployment as it stands in the manifests, started from nothing: each container's command, variables and probes, in a
folder that is the image, on databases that the local overlay's script has made. Only runs are not pods: there is no cluster to make them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml

from dataproducts.manifests.jobs import INSTANCE, INSTANCE_FOLDER, INSTANCE_SECRET, SETTINGS
from tests.addresses import free_port
from tests.deploy.conftest import Databases
from tests.deploy.dockerfile import Image, Server
from tests.deploy.kustomize import KUBERNETES, ROOT, Cluster

PORTS = {"code-location": "4000", "webserver": "3000", "catalog": "8080"}


class Deployment:
    """The pods of a cluster on this machine."""

    def __init__(self, image: Image, databases: Databases) -> None:
        self.image, self.cluster = image, Cluster(KUBERNETES / "overlays/local")
        self.ports = {name: str(free_port()) for name in PORTS}
        self.secrets = {
            INSTANCE_SECRET: databases.dagster,
            "catalog-postgresql": databases.catalog,
            SETTINGS: {"DATAPRODUCTS_ERASURE_KEY": "a5" * 32},
        }
        for folder in ("lake", "opt/dagster"):
            (image.root / folder).mkdir()
        (image.root / "lake").chmod(0o777)
        files = self.cluster.of("ConfigMap")[INSTANCE]["data"]
        instance = yaml.safe_load(files["dagster.yaml"])
        del instance["run_launcher"]
        workspace = yaml.safe_load(files["workspace.yaml"])
        server = workspace["load_from"][0]["grpc_server"]
        server |= {"host": "127.0.0.1", "port": int(self.ports[server["host"]])}
        for name, content in {"dagster.yaml": instance, "workspace.yaml": workspace}.items():
            Path(self.here(INSTANCE_FOLDER), name).write_text(self.here(yaml.dump(content)))

    def here(self, text: str) -> str:
        """A line of a manifest as it is on this machine."""
        for name, port in PORTS.items():
            text = re.sub(rf"^{port}$", self.ports[name], text.replace(f"//{name}:{port}", f"//127.0.0.1:{self.ports[name]}"))
        return self.image.within(text)

    def containers(self, pod: str, kind: str = "containers") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cluster.pods()[pod]["spec"].get(kind, [])
        return found

    def variables(self, container: dict[str, Any]) -> dict[str, str]:
        """What the container sees."""
        given: dict[str, str] = {}
        for source in container["envFrom"]:
            (kind, reference), *_ = source.items()
            given |= self.cluster.of("ConfigMap")[SETTINGS]["data"] if kind == "configMapRef" else self.secrets[reference["name"]]
        given |= {one["name"]: one.get("value", "dataproducts") for one in container["env"]}
        return {name: self.here(value) for name, value in given.items()}

    def does(self, container: dict[str, Any], *more: str) -> str:
        """What a command says that ends well."""
        told = [self.here(part) for part in more or container["command"]]
        process = self.image.start(told, env=self.variables(container), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, f"{told}: {output}{errors}"
        return output

    def start(self, pod: str, stack: ExitStack) -> Server:
        """What begins it, then the server, until its probe says that it has begun."""
        for before in self.containers(pod, "initContainers"):
            self.does(before)
        (container,) = self.containers(pod)
        variables = self.variables(container)
        server = stack.enter_context(self.image.running([self.here(part) for part in container["command"]], variables))
        for probe in ("startupProbe", "livenessProbe", *(["readinessProbe"] if "readinessProbe" in container else [])):
            server.wait_for(lambda asked=container[probe]: self._is_well(pod, asked, variables))
        return server

    def _is_well(self, pod: str, probe: dict[str, Any], variables: dict[str, str]) -> bool:
        if "exec" in probe:
            process = self.image.start(probe["exec"]["command"], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return process.wait() == 0
        if "grpc" in probe:
            return serves(self.ports[pod], probe["grpc"]["service"])
        return self.asked(pod, probe["httpGet"]["path"]) is not None

    def asked(self, pod: str, path: str) -> str | None:
        """What a server answers; None where it does not, or not yet."""
        try:
            with urlopen(f"http://127.0.0.1:{self.ports[pod]}{path}", timeout=10) as found:
                return str(found.read().decode())
        except (URLError, HTTPError, ConnectionError):
            return None


def serves(port: str, service: str) -> bool:
    """What Kubernetes' own probe of gRPC would be told."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            told = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        except grpc.RpcError:
            return False
    return bool(told.status == health_pb2.HealthCheckResponse.SERVING)


def holds_what_the_lock_says(image: Image) -> None:
    """And no tool of developers, and every file of the products."""
    locked = {line.partition(";")[0].strip() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    listed = [f"{image.root}/base/bin/uv", "pip", "freeze", "--python", f"{image.root}/opt/venv/bin/python"]
    installed = set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines())
    ours = {line for line in installed if line.startswith("dataproducts")}
    assert len(ours) == 1
    assert installed - ours <= locked
    assert not {"pytest", "mypy", "ruff", "moto", "playwright"} & {line.partition("==")[0] for line in installed}
    assert (image.root / "app/assets/enhetsregisteret/product.yaml").exists()
    assert not list((image.root / "app").rglob("*.pyc"))


def serves_by_itself(image: Image) -> None:
    """As `docker run` would start it, and says that it is well."""
    port = str(free_port())
    told, health = ([part if part != "4000" else port for part in parts] for parts in (image.command, image.health))
    with image.running(told, {}) as server:
        server.wait_for(lambda: image.start(health, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait() == 0)


def starts_from_nothing(deployment: Deployment) -> None:
    """All of its pods; the sensor tells the catalog what there is, the doctor finds nothing wrong."""
    with ExitStack() as stack:
        deployment.start("catalog", stack)
        (catalog,) = deployment.containers("catalog")
        token = deployment.does(catalog, "dataproducts", "catalog", "token", "issue", "location", "publish:dataproducts")
        deployment.secrets[SETTINGS]["CATALOG_TOKEN"] = token.strip()
        deployment.start("code-location", stack)
        daemon = deployment.start("daemon", stack)
        deployment.start("webserver", stack)

        def is_told() -> bool:
            found = deployment.asked("catalog", "/api/v1/search?q=organisasjonsformer&limit=1")
            return bool(found and json.loads(found)["items"])

        daemon.wait_for(is_told)
        (doctor,), (housekeeping,) = deployment.containers("doctor"), deployment.containers("housekeeping")
        assert "!!" not in deployment.does(doctor)
        assert "events of more than 90 days ago removed" in deployment.does(housekeeping)


@pytest.mark.skipif(not os.environ.get("CI") or os.geteuid() != 0, reason="installs all that production needs, as root: in CI")
def test_the_image_works_and_a_deployment_of_it_starts_from_nothing(image: Image, databases: Databases) -> None:
    holds_what_the_lock_says(image)
    serves_by_itself(image)
    starts_from_nothing(Deployment(image, databases))
    assert not image.written(), "written where a cluster mounts nothing"
