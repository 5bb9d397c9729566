"""Lists that are paged through by key: each page begins after the last key of the one before, never at a count of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import graph, reading
from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import OWNED_BY


@dataclass(frozen=True)
class ProductSummary:
    """A product in a list."""

    name: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    status: str
    team: str
    access: str
    personal: str
    themes: Sequence[str]
    keywords: Sequence[str]
    changed: datetime


@dataclass(frozen=True)
class CheckLine:
    """One result of one check."""

    check: str
    at: datetime
    storage_id: int
    passed: bool
    severity: str
    run: str
    partitions: str
    facts: Mapping[str, str]


def products(connection: sa.Connection, *, after: str = "", limit: int = 50, team: str | None = None) -> list[ProductSummary]:
    """Products by name."""
    c = t.current
    query = sa.select(c.c.body, c.c.changed).where(c.c.kind == "product", c.c.body.is_not(None), c.c.subject > f"product:{after}")
    if team is not None:
        query = query.where(c.c.subject.in_(_owned(team)))
    found = []
    for body, changed in connection.execute(query.order_by(c.c.subject).limit(limit)):
        facts = body["facts"]
        found.append(
            ProductSummary(
                name=facts["name"],
                title=_said(facts["title"]),
                description=_said(facts["description"]),
                status=facts["status"],
                team=facts["team"],
                access=facts["access"]["level"],
                personal=facts["personal_data"]["class"],
                themes=facts["themes"],
                keywords=facts["keywords"],
                changed=changed,
            )
        )
    return found


def datasets(
    connection: sa.Connection, *, after: str = "", limit: int = 50, now: datetime, filters: Mapping[str, str]
) -> list[reading.Summary]:
    """Datasets by name. `filters`: product, team, access, personal, freshness, quality."""
    c, s, e = t.current, t.dataset_state, t.edge
    where = [c.c.body.is_not(None), c.c.subject > f"dataset:{after}"]
    if "product" in filters:
        where.append(c.c.product == filters["product"])
    if "team" in filters:
        owned = sa.select(sa.func.substr(e.c.source, len("product:") + 1)).where(
            e.c.target == f"team:{filters['team']}", e.c.label == OWNED_BY, e.c.valid_to.is_(None), e.c.source.like("product:%")
        )
        where.append(c.c.product.in_(owned))
    for name in ("access", "personal"):
        if name in filters:
            where.append(_member(connection, c.c.body, name) == filters[name])
    if "freshness" in filters:
        overdue = sa.and_(s.c.freshness == "fresh", s.c.fresh_until < now)
        is_so = sa.func.coalesce(s.c.freshness, "never") == filters["freshness"]
        is_late = sa.or_(is_so, overdue)
        where.append(is_late if filters["freshness"] == "late" else sa.and_(is_so, sa.not_(sa.func.coalesce(overdue, sa.false()))))
    if "quality" in filters:
        where.append(sa.func.coalesce(s.c.quality, "unchecked") == filters["quality"])
    return list(reading.summaries(connection, sa.and_(*where), limit=limit))


def checks(
    connection: sa.Connection,
    dataset: str,
    *,
    check: str | None = None,
    after: tuple[datetime, int, str, str] | None = None,
    limit: int = 50,
    as_of: datetime | None = None,
) -> list[CheckLine]:
    """Results of a dataset's checks, newest first, beginning after one (at, storage id, check, run)."""
    c = t.check_result
    key = (c.c.at, c.c.storage_id, c.c.check, c.c.run)
    query = sa.select(c).where(c.c.dataset == dataset)
    if check is not None:
        query = query.where(c.c.check == check)
    if as_of is not None:
        query = query.where(c.c.at <= as_of)
    if after is not None:
        query = query.where(sa.tuple_(*key) < sa.tuple_(*(sa.literal(v, k.type) for v, k in zip(after, key, strict=True))))
    rows = connection.execute(query.order_by(*(one.desc() for one in key)).limit(limit)).mappings()
    return [CheckLine(**{name: row[name] for name in CheckLine.__dataclass_fields__}) for row in rows]


def labels(connection: sa.Connection, ids: Sequence[str], as_of: datetime | None) -> dict[str, tuple[str, str]]:
    """Kind and label of nodes; of those that nobody has declared, what their ids say."""
    known = graph.nodes(connection, ids, as_of)
    told = {one: (one.partition(":")[0], one.partition(":")[2]) for one in ids}
    return told | {one: (node.kind, node.label) for one, node in known.items()}


def _owned(team: str) -> Any:
    e = t.edge
    return sa.select(e.c.source).where(e.c.target == f"team:{team}", e.c.label == OWNED_BY, e.c.valid_to.is_(None))


def _member(connection: sa.Connection, column: Any, name: str) -> Any:
    """A text field of a JSON body."""
    text = sa.type_coerce(column, sa.Text)
    if connection.dialect.name == "sqlite":
        return sa.func.json_extract(text, f"$.{name}")
    return sa.func.json_extract_path_text(sa.cast(text, sa.JSON), name)


def _said(localized: Mapping[str, str | None]) -> dict[str, str]:
    return {language: text for language, text in localized.items() if text}
