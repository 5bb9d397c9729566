"""The image, built once where that can be done, and a database as the local overlay makes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import postgres as pg
from tests.addresses import free_port
from tests.deploy.dockerfile import Image, perform
from tests.deploy.kustomize import KUBERNETES, ROOT


@pytest.fixture
def image() -> Iterator[Image]:
    """The image as a folder that its user cannot write to but for /scratch. It takes half a minute to build, so one test has it."""
    root = Path(tempfile.mkdtemp(prefix="image"))
    try:
        root.chmod(0o755)
        yield perform((ROOT / "deploy/Dockerfile").read_text(), (ROOT / ".dockerignore").read_text(), ROOT, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@dataclass(frozen=True)
class Databases:
    """A server that listens as one in a cluster does, with the two databases."""

    port: int
    dagster: dict[str, str]
    catalog: dict[str, str]


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Made by the script of the local overlay."""
    if pg.binaries() is None:
        pytest.skip("needs a PostgreSQL server (apt: postgresql)")
    port = free_port()
    with pg.server() as server:
        server.stop()
        settings = f"-c listen_addresses=127.0.0.1 -c port={port} -k {server.folder} -c fsync=off"
        server._run("pg_ctl", "-D", str(server.folder / "data"), "-w", "-l", str(server.folder / "log"), "-o", settings, "start")
        passwords = {"DAGSTER_PASSWORD": "it's; secret", "CATALOG_PASSWORD": "other"}
        where = {"PATH": f"{server.bin}:{os.environ['PATH']}", "PGHOST": "127.0.0.1", "PGPORT": str(port)}
        script = KUBERNETES / "overlays/local/databases.sh"
        done = subprocess.run(["sh", str(script)], env={**where, **passwords}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield Databases(
            port,
            {
                "DAGSTER_PG_HOST": "127.0.0.1", "DAGSTER_PG_PORT": str(port), "DAGSTER_PG_DB": "dagster",
                "DAGSTER_PG_USERNAME": "dagster", "DAGSTER_PG_PASSWORD": passwords["DAGSTER_PASSWORD"],
            },
            {"CATALOG_DATABASE_URL": f"postgresql://catalog:other@127.0.0.1:{port}/catalog"},
        )  # fmt: skip
