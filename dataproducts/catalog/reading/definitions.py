"""What is declared of subjects, now and then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.reading.states import State
from dataproducts.catalog.rendering import rendered
from dataproducts.catalog.tables import name_of


def definitions(connection: sa.Connection, subjects: Sequence[str], as_of: datetime | None) -> dict[str, dict[str, Any]]:
    """Subjects with their newest definition, state and, of datasets, the newest partition's profile; one query.

    In the past: the definition of then, no profile, and whatever else is there as it is now.
    """
    c, s, d = t.current, t.dataset_state, t.definition.alias()
    first = sa.select(sa.func.min(d.c.at)).where(d.c.subject == c.c.subject).scalar_subquery()
    about = (c.c.subject, c.c.location, c.c.changed, first.label("since"), *(s.c[n] for n in State.__dataclass_fields__))
    known = c.outerjoin(s, s.c.dataset == name_of(c.c.subject))
    if as_of is None:
        p, v = t.partition_state, t.version
        same = sa.and_(v.c.dataset == p.c.dataset, v.c.partition == p.c.partition, v.c.number == p.c.number, v.c.hash == p.c.hash)
        newest = sa.and_(p.c.dataset == s.c.dataset, p.c.partition == s.c.newest_partition)
        query = sa.select(*about, c.c.body, c.c.rendered, p.c.rows.label("newest_rows"), v.c.profile)
        query = query.select_from(known.outerjoin(p, newest).outerjoin(v, same))
    else:
        then = definition_then(as_of)
        query = sa.select(*about, then.c.body, then.c.at, sa.literal(None).label("profile"), sa.literal(None).label("newest_rows"))
        query = query.select_from(known.outerjoin(then, then.c.subject == c.c.subject))
    found = {r["subject"]: dict(r) for r in connection.execute(query.where(c.c.subject.in_(subjects))).mappings()}
    for subject, r in found.items():
        r["since"] = t.instant(r["since"]) if isinstance(r["since"], int) else r["since"]
        if as_of is not None:
            r["changed"] = r.pop("at") or r["changed"]
            r["rendered"] = rendered(subject, r["body"]) if r["body"] is not None else None
    return found


def definition_then(as_of: datetime) -> sa.Subquery:
    """Subject, time and body of the definition that held at a time: of several made at one instant, the last by hash."""
    d, other = t.definition, t.definition.alias()
    later = sa.and_(
        other.c.subject == d.c.subject,
        other.c.at <= as_of,
        sa.or_(other.c.at > d.c.at, sa.and_(other.c.at == d.c.at, other.c.hash > d.c.hash)),
    )
    held = sa.select(d.c.subject, d.c.at, d.c.body).where(d.c.at <= as_of, ~sa.exists().where(later))
    return held.subquery("then")
