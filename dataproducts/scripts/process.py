"""One process with a limit on its time and memory, whose output is passed on line by line without secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

KEPT_LINES, LONGEST_LINE = 40, 10_000
_PATIENCE = 5.0  # seconds between asking a process to end and ending it
_NO_MEMORY = ("MemoryError", "bad_alloc", "Cannot allocate memory", "out of memory", "realloc failed", "malloc")
HIDDEN = "***"


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status (negative: the signal that ended it), the last lines it wrote, and what we ended it for.

    `trouble` is what else befell it, as a clause that begins with "it".
    """

    status: int
    lines: tuple[str, ...]
    stopped: Literal["time"] | None = None
    trouble: str = ""

    @property
    def memory(self) -> bool:
        """Whether it says that it ran out of memory, or was killed by something other than us, which is mostly that."""
        return (self.status == -signal.SIGKILL and self.stopped is None) or (
            self.status != 0 and any(said in line for line in self.lines[-5:] for said in _NO_MEMORY)
        )

    @property
    def last(self) -> str:
        """The last line it wrote that is not empty."""
        return next((line.strip() for line in reversed(self.lines) if line.strip()), "")


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    say: Callable[[str], None],
    seconds: float | None = None,
    memory: int | None = None,
    secrets: Sequence[str] = (),
) -> Ended:
    """Run a command to its end, with all it has started. Raises OSError where it cannot be started.

    `memory` is in bytes, held on Linux. Where the caller is interrupted the process goes too.
    """
    process = subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        if memory is not None and sys.platform == "linux":
            import resource

            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (memory, memory))
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        assert process.stdout is not None
        reader = threading.Thread(target=_pass_on, args=(process.stdout, lines, say, _by_length(secrets)), daemon=True)
        reader.start()
        stopped: Literal["time"] | None = None
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            stopped = "time"
            _end(process)
        _signal(process, signal.SIGKILL)  # what it left behind would keep its output open
        reader.join(_PATIENCE)
        return Ended(process.returncode, tuple(lines), stopped)
    finally:
        if process.poll() is None:
            _end(process)


def hidden(text: str, secrets: Sequence[str]) -> str:
    """The text without secrets, the longest first, since one may be part of another."""
    for secret in _by_length(secrets):
        text = text.replace(secret, HIDDEN)
    return text


def _by_length(secrets: Sequence[str]) -> list[str]:
    lines = {line for secret in secrets for line in (secret, *secret.splitlines()) if len(line.strip()) >= 4}
    return sorted(lines, key=len, reverse=True)


def _pass_on(stream: IO[bytes], lines: deque[str], say: Callable[[str], None], secrets: Sequence[str]) -> None:
    with stream:
        for raw in iter(lambda: stream.readline(LONGEST_LINE), b""):
            line = hidden(raw.decode("utf-8", "replace").rstrip("\r\n"), secrets)
            lines.append(line)
            if line.strip():
                say(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGTERM)
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
