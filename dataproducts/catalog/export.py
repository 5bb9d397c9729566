"""The whole truth of a catalog as text, in an order of its own: two catalogs that were told the same export the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t

TABLES = (
    t.definition,
    t.node,
    t.edge,
    t.current,
    t.version,
    t.version_input,
    t.delivery,
    t.arrival,
    t.partition_state,
    t.check_result,
    t.check_state,
    t.failure,
    t.dataset_state,
    t.proof,
    t.remark,
    t.rating,
    t.tag,
)
"""What is exported: not when messages were received, nor in which order, nor who may write."""


def export(connection: sa.Connection) -> Iterator[str]:
    """A line of JSON per row, ordered by table and key."""
    for table in TABLES:
        query = sa.select(table).order_by(*table.primary_key.columns)
        for row in connection.execute(query, execution_options={"yield_per": 1_000}).mappings():
            yield t.canonical({"table": table.name, **{name: _plain(value) for name, value in row.items()}}) + "\n"


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
