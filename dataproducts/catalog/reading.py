"""What pages and the API show, each in at most four queries: products, datasets, columns, teams, concepts, versions, the catalog itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import ABOUT, DERIVED_FROM, OWNED_BY, USES
from dataproducts.catalog.graph import Node, valid
from dataproducts.catalog.store import TIMED, changes, parse_body
from dataproducts.catalog.tables import name_of
from dataproducts.messages import ColumnFacts, ColumnFigures, Concept, DatasetBody, ProductBody
from dataproducts.product_facts import PersonalData

CALENDAR = 400
"""Newest partitions that a dataset's page shows."""
RECENT = 400


@dataclass(frozen=True)
class State:
    """Where a dataset stands. `freshness`: fresh, late, never, none (nothing promised); `quality`: passing, warning, failing, unchecked."""

    partitions: int = 0
    rows: int = 0
    refused: int = 0
    newest_partition: str | None = None
    newest_at: datetime | None = None
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    fresh_until: datetime | None = None
    freshness: str = "never"
    quality: str = "unchecked"
    checks_passed: int = 0
    checks_failed: int = 0

    def at(self, now: datetime) -> State:
        """The state with freshness judged at a moment: what was due and has not come is late, whenever it was last written down."""
        if self.freshness == "fresh" and self.fresh_until is not None and self.fresh_until < now:
            return State(**{**self.__dict__, "freshness": "late"})
        return self


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


@dataclass(frozen=True)
class PartitionRow:
    """The newest version of one partition."""

    partition: str
    number: int
    content_hash: str
    rows: int
    refused: int
    at: datetime
    contract: str


@dataclass(frozen=True)
class CheckRow:
    """What one check of one run found."""

    check: str
    at: datetime
    passed: bool
    severity: str
    run: str
    partitions: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class FailureRow:
    """A run that did not store what it should, or deliver it to a port (else empty): errors by partition."""

    at: datetime
    run: str
    errors: Mapping[str, str]
    port: str = ""


@dataclass(frozen=True)
class ArrivalRow:
    """The version that arrived last at a port."""

    port: str
    partition: str
    number: int
    rows: int
    run: str
    at: datetime


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


@dataclass(frozen=True)
class Neighbor:
    """A node one step away, with what can be said of it in a line."""

    id: str
    kind: str
    label: str
    direction: str  # "up", "down"
    freshness: str | None = None
    quality: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


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
class DatasetPage:
    """All that a dataset's page shows. `product` is None until its code location has published it."""

    body: DatasetBody
    product: ProductBody | None
    rendered: Mapping[str, str]
    location: str
    since: datetime
    changed: datetime
    state: State
    profile: tuple[ColumnFigures, ...]
    newest: PartitionRow | None
    partitions: tuple[PartitionRow, ...]  # newest keys first, at most CALENDAR
    checks: tuple[CheckRow, ...]  # newest first
    failures: tuple[FailureRow, ...]
    arrivals: Mapping[str, ArrivalRow]  # by port
    voices: Voices
    neighbors: tuple[Neighbor, ...]
    as_of: datetime | None

    @property
    def product_name(self) -> str:
        """Name of the product that offers it."""
        return self.body.name.split("/")[0]

    @property
    def figures(self) -> dict[str, ColumnFigures]:
        """The newest version's profile by column."""
        return {figures.name: figures for figures in self.profile}


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


@dataclass(frozen=True)
class VersionRow:
    """One version of one partition."""

    partition: str
    number: int
    content_hash: str
    at: datetime
    known_at: datetime
    rows: int
    received: int | None
    refused: int
    contract: str
    run: str
    inputs: Mapping[str, Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class VersionPage:
    """A version, what it was made from, what was made from it, and every run that delivered it."""

    version: VersionRow
    profile: tuple[ColumnFigures, ...]
    facts: Mapping[str, str]
    used_by: tuple[tuple[str, str, int], ...]  # dataset, partition, number
    deliveries: tuple[tuple[datetime, str, bool], ...]  # when, run, found unchanged
    others: tuple[int, ...]


@dataclass(frozen=True)
class SchemaChange:
    """One definition of a dataset beside the one before it."""

    at: datetime
    version: str
    changes: tuple[tuple[str, Mapping[str, Any]], ...]
    columns: tuple[ColumnFacts, ...]
    before: tuple[ColumnFacts, ...]


@dataclass(frozen=True)
class News:
    """One line of the change feed."""

    seq: int
    at: datetime
    subject: str
    change: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Front:
    """The front page."""

    counts: Mapping[str, int]
    freshness: Mapping[str, int]
    quality: Mapping[str, int]
    recent: tuple[Summary, ...]
    popular: tuple[Summary, ...]
    troubled: tuple[Summary, ...]


@dataclass(frozen=True)
class Status:
    """The catalog's own state. `proofs`: the newest reconciliation of each code location; `deliveries`: how many by day."""

    proofs: tuple[Mapping[str, Any], ...]
    deliveries: tuple[tuple[str, int], ...]
    counts: Mapping[str, int]
    newest: datetime | None
    received: datetime | None
    late: tuple[Summary, ...]


def product(connection: sa.Connection, name: str, as_of: datetime | None = None) -> ProductPage | None:
    """A product as it is, or was; None where it is not declared."""
    found = _definitions(connection, [f"product:{name}"], as_of).get(f"product:{name}")
    if found is None or found["body"] is None:
        return None
    e, n = t.edge, t.node
    using = connection.execute(
        sa.select(n.c.id, n.c.kind, n.c.label, n.c.body)
        .join(e, e.c.source == n.c.id)
        .where(e.c.target == f"product:{name}", e.c.label == USES, valid(e, as_of), valid(n, as_of))
        .order_by(n.c.kind, n.c.label)
    ).mappings()
    return ProductPage(
        body=ProductBody.model_validate(found["body"]),
        rendered=found["rendered"] or {},
        location=found["location"],
        since=found["since"],
        changed=found["changed"],
        datasets=summaries(connection, t.current.c.product == name, as_of=as_of),
        voices=voices(connection, f"product:{name}", as_of),
        used_by=tuple(Neighbor(r["id"], r["kind"], r["label"], "down", body=r["body"]) for r in using),
    )


def dataset(connection: sa.Connection, name: str, as_of: datetime | None = None) -> DatasetPage | None:
    """A dataset as it is, or was; None where it is not declared. Four queries."""
    own, its_product = f"dataset:{name}", f"product:{name.split('/')[0]}"
    found = _definitions(connection, [own, its_product], as_of)
    row = found.get(own)
    if row is None or row["body"] is None:
        return None
    body = DatasetBody.model_validate(row["body"])
    held = found.get(its_product)
    partitions = _partitions(connection, body, as_of)
    checks, failures, arrivals, voices = _recent(connection, own, [port.name for port in body.ports if port.kind != "lake"], as_of)
    newest = _newest(body, partitions)
    if as_of is None:
        state = State(**{name: row[name] for name in State.__dataclass_fields__}) if row["freshness"] else State()
    else:
        state = _state_then(body, partitions, checks, failures, newest, as_of)
    profile = row["profile"] if as_of is None else _profile_then(connection, name, newest)
    return DatasetPage(
        body=body,
        product=ProductBody.model_validate(held["body"]) if held is not None and held["body"] is not None else None,
        rendered=row["rendered"] or {},
        location=row["location"],
        since=row["since"],
        changed=row["changed"],
        state=state,
        profile=open_figures(profile, row["body"]),
        newest=newest,
        partitions=partitions,
        checks=checks,
        failures=failures,
        arrivals=arrivals,
        voices=voices,
        neighbors=neighbors(connection, own, as_of),
        as_of=as_of,
    )


def column(connection: sa.Connection, name: str, column_name: str, as_of: datetime | None = None) -> ColumnPage | None:
    """A column; None where the dataset does not have it."""
    own = f"dataset:{name}"
    row = _definitions(connection, [own], as_of).get(own)
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
        sa.select(n).where(sa.or_(n.c.id == node_id, sa.and_(n.c.id == concept_id, valid(n, as_of)))).order_by(n.c.valid_from)
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
        history=tuple(one for one in made if one.id == node_id),
        neighbors=neighbors(connection, node_id, as_of),
        concept=next((one for one in made if one.id == concept_id), None),
        same_name=tuple(one.split(":", 1)[1] for one in same),
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
    found = _definitions(connection, subjects, as_of)
    bodies = [parse_body(s, found[s]["body"]) for s in subjects if s in found]
    names = [s.split(":", 1)[1] for s in subjects]
    return TeamPage(
        name, tuple(b for b in bodies if isinstance(b, ProductBody)), summaries(connection, t.current.c.product.in_(names), as_of=as_of)
    )


def concept(connection: sa.Connection, key: str, as_of: datetime | None = None) -> ConceptPage | None:
    """A concept ("product/name") with the columns that are about it."""
    name, _, own = key.partition("/")
    row = _definitions(connection, [f"product:{name}"], as_of).get(f"product:{name}")
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


def versions(
    connection: sa.Connection, name: str, *, partition: str | None = None, after: tuple[str, int] | None = None, limit: int = 50
) -> list[VersionRow]:
    """Versions ordered by partition and number, newest first, beginning after (below) one."""
    v = t.version
    query = sa.select(v).where(v.c.dataset == name)
    if partition is not None:
        query = query.where(v.c.partition == partition)
    if after is not None:
        query = query.where(sa.tuple_(v.c.partition, v.c.number) < sa.tuple_(*after))
    query = query.order_by(v.c.partition.desc(), v.c.number.desc(), v.c.at.desc()).limit(limit)
    return [_version(row) for row in connection.execute(query).mappings()]


def version(connection: sa.Connection, name: str, partition: str, number: int) -> VersionPage | None:
    """One version; of two of the same number (the lake was begun again) the newer."""
    v, d, i, c = t.version, t.delivery, t.version_input, t.current
    own = (v.c.dataset == name, v.c.partition == partition, v.c.number == number)
    declared = sa.select(v, c.c.body).select_from(v.outerjoin(c, c.c.subject == "dataset:" + v.c.dataset))
    row = connection.execute(declared.where(*own).order_by(v.c.at.desc()).limit(1)).mappings().first()
    if row is None:
        return None
    used = connection.execute(
        sa.select(i.c.dataset, i.c.partition, i.c.number)
        .where(i.c.input == name, i.c.input_partition == partition, i.c.input_number == number)
        .order_by(i.c.dataset, i.c.partition, i.c.number)
        .limit(200)
    ).all()
    delivered = connection.execute(
        sa.select(d.c.at, d.c.run, d.c.unchanged)
        .where(d.c.dataset == name, d.c.partition == partition, d.c.number == number)
        .order_by(d.c.at.desc())
        .limit(100)
    ).all()
    others = connection.execute(
        sa.select(v.c.number).distinct().where(v.c.dataset == name, v.c.partition == partition).order_by(v.c.number.desc()).limit(500)
    ).scalars()
    return VersionPage(
        version=_version(row),
        profile=open_figures(row["profile"], row["body"]),
        facts=row["facts"],
        used_by=tuple((a, b, c) for a, b, c in used),
        deliveries=tuple((a, b, c) for a, b, c in delivered),
        others=tuple(others),
    )


def open_figures(profile: Any, body: Any) -> tuple[ColumnFigures, ...]:
    """A stored profile as it may be shown: of columns that are personal, or that the contract does not have, only the missing values.

    Publishers leave those values out themselves; this is for one that does not. A column that states no class is open where its dataset is.
    """
    classes = {column["name"]: column["personal"] or body["personal"] for column in body["contract"]["columns"]} if body else {}
    figures = (ColumnFigures.model_validate(one) for one in profile or ())
    return tuple(
        one if classes.get(one.name) in (PersonalData.NONE, PersonalData.ANONYMIZED) else ColumnFigures(name=one.name, nulls=one.nulls)
        for one in figures
    )


def schema_history(connection: sa.Connection, name: str) -> list[SchemaChange]:
    """Definitions of a dataset that changed its contract, newest first."""
    query = sa.select(t.definition.c.at, t.definition.c.body).where(t.definition.c.subject == f"dataset:{name}")
    found: list[SchemaChange] = []
    before: Any = None
    for at, body in connection.execute(query.order_by(t.definition.c.at, t.definition.c.hash)):
        told = tuple((change, more) for change, more in changes(before, body) if change != "described")
        if told:
            columns, old = ((one or {}).get("contract", {}).get("columns", ()) for one in (body, before))
            found.append(
                SchemaChange(
                    at=at,
                    version=(body or before or {}).get("contract", {}).get("version", ""),
                    changes=told,
                    columns=tuple(ColumnFacts.model_validate(c) for c in columns),
                    before=tuple(ColumnFacts.model_validate(c) for c in old),
                )
            )
        before = body
    return found[::-1]


def checks(connection: sa.Connection, name: str, *, limit: int = 2_000, as_of: datetime | None = None) -> list[CheckRow]:
    """Results of a dataset's checks, newest first."""
    c = t.check_result
    query = sa.select(c).where(c.c.dataset == name)
    if as_of is not None:
        query = query.where(c.c.at <= as_of)
    rows = connection.execute(query.order_by(c.c.at.desc(), c.c.storage_id.desc()).limit(limit)).mappings()
    return [CheckRow(r["check"], r["at"], r["passed"], r["severity"], r["run"], r["partitions"], r["facts"]) for r in rows]


def news(connection: sa.Connection, *, after: int = 0, limit: int = 100, subject: str | None = None, newest: bool = False) -> list[News]:
    """Lines of the change feed in order, beginning after one; with `newest`, the last ones, newest first."""
    f = t.feed
    query = sa.select(f).where(f.c.seq > after)
    if subject is not None:
        query = query.where(f.c.subject == subject)
    rows = connection.execute(query.order_by(f.c.seq.desc() if newest else f.c.seq).limit(limit)).mappings()
    return [News(r["seq"], r["at"], r["subject"], r["change"], r["body"]) for r in rows]


def front(connection: sa.Connection, now: datetime) -> Front:
    """What the front page shows."""
    c, s, u = t.current, t.dataset_state, t.usage
    counts: dict[str, int] = {}
    freshness: dict[str, int] = {}
    quality: dict[str, int] = {}
    grouped = sa.union_all(
        sa.select(sa.literal("dataset"), s.c.freshness, s.c.quality, sa.func.count()).group_by(s.c.freshness, s.c.quality),
        sa.select(c.c.kind, sa.literal(""), sa.literal(""), sa.func.count())
        .where(c.c.kind.in_(("product", "entry")), c.c.body.is_not(None))
        .group_by(c.c.kind),
    )
    for kind, fresh, good, many in connection.execute(grouped):
        counts[kind] = counts.get(kind, 0) + many
        if kind == "dataset":
            freshness[fresh] = freshness.get(fresh, 0) + many
            quality[good] = quality.get(good, 0) + many
    since = (now - timedelta(days=30)).date().isoformat()
    views = (
        sa.select(u.c.subject)
        .where(u.c.day >= since, u.c.subject.like("dataset:%"))
        .group_by(u.c.subject)
        .order_by(sa.func.sum(u.c.views).desc(), u.c.subject)
        .limit(6)
    )
    popular = summaries(connection, c.c.subject.in_(views), limit=6)
    troubled = sa.or_(s.c.quality == "failing", s.c.freshness == "late")
    return Front(
        counts=counts,
        freshness=freshness,
        quality=quality,
        recent=summaries(connection, c.c.kind == "dataset", order=c.c.changed.desc(), limit=6),
        popular=popular,
        troubled=summaries(connection, troubled, order=c.c.changed.desc(), limit=6),
    )


def status(connection: sa.Connection, now: datetime) -> Status:
    """Deliveries, proofs, and what is late."""
    p, d = t.proof, t.delivery
    newest = sa.select(p.c.location, sa.func.max(p.c.at).label("at")).group_by(p.c.location).subquery()
    proofs = connection.execute(
        sa.select(p.c.body).join(newest, sa.and_(p.c.location == newest.c.location, p.c.at == newest.c.at)).order_by(p.c.location)
    ).scalars()
    day = (sa.type_coerce(d.c.at, sa.BigInteger) // 86_400_000_000).label("day")
    since = now - timedelta(days=30)
    by_day = connection.execute(sa.select(day, sa.func.count()).where(d.c.at >= since).group_by(day).order_by(day)).all()
    one = connection.execute(
        sa.select(
            sa.select(sa.func.max(t.inbox.c.received)).scalar_subquery(),
            sa.select(sa.func.max(t.dataset_state.c.delivered_at)).scalar_subquery(),
            sa.select(sa.func.count()).select_from(t.inbox).scalar_subquery(),
            sa.select(sa.func.count()).select_from(t.version).scalar_subquery(),
            sa.select(sa.func.count())
            .select_from(t.current)
            .where(t.current.c.kind == "dataset", t.current.c.body.is_not(None))
            .scalar_subquery(),
            sa.select(sa.func.max(t.feed.c.seq)).scalar_subquery(),
        )
    ).one()
    return Status(
        proofs=tuple(proofs),
        deliveries=tuple((t.instant(int(number) * 86_400_000_000).date().isoformat(), many) for number, many in by_day),
        counts={"messages": one[2], "versions": one[3], "datasets": one[4], "changes": one[5] or 0},
        newest=one[1],
        received=one[0],
        late=summaries(connection, sa.or_(t.dataset_state.c.freshness == "late", t.dataset_state.c.quality == "failing"), limit=50),
    )


def summaries(
    connection: sa.Connection,
    where: sa.ColumnElement[bool],
    *,
    order: Any = None,
    limit: int = 500,
    as_of: datetime | None = None,
) -> tuple[Summary, ...]:
    """Datasets that a condition on `current` and `dataset_state` holds for. In the past: those declared then, with the facts of then."""
    c, s, e = t.current, t.dataset_state, t.edge
    team = (
        sa.select(e.c.target)
        .where(e.c.source == "product:" + c.c.product, e.c.label == OWNED_BY, valid(e, as_of))
        .order_by(e.c.target)
        .limit(1)
        .scalar_subquery()
    )
    chosen = (
        sa.select(c.c.subject)
        .select_from(c.outerjoin(s, s.c.dataset == name_of(c.c.subject)))
        .where(c.c.kind == "dataset", where, *([c.c.body.is_not(None)] if as_of is None else []))
        .order_by(order if order is not None else c.c.subject)
        .limit(limit)
    )
    query = (  # what is shown is read of the chosen alone: bodies are large
        sa.select(c.c.subject, c.c.product, c.c.body, c.c.changed, team.label("team"), *(s.c[n] for n in State.__dataclass_fields__))
        .select_from(c.outerjoin(s, s.c.dataset == name_of(c.c.subject)))
        .where(c.c.subject.in_(chosen))
        .order_by(order if order is not None else c.c.subject)
    )
    rows = list(connection.execute(query).mappings())
    then = _then(connection, [r["subject"] for r in rows], as_of) if as_of is not None else {}
    found = []
    for r in rows:
        body = r["body"] if as_of is None else (then.get(r["subject"]) or {}).get("body")
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


def neighbors(connection: sa.Connection, node_id: str, as_of: datetime | None = None, limit: int = 400) -> tuple[Neighbor, ...]:
    """What a node follows from and what follows from it, one hop, with where each stands; one query."""
    e, n, s = t.edge, t.node, t.dataset_state
    up = sa.select(e.c.target.label("id"), sa.literal("up").label("direction")).where(
        e.c.source == node_id, e.c.label == DERIVED_FROM, valid(e, as_of)
    )
    down = sa.select(e.c.source, sa.literal("down")).where(e.c.target == node_id, e.c.label == DERIVED_FROM, valid(e, as_of))
    both = sa.union(up, down).subquery()
    query = (
        sa.select(both.c.id, both.c.direction, n.c.kind, n.c.label, n.c.body, s.c.freshness, s.c.quality)
        .select_from(both.outerjoin(n, sa.and_(n.c.id == both.c.id, valid(n, as_of))).outerjoin(s, s.c.dataset == name_of(both.c.id)))
        .order_by(both.c.direction.desc(), both.c.id)
        .limit(limit)
    )
    found = {}
    for r in connection.execute(query).mappings():
        kind, _, key = r["id"].partition(":")
        found[r["id"], r["direction"]] = Neighbor(
            r["id"], r["kind"] or kind, r["label"] or key, r["direction"], r["freshness"], r["quality"], r["body"] or {}
        )
    return tuple(found.values())


def _definitions(connection: sa.Connection, subjects: Sequence[str], as_of: datetime | None) -> dict[str, dict[str, Any]]:
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
    then = _then(connection, subjects, as_of)
    for subject, row in found.items():
        past = then.get(subject)
        row.update(body=past["body"] if past else None, changed=past["at"] if past else row["changed"], rendered=None, profile=None)
        if row["body"] is not None:
            from dataproducts.catalog.rendering import rendered

            row["rendered"] = rendered(subject, row["body"])
    return found


def _then(connection: sa.Connection, subjects: Sequence[str], as_of: datetime) -> dict[str, dict[str, Any]]:
    """The newest definition of each subject at or before a time."""
    d = t.definition
    rows = connection.execute(
        sa.select(d.c.subject, d.c.at, d.c.body).where(d.c.subject.in_(subjects), d.c.at <= as_of).order_by(d.c.subject, d.c.at, d.c.hash)
    ).mappings()
    return {r["subject"]: {"body": r["body"], "at": r["at"]} for r in rows}


def _partitions(connection: sa.Connection, body: DatasetBody, as_of: datetime | None) -> tuple[PartitionRow, ...]:
    p, d, v = t.partition_state, t.delivery, t.version
    if as_of is None:
        query = sa.select(p).where(p.c.dataset == body.name).order_by(p.c.partition.desc()).limit(CALENDAR)
        rows = connection.execute(query).mappings()
        return tuple(PartitionRow(r["partition"], r["number"], r["hash"], r["rows"], r["refused"], r["at"], r["contract"]) for r in rows)
    query = (
        sa.select(d.c.partition, d.c.number, d.c.hash, d.c.at, v.c.rows, v.c.refused, v.c.contract)
        .join(v, sa.and_(v.c.dataset == d.c.dataset, v.c.partition == d.c.partition, v.c.number == d.c.number, v.c.hash == d.c.hash))
        .where(d.c.dataset == body.name, d.c.at <= as_of)
        .order_by(d.c.at, d.c.storage_id)
    )
    newest = {r["partition"]: r for r in connection.execute(query).mappings()}
    found = [PartitionRow(k, r["number"], r["hash"], r["rows"], r["refused"], r["at"], r["contract"]) for k, r in sorted(newest.items())]
    return tuple(found[::-1][:CALENDAR])


def _newest(body: DatasetBody, partitions: Sequence[PartitionRow]) -> PartitionRow | None:
    if body.partitions.kind in TIMED:
        return partitions[0] if partitions else None
    return max(partitions, key=lambda one: (one.at, one.partition), default=None)


def _recent(
    connection: sa.Connection, subject: str, ports: Sequence[str], as_of: datetime | None
) -> tuple[tuple[CheckRow, ...], tuple[FailureRow, ...], dict[str, ArrivalRow], Voices]:
    """Check results, failures, what arrived last at each port, remarks, tags and ratings of a dataset in one query."""
    name = subject.split(":", 1)[1]
    c, f, p = t.check_result, t.failure, t.arrival
    empty = sa.literal("")
    parts = [
        sa.select(
            sa.literal("check").label("part"), c.c.check.label("a"), c.c.severity.label("b"), c.c.run.label("c"), c.c.partitions.label("d"),
            sa.cast(c.c.facts, sa.Text).label("e"), sa.case((c.c.passed, "1"), else_="0").label("f"), c.c.at.label("at"),
        ).where(c.c.dataset == name, *([c.c.at <= as_of] if as_of else [])).order_by(c.c.at.desc(), c.c.storage_id.desc()).limit(RECENT),
        sa.select(sa.literal("failure"), f.c.run, f.c.port, empty, empty, sa.cast(f.c.errors, sa.Text), empty, f.c.at)
        .where(f.c.dataset == name, *([f.c.at <= as_of] if as_of else [])).order_by(f.c.at.desc()).limit(20),
        *(
            sa.select(
                sa.literal("arrival"), p.c.port, p.c.partition, sa.cast(p.c.number, sa.Text), sa.cast(p.c.rows, sa.Text), p.c.run,
                empty, p.c.at,
            )
            .where(p.c.dataset == name, p.c.port == port, *([p.c.at <= as_of] if as_of else []))
            .order_by(p.c.at.desc(), p.c.storage_id.desc())
            .limit(1)
            for port in ports
        ),
        *_voice_parts(subject, as_of),
    ]  # fmt: skip
    found = _union(connection, parts)
    import json

    results = [CheckRow(r["a"], r["at"], r["f"] == "1", r["b"], r["c"], r["d"], json.loads(r["e"])) for r in found if r["part"] == "check"]
    failures = [FailureRow(r["at"], r["a"], json.loads(r["e"]), r["b"]) for r in found if r["part"] == "failure"]
    arrived = [ArrivalRow(r["a"], r["b"], int(r["c"]), int(r["d"]), r["e"], r["at"]) for r in found if r["part"] == "arrival"]
    return tuple(results), tuple(failures), {one.port: one for one in arrived}, _voices_of(found)


def voices(connection: sa.Connection, subject: str, as_of: datetime | None = None) -> Voices:
    """What people have added to a subject; one query."""
    return _voices_of(_union(connection, _voice_parts(subject, as_of)))


def _voice_parts(subject: str, as_of: datetime | None) -> list[Any]:
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


def _union(connection: sa.Connection, parts: Sequence[Any]) -> list[Mapping[str, Any]]:
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


def _voices_of(found: Sequence[Mapping[str, Any]]) -> Voices:
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


def _state_then(
    body: DatasetBody,
    partitions: Sequence[PartitionRow],
    results: Sequence[CheckRow],
    failures: Sequence[FailureRow],
    newest: PartitionRow | None,
    as_of: datetime,
) -> State:
    latest: dict[str, CheckRow] = {}
    for one in results:  # newest first
        latest.setdefault(one.check, one)
    declared = [one for name, one in latest.items() if name in body.checks]
    delivered = max((p.at for p in partitions), default=None)
    failed_at = next((failure.at for failure in failures if not failure.port), None)
    failing = any(not one.passed and one.severity == "error" for one in declared)
    failing = failing or (failed_at is not None and (delivered is None or failed_at > delivered))
    until = newest.at + timedelta(seconds=body.freshness_seconds) if newest and body.freshness_seconds else None
    return State(
        partitions=len(partitions),
        rows=sum(p.rows for p in partitions),
        refused=sum(p.refused for p in partitions),
        newest_partition=newest.partition if newest else None,
        newest_at=newest.at if newest else None,
        delivered_at=delivered,
        failed_at=failed_at,
        fresh_until=until,
        freshness="none" if not body.freshness_seconds else "never" if until is None else "fresh" if until >= as_of else "late",
        quality="failing" if failing else "warning" if any(not o.passed for o in declared) else "passing" if declared else "unchecked",
        checks_passed=sum(o.passed for o in declared),
        checks_failed=sum(not o.passed for o in declared),
    )


def _profile_then(connection: sa.Connection, name: str, newest: PartitionRow | None) -> Any:
    if newest is None:
        return ()
    v = t.version
    own = (v.c.dataset == name, v.c.partition == newest.partition, v.c.number == newest.number, v.c.hash == newest.content_hash)
    return connection.execute(sa.select(v.c.profile).where(*own)).scalar()


def _version(row: Mapping[Any, Any]) -> VersionRow:
    return VersionRow(
        row["partition"], row["number"], row["hash"], row["at"], row["known_at"], row["rows"], row["received"], row["refused"],
        row["contract"], row["run"], row["inputs"],
    )  # fmt: skip
