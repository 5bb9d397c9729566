"""Files as the source of a dataset: those that fit a pattern, read as text that the contract casts, and recorded with the rows."""

from __future__ import annotations

import codecs
import glob
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

import polars as pl

from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError, PartitionUnavailable
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Log
from dataproducts.ports.inputs.locations import gathered
from dataproducts.ports.inputs.reading import Format, Reader, format_of
from dataproducts.ports.inputs.rows import Facts, RowsIntake
from dataproducts.source import InputPort

CHECK, NOTE = "files", "files"
_PLACE = re.compile(r"\{partition(?::([^}]*))?\}")


@dataclass(frozen=True)
class Files(InputPort):
    """Files that feed a dataset: `source=dp.Files("deliveries", pattern="/data/{partition}/*.csv")`.

    The dataset's function gets its partition's rows as `rows`, and the simplest gives them back: `return rows`.

    `pattern` is a path, or an address of https, s3 or gs, with `*` and `?` but on the web. `{partition}` is the partition's key,
    `{partition:%Y%m%d}` its beginning written so. `root` names the environment variable that holds the folder or address the pattern is
    under. The `format` follows from the name where it is not given: CSV, JSON (a list of records, at `records` if not outermost), NDJSON,
    Excel (`sheet`, else the first) or Parquet; `.gz` is unpacked. All of CSV and Excel is text, so columns that are not text need a
    `source`. `delimiter`, `encoding` and `decimal` are for CSV.
    """

    pattern: str = field(kw_only=True)
    root: str = field(default="", kw_only=True)
    format: Format | None = field(default=None, kw_only=True)
    encoding: str = field(default="utf-8", kw_only=True)
    delimiter: str = field(default=",", kw_only=True)
    decimal: str = field(default=".", kw_only=True)
    sheet: str | None = field(default=None, kw_only=True)
    records: str = field(default="", kw_only=True)

    parameter: ClassVar[str] = "rows"
    kind: ClassVar[str] = "file"
    checks: ClassVar[Mapping[str, str]] = {CHECK: "No file is one that another partition of the table was made from already."}

    def promised(self, contract: Contract, partitions: Any) -> Contract:
        """The contract as it is. Raises DeclarationError for a dataset that these files cannot feed."""
        where = f"{contract.dataset}: files {self.name!r}"
        places = _PLACE.findall(self.pattern)
        if partitions is None and places:
            raise DeclarationError(
                f"{where} have {{partition}} in their pattern, and the dataset has none; leave it out or give it partitions"
            )
        if partitions is not None and not places:
            raise DeclarationError(f"{where} are the same for every partition; put {{partition}} in the pattern")
        if any(places) and not hasattr(partitions, "time_window_for_partition_key"):
            raise DeclarationError(f"{where} have a time in their pattern, and the partitions are not by time; write {{partition}}")
        if "**" in self.pattern:
            raise DeclarationError(f"{where} have ** in their pattern; name the folders, with a * for each that varies")
        if self.format is None and format_of(self.pattern) is None:
            raise DeclarationError(f'{where} do not say by name what they are; give format="csv", "json", "ndjson", "excel" or "parquet"')
        if len(self.delimiter) != 1 or self.decimal not in (".", ",") or self.delimiter == self.decimal:
            raise DeclarationError(
                f"{where} have delimiter={self.delimiter!r} and decimal={self.decimal!r}; a delimiter is one character, and decimal "
                "another of '.' and ','"
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            text = f"{where} have encoding={self.encoding!r}, which is not known; write for instance utf-8, latin-1 or windows-1252"
            raise DeclarationError(text) from None
        cast = next((c for c in contract.columns if not isinstance(c.dtype, pl.String)), None)
        if self.reader.format in ("csv", "excel") and cast is not None and not contract.takes_source:
            raise DeclarationError(
                f"{where} hold text, and column {cast.name!r} is {cast.dtype}; give the columns source=, so that it is cast"
            )
        return contract

    @property
    def reader(self) -> Reader:
        """How they are read."""
        encoding = "utf-8" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding
        format_ = self.format or format_of(self.pattern) or "csv"
        return Reader(format_, encoding, self.delimiter, self.decimal, self.sheet, self.records)

    def open(
        self, contract: Contract, partitions: Any, limits: Limits, history: DatasetHistory, resource: Callable[[str], Any], log: Log
    ) -> FilesIntake:
        """Begin a run."""
        return FilesIntake(files=self, contract=contract, partitions=partitions, history=history, log=log)

    def of(self, partition: str, partitions: Any) -> str:
        """The pattern of one partition. Raises PartitionUnavailable for a key that would lead elsewhere."""
        base = f"{settings.required(self.root, 'the folder or address that files lie under').rstrip('/')}/" if self.root else ""
        on_the_web = f"{base}{self.pattern}".startswith(("http://", "https://"))

        def write(match: re.Match[str]) -> str:
            text = partition
            if match[1]:
                text = partitions.time_window_for_partition_key(partition).start.strftime(match[1])
            elif "/" in partition or "\\" in partition or partition in (".", ".."):
                raise PartitionUnavailable(f"partition {partition!r} is no name of a file or folder; nothing was stored")
            return quote(text, safe="") if on_the_web else glob.escape(text)

        return base + _PLACE.sub(write, self.pattern)


@dataclass
class FilesIntake(RowsIntake):
    """Files during one run of the dataset they feed."""

    files: Files = field(kw_only=True)
    _seen: dict[str, str] | None = None  # by the hash of a file that had rows, the partition made from it

    def reading(self, partition: str) -> Callable[[Facts], Iterator[Any]]:
        """One file after the other, by name."""
        pattern = self.files.of(partition, self.partitions)
        return lambda facts: self._read(pattern, partition, facts)

    def _read(self, pattern: str, partition: str, facts: Facts) -> Iterator[Any]:
        where = self.where(partition)
        told: list[dict[str, Any]] = []
        with gathered(pattern, where) as found:
            for file in found:
                count = 0
                for part in self.files.reader.read(file, self.contract, where):
                    count += len(part)
                    yield part
                told.append({"name": file.name, "size": file.size, "sha256": file.sha256, "rows": count})
                self.log.info(f"{where}: {count:,} rows of {file.name}")
        self._look_for_twins(partition, told)
        facts[NOTE] = told
        facts["rows_read"] = sum(one["rows"] for one in told)

    def _look_for_twins(self, partition: str, told: list[dict[str, Any]]) -> None:
        """The same file delivered for two partitions doubles its rows; of snapshots it says that nothing changed."""
        if self.contract.kind != "table" or self.partitions is None:
            return
        if self._seen is None:
            current = self.history.refresh().current()
            self._seen = {f["sha256"]: p for p, v in current.items() for f in v.note.get(NOTE, ()) if f["rows"]}
        self.faults.get(CHECK, {}).pop(partition, None)
        for one in told:
            other = self._seen.setdefault(one["sha256"], partition) if one["rows"] else partition
            if other != partition:
                text = f"file {one['name']} is the one that {other!r} was made from; if it was delivered twice, have the right one sent"
                self.fault(CHECK, partition, f"{self.where(partition)}: {text}")
