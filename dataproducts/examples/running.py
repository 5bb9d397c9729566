"""Running one example in a process of its own, with a time limit: what it showed, or in one sentence why it did not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from dataproducts import settings
from dataproducts.messages import ExampleOutput

SECONDS = 120.0
"""How long an example may take."""
MOST_OUTPUTS = 12
MOST_BYTES = 200_000
"""Of all that one example shows."""
KINDS = {".py": "python", ".sql": "sql", ".ipynb": "notebook"}
"""Files that are run, by their endings."""

_PERSONAL = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", re.IGNORECASE),
    "a national identity number": re.compile(r"(?<!\d)[0-7]\d[0189]\d\d{2}\s?\d{5}(?!\d)"),
}


@dataclass(frozen=True)
class Outcome:
    """One run of one example. `at` is UTC, `digest` of the source that was run; `problem` in one sentence where it did not pass."""

    name: str
    digest: str
    at: datetime
    seconds: float
    outputs: tuple[ExampleOutput, ...] = ()
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it passed."""
        return self.problem is None


def files(folder: Path) -> list[Path]:
    """The examples of a product that can be run, by name."""
    found = sorted((folder / "examples").glob("*"))
    return [path for path in found if path.suffix.lower() in KINDS and path.is_file() and not path.name.startswith(("_", "."))]


def digest(source: bytes) -> str:
    """Names the source of an example."""
    return sha256(source).hexdigest()


def run(path: Path, seconds: float = SECONDS) -> Outcome:
    """Run an example against the lake in use; it works in an empty folder, and without a screen."""
    source = path.read_bytes()
    at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="example-") as scratch:
        shown = Path(scratch) / "shown.json"
        work = Path(scratch) / "work"
        work.mkdir()
        command = [sys.executable, "-m", "dataproducts.examples.worker", KINDS[path.suffix.lower()], str(path.absolute()), str(shown)]
        with subprocess.Popen(
            command, cwd=work, env=_environment(work), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                _, errors = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)  # a notebook's kernel too
                process.communicate()
                return _broken(path, source, at, f"{path.name} was still running after {seconds:g} seconds; make it shorter")
        if not shown.exists():
            last = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
            return _broken(path, source, at, f"{path.name} ended before it was done: {last}")
        told = json.loads(shown.read_text(encoding="utf-8"))
    if told["problem"]:
        return _broken(path, source, at, f"{path.name}: {told['problem']}")
    outputs = tuple(ExampleOutput.model_validate(one) for one in told["outputs"])
    if (why := fault(outputs)) is not None:
        return _broken(path, source, at, f"{path.name} {why}")
    return Outcome(path.name, digest(source), at, _since(at), outputs)


def _environment(work: Path) -> dict[str, str]:
    paths = [str(Path.cwd()), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        **os.environ,
        "DATAPRODUCTS_HOME": str(settings.home()),
        "DATAPRODUCTS_LAKE": settings.lake() if "://" in settings.lake() else str(Path(settings.lake()).absolute()),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "MPLBACKEND": "Agg",
        "IPYTHONDIR": str(work / ".ipython"),
        "PYTHONIOENCODING": "utf-8",
    }


def fault(outputs: tuple[ExampleOutput, ...]) -> str | None:
    """Why what an example showed cannot be shown to everybody."""
    if not outputs:
        return "shows nothing; print a result, or draw one"
    if len(outputs) > MOST_OUTPUTS:
        return f"shows {len(outputs)} things, and at most {MOST_OUTPUTS} are kept; show fewer"
    size = sum(len(one.content) for one in outputs)
    if size > MOST_BYTES:
        return f"shows {size:,} characters, and at most {MOST_BYTES:,} are kept; show fewer rows or smaller plots"
    for one in outputs:
        for what, pattern in _PERSONAL.items():
            if one.kind != "image" and pattern.search(one.content):
                return f"shows what looks like {what}; choose columns without personal data"
    return None


def _broken(path: Path, source: bytes, at: datetime, problem: str) -> Outcome:
    line = " ".join("".join(c if c.isprintable() else " " for c in problem).split())
    return Outcome(path.name, digest(source), at, _since(at), (), line if len(line) <= 500 else f"{line[:499]}…")


def _since(at: datetime) -> float:
    return round((datetime.now(UTC) - at).total_seconds(), 1)
