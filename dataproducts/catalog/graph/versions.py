"""Versions and runs as nodes, and the edges between them: read from the tables that tell of them, so that nothing is stored twice.

A version holds from when it was known, for its rows never change; where a lake was begun again, a number that comes again with other rows
is the newer from then on. A run holds from the first version it made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import DERIVED_FROM, HAS_VERSION, MADE
from dataproducts.catalog.graph.nodes import Direction, Edge, Node
from dataproducts.errors import BadRequest

KINDS = ("version", "run")
_NO_RUN = "-"  # of a version that no run made
_Key = tuple[str, str, int]  # dataset, partition, number
_End = tuple[str, str, datetime]  # the other end of an edge, who tells of it, since when
_BEFORE_ALL: _Key = ("", "", -1)


def version_id(dataset: str, partition: str, number: int) -> str:
    """The id of a version's node."""
    return f"version:{dataset}@{partition}@{number}"


def version_key(node_id: str) -> _Key | None:
    """Dataset, partition and number of a version's node; None for any other id. A partition may hold an @, the other two cannot."""
    found = re.fullmatch(r"version:([^@]+)@(.+)@(0|[1-9][0-9]{0,18})", node_id, re.DOTALL)
    return (found[1], found[2], int(found[3])) if found and int(found[3]) < 2**63 else None


def nodes(connection: sa.Connection, ids: Sequence[str], as_of: datetime | None) -> Iterable[Node]:
    """Those of the ids that are versions and runs; one query for each of the two kinds there are ids of."""
    v = t.version
    keys = [key for one in ids if (key := version_key(one)) is not None]
    runs = [one.removeprefix("run:") for one in ids if one.startswith("run:")]
    if keys:
        query = _versions().where(sa.tuple_(v.c.dataset, v.c.partition, v.c.number).in_(keys), _holds(as_of))
        yield from map(_version, connection.execute(query).mappings())
    if runs:
        yield from map(_run, connection.execute(_runs(as_of).where(v.c.run.in_(runs))))


def history(connection: sa.Connection, node_id: str) -> list[Node]:
    """Every interval of a version or run, in order of time."""
    v, key = t.version, version_key(node_id)
    if key is None:
        return list(nodes(connection, [node_id], None))
    query = _versions().where(*_is(v, key), sa.or_(_until().is_(None), _until() > v.c.known_at))
    return [_version(row) for row in connection.execute(query.order_by(v.c.known_at)).mappings()]


def of_kind(connection: sa.Connection, kind: str, after: str, limit: int, as_of: datetime | None) -> list[Node]:
    """Versions by dataset, partition and number, or runs by id, beginning after one."""
    v = t.version
    if kind == "run":
        query = _runs(as_of).where(v.c.run > after.removeprefix("run:"))
        return [_run(row) for row in connection.execute(query.order_by(v.c.run).limit(limit))]
    place = (v.c.dataset, v.c.partition, v.c.number)
    query = _versions().where(sa.tuple_(*place) > sa.tuple_(*_begun(after)), _holds(as_of))
    return [_version(row) for row in connection.execute(query.order_by(*place).limit(limit)).mappings()]


def edges(
    connection: sa.Connection,
    node_id: str,
    direction: Direction,
    label: str | None,
    as_of: datetime | None,
    after: tuple[str, str],
    limit: int,
) -> list[Edge]:
    """Edges that versions and runs have, ordered by label, and each label's by run, or by dataset, partition and number."""
    kind, _, name = node_id.partition(":")
    key = version_key(node_id) if kind == "version" else name
    found: list[Edge] = []
    for own, read in _READERS.get((kind, direction), ()) if key is not None else ():
        if label in (None, own) and own >= after[0] and len(found) < limit:
            ends = read(connection, key, after[1] if own == after[0] else "", as_of, limit - len(found))
            for other, by, since in ends:
                source, target = (node_id, other) if direction == "out" else (other, node_id)
                found.append(Edge(source, own, target, f"dataset:{by}", since, None))
    return found


# Nodes


def _versions() -> sa.Select[Any]:
    v = t.version
    told = (v.c.dataset, v.c.partition, v.c.number, v.c.known_at, v.c.hash, v.c.rows, v.c.received, v.c.refused, v.c.contract, v.c.run)
    return sa.select(*told, _until().label("until"))


def _until() -> sa.ScalarSelect[Any]:
    """When another version of the same number took the place of this one."""
    v, later = t.version, t.version.alias()
    same = (later.c[name] == v.c[name] for name in ("dataset", "partition", "number"))
    newer = sa.tuple_(later.c.known_at, later.c.hash) > sa.tuple_(v.c.known_at, v.c.hash)
    return sa.select(sa.func.min(later.c.known_at)).where(*same, newer).correlate(v).scalar_subquery()


def _holds(as_of: datetime | None) -> sa.ColumnElement[bool]:
    if as_of is None:
        return _until().is_(None)
    return sa.and_(t.version.c.known_at <= as_of, sa.or_(_until().is_(None), _until() > as_of))


def _version(row: Any) -> Node:
    dataset, partition, number = row["dataset"], row["partition"], row["number"]
    body = {
        "dataset": dataset,
        "partition": partition,
        "number": number,
        "content_hash": row["hash"],
        "contract": row["contract"],
        "rows": row["rows"],
        "received": row["received"],
        "refused": row["refused"],
        "run": None if row["run"] == _NO_RUN else row["run"],
    }
    label = f"{dataset} {partition} {number}"
    told = {name: value for name, value in body.items() if value is not None}
    return Node(version_id(dataset, partition, number), "version", label, told, f"dataset:{dataset}", row["known_at"], row["until"])


def _runs(as_of: datetime | None) -> sa.Select[Any]:
    v = t.version
    query = sa.select(v.c.run, sa.func.min(v.c.dataset), sa.func.min(v.c.known_at)).where(*_making(as_of))
    return query.group_by(v.c.run)


def _making(as_of: datetime | None) -> list[sa.ColumnElement[bool]]:
    """Versions whose run made them; of others only runs are known that found them unchanged."""
    v = t.version
    return [v.c.run != _NO_RUN, ~v.c.confirmed, *_known(as_of)]


def _known(as_of: datetime | None) -> list[sa.ColumnElement[bool]]:
    return [] if as_of is None else [t.version.c.known_at <= as_of]


def _run(row: Any) -> Node:
    run, dataset, since = row
    return Node(f"run:{run}", "run", run, {}, f"dataset:{dataset}", since, None)


# Edges: each gives the other ends for one label, in order, beginning after one


def _of_dataset(connection: sa.Connection, name: str, after: str, as_of: datetime | None, limit: int) -> list[_End]:
    v = t.version
    query = _first_known((v.c.dataset, v.c.partition, v.c.number), as_of).where(v.c.dataset == name)
    return _ends(connection, query, (v.c.dataset, v.c.partition, v.c.number), after, limit)


def _dataset_of(connection: sa.Connection, key: _Key, after: str, as_of: datetime | None, limit: int) -> list[_End]:
    v, other = t.version, f"dataset:{key[0]}"
    since = connection.execute(sa.select(sa.func.min(v.c.known_at)).where(*_is(v, key), *_known(as_of))).scalar()
    return [(other, key[0], since)] if since is not None and other > after else []


def _made(connection: sa.Connection, run: str, after: str, as_of: datetime | None, limit: int) -> list[_End]:
    v = t.version
    query = _first_known((v.c.dataset, v.c.partition, v.c.number), as_of).where(v.c.run == run, *_making(as_of))
    return _ends(connection, query, (v.c.dataset, v.c.partition, v.c.number), after, limit)


def _maker(connection: sa.Connection, key: _Key, after: str, as_of: datetime | None, limit: int) -> list[_End]:
    v = t.version
    query = sa.select(v.c.run, sa.func.min(v.c.known_at)).where(*_is(v, key), *_making(as_of), v.c.run > after.removeprefix("run:"))
    return [(f"run:{run}", key[0], since) for run, since in connection.execute(query.group_by(v.c.run).order_by(v.c.run).limit(limit))]


def _inputs(connection: sa.Connection, key: _Key, after: str, as_of: datetime | None, limit: int) -> list[_End]:
    i = t.version_input
    query = _used(i.c.input, i.c.input_partition, i.c.input_number, as_of=as_of).where(*_is(i, key))
    found = _ends(connection, query, (i.c.input, i.c.input_partition, i.c.input_number), after, limit)
    return [(other, key[0], since) for other, _, since in found]


def _users(connection: sa.Connection, key: _Key, after: str, as_of: datetime | None, limit: int) -> list[_End]:
    i = t.version_input
    own = (i.c.input == key[0], i.c.input_partition == key[1], i.c.input_number == key[2])
    query = _used(i.c.dataset, i.c.partition, i.c.number, as_of=as_of).where(*own)
    return _ends(connection, query, (i.c.dataset, i.c.partition, i.c.number), after, limit)


def _first_known(place: Sequence[sa.ColumnElement[Any]], as_of: datetime | None) -> sa.Select[Any]:
    return sa.select(*place, sa.func.min(t.version.c.known_at)).where(*_known(as_of)).group_by(*place)


def _used(*place: sa.ColumnElement[Any], as_of: datetime | None) -> sa.Select[Any]:
    """Rows of the inputs with when the version that used them was first known."""
    i, v = t.version_input, t.version
    same = (v.c[name] == i.c[name] for name in ("dataset", "partition", "number"))
    since = sa.select(sa.func.min(v.c.known_at)).where(*same).correlate(i).scalar_subquery()
    return sa.select(*place, since).where(*([] if as_of is None else [since <= as_of]))


def _ends(
    connection: sa.Connection, query: sa.Select[Any], place: Sequence[sa.ColumnElement[Any]], after: str, limit: int
) -> list[_End]:  # fmt: skip
    begun = query.where(sa.tuple_(*place) > sa.tuple_(*_begun(after))).order_by(*place).limit(limit)
    return [(version_id(dataset, partition, number), dataset, since) for dataset, partition, number, since in connection.execute(begun)]


def _is(table: sa.Table, key: _Key) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in zip(("dataset", "partition", "number"), key, strict=True)]


def _begun(after: str) -> _Key:
    key = version_key(after) if after else _BEFORE_ALL
    if key is None:
        raise BadRequest("the cursor is not one this catalog made; start again from the first page")
    return key


_Reader = Callable[[sa.Connection, Any, str, datetime | None, int], list[_End]]
_READERS: dict[tuple[str, Direction], tuple[tuple[str, _Reader], ...]] = {
    ("dataset", "out"): ((HAS_VERSION, _of_dataset),),
    ("version", "out"): ((DERIVED_FROM, _inputs),),
    ("version", "in"): ((DERIVED_FROM, _users), (HAS_VERSION, _dataset_of), (MADE, _maker)),
    ("run", "out"): ((MADE, _made),),
}
"""By kind of node, the labels in order."""
