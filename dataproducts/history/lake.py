"""Reading datasets by name: `read`, `scan`, `versions`, `changes`. Needs the lake only, not the code that made the data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dataproducts import settings
from dataproducts.errors import DataProductsError, UnknownDataset
from dataproducts.history.changes import difference
from dataproducts.history.intervals import CLOSED, TO, intervals
from dataproducts.history.ledger import UNPARTITIONED, Version, newest
from dataproducts.history.store import DatasetHistory

if TYPE_CHECKING:
    import pandas as pd

    from dataproducts.history.table import HistoryTable

__all__ = ["Version", "changes", "read", "scan", "versions"]

Moment = datetime | date | str
PartitionChoice = str | tuple[str, str] | Sequence[str] | None


def read(
    name: str,
    partition: PartitionChoice = None,
    version: int | None = None,
    as_of: Moment | None = None,
    columns: Sequence[str] | None = None,
    *,
    contract: int | str | None = None,
) -> pd.DataFrame:
    """The rows of a dataset ("product/dataset") as a pandas frame with exact (Arrow-backed) types.

    Without arguments: its current content, and of a dataset of snapshots the newest one. `partition` is a key, a (first, last)
    pair, or a list of keys; `version` an older version of one partition; `as_of` what was known then: a datetime with a zone, ISO
    text, or a date, which means the end of that day in UTC. `columns` may name `_partition`, `_version`, `_known_at` and `_contract`.
    `contract` reads one major version of the contract, for a consumer that has not moved on yet.
    Raises UnknownDataset for names, partitions and versions that are not there.
    """
    return _pandas(frame(name, partition, version, as_of, columns, contract))


def scan(
    name: str,
    partition: PartitionChoice = None,
    version: int | None = None,
    as_of: Moment | None = None,
    columns: Sequence[str] | None = None,
    *,
    contract: int | str | None = None,
) -> pl.LazyFrame:
    """As `read`, as a polars lazy frame: filters and projections reach the files."""
    return select(name, partition, version, as_of, columns, contract)[1]


def versions(name: str, partition: str | None = None) -> list[Version]:
    """Every version of a dataset, or of one partition, ordered by partition and number."""
    history = open_history(name)
    found = history.versions(partition)
    if partition is not None and not found:
        raise _no_partition(history, partition)
    return found


def changes(name: str, since: Moment, until: Moment | None = None) -> pd.DataFrame:
    """Inserts, updates and deletes by key between two points, as a pandas frame.

    A point is a time of knowledge, given as for `as_of`; of a dataset of snapshots it may also be a partition key, which stands for
    that snapshot as it is known now. `until` defaults to now. Columns: `_change` (insert, update, delete), `_changed_columns`, then
    the dataset's own; inserts and updates show the new values, deletes the last ones.
    """
    return _pandas(changed(name, since, until))


def changed(name: str, since: Moment, until: Moment | None = None) -> pl.DataFrame:
    """As `changes`, as a polars frame."""
    history = open_history(name)
    table = _newest_table(history)
    if not table.key:
        raise UnknownDataset(f"{name} has no key, and changes are by key; compare two reads instead")
    before, after = _state(history, since), _state(history, until)
    if table.kind == "table":
        # partitions whose version is the same at both ends cannot differ
        same = set(before) & set(after)
        before, after = [v for v in before if v not in same], [v for v in after if v not in same]
    majors = sorted({v.major for v in (*before, *after)})
    if majors:
        table = history.table(majors[-1])
        _refuse_other_types(history, majors)
    columns = None if table.kind != "table" else ["_partition", *table.dtypes]
    old, new = (history.collecting(*_rows(history, _Choice(tuple(side)), columns)) for side in (before, after))
    key = table.key if table.kind != "table" else ("_partition", *table.key)
    found = difference(old, new, key)
    unpartitioned = {v.partition for v in (*before, *after)} <= {UNPARTITIONED}
    return found.drop("_partition") if table.kind == "table" and unpartitioned else found


def open_history(name: str) -> DatasetHistory:
    """The history of a dataset of the lake in use, or UnknownDataset with the nearest name."""
    settings.split_name(name)
    history = DatasetHistory(settings.lake(), name)
    if not history.versions():  # a run that died may have left a table without any
        there = datasets()
        near = get_close_matches(name, there, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`dataproducts list` shows what there is"
        raise UnknownDataset(f"{name} has no history in {settings.lake()}; materialize it first, or {hint}")
    return history


def _newest_table(history: DatasetHistory) -> HistoryTable:
    return history.table(max(v.major for v in history.versions()))


def _refuse_other_types(history: DatasetHistory, majors: Sequence[int]) -> None:
    then, now = history.table(majors[0]).dtypes, history.table(majors[-1]).dtypes
    differing = [n for n in {**then, **now} if then.get(n) != now.get(n)]
    if differing:
        raise UnknownDataset(
            f"{history.dataset}: column {differing[0]!r} is not the same under the contracts {majors[0]}.x and {majors[-1]}.x, so "
            "changes between them cannot be told; choose two points under one of them"
        )


def datasets() -> list[str]:
    """Names of the datasets in a local lake, sorted."""
    root = Path(settings.lake())
    return sorted({str(p.parent.parent.relative_to(root)) for p in root.glob("*/*/v*/_delta_log")})


def select(
    name: str,
    partition: PartitionChoice = None,
    version: int | None = None,
    as_of: Moment | None = None,
    columns: Sequence[str] | None = None,
    contract: int | str | None = None,
) -> tuple[Sequence[Version], pl.LazyFrame]:
    """As `scan`, with the versions whose rows these are."""
    history = open_history(name)
    return _rows(history, _choose(history, partition, version, _moment(as_of), contract), columns)


def frame(
    name: str,
    partition: PartitionChoice = None,
    version: int | None = None,
    as_of: Moment | None = None,
    columns: Sequence[str] | None = None,
    contract: int | str | None = None,
) -> pl.DataFrame:
    """As `read`, as a polars frame."""
    history = open_history(name)
    return history.collecting(*_rows(history, _choose(history, partition, version, _moment(as_of), contract), columns))


@dataclass(frozen=True)
class _Choice:
    """Versions to read; of a history, which needs every change to know its intervals, also the partitions to show."""

    versions: tuple[Version, ...]
    shown: frozenset[str] | None = None


def _choose(
    history: DatasetHistory,
    partition: PartitionChoice,
    version: int | None,
    as_of: datetime | None,
    contract: int | str | None,
) -> _Choice:
    major = int(str(contract).split(".", 1)[0]) if contract is not None else None
    kind = _newest_table(history).kind
    current = history.current(as_of, major)
    if major is not None and major not in (majors := sorted({v.major for v in history.versions()})):
        raise UnknownDataset(f"{history.dataset} has nothing under contract {major}; it has {', '.join(map(str, majors)) or 'nothing yet'}")
    if version is not None:
        one = _one_version(history, partition, version)
        if kind != "history":
            return _Choice((one,))
        current = {**current, one.partition: one}
        return _Choice(tuple(current.values()), frozenset({one.partition}))
    if partition is None:
        if not current and as_of is not None:
            first = min(v.known_at for v in history.versions())
            raise UnknownDataset(
                f"{history.dataset}: nothing was known at {as_of.isoformat()}; its first version is of {first.isoformat()}"
            )
        keys = [max(current)] if kind == "snapshot" and current else sorted(current)
    elif isinstance(partition, str):
        keys = [partition]
    elif isinstance(partition, tuple) and len(partition) == 2:
        keys = [p for p in sorted(current) if partition[0] <= p <= partition[1]]
    else:
        keys = sorted(set(partition))
    unknown = [p for p in keys if p not in current]
    if unknown:
        raise _no_partition(history, unknown[0], as_of)
    if kind == "history" and partition is not None:
        return _Choice(tuple(current.values()), frozenset(keys))
    return _Choice(tuple(_live(current[p], as_of) for p in keys))


def _live(version: Version, as_of: datetime | None) -> Version:
    """A view is read over what its inputs hold now, or held then; everything else is as it was stored."""
    if not version.is_view:
        return version
    from dataproducts.sql.view import live

    return live(version, as_of)


def _one_version(history: DatasetHistory, partition: PartitionChoice, number: int) -> Version:
    if partition is None:
        keys = {v.partition for v in history.versions()}
        if keys != {UNPARTITIONED}:
            raise UnknownDataset(f"{history.dataset} is partitioned; say which partition version {number} is of")
        partition = UNPARTITIONED
    if not isinstance(partition, str):
        raise UnknownDataset(f"{history.dataset}: a version belongs to one partition; give one key")
    found = {v.number: v for v in history.versions(partition)}
    if not found:
        raise _no_partition(history, partition)
    if number not in found:
        raise UnknownDataset(f"{history.dataset}: partition {partition!r} has no version {number}; it has {min(found)} to {max(found)}")
    return found[number]


def of_versions(history: DatasetHistory, versions: Sequence[Version]) -> pl.LazyFrame:
    """The rows of exactly these versions; of a history, the intervals that follow from them."""
    return _rows(history, _Choice(tuple(versions)), None)[1]


def _rows(history: DatasetHistory, choice: _Choice, columns: Sequence[str] | None) -> tuple[Sequence[Version], pl.LazyFrame]:
    chosen = choice.versions
    table = history.table(chosen[0].major) if chosen else _newest_table(history)
    if table.kind != "history":
        return chosen, history.scan(chosen, columns)
    stored = list(table.dtypes)
    names = [n for n in stored if n != CLOSED] + [TO]
    unknown = [c for c in columns or () if c not in names]
    if unknown:
        raise UnknownDataset(f"{history.dataset} has no column {unknown[0]!r}; its columns are {', '.join(names)}")
    rows = intervals(history.scan(chosen, [*stored, "_partition"]), table.key[:-1])
    if choice.shown is not None:
        rows = rows.filter(pl.col("_partition").is_in(sorted(choice.shown)))
    return chosen, rows.select(list(columns) if columns is not None else names)


def _state(history: DatasetHistory, point: Moment | None) -> list[Version]:
    kind = _newest_table(history).kind
    current = newest(history.versions())
    if kind == "snapshot":
        key = point.isoformat() if isinstance(point, date) and not isinstance(point, datetime) else point
        if isinstance(key, str) and key in current:
            return [current[key]]
        known = newest(history.versions(), _moment(point))
        return [known[max(known)]] if known else []
    known = newest(history.versions(), _moment(point))
    return [known[p] for p in sorted(known)]


def _moment(point: Moment | None) -> datetime | None:
    if point is None:
        return None
    if isinstance(point, datetime):
        if point.tzinfo is None:
            raise UnknownDataset(f"{point.isoformat()} has no time zone; give one, for instance +00:00")
        return point.astimezone(UTC)
    if isinstance(point, date):
        return datetime.combine(point, time(), UTC) + timedelta(days=1, microseconds=-1)
    text = point.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return _moment(date.fromisoformat(text))
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UnknownDataset(f"{point!r} is not a time; write 2026-01-31, or 2026-01-31T12:00:00+01:00") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)


def _no_partition(history: DatasetHistory, key: str, as_of: datetime | None = None) -> DataProductsError:
    keys = sorted(newest(history.versions(), as_of))
    span = "it has none" if not keys else f"it has {len(keys)}, from {keys[0]!r} to {keys[-1]!r}"
    when = f" known at {as_of.isoformat()}" if as_of else ""
    return UnknownDataset(f"{history.dataset} has no partition {key!r}{when}; {span}")


def _pandas(rows: pl.DataFrame) -> pd.DataFrame:
    import pandas as pd

    found: pd.DataFrame = rows.to_arrow().to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
    return found
