"""What people have added to a subject: remarks, tags, ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t


@dataclass(frozen=True)
class RemarkRow:
    """A comment, question or answer; `html` is safe."""

    id: str
    kind: str
    parent: str | None
    author: str
    html: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Voices:
    """What people have added to a subject."""

    remarks: tuple[RemarkRow, ...] = ()
    tags: tuple[str, ...] = ()
    stars: float | None = None
    ratings: int = 0


def voices(connection: sa.Connection, subject: str, as_of: datetime | None = None) -> Voices:
    """What people have added to a subject; one query."""
    return voices_of(union(connection, voice_parts(subject, as_of)))


def voice_parts(subject: str, as_of: datetime | None) -> list[Any]:
    m, g, r = t.remark, t.tag, t.rating
    empty = sa.literal("")

    def there(table: sa.Table) -> Any:
        if as_of is None:
            return table.c.withdrawn.is_(None)
        return sa.and_(table.c.at <= as_of, sa.or_(table.c.withdrawn.is_(None), table.c.withdrawn > as_of))

    return [
        sa.select(
            sa.literal("remark").label("part"), m.c.id.label("a"), m.c.kind.label("b"), m.c.author.label("c"),
            sa.func.coalesce(m.c.parent, "").label("d"), m.c.html.label("e"), m.c.text.label("f"), m.c.at.label("at"),
        ).where(m.c.subject == subject, there(m)).order_by(m.c.at.desc(), m.c.id).limit(200),
        sa.select(sa.literal("tag"), g.c.tag, empty, g.c.author, empty, empty, empty, g.c.at)
        .where(g.c.subject == subject, there(g)).limit(200),
        sa.select(sa.literal("rating"), r.c.author, sa.cast(r.c.stars, sa.Text), empty, empty, empty, empty, r.c.at)
        .where(r.c.subject == subject, *([r.c.at <= as_of] if as_of else [])).limit(2_000),
    ]  # fmt: skip


def union(connection: sa.Connection, parts: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Several selects of the same eight columns as one query, each with its own order and limit."""
    names = ("part", "a", "b", "c", "d", "e", "f", "at")
    wrapped = []
    for part in parts:
        inner = part.subquery()
        wrapped.append(sa.select(*(column.label(name) for column, name in zip(inner.c, names, strict=True))))
    rows = connection.execute(sa.union_all(*wrapped)).all()
    found: list[Mapping[str, Any]] = []
    for row in rows:
        values = dict(zip(names, row, strict=True))
        values["at"] = t.instant(values["at"]) if isinstance(values["at"], int) else values["at"]
        found.append(values)
    return found


def voices_of(found: Sequence[Mapping[str, Any]]) -> Voices:
    remarks = sorted((r for r in found if r["part"] == "remark"), key=lambda r: (r["at"], r["a"]))
    given: dict[str, int] = {}
    for r in sorted((r for r in found if r["part"] == "rating"), key=lambda r: r["at"]):
        given[r["a"]] = int(r["b"])
    return Voices(
        remarks=tuple(RemarkRow(r["a"], r["b"], r["d"] or None, r["c"], r["e"], r["f"], r["at"]) for r in remarks),
        tags=tuple(sorted({r["a"] for r in found if r["part"] == "tag"})),
        stars=round(sum(given.values()) / len(given), 1) if given else None,
        ratings=len(given),
    )
