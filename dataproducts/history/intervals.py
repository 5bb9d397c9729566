"""SCD2 intervals from successive snapshots, kept as what each snapshot changed.

Partition `d` of a history holds the rows that a snapshot opened and the keys it closed, against the snapshot before it. Intervals
are derived when read. Late, repeated and out-of-order snapshots only ever touch their own changes and those of their successor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl

from dataproducts.contract import Column, Contract
from dataproducts.errors import DeclarationError, HistoryError
from dataproducts.history.content import content_hash
from dataproducts.history.ledger import Version
from dataproducts.history.store import Committed, DatasetHistory, Draft
from dataproducts.history.table import Conflict

FROM, TO, CLOSED = "valid_from", "valid_to", "_closed"
_FENCE = "@intervals"
_ATTEMPTS = 20
_SEEDS = (0x5EED, 0xC0FFEE)
_CELLS_HELD = 10_000_000  # rows x columns of all drafts of a commit; drafts beyond are read from the snapshots once more, to be written
_CELLS_AT_ONCE = 2_100_000  # of a snapshot
_ROWS_AT_ONCE = 200_000  # of two digests that are compared


def interval_contract(source: Contract, *, dataset: str, version: str, moment: pl.DataType) -> Contract:
    """What a reader of the history gets: the snapshot's columns, `valid_from` (inclusive) and `valid_to` (exclusive)."""
    if not source.key:
        raise DeclarationError(f"{dataset}: {source.dataset} has no key, and intervals are per key; give it one")
    taken = [n for n in (FROM, TO) if n in source.by_name]
    if taken:
        raise DeclarationError(f"{dataset}: {source.dataset} already has a column {taken[0]!r}; rename it")
    added = (
        Column(FROM, moment, False, "First snapshot that shows the row like this; inclusive.", personal="none"),
        Column(TO, moment, True, "First snapshot that no longer does; exclusive, missing while it is current.", personal="none"),
    )
    columns = tuple(replace(c, source=None, rules=()) for c in source.columns) + added
    from dataproducts.contract import SemVer

    return Contract(
        dataset=dataset,
        version=SemVer.parse(version),
        columns=columns,
        key=(*source.key, FROM),
        description=f"Intervals in which a row of {source.dataset} stood unchanged.",
        kind="history",
    )


def stored_contract(contract: Contract) -> Contract:
    """What lies in the lake: rows opened and keys closed, each at its `valid_from`."""
    key = contract.key[:-1]
    kept = (replace(c, nullable=c.name not in contract.key) for c in contract.columns if c.name != TO)
    columns = (*kept, Column(CLOSED, pl.Boolean(), False, "The key is gone from this snapshot on."))
    return replace(contract, columns=columns, key=(*key, FROM))


def intervals(changes: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """Intervals of stored changes. `key` is the snapshot's key; columns come back without `_closed`, with `valid_to`."""
    order = [*key, FROM]
    names = changes.collect_schema().names()
    same = pl.all_horizontal([pl.col(k) == pl.col(k).shift(-1) for k in key])
    return (
        changes.sort(order)
        .with_columns(pl.when(same).then(pl.col(FROM).shift(-1)).alias(TO))
        .filter(~pl.col(CLOSED))
        .select([n for n in names if n not in (CLOSED, TO)] + [TO])
    )


@dataclass
class _Digest:
    """Key and 128 bits of content of each row of one version of a snapshot."""

    version: Version | None
    rows: pl.DataFrame


def incorporate(
    history: DatasetHistory,
    contract: Contract,
    source: DatasetHistory,
    source_contract: Contract,
    partitions: Sequence[str],
    moment: Callable[[str], date | datetime],
    note: dict[str, Any] | None = None,
) -> list[Committed]:
    """Take snapshots into the history, in one commit: those asked for and those whose neighbours changed.

    `moment` gives a partition key's `valid_from`. The result depends only on which snapshots are in and what they hold, never on
    the order in which they came. Raises HistoryError for a snapshot that does not exist.
    """
    stored = stored_contract(contract)
    for _ in range(_ATTEMPTS):
        snapshots = source.refresh().current(major=source_contract.version.major)
        missing = [p for p in partitions if p not in snapshots]
        if missing:
            raise HistoryError(f"{contract.dataset}: {source_contract.dataset} has no partition {missing[0]!r}; materialize that first")
        held = history.refresh().current(major=contract.version.major)
        drafts = _drafts(held, snapshots, partitions, source, source_contract, stored, moment, note or {})
        try:
            if not drafts:
                return [Committed(held[p], False) for p in partitions]
            done = history.commit(drafts, stored, fence=_FENCE)
        except Conflict:
            continue
        found = {c.version.partition: c for c in done}
        return [*done, *(Committed(held[p], False) for p in partitions if p not in found)]
    raise HistoryError(f"{contract.dataset}: other writers kept committing first; nothing was stored, run again")


def _drafts(
    held: dict[str, Version],
    snapshots: dict[str, Version],
    partitions: Sequence[str],
    source: DatasetHistory,
    source_contract: Contract,
    stored: Contract,
    moment: Callable[[str], date | datetime],
    note: dict[str, Any],
) -> list[Draft]:
    days = sorted({*(p for p in held if p in snapshots), *partitions}, key=moment)
    before: dict[str, str | None] = dict(zip(days, [None, *days[:-1]], strict=True))
    drafts: list[Draft] = []
    last = _Digest(None, pl.DataFrame())
    room = _CELLS_HELD
    for day in days:
        earlier = before[day]
        pair = [[p, snapshots[p].number] for p in (earlier, day) if p is not None]
        if day in held and held[day].note.get("between") == pair:
            continue
        if earlier is None:
            last = _Digest(None, pl.DataFrame())
        elif last.version != snapshots[earlier]:
            last = _digest(source, source_contract, snapshots[earlier])
        now = _digest(source, source_contract, snapshots[day])
        change = _Change.between(last, now, source, snapshots[day], source_contract, stored, moment(day))
        said = {**note, "between": pair, "inputs": {source_contract.dataset: pair}}
        cells = change.rows * len(stored.columns)
        if cells <= room or not _in_order(now.rows, source_contract.key):
            room -= cells
            drafts.append(Draft.of(day, change.whole(), stored, said))
        else:
            change.place_closed(now)
            digest = content_hash(change.chunks(), stored.dtypes)
            drafts.append(Draft(day, change.chunks, change.rows, digest, said))
        last = now
    return drafts


def _digest(source: DatasetHistory, contract: Contract, version: Version) -> _Digest:
    names = sorted(c for c in contract.names if c not in contract.key)
    parts = []
    for piece in _pieces(source, version, contract.names):
        rest = piece.select(names) if names else piece.select(pl.lit(0).alias("_"))
        hashes = [rest.hash_rows(seed=seed).alias(f"_h{i}") for i, seed in enumerate(_SEEDS)]
        parts.append(piece.select(contract.key).with_columns(hashes))
    return _Digest(version, pl.concat(parts))


def _pieces(source: DatasetHistory, version: Version, names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of a snapshot as stored, a bounded number at a time and at least one frame."""
    at_once = max(1, _CELLS_AT_ONCE // len(names))
    rows = source.scan([version], names)
    if version.rows <= at_once:
        yield source.collecting([version], rows)
    elif any(v != version and set(v.files) & set(version.files) for v in source.versions()):
        yield from source.batches([version], names, at_once)
    else:  # reading ahead, as batches do, takes twice the memory
        for start in range(0, version.rows, at_once):
            yield source.collecting([version], rows.slice(start, at_once))


def _in_order(rows: pl.DataFrame, key: Sequence[str]) -> bool:
    if len(key) == 1:
        return rows.get_column(key[0]).is_sorted()
    keys = rows.select(key)
    return keys.equals(keys.sort(key))


def _compare(before: pl.DataFrame, now: pl.DataFrame, key: Sequence[str]) -> tuple[pl.Series, pl.DataFrame]:
    """Positions of the rows of `now` that are new or different, and keys that are gone; part by part, since joins take memory."""
    everything = [*key, "_h0", "_h1"]
    parts = 1 + now.height // _ROWS_AT_ONCE
    now = now.with_row_index("_at")
    fresh, lost = [], []
    for part in range(parts):
        was, is_ = (side.filter(pl.col("_h0") % parts == part) for side in (before, now)) if parts > 1 else (before, now)
        fresh.append(is_.join(was, on=everything, how="anti").select("_at", *key))
        lost.append(was.join(is_, on=everything, how="anti").select(key))
    opened = pl.concat(fresh)
    return opened.get_column("_at"), pl.concat(lost).join(opened, on=key, how="anti")


@dataclass
class _Change:
    """What a snapshot changed: which of its rows, by position, are new or different, and which keys are gone."""

    source: DatasetHistory
    snapshot: Version
    names: Sequence[str]
    stored: Contract
    at: date | datetime
    opened: pl.Series
    closed: pl.DataFrame

    @classmethod
    def between(
        cls,
        before: _Digest,
        now: _Digest,
        source: DatasetHistory,
        snapshot: Version,
        contract: Contract,
        stored: Contract,
        at: date | datetime,
    ) -> _Change:
        if before.version is None:
            opened = pl.repeat(True, now.rows.height, eager=True)
            closed = now.rows.select(contract.key).clear()
        else:
            fresh, closed = _compare(before.rows, now.rows, contract.key)
            opened = pl.repeat(False, now.rows.height, eager=True).scatter(fresh, True)
        return cls(source, snapshot, contract.names, stored, at, opened, closed)

    @property
    def rows(self) -> int:
        return int(self.opened.sum()) + self.closed.height

    def whole(self) -> pl.DataFrame:
        """All rows to store, in any order."""
        return pl.concat([*self._opened(), self._marked(self.closed, closed=True)])

    def place_closed(self, now: _Digest) -> None:
        """Find for each closed key how many opened rows come before it."""
        key = self.closed.columns
        both = [now.rows.filter(self.opened).select(*key, _open=1), self.closed.with_columns(_open=0)]
        placed = pl.concat(both).sort(key).with_columns(pl.col("_open").cum_sum().alias("_after"))
        self.closed = placed.filter(pl.col("_open") == 0).drop("_open")

    def chunks(self) -> Iterator[pl.DataFrame]:
        """All rows to store in canonical order, a bounded number at a time, where the snapshot is in that order."""
        at_once = max(1, _CELLS_AT_ONCE // len(self.stored.columns))
        keys, after = self.closed.drop("_after"), self.closed.get_column("_after")
        passed = begin = 0
        for opened in self._opened():
            end = int(after.search_sorted(passed + opened.height, "right"))
            first = 0
            for start in range(begin, end, at_once):
                stop = min(start + at_once, end)
                until = opened.height if stop == end else after[stop - 1] - passed
                closed = self._marked(keys.slice(start, stop - start), closed=True)
                yield pl.concat([opened.slice(first, until - first), closed]).sort(self.stored.key)
                first = until
            if begin == end and opened.height:
                yield opened
            passed, begin = passed + opened.height, end

    def _opened(self) -> Iterator[pl.DataFrame]:
        start = 0
        for piece in _pieces(self.source, self.snapshot, self.names):
            opened = self.opened.slice(start, piece.height)
            start += piece.height
            # by way of Arrow, since a few rows that polars has filtered hold on to the text of all
            rows = piece if opened.all() else pl.DataFrame(piece.filter(opened).to_arrow())
            yield self._marked(rows, closed=False)

    def _marked(self, rows: pl.DataFrame, *, closed: bool) -> pl.DataFrame:
        missing = [pl.lit(None, t).alias(n) for n, t in self.stored.dtypes.items() if n not in (*rows.columns, FROM, CLOSED)]
        stamp = pl.lit(self.at, self.stored.dtypes[FROM]).alias(FROM)
        return rows.with_columns(*missing, stamp, pl.lit(closed).alias(CLOSED)).select(self.stored.names)
