"""Where files are published: a folder, or a prefix of an object store. A file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from dataproducts.errors import PortError, PortUnavailable
from dataproducts.files import replaced

_PIECE = 1 << 22  # bytes copied at a time


class Place(Protocol):
    """Files by their path below the root. Raises PortError where they may not be written, PortUnavailable where that did not work now."""

    root: str

    def ready(self) -> None:
        """Make sure that files can be written."""

    def listed(self) -> dict[str, int]:
        """Every file with its size in bytes."""

    def read(self, path: str) -> bytes | None:
        """The content of a file; None where there is none."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file, in place of one that is there."""

    def bring(self, path: str, source: Path) -> None:
        """Write a file that lies on this machine."""

    def fetch(self, path: str, target: Path) -> bool:
        """Copy a file to this machine; whether there is one."""

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no fault."""

    def drafts(self, folder: str) -> list[str]:
        """Files that were begun in a folder and have no name yet: of writers that died, or are at it."""


def place(root: str) -> Place:
    """The place at a path or an object-store URL."""
    return _Bucket(root) if "://" in root else _Folder(root)


class _Folder:
    def __init__(self, root: str) -> None:
        self.root = root
        self._path = Path(root).absolute()

    def ready(self) -> None:
        with self._told():
            self._path.mkdir(parents=True, exist_ok=True)
        if not os.access(self._path, os.W_OK | os.X_OK):
            raise PortError(f"{self.root} is read-only for this user; give write access, or declare another folder of the port")

    def listed(self) -> dict[str, int]:
        with self._told():
            found = [p for p in self._path.rglob("*") if not p.name.startswith(".") and p.is_file()]
            return {p.relative_to(self._path).as_posix(): p.stat().st_size for p in found}

    def read(self, path: str) -> bytes | None:
        with self._told():
            try:
                return (self._path / path).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, path: str, content: bytes) -> None:
        target = self._path / path
        with self._told():
            target.parent.mkdir(parents=True, exist_ok=True)
            with replaced(target) as draft:
                draft.write_bytes(content)

    def bring(self, path: str, source: Path) -> None:
        target = self._path / path
        with self._told():
            target.parent.mkdir(parents=True, exist_ok=True)
            with replaced(target) as draft, source.open("rb") as given, draft.open("wb") as taken:
                while piece := given.read(_PIECE):
                    taken.write(piece)

    def fetch(self, path: str, target: Path) -> bool:
        with self._told():
            try:
                target.write_bytes((self._path / path).read_bytes())
            except FileNotFoundError:
                return False
            return True

    def remove(self, path: str) -> None:
        with self._told():
            (self._path / path).unlink(missing_ok=True)

    def drafts(self, folder: str) -> list[str]:
        with self._told():
            return [p.relative_to(self._path).as_posix() for p in (self._path / folder).glob(".*") if p.is_file()]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _unavailable(self.root, error) from error


class _Bucket:
    """An object appears when its upload ends, and not before. Endpoint and credentials come from the environment, as for the lake."""

    def __init__(self, root: str) -> None:
        self.root = root

    def ready(self) -> None:
        with self._told():
            self._store()

    def listed(self) -> dict[str, int]:
        import pyarrow.fs as fs

        with self._told():
            found = self._store().get_file_info(fs.FileSelector("", recursive=True, allow_not_found=True))
            return {one.path.lstrip("/"): one.size for one in found if one.type == fs.FileType.File}

    def read(self, path: str) -> bytes | None:
        with self._told():
            if not self._is_there(path):
                return None
            with self._store().open_input_file(path) as stream:
                return bytes(stream.read())

    def put(self, path: str, content: bytes) -> None:
        self._upload(path, iter([content]))

    def bring(self, path: str, source: Path) -> None:
        with source.open("rb") as given:
            self._upload(path, iter(lambda: given.read(_PIECE), b""))

    def fetch(self, path: str, target: Path) -> bool:
        with self._told():
            if not self._is_there(path):
                return False
            with self._store().open_input_file(path) as stream, target.open("wb") as taken:
                while piece := stream.read(_PIECE):
                    taken.write(piece)
            return True

    def remove(self, path: str) -> None:
        with self._told():
            if self._is_there(path):
                self._store().delete_file(path)

    def drafts(self, folder: str) -> list[str]:
        return []

    def _upload(self, path: str, pieces: Iterator[bytes]) -> None:
        with self._told():
            # the stream below pyarrow's own, which hands on buffers that it does not take
            stream = self._handler()._handler.open_output_stream(path)
            for piece in pieces:
                stream.write(piece)
            stream.close()  # only now is there an object, and never a part of one

    def _is_there(self, path: str) -> bool:
        import pyarrow.fs as fs

        return bool(self._store().get_file_info([path])[0].type == fs.FileType.File)

    def _store(self) -> Any:
        import pyarrow.fs as fs

        return fs.PyFileSystem(self._handler())

    def _handler(self) -> Any:
        from deltalake.fs import DeltaStorageHandler

        return DeltaStorageHandler(self.root)

    @contextmanager
    def _told(self) -> Iterator[None]:
        from deltalake.exceptions import DeltaError

        try:
            yield
        except (OSError, DeltaError, ValueError) as error:
            raise _unavailable(self.root, error) from error


def _unavailable(root: str, error: Exception) -> PortUnavailable:
    said = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[0]
    return PortUnavailable(f"the files at {root} cannot be read or written ({said}); see to it and run again")
