"""What the graph is made of: nodes and edges, each with the time it holds for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

Direction = Literal["out", "in"]


@dataclass(frozen=True)
class Node:
    """A node with the time it holds for; `valid_to` is None while it does."""

    id: str
    kind: str
    label: str
    body: Mapping[str, Any]
    asserted_by: str
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True)
class Edge:
    """An edge read from source to target, with the time it holds for."""

    source: str
    label: str
    target: str
    asserted_by: str
    valid_from: datetime
    valid_to: datetime | None


def valid(table: sa.FromClause, as_of: datetime | None) -> sa.ColumnElement[bool]:
    """Rows that hold now, or held at a time."""
    if as_of is None:
        return table.c.valid_to.is_(None)
    return sa.and_(table.c.valid_from <= as_of, sa.or_(table.c.valid_to.is_(None), table.c.valid_to > as_of))
