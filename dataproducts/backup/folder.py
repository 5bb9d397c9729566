"""The folder of a backup: parts with lines of JSON, and a manifest that is written last and says what each of them has to be."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataproducts.errors import ConfigurationError

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Part:
    """A file of a backup: its path in the folder, lines of JSON in it, bytes, and their SHA-256 in hex."""

    name: str
    lines: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup is of. `made_at` is UTC in ISO 8601, `dataproducts` a version of ours, `catalog` the revision of its tables.

    `catalog` is None where there was no catalog. `erasure_key` is the name, not the key, that hashes of the registry were made with.
    """

    format: int
    made_at: str
    dataproducts: str
    location: str
    catalog: str | None
    erasure_key: str | None
    parts: tuple[Part, ...]

    def part(self, name: str) -> Part | None:
        """The part of a name, where the backup has one."""
        return next((part for part in self.parts if part.name == name), None)

    def text(self) -> str:
        """The manifest with a hash of itself."""
        held = asdict(self)
        return json.dumps({**held, "sha256": _digest(held)}, ensure_ascii=False, indent=2) + "\n"


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `folder` when the block ends and vanishes when it fails.

    Raises ConfigurationError where `folder` holds something, or where there is no room.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is there already, and a backup is never written over; give another folder")
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        with _told(folder):
            draft.mkdir(parents=True)
        yield draft
        with _told(folder):
            for place in (*(path for path in draft.rglob("*") if path.is_dir()), draft):
                _durable(place)
            draft.replace(folder)
            _durable(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write(folder: Path, name: str, lines: Iterable[str]) -> Part:
    """Write a part; the same lines are the same bytes."""
    path, count = folder / name, 0
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=4, mtime=0, filename="") as packed:
                for line in lines:
                    packed.write(line.encode() + b"\n")
                    count += 1
            file.flush()
            os.fsync(file.fileno())
        return Part(name, count, path.stat().st_size, _sha256(path))


def finish(folder: Path, manifest: Manifest) -> None:
    """Write the manifest."""
    with _told(folder / MANIFEST), (folder / MANIFEST).open("x", encoding="utf-8") as file:
        file.write(manifest.text())
        file.flush()
        os.fsync(file.fileno())


def checked(folder: Path) -> Manifest:
    """The manifest of a backup of which every byte is as it was written.

    Raises ConfigurationError that names the file which is missing or damaged, or where a newer version of ours has written it.
    """
    path = folder / MANIFEST
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{folder} is no backup: there is no {MANIFEST} in it; give the folder that `backup` wrote") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror or error}); give access to it") from None
    except ValueError:
        raise _damaged(path) from None
    if not isinstance(held, dict) or held.pop("sha256", None) != _digest(held):
        raise _damaged(path)
    if held["format"] > FORMAT:
        raise ConfigurationError(
            f"{folder} was written by dataproducts {held['dataproducts']} in a newer format, {held['format']}; restore it with that version"
        )
    parts = tuple(Part(**part) for part in held.pop("parts"))
    for part in parts:
        try:
            is_whole = (folder / part.name).stat().st_size == part.bytes and _sha256(folder / part.name) == part.sha256
        except OSError as error:
            raise ConfigurationError(
                f"{folder / part.name} of the backup cannot be read ({error.strerror or error}); take another backup"
            ) from None
        if not is_whole:
            raise _damaged(folder / part.name)
    return Manifest(**held, parts=parts)


def read(folder: Path, part: Part) -> Iterator[Any]:
    """What the lines of a part say."""
    with gzip.open(folder / part.name, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield json.loads(line)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{path} of the backup cannot be written ({error.strerror or error}); make room for it, or give another folder"
        ) from error


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} of the backup is not as it was written; nothing was restored, take another backup")


def _digest(held: Any) -> str:
    return hashlib.sha256(json.dumps(held, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
