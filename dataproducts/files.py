"""Files that are written whole or not at all."""

from __future__ import annotations

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
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise ConfigurationError(f"{path} cannot be written ({error.strerror or error}); give another path, or make room for it") from error
    finally:
        draft.unlink(missing_ok=True)
