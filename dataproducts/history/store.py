"""The history of one dataset: append versions, choose versions, read their rows.

A dataset has one table per major version of its contract; version numbers run on across them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import ContractBreach, HistoryError, UnknownDataset
from dataproducts.history.content import canonical_order, content_hash, spelled
from dataproducts.history.ledger import STAMPS, VIEW, Version, newest
from dataproducts.history.table import UNREADABLE, Conflict, HistoryTable, Overtaken

if TYPE_CHECKING:
    from dataproducts.erasure.registry import Registry
    from dataproducts.erasure.subjects import Erased

_ATTEMPTS = 50
_CELLS_AT_ONCE = 4_000_000  # rows x columns written in one piece


@dataclass(frozen=True)
class Draft:
    """A validated partition on its way in: rows in canonical order as one or more frames, their count and hash.

    `follows` is the number of the version the rows were made from (0: there was none), where they were made from one.
    `obeys` is how many lines of the registry of erasures the rows have been held against.
    """

    partition: str
    chunks: Callable[[], Iterable[pl.DataFrame]]
    rows: int
    content_hash: str
    note: dict[str, Any] = field(default_factory=dict)
    follows: int | None = None
    obeys: int = 0

    @classmethod
    def of(
        cls,
        partition: str,
        frame: pl.DataFrame,
        contract: Contract,
        note: dict[str, Any] | None = None,
        follows: int | None = None,
    ) -> Draft:
        """A draft of rows in memory, in any order."""
        frame = canonical_order(frame.select(contract.names), contract.key)
        digest = content_hash([frame], contract.dtypes)
        return cls(partition, lambda: (frame,), frame.height, digest, note or {}, follows)


@dataclass(frozen=True)
class Committed:
    """What became of a draft: its version, and whether the content was new."""

    version: Version
    is_new: bool


class DatasetHistory:
    """Everything ever committed of one dataset ("product/dataset") in the lake at `root` (a path or object-store URL)."""

    def __init__(self, root: str, dataset: str) -> None:
        self.root = root
        self.dataset = dataset
        self._tables: dict[int, HistoryTable] = {}
        self._registry: Registry | None = None

    def table(self, major: int) -> HistoryTable:
        """The table of one major version, which need not exist yet."""
        if major not in self._tables:
            self._tables[major] = HistoryTable(f"{self.root}/{self.dataset}/v{major}", self.dataset)
        return self._tables[major]

    def tables(self) -> list[HistoryTable]:
        """The tables that exist, oldest major first."""
        highest = max(self._tables, default=0)
        if "://" not in self.root:
            folder = Path(self.root, self.dataset)
            highest = max([highest, *(int(p.name[1:]) for p in folder.glob("v*") if p.name[1:].isdigit())])
        found, major = [], 0
        while major <= highest or (major <= highest + 1 and "://" in self.root):
            if self.table(major).exists():
                found.append(self.table(major))
                highest = max(highest, major)
            major += 1
        return found

    def refresh(self) -> DatasetHistory:
        """See what other writers have committed since."""
        for table in self.tables():
            table.refresh()
        return self

    def versions(self, partition: str | None = None) -> list[Version]:
        """Every version, or those of one partition, ordered by partition and number."""
        found = [v for table in self.tables() for v in table.ledger() if partition in (None, v.partition)]
        return sorted(found, key=lambda v: (v.partition, v.number))

    def current(self, as_of: datetime | None = None, major: int | None = None) -> dict[str, Version]:
        """The newest version of each partition, or the newest known at or before `as_of`; within one major if given."""
        return newest([v for v in self.versions() if major in (None, v.major)], as_of)

    def erased(self) -> Erased | None:
        """Those whose rows must not be stored, as the registry of erasures says now; None, at no cost, where there is nobody."""
        if not any(table.has_erasures for table in self.tables()):
            return None
        return self._erased()

    def erased_after(self, links: Sequence[pl.DataFrame]) -> Erased | None:
        """As `erased`, when pseudonyms are made under a new key: who is erased under the former is erased under the new one from now on."""
        if self.erased() is not None and links:
            assert self._registry is not None
            self._registry.follow(self.dataset, pl.concat(links))
        return self.erased()

    def _erased(self) -> Erased | None:
        if self._registry is None:
            from dataproducts.erasure.registry import Registry

            self._registry = Registry(self.root)
        return self._registry.refresh().erased(self.dataset)

    def commit(
        self,
        drafts: Sequence[Draft],
        contract: Contract,
        *,
        operation: str = "materialize",
        now: datetime | None = None,
        fence: str | None = None,
    ) -> list[Committed]:
        """Append a version of each partition whose content differs from its newest one; all of them or none.

        Safe against other writers of the same or other partitions, in this process or another. Version number and
        knowledge time are given here, under the fence; knowledge time never runs backwards within a partition. With a
        `fence`, drafts made from what the history held when it was last refreshed are refused with Overtaken if any other
        writer with that fence has committed since; so is a draft that does not follow the newest version of its partition.
        """
        table = self.table(contract.version.major)
        written: tuple[tuple[Any, ...], str] | None = None
        seen = table.ledger() if table.opened else []
        if fence is None:
            self.refresh()
        for attempt in range(_ATTEMPTS):
            try:
                self._make_ready(table, contract)
                if fence is not None and table.ledger() != seen:
                    raise Overtaken
                held = newest(self._known(contract))
                if any(d.follows not in (None, held[d.partition].number if d.partition in held else 0) for d in drafts):
                    raise Overtaken
                erased = self._erased() if table.has_erasures else None
                drafts = [_obeying(d, erased, contract) for d in drafts] if erased is not None else drafts
                fresh = [d for d in drafts if not _same(held.get(d.partition), d, contract)]
                if not fresh:
                    self._drop(table, written)
                    return [Committed(held[d.partition], False) for d in drafts]
                # changes of several partitions that belong together are known together, whatever the clock says
                before = held if fence is not None else {d.partition: held[d.partition] for d in fresh if d.partition in held}
                versions = _numbered(fresh, held, before.values(), contract, now or datetime.now(UTC))
                stamps = tuple((v.partition, v.number, v.known_at, v.content_hash) for v in versions)
                if written is None or written[0] != stamps:
                    self._drop(table, written)
                    stored = [(d, v) for d, v in zip(fresh, versions, strict=True) if not v.is_view]
                    written = stamps, table.write_rows(_stamped(stored)) if any(v.rows for _, v in stored) else ""
                path = written[1]
                versions = [replace(v, files=(path,) if v.rows and not v.is_view else ()) for v in versions]
                table.commit(versions, {path: sum(v.rows for v in versions if v.files)} if path else {}, operation=operation, fence=fence)
            except Overtaken:
                self._drop(table, written)
                raise
            except Conflict as conflict:
                self._drop(table, written)
                written = None
                if fence is not None:
                    raise Overtaken from conflict
                time.sleep(random.uniform(0, min(0.5, 0.01 * 2 ** min(attempt, 6))))
                self.refresh()
                continue
            done = {v.partition: v for v in versions}
            return [Committed(done[d.partition], True) if d.partition in done else Committed(held[d.partition], False) for d in drafts]
        self._drop(table, written)
        raise HistoryError(
            f"{self.dataset}: other writers kept committing first, {_ATTEMPTS} times in a row; nothing was stored, run again"
        )

    def scan(self, versions: Sequence[Version], columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """The rows of these versions; the product's columns, or those named (the stamps may be among them).

        All versions have to be of one major. Versions older than a column read as null there. The query of a view is run here.
        """
        majors = {v.major for v in versions}
        if len(majors) > 1:
            split = {m: sum(v.major == m for v in versions) for m in sorted(majors)}
            raise HistoryError(
                f"{self.dataset}: the partitions asked for are under different contracts ("
                + ", ".join(f"{n} under {m}.x" for m, n in split.items())
                + "); read one of them with contract=<major>, or materialize the older partitions again"
            )
        tables = self.tables()
        table = self.table(majors.pop()) if majors else (tables[-1] if tables else None)
        if table is None:
            raise UnknownDataset(f"{self.dataset}: nothing has been materialized yet")
        own = table.dtypes
        dtypes = {**own, **STAMPS}
        chosen = list(columns) if columns is not None else list(own)
        unknown = [c for c in chosen if c not in dtypes]
        if unknown:
            raise UnknownDataset(f"{self.dataset} has no column {unknown[0]!r}; its columns are {', '.join(own)}")
        rows = table.scan([v for v in versions if not v.is_view], dtypes)
        if views := [v for v in versions if v.is_view]:
            from dataproducts.sql.view import rows_of

            rows = pl.concat([rows, *(rows_of(v, own, table.key) for v in views)])
        return rows.select(chosen)

    def collect(self, versions: Sequence[Version], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """`scan`, read into memory; a damaged or missing file is found and named."""
        return self.collecting(versions, self.scan(versions, columns))

    def collecting(self, versions: Sequence[Version], frame: pl.LazyFrame) -> pl.DataFrame:
        """Read a lazy frame over these versions; a damaged or missing file is found and named."""
        try:
            return frame.collect()
        except UNREADABLE as error:
            raise self._damage(versions, error) from error

    def batches(self, versions: Sequence[Version], columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
        """`scan`, read in order in frames of about so many rows; a damaged or missing file is found and named."""
        try:
            yield from self.scan(versions, columns).collect_batches(chunk_size=rows, maintain_order=True)
        except UNREADABLE as error:
            raise self._damage(versions, error) from error

    def verify(self, versions: Iterable[Version]) -> None:
        """Read whole versions and hold them against the ledger; HistoryError names the first that differs."""
        for version in versions:
            if not version.files:
                continue
            table = self.table(version.major)
            frame = self.collect([version], [*table.dtypes, *STAMPS])
            then = pl.read_parquet_schema(table.absolute(version.files[0]))  # columns added since are not its content
            own = {name: dtype for name, dtype in table.dtypes.items() if name in then}
            found = content_hash([frame.select(list(own))], own)
            stamps = frame.select(list(STAMPS)).unique().rows()
            if found != version.content_hash or stamps != [(version.partition, version.number, version.known_at, version.contract)]:
                files = ", ".join(table.absolute(f) for f in version.files)
                hashes = f"content hash {found[:12]}, committed {version.content_hash[:12]}"
                raise HistoryError(
                    f"{self.dataset}: partition {version.partition!r} version {version.number} in {files} no longer holds "
                    f"what was committed ({hashes if found != version.content_hash else 'its rows say another version'}); "
                    "restore the file from a backup"
                )

    def _damage(self, versions: Sequence[Version], error: BaseException) -> HistoryError:
        now = {(v.partition, v.number): v for v in self.refresh().versions()}
        for version in versions:
            held = now.get((version.partition, version.number))
            if held is not None and held.files != version.files:
                return HistoryError(
                    f"{self.dataset}: partition {version.partition!r} version {version.number} was rewritten by an erasure while it was "
                    "read; read it again"
                )
            if (found := self.table(version.major).damage(version.files)) is not None:
                return HistoryError(
                    f"{self.dataset}: partition {version.partition!r} version {version.number} cannot be read: {found}; "
                    "restore the file from a backup"
                )
        return HistoryError(f"{self.dataset}: the history at {self.root} cannot be read: {error}")

    def _make_ready(self, table: HistoryTable, contract: Contract) -> None:
        """Create or widen the table, close older majors, refuse a closed one and any change of type."""
        self._refuse_closed(table, contract)
        if not table.exists():
            table.create(contract.dtypes, kind=contract.kind, key=contract.key)
            # again, now that another major can see this table: of two that begin at once at least one sees the other
            self._refuse_closed(table, contract)
            # again: an erasure that saw no table has written to the registry before it looked
            if self._erased() is not None:
                table.obey("from the start")
        for older in self.tables():
            if _major(older) < contract.version.major and older.superseded_by is None:
                older.supersede(str(contract.version))
        stored = table.dtypes
        differing = [n for n, t in contract.dtypes.items() if n in stored and spelled(stored[n]) != spelled(t)]
        if differing:
            name = differing[0]
            raise ContractBreach(
                f"{self.dataset}: column {name!r} is stored as {stored[name]} and contract {contract.version} makes it "
                f"{contract.dtypes[name]}; a change of type needs version {contract.version.major + 1}.0.0"
            )
        added = {n: t for n, t in contract.dtypes.items() if n not in stored}
        if added:
            table.add_columns(added)

    def _refuse_closed(self, table: HistoryTable, contract: Contract) -> None:
        closed = table.superseded_by if table.exists() else None
        newer = [t for t in self.tables() if _major(t) > contract.version.major]
        if closed or newer:
            raise HistoryError(
                f"{self.dataset}: contract {contract.version} is closed to writers since {closed or f'{_major(newer[0])}.0.0'} "
                "was published; deploy the newer code"
            )

    def _known(self, contract: Contract) -> list[Version]:
        return [v for table in self.tables() for v in table.ledger() if v.major <= contract.version.major]

    def _drop(self, table: HistoryTable, written: tuple[tuple[Any, ...], str] | None) -> None:
        if written is not None and written[1]:
            table.discard([written[1]])


def _major(table: HistoryTable) -> int:
    return int(table.url.rsplit("/v", 1)[1])


def _same(held: Version | None, draft: Draft, contract: Contract) -> bool:
    same = held is not None and held.content_hash == draft.content_hash and held.major == contract.version.major
    return same and held is not None and held.note.get(VIEW) == draft.note.get(VIEW)


def _obeying(draft: Draft, erased: Erased, contract: Contract) -> Draft:
    """The draft without the rows of those who are erased, and without the values that are."""
    if draft.obeys >= erased.count:
        return draft
    lost, held = 0, False
    for chunk in draft.chunks() if draft.rows else ():
        lost += int(erased.hits(chunk).sum())
        held = held or bool(erased.held(chunk).any())
    note = erased.scrubbed(draft.note)
    if not lost and not held:
        return replace(draft, note=note, obeys=erased.count)

    def kept() -> Iterator[pl.DataFrame]:
        for chunk in draft.chunks():
            yield erased.without(chunk)

    if lost:
        note["erased"] = {"count": note.get("erased", {}).get("count", 0) + lost}
    digest = content_hash(kept(), contract.dtypes)
    return replace(draft, chunks=kept, rows=draft.rows - lost, content_hash=digest, note=note, obeys=erased.count)


def _numbered(
    drafts: Sequence[Draft],
    held: Mapping[str, Version],
    before: Iterable[Version],
    contract: Contract,
    now: datetime,
) -> list[Version]:
    known_at = max([now.astimezone(UTC), *(v.known_at + timedelta(microseconds=1) for v in before)])
    return [
        Version(
            dataset=contract.dataset,
            partition=draft.partition,
            number=held[draft.partition].number + 1 if draft.partition in held else 1,
            known_at=known_at,
            contract=str(contract.version),
            rows=draft.rows,
            content_hash=draft.content_hash,
            note=draft.note,
        )
        for draft in drafts
    ]


def _stamped(drafts: Sequence[tuple[Draft, Version]]) -> Iterable[pl.DataFrame]:
    """Rows with the history's columns, partitions one after another so that a reader can skip to one."""
    held: list[pl.DataFrame] = []
    cells = 0
    for draft, version in sorted(drafts, key=lambda pair: pair[1].partition):
        for chunk in draft.chunks():
            if cells + chunk.height * chunk.width > _CELLS_AT_ONCE and held:
                yield pl.concat(held, rechunk=False)
                held, cells = [], 0
            cells += chunk.height * chunk.width
            held.append(
                chunk.with_columns(
                    _partition=pl.lit(version.partition, pl.String),
                    _version=pl.lit(version.number, pl.Int64),
                    _known_at=pl.lit(version.known_at, STAMPS["_known_at"]),
                    _contract=pl.lit(version.contract, pl.String),
                )
            )
    if held:
        yield pl.concat(held, rechunk=False)
