"""One append-only Delta table: the rows and the ledger of one major version of one dataset's contract.

Every commit adds data files and their ledger entries in a single Delta transaction, fenced per partition.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.errors import HistoryError
from dataproducts.history.ledger import LEDGER, Version, entries, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deltalake import DeltaTable

ROWS, VERSIONS = "row", "version"  # the values of `_entry`, the Delta partition column: an entry is a row or a version
COMPACT_LEDGER_AT = 48  # small ledger files before they are rewritten as one
ROW_GROUP = 131_072
_ATTEMPTS = 50

FORMAT, FORMAT_VERSION = "dataproducts.format", 1
"""The table property that states how files, ledger and registry are laid out, and the newest such format this code knows.

A table that states none is of format 1.
"""
KEPT_FOR_EVER: dict[str, str | None] = {
    FORMAT: str(FORMAT_VERSION),
    "delta.appendOnly": "true",
    "delta.checkpointInterval": "10",
    # history must not expire: the defaults are 30 and 7 days
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}
_PROPERTIES: dict[str, str | None] = {
    **KEPT_FOR_EVER,
    "delta.dataSkippingStatsColumns": "_partition",  # the log must not hold values, also where Delta itself compacts the ledger
}
ERASURES = "dataproducts.erasures"
SUPERSEDED, KIND, KEY = "dataproducts.supersededBy", "dataproducts.kind", "dataproducts.key"


UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises at a damaged file, which may be any of its errors and even a panic."""


class Conflict(Exception):
    """Another writer committed first; read again and decide again."""


class Overtaken(Conflict):
    """What a draft was made from is no longer the newest; make it again."""


@dataclass(frozen=True)
class _Ledger:
    """The versions in the ledger files of one state of the table."""

    at: int
    paths: frozenset[str] = frozenset()
    versions: list[Version] = field(default_factory=list)


@dataclass(frozen=True)
class Holding:
    """The files that hold chosen versions: `whole` hold no others, of `part` only the rows of `pairs` (partition, number) are meant."""

    whole: tuple[str, ...] = ()
    part: tuple[str, ...] = ()
    pairs: frozenset[tuple[str, int]] = frozenset()


class HistoryTable:
    """A Delta table at a local path or an object-store URL. Reading it needs no more than a Delta reader."""

    def __init__(self, url: str, dataset: str) -> None:
        self.url = url
        self.dataset = dataset
        self.remote = "://" in url
        self._table: DeltaTable | None = None
        self._ledger: _Ledger | None = None

    def exists(self) -> bool:
        """Whether the table has been created."""
        return self._open() is not None

    @property
    def opened(self) -> bool:
        """Whether this handle has seen the table yet."""
        return self._table is not None

    def refresh(self) -> None:
        """See what other writers have committed."""
        if self._table is None:
            self._open()
        else:
            with _told(self.dataset, self.url):
                self._table.update_incremental()
            refuse_newer(self._table, self.url)

    def create(self, dtypes: Mapping[str, pl.DataType], *, kind: str, key: Sequence[str]) -> None:
        """Create the table, or find it created by another writer. Kind and key are kept for readers without the code."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        if self._open() is not None:
            return
        if not self.remote:
            with _told(self.dataset, self.url):
                Path(self.url).mkdir(parents=True, exist_ok=True)
        with _told(self.dataset, self.url):
            try:
                DeltaTable.create(
                    self.url,
                    schema=_delta_schema(dtypes),
                    mode="error",
                    partition_by=["_entry"],
                    configuration={**_PROPERTIES, KIND: kind, KEY: json.dumps(list(key))},
                    raise_if_key_not_exists=False,
                )
            except DeltaError:
                if self._open() is None:
                    raise
        self._open()

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Types of the product's own columns, as stored."""
        schema = pl.DataFrame(_arrow_empty(self._opened().schema().to_arrow())).schema
        return {name: dtype for name, dtype in schema.items() if name not in LEDGER and name != "_entry"}

    def add_columns(self, dtypes: Mapping[str, pl.DataType]) -> None:
        """Add nullable columns; older rows read as null there."""
        from deltalake.exceptions import CommitFailedError

        fields = [f for f in _delta_schema(dtypes).fields if f.name in dtypes]
        with _told(self.dataset, self.url):
            try:
                self._opened().alter.add_columns(fields)
            except CommitFailedError as conflict:
                raise Conflict from conflict
        self.refresh()

    @property
    def kind(self) -> str:
        """The contract's kind: table, snapshot or history."""
        return self._opened().metadata().configuration.get(KIND) or "table"

    @property
    def key(self) -> tuple[str, ...]:
        """The contract's key columns."""
        return tuple(json.loads(self._opened().metadata().configuration.get(KEY) or "[]"))

    @property
    def superseded_by(self) -> str | None:
        """The contract version that closed this table to writers, if one has."""
        found: str | None = self._opened().metadata().configuration.get(SUPERSEDED)
        return found

    def supersede(self, version: str) -> None:
        """Close the table: Delta makes every write under way fail when a table's metadata change."""
        from deltalake.exceptions import CommitFailedError

        with _told(self.dataset, self.url):
            try:
                self._opened().alter.set_table_properties({SUPERSEDED: version}, raise_if_not_exists=False)
            except CommitFailedError as conflict:
                raise Conflict from conflict
        self.refresh()

    @property
    def has_erasures(self) -> bool:
        """Whether somebody is erased from the dataset, so that the registry has to be asked before rows are stored."""
        return bool(self._opened().metadata().configuration.get(ERASURES))

    @property
    def is_append_only(self) -> bool:
        """Whether every conforming writer refuses to remove files. False only while an erasure is under way."""
        return bool(self._opened().metadata().configuration.get("delta.appendOnly") == "true")

    def begin_erasure(self, mark: str) -> None:
        """Make every write under way fail, have every later one ask the registry, and let files be removed."""
        self._change({ERASURES: mark, "delta.appendOnly": "false", "delta.dataSkippingStatsColumns": "_partition"})

    def obey(self, mark: str) -> None:
        """Have every write ask the registry from now on."""
        self._change({ERASURES: mark})

    def end_erasure(self) -> None:
        """Append-only again."""
        if not self.is_append_only:
            self._change({"delta.appendOnly": "true"})

    def _change(self, properties: dict[str, str]) -> None:
        from deltalake.exceptions import CommitFailedError

        for attempt in range(_ATTEMPTS):
            with _told(self.dataset, self.url), suppress(CommitFailedError):
                self._opened().alter.set_table_properties(properties, raise_if_not_exists=False)
                self.refresh()
                return
            time.sleep(random.uniform(0, min(0.5, 0.01 * 2 ** min(attempt, 6))))
            self.refresh()
        raise HistoryError(f"{self.dataset}: other writers kept committing first; run again")

    def ledger(self) -> list[Version]:
        """Every version in the table as last refreshed, ordered by partition and number."""
        if self._open() is None:
            return []
        table = self._opened()
        at = table.version()
        if self._ledger is None or self._ledger.at != at:
            paths = self._paths(VERSIONS)
            # ledger files never change, so a long ledger costs a commit no more than a short one
            held = self._ledger if self._ledger is not None and self._ledger.paths <= set(paths) else _Ledger(at)
            try:
                added = [path for path in paths if path not in held.paths]
                read = parse(self.dataset, self._read(added, LEDGER).collect()) if added else []
                merged = sorted([*held.versions, *read], key=lambda v: (v.partition, v.number))
                self._ledger = _Ledger(at, frozenset(paths), merged)
            except (*UNREADABLE, ValueError) as error:
                self.refresh()
                if self._opened().version() != at:  # an erasure has replaced the ledger since
                    return self.ledger()
                found = self.damage(paths) or f"its ledger is damaged ({error})"
                raise HistoryError(
                    f"{self.dataset}: the history at {self.url} cannot be read: {found}; restore it from a backup"
                ) from error
        return self._ledger.versions

    def damage(self, paths: Iterable[str]) -> str | None:
        """The first of these files that is missing or cannot be read, and which of the two; None if all can."""
        for path in paths:
            try:
                pl.scan_parquet(self.absolute(path), hive_partitioning=False, glob=False).collect()
            except UNREADABLE as fault:
                gone = isinstance(fault, FileNotFoundError)
                return f"{self.absolute(path)} {'is missing' if gone else 'is damaged'}"
        return None

    def write_rows(self, chunks: Iterable[pl.DataFrame]) -> str:
        """Write rows as one Parquet file, invisible until `commit` names it. Returns its path within the table."""
        return self._write(ROWS, chunks)

    def commit(self, versions: Sequence[Version], files: Mapping[str, int], *, operation: str, fence: str | None = None) -> None:
        """Make versions and their files (path: rows) visible in one transaction; Conflict if another writer was first."""
        from deltalake import CommitProperties, PostCommitHookProperties, Transaction
        from deltalake.exceptions import CommitFailedError, DeltaError

        table = self._opened()
        transactions = [Transaction(v.partition, v.number) for v in versions]
        if fence is not None:
            transactions.append(Transaction(fence, table.version()))
        try:
            ledger_file = self._write(VERSIONS, [entries(versions)])
        except (HistoryError, Conflict):
            self.discard(files)
            raise
        held = {**files, ledger_file: len(versions)}
        try:
            actions = self._added(held, versions, ledger_file)
        except FileNotFoundError as gone:  # an erasure has swept rows that may not be stored any more
            self.discard(held)
            raise Conflict from gone
        with _told(self.dataset, self.url):
            try:
                table.create_write_transaction(
                    actions,
                    mode="append",
                    schema=table.schema(),
                    partition_by=["_entry"],
                    commit_properties=CommitProperties(
                        custom_metadata={"dataproducts.operation": operation},
                        app_transactions=transactions,
                    ),
                    post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                )
            except (DeltaError, OSError) as error:
                # the log may have taken the commit although the answer was lost: then its files must stay
                if not self._holds(versions):
                    lost_race = isinstance(error, CommitFailedError)
                    self.discard([ledger_file] if lost_race else held)
                    if lost_race:
                        raise Conflict from error
                    raise
        self.refresh()
        self._compact_ledger()

    def replace(self, versions: Sequence[Version], files: Mapping[str, int]) -> None:
        """Put another ledger in the place of the present one, with files it names, in one transaction; Conflict if anything was first.

        Only an erasure does. Versions that are no longer named keep their files until `sweep`.
        """
        from deltalake import CommitProperties, PostCommitHookProperties
        from deltalake.exceptions import CommitFailedError

        table = self._opened()
        ledger_file = self._write(VERSIONS, [entries(versions)])
        held = {**files, ledger_file: len(versions)}
        with _told(self.dataset, self.url):
            try:
                table.create_write_transaction(
                    self._added(held, versions, ledger_file),
                    mode="overwrite",
                    schema=table.schema(),
                    partition_by=["_entry"],
                    partition_filters=[("_entry", "=", VERSIONS)],
                    commit_properties=CommitProperties(custom_metadata={"dataproducts.operation": "erase"}, max_commit_retries=0),
                    post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                )
            except CommitFailedError as conflict:
                self.discard(held)
                raise Conflict from conflict
        self.refresh()

    def forget(self, paths: Iterable[str]) -> None:
        """Remove files of the log for good, and then the log's mention of them."""
        from deltalake import CommitProperties, PostCommitHookProperties
        from deltalake.exceptions import CommitFailedError

        self.discard(paths)
        for attempt in range(_ATTEMPTS):
            with _told(self.dataset, self.url), suppress(CommitFailedError):
                self._opened().repair(
                    commit_properties=CommitProperties(custom_metadata={"dataproducts.operation": "erase"}),
                    post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                )
                self.refresh()
                return
            time.sleep(random.uniform(0, min(0.5, 0.01 * 2 ** min(attempt, 6))))
            self.refresh()
        raise HistoryError(f"{self.dataset}: other writers kept committing first; run again")

    def active(self) -> dict[str, list[str]]:
        """The files of the log as last refreshed, by what their entries are."""
        return {entry: self._paths(entry) for entry in (ROWS, VERSIONS)}

    def on_disk(self, entry: str) -> dict[str, float]:
        """Every file of rows or of versions that lies there, named by the log or not, with the seconds since 1970 when it was written."""
        if not self.remote:
            folder = Path(self.url) / f"_entry={entry}"
            with suppress(FileNotFoundError):
                return {f"_entry={entry}/{p.name}": p.stat().st_mtime for p in folder.iterdir()}
            return {}
        from pyarrow import fs

        selector = fs.FileSelector(f"_entry={entry}", allow_not_found=True)
        found = fs.PyFileSystem(self._store()).get_file_info(selector)
        return {f"_entry={entry}/{one.base_name}": one.mtime.timestamp() if one.mtime else 0.0 for one in found if one.is_file}

    def _added(self, held: Mapping[str, int], versions: Sequence[Version], ledger_file: str) -> list[Any]:
        from deltalake.transaction import AddAction

        low, high = min(v.partition for v in versions), max(v.partition for v in versions)
        return [
            AddAction(
                path=path,
                size=self._size(path),
                partition_values={"_entry": VERSIONS if path == ledger_file else ROWS},
                modification_time=int(versions[0].known_at.timestamp() * 1000),
                data_change=True,
                # only our own columns: the log must not hold a product's values, some of which are personal
                stats=json.dumps(
                    {
                        "numRecords": rows,
                        "minValues": {"_partition": low},
                        "maxValues": {"_partition": high},
                        "nullCount": {"_partition": 0},
                    }
                ),
            )
            for path, rows in held.items()
        ]

    def _holds(self, versions: Sequence[Version]) -> bool:
        self.refresh()
        held = {v: v.files for v in self.ledger()}
        return all(v in held and held[v] == v.files for v in versions)

    def scan(self, versions: Sequence[Version], dtypes: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        """The rows of chosen versions with their stamps, from the files that hold them and no others."""
        holding = self.holding(versions)
        frames = [self._read(holding.whole, dtypes)] if holding.whole else []
        if holding.part:
            partitions = sorted({p for p, _ in holding.pairs})
            rows = self._read(holding.part, dtypes).filter(
                pl.col("_partition") == partitions[0] if len(partitions) == 1 else pl.col("_partition").is_in(partitions)
            )
            numbers = {n for _, n in holding.pairs}
            if len(numbers) == 1:
                rows = rows.filter(pl.col("_version") == numbers.pop())
            else:
                pairs = pl.LazyFrame(sorted(holding.pairs), schema={"_partition": pl.String, "_version": pl.Int64}, orient="row")
                rows = rows.join(pairs, on=["_partition", "_version"], how="semi")
            frames.append(rows)
        if not frames:
            return pl.LazyFrame(schema=dict(dtypes))
        return pl.concat(frames) if len(frames) > 1 else frames[0]

    def holding(self, versions: Sequence[Version]) -> Holding:
        """Which files hold these versions, and which of them hold others too."""
        wanted = {(v.partition, v.number) for v in versions}
        holders: dict[str, set[tuple[str, int]]] = {path: set() for v in versions for path in v.files}
        for entry in self.ledger():
            for path in entry.files:
                if path in holders and entry.rows:
                    holders[path].add((entry.partition, entry.number))
        whole = tuple(path for path, held in holders.items() if held <= wanted)
        part = tuple(path for path, held in holders.items() if held - wanted)
        return Holding(whole, part, frozenset(pair for path in part for pair in holders[path] & wanted))

    def discard(self, paths: Iterable[str]) -> None:
        """Remove files no commit names. Leaving them would be harmless, so failure is too."""
        for path in paths:
            if self.remote:
                with suppress(Exception):
                    self._store().delete_file(path)
            else:
                with suppress(OSError):
                    (Path(self.url) / path).unlink()

    def absolute(self, path: str) -> str:
        """A file of the table as a path or URL."""
        return f"{self.url}/{path}"

    def _open(self) -> DeltaTable | None:
        if self._table is None:
            from deltalake import DeltaTable
            from deltalake.exceptions import TableNotFoundError

            if not self.remote and not (Path(self.url) / "_delta_log").exists():
                return None
            with _told(self.dataset, self.url):
                try:
                    table = DeltaTable(self.url)
                except TableNotFoundError:
                    return None
            refuse_newer(table, self.url)
            self._table = table
        return self._table

    def _opened(self) -> DeltaTable:
        table = self._open()
        if table is None:
            raise HistoryError(f"{self.dataset}: there is no history at {self.url} yet; materialize the dataset first")
        return table

    def _paths(self, entry: str) -> list[str]:
        actions = pl.DataFrame(self._opened().get_add_actions(flatten=True))
        column = "partition._entry" if "partition._entry" in actions.columns else "partition_values._entry"
        return sorted(actions.filter(pl.col(column) == entry).get_column("path").to_list())

    def _read(self, paths: Sequence[str], dtypes: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        return pl.scan_parquet(
            [self.absolute(path) for path in paths],
            schema=dict(dtypes),
            missing_columns="insert",
            extra_columns="ignore",
            hive_partitioning=False,
            glob=False,
        )

    def _write(self, entry: str, chunks: Iterable[pl.DataFrame]) -> str:
        path = f"_entry={entry}/{uuid.uuid4().hex}.parquet"  # some readers take partition values from the path, not from the log
        with _told(self.dataset, self.url):
            if self.remote:
                with tempfile.TemporaryDirectory() as scratch:
                    local = Path(scratch) / "part.parquet"
                    _write_parquet(local, chunks)
                    pl.scan_parquet(local).sink_parquet(
                        self.absolute(path), compression="zstd", compression_level=1, row_group_size=ROW_GROUP
                    )
                return path
            target_path = Path(self.url) / path
            target_path.parent.mkdir(exist_ok=True)
            try:
                _write_parquet(target_path, chunks)
            except FileNotFoundError as gone:  # swept, as soon as it was whole
                raise Conflict from gone
            except BaseException:
                self.discard([path])
                raise
        return path

    def _size(self, path: str) -> int:
        if self.remote:
            return int(self._store().get_file_info([path])[0].size)
        return (Path(self.url) / path).stat().st_size

    def _store(self) -> Any:
        from deltalake.fs import DeltaStorageHandler

        return DeltaStorageHandler(self.url)

    def _compact_ledger(self) -> None:
        from deltalake import PostCommitHookProperties
        from deltalake.exceptions import DeltaError

        if len(self._paths(VERSIONS)) < COMPACT_LEDGER_AT:
            return
        with suppress(DeltaError, OSError):  # another writer is compacting it, or there is no room: the commit stands
            self._opened().optimize.compact(
                partition_filters=[("_entry", "=", VERSIONS)],
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        self.refresh()


def refuse_newer(table: DeltaTable, url: str) -> None:
    """Raise HistoryError for a table of the lake that a newer version of ours has laid out otherwise: none of it is read or written."""
    stated = table.metadata().configuration.get(FORMAT) or "1"
    if not stated.isdigit() or int(stated) > FORMAT_VERSION:
        raise HistoryError(
            f"{url} is of lake format {stated}, and this version of dataproducts knows {FORMAT_VERSION} at most; "
            "use the newer version that wrote it"
        )


def _write_parquet(path: Path, chunks: Iterable[pl.DataFrame]) -> None:
    """Write and make durable before the log may name the file."""
    how: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "row_group_size": ROW_GROUP}
    iterator = iter(chunks)
    first = next(iterator)
    second = next(iterator, None)
    if second is None:
        first.write_parquet(path, **how)
    else:
        from polars.io.plugins import register_io_source

        schema, waiting, raised = first.schema, [second, first], list[BaseException]()
        del first, second  # they are large: each goes once it is written

        def rows(*_: Any) -> Iterator[pl.DataFrame]:
            try:
                while waiting:
                    yield waiting.pop()
                yield from iterator
            except BaseException as error:  # which polars would tell as an error of its own
                raised.append(error)
                raise

        try:
            register_io_source(rows, schema=schema).sink_parquet(path, maintain_order=True, **how)
        except pl.exceptions.PolarsError:
            if raised:
                raise raised[0] from None
            raise
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _delta_schema(dtypes: Mapping[str, pl.DataType]) -> Any:
    from deltalake import Schema

    schema = {**dtypes, **LEDGER, "_entry": pl.String()}
    return Schema.from_arrow(pl.DataFrame(schema=schema).to_arrow().schema)


def _arrow_empty(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema(schema).empty_table()


@contextmanager
def _told(dataset: str, url: str) -> Iterator[None]:
    """Turn what the file system and the Delta library say into one sentence."""
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

    try:
        yield
    except (CommitFailedError, TableNotFoundError, Conflict):
        raise
    except (OSError, DeltaError, pl.exceptions.ComputeError) as error:
        raise HistoryError(f"{dataset}: the history at {url} cannot be used: {_cause(error)}; nothing was stored") from error


def _cause(error: BaseException) -> str:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    lower = str(error).lower()
    if "no space left" in lower or "disk quota" in lower or "file too large" in lower:
        return "the disk is full (free some space and run again)"
    if "permission denied" in lower or "read-only" in lower or "operation not permitted" in lower:
        return "it is read-only for this user (give write access and run again)"
    return text
