"""A script's own packages: a virtual environment for each set of requirements, made once by uv and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dataproducts import settings
from dataproducts.errors import ConfigurationError, SourceError
from dataproducts.files import locked

_SECONDS = 1_800


def interpreter(requirements: Path, also: Sequence[str], where: str, say: Callable[[str], None]) -> Path:
    """The Python that has the packages of a requirements file. Raises SourceError where they cannot be installed."""
    content = requirements.read_bytes()
    digest = hashlib.sha256(b"\n".join([sys.version.encode(), *(a.encode() for a in also), content])).hexdigest()[:16]
    folder = settings.home() / "scripts" / "environments" / digest
    python, done = folder / "bin" / "python", folder / "complete"
    with locked(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed meanwhile
            say(f"{where}: installing {requirements.name}")
            uv = _uv(where)
            _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], requirements, where)
            _run([uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements), *also], requirements, where)
            done.touch()
    return python


def _uv(where: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise ConfigurationError(f"{where}: uv, which installs its requirements, is not there; install dataproducts[scripts]")
    return found


def _run(command: list[str], requirements: Path, where: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(
            command, cwd=requirements.parent, capture_output=True, text=True, timeout=_SECONDS, env=environment, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{where}: {requirements.name} was not installed within {_SECONDS // 60} minutes; nothing was stored") from None
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise SourceError(f"{where}: {requirements.name} cannot be installed ({said[:500]}); nothing was stored")
