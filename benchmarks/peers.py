"""The tools we are compared with: an environment of their own, made on demand, and one script per tool that times itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements-peers.txt"


class PeerFailed(Exception):
    """A peer could not be installed or did not do its work."""


class Peers:
    """Peers in the virtual environment at `home`, which is made if it lacks what the requirements name."""

    def __init__(self, home: Path = HERE / ".venv-peers") -> None:
        self.python = home / "bin" / "python"
        installed = home / "installed.txt"
        wanted = REQUIREMENTS.read_text(encoding="utf-8")
        if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
            return
        print(f"installing the peers into {home}", file=sys.stderr)
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)])
        installed.write_text(wanted, encoding="utf-8")

    def seconds(self, tool: str, work: str, *arguments: object) -> float:
        """Seconds a tool needs for a piece of work, by its own clock: start-up and imports do not count."""
        # -P: the modules beside the script are ours, not the peer's
        command = [str(self.python), "-P", str(HERE / f"peer_{tool}.py"), work, *map(str, arguments)]
        return _reported(_run(command))["seconds"]


def in_process(module: str, *arguments: object) -> dict[str, float]:
    """The times, in seconds, that a module of ours reports when it is run in a fresh process of this environment."""
    return _reported(_run([sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *map(str, arguments)], cwd=HERE.parent))


def report(**seconds: float) -> None:
    """What a timed process prints last."""
    print(json.dumps(seconds), flush=True)


def _reported(output: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def _run(command: list[str], cwd: Path | None = None) -> str:
    # a virtual environment in use, and Dagster's or dlt's own settings, are not the peers'
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VIRTUAL_ENV", "PYTHON", "DAGSTER", "DATAPRODUCTS", "DLT", "DBT"))}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=kept, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise PeerFailed(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    return done.stdout
