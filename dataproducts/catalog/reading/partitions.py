"""Versions of partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.reading.figures import open_figures
from dataproducts.catalog.store import TIMED
from dataproducts.messages import ColumnFigures, DatasetBody

CALENDAR = 400
"""Newest partitions that a dataset's page shows."""


@dataclass(frozen=True)
class PartitionRow:
    """The newest version of one partition."""

    partition: str
    number: int
    content_hash: str
    rows: int
    refused: int
    at: datetime
    contract: str


@dataclass(frozen=True)
class VersionRow:
    """One version of one partition."""

    partition: str
    number: int
    content_hash: str
    at: datetime
    known_at: datetime
    rows: int
    received: int | None
    refused: int
    contract: str
    run: str
    inputs: Mapping[str, Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class VersionPage:
    """A version, what it was made from, what was made from it, and every run that delivered it."""

    version: VersionRow
    profile: tuple[ColumnFigures, ...]
    facts: Mapping[str, str]
    used_by: tuple[tuple[str, str, int], ...]  # dataset, partition, number
    deliveries: tuple[tuple[datetime, str, bool], ...]  # when, run, found unchanged
    others: tuple[int, ...]


def versions(
    connection: sa.Connection,
    name: str,
    *,
    partition: str | None = None,
    after: tuple[str, int] | None = None,
    limit: int = 50,
    as_of: datetime | None = None,
) -> list[VersionRow]:
    """Versions ordered by partition and number, newest first, beginning after (below) one."""
    v = t.version
    query = sa.select(v).where(v.c.dataset == name, *([v.c.known_at <= as_of] if as_of is not None else []))
    if partition is not None:
        query = query.where(v.c.partition == partition)
    if after is not None:
        query = query.where(sa.tuple_(v.c.partition, v.c.number) < sa.tuple_(*after))
    query = query.order_by(v.c.partition.desc(), v.c.number.desc(), v.c.at.desc()).limit(limit)
    return [_version(row) for row in connection.execute(query).mappings()]


def version(connection: sa.Connection, name: str, partition: str, number: int, as_of: datetime | None = None) -> VersionPage | None:
    """One version; of two of the same number (the lake was begun again) the newer. None where it is not known, or was not yet."""
    v, d, i, c = t.version, t.delivery, t.version_input, t.current
    known: list[Any] = []
    delivered_then: list[Any] = []
    used_then: list[Any] = []
    if as_of is not None:
        user = (v.c.dataset == i.c.dataset, v.c.partition == i.c.partition, v.c.number == i.c.number, v.c.known_at <= as_of)
        known, delivered_then, used_then = [v.c.known_at <= as_of], [d.c.at <= as_of], [sa.exists().where(*user)]
    own = (v.c.dataset == name, v.c.partition == partition, v.c.number == number, *known)
    declared = sa.select(v, c.c.body).select_from(v.outerjoin(c, c.c.subject == "dataset:" + v.c.dataset))
    row = connection.execute(declared.where(*own).order_by(v.c.at.desc()).limit(1)).mappings().first()
    if row is None:
        return None
    used = connection.execute(
        sa.select(i.c.dataset, i.c.partition, i.c.number)
        .where(i.c.input == name, i.c.input_partition == partition, i.c.input_number == number, *used_then)
        .order_by(i.c.dataset, i.c.partition, i.c.number)
        .limit(200)
    ).all()
    delivered = connection.execute(
        sa.select(d.c.at, d.c.run, d.c.unchanged)
        .where(d.c.dataset == name, d.c.partition == partition, d.c.number == number, *delivered_then)
        .order_by(d.c.at.desc())
        .limit(100)
    ).all()
    others = connection.execute(
        sa.select(v.c.number)
        .distinct()
        .where(v.c.dataset == name, v.c.partition == partition, *known)
        .order_by(v.c.number.desc())
        .limit(500)
    ).scalars()
    return VersionPage(
        version=_version(row),
        profile=open_figures(row["profile"], row["body"]),
        facts=row["facts"],
        used_by=tuple((a, b, c) for a, b, c in used),
        deliveries=tuple((a, b, c) for a, b, c in delivered),
        others=tuple(others),
    )


def newest_partitions(connection: sa.Connection, name: str) -> tuple[PartitionRow, ...]:
    """The newest version of each of the newest partitions, newest first."""
    p = t.partition_state
    rows = connection.execute(sa.select(p).where(p.c.dataset == name).order_by(p.c.partition.desc()).limit(CALENDAR)).mappings()
    return tuple(PartitionRow(r["partition"], r["number"], r["hash"], r["rows"], r["refused"], r["at"], r["contract"]) for r in rows)


def partitions_then(connection: sa.Connection, body: DatasetBody, as_of: datetime) -> tuple[tuple[PartitionRow, ...], Any]:
    """The same at a time, and the profile of the newest of them; one query, which reads no other profile."""
    d, v, o = t.delivery, t.version, t.delivery.alias()
    last = o.c.partition if body.partitions.kind in TIMED else o.c.at
    newest = sa.select(sa.func.max(last)).where(o.c.dataset == body.name, o.c.at <= as_of).scalar_subquery()
    own = (d.c.partition if body.partitions.kind in TIMED else d.c.at) == newest
    query = (
        sa.select(
            d.c.partition, d.c.number, d.c.hash, d.c.at, v.c.rows, v.c.refused, v.c.contract,
            sa.case((own, v.c.profile), else_=None).label("profile"),
        )
        .join(v, sa.and_(v.c.dataset == d.c.dataset, v.c.partition == d.c.partition, v.c.number == d.c.number, v.c.hash == d.c.hash))
        .where(d.c.dataset == body.name, d.c.at <= as_of)
        .order_by(d.c.at, d.c.storage_id)
    )  # fmt: skip
    delivered = {r["partition"]: r for r in connection.execute(query).mappings()}
    rows = [PartitionRow(k, r["number"], r["hash"], r["rows"], r["refused"], r["at"], r["contract"]) for k, r in sorted(delivered.items())]
    shown = tuple(rows[::-1][:CALENDAR])
    held = newest_of(body, shown)
    return shown, delivered[held.partition]["profile"] if held is not None else ()


def newest_of(body: DatasetBody, partitions: Sequence[PartitionRow]) -> PartitionRow | None:
    if body.partitions.kind in TIMED:
        return partitions[0] if partitions else None
    return max(partitions, key=lambda one: (one.at, one.partition), default=None)


def _version(row: Mapping[Any, Any]) -> VersionRow:
    return VersionRow(
        row["partition"], row["number"], row["hash"], row["at"], row["known_at"], row["rows"], row["received"], row["refused"],
        row["contract"], row["run"], row["inputs"],
    )  # fmt: skip
