"""Files that are written whole or not at all, and by one process at a time."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataproducts.errors import ConfigurationError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends and vanishes when it fails.

    Raises ConfigurationError, with the path and the reason, where the file cannot be written.
    """
    try:
        with replaced(path) as draft:
            yield draft
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise ConfigurationError(f"{path} cannot be written ({error.strerror or error}); give another path, or make room for it") from error


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """As `replacing`, made durable before it takes its name, and with errors as they come."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """For one process at a time, by a file that stays; made with its folder where it is not there."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
