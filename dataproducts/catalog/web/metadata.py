"""The same addresses as data: JSON, JSON-LD and Turtle beside the pages, and the documents that other machines ask for."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dataproducts.catalog import reading
from dataproducts.catalog import tables as t
from dataproducts.catalog.search import index as found_by
from dataproducts.catalog.web import api, negotiation, packaged, security
from dataproducts.catalog.web.catalog import Catalog
from dataproducts.catalog.web.negotiation import HTML, JSON, JSON_LD, TURTLE
from dataproducts.catalog.web.problems import Refusal, absent
from dataproducts.catalog.web.security import Endpoint, Guarded
from dataproducts.errors import CatalogUnavailable, UnknownDataset
from dataproducts.formats import atom, croissant, datapackage, dcat, opensearch, sitemap, skos, turtle
from dataproducts.formats.facts import CatalogFacts, Entry, Newest
from dataproducts.formats.linked import Node, document
from dataproducts.messages import ColumnFigures, DatasetBody, ProductBody
from dataproducts.product_facts import Contact, Localized

TITLE = Localized(nb="Datakatalog", en="Data catalog")
DESCRIPTION = Localized(
    nb="Dataprodukter og datasett: hva de er, om de er til å stole på, og hvordan de brukes.",
    en="Data products and datasets: what they are, whether to trust them, and how to use them.",
)
FEED = 100
"""Changes that the Atom feed tells."""
_CHUNK = 256 * 1024


# Forms of a resource


@dataclass(frozen=True)
class Resource:
    """What an address shows, in each form but HTML. Each form can be asked for by a suffix too."""

    name: str
    path: str
    forms: Mapping[str, Endpoint]

    @property
    def suffixes(self) -> dict[str, str]:
        """Its forms by suffix."""
        return {suffix: form for suffix, form in negotiation.SUFFIXES.items() if form in self.forms}


def _dataset(request: Request) -> tuple[DatasetBody, ProductBody, Newest | None]:
    """A dataset, its product and its newest version."""
    found = api.dataset_page(request)
    if found.product is None:
        raise Refusal(404, f"the code location of {found.body.name} has not published product {found.product_name!r} yet; JSON is there")
    newest = found.newest
    facts = Newest(newest.at, newest.partition, newest.number, newest.rows, found.profile) if newest is not None else None
    return found.body, found.product, facts


def _addresses(request: Request) -> Any:
    return request.app.state.catalog.addresses


def product_node(request: Request) -> Node:
    """A product and its datasets as DCAT-AP-NO."""
    catalog: Catalog = request.app.state.catalog
    name, as_of = request.path_params["product"], negotiation.as_of(request)
    with catalog.database.reading() as connection:
        found = declared(connection, name, as_of)
    if found is None:
        raise absent(request.path_params, as_of)
    return dcat.product(*found, catalog.addresses)


def dataset_node(request: Request) -> Node:
    """A dataset as DCAT-AP-NO."""
    body, of, newest = _dataset(request)
    return dcat.dataset(body, of, _addresses(request), newest)


def column_node(request: Request) -> Node:
    """A column, as the contract of its dataset describes it."""
    body, of, newest = _dataset(request)
    address = _addresses(request).column(body.name, request.path_params["column"])
    nodes = [one for one in dcat.dataset(body, of, _addresses(request), newest)["@graph"] if one["@id"] == address]
    if not nodes:
        raise absent(request.path_params, negotiation.as_of(request))
    return document(nodes)


def concept_node(request: Request) -> Node:
    """A concept as SKOS."""
    try:
        return skos.concept(request.path_params["concept"], _product(request), _addresses(request))
    except KeyError:
        raise absent(request.path_params, negotiation.as_of(request)) from None


def glossary_node(request: Request) -> Node:
    """All concepts of a product as SKOS, with the scheme they are in."""
    return skos.glossary(_product(request), _addresses(request))


def _product(request: Request) -> ProductBody:
    catalog: Catalog = request.app.state.catalog
    as_of = negotiation.as_of(request)
    with catalog.database.reading() as connection:
        found = reading.product(connection, request.path_params["product"], as_of)
    if found is None:
        raise absent(request.path_params, as_of)
    return found.body


def _linked(node: Callable[[Request], Node]) -> dict[str, Endpoint]:
    def as_json(request: Request) -> Response:
        return _json(node(request), JSON_LD)

    def as_turtle(request: Request) -> Response:
        return Response(turtle.turtle(node(request)).encode("utf-8", "replace"), media_type=TURTLE)

    return {JSON_LD: as_json, TURTLE: as_turtle}


def _json(value: Any, media_type: str = JSON) -> Response:
    return Response(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), media_type=media_type)


_D = "/datasets/{product}/{dataset}"
RESOURCES = (
    Resource("product", "/products/{product}", {JSON: api.product, **_linked(product_node)}),
    Resource("column", f"{_D}/columns/{{column:path}}", {JSON: api.column, **_linked(column_node)}),
    Resource("concept", "/concepts/{product}/{concept}", {JSON: api.concept, **_linked(concept_node)}),
    Resource("glossary", "/concepts/{product}", _linked(glossary_node)),
    Resource("versions", f"{_D}/versions", {JSON: api.versions}),
    Resource("version", f"{_D}/versions/{{partition:path}}/{{number:int}}", {JSON: api.version}),
    Resource("schema", f"{_D}/schema", {JSON: api.schema}),
    Resource("lineage", f"{_D}/lineage", {JSON: api.lineage}),
    Resource("quality", f"{_D}/quality", {JSON: api.checks}),
    Resource("dataset", _D, {JSON: api.dataset, **_linked(dataset_node)}),
    Resource("team", "/teams/{team}", {JSON: api.team}),
    Resource("entry", "/entries/{name:path}", {JSON: api.entry}),
    Resource("search", "/search", {JSON: api.search}),
    Resource("status", "/status", {JSON: api.status}),
)
"""What is data as well as a page, by the name of its route."""


def routes(drawn: Sequence[Guarded]) -> list[Guarded]:
    """Every route outside the API: the pages, each in all its forms, and the documents."""
    pages = {route.name: route for route in drawn}
    made = [*_documents()]
    for one in RESOURCES:
        page = pages.get(one.name)
        path = page.path if page is not None else one.path
        html = page.operations["GET"].endpoint if page is not None else None
        negotiated = _negotiated(one, html)
        is_limited = one.name == "search"
        for suffix, media_type in one.suffixes.items():
            endpoint = _suffixed(one.forms[media_type], suffix, negotiated)
            made.append(security.page(f"{path}.{suffix}", endpoint, name=f"{one.name}-{suffix}", is_limited=is_limited))
        made.append(security.page(path, negotiated, name=one.name, is_limited=is_limited))
    named = {one.name for one in RESOURCES}
    made += [route for route in drawn if route.name not in named]
    return sorted(made, key=lambda route: _WEIGHT.get(route.name, 1))


_WEIGHT = {"dataset": 2, "entry": 3}
"""Routes whose paths are the more general come after the others."""


def _negotiated(resource: Resource, html: Endpoint | None) -> Endpoint:
    forms = ({HTML: html} if html is not None else {}) | dict(resource.forms)
    offers = tuple(forms)

    def endpoint(request: Request) -> Response:
        form = negotiation.chosen(request.headers.get("accept", ""), offers)
        if form is None:
            raise Refusal(406, f"this is there as {', '.join(offers)}")
        response: Response = forms[form](request)
        if "link" not in response.headers:
            response.headers["link"] = _alternates(request, resource.suffixes)
        return response

    return endpoint


def _suffixed(form: Endpoint, suffix: str, whole: Endpoint) -> Endpoint:
    def endpoint(request: Request) -> Response:
        try:
            response: Response = form(request)
        except UnknownDataset:
            last = next((name for name in ("column", "team", "name") if name in request.path_params), None)
            if last is None:
                raise
            # it may be called what looks like a suffix
            request.scope["path_params"] = {**request.path_params, last: f"{request.path_params[last]}.{suffix}"}
            return whole(Request(request.scope))  # type: ignore[no-any-return]
        return response

    return endpoint


def _alternates(request: Request, suffixes: Mapping[str, str]) -> str:
    path = security.quoted(request.url.path)
    links = [f'<{path}>; rel="alternate"; type="{HTML}"']
    links += [f'<{path}.{suffix}>; rel="alternate"; type="{media_type}"' for suffix, media_type in suffixes.items()]
    return ", ".join(links)


# Products with their datasets


def declared(connection: sa.Connection, name: str, as_of: datetime | None) -> tuple[ProductBody, list[Entry]] | None:
    """A product with its datasets and their newest versions, or as they were declared at a time."""
    if as_of is not None:
        return _product_then(connection, name, as_of)
    return next(_products(connection, t.current.c.product == name), None)


def _products(connection: sa.Connection, where: Any = None) -> Iterator[tuple[ProductBody, list[Entry]]]:
    """Products by name, each with its datasets and their newest versions."""
    c, s, p, v = t.current, t.dataset_state, t.partition_state, t.version
    rank = sa.case((c.c.kind == "product", 0), else_=1)
    query = (
        sa.select(c.c.subject, c.c.product, c.c.body, p.c.at, p.c.partition, p.c.number, p.c.rows, v.c.profile)
        .select_from(
            c.outerjoin(s, s.c.dataset == t.name_of(c.c.subject))
            .outerjoin(p, sa.and_(p.c.dataset == s.c.dataset, p.c.partition == s.c.newest_partition))
            .outerjoin(
                v, sa.and_(v.c.dataset == p.c.dataset, v.c.partition == p.c.partition, v.c.number == p.c.number, v.c.hash == p.c.hash)
            )
        )
        .where(c.c.kind.in_(("product", "dataset")), c.c.body.is_not(None), where if where is not None else sa.true())
        .order_by(c.c.product, rank, c.c.subject)
    )
    own: ProductBody | None = None
    entries: list[Entry] = []
    for row in connection.execution_options(yield_per=200).execute(query).mappings():
        if row["subject"].startswith("product:"):
            if own is not None:
                yield own, entries
            own, entries = ProductBody.model_validate(row["body"]), []
        elif own is not None and own.facts.name == row["product"]:  # else its product is not published yet
            entries.append((DatasetBody.model_validate(row["body"]), _newest(row)))
    if own is not None:
        yield own, entries


def _newest(row: Mapping[Any, Any]) -> Newest | None:
    if row["at"] is None:
        return None
    figures = tuple(ColumnFigures.model_validate(one) for one in row["profile"] or ())
    return Newest(row["at"], row["partition"], row["number"], row["rows"], figures)


def _product_then(connection: sa.Connection, name: str, as_of: datetime) -> tuple[ProductBody, list[Entry]] | None:
    """A product and its datasets as they were declared at a time."""
    d, c = t.definition, t.current
    of_product = sa.select(c.c.subject).where(c.c.product == name)
    query = sa.select(d.c.subject, d.c.body).where(d.c.subject.in_(of_product), d.c.at <= as_of).order_by(d.c.subject, d.c.at, d.c.hash)
    then = {subject: body for subject, body in connection.execute(query) if subject}
    own = then.get(f"product:{name}")
    if own is None:
        return None
    bodies = [body for subject, body in then.items() if subject.startswith("dataset:") and body is not None]
    return ProductBody.model_validate(own), [(DatasetBody.model_validate(body), None) for body in bodies]


# The whole catalog


class Whole:
    """The whole catalog as DCAT-AP-NO, written to a file when it is asked for and has changed; read from there by whoever asks.

    However often it is asked for and changes, writing it takes at most a twentieth of the time.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._lock = threading.Lock()
        self._files: dict[str, tuple[int, IO[bytes], float]] = {}  # by form: change it is of, file, when it may be made anew

    def response(self, request: Request, form: str) -> Response:
        """The catalog in a form. Raises HTTPException (404) while nothing has been published."""
        with self._lock:
            number, file, _ = self._fresh(form)
        tag = f'"{number}-{form.rsplit("/")[-1]}"'
        size = os.fstat(file.fileno()).st_size
        headers = {"etag": tag, "content-length": str(size), "link": f'<{self.catalog.base_url}/>; rel="canonical"'}
        if security.holds(request.headers.get("if-none-match", ""), tag):
            return Response(None, 304, {"etag": tag})
        return StreamingResponse(_read(file, size), 200, headers, form)

    def _fresh(self, form: str) -> tuple[int, IO[bytes], float]:
        held = self._files.get(form)
        if held is not None and time.monotonic() < held[2]:
            return held
        with self.catalog.database.reading() as connection:
            number = connection.execute(sa.select(sa.func.coalesce(sa.func.max(t.feed.c.seq), 0))).scalar_one()
            if held is not None and held[0] == number:
                return held
            started = time.monotonic()
            about = catalog_facts(connection)
            if about is None:
                raise HTTPException(404)
            nodes = dcat.catalog_nodes(about, _products(connection), self.catalog.addresses)
            parts = turtle.stream(nodes) if form == TURTLE else _as_json(nodes)
            try:
                file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when nobody reads it any more
                for part in parts:
                    file.write(part.encode("utf-8", "replace"))
                file.flush()
            except OSError as error:
                raise CatalogUnavailable(f"the whole catalog cannot be written to a temporary file: {error.strerror}") from error
        now = time.monotonic()
        took = now - started
        made = self._files[form] = (number, file, now + 20 * took if took > 0.1 else now)
        return made


def _read(file: IO[bytes], size: int) -> Iterator[bytes]:
    position = 0
    while position < size:
        part = os.pread(file.fileno(), _CHUNK, position)
        if not part:
            return
        position += len(part)
        yield part


def _as_json(nodes: Iterator[Node]) -> Iterator[str]:
    context = json.dumps(document([])["@context"], ensure_ascii=False)
    yield f'{{"@context":{context},"@graph":['
    between = ""
    for node in nodes:
        yield between + json.dumps(node, ensure_ascii=False)
        between = ",\n"
    yield "]}\n"


def catalog_facts(connection: sa.Connection) -> CatalogFacts | None:
    """What the catalog says of itself: published by whoever publishes most of its products. None while there is no product."""
    c = t.current
    query = sa.select(c.c.body).where(c.c.kind == "product", c.c.body.is_not(None)).order_by(c.c.subject)
    told: dict[str, list[ProductBody]] = {}
    for body in connection.execution_options(yield_per=200).execute(query).scalars():
        facts = body["facts"]
        own = told.setdefault(json.dumps(facts["publisher"], sort_keys=True), [])
        own.append(ProductBody.model_validate(body)) if not own else own.append(own[0])
    if not told:
        return None
    first = max(told.values(), key=len)[0].facts
    changed = connection.execute(sa.select(sa.func.max(t.feed.c.at))).scalar()
    modified = t.instant(changed) if isinstance(changed, int) else changed
    contact = Contact(name=first.publisher.name, email=first.contact.email)
    return CatalogFacts(TITLE, DESCRIPTION, first.publisher, contact, first.license, modified=modified)


def _whole(form: str) -> Endpoint:
    return lambda request: request.app.state.whole.response(request, form)


# Documents


def croissant_of(request: Request) -> Response:
    """A dataset's Croissant."""
    body, of, newest = _dataset(request)
    return _json(croissant.croissant(body, of, _addresses(request), newest), JSON_LD)


def datapackage_of(request: Request) -> Response:
    """A dataset's Data Package."""
    body, of, newest = _dataset(request)
    return _json(datapackage.datapackage(body, of, _addresses(request), newest))


def feed(request: Request) -> Response:
    """The newest changes, of everything or of one subject, as Atom."""
    catalog: Catalog = request.app.state.catalog
    subject = request.query_params.get("subject") or None
    with catalog.database.reading() as connection:
        found = reading.news(connection, limit=FEED, subject=subject, newest=True)
    entries = [
        atom.Entry(
            f"change:{one.seq}", f"{one.subject.partition(':')[2]}: {one.change}", one.at, _told(one), _page_of(catalog, one.subject)
        )
        for one in found
    ]
    address = f"{catalog.base_url}/feed.atom" + (f"?{request.url.query}" if subject else "")
    title = f"{TITLE.nb}: {subject}" if subject else TITLE.nb
    body = atom.atom(title, address, catalog.addresses.catalog, TITLE.nb, entries)
    return Response(body, media_type=atom.MEDIA_TYPE)


def _told(one: reading.News) -> str:
    return "; ".join(
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in sorted(one.body.items())
    )


def _page_of(catalog: Catalog, subject: str) -> str:
    kind, _, key = subject.partition(":")
    addresses = catalog.addresses
    if kind == "product":
        return addresses.product(key)
    return addresses.dataset(key) if kind == "dataset" else f"{catalog.base_url}/entries/{security.quoted(key)}"


def search_description(request: Request) -> Response:
    """How a browser searches here."""
    base = request.app.state.catalog.base_url
    search, suggest = f"{base}/search?q={{searchTerms}}", f"{base}/suggestions.json?q={{searchTerms}}"
    made = opensearch.opensearch(TITLE.nb, DESCRIPTION.nb, search, suggest, base + packaged.address("icon.svg"))
    return Response(made, media_type=opensearch.MEDIA_TYPE)


def suggestions(request: Request) -> Response:
    """What is about to be typed, as browsers' address bars take it."""
    catalog: Catalog = request.app.state.catalog
    typed = request.query_params.get("q", "")[:200]
    with catalog.database.reading() as connection:
        found = found_by.suggest(connection, typed, 8)
    texts, pages = [one.text for one in found], [catalog.base_url + str(one.card.get("href", "/")) for one in found]
    return _json([typed, texts, [one.kind for one in found], pages], "application/x-suggestions+json")


def site(request: Request) -> Response:
    """Every page of products, datasets and entries; divided where there are too many for one sitemap."""
    catalog: Catalog = request.app.state.catalog
    c = t.current
    query = sa.select(c.c.subject, c.c.changed).where(c.c.body.is_not(None)).order_by(c.c.subject)
    with catalog.database.reading() as connection:
        pages = [(_page_of(catalog, subject), changed) for subject, changed in connection.execute(query)]
    part = request.path_params.get("part")
    if part is None and len(pages) > sitemap.MOST:
        parts = range(1, -(-len(pages) // sitemap.MOST) + 1)
        return Response(sitemap.index((f"{catalog.base_url}/sitemap-{n}.xml", None) for n in parts), media_type=sitemap.MEDIA_TYPE)
    first = (part - 1) * sitemap.MOST if part is not None else 0
    if part is not None and not 0 <= first < len(pages):
        raise HTTPException(404)
    return Response(sitemap.sitemap(pages[first : first + sitemap.MOST]), media_type=sitemap.MEDIA_TYPE)


def robots(request: Request) -> Response:
    """A catalog is for its own organization until somebody decides otherwise: nothing here for the world's search engines."""
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


def _documents() -> Iterator[Guarded]:
    yield security.page(f"{_D}/croissant.json", croissant_of, name="croissant")
    yield security.page(f"{_D}/datapackage.json", datapackage_of, name="datapackage")
    yield security.page("/catalog.ttl", _whole(TURTLE), name="catalog-ttl")
    yield security.page("/catalog.jsonld", _whole(JSON_LD), name="catalog-jsonld")
    yield security.page("/feed.atom", feed, name="feed")
    yield security.page("/opensearch.xml", search_description, name="opensearch")
    yield security.page("/suggestions.json", suggestions, name="suggestions", is_limited=True)
    yield security.page("/sitemap.xml", site, name="sitemap")
    yield security.page("/sitemap-{part:int}.xml", site, name="sitemap-part")
    yield security.page("/robots.txt", robots, name="robots")
