"""A column, where it comes from and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.graph import Node, valid
from dataproducts.catalog.reading.definitions import definitions
from dataproducts.catalog.reading.figures import open_figures
from dataproducts.catalog.reading.lineage import Neighbor, neighbors
from dataproducts.messages import ColumnFacts, ColumnFigures, DatasetBody


@dataclass(frozen=True)
class ColumnPage:
    """A column, where it comes from and what follows from it."""

    dataset: DatasetBody
    column: ColumnFacts
    figures: ColumnFigures | None
    rows: int | None
    history: tuple[Node, ...]
    neighbors: tuple[Neighbor, ...]
    concept: Node | None
    same_name: tuple[str, ...]


def column(connection: sa.Connection, name: str, column_name: str, as_of: datetime | None = None) -> ColumnPage | None:
    """A column; None where the dataset does not have it."""
    own = f"dataset:{name}"
    row = definitions(connection, [own], as_of).get(own)
    if row is None or row["body"] is None:
        return None
    body = DatasetBody.model_validate(row["body"])
    facts = next((c for c in body.contract.columns if c.name == column_name), None)
    if facts is None:
        return None
    node_id = f"column:{name}/{column_name}"
    n = t.node
    concept_id = f"concept:{name.split('/')[0]}/{facts.concept}"
    known = connection.execute(
        sa.select(n)
        .where(
            sa.or_(
                sa.and_(n.c.id == node_id, *([n.c.valid_from <= as_of] if as_of is not None else [])),
                sa.and_(n.c.id == concept_id, valid(n, as_of)),
            )
        )
        .order_by(n.c.valid_from)
    ).mappings()
    made = [Node(r["id"], r["kind"], r["label"], r["body"], r["asserted_by"], r["valid_from"], r["valid_to"]) for r in known]
    figures = {f.name: f for f in open_figures(row["profile"], row["body"])}
    same = connection.execute(
        sa.select(n.c.id)
        .where(n.c.kind == "column", n.c.label == column_name, n.c.id != node_id, valid(n, as_of))
        .order_by(n.c.id)
        .limit(20)
    ).scalars()
    return ColumnPage(
        dataset=body,
        column=facts,
        figures=figures.get(column_name),
        rows=row["newest_rows"],
        history=tuple(_then(one, as_of) for one in made if one.id == node_id),
        neighbors=neighbors(connection, node_id, as_of),
        concept=next((one for one in made if one.id == concept_id), None),
        same_name=tuple(one.split(":", 1)[1] for one in same),
    )


def _then(node: Node, as_of: datetime | None) -> Node:
    """A node as it was known: that it would end was not."""
    return replace(node, valid_to=None) if as_of is not None and node.valid_to is not None and node.valid_to > as_of else node
