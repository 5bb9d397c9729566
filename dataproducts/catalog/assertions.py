"""What a definition says about the metadata graph: the nodes and edges that hold while it does. Pure functions of message bodies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dataproducts.messages import DatasetBody, PortFacts, ProductBody
from dataproducts.product_facts import EU_AUTHORITY

KINDS = (
    "product",
    "dataset",
    "column",
    "version",
    "contract",
    "port",
    "team",
    "person",
    "concept",
    "theme",
    "keyword",
    "example",
    "dashboard",
    "source",
    "run",
    "entry",
)
"""Kinds of nodes; a node's id is `<kind>:<key>`."""

OFFERS, HAS_COLUMN, DERIVED_FROM, PUBLISHED_THROUGH = "offers", "has_column", "derived_from", "published_through"
OWNED_BY, ANSWERED_BY, ABOUT, USES, PROMISES, BROADER = "owned_by", "answered_by", "about", "uses", "promises", "broader"
HAS_VERSION, MADE = "has_version", "made"
LABELS = (OFFERS, HAS_COLUMN, HAS_VERSION, DERIVED_FROM, PUBLISHED_THROUGH, OWNED_BY, ANSWERED_BY, ABOUT, USES, PROMISES, BROADER, MADE)
"""Labels of edges, read from source to target: a product `offers` a dataset, a run `made` a version."""


@dataclass(frozen=True)
class Asserted:
    """Nodes by id, as (kind, label, body), and edges as (source, label, target)."""

    nodes: dict[str, tuple[str, str, dict[str, Any]]] = field(default_factory=dict)
    edges: set[tuple[str, str, str]] = field(default_factory=set)

    def node(self, kind: str, key: str, label: str, /, **body: Any) -> str:
        """Add a node; gives its id."""
        node_id = f"{kind}:{key}"
        self.nodes[node_id] = (kind, label, {k: v for k, v in body.items() if v not in (None, "", (), [], {})})
        return node_id


def asserted(body: ProductBody | DatasetBody | None) -> Asserted:
    """What a body says; a definition that is gone says nothing."""
    graph = Asserted()
    if isinstance(body, ProductBody):
        _product(body, graph)
    elif isinstance(body, DatasetBody):
        _dataset(body, graph)
    return graph


def _product(body: ProductBody, graph: Asserted) -> None:
    facts = body.facts
    own = graph.node(
        "product",
        facts.name,
        facts.title.nb,
        title=facts.title.model_dump(exclude_none=True),
        description=facts.description.model_dump(exclude_none=True),
        status=facts.status,
        team=facts.team,
    )
    team = graph.node("team", facts.team, facts.team, area=facts.product_area)
    contact = graph.node(
        "person", facts.contact.email, facts.contact.name, email=facts.contact.email, slack=facts.contact.slack, url=facts.contact.url
    )
    graph.edges.update({(own, OWNED_BY, team), (own, ANSWERED_BY, contact)})
    for theme in facts.themes:
        graph.edges.add((own, ABOUT, graph.node("theme", theme, theme, uri=f"{EU_AUTHORITY}data-theme/{theme}")))
    for keyword in facts.keywords:
        graph.edges.add((own, ABOUT, graph.node("keyword", keyword, keyword)))
    for concept in body.concepts:
        made = graph.node(
            "concept",
            f"{facts.name}/{concept.name}",
            concept.label.nb,
            label=concept.label.model_dump(exclude_none=True),
            definition=concept.definition.model_dump(exclude_none=True),
            see=concept.see,
            product=facts.name,
        )
        graph.edges.add((own, ABOUT, made))
        graph.edges.update({(made, BROADER, f"concept:{facts.name}/{broader}") for broader in concept.broader})
    for source in facts.sources:
        made = graph.node(
            "source", f"{facts.name}/{source.name}", source.name, owner=source.owner, description=source.description, url=source.url
        )
        graph.edges.add((own, DERIVED_FROM, made))
    for link in facts.links:
        made = graph.node("dashboard", f"{facts.name}/{link.url}", link.title, url=link.url, kind=link.kind)
        graph.edges.add((made, USES, own))
    for example in body.examples:
        graph.edges.add((_example(facts.name, example, graph), USES, own))


def _dataset(body: DatasetBody, graph: Asserted) -> None:
    product, contract = body.name.split("/")[0], body.contract
    own = graph.node(
        "dataset",
        body.name,
        body.title,
        description=body.description,
        kind=contract.kind,
        access=body.access,
        personal=body.personal,
        contract=contract.version,
    )
    graph.edges.add((f"product:{product}", OFFERS, own))
    promise = graph.node(
        "contract",
        f"{body.name}@{contract.version}",
        f"{body.name} {contract.version}",
        key=list(contract.key),
        fingerprint=contract.fingerprint,
        columns=[[c.name, c.type, c.nullable] for c in contract.columns],
        rules=[r.name for r in contract.rules],
    )
    graph.edges.add((own, PROMISES, promise))
    for column in contract.columns:
        made = graph.node(
            "column",
            f"{body.name}/{column.name}",
            column.name,
            type=column.type,
            nullable=column.nullable,
            title=column.title,
            description=column.description,
            personal=column.personal,
            pseudonym=column.pseudonym,
            unit=column.unit,
            key=column.name in contract.key or None,
        )
        graph.edges.add((own, HAS_COLUMN, made))
        if column.concept:
            graph.edges.add((made, ABOUT, f"concept:{product}/{column.concept}"))
    graph.edges.update({(own, DERIVED_FROM, f"dataset:{name}") for name in body.upstream})
    if body.source is not None:
        made = graph.node(
            "source", f"{product}/{body.source.name}", body.source.name, description=body.source.description, url=body.source.url
        )
        graph.edges.add((own, DERIVED_FROM, made))
    for name, origins in body.column_lineage.items():
        for origin in origins:
            graph.edges.add((f"column:{body.name}/{name}", DERIVED_FROM, _origin(origin.subject, origin.column)))
    for port in body.ports:
        made = _port(body.name, port, graph)
        graph.edges.add((own, PUBLISHED_THROUGH, made))
        if port.kind != "lake":  # where the data is itself
            graph.edges.add((made, DERIVED_FROM, own))
    for example in body.examples:
        graph.edges.add((_example(body.name, example, graph), USES, own))


def _origin(subject: str, column: str) -> str:
    return f"{subject}#{column}" if subject.startswith("source:") else f"column:{subject}/{column}"


def _port(dataset: str, port: PortFacts, graph: Asserted) -> str:
    return graph.node("port", f"{dataset}/{port.name}", port.title or port.name, kind=port.kind, address=port.address, facts=port.facts)


def _example(owner: str, example: Any, graph: Asserted) -> str:
    passed = example.passed_at.isoformat() if example.passed_at else None
    return graph.node("example", f"{owner}/{example.name}", example.title, language=example.language, passed_at=passed)


def subjects_of(edges: set[tuple[str, str, str]]) -> Iterator[str]:
    """Every id that edges mention."""
    for source, _, target in edges:
        yield source
        yield target
