"""The front page, and the catalog's own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.reading.lists import Summary, summaries


@dataclass(frozen=True)
class Front:
    """The front page."""

    counts: Mapping[str, int]
    freshness: Mapping[str, int]
    quality: Mapping[str, int]
    recent: tuple[Summary, ...]
    popular: tuple[Summary, ...]
    troubled: tuple[Summary, ...]


@dataclass(frozen=True)
class Status:
    """The catalog's own state. `proofs`: the newest reconciliation of each code location; `deliveries`: how many by day."""

    proofs: tuple[Mapping[str, Any], ...]
    deliveries: tuple[tuple[str, int], ...]
    counts: Mapping[str, int]
    newest: datetime | None
    received: datetime | None
    late: tuple[Summary, ...]


def front(connection: sa.Connection, now: datetime) -> Front:
    """What the front page shows."""
    c, s, u = t.current, t.dataset_state, t.usage
    counts: dict[str, int] = {}
    freshness: dict[str, int] = {}
    quality: dict[str, int] = {}
    grouped = sa.union_all(
        sa.select(sa.literal("dataset"), s.c.freshness, s.c.quality, sa.func.count()).group_by(s.c.freshness, s.c.quality),
        sa.select(c.c.kind, sa.literal(""), sa.literal(""), sa.func.count())
        .where(c.c.kind.in_(("product", "entry")), c.c.body.is_not(None))
        .group_by(c.c.kind),
    )
    for kind, fresh, good, many in connection.execute(grouped):
        counts[kind] = counts.get(kind, 0) + many
        if kind == "dataset":
            freshness[fresh] = freshness.get(fresh, 0) + many
            quality[good] = quality.get(good, 0) + many
    since = (now - timedelta(days=30)).date().isoformat()
    views = (
        sa.select(u.c.subject)
        .where(u.c.day >= since, u.c.subject.like("dataset:%"))
        .group_by(u.c.subject)
        .order_by(sa.func.sum(u.c.views).desc(), u.c.subject)
        .limit(6)
    )
    popular = summaries(connection, views, limit=6)
    return Front(
        counts=counts,
        freshness=freshness,
        quality=quality,
        recent=summaries(connection, c.c.kind == "dataset", order=c.c.changed.desc(), limit=6),
        popular=popular,
        troubled=_troubled(connection, 6, order=c.c.changed.desc()),
    )


def status(connection: sa.Connection, now: datetime) -> Status:
    """Deliveries, proofs, and what is late."""
    d = t.delivery
    day = (sa.type_coerce(d.c.at, sa.BigInteger) // 86_400_000_000).label("day")
    since = now - timedelta(days=30)
    by_day = connection.execute(sa.select(day, sa.func.count()).where(d.c.at >= since).group_by(day).order_by(day)).all()
    one = connection.execute(
        sa.select(
            sa.select(sa.func.max(t.inbox.c.received)).scalar_subquery(),
            sa.select(sa.func.max(t.dataset_state.c.delivered_at)).scalar_subquery(),
            sa.select(sa.func.count()).select_from(t.inbox).scalar_subquery(),
            sa.select(sa.func.count()).select_from(t.version).scalar_subquery(),
            sa.select(sa.func.count())
            .select_from(t.current)
            .where(t.current.c.kind == "dataset", t.current.c.body.is_not(None))
            .scalar_subquery(),
            sa.select(sa.func.max(t.feed.c.seq)).scalar_subquery(),
        )
    ).one()
    return Status(
        proofs=proofs(connection),
        deliveries=tuple((t.instant(int(number) * 86_400_000_000).date().isoformat(), many) for number, many in by_day),
        counts={"messages": one[2], "versions": one[3], "datasets": one[4], "changes": one[5] or 0},
        newest=one[1],
        received=one[0],
        late=_troubled(connection, 50),
    )


def proofs(connection: sa.Connection) -> tuple[Mapping[str, Any], ...]:
    """The newest reconciliation of each code location."""
    p = t.proof
    newest = sa.select(p.c.location, sa.func.max(p.c.at).label("at")).group_by(p.c.location).subquery()
    query = sa.select(p.c.body).join(newest, sa.and_(p.c.location == newest.c.location, p.c.at == newest.c.at)).order_by(p.c.location)
    return tuple(connection.execute(query).scalars())


def _troubled(connection: sa.Connection, limit: int, order: Any = None) -> tuple[Summary, ...]:
    """Datasets that are failing or late, of each those that became so last: found by where they stand, however many there are."""
    s = t.dataset_state
    subject = ("dataset:" + s.c.dataset).label("subject")
    failing = sa.select(subject).where(s.c.quality == "failing").order_by(s.c.delivered_at.desc()).limit(limit).subquery()
    late = sa.select(subject).where(s.c.freshness == "late").order_by(s.c.fresh_until.desc()).limit(limit).subquery()
    both = sa.union_all(sa.select(failing.c.subject), sa.select(late.c.subject)).subquery()
    return summaries(connection, sa.select(both.c.subject), order=order, limit=limit)
