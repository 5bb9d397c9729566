"""A script that is ready to run, and where it may be run: as a process here, or elsewhere by whoever keeps the same promise."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dataproducts.errors import ConfigurationError
from dataproducts.scripts import process
from dataproducts.scripts.environments import interpreter

Say = Callable[[str], None]

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NO_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
"""Variables of ours that a script sees, besides those it is declared to."""


@dataclass(frozen=True)
class Requirements:
    """A script's own packages: the file that lists them, and what is installed beside."""

    file: Path
    also: Sequence[str] = ()


@dataclass(frozen=True)
class Task:
    """One run of a script: all that it is given lies below `work`, and its rows are expected at `output`.

    `where` names the partition for a sentence, `what` the script. An empty command is the image's own. `memory` is in bytes. `say` takes
    each line that it writes, without secrets; `message` takes those that are messages for Dagster, and says whether it has.
    """

    where: str
    what: str
    work: Path
    folder: Path
    command: Sequence[str]
    arguments: Sequence[str]
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    output: Path
    seconds: float
    memory: int | None
    image: str | None
    requirements: Requirements | None
    say: Say
    message: Callable[[str], bool] = lambda line: False


class Place(Protocol):
    """Where scripts are run."""

    def python(self, work: Path, requirements: Requirements, where: str, say: Say) -> Path:
        """The Python that has these packages when the script runs; `work` is its folder."""

    def run(self, task: Task) -> process.Ended:
        """Run it to its end; what it has written to `output` is there afterwards."""


class Here:
    """A process of this machine."""

    def python(self, work: Path, requirements: Requirements, where: str, say: Say) -> Path:
        """As `Place` has it; installed now, once for each content."""
        return interpreter(requirements.file, requirements.also, where, say)

    def run(self, task: Task) -> process.Ended:
        """As `Place` has it. Raises ConfigurationError for what cannot be run here."""
        if task.image is not None:
            raise ConfigurationError(
                f"{task.where}: {task.what} runs in the image {task.image}, for which there has to be a cluster; "
                "materialize it where Dagster's runs are launched on Kubernetes"
            )
        command = [*task.command, *task.arguments]
        variables = {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(task.variables) | dict(task.secrets)
        try:
            return process.run(
                command,
                task.folder,
                variables,
                say=task.say,
                seconds=task.seconds,
                memory=task.memory,
                secrets=tuple(task.secrets.values()),
            )
        except FileNotFoundError:
            raise ConfigurationError(f"{task.where}: {command[0]}, which runs {task.what}, is not installed") from None
