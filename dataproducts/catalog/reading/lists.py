"""Datasets in lists, a line each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import OWNED_BY
from dataproducts.catalog.graph import valid
from dataproducts.catalog.reading.definitions import definition_then
from dataproducts.catalog.reading.states import State
from dataproducts.catalog.tables import name_of


@dataclass(frozen=True)
class Summary:
    """A dataset in a list."""

    name: str
    title: str
    product: str
    team: str
    description: str
    access: str
    personal: str
    contract: str
    columns: int
    changed: datetime
    state: State


def summaries(
    connection: sa.Connection,
    where: sa.ColumnElement[bool] | sa.Select[Any],
    *,
    order: Any = None,
    limit: int = 500,
    as_of: datetime | None = None,
) -> tuple[Summary, ...]:
    """Datasets that a condition on `current` and `dataset_state` holds for, or of which a SELECT gives the subjects.

    In the past: those declared then, with the facts of then.
    """
    c, s, e = t.current, t.dataset_state, t.edge
    team = (
        sa.select(e.c.target)
        .where(e.c.source == "product:" + c.c.product, e.c.label == OWNED_BY, valid(e, as_of))
        .order_by(e.c.target)
        .limit(1)
        .scalar_subquery()
    )
    chosen = (
        where
        if isinstance(where, sa.Select)
        else (
            sa.select(c.c.subject)
            .select_from(c.outerjoin(s, s.c.dataset == name_of(c.c.subject)))
            .where(c.c.kind == "dataset", where, *([c.c.body.is_not(None)] if as_of is None else []))
            .order_by(order if order is not None else c.c.subject)
            .limit(limit)
        )
    )
    shown: tuple[Any, Any] = (c.c.body, c.c.changed)
    known = c.outerjoin(s, s.c.dataset == name_of(c.c.subject))
    if as_of is not None:
        then = definition_then(as_of)
        known, shown = known.join(then, then.c.subject == c.c.subject), (then.c.body, then.c.at.label("changed"))
    query = (  # what is shown is read of the chosen alone: bodies are large
        sa.select(c.c.subject, c.c.product, *shown, team.label("team"), *(s.c[n] for n in State.__dataclass_fields__))
        .select_from(known)
        .where(c.c.subject.in_(chosen))
        .order_by(order if order is not None else c.c.subject)
        .limit(limit)
    )
    found = []
    for r in connection.execute(query).mappings():
        body = r["body"]
        if body is None:
            continue
        state = State(**{n: r[n] for n in State.__dataclass_fields__}) if r["freshness"] and as_of is None else State()
        contract = body["contract"]
        found.append(
            Summary(
                name=body["name"],
                title=body["title"],
                product=r["product"],
                team=(r["team"] or "team:").split(":", 1)[1],
                description=body["description"],
                access=body["access"],
                personal=body["personal"],
                contract=contract["version"],
                columns=len(contract["columns"]),
                changed=r["changed"],
                state=state,
            )
        )
    return tuple(found)
