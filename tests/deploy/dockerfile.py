"""Enough of a Dockerfile's language for ours: to look at it, and to do in a plain folder what a build does, where there is no Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
"""The machine's own, which every user may run."""
_REACHES = re.compile(r"(PIP|UV|SSL|REQUESTS|HTTPS?|NO|ALL)_.*", re.IGNORECASE)  # how this machine reaches a registry
_OURS = r"(?<![\w.])/(?=(?:src|opt|app|scratch|lake|etc)\b)"  # the folders of the image that its instructions name


@dataclass(frozen=True)
class Instruction:
    """A line of the file, by stage."""

    stage: str
    word: str
    rest: str

    @property
    def options(self) -> list[str]:
        """Such as `--from=build`."""
        return [part for part in self.rest.split() if part.startswith("--")]

    @property
    def arguments(self) -> list[str]:
        """What is copied, and where to."""
        return [part for part in self.rest.split() if not part.startswith("--")]


def instructions(text: str) -> list[Instruction]:
    """All of them, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found, stage = [], ""
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stage = rest.rpartition(" AS ")[2]
        found.append(Instruction(stage, word, rest.strip()))
    return found


def is_sent(path: str, ignore: str) -> bool:
    """Whether the folder of a build has a file, by its `.dockerignore`: the last pattern that names it or a folder it is in decides."""
    sent = True
    for line in (line.strip() for line in ignore.splitlines()):
        if line and not line.startswith("#"):
            pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            if re.fullmatch(f"{pattern}(/.*)?", path):
                sent = line.startswith("!")
    return sent


@dataclass
class Image:
    """A folder in which the instructions of a Dockerfile have been done, and what a container of it would have."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    user: int = 0
    folder: Path = Path("/")

    def within(self, text: str) -> str:
        """What a line says, of this folder instead of a root."""
        return re.sub(_OURS, f"{self.root}/", text)

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        """A process as a container of the image would have it: its user, its variables and no others."""
        rights = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if os.geteuid() == 0 else []
        given = {**self.variables, **options.pop("env", {})}
        return subprocess.Popen([*rights, *command], cwd=self.folder, env=given, text=True, **options)

    @contextmanager
    def running(self, command: list[str], variables: Mapping[str, str]) -> Iterator[Server]:
        """A server of the image, ended afterwards."""
        path = self.root / f"{uuid.uuid4()}.log"
        with path.open("w") as log:
            process = self.start(command, env=dict(variables), stdout=log, stderr=log)
            try:
                yield Server(process, path)
            finally:
                process.terminate()
                process.wait(30)

    def written(self) -> list[Path]:
        """Files of the image's user outside the folders that a cluster mounts."""
        mounted = {self.root / "scratch", self.root / "lake"}
        return [path for path in self.root.rglob("*") if path.lstat().st_uid == self.user and not mounted & {path, *path.parents}]


@dataclass(frozen=True)
class Server:
    """A process that stays, and what it says."""

    process: subprocess.Popen[str]
    log: Path

    def wait_for(self, sign: Callable[[], bool], seconds: int = 120) -> None:
        """Wait for a sign of it; fails where it ends before, or takes too long."""
        patience = time.monotonic() + seconds
        while not sign():
            assert self.process.poll() is None, f"it has ended: {self.log.read_text()}"
            assert time.monotonic() < patience, f"no sign of it: {self.log.read_text()}"
            time.sleep(0.3)


def perform(text: str, ignore: str, context: Path, root: Path) -> Image:
    """Do what a build does, all stages in one folder. System packages are left to the machine."""
    python = root / "base"
    subprocess.run([PYTHON or sys.executable, "-m", "venv", str(python)], check=True)
    base = {"PATH": f"{python}/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(root)}
    image, stage = Image(root, dict(base)), ""
    reaching = {name: value for name, value in os.environ.items() if _REACHES.fullmatch(name)}
    (root / "etc").mkdir()
    for one in instructions(text):
        if one.stage != stage:
            image, stage = Image(root, dict(base)), one.stage
        if one.word == "ENV":
            image.variables |= {
                name: image.within(value).replace("$PATH", image.variables["PATH"])
                for name, _, value in (pair.partition("=") for pair in one.arguments)
            }
        elif one.word == "WORKDIR":
            image.folder = Path(image.within(one.rest))
            image.folder.mkdir(parents=True, exist_ok=True)
        elif one.word == "RUN" and not one.rest.startswith("apt-get"):
            known = {**reaching, **image.variables}
            done = subprocess.run(image.within(one.rest), shell=True, cwd=image.folder, env=known, capture_output=True, text=True)
            assert done.returncode == 0, f"RUN {one.rest}: {done.stdout}{done.stderr}"
        elif one.word == "COPY" and not one.options:
            _copy(one.arguments, context, ignore, image)
        elif one.word == "USER":
            image.user = int(one.rest.partition(":")[0])
        elif one.word in ("CMD", "HEALTHCHECK"):
            told = [image.within(part) for part in json.loads(one.rest[one.rest.index("[") :])]
            if one.word == "CMD":
                image.command = told
            else:
                image.health = told
    return image


def _copy(arguments: list[str], context: Path, ignore: str, image: Image) -> None:
    *sources, target = arguments
    for source in sources:
        there = context / source
        for file in [there] if there.is_file() else sorted(path for path in there.rglob("*") if path.is_file()):
            if is_sent(str(file.relative_to(context)), ignore):
                inside = Path(source).name if target.endswith("/") else ""
                to = image.folder / target / inside / ("" if file == there else file.relative_to(there))
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, to)
