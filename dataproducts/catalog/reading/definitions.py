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
    """Subjects with their newest definition, state and, of datasets, the newest partition's profile; one query now, three for the past."""
    c, s, p, v, d = t.current, t.dataset_state, t.partition_state, t.version, t.definition
    first = sa.select(sa.func.min(d.c.at)).where(d.c.subject == c.c.subject).scalar_subquery()
    query = (
        sa.select(
            c.c.subject, c.c.location, c.c.body, c.c.rendered, c.c.changed, first.label("since"),
            *(s.c[n] for n in State.__dataclass_fields__), p.c.rows.label("newest_rows"), v.c.profile,
        )
        .select_from(
            c.outerjoin(s, s.c.dataset == name_of(c.c.subject))
            .outerjoin(p, sa.and_(p.c.dataset == s.c.dataset, p.c.partition == s.c.newest_partition))
            .outerjoin(
                v,
                sa.and_(v.c.dataset == p.c.dataset, v.c.partition == p.c.partition, v.c.number == p.c.number, v.c.hash == p.c.hash),
            )
        )
        .where(c.c.subject.in_(subjects))
    )  # fmt: skip
    found = {r["subject"]: dict(r) for r in connection.execute(query).mappings()}
    for r in found.values():
        r["since"] = t.instant(r["since"]) if isinstance(r["since"], int) else r["since"]
    if as_of is None:
        return found
    then = definitions_then(connection, subjects, as_of)
    for subject, row in found.items():
        past = then.get(subject)
        row.update(body=past["body"] if past else None, changed=past["at"] if past else row["changed"], rendered=None, profile=None)
        if row["body"] is not None:
            row["rendered"] = rendered(subject, row["body"])
    return found


def definitions_then(connection: sa.Connection, subjects: Sequence[str], as_of: datetime) -> dict[str, dict[str, Any]]:
    """The newest definition of each subject at or before a time."""
    d = t.definition
    rows = connection.execute(
        sa.select(d.c.subject, d.c.at, d.c.body).where(d.c.subject.in_(subjects), d.c.at <= as_of).order_by(d.c.subject, d.c.at, d.c.hash)
    ).mappings()
    return {r["subject"]: {"body": r["body"], "at": r["at"]} for r in rows}
