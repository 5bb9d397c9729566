"""Products, the teams that own them, and their concepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import ABOUT, OWNED_BY, USES
from dataproducts.catalog.graph import Node, valid
from dataproducts.catalog.reading.definitions import definitions
from dataproducts.catalog.reading.lineage import Neighbor
from dataproducts.catalog.reading.lists import Summary, summaries
from dataproducts.catalog.reading.remarks import Voices, union, voice_parts, voices_of
from dataproducts.catalog.store import parse_body
from dataproducts.messages import Concept, ProductBody


@dataclass(frozen=True)
class ProductPage:
    """A product with its datasets."""

    body: ProductBody
    rendered: Mapping[str, str]
    location: str
    since: datetime
    changed: datetime
    datasets: tuple[Summary, ...]
    voices: Voices
    used_by: tuple[Neighbor, ...]


@dataclass(frozen=True)
class TeamPage:
    """A team, its products and their datasets."""

    name: str
    products: tuple[ProductBody, ...]
    datasets: tuple[Summary, ...]


@dataclass(frozen=True)
class ConceptPage:
    """A concept, and the columns and products it is used in."""

    key: str
    product: str
    concept: Concept
    since: datetime
    columns: tuple[Node, ...]
    narrower: tuple[str, ...]


def product(connection: sa.Connection, name: str, as_of: datetime | None = None) -> ProductPage | None:
    """A product as it is, or was; None where it is not declared."""
    found = definitions(connection, [f"product:{name}"], as_of).get(f"product:{name}")
    if found is None or found["body"] is None:
        return None
    e, n, empty = t.edge, t.node, sa.literal("")
    using = (
        sa.select(sa.literal("user"), n.c.id, n.c.kind, n.c.label, sa.cast(n.c.body, sa.Text), empty, empty, n.c.valid_from)
        .join(e, e.c.source == n.c.id)
        .where(e.c.target == f"product:{name}", e.c.label == USES, valid(e, as_of), valid(n, as_of))
        .order_by(n.c.kind, n.c.label)
        .limit(500)
    )
    said = union(connection, [*voice_parts(f"product:{name}", as_of), using])
    users = [row for row in said if row["part"] == "user"]
    return ProductPage(
        body=ProductBody.model_validate(found["body"]),
        rendered=found["rendered"] or {},
        location=found["location"],
        since=found["since"],
        changed=found["changed"],
        datasets=summaries(connection, t.current.c.product == name, as_of=as_of),
        voices=voices_of(said),
        used_by=tuple(Neighbor(r["a"], r["b"], r["c"], "down", body=json.loads(r["d"]) if r["d"] else {}) for r in users),
    )


def team(connection: sa.Connection, name: str, as_of: datetime | None = None) -> TeamPage | None:
    """A team by the products it owns; None where it owns none."""
    e = t.edge
    owned = connection.execute(
        sa.select(e.c.source).where(e.c.target == f"team:{name}", e.c.label == OWNED_BY, valid(e, as_of)).order_by(e.c.source)
    ).scalars()
    subjects = [one for one in owned if one.startswith("product:")]
    if not subjects:
        return None
    found = definitions(connection, subjects, as_of)
    bodies = [parse_body(s, found[s]["body"]) for s in subjects if s in found]
    names = [s.split(":", 1)[1] for s in subjects]
    return TeamPage(
        name, tuple(b for b in bodies if isinstance(b, ProductBody)), summaries(connection, t.current.c.product.in_(names), as_of=as_of)
    )


def concept(connection: sa.Connection, key: str, as_of: datetime | None = None) -> ConceptPage | None:
    """A concept ("product/name") with the columns that are about it."""
    name, _, own = key.partition("/")
    row = definitions(connection, [f"product:{name}"], as_of).get(f"product:{name}")
    body = parse_body(f"product:{name}", row["body"]) if row else None
    found = next((c for c in body.concepts if c.name == own), None) if isinstance(body, ProductBody) else None
    if row is None or found is None or not isinstance(body, ProductBody):
        return None
    e, n = t.edge, t.node
    columns = connection.execute(
        sa.select(n)
        .join(e, e.c.source == n.c.id)
        .where(e.c.target == f"concept:{key}", e.c.label == ABOUT, n.c.kind == "column", valid(e, as_of), valid(n, as_of))
        .order_by(n.c.id)
        .limit(500)
    ).mappings()
    return ConceptPage(
        key=key,
        product=name,
        concept=found,
        since=row["since"],
        columns=tuple(Node(r["id"], r["kind"], r["label"], r["body"], r["asserted_by"], r["valid_from"], r["valid_to"]) for r in columns),
        narrower=tuple(c.name for c in body.concepts if own in c.broader),
    )
