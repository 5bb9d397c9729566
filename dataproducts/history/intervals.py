"""SCD2 intervals from successive snapshots, kept as what each snapshot changed.

Partition `d` of a history holds the rows that a snapshot opened and the keys it closed, against the snapshot before it. Intervals
are derived when read. Late, repeated and out-of-order snapshots only ever touch their own changes and those of their successor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl

from dataproducts.contract import Column, Contract
from dataproducts.errors import DeclarationError, HistoryError
from dataproducts.history.ledger import Version
from dataproducts.history.store import Committed, DatasetHistory, Draft
from dataproducts.history.table import Conflict

FROM, TO, CLOSED = "valid_from", "valid_to", "_closed"
_FENCE = "@intervals"
_ATTEMPTS = 20
_SEEDS = (0x5EED, 0xC0FFEE)


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
        frame = _changes(last, now, source, source_contract, stored, moment(day))
        inputs = {source_contract.dataset: pair}
        drafts.append(Draft.of(day, frame, stored, {**note, "between": pair, "inputs": inputs}))
        last = now
    return drafts


def _digest(source: DatasetHistory, contract: Contract, version: Version) -> _Digest:
    names = sorted(c for c in contract.names if c not in contract.key)
    parts = []
    for batch in source.batches([version], contract.names, 131_072):
        rest = batch.select(names) if names else batch.select(pl.lit(0).alias("_"))
        hashes = [rest.hash_rows(seed=seed).alias(f"_h{i}") for i, seed in enumerate(_SEEDS)]
        parts.append(batch.select(contract.key).with_columns(hashes))
    if not parts:
        parts = [contract.empty().select(contract.key).with_columns(_h0=pl.lit(0, pl.UInt64), _h1=pl.lit(0, pl.UInt64))]
    return _Digest(version, pl.concat(parts))


def _changes(
    before: _Digest,
    now: _Digest,
    source: DatasetHistory,
    contract: Contract,
    stored: Contract,
    at: date | datetime,
) -> pl.DataFrame:
    if now.version is None:
        raise HistoryError(f"{contract.dataset}: no snapshot to take in")
    rows = source.scan([now.version], contract.names)
    key = list(contract.key)
    if before.version is None:
        opened = source.collecting([now.version], rows)
        gone = now.rows.select(key).clear()
    else:
        everything = [*key, "_h0", "_h1"]
        fresh = now.rows.join(before.rows, on=everything, how="anti").select(key)
        gone = before.rows.join(now.rows, on=key, how="anti").select(key)
        opened = source.collecting([now.version], rows.join(fresh.lazy(), on=key, how="semi"))
    stamp = pl.lit(at, stored.dtypes[FROM]).alias(FROM)
    opened = opened.with_columns(stamp, pl.lit(False).alias(CLOSED))
    closed = gone.with_columns(stamp, pl.lit(True).alias(CLOSED))
    return pl.concat([opened, closed], how="diagonal").select(stored.names)
