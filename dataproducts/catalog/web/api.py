"""REST, below /api/v1: what the pages show, as JSON; and what may be written, with a token."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

import pydantic
import sqlalchemy as sa
from pydantic import ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from dataproducts import messages
from dataproducts.catalog import assertions, graph, people, reading, register
from dataproducts.catalog import erasure as erasing
from dataproducts.catalog import tables as t
from dataproducts.catalog.search import cursors
from dataproducts.catalog.search import index as found_by
from dataproducts.catalog.search.documents import FACETS
from dataproducts.catalog.web import listings, negotiation, openapi, problems, security
from dataproducts.catalog.web.catalog import Catalog
from dataproducts.catalog.web.openapi import Described, Many, Query
from dataproducts.catalog.web.problems import FieldError, Refusal
from dataproducts.catalog.web.security import Guarded
from dataproducts.erasure.wire import Erasure
from dataproducts.errors import BadRequest
from dataproducts.messages import MAX_BATCH, Message
from dataproducts.product_facts import AccessLevel, PersonalData

ROOT = "/api/v1"
MOST = 100
"""Items of a page of a list."""
LIMITS = (1, MOST)
"""Least and most of `?limit=`."""

# What is given beside the types of `reading`


@dataclass(frozen=True)
class Found:
    """One hit: the stage it was found in (1 exact name .. 5 after correcting the spelling), and the words met in each field."""

    id: str
    kind: str
    href: str
    stage: int
    matched: Mapping[str, Sequence[str]]
    card: Mapping[str, Any]


@dataclass(frozen=True)
class FacetValue:
    """A value of a facet, how many hits have it, and whether it is chosen."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Results:
    """A page of hits. `total_is_capped`, `facets_are_capped`: there are, or may be, more than counted. `is_partial`: the time was up
    before all was found; ask again. `each`: where nothing has all of several words, those that something has.
    """

    items: Sequence[Found]
    next: str | None
    total: int
    total_is_capped: bool
    facets: Mapping[str, Sequence[FacetValue]]
    facets_are_capped: bool
    did_you_mean: str | None
    understood: str
    is_partial: bool
    each: Sequence[str]


@dataclass(frozen=True)
class Suggested:
    """A title that begins as what was typed."""

    text: str
    id: str
    kind: str
    href: str


@dataclass(frozen=True)
class LineageNode:
    """A node of lineage. `hops`: negative upstream, positive downstream. `hidden`: neighbors (upstream, downstream) that are not shown."""

    id: str
    kind: str
    label: str
    hops: int
    hidden: tuple[int, int]


@dataclass(frozen=True)
class LineageGraph:
    """What something follows from and what follows from it. Edges are (upstream, downstream)."""

    focus: str
    nodes: Sequence[LineageNode]
    edges: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ColumnLine:
    """A column with the profile of the newest version."""

    column: messages.ColumnFacts
    figures: messages.ColumnFigures | None


@dataclass(frozen=True)
class Changes:
    """Lines of the change feed. `next` is what to ask for `after`, now or later."""

    items: Sequence[reading.News]
    next: int


@dataclass(frozen=True)
class Receipts:
    """What was done with each message, in order."""

    receipts: Sequence[messages.Receipt]


@dataclass(frozen=True)
class ErasedEntries:
    """How many entries an erasure changed."""

    changed: int


# What is taken


class _Taken(pydantic.BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Batch(_Taken):
    """Messages of one code location: at most 500, each of at most 1 MB."""

    messages: list[Message] = Field(max_length=MAX_BATCH)


SubjectId = Annotated[str, StringConstraints(pattern=r"^(product|dataset|entry):.+$", max_length=300)]


class NewRemark(_Taken):
    """A comment or question about a subject, or the answer to a question (`parent`)."""

    subject: SubjectId
    kind: Literal["comment", "question", "answer"] = "comment"
    text: str = Field(max_length=20_000)
    parent: str | None = Field(default=None, max_length=36)


class NewRating(_Taken):
    """One to five stars; of several by one author the newest counts."""

    subject: SubjectId
    stars: int = Field(ge=1, le=5, strict=True)


class NewTag(_Taken):
    """A tag on a subject."""

    subject: SubjectId
    tag: str = Field(max_length=100)


@dataclass(frozen=True)
class Said:
    """A remark as it is kept; `html` is safe to show."""

    id: str
    subject: str
    kind: str
    parent: str | None
    author: str
    text: str
    html: str
    at: datetime


@dataclass(frozen=True)
class Tagged:
    """A tag as it is kept."""

    subject: str
    tag: str


# Reading


def answer(
    value: Any, type_: Any, *, leaves_out: frozenset[str] = frozenset(), status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A value as JSON."""
    body = openapi.adapter(type_).dump_json(value, exclude=set(leaves_out) or None, by_alias=True)
    return Response(body, status, headers, "application/json")


_LEFT_OUT: dict[Any, frozenset[str]] = {
    reading.ProductPage: frozenset({"rendered"}),
    reading.DatasetPage: frozenset({"rendered", "product"}),
    reading.ColumnPage: frozenset({"dataset"}),
    register.EntryPage: frozenset({"rendered"}),
}


def _one(request: Request, found: Any, type_: Any) -> Response:
    if found is None:
        raise problems.absent(request.path_params, negotiation.as_of(request))
    return answer(found, type_, leaves_out=_LEFT_OUT.get(type_, frozenset()))


def _catalog(request: Request) -> Catalog:
    catalog: Catalog = request.app.state.catalog
    return catalog


def _name(request: Request) -> str:
    return f"{request.path_params['product']}/{request.path_params['dataset']}"


def product(request: Request) -> Response:
    """A product with its datasets."""
    catalog = _catalog(request)
    with catalog.database.reading() as connection:
        found = reading.product(connection, request.path_params["product"], negotiation.as_of(request))
    if found is not None:
        found = replace(found, datasets=tuple(_judged(one, catalog.now) for one in found.datasets))
    return _one(request, found, reading.ProductPage)


def _judged(summary: reading.Summary, now: datetime) -> reading.Summary:
    return replace(summary, state=summary.state.at(now))


def dataset(request: Request) -> Response:
    """A dataset."""
    found = dataset_page(request)
    return _one(request, found, reading.DatasetPage)


def dataset_page(request: Request) -> reading.DatasetPage:
    """The dataset that a request is about. Raises UnknownDataset where there is none."""
    catalog, as_of = _catalog(request), negotiation.as_of(request)
    with catalog.database.reading() as connection:
        found = reading.dataset(connection, _name(request), as_of)
    if found is None:
        raise problems.absent(request.path_params, as_of)
    state = found.state if as_of is not None else found.state.at(catalog.now)
    return replace(found, state=state)


def columns(request: Request) -> Response:
    """The columns of a dataset."""
    found = dataset_page(request)
    figures = found.figures
    lines = [ColumnLine(one, figures.get(one.name)) for one in found.body.contract.columns]
    return _listed(request, lines, None, ColumnLine)


def column(request: Request) -> Response:
    """A column."""
    with _catalog(request).database.reading() as connection:
        found = reading.column(connection, _name(request), request.path_params["column"], negotiation.as_of(request))
    return _one(request, found, reading.ColumnPage)


def team(request: Request) -> Response:
    """A team."""
    with _catalog(request).database.reading() as connection:
        return _one(request, reading.team(connection, request.path_params["team"], negotiation.as_of(request)), reading.TeamPage)


def concept(request: Request) -> Response:
    """A concept."""
    key = f"{request.path_params['product']}/{request.path_params['concept']}"
    with _catalog(request).database.reading() as connection:
        return _one(request, reading.concept(connection, key, negotiation.as_of(request)), reading.ConceptPage)


def entry(request: Request) -> Response:
    """An entry, with what people have added."""
    with _catalog(request).database.reading() as connection:
        return _one(request, register.entry(connection, request.path_params["name"], negotiation.as_of(request)), register.EntryPage)


def version(request: Request) -> Response:
    """A version."""
    path = request.path_params
    if path["number"] >= 2**63:
        raise problems.absent(path)
    name = _name(request)
    with _catalog(request).database.reading() as connection:
        found = reading.version(connection, name, path["partition"], path["number"], negotiation.as_of(request))
    return _one(request, found, reading.VersionPage)


def _listed(request: Request, items: Sequence[Any], cursor: str | None, type_: Any) -> Response:
    body = {"items": openapi.adapter(type_)}  # each by its own adapter, so that the list has no type of its own
    dumped = b",".join(body["items"].dump_json(one, by_alias=True) for one in items)
    text = b'{"items":[' + dumped + b'],"next":' + json.dumps(cursor).encode() + b"}"
    return Response(text, 200, _next(request, cursor), "application/json")


def _next(request: Request, cursor: str | int | None, name: str = "cursor") -> dict[str, str]:
    """The Link header of the next page."""
    if cursor is None:
        return {}
    url = request.url.include_query_params(**{name: cursor}).replace(scheme="", netloc="", path=security.quoted(request.url.path))
    return {"link": f'<{url}>; rel="next"'}


def _page(
    request: Request, question: str, shape: tuple[type, ...], read: Callable[[Any, tuple[Any, ...] | None, int], Sequence[Any]],
    key: Callable[[Any], tuple[Any, ...]], type_: Any,
) -> Response:  # fmt: skip
    """A page of a list: one item more is read than shown, to know whether there is a next page."""
    limit = negotiation.number(request, "limit", 50, *LIMITS)
    given = request.query_params.get("cursor")
    after = cursors.read(question, given, shape) if given else None
    with _catalog(request).database.reading() as connection:
        items = list(read(connection, after, limit + 1))
    cursor = cursors.written(question, key(items[limit - 1])) if len(items) > limit else None
    return _listed(request, items[:limit], cursor, type_)


def products(request: Request) -> Response:
    """Products by name."""
    team = request.query_params.get("team") or None
    return _page(
        request,
        f"products {team}",
        (str,),
        lambda connection, after, limit: listings.products(connection, after=after[0] if after else "", limit=limit, team=team),
        lambda one: (one.name,),
        listings.ProductSummary,
    )


_FILTERS = ("product", "team", "access", "personal", "freshness", "quality")


def datasets(request: Request) -> Response:
    """Datasets by name."""
    filters = {name: value for name in _FILTERS if (value := request.query_params.get(name))}
    now = _catalog(request).now
    negotiation.one_of(request, "access", tuple(AccessLevel))
    negotiation.one_of(request, "personal", tuple(PersonalData))
    negotiation.one_of(request, "freshness", ("fresh", "late", "never", "none"))
    negotiation.one_of(request, "quality", ("passing", "warning", "failing", "unchecked"))
    return _page(
        request,
        f"datasets {sorted(filters.items())}",
        (str,),
        lambda connection, after, limit: [
            _judged(one, now)
            for one in listings.datasets(connection, after=after[0] if after else "", limit=limit, now=now, filters=filters)
        ],
        lambda one: (one.name,),
        reading.Summary,
    )


def versions(request: Request) -> Response:
    """Versions of a dataset, newest partitions first."""
    name, partition, as_of = _name(request), request.query_params.get("partition") or None, negotiation.as_of(request)

    def read(connection: Any, after: Any, limit: int) -> Sequence[Any]:
        below = (after[0], after[1]) if after else None
        return _there(connection, name, reading.versions(connection, name, partition=partition, after=below, limit=limit, as_of=as_of))

    question = f"versions {name} {partition} {as_of}"
    return _page(request, question, (str, int), read, lambda one: (one.partition, one.number), reading.VersionRow)


def checks(request: Request) -> Response:
    """Results of a dataset's checks, newest first."""
    name, check, as_of = _name(request), request.query_params.get("check") or None, negotiation.as_of(request)

    def read(connection: Any, after: Any, limit: int) -> Sequence[Any]:
        begun = (t.instant(_sane(after[0])), *after[1:]) if after else None
        return _there(connection, name, listings.checks(connection, name, check=check, after=begun, limit=limit, as_of=as_of))

    question = f"checks {name} {check} {as_of}"
    return _page(
        request, question, (int, int, str, str), read, lambda o: (t.micros(o.at), o.storage_id, o.check, o.run), listings.CheckLine
    )


def _sane(micros: int) -> int:
    if not 0 <= micros < 250_000_000_000_000_000:
        raise BadRequest("the cursor is not one this catalog made; start again from the first page")
    return micros


def _there(connection: Any, name: str, found: Sequence[Any]) -> Sequence[Any]:
    """What was found; nothing found of a dataset nobody knows is a 404."""
    if not found and reading.dataset(connection, name) is None:
        product, _, dataset = name.partition("/")
        raise problems.absent({"product": product, "dataset": dataset})
    return found


def schema(request: Request) -> Response:
    """Changes of a dataset's contract, newest first."""
    with _catalog(request).database.reading() as connection:
        name, as_of = _name(request), negotiation.as_of(request)
        found = _there(connection, name, reading.schema_history(connection, name, as_of))
    return _listed(request, found, None, reading.SchemaChange)


def lineage(request: Request) -> Response:
    """What a dataset, or one of its columns, follows from and what follows from it."""
    name, as_of = _name(request), negotiation.as_of(request)
    up, down = negotiation.number(request, "up", 1, 0, 20), negotiation.number(request, "down", 1, 0, 20)
    of_column = request.query_params.get("column")
    focus = f"column:{name}/{of_column}" if of_column else f"dataset:{name}"
    with _catalog(request).database.reading() as connection:
        found = graph.lineage(connection, focus, up=up, down=down, as_of=as_of)
        named = listings.labels(connection, list(found.hops), as_of)
        if len(found.hops) == 1 and not graph.nodes(connection, [focus], as_of):
            raise problems.absent(request.path_params | ({"column": of_column} if of_column else {}), as_of)
    nodes = [LineageNode(one, *named[one], hops, found.hidden.get(one, (0, 0))) for one, hops in found.hops.items()]
    return answer(LineageGraph(found.focus, nodes, found.edges), LineageGraph)


def node(request: Request) -> Response:
    """A node of the metadata graph."""
    node_id = request.path_params["id"]
    with _catalog(request).database.reading() as connection:
        return _one(request, graph.nodes(connection, [node_id], negotiation.as_of(request)).get(node_id), graph.Node)


def nodes(request: Request) -> Response:
    """Nodes of one kind."""
    kind = negotiation.one_of(request, "kind", assertions.KINDS)
    if kind is None:
        raise BadRequest(f"which kind of nodes; write kind= and one of {', '.join(assertions.KINDS)}")
    as_of = negotiation.as_of(request)
    return _page(
        request,
        f"nodes {kind} {as_of}",
        (str,),
        lambda connection, after, limit: graph.of_kind(connection, kind, after=after[0] if after else "", limit=limit, as_of=as_of),
        lambda one: (one.id,),
        graph.Node,
    )


def edges(request: Request) -> Response:
    """Edges of a node, out of it or into it."""
    node_id, as_of = request.path_params["id"], negotiation.as_of(request)
    direction: Any = negotiation.one_of(request, "direction", ("out", "in")) or "out"
    label = negotiation.one_of(request, "label", assertions.LABELS)
    return _page(
        request,
        f"edges {node_id} {direction} {label} {as_of}",
        (str, str),
        lambda connection, after, limit: graph.edges(
            connection, node_id, direction, label=label, as_of=as_of, after=(after[0], after[1]) if after else ("", ""), limit=limit
        ),
        lambda one: (one.label, one.target if direction == "out" else one.source),
        graph.Edge,
    )


def search(request: Request) -> Response:
    """What is found for words and facets."""
    query = request.query_params
    asked = found_by.SearchRequest(
        text=_catalog(request).sought(query.get("q", "")[:1_000]),
        facets={name: values[:50] for name in FACETS if (values := [v[:200] for v in query.getlist(name) if v])},
        sort=negotiation.one_of(request, "sort", ("relevance", "title", "updated")) or "relevance",
        limit=negotiation.number(request, "limit", 20, *LIMITS),
        cursor=query.get("cursor") or None,
    )
    with _catalog(request).database.reading() as connection:
        page = found_by.search(connection, asked)
    results = Results(
        items=[Found(hit.id, hit.kind, _href(hit.card), hit.stage, dict(hit.matched), hit.card) for hit in page.hits],
        next=page.next,
        total=page.total,
        total_is_capped=page.total_is_capped,
        facets={name: [FacetValue(*value) for value in values] for name, values in page.facets.items()},
        facets_are_capped=page.facets_are_capped,
        did_you_mean=page.did_you_mean,
        understood=page.understood,
        is_partial=page.is_partial,
        each=page.each,
    )
    return answer(results, Results, headers=_next(request, page.next))


def _href(card: Mapping[str, Any]) -> str:
    return str(card.get("href", "/"))


def suggest(request: Request) -> Response:
    """What is about to be typed."""
    limit = negotiation.number(request, "limit", 8, 1, 20)
    with _catalog(request).database.reading() as connection:
        found = found_by.suggest(connection, request.query_params.get("q", "")[:200], limit)
    return _listed(request, [Suggested(one.text, one.id, one.kind, _href(one.card)) for one in found], None, Suggested)


def changes(request: Request) -> Response:
    """What has changed, in order: to be followed."""
    after = negotiation.number(request, "after", 0, 0, 2**62)
    limit = negotiation.number(request, "limit", MOST, *LIMITS)
    subject = request.query_params.get("subject") or None
    with _catalog(request).database.reading() as connection:
        found = reading.news(connection, after=after, limit=limit, subject=subject)
    last = found[-1].seq if found else after
    return answer(Changes(found, last), Changes, headers=_next(request, last if len(found) == limit else None, "after"))


def status(request: Request) -> Response:
    """How the catalog itself is doing."""
    catalog = _catalog(request)
    with catalog.database.reading() as connection:
        return answer(reading.status(connection, catalog.now), reading.Status)


Newest = dict[str, dict[str, tuple[int, str]]]


def newest(request: Request) -> Response:
    """Newest versions that are known of a code location."""
    location = request.query_params.get("location")
    if not location:
        raise BadRequest("newest of which code location; write ?location= and its name")
    return answer(_catalog(request).store.newest(location), Newest)


def remarks(request: Request) -> Response:
    """What people have said about a subject."""
    subject = request.query_params.get("subject")
    if not subject:
        raise BadRequest("remarks about what; write ?subject= and an id such as dataset:product/name")
    with _catalog(request).database.reading() as connection:
        return answer(reading.voices(connection, subject, negotiation.as_of(request)), reading.Voices)


def index_entry(request: Request) -> Response:
    """An entry as it was registered."""
    with _catalog(request).database.reading() as connection:
        found = register.entry(connection, request.path_params["name"])
    if found is None:
        raise problems.absent(request.path_params)
    return _registered(found.body, found.tag)


def describe(request: Request) -> Response:
    """This document."""
    return Response(_described(_catalog(request).base_url), 200, None, "application/json")


_documents: dict[str, bytes] = {}


def _described(base_url: str) -> bytes:
    if base_url not in _documents:
        _documents[base_url] = json.dumps(openapi.document(OPERATIONS, base_url), ensure_ascii=False).encode()
    return _documents[base_url]


# Writing


def publish(request: Request) -> Response:
    """Take messages in: all of them, or none where one is malformed."""
    body = security.json_of(request.state.body)
    if not isinstance(body, dict) or set(body) != {"messages"} or not isinstance(body["messages"], list):
        raise Refusal(422, 'the body is {"messages": [...]} and nothing else')
    given = body["messages"]
    if len(given) > MAX_BATCH:
        raise Refusal(413, f"{len(given)} messages at once; at most {MAX_BATCH} are taken")
    most = _catalog(request).limits.message
    taken: list[Any] = []
    faults: list[FieldError] = []
    for number, value in enumerate(given):
        if len(request.state.body) > most and len(t.canonical(value).encode("utf-8", "replace")) > most:
            raise Refusal(413, f"/messages/{number} is larger than {most:,} bytes; leave out what nobody needs")
        try:
            taken.append(messages.parse(value))
        except pydantic.ValidationError as error:
            faults += problems.field_errors(error, f"/messages/{number}")
    if faults:
        raise Refusal(422, f"{faults[0].pointer}: {faults[0].detail}; nothing was stored", errors=faults[:100])
    receipts = _applied(_catalog(request), taken, request.state.bearer.scopes)
    return answer(Receipts(receipts), Receipts)


def _applied(catalog: Catalog, taken: Sequence[Any], scopes: Sequence[str]) -> list[messages.Receipt]:
    mine = {scope.removeprefix("publish:") for scope in scopes if scope.startswith("publish:")}
    spoken = {message.location for message in taken}
    if spoken <= mine:
        return catalog.store.apply(taken)
    # one location at most is left, and what it does not say is refused message by message
    return catalog.store.apply(taken, location=next(iter(sorted(mine & spoken)), min(mine)))


def erase(request: Request) -> Response:
    """Erase what is kept of somebody's rows in a dataset of the token's own location. The body is kept nowhere, and nothing repeats it."""
    told = Erasure.model_validate(security.json_of(request.state.body))
    product, database = told.dataset.split("/")[0], _catalog(request).database
    with database.reading() as connection:
        query = sa.select(t.owner.c.location).where(t.owner.c.subject == f"product:{product}")
        held = connection.execute(query).scalar()
    if held is not None and f"publish:{held}" not in request.state.bearer.scopes:
        raise Refusal(403, f"product {product!r} belongs to code location {held!r}, and the token does not speak for it")
    changed = erasing.erase(database, {told.dataset: told.erased()}, {told.dataset: set(told.touched)}) if held is not None else 0
    return answer(ErasedEntries(changed), ErasedEntries)


def put_entry(request: Request) -> Response:
    """Register an entry, or register it anew."""
    registration = register.Registration.model_validate(security.json_of(request.state.body))
    headers = request.headers
    done, body, tag = register.put(
        _catalog(request).store,
        registration,
        str(request.state.bearer.may("register")),
        headers.get("if-match"),
        only_new=headers.get("if-none-match", "").strip() == "*",
    )
    return _registered(body, tag, status=201 if done == "created" else 200)


def _registered(body: Mapping[str, Any], tag: str, status: int = 200) -> Response:
    from urllib.parse import quote

    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"etag": f'"{tag}"', **({"location": f"{ROOT}/index/{quote(body['name'])}"} if status == 201 else {})}
    return Response(text, status, headers, "application/json")


def delete_entry(request: Request) -> Response:
    """Take an entry out."""
    namespace = str(request.state.bearer.may("register"))
    register.remove(_catalog(request).store, request.path_params["name"], namespace, request.headers.get("if-match"))
    return Response(None, 204)


def _author(request: Request) -> str:
    return str(request.state.bearer.may("remark"))


def say(request: Request) -> Response:
    """Add a remark."""
    given = NewRemark.model_validate(security.json_of(request.state.body))
    made = people.say(_catalog(request).store, given.subject, given.kind, _author(request), given.text, given.parent)
    return answer(Said(**made.__dict__), Said, status=201)


def withdraw(request: Request) -> Response:
    """Take a remark of one's own back."""
    people.withdraw(_catalog(request).store, request.path_params["id"], _author(request))
    return Response(None, 204)


def rate(request: Request) -> Response:
    """Give stars."""
    given = NewRating.model_validate(security.json_of(request.state.body))
    people.rate(_catalog(request).store, given.subject, _author(request), given.stars)
    return Response(None, 204)


def tag(request: Request) -> Response:
    """Put a tag on a subject."""
    given = NewTag.model_validate(security.json_of(request.state.body))
    kept = people.tag(_catalog(request).store, given.subject, _author(request), given.tag)
    return answer(Tagged(given.subject, kept), Tagged)


def untag(request: Request) -> Response:
    """Take a tag off a subject."""
    query = request.query_params
    if not query.get("subject") or not query.get("tag"):
        raise BadRequest("which tag of what; write ?subject= and &tag=")
    people.untag(_catalog(request).store, query["subject"], query["tag"])
    return Response(None, 204)


# The table

_INTEGER = {"type": "integer", "minimum": 1, "maximum": MOST}
_AS_OF = Query("as_of", "As it was then: a day (its end, UTC) or a time.", {"type": "string"})
_CURSOR = Query("cursor", "The `next` of the page before.")
_LIMIT = Query("limit", "Items of a page.", {**_INTEGER, "default": 50})
_PAGED = (_CURSOR, _LIMIT)
_HOPS = {"type": "integer", "minimum": 0, "maximum": 20, "default": 1}
_SUBJECT = Query("subject", "What it is about: `dataset:product/name`, `product:name` or `entry:name`.", required=True)
_TAG = Query("tag", "Which.", required=True)
_D = "/datasets/{product}/{dataset}"
_KIND = Query("kind", "Which; versions come by dataset, partition and number, others by id.", required=True)
_NODE = "A node of the metadata graph; ids are `kind:key`, of versions `version:product/dataset@partition@number`, of runs `run:id`."
_WORDS = Query("q", "Words; quotes keep words together, a minus leaves out, OR is either.")


def _get(path: str, name: str, endpoint: Any, gives: Any, summary: str, *query: Query, **more: Any) -> Described:
    left_out = _LEFT_OUT.get(gives, frozenset()) if not isinstance(gives, Many) else frozenset()
    return Described("GET", ROOT + path, name, summary, endpoint, gives, query, leaves_out=left_out, **more)


def _write(method: str, path: str, name: str, endpoint: Any, needs: Any, summary: str, takes: Any = None, **more: Any) -> Described:
    most = more.pop("most", 100_000 if takes is not None else 0)
    return Described(method, ROOT + path, name, summary, endpoint, needs=needs, takes=takes, most=most, **more)


OPERATIONS: tuple[Described, ...] = (
    _get("/openapi.json", "openapi", describe, None, "This document."),
    _get("/products", "products", products, Many(listings.ProductSummary), "Products by name.", Query("team", "Of one team."), *_PAGED),
    _get("/products/{product}", "product", product, reading.ProductPage, "A product with its datasets.", _AS_OF),
    _get(
        "/datasets",
        "datasets",
        datasets,
        Many(reading.Summary),
        "Datasets by name.",
        *(Query(name, f"Only of this {name}.") for name in _FILTERS),
        *_PAGED,
    ),
    _get(_D, "dataset", dataset, reading.DatasetPage, "A dataset: contract, state, newest partitions, checks, people's remarks.", _AS_OF),
    _get(f"{_D}/columns", "columns", columns, Many(ColumnLine), "The columns, with the newest version's profile.", _AS_OF),
    _get(f"{_D}/columns/{{column:path}}", "column", column, reading.ColumnPage, "A column and where it comes from.", _AS_OF),
    _get(
        f"{_D}/versions",
        "versions",
        versions,
        Many(reading.VersionRow),
        "Versions.",
        Query("partition", "Of one partition."),
        _AS_OF,
        *_PAGED,
    ),
    _get(
        f"{_D}/versions/{{partition:path}}/{{number:int}}", "version", version, reading.VersionPage, "What a version was made from.", _AS_OF
    ),
    _get(f"{_D}/checks", "checks", checks, Many(listings.CheckLine), "Check results.", Query("check", "Of one check."), _AS_OF, *_PAGED),
    _get(f"{_D}/schema", "schema", schema, Many(reading.SchemaChange), "Every change of the contract, newest first.", _AS_OF),
    _get(
        f"{_D}/lineage",
        "lineage",
        lineage,
        LineageGraph,
        "What it follows from and what follows from it, at most 200 nodes.",
        Query("up", "Hops upstream.", _HOPS),
        Query("down", "Hops downstream.", _HOPS),
        Query("column", "Of one column."),
        _AS_OF,
    ),
    _get("/teams/{team}", "team", team, reading.TeamPage, "A team, its products and datasets.", _AS_OF),
    _get("/concepts/{product}/{concept}", "concept", concept, reading.ConceptPage, "A concept and the columns that are about it.", _AS_OF),
    _get("/entries/{name:path}", "entry", entry, register.EntryPage, "Something registered by hand, with what people have added.", _AS_OF),
    _get("/nodes", "nodes", nodes, Many(graph.Node), "Nodes of one kind.", _KIND, _AS_OF, *_PAGED),
    _get(
        "/nodes/{id:path}/edges",
        "edges",
        edges,
        Many(graph.Edge),
        "Edges of a node.",
        Query("direction", "Out of it, or into it.", {"type": "string", "enum": ["out", "in"], "default": "out"}),
        Query("label", "Of one label.", {"type": "string", "enum": list(assertions.LABELS)}),
        _AS_OF,
        *_PAGED,
    ),
    _get("/nodes/{id:path}", "node", node, graph.Node, _NODE, _AS_OF),
    _get(
        "/search",
        "search",
        search,
        Results,
        "What is found for words and facets.",
        _WORDS,
        *(Query(name, "A facet; several values are either.", {"type": "array", "items": {"type": "string"}}) for name in FACETS),
        Query("sort", "Order.", {"type": "string", "enum": ["relevance", "title", "updated"], "default": "relevance"}),
        _CURSOR,
        Query("limit", "Items of a page.", {**_INTEGER, "default": 20}),
        is_limited=True,
    ),
    _get(
        "/suggest",
        "suggest",
        suggest,
        Many(Suggested),
        "Titles that begin as what is typed so far.",
        _WORDS,
        Query("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": 20, "default": 8}),
        is_limited=True,
    ),
    _get(
        "/changes",
        "changes",
        changes,
        Changes,
        "What has changed, oldest first; ask again after the last one seen to follow.",
        Query("after", "Number of the last change seen.", {"type": "integer", "minimum": 0, "default": 0}),
        Query("subject", "Of one subject."),
        Query("limit", "Items of a page.", {**_INTEGER, "default": MOST}),
    ),
    _get("/status", "status", status, reading.Status, "Deliveries, reconciliations, and what is late."),
    _get("/newest", "newest", newest, Newest, "The newest versions known.", Query("location", "Whose.", required=True)),
    _get("/remarks", "remarks", remarks, reading.Voices, "Remarks, tags and ratings of a subject.", _SUBJECT, _AS_OF),
    _write(
        "POST",
        "/messages",
        "publish",
        publish,
        "publish",
        "Take messages in; a receipt for each. The same message again is no error.",
        Batch,
        most=8_000_000,
        gives=Receipts,
    ),
    _write(
        "POST",
        "/erasures",
        "erase",
        erase,
        "publish",
        "Erase what is kept of somebody's rows in a dataset: profiles, values in what was said, results of examples. Again is no error.",
        Erasure,
        most=8_000_000,
        gives=ErasedEntries,
    ),
    _write(
        "PUT",
        "/index",
        "register",
        put_entry,
        "register",
        "Register metadata by hand, or anew.",
        register.Registration,
        most=1_000_000,
        gives=dict[str, Any],
        statuses=(200, 201),
        fails=(409, 412),
    ),
    _get("/index/{name:path}", "registered", index_entry, dict[str, Any], "An entry as it was registered; its ETag is for If-Match."),
    _write(
        "DELETE",
        "/index/{name:path}",
        "unregister",
        delete_entry,
        "register",
        "Take an entry out; its history stays.",
        statuses=(204,),
        fails=(409, 412),
    ),
    _write("POST", "/remarks", "say", say, "remark", "Comment, ask or answer.", NewRemark, gives=Said, statuses=(201,), fails=(404,)),
    _write("DELETE", "/remarks/{id}", "withdraw", withdraw, "remark", "Take a remark of one's own back.", statuses=(204,), fails=(400,)),
    _write("PUT", "/ratings", "rate", rate, "remark", "Give 1 to 5 stars.", NewRating, statuses=(204,), fails=(404,)),
    _write("PUT", "/tags", "tag", tag, "remark", "Put a tag on something.", NewTag, gives=Tagged, fails=(404,)),
    _write("DELETE", "/tags", "untag", untag, "remark", "Take a tag off.", query=(_SUBJECT, _TAG), statuses=(204,)),
)
"""Every operation of the API: the routes and the OpenAPI document are both made of this."""


def routes() -> list[Guarded]:
    """The routes of the API."""
    return openapi.routes(OPERATIONS)
