"""What can be found: the search documents of products, datasets, columns, concepts, teams and entries, made from the truth beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.markdown import plain
from dataproducts.catalog.search import index as search_index
from dataproducts.catalog.search.documents import Document
from dataproducts.catalog.tables import name_of

_DEPRECATED = ("deprecated", "retired")


def index(connection: sa.Connection, subjects: Iterable[str], now: datetime, *, states_only: bool = False) -> None:
    """Bring the index in line with these subjects, in the caller's transaction.

    A product brings all of its datasets along, since they are found by its team and themes. With `states_only` nothing but the
    subjects' own documents can have changed: not their columns.
    """
    wanted = _with_datasets(connection, set(subjects))
    if not wanted:
        return
    rows = _current(connection, wanted)
    products = {s.split(":", 1)[1]: r for s, r in rows.items() if s.startswith("product:")}
    documents: list[Document] = []
    gone: list[str] = []
    if not states_only:
        gone += _no_longer(connection, sorted(wanted), rows)
    for subject in sorted(wanted):
        row = rows.get(subject)
        if row is None or row.body is None:
            gone.append(subject)
        elif subject.startswith("product:"):
            documents += _product(row)
        elif subject.startswith("dataset:"):
            product = products.get(row.product)
            documents += _dataset(row, product.body if product is not None else None, states_only)
        else:
            documents.append(_entry(row))
    still = {d.id for d in documents}
    search_index.remove(connection, [one for one in gone if one not in still])
    search_index.put(connection, documents)


@dataclass
class _Row:
    subject: str
    product: str
    body: Any
    changed: datetime
    state: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    stars: float | None = None


def _with_datasets(connection: sa.Connection, subjects: set[str]) -> set[str]:
    products = [s.split(":", 1)[1] for s in subjects if s.startswith("product:")]
    if not products:
        return subjects
    query = sa.select(t.current.c.subject).where(t.current.c.product.in_(products), t.current.c.kind == "dataset")
    return subjects | set(connection.execute(query).scalars())


def _current(connection: sa.Connection, subjects: set[str]) -> dict[str, _Row]:
    c, s = t.current, t.dataset_state
    products = {f"product:{x.split(':', 1)[1].split('/')[0]}" for x in subjects if x.startswith("dataset:")}
    found: dict[str, _Row] = {}
    for some in _slices(sorted(subjects | products)):
        query = (
            sa.select(c.c.subject, c.c.product, c.c.body, c.c.changed, *(s.c[name] for name in _STATE))
            .select_from(c.outerjoin(s, s.c.dataset == name_of(c.c.subject)))
            .where(c.c.subject.in_(some))
        )
        for row in connection.execute(query).mappings():
            state = {name: row[name] for name in _STATE} if row["freshness"] is not None else {}
            found[row["subject"]] = _Row(row["subject"], row["product"], row["body"], row["changed"], state)
        tags = sa.select(t.tag.c.subject, t.tag.c.tag).where(t.tag.c.subject.in_(some), t.tag.c.withdrawn.is_(None))
        for subject, one in connection.execute(tags.order_by(t.tag.c.tag)):
            if subject in found:
                found[subject].tags += (one,)
        said = sa.select(t.remark.c.subject, t.remark.c.text).where(t.remark.c.subject.in_(some), t.remark.c.withdrawn.is_(None))
        for subject, text in connection.execute(said.order_by(t.remark.c.at, t.remark.c.id)):
            if subject in found:
                found[subject].remarks += (text,)
        stars = sa.select(t.rating.c.subject, t.rating.c.author, t.rating.c.stars).where(t.rating.c.subject.in_(some))
        newest: dict[str, dict[str, int]] = {}
        for subject, author, given in connection.execute(stars.order_by(t.rating.c.at)):
            newest.setdefault(subject, {})[author] = given
        for subject, given in newest.items():
            if subject in found:
                found[subject].stars = round(sum(given.values()) / len(given), 2)
    return found


_STATE = ("partitions", "rows", "newest_partition", "newest_at", "freshness", "quality")


def _no_longer(connection: sa.Connection, subjects: Sequence[str], rows: Mapping[str, _Row]) -> list[str]:
    """Columns, concepts and teams that the subjects once had and nobody has now."""
    n = t.node
    found: list[str] = []
    for some in _slices(subjects):
        once = sa.select(n.c.id).where(n.c.asserted_by.in_(some), n.c.kind.in_(("column", "concept", "team")), n.c.valid_to.is_not(None))
        closed = set(connection.execute(once).scalars())
        for ids in _slices(sorted(closed)):
            held = set(connection.execute(sa.select(n.c.id).where(n.c.id.in_(ids), n.c.valid_to.is_(None))).scalars())
            found += sorted(set(ids) - held)
    return found


def _product(row: _Row) -> Iterator[Document]:
    facts = row.body["facts"]
    titles = _texts(facts["title"])
    shared = _shared(facts)
    yield Document(
        id=row.subject,
        kind="product",
        names=(facts["name"], *titles, f"/products/{facts['name']}"),
        title=titles,
        columns=(),
        keywords=(*facts["keywords"], *facts["themes"], *row.tags, facts["team"]),
        text=_said(*_texts(facts["description"]), facts.get("readme"), facts.get("purpose"), facts.get("usage"), *row.remarks),
        facets={**shared, "kind": ("product",)},
        updated=row.changed,
        standing=_standing(row, facts),
        deprecated=facts["status"] in _DEPRECATED,
        card={
            "href": f"/products/{facts['name']}",
            "key": facts["name"],
            "title": facts["title"],
            "text": {language: plain(text) for language, text in facts["description"].items() if text},
            "team": facts["team"],
            "status": facts["status"],
            "stars": row.stars,
        },
    )
    yield Document(
        id=f"team:{facts['team']}",
        kind="team",
        names=(facts["team"], f"/teams/{facts['team']}"),
        title=(facts["team"],),
        columns=(),
        keywords=_said(facts.get("product_area")),
        text=(),
        facets={"kind": ("team",), "team": (facts["team"],)},
        updated=row.changed,
        standing=0.5,
        deprecated=False,
        card={"href": f"/teams/{facts['team']}", "key": facts["team"], "title": {"nb": facts["team"]}, "text": {}},
    )
    for concept in row.body["concepts"]:
        labels = _texts(concept["label"])
        key = f"{facts['name']}/{concept['name']}"
        yield Document(
            id=f"concept:{key}",
            kind="concept",
            names=(concept["name"], key, *labels, f"/concepts/{key}", *_said(concept.get("see"))),
            title=labels,
            columns=(),
            keywords=(),
            text=_said(*_texts(concept["definition"])),
            facets={**shared, "kind": ("concept",)},
            updated=row.changed,
            standing=0.5,
            deprecated=False,
            card={
                "href": f"/concepts/{key}",
                "key": key,
                "title": concept["label"],
                "text": {language: plain(text) for language, text in concept["definition"].items() if text},
                "team": facts["team"],
            },
        )


def _dataset(row: _Row, product: Any, states_only: bool) -> Iterator[Document]:
    body = row.body
    facts = (product or {}).get("facts") or {}
    shared = _shared(facts)
    name = body["name"].split("/")[1]
    columns = body["contract"]["columns"]
    ports = tuple(sorted({port["kind"] for port in body["ports"]}))
    state = row.state
    own = {**shared, "access": (body["access"],), "personal_data": (body["personal"],)}
    yield Document(
        id=row.subject,
        kind="dataset",
        names=(body["name"], name, body["title"], *(p["address"] for p in body["ports"]), f"/datasets/{body['name']}"),
        title=(body["title"],),
        columns=tuple(dict.fromkeys(x for c in columns for x in _said(c["name"], c.get("title")))),
        keywords=(*facts.get("keywords", ()), *facts.get("themes", ()), *row.tags, *_texts(facts.get("title", {}))),
        text=_said(body["description"], *row.remarks),
        facets={
            **own,
            "kind": ("dataset",),
            "port": ports,
            "freshness": (state.get("freshness", "never"),),
            "quality": (state.get("quality", "unchecked"),),
        },
        updated=state.get("newest_at") or row.changed,
        standing=_standing(row, facts),
        deprecated=facts.get("status") in _DEPRECATED,
        card={
            "href": f"/datasets/{body['name']}",
            "key": body["name"],
            "title": {"nb": body["title"]},
            "text": {"nb": plain(body["description"])},
            "team": facts.get("team"),
            "product": facts.get("title"),
            "access": body["access"],
            "personal": body["personal"],
            "columns": len(columns),
            "contract": body["contract"]["version"],
            "freshness": state.get("freshness", "never"),
            "quality": state.get("quality", "unchecked"),
            "rows": state.get("rows"),
            "partitions": state.get("partitions"),
            "newest": state.get("newest_partition"),
            "at": state["newest_at"].isoformat() if state.get("newest_at") else None,
            "stars": row.stars,
        },
    )
    if states_only:
        return
    for column in columns:
        key = f"{body['name']}/{column['name']}"
        yield Document(
            id=f"column:{key}",
            kind="column",
            names=(column["name"], key, f"{name}.{column['name']}", *_said(column.get("title"))),
            title=_said(column.get("title")) or (column["name"],),
            columns=(),
            keywords=_said(column.get("concept"), column.get("unit")),
            text=_said(column["description"]),
            facets={**own, "kind": ("column",), "personal_data": (column.get("personal") or "none",)},
            updated=row.changed,
            standing=_standing(row, facts) * 0.9,
            deprecated=facts.get("status") in _DEPRECATED,
            card={
                "href": f"/datasets/{body['name']}/columns/{column['name']}",
                "key": key,
                "title": {"nb": column["name"]},
                "text": {"nb": plain(column["description"])},
                "dataset": body["name"],
                "type": column["type"],
                "team": facts.get("team"),
                "personal": column.get("personal"),
            },
        )


def _entry(row: _Row) -> Document:
    """Something registered by hand or script: the fields of the "register metadata" contract."""
    body = row.body
    keywords = tuple(body.get("keyword") or ())
    themes = tuple(body.get("theme") or ())
    return Document(
        id=row.subject,
        kind="entry",
        names=(body["name"], body["title"], body["uri"], *(d["address"] for d in body.get("datasets") or () if d.get("address"))),
        title=(body["title"],),
        columns=(),
        keywords=(*keywords, *themes, *row.tags, body["type"]),
        text=_said(body.get("description"), body.get("readme"), body.get("long_description"), *row.remarks),
        facets={
            "kind": ("entry",),
            "theme": themes,
            "keyword": keywords,
            "team": _said(body.get("team")),
            "access": (body["accessRights"],),
            "personal_data": ("possibly_identifying" if body.get("pii") else "none",),
            "port": (body["type"],),
        },
        updated=row.changed,
        standing=_standing(row, {"description": body.get("description")}),
        deprecated=False,
        card={
            "href": f"/entries/{body['name']}",
            "key": body["name"],
            "title": {"nb": body["title"]},
            "text": {"nb": plain(body.get("description") or "")},
            "team": body.get("team"),
            "type": body["type"],
            "access": body["accessRights"],
            "stars": row.stars,
        },
    )


def _shared(facts: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    if not facts:
        return {}
    return {
        "theme": tuple(facts["themes"]),
        "keyword": tuple(facts["keywords"]),
        "team": (facts["team"],),
        "access": (facts["access"]["level"],),
        "personal_data": (facts["personal_data"]["class"],),
    }


def _standing(row: _Row, facts: Mapping[str, Any]) -> float:
    """How far a thing can be trusted at a glance, 0 to 1; only ever breaks ties."""
    quality = {"passing": 0.4, "warning": 0.25, "failing": 0.0}.get(row.state.get("quality", ""), 0.15)
    fresh = {"fresh": 0.3, "late": 0.05}.get(row.state.get("freshness", ""), 0.15)
    described = 0.1 if facts.get("description") else 0.0
    return round(quality + fresh + described + 0.2 * ((row.stars or 2.5) / 5), 3)


def _texts(localized: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in localized.values() if text))


def _said(*texts: str | None) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


def _slices(values: Sequence[Any], size: int = 400) -> Iterator[Sequence[Any]]:
    return (values[i : i + size] for i in range(0, len(values), size))
