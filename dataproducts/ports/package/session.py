"""A session of the package port: what `port.Session` asks for.

A version has arrived when the descriptor beside its file is there, which is written last. The bytes follow from the version alone, so
that whoever writes a version again, after a crash or at the same time, writes the same.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts import settings
from dataproducts.errors import PortError
from dataproducts.formats.addresses import Addresses
from dataproducts.formats.table_schema import PARTITION
from dataproducts.history.ledger import UNPARTITIONED, Version, newest
from dataproducts.history.store import DatasetHistory
from dataproducts.package import files, texts
from dataproducts.package.columns import Columns
from dataproducts.package.descriptor import NAME, Resource, descriptor
from dataproducts.package.files import File, Format
from dataproducts.ports.package import erasing
from dataproducts.ports.package.layout import folder, marker
from dataproducts.ports.package.place import Place
from dataproducts.ports.port import Batch, Comparison, Delivered, Difference, Facts, Offered, Removed

if TYPE_CHECKING:
    from dataproducts.erasure.subjects import Erased

MOST_VERSIONS = 200
MOST_ROWS = 5_000_000
_LEADING = ("README.md", "LICENSE.md", NAME)


class PackageSession:
    """The files of one dataset, during one run."""

    def __init__(self, offered: Offered, history: DatasetHistory, place: Place, form: Format, columns: Columns) -> None:
        self._offered = offered
        self._history = history
        self._place = place
        self._form = form
        self._columns = columns
        self._partition = offered.contract.kind == "table" and offered.partitions is not None
        self._addresses = Addresses(settings.catalog_pages())
        self._gone = 0  # rows that an erasure took
        self._known: dict[tuple[str, str], _Held] = {}  # by descriptor and the content hash it tells

    def prepare(self) -> None:
        """Make the folder, and lead readers to the newest of what is there where a run died before it could."""
        self._place.ready()
        there = self._place.listed()
        held = self._place.read(NAME) if NAME in there else None
        if held is not None and _json(held).get("name") != self._offered.dataset.replace("/", "."):
            raise PortError(
                f"{self._offered.dataset}: {self._place.root}/{NAME} is of {_json(held).get('name')!r}, another dataset; "
                "declare another folder"
            )
        if held is not None:
            self._remember(held)
            if held != self._newest(there):
                self._lead_readers()

    def next_batch(self, delivered: Delivered, versions: Sequence[Version]) -> Sequence[Version]:
        """The versions that are not there, under the present major of the contract; also those that were delivered and have gone since."""
        there = self._place.listed()
        found: list[Version] = []
        rows = 0
        for version in sorted(versions, key=lambda v: (v.known_at, v.partition, v.number)):
            if version.major != self._offered.contract.version.major or marker(version) in there:
                continue
            rows += version.rows
            if found and (rows > MOST_ROWS or len(found) >= MOST_VERSIONS):
                break
            found.append(version)
        return found

    def deliver(self, batch: Batch, delivered: Delivered) -> Facts:
        """The file of each version, then its descriptor; when all are there, the descriptor of what is current."""
        size = 0
        for version in batch.versions:
            held = self._marked(version)
            if held is None:
                size += self._publish(version).bytes
            elif held["versions"][0]["content_hash"] not in (version.content_hash, *version.void_hashes):
                raise PortError(
                    f"{version.dataset}: {self._place.root} has another content as {_said(version)}, so the dataset is not the one that "
                    "was published; restore it, or declare another folder of the port"
                )
        if gone := self._erased_since(batch.versions):  # rows may have been written here after an erasure was here
            self._erase(gone, self._place.listed())
        self._lead_readers()
        return {
            "folder": self._place.root,
            "versions": len(batch.versions),
            "rows": sum(v.rows for v in batch.versions),
            "bytes": size,
        }

    def compare(self, versions: Sequence[Version], full: bool) -> Comparison:
        """Files and descriptors against the ledger: there, of that size and with that content hash; every byte and row where `full`."""
        there = self._place.listed()
        found: list[Difference] = []
        rows = 0
        for version in versions:
            text = self._differs(version, there, full)
            if text:
                found.append(Difference(version.partition, version.number, f"{_said(version)} {text}"))
            else:
                rows += version.rows
        known = {marker(v) for v in self._history.versions()}
        strays = sorted(path for path in there if path.endswith(f"/{NAME}") and path not in known)
        found += [Difference("", 0, f"{path} is there, and the dataset has no such version") for path in strays]
        if versions and self._place.read(NAME) != self._newest(there):
            last = max(versions, key=lambda v: v.known_at)
            found.append(Difference(last.partition, last.number, f"{NAME} does not name the newest versions that are there"))
        return Comparison(len(versions), rows, tuple(found))

    def erase(self, erased: Erased) -> Removed:
        """Write the files of every version that has lost rows anew without them, of every major, and then what is current."""
        there = self._place.listed()
        self._erase([v for v in self._history.refresh().versions() if v.void_hashes], there)
        if NAME in there and self._place.read(NAME) != self._newest(there):
            self._lead_readers()
        return Removed(self._gone)

    def _erase(self, versions: Sequence[Version], there: dict[str, int]) -> None:
        for version in versions:
            self._gone += erasing.erase(self._place, self._history, self._offered.name, version, there)

    def _erased_since(self, versions: Sequence[Version]) -> list[Version]:
        """Those of which an erasure has taken rows, now or before, as they are now."""
        ours = {(v.partition, v.number) for v in versions}
        return [v for v in self._history.refresh().versions() if v.void_hashes and (v.partition, v.number) in ours]

    def _publish(self, version: Version) -> File:
        with tempfile.TemporaryDirectory(prefix="package-") as scratch:
            path = Path(scratch) / self._file
            file = self._write(version, path, self._columns.taken)
            self._place.bring(f"{folder(version)}/{self._file}", path)
        one = Resource(self._offered, self._columns, (version,), self._form, (self._file,), (file,), self._partition)
        self._place.put(marker(version), self._described([one]))
        return file

    def _write(self, version: Version, path: Path, columns: Sequence[str]) -> File:
        schema = files.schema(self._history, [version], columns, partition=self._partition)
        return files.write(self._frames(version, columns), schema, self._form, path)

    def _frames(self, version: Version, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        return files.frames(self._history, [version], columns, partition=self._partition)

    def _lead_readers(self) -> None:
        """Write the descriptor of what is current; again, where another run has brought more, or an erasure taken, in the meantime."""
        before: tuple[set[str], list[Version]] | None = None
        while (state := ({*(there := self._place.listed()), *_LEADING}, self._erased_since(self._arrived(there)))) != before:
            self._erase([v for v in state[1] if (marker(v), v.content_hash) not in self._known], there)
            content = self._newest(there)
            if content is None:
                return
            resources = self._current(there)
            facts = self._offered.facts
            name, title, about = self._offered.dataset, self._offered.title, self._offered.description or facts.description.best("en")
            self._place.put("README.md", texts.readme(name, title, about, resources, (), self._addresses).encode())
            self._place.put("LICENSE.md", texts.license_text(facts).encode())
            self._place.put(NAME, content)
            before = state

    def _newest(self, there: dict[str, int]) -> bytes | None:
        resources = self._current(there)
        return self._described([one for resource in resources for one in resource.apart()]) if resources else None

    def _current(self, there: dict[str, int]) -> list[Resource]:
        """What is current of the versions that are there; of a dataset of snapshots the newest one. Files with other columns stand apart.

        The columns of a version's file never change, and so it lacks the columns that the contract has got since.
        """
        arrived = {v.partition: v for v in self._arrived(there)}
        keys = [max(arrived)] if arrived and self._offered.contract.kind == "snapshot" else sorted(arrived)
        alike: dict[tuple[str, ...], list[Version]] = {}
        for key in keys:
            alike.setdefault(self._told(arrived[key]).columns, []).append(arrived[key])
        found = []
        for number, (columns, versions) in enumerate(sorted(alike.items(), key=lambda one: -len(one[0])), 1):
            paths = tuple(f"{folder(v)}/{self._file}" for v in versions)
            held = tuple(self._told(v).file for v in versions)
            own = replace(self._columns, taken=columns)
            name = "" if number == 1 else f"{self._offered.name}-{number}"
            found.append(Resource(self._offered, own, tuple(versions), self._form, paths, held, self._partition, name))
        return found

    def _arrived(self, there: dict[str, int]) -> list[Version]:
        """The newest version of each partition that is there, under the present major of the contract."""
        major = self._offered.contract.version.major
        return list(newest([v for v in self._history.versions() if v.major == major and marker(v) in there]).values())

    def _told(self, version: Version) -> _Held:
        """The file of a version, as the descriptor beside it says, which nothing but an erasure changes."""
        own = marker(version)
        if (own, version.content_hash) not in self._known:
            held = self._marked(version)
            if held is None:
                raise PortError(f"{version.dataset}: {self._place.root}/{own} was there and has gone; run again")
            if held["versions"][0]["content_hash"] != version.content_hash:  # an erasure has not come to it yet
                return _held(held)
            self._known[own, version.content_hash] = _held(held)
        return self._known[own, version.content_hash]

    def _remember(self, newest: bytes) -> None:
        """What the descriptor of what is current says of each file, so that a long history is not read file by file."""
        for resource in _json(newest).get("resources", []):
            columns = _columns(resource)
            for one, version in zip(resource.get("files", []), resource.get("versions", []), strict=False):
                file = File(one["bytes"], one["sha256"], one["rows"])
                self._known[f"{one['path'].rpartition('/')[0]}/{NAME}", version["content_hash"]] = _Held(file, columns)

    def _marked(self, version: Version) -> dict[str, Any] | None:
        content = self._place.read(marker(version))
        if content is None:
            return None
        resources = _json(content).get("resources")
        if not isinstance(resources, list) or not resources or not isinstance(resources[0], dict) or "files" not in resources[0]:
            raise PortError(
                f"{version.dataset}: {self._place.root}/{marker(version)} is no descriptor of ours; delete it, and the "
                "version is written again"
            )
        return dict(resources[0])

    def _differs(self, version: Version, there: dict[str, int], full: bool) -> str | None:
        path, own = f"{folder(version)}/{self._file}", marker(version)
        held = self._marked(version) if own in there else None
        if held is None:
            return f"has not arrived: {own} is not there"
        stated, known = held["versions"][0]["content_hash"], _held(held)
        self._known[own, stated] = known
        file = known.file
        if stated != version.content_hash:
            return f"has another content there (hash {stated[:12]}, here {version.content_hash[:12]})"
        if file.rows != version.rows:
            return f"has {file.rows} rows there and {version.rows} here"
        if path not in there:
            return f"has lost its file {path}"
        if there[path] != file.bytes:
            return f"has a file of {there[path]} bytes, and {file.bytes} were written"
        return self._contents(version, path, known) if full else None

    def _contents(self, version: Version, path: str, held: _Held) -> str | None:
        with tempfile.TemporaryDirectory(prefix="package-") as scratch:
            there, here = Path(scratch) / "there", Path(scratch) / "here"
            if not self._place.fetch(path, there):
                return f"has lost its file {path}"
            if files.measured(there, held.file.rows) != held.file:
                return f"has a file that is no longer what was written, {path}"
            if self._form == "csv":
                self._write(version, here, held.columns)
                same = sha256(here.read_bytes()).digest() == sha256(there.read_bytes()).digest()
            else:  # the library that wrote Parquet is named in it, and may have been an older one
                schema = files.schema(self._history, [version], held.columns, partition=self._partition)
                same = pl.read_parquet(there).equals(pl.concat([pl.DataFrame(schema=schema), *self._frames(version, held.columns)]))
        return None if same else f"has other rows in {path} than the dataset"

    def _described(self, resources: Sequence[Resource]) -> bytes:
        offered = self._offered
        about = offered.description or offered.facts.description.best("en")
        return descriptor(offered.dataset, offered.title, about, str(offered.contract.version), resources, self._addresses)

    @property
    def _file(self) -> str:
        return f"{self._offered.name}.{self._form}"


@dataclass(frozen=True)
class _Held:
    """A version's file, and the columns it has beside the partition."""

    file: File
    columns: tuple[str, ...]


def _held(resource: dict[str, Any]) -> _Held:
    (one,) = resource["files"]
    return _Held(File(one["bytes"], one["sha256"], one["rows"]), _columns(resource))


def _columns(resource: dict[str, Any]) -> tuple[str, ...]:
    return tuple(field["name"] for field in resource["schema"]["fields"] if field["name"] != PARTITION)


def _said(version: Version) -> str:
    of = "" if version.partition == UNPARTITIONED else f" of partition {version.partition}"
    return f"version {version.number}{of}"


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
