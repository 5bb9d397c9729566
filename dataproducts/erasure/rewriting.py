"""Erasing from one history: files that hold the rows are written anew without them, and the old ones are removed for good.

Nothing here is lost by a crash: what is left to do is found in the table itself, so the same again goes on from there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from dataproducts.erasure.subjects import ERASED, Erased
from dataproducts.errors import HistoryError
from dataproducts.history.content import content_hash
from dataproducts.history.ledger import LEDGER, Version, parse
from dataproducts.history.store import DatasetHistory
from dataproducts.history.table import ROWS, UNREADABLE, VERSIONS, Conflict, HistoryTable

_ATTEMPTS = 50
_ROWS_AT_ONCE = 500_000
_YOUNG = 60.0  # seconds in which a file that cannot be read may still be under way


@dataclass
class Rewritten:
    """What was done to one history: rows erased, versions and files touched; files left to runs that are still writing them."""

    rows: int = 0
    versions: set[tuple[str, int]] = field(default_factory=set)
    files: int = 0
    strays: int = 0
    pending: int = 0


class Rows(NamedTuple):
    """Rows that go, and rows that stay and are emptied."""

    gone: int = 0
    emptied: int = 0


Read = dict[str, dict[tuple[str, int], Rows]]
"""Rows by (partition, version number), for each file that has been read: files never change, so none is read twice."""


@dataclass
class Found:
    """What a history holds of those who are to be erased: rows by file and version, and which of the known values there are."""

    read: Read = field(default_factory=dict)
    values: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """How many rows, of all versions."""
        return sum(sum(rows) for counts in self.read.values() for rows in counts.values())

    @property
    def versions(self) -> int:
        """How many versions have some."""
        return len({pair for counts in self.read.values() for pair in counts})


def found(history: DatasetHistory, erased: Erased) -> Found:
    """Look for them in every version of every major. Reads the columns that tell and no others."""
    result = Found()
    for table in history.refresh().tables():
        for path in sorted({path for version in table.ledger() for path in version.files}):
            result.read[path] = _counted(table, path, erased, result.values)
    return result


def rewrite(history: DatasetHistory, erased: Erased, mark: str, at: datetime, read: Read | None = None) -> Rewritten:
    """Erase from every version of every major. When it ends nothing of them is stored, and nothing can be stored of them again.

    `read` is what is known of files already.
    """
    done = Rewritten()
    for table in history.refresh().tables():
        table.begin_erasure(mark)
        _rewrite(table, erased, at, done, read or {})
        _sweep(table, erased, done)
        table.end_erasure()
    return done


def _rewrite(table: HistoryTable, erased: Erased, at: datetime, done: Rewritten, read: Read) -> None:
    held = dict(read)
    for attempt in range(_ATTEMPTS):
        table.refresh()
        if table.is_append_only:  # another erasure has ended
            table.begin_erasure(f"{done.rows} {at.isoformat()}")
        ledger = table.ledger()
        try:
            for path in sorted({path for version in ledger for path in version.files} - held.keys()):
                held[path] = _counted(table, path, erased)
        except FileNotFoundError:  # another erasure has replaced it since
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        named = {path for version in ledger for path in version.files}
        holding = {path: counts for path, counts in held.items() if counts and path in named}
        scrubbed = {(v.partition, v.number) for v in ledger if erased.scrubbed(v.note) != v.note}
        if not holding and not scrubbed:
            return
        written: dict[str, int] = {}
        instead: dict[str, str | None] = {}
        hashes: dict[tuple[str, int], str] = {}
        for path, counts in holding.items():
            instead[path] = new = _written(table, path, erased)
            rows = sum(v.rows for v in ledger if path in v.files) - sum(lost.gone for lost in counts.values())
            if new is not None:
                written[new] = rows
            for pair in counts:
                hashes[pair] = _hash(table, path, new, pair)
        versions = [_instead(v, holding, instead, hashes, erased, at) for v in ledger]
        try:
            table.replace(versions, written)
        except Conflict:  # a run or another erasure was first: what it stored is looked at too
            table.discard(written)
            time.sleep(random.uniform(0, min(0.5, 0.01 * 2 ** min(attempt, 6))))
            continue
        done.rows += sum(sum(rows) for counts in holding.values() for rows in counts.values())
        done.versions |= {pair for counts in holding.values() for pair in counts} | scrubbed
        done.files += len(holding)
        return
    raise HistoryError(f"{table.dataset}: other writers kept committing first, {_ATTEMPTS} times in a row; run the erasure again")


def _counted(table: HistoryTable, path: str, erased: Erased, values: set[str] | None = None) -> dict[tuple[str, int], Rows]:
    """The rows of a file that are theirs, by (partition, version number); and the values that are met, where somebody collects them."""
    names = list(pl.read_parquet_schema(table.absolute(path)))
    needed = erased.needs(names)
    if not needed:
        return {}
    counts: dict[tuple[str, int], Rows] = {}
    stamps = ["_partition", "_version"]
    for frame in _pieces(table, path, [*needed, *stamps]):
        given = frame.select(needed)
        gone = erased.hits(given)
        held = erased.held(given) & ~gone if erased.emptied and not erased.is_quarantine else pl.repeat(False, frame.height, eager=True)
        hit = frame.filter(gone | held)
        if values is not None and hit.height and not erased.is_quarantine:
            everybody = (*erased.subjects, *erased.emptied)
            values.update(text for one in everybody if set(one.columns) <= set(needed) for text in one.spelled(hit))
        marked = frame.select(stamps).with_columns(gone=gone, held=held).filter(gone | held)
        for partition, number, lost, emptied in marked.group_by(stamps).agg(pl.col("gone", "held").sum()).iter_rows():
            before = counts.get((partition, number), Rows())
            counts[partition, number] = Rows(before.gone + lost, before.emptied + emptied)
    return counts


def _pieces(table: HistoryTable, path: str, names: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """A file as it is, columns that came later left out, in order."""
    rows = pl.scan_parquet(table.absolute(path), hive_partitioning=False, glob=False)
    if names is not None:
        rows = rows.select(names)
    yield from rows.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True)


def _written(table: HistoryTable, path: str, erased: Erased) -> str | None:
    """The file without their rows, under a new name; None where no rows are left."""
    kept = (frame for piece in _pieces(table, path) if (frame := erased.without(piece)).height)
    first = next(kept, None)
    if first is None:
        return None

    def chunks() -> Iterator[pl.DataFrame]:
        yield first
        yield from kept

    return table.write_rows(chunks())


def _hash(table: HistoryTable, old: str, new: str | None, pair: tuple[str, int]) -> str:
    """The content hash of one version in its new file; its rows are in canonical order there, as they were."""
    then = pl.read_parquet_schema(table.absolute(old))
    dtypes = {name: dtype for name, dtype in table.dtypes.items() if name in then}
    if new is None:
        return content_hash([pl.DataFrame(schema=dtypes)], dtypes)
    mine = (pl.col("_partition") == pair[0]) & (pl.col("_version") == pair[1])
    rows = pl.scan_parquet(table.absolute(new), hive_partitioning=False, glob=False).filter(mine).select(list(dtypes))
    return content_hash([pl.DataFrame(schema=dtypes), *rows.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True)], dtypes)


def _instead(
    version: Version,
    holding: Mapping[str, Mapping[tuple[str, int], Rows]],
    instead: Mapping[str, str | None],
    hashes: Mapping[tuple[str, int], str],
    erased: Erased,
    at: datetime,
) -> Version:
    """The ledger's entry after the erasure: same number, same time of knowledge; a version that lost rows or values says so."""
    pair = (version.partition, version.number)
    found = [holding[path].get(pair, Rows()) for path in version.files if path in holding]
    lost, emptied = sum(one.gone for one in found), sum(one.emptied for one in found)
    rows = version.rows - lost
    files = tuple(new for path in version.files if (new := instead.get(path, path)) is not None) if rows else ()
    note: dict[str, Any] = erased.scrubbed(version.note)
    if not lost and not emptied:
        return replace(version, files=files, note=note)
    before = note.get(ERASED, {})
    note[ERASED] = {
        "count": before.get("count", 0) + lost,
        **({"emptied": before.get("emptied", 0) + emptied} if emptied or "emptied" in before else {}),
        "at": at.isoformat(),
        "void_hashes": [*version.void_hashes, version.content_hash],  # what ports that have the version know it by
    }
    return replace(version, files=files, rows=rows, content_hash=hashes[pair], note=note)


def _sweep(table: HistoryTable, erased: Erased, done: Rewritten) -> None:
    """Remove the files that were replaced, and what runs that died have left of those who are erased.

    No file that a run may still commit is touched: since the erasure began none can be committed that holds a row of theirs.
    """
    lying = {entry: table.on_disk(entry) for entry in (ROWS, VERSIONS)}
    table.refresh()
    ledger = table.ledger()
    active = table.active()
    named = {path for version in ledger for path in version.files}
    replaced = [path for path in active[ROWS] if path not in named]
    known = {(v.partition, v.number) for v in ledger}
    strays = [path for path in lying[VERSIONS] if path not in active[VERSIONS] and _is_past(table, path, known, erased)]
    for path, written in lying[ROWS].items():
        if path in active[ROWS]:
            continue
        try:
            theirs = bool(_counted(table, path, erased))
        except FileNotFoundError:
            continue
        except UNREADABLE:
            theirs = time.time() - written > _YOUNG
            done.pending += not theirs
        if theirs:
            strays.append(path)
    done.strays += len(strays)
    table.discard(strays)
    if replaced:
        table.forget(replaced)


def _is_past(table: HistoryTable, path: str, known: set[tuple[str, int]], erased: Erased) -> bool:
    """Whether a file of versions that the log does not name can never be committed: its versions are there, or tell of somebody erased."""
    try:
        read = pl.scan_parquet(table.absolute(path), hive_partitioning=False, glob=False).select(list(LEDGER)).collect()
        versions = parse(table.dataset, read)
    except FileNotFoundError:
        return False
    except (*UNREADABLE, ValueError):
        return False
    return any((v.partition, v.number) in known or erased.scrubbed(v.note) != v.note for v in versions)
