"""Takes messages in: what they say, what follows from it, the search index and the change feed, all in one transaction.

Whatever the order and number of arrivals, the same messages give the same state: observations are kept and ordered by when they
were made, and the newest is the one with the greatest (time, storage id), never the one that came last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dataproducts.catalog import indexing
from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import Asserted, asserted
from dataproducts.catalog.database import Database
from dataproducts.catalog.rendering import rendered
from dataproducts.catalog.search import index as search_index
from dataproducts.errors import BadRequest
from dataproducts.messages import (
    MAX_BATCH,
    Arrival,
    CheckResult,
    DatasetBody,
    Definition,
    Delivery,
    Failure,
    ProductBody,
    Proof,
    Receipt,
    Said,
    digest,
)

Message = Said
MOST_STEPS = 10_000
TIMED = ("daily", "hourly", "weekly", "monthly", "time")
"""Kinds of partitions whose keys sort as time does."""


@dataclass
class Touched:
    """What a transaction has to bring up to date before it ends."""

    datasets: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)  # whose search documents change
    feed: list[dict[str, Any]] = field(default_factory=list)


class Store:
    """The catalog's truth. `clock` gives the time of day in UTC."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.database = database
        self.clock = clock
        self._tidied = 0

    def apply(self, messages: Sequence[Message], *, location: str | None = None) -> list[Receipt]:
        """Take messages in, all or none of what is not refused; a receipt for each, in order.

        `location`: the only code location they may speak for. Raises CatalogUnavailable where nothing could be written.
        """
        if len(messages) > MAX_BATCH:
            raise BadRequest(f"{len(messages)} messages at once; at most {MAX_BATCH} are taken")
        now = self.clock()
        digests = [(m.key, m.digest) for m in messages]
        receipts: list[Receipt] = []
        with self.database.writing() as connection:
            taken = self._received(connection, [key for key, _ in digests])
            owners = self._owners(connection, messages)
            touched = Touched()
            fresh: list[dict[str, Any]] = []
            for message, (key, sha) in zip(messages, digests, strict=True):
                problem = self._refusal(message, location, owners)
                if problem is not None:
                    receipts.append(Receipt(key=key, status="refused", problem=problem))
                    continue
                if key in taken:
                    # a publisher that has learned to say more of an old event says it with the event's key: that is no fault of anybody's
                    other = None if taken[key] == sha else "it was received before with other content, which stands"
                    receipts.append(Receipt(key=key, status="already", problem=other))
                    continue
                taken[key] = sha
                fresh.append({"key": key, "digest": sha, "received": now})
                self._take(connection, message, touched)
                receipts.append(Receipt(key=key, status="stored"))
            if fresh:
                connection.execute(sa.insert(t.inbox), fresh)
                new = [{"subject": s, "location": where} for s, (where, is_new) in owners.items() if is_new]
                if new:
                    connection.execute(sa.insert(t.owner), new)
                self._settle(connection, touched, now)
        return receipts

    def expire(self) -> int:
        """Mark as late what was due and has not come; gives how many."""
        now = self.clock()
        due = sa.select(t.dataset_state.c.dataset).where(t.dataset_state.c.freshness == "fresh", t.dataset_state.c.fresh_until < now)
        with self.database.reading() as connection:
            if connection.execute(due.limit(1)).first() is None:
                return 0
        with self.database.writing() as connection:
            late = set(connection.execute(due.limit(500)).scalars())
            self._settle(connection, Touched(datasets=late), now)
        return len(late)

    def tidy(self, least: int = 1_000) -> int:
        """After at least so many changes, bring the index into the shape it is read fastest in; gives how many steps that took.

        Each step is a transaction of its own, so that others write in between.
        """
        with self.database.reading() as connection:
            newest = connection.execute(sa.select(sa.func.max(t.feed.c.seq))).scalar() or 0
        if newest - self._tidied < least:
            return 0
        self._tidied, steps, more = newest, 0, True
        while more and steps < MOST_STEPS:
            with self.database.writing() as connection:
                more = search_index.tidy(connection)
            steps += 1
        return steps

    def newest(self, location: str) -> dict[str, dict[str, tuple[int, str]]]:
        """By dataset and partition, number and content hash of the newest version from a code location.

        A declared dataset without a version is there with no partitions.
        """
        state = t.partition_state
        found: dict[str, dict[str, tuple[int, str]]] = {}
        query = (
            sa.select(t.current.c.subject, state.c.partition, state.c.number, state.c.hash)
            .select_from(t.current.outerjoin(state, state.c.dataset == t.name_of(t.current.c.subject)))
            .where(t.current.c.location == location, t.current.c.kind == "dataset", t.current.c.body.is_not(None))
        )
        with self.database.reading() as connection:
            for subject, partition, number, content in connection.execute(query):
                versions = found.setdefault(subject.removeprefix("dataset:"), {})
                if partition is not None:
                    versions[partition] = (number, content)
        return found

    def _received(self, connection: sa.Connection, keys: Sequence[str]) -> dict[str, str]:
        query = sa.select(t.inbox.c.key, t.inbox.c.digest).where(t.inbox.c.key.in_(keys))
        return {row.key: row.digest for row in connection.execute(query)}

    def _owners(self, connection: sa.Connection, messages: Sequence[Message]) -> dict[str, tuple[str, bool]]:
        products = {p for m in messages if (p := product_of(m))}
        query = sa.select(t.owner.c.subject, t.owner.c.location).where(t.owner.c.subject.in_([f"product:{p}" for p in products]))
        return {subject: (where, False) for subject, where in connection.execute(query)}

    def _refusal(self, message: Message, location: str | None, owners: dict[str, tuple[str, bool]]) -> str | None:
        if location is not None and message.location != location:
            return f"the token speaks for {location!r}, and the message is of {message.location!r}"
        product = product_of(message)
        if product is None:
            return None
        held, _ = owners.setdefault(f"product:{product}", (message.location, True))
        if held != message.location:
            return f"product {product!r} belongs to code location {held!r}; give yours another name"
        return None

    def _take(self, connection: sa.Connection, message: Message, touched: Touched) -> None:
        if isinstance(message, Definition):
            self._define(connection, message, touched)
        elif isinstance(message, Delivery):
            self._deliver(connection, message, touched)
        elif isinstance(message, CheckResult):
            self._check(connection, message, touched)
        elif isinstance(message, Failure):
            row = {
                "dataset": message.dataset,
                "at": message.at,
                "storage_id": message.storage_id,
                "run": message.run,
                "port": message.port or "",
                "errors": message.errors,
            }
            self._add(connection, t.failure, row)
            touched.datasets.add(message.dataset)
            more = {"port": message.port} if message.port else {}
            errors = dict(list(message.errors.items())[:5])
            touched.feed.append(_news(f"dataset:{message.dataset}", "failed", message.at, errors=errors, **more))
        elif isinstance(message, Arrival):
            self._arrive(connection, message, touched)
        else:
            self._add(connection, t.proof, {"location": message.location, "at": message.at, "body": message.model_dump(mode="json")})

    # Definitions

    def _define(self, connection: sa.Connection, message: Definition, touched: Touched) -> None:
        body = message.body
        plain = None if body is None else body.model_dump(mode="json")
        self.define(
            connection,
            message.subject,
            message.observed_at,
            message.location,
            plain,
            touched,
            lambda b: asserted(parse_body(message.subject, b)),
        )
        touched.subjects.add(message.subject)
        if message.subject.startswith("dataset:"):
            touched.datasets.add(message.subject.removeprefix("dataset:"))

    def define(
        self,
        connection: sa.Connection,
        subject: str,
        at: datetime,
        location: str,
        body: Any,
        touched: Touched,
        says: Callable[[Any], Asserted],
    ) -> None:
        """Keep an observation of a subject and bring the graph's intervals in line with all observations of it."""
        sha = digest(body)
        self._add(connection, t.definition, {"subject": subject, "at": at, "hash": sha, "location": location, "body": body})
        row = connection.execute(sa.select(t.current).where(t.current.c.subject == subject)).mappings().first()
        values = {"definition_at": at, "definition_hash": sha, "body": body, "rendered": rendered(subject, body), "location": location}
        if row is None:
            kind, name = subject.split(":", 1)
            product = name.split("/")[0] if kind in ("product", "dataset") else ""
            connection.execute(sa.insert(t.current).values(subject=subject, kind=kind, product=product, changed=at, **values))
            self._advance(connection, subject, at, Asserted(), says(body))
        elif at > row["definition_at"]:
            changed = at if sha != row["definition_hash"] else row["changed"]
            connection.execute(sa.update(t.current).where(t.current.c.subject == subject).values(**values, changed=changed))
            if sha != row["definition_hash"]:
                self._advance(connection, subject, at, says(row["body"]), says(body))
        else:
            if (at, sha) > (row["definition_at"], row["definition_hash"]):
                connection.execute(sa.update(t.current).where(t.current.c.subject == subject).values(**values))
            changed = self._fold(connection, subject, says)
            connection.execute(sa.update(t.current).where(t.current.c.subject == subject).values(changed=changed))
        before = None if row is None else row["body"]
        if row is None or (at >= row["definition_at"] and sha != row["definition_hash"]):
            touched.feed += [_news(subject, change, at, **more) for change, more in changes(before, body)]

    def _advance(self, connection: sa.Connection, subject: str, at: datetime, before: Asserted, after: Asserted) -> None:
        """The usual case: the observation is the newest one, and only what differs is closed and opened."""
        gone = [i for i, n in before.nodes.items() if after.nodes.get(i) != n]
        new = [i for i, n in after.nodes.items() if before.nodes.get(i) != n]
        for some in _slices(gone):
            connection.execute(
                sa.update(t.node)
                .where(t.node.c.id.in_(some), t.node.c.asserted_by == subject, t.node.c.valid_to.is_(None))
                .values(valid_to=at)
            )
        if new:
            connection.execute(sa.insert(t.node), [_node_row(i, subject, at, None, after.nodes[i]) for i in new])
        closing = [{"s": s, "l": label, "d": d} for s, label, d in sorted(before.edges - after.edges)]
        if closing:
            e = t.edge
            connection.execute(
                sa.update(e)
                .where(
                    e.c.source == sa.bindparam("s"),
                    e.c.label == sa.bindparam("l"),
                    e.c.target == sa.bindparam("d"),
                    e.c.asserted_by == subject,
                    e.c.valid_to.is_(None),
                )
                .values(valid_to=at),
                closing,
            )
        opening = [_edge_row(edge, subject, at, None) for edge in sorted(after.edges - before.edges)]
        if opening:
            connection.execute(sa.insert(t.edge), opening)

    def _fold(self, connection: sa.Connection, subject: str, says: Callable[[Any], Asserted]) -> datetime:
        """The rare case: an observation came after later ones; every interval of the subject is made again.

        Gives when the subject last changed.
        """
        rows = connection.execute(
            sa.select(t.definition.c.at, t.definition.c.body)
            .where(t.definition.c.subject == subject)
            .order_by(t.definition.c.at, t.definition.c.hash)
        ).all()
        moments = {row.at: row.body for row in rows}  # of several at one instant, the last by hash
        nodes: list[dict[str, Any]] = []
        edges: list[dict[str, Any]] = []
        open_nodes: dict[str, tuple[datetime, Any]] = {}
        open_edges: dict[tuple[str, str, str], datetime] = {}
        for at, body in moments.items():
            graph = says(body)
            for node_id, (since, held) in list(open_nodes.items()):
                if graph.nodes.get(node_id) != held:
                    nodes.append(_node_row(node_id, subject, since, at, held))
                    del open_nodes[node_id]
            for node_id, held in graph.nodes.items():
                open_nodes.setdefault(node_id, (at, held))
            for edge in set(open_edges) - graph.edges:
                edges.append(_edge_row(edge, subject, open_edges.pop(edge), at))
            for edge in graph.edges:
                open_edges.setdefault(edge, at)
        nodes += [_node_row(i, subject, since, None, held) for i, (since, held) in open_nodes.items()]
        edges += [_edge_row(edge, subject, since, None) for edge, since in open_edges.items()]
        connection.execute(sa.delete(t.node).where(t.node.c.asserted_by == subject))
        connection.execute(sa.delete(t.edge).where(t.edge.c.asserted_by == subject))
        if nodes:
            connection.execute(sa.insert(t.node), nodes)
        if edges:
            connection.execute(sa.insert(t.edge), edges)
        bodies = list(moments.items())
        last: datetime = next(
            (at for (at, body), (_, before) in zip(bodies[:0:-1], bodies[-2::-1], strict=True) if body != before), bodies[0][0]
        )
        return last

    # Deliveries and checks

    def _deliver(self, connection: sa.Connection, m: Delivery, touched: Touched) -> None:
        order = {"at": m.at, "storage_id": m.storage_id}
        self._add(
            connection,
            t.delivery,
            {
                "dataset": m.dataset,
                "partition": m.partition,
                "run": m.run,
                "number": m.number,
                "hash": m.content_hash,
                "unchanged": m.unchanged,
                **order,
            },
        )
        identity = {"dataset": m.dataset, "partition": m.partition, "number": m.number, "hash": m.content_hash}
        row = {
            **identity,
            **order,
            "confirmed": m.unchanged,
            "known_at": m.known_at,
            "contract": m.contract,
            "rows": m.rows,
            "received": m.received,
            "refused": m.refused,
            "run": m.run,
            "inputs": {name: [list(one) for one in used] for name, used in m.inputs.items()},
            "profile": [figures.model_dump(mode="json", exclude_defaults=True) for figures in m.profile],
            "facts": dict(m.facts),
        }
        v = t.version
        held = connection.execute(
            sa.select(v.c.confirmed, v.c.at, v.c.storage_id).where(*(v.c[name] == value for name, value in identity.items()))
        ).first()
        if held is None:
            connection.execute(sa.insert(v).values(**row))
        elif (m.unchanged, m.at, m.storage_id) < tuple(held):  # the run that made it tells more than those that found it again
            connection.execute(sa.update(v).where(*(v.c[name] == value for name, value in identity.items())).values(**row))
        if held is None or (m.unchanged, m.at, m.storage_id) < tuple(held):
            self._inputs(connection, m)
        self._newest(
            connection,
            t.partition_state,
            {"dataset": m.dataset, "partition": m.partition},
            {**order, "number": m.number, "hash": m.content_hash, "rows": m.rows, "refused": m.refused, "contract": m.contract},
        )
        touched.datasets.add(m.dataset)
        if not m.unchanged:
            touched.feed.append(_news(f"dataset:{m.dataset}", "delivered", m.at, partition=m.partition, version=m.number, rows=m.rows))

    def _arrive(self, connection: sa.Connection, m: Arrival, touched: Touched) -> None:
        key = {"dataset": m.dataset, "port": m.port, "partition": m.partition, "number": m.number}
        told = {"at": m.at, "storage_id": m.storage_id, "hash": m.content_hash, "rows": m.rows, "run": m.run, "facts": dict(m.facts)}
        a = t.arrival
        held = connection.execute(sa.select(a.c.at, a.c.storage_id).where(*(a.c[name] == value for name, value in key.items()))).first()
        if held is None:
            connection.execute(sa.insert(a).values(**key, **told))
            more = {"port": m.port, "partition": m.partition, "version": m.number, "rows": m.rows}
            touched.feed.append(_news(f"dataset:{m.dataset}", "arrived", m.at, **more))
        elif (m.at, m.storage_id) < tuple(held):  # the run that brought it tells more than those that found it there
            connection.execute(sa.update(a).where(*(a.c[name] == value for name, value in key.items())).values(**told))

    def _inputs(self, connection: sa.Connection, m: Delivery) -> None:
        i = t.version_input
        own = {"dataset": m.dataset, "partition": m.partition, "number": m.number}
        connection.execute(sa.delete(i).where(*(i.c[name] == value for name, value in own.items())))
        rows = {
            (name, partition, number): {**own, "input": name, "input_partition": partition, "input_number": number}
            for name, used in m.inputs.items()
            for partition, number in used
        }
        if rows:
            connection.execute(sa.insert(i), list(rows.values()))

    def _check(self, connection: sa.Connection, m: CheckResult, touched: Touched) -> None:
        order = {"at": m.at, "storage_id": m.storage_id}
        found = {"passed": m.passed, "severity": m.severity}
        row = {"dataset": m.dataset, "check": m.check, "run": m.run, "partitions": m.partitions, "facts": dict(m.facts), **order, **found}
        self._add(connection, t.check_result, row)
        self._newest(connection, t.check_state, {"dataset": m.dataset, "check": m.check}, {**order, **found})
        touched.datasets.add(m.dataset)
        if not m.passed and m.severity == "error":
            touched.feed.append(_news(f"dataset:{m.dataset}", "check failed", m.at, check=m.check, partitions=m.partitions))

    def _add(self, connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> None:
        """An observation, unless it is there."""
        connection.execute(_insert(connection, table).values(**row).on_conflict_do_nothing())

    def _newest(self, connection: sa.Connection, table: sa.Table, key: dict[str, Any], values: dict[str, Any]) -> None:
        """Replace a state by a newer one; of two at one instant the greater storage id is newer."""
        insert = _insert(connection, table).values(**key, **values)
        new = insert.excluded
        newer = sa.or_(new.at > table.c.at, sa.and_(new.at == table.c.at, new.storage_id > table.c.storage_id))
        connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_={name: new[name] for name in values}, where=newer))

    # What follows

    def _settle(self, connection: sa.Connection, touched: Touched, now: datetime) -> None:
        for dataset in sorted(touched.datasets):
            self._settle_dataset(connection, dataset, now)
        indexing.index(connection, touched.subjects, now)
        indexing.index(connection, {f"dataset:{d}" for d in touched.datasets} - touched.subjects, now, states_only=True)
        if touched.feed:
            connection.execute(sa.insert(t.feed), touched.feed)

    def _settle_dataset(self, connection: sa.Connection, dataset: str, now: datetime) -> None:
        p, c, f, s = t.partition_state, t.check_state, t.failure, t.dataset_state
        subject = t.current.c.subject == f"dataset:{dataset}"
        row = connection.execute(sa.select(t.current.c.body, t.current.c.changed).where(subject)).first()
        if row is None or row.body is None:  # what has been told of it waits until it is declared (again)
            connection.execute(sa.delete(s).where(s.c.dataset == dataset))
            return
        body: Any = row.body
        own = p.c.dataset == dataset
        sums = [sa.func.coalesce(sa.func.sum(one), 0) for one in (p.c.rows, p.c.refused)]
        partitions, rows, refused, delivered = connection.execute(sa.select(sa.func.count(), *sums, sa.func.max(p.c.at)).where(own)).one()
        by_time = body["partitions"]["kind"] in TIMED
        order = [p.c.partition.desc()] if by_time else [p.c.at.desc(), p.c.partition.desc()]
        newest = connection.execute(sa.select(p.c.partition, p.c.at).where(own).order_by(*order).limit(1)).first()
        failed_at = connection.execute(sa.select(sa.func.max(f.c.at)).where(f.c.dataset == dataset, f.c.port == "")).scalar()
        checks = connection.execute(sa.select(c.c.check, c.c.passed, c.c.severity).where(c.c.dataset == dataset)).all()
        checks = [one for one in checks if one.check in body["checks"]]
        failing = any(not one.passed and one.severity == "error" for one in checks)
        if failed_at is not None and (delivered is None or failed_at > delivered):
            failing = True
        warning = any(not one.passed for one in checks)
        promised = body["freshness_seconds"]
        fresh_until = newest.at + timedelta(seconds=promised) if newest and promised else None
        freshness = "none" if not promised else "never" if newest is None else "fresh" if fresh_until and fresh_until >= now else "late"
        values = {
            "partitions": partitions,
            "rows": int(rows),
            "refused": int(refused),
            "newest_partition": newest.partition if newest else None,
            "newest_at": newest.at if newest else None,
            "delivered_at": delivered,
            "failed_at": failed_at,
            "fresh_until": fresh_until,
            "freshness": freshness,
            "quality": "failing" if failing else "warning" if warning else "passing" if checks else "unchecked",
            "checks_passed": sum(one.passed for one in checks),
            "checks_failed": sum(not one.passed for one in checks),
        }
        insert = _insert(connection, s).values(dataset=dataset, **values)
        connection.execute(insert.on_conflict_do_update(index_elements=["dataset"], set_=values))
        moments = [m for m in (row.changed, delivered, failed_at) if m is not None]
        if max(moments) > row.changed:
            connection.execute(sa.update(t.current).where(subject).values(changed=max(moments)))


class EmbeddedTarget:
    """The catalog in the same process, as the publisher sees it."""

    name = "catalog"

    def __init__(self, store: Store) -> None:
        self.store = store

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Take the messages in."""
        return [receipt for some in _slices(messages, MAX_BATCH) for receipt in self.store.apply(some)]

    def newest(self, location: str) -> dict[str, dict[str, tuple[int, str]]]:
        """As the store knows it."""
        return self.store.newest(location)


def product_of(message: Message) -> str | None:
    """Name of the product a message is about."""
    if isinstance(message, Definition):
        return message.subject.split(":", 1)[1].split("/")[0]
    return None if isinstance(message, Proof) else message.dataset.split("/")[0]


def parse_body(subject: str, body: Any) -> ProductBody | DatasetBody | None:
    """The body of a definition as it was stored."""
    if body is None:
        return None
    return (ProductBody if subject.startswith("product:") else DatasetBody).model_validate(body)


def changes(before: Any, after: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    """What a new definition changes, in the words of the feed."""
    if after is None:
        yield "removed", {}
        return
    if before is None:
        yield "declared", {}
        return
    if "contract" in after:
        old, new = before["contract"], after["contract"]
        was, is_ = ({c["name"]: c for c in one["columns"]} for one in (old, new))
        shape = ("type", "nullable")
        differing = [n for n in was if n in is_ and any(was[n].get(k) != is_[n].get(k) for k in shape)]
        added, gone = [n for n in is_ if n not in was], [n for n in was if n not in is_]
        if old["version"] != new["version"] or added or gone or differing or old["key"] != new["key"]:
            more = {"from": old["version"], "to": new["version"], "added": added, "removed": gone, "changed": differing}
            yield "contract", {k: v for k, v in more.items() if v}
        if {**before, "contract": None} == {**after, "contract": None}:
            return
    yield "described", {"fields": sorted(k for k in after if k != "contract" and after.get(k) != before.get(k))}


def _news(subject: str, change: str, at: datetime, **body: Any) -> dict[str, Any]:
    return {"subject": subject, "change": change, "at": at, "body": json.loads(json.dumps(body, default=str))}


def _node_row(node_id: str, subject: str, since: datetime, until: datetime | None, held: tuple[str, str, Any]) -> dict[str, Any]:
    kind, label, body = held
    return {"id": node_id, "asserted_by": subject, "valid_from": since, "valid_to": until, "kind": kind, "label": label, "body": body}


def _edge_row(edge: tuple[str, str, str], subject: str, since: datetime, until: datetime | None) -> dict[str, Any]:
    source, label, target = edge
    return {"source": source, "label": label, "target": target, "asserted_by": subject, "valid_from": since, "valid_to": until}


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def _slices(values: Sequence[Any], size: int = 400) -> Iterable[Sequence[Any]]:
    return (values[i : i + size] for i in range(0, len(values), size))
