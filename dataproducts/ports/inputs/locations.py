"""Where files lie: a path, a bucket or the web; which of them fit a pattern, and their bytes on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from dataproducts.errors import ConfigurationError, PartitionUnavailable, SourceError

_CHUNK = 1 << 20
_WILD = re.compile(r"[*?\[]")
REMOTE = re.compile(r"^(https?|s3|gs)://")


@dataclass(frozen=True)
class File:
    """One file as it was read: `name` is relative to the pattern's fixed part, `path` where its bytes are on this machine."""

    name: str
    path: Path
    size: int
    sha256: str


@contextmanager
def gathered(pattern: str, where: str) -> Iterator[Iterator[File]]:
    """The files that fit, by name, fetched one at a time; what was fetched goes when the block ends.

    Raises PartitionUnavailable where there is none, SourceError where they cannot be had.
    """
    scheme = (REMOTE.match(pattern) or [None, "file"])[1]
    with tempfile.TemporaryDirectory(prefix="dataproducts-") as folder:
        if scheme in ("http", "https"):
            yield iter([_from_web(pattern, Path(folder), where)])
        elif scheme in ("s3", "gs"):
            yield _from_bucket(pattern, Path(folder), where)
        else:
            yield _from_disk(pattern.removeprefix("file://"), where)


def shown(pattern: str) -> str:
    """The pattern for a sentence: without user, password and query."""
    if not REMOTE.match(pattern):
        return pattern
    parts = urlsplit(pattern)
    return f"{parts.scheme}://{parts.hostname or parts.netloc}{parts.path}"


def _base(pattern: str) -> tuple[str, str]:
    """The folder that holds all that fits, and the pattern within."""
    wild = _WILD.search(pattern)
    at = pattern.rfind("/", 0, wild.start() if wild else len(pattern)) + 1
    return pattern[:at], pattern[at:]


def _none(pattern: str, where: str) -> PartitionUnavailable:
    return PartitionUnavailable(f"{where}: there is no file {shown(pattern)} (yet, or any more); nothing was stored")


def _from_disk(pattern: str, where: str) -> Iterator[File]:
    folder, rest = _base(pattern)
    base = Path(folder or ".")
    found = sorted(path for path in (base.glob(rest) if _WILD.search(rest) else [base / _unescaped(rest)]) if path.is_file())
    if not found:
        raise _none(pattern, where)
    for path in found:
        name = path.relative_to(base).as_posix()
        try:
            before = _stamp(path)
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
            yield File(name, path, before[0], digest.hexdigest())
            if _stamp(path) != before:
                raise SourceError(f"{where}: file {name} changed while it was read; run again; nothing was stored")
        except OSError as error:
            raise SourceError(f"{where}: file {name} cannot be read ({error.strerror or error}); nothing was stored") from error


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _unescaped(name: str) -> str:
    return re.sub(r"\[([*?\[])\]", r"\1", name)


def _from_web(pattern: str, folder: Path, where: str) -> File:
    import httpx

    path = folder / "0"
    name = PurePosixPath(urlsplit(pattern).path).name or "index"
    try:
        with httpx.stream("GET", pattern, follow_redirects=True, timeout=httpx.Timeout(60, connect=15)) as answer:
            if answer.status_code in (404, 410):
                raise _none(pattern, where)
            if answer.status_code >= 400:
                raise SourceError(f"{where}: {shown(pattern)} answers {answer.status_code}; see that it may be read; nothing was stored")
            return _kept(name, path, answer.iter_bytes(_CHUNK))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{where}: {shown(pattern)} cannot be had ({type(error).__name__}); run again; nothing was stored") from None


def _from_bucket(pattern: str, folder: Path, where: str) -> Iterator[File]:
    from pyarrow import fs

    scheme, _, rest = pattern.partition("://")
    base, wanted = _base(rest)
    try:
        files = _store(scheme)
        if _WILD.search(wanted):
            listed = files.get_file_info(fs.FileSelector(base.rstrip("/"), recursive="/" in wanted, allow_not_found=True))
            paths = sorted(i.path for i in listed if i.is_file and _fits(i.path[len(base) :], wanted))
        else:
            info = files.get_file_info(base + _unescaped(wanted))
            paths = [info.path] if info.is_file else []
        if not paths:
            raise _none(pattern, where)
        for number, path in enumerate(paths):
            kept = folder / str(number)
            with files.open_input_stream(path) as stream:
                file = _kept(path[len(base) :], kept, iter(partial(stream.read, _CHUNK), b""))
            yield file
            kept.unlink()
    except OSError as error:  # Arrow's own word for all that a store answers
        reason = str(error).splitlines()[0][:200]
        raise SourceError(f"{where}: {shown(pattern)} cannot be had ({reason}); see that it may be read; nothing was stored") from None


def _store(scheme: str) -> Any:
    """The object store, with the variables the lake takes too."""
    from pyarrow import fs

    if scheme == "gs":
        return fs.GcsFileSystem()
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not endpoint:
        return fs.S3FileSystem(region=region)
    parts = urlsplit(endpoint)
    if not parts.netloc:
        raise ConfigurationError("AWS_ENDPOINT_URL is no address; write it as https://host:port")
    return fs.S3FileSystem(region=region, endpoint_override=parts.netloc, scheme=parts.scheme)


def _fits(name: str, wanted: str) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) == len(PurePosixPath(wanted).parts) and PurePosixPath(name).match(wanted)


def _kept(name: str, path: Path, chunks: Iterable[bytes]) -> File:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            size += file.write(chunk)
    return File(name, path, size, digest.hexdigest())
