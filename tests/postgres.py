"""A PostgreSQL server of the tests' own: a cluster in a temporary folder on a socket there, thrown away at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl; None where there is no server (apt: postgresql)."""
    found = [Path(path).resolve().parent for path in [shutil.which("pg_ctl")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -float(p.parent.name))
    return next((folder for folder in found if all((folder / name).exists() for name in ("initdb", "pg_ctl", "createdb"))), None)


@dataclass(frozen=True)
class Postgres:
    """A running server. `stop` and `start` are for tests of what happens when it goes away."""

    folder: Path
    bin: Path

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def new(self, template: str = "template1") -> str:
        """A new database, empty or as another is that nobody is connected to; its URL."""
        name = f"d{uuid.uuid4().hex[:12]}"
        self._run("createdb", "-h", str(self.folder), "-U", "postgres", "-T", template, name)
        return self.url(name)

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = f"-c listen_addresses='' -k {self.folder} -c fsync=off -c max_connections=60"
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", settings, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        if os.geteuid() == 0:  # the server refuses to run as root
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env={**os.environ, "LC_ALL": "C.UTF-8"})
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr or done.stdout}")


@contextmanager
def server() -> Iterator[Postgres]:
    """Run a server for as long as it is needed."""
    where = binaries()
    assert where is not None
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: that of a socket has at most 107 characters
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        postgres = Postgres(folder, where)
        postgres._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        postgres.start()
        try:
            yield postgres
        finally:
            with suppress(RuntimeError):  # it may have been stopped
                postgres.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
