"""`deploy/Dockerfile`: what it may hold, and that its steps give an image whose user writes nothing but /scratch."""

from __future__ import annotations

import json
import re
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from dataproducts.manifests.jobs import INSTANCE_FOLDER, SCRATCH_FOLDER
from tests.deploy.conftest import Databases, free_port
from tests.deploy.dockerfile import Image, instructions, is_sent
from tests.deploy.kustomize import KUBERNETES, ROOT

TEXT, IGNORE = (ROOT / "deploy/Dockerfile").read_text(), (ROOT / ".dockerignore").read_text()
LINES = instructions(TEXT)
LAST = LINES[-1].stage


def lines(word: str, stage: str | None = None) -> list[str]:
    return [one.rest for one in LINES if one.word == word and stage in (None, one.stage)]


def test_the_base_is_of_one_version_and_nothing_names_a_registry() -> None:
    (base,) = lines("ARG")
    assert re.fullmatch(r"PYTHON=python:3\.11\.\d+-slim-[a-z]+", base)
    assert {line.partition(" AS ")[0] for line in lines("FROM")} == {"${PYTHON}"}
    assert not re.search(r"https?://|index-url|extra-index", TEXT)


def test_it_runs_as_a_user_by_number_that_is_not_root() -> None:
    user, group = lines("USER", LAST)[-1].split(":")
    assert int(user) > 0
    assert int(group) > 0
    words = [one.word for one in LINES if one.stage == LAST]
    assert not {"RUN", "COPY"} & set(words[words.index("USER") :]), "what comes after would be the user's to change"
    for overlay in ("base/dagster", "base/catalog"):
        for file in (KUBERNETES / overlay).glob("*.yaml"):
            assert set(re.findall(r"runAsUser: (\d+)", file.read_text())) <= {user}


def test_what_is_installed_is_a_layer_before_the_code() -> None:
    steps = [(one.word, one.rest) for one in LINES if one.stage == "build"]
    locked = next(number for number, (word, rest) in enumerate(steps) if word == "RUN" and "pyproject.toml" in rest)
    code = next(number for number, (word, rest) in enumerate(steps) if word == "COPY" and rest.startswith("dataproducts"))
    assert locked < code
    assert {rest for word, rest in steps[:locked] if word == "COPY"} == {"pyproject.toml requirements.lock ./"}
    assert all("requirements.lock" in rest or "--no-deps" in rest for word, rest in steps if word == "RUN" and "install" in rest)


def test_production_has_every_extra_but_that_of_developers() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"--extra (\w+)", TEXT)) == set(extras) - {"dev"}


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    sources = {source for one in LINES if one.word == "COPY" and not one.options for source in one.arguments[:-1]}
    sent = {path for path in tracked if is_sent(path, IGNORE)}
    for source in sources:
        assert any(path == source or path.startswith(f"{source}/") for path in sent), source
    assert {path.partition("/")[0] for path in sent} == sources
    for path in (
        ".env",
        ".git/config",
        "tests/conftest.py",
        "assets/.env.local",
        "dataproducts/__pycache__/a.pyc",
        ".dataproducts/erasure.key",
    ):
        assert not is_sent(path, IGNORE), path
    assert not re.search(r"(?i)(secret|password|token|key)=", TEXT)


def test_what_is_written_goes_to_the_folder_that_clusters_mount() -> None:
    variables = dict(pair.split("=", 1) for line in lines("ENV", LAST) for pair in line.split())
    assert variables["HOME"] == variables["TMPDIR"] == SCRATCH_FOLDER
    assert all(variables[name].startswith(f"{SCRATCH_FOLDER}/") for name in ("DATAPRODUCTS_HOME", "DAGSTER_HOME"))
    assert "HEALTHCHECK" in {one.word for one in LINES if one.stage == LAST}


def test_its_steps_give_what_the_lock_says_and_no_tool_of_developers(image: Image) -> None:
    locked = {line.partition(";")[0].strip() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    listed = [f"{image.root}/base/bin/uv", "pip", "freeze", "--python", f"{image.root}/opt/venv/bin/python"]
    installed = set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines())
    ours = {line for line in installed if line.startswith("dataproducts")}
    assert len(ours) == 1
    assert installed - ours <= locked
    assert not {"pytest", "mypy", "ruff", "moto", "playwright"} & {line.partition("==")[0] for line in installed}
    assert (image.root / "app/assets/enhetsregisteret/product.yaml").exists()
    assert not list((image.root / "app").rglob("*.pyc"))


def test_a_container_serves_the_code_and_says_that_it_is_well(image: Image) -> None:
    command = [part if part != "4000" else str(port) for port in [free_port()] for part in image.command]
    port = command[command.index("-p") + 1]
    health = [part if part != "4000" else port for part in image.health]
    with running(image, command) as server:
        patience = time.monotonic() + 90
        while server.poll() is None and time.monotonic() < patience:
            if image.start(health, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait() == 0:
                break
        else:
            pytest.fail(f"it does not say that it is well: {(image.root / 'log').read_text()}")
        assert probed(int(port)) == "SERVING"
    assert not written(image)


def test_a_deployment_starts_from_empty_databases(image: Image, databases: Databases) -> None:
    instance = yaml.safe_load((KUBERNETES / "base/dagster/dagster.yaml").read_text())
    del instance["run_launcher"]  # it asks the cluster when it is made
    home = Path(image.within(INSTANCE_FOLDER))
    home.mkdir()
    (home / "dagster.yaml").write_text(image.within(yaml.dump(instance)))
    pages, catalog = free_port(), free_port()
    settings = {**databases.dagster, **databases.catalog, "DAGSTER_HOME": str(home), "DATAPRODUCTS_ENV": "local"}
    for init in (["dagster", "instance", "migrate"], ["dataproducts", "catalog", "migrate"]):
        process = image.start(init, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = process.communicate()
        assert process.returncode == 0, said
    webserver = ["dagster-webserver", "-h", "127.0.0.1", "-p", str(pages), "--empty-workspace"]
    serve = ["dataproducts", "catalog", "serve", "--host", "127.0.0.1", "--port", str(catalog)]
    with running(image, webserver, settings), running(image, serve, settings):
        assert "dagster_version" in answer(f"http://127.0.0.1:{pages}/server_info")
        assert answer(f"http://127.0.0.1:{catalog}/health/ready").strip() == '"ready"'
    assert not written(image)


@contextmanager
def running(image: Image, command: list[str], variables: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A server of the image, ended afterwards."""
    with (image.root / "log").open("w") as log:
        process = image.start(command, env=variables or {}, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def answer(url: str) -> str:
    """What a server says, once it does, as JSON."""
    patience = time.monotonic() + 90
    while True:
        try:
            with urlopen(url, timeout=10) as found:
                text = found.read().decode()
            return text if text.startswith("{") else json.dumps(text.strip())
        except (URLError, ConnectionError):
            assert time.monotonic() < patience, f"{url} does not answer"
            time.sleep(0.3)


def probed(port: int) -> str:
    """What Kubernetes' own probe of gRPC would be told."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    service = re.findall(r"service: (\w+)}", (KUBERNETES / "base/dagster/code-location.yaml").read_text())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        told: Any = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service[0]), timeout=10)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(told.status))


def written(image: Image) -> list[Path]:
    """Files of the image's user outside the folder it may write to."""
    return [
        path for path in image.root.rglob("*") if path.lstat().st_uid == image.user and image.root / "scratch" not in [path, *path.parents]
    ]
