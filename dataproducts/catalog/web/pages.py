"""The pages: for each address what is read, and the template that shows it. What a page needs is read in at most four queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dataproducts.catalog import people, reading, register
from dataproducts.catalog import tables as t
from dataproducts.catalog.drawing.calendar import calendar
from dataproducts.catalog.drawing.charts import CheckRun, Outcome, Point, check_history, rows_chart
from dataproducts.catalog.search.index import search, suggest
from dataproducts.catalog.web import columns, examples, lineage, metadata, negotiation, partitions, results, security, snippets
from dataproducts.catalog.web.problems import Problem
from dataproducts.catalog.web.templating import Crumb, Page, at, dataset_path, embedded, environment, node_path, render, text
from dataproducts.errors import BadRequest, UnknownDataset
from dataproducts.formats import fair, schema_org
from dataproducts.formats.addresses import link as web_address
from dataproducts.formats.facts import Newest
from dataproducts.messages import ContractFacts, ProductBody

VERSIONS = 50
WIDE, CHARTED = 840, 180
"""Pixels of a chart, which scrolls where there is less room, and partitions it shows at most."""


@dataclass(frozen=True)
class Heading:
    """What stands above every page about a dataset."""

    name: str
    title: str
    contract: ContractFacts
    product: ProductBody | None
    checks: dict[str, str]
    asset: str


def front(request: Request) -> HTMLResponse:
    """The front page."""
    page = Page.of(request)
    with page.catalog.database.reading() as connection:
        found = reading.front(connection, page.catalog.now)
    told = {
        "name": page.speech.t("site"),
        "description": page.speech.t("front.lead"),
        "url": page.catalog.addresses.catalog,
        "inLanguage": page.language,
    }
    return render(page, "front.html", front=found, document=embedded({"@context": schema_org.CONTEXT, "@type": "DataCatalog", **told}))


def find(request: Request) -> HTMLResponse:
    """Search results. What htmx asks for while one types is the same page, of which it takes the part it needs."""
    page = Page.of(request)
    asked = results.request_of(page)
    with page.catalog.database.reading() as connection:
        found = search(connection, asked)
    page.crumbs = (Crumb(page.speech.t("nav.front"), "/"), Crumb(page.speech.t("results.title")))
    return render(
        page,
        "search.html",
        asked=asked,
        found=found,
        facets=results.facets(found, page.speech),
        chips=results.chips(page, asked),
        results=results.results(page, found),
        sorts=results.SORTS,
    )


def suggestions(request: Request) -> HTMLResponse:
    """Options for what is typed so far, to stand in the list below the field."""
    page = Page.of(request)
    with page.catalog.database.reading() as connection:
        found = suggest(connection, request.query_params.get("q", ""), 8)
    return HTMLResponse(text(page, "suggest.html", found=found))


def product(request: Request) -> HTMLResponse:
    """A product."""
    page, name = _timely(request, twins=True), request.path_params["product"]
    with page.catalog.database.reading() as connection:
        found = reading.product(connection, name, page.as_of)
        declared = metadata.declared(connection, name, page.as_of)
    if found is None:
        raise UnknownDataset(f"the catalog has no product {name!r}{_then(page)}")
    score = fair.fair(*declared) if declared is not None and declared[1] else None
    facts = found.body.facts
    title = page.speech.best(facts.title)
    page.crumbs = (Crumb(page.speech.t("nav.front"), "/"), Crumb(*_pair(title)))
    document = embedded(schema_org.product(found.body, [], page.catalog.addresses, page.language))
    return render(
        page,
        "product.html",
        found=found,
        facts=facts,
        document=document,
        examples=examples.shown(found.body, found.body.examples),
        fair=score,
        dimensions=[(one, score.of(one)) for one in fair.DIMENSIONS] if score else [],
        total=fair.TOTAL,
        ask=_ask(page, facts, facts.name),
        **_talk(page, f"product:{name}"),
    )


def picture(request: Request) -> Response:
    """A picture that an example of a product showed."""
    page, of = Page.of(request), request.path_params
    with page.catalog.database.reading() as connection:
        found = reading.product(connection, of["product"], page.as_of)
    image = examples.picture(found.body, of["example"], of["number"]) if found is not None else None
    if image is None:
        raise UnknownDataset(f"no example {of['example']!r} of {of['product']!r} shows a picture {of['number']}")
    return Response(image, media_type="image/png", headers={"cache-control": "private, max-age=300"})


def dataset(request: Request) -> HTMLResponse:
    """A dataset: what it is, whether to trust it, how to get it."""
    page, name = _timely(request, twins=True), _name(request)
    with page.catalog.database.reading() as connection:
        found = reading.dataset(connection, name, page.as_of)
    if found is None:
        raise _no_dataset(name, page)
    now = page.as_of or page.catalog.now
    state, body = found.state.at(now), found.body
    lines = partitions.lines(found, now, page.to) if found.partitions or body.partitions.kind != "none" else []
    charted = [line for line in lines if line.row is not None]
    family = lineage.near(page, f"dataset:{name}", body.title, (state.freshness, state.quality), found.neighbors)
    newest = found.newest
    facts = found.product.facts if found.product else None
    document = None
    if found.product is not None:
        delivered = Newest(newest.at, newest.partition, newest.number, newest.rows, found.profile) if newest else None
        document = embedded(schema_org.dataset(body, found.product, page.catalog.addresses, delivered, page.language))
    page.crumbs = _crumbs(page, name, found.product, body.title)
    return render(
        page,
        "dataset.html",
        name=name,
        found=found,
        body=body,
        facts=facts,
        state=state,
        columns=columns.shown(body, found.figures, newest.rows if newest else None),
        lines=partitions.notable(lines),
        are_more=len(lines) > partitions.TOLD,
        calendar=calendar(partitions.cells(lines), id="calendar", language=page.language, described_by="partitions-table")
        if lines
        else None,
        chart=rows_chart(
            [Point(line.partition, line.row.rows) for line in charted[-CHARTED:] if line.row], language=page.language, wide=WIDE
        )
        if len(charted) > 2
        else None,
        family=family,
        picture=lineage.picture(page, family, id="lineage", described_by="lineage-table") if len(family.lines) > 1 else None,
        snippets=snippets.snippets(body, newest.partition if newest else None),
        declared=len(body.checks),
        personal=sum(not columns.may_be_shown(one, body) for one in body.contract.columns),
        ask=_ask(page, facts, name) if facts else None,
        document=document,
        examples=examples.shown(found.product, body.examples),
        **_talk(page, f"dataset:{name}"),
    )


def column(request: Request) -> HTMLResponse:
    """A column."""
    page, name, own = _timely(request, twins=True), _name(request), request.path_params["column"]
    with page.catalog.database.reading() as connection:
        found = reading.column(connection, name, own, page.as_of)
    if found is None:
        raise UnknownDataset(f"the catalog has no column {own!r} of {name!r}{_then(page)}")
    body = found.dataset
    is_open = columns.may_be_shown(found.column, body)
    drawn = columns.pictures(found.column, body, found.figures, found.rows, page.speech)
    family = lineage.near(page, f"column:{name}/{own}", own, None, found.neighbors)
    page.crumbs = (*_crumbs(page, name, None, body.title, here=False), Crumb(own))
    return render(
        page,
        "column.html",
        name=name,
        found=found,
        body=body,
        column=found.column,
        is_open=is_open,
        pictures=drawn,
        family=family,
        picture=lineage.picture(page, family, id="lineage", described_by="lineage-table") if len(family.lines) > 1 else None,
    )


def versions(request: Request) -> HTMLResponse:
    """Every version of a dataset, some at a time."""
    page, name = _timely(request), _name(request)
    wanted = request.query_params.get("partition") or None
    with page.catalog.database.reading() as connection:
        heading = _heading(connection, name, page)
        rows = reading.versions(connection, name, partition=wanted, after=_after(request), limit=VERSIONS + 1, as_of=page.as_of)
    following = rows[VERSIONS - 1] if len(rows) > VERSIONS else None
    older = page.same(after=f"{following.number}:{following.partition}") if following else None
    page.crumbs = _crumbs(page, name, heading.product, heading.title, page.speech.t("dataset.versions"))
    return render(page, "versions.html", name=name, heading=heading, rows=rows[:VERSIONS], older=older, wanted=wanted)


def version(request: Request) -> HTMLResponse:
    """One version: what it was made from, and what was made from it."""
    page, name = _timely(request), _name(request)
    partition, number = request.path_params["partition"], request.path_params["number"]
    with page.catalog.database.reading() as connection:
        found = reading.version(connection, name, partition, number, page.as_of) if number < 2**63 else None
    if found is None:
        raise UnknownDataset(f"the catalog has no version {number} of partition {partition!r} of {name!r}{_then(page)}")
    speech = page.speech
    page.crumbs = (
        *_crumbs(page, name, None, name, here=False),
        Crumb(speech.t("dataset.versions"), page.to(dataset_path(name, "versions"))),
        Crumb(speech.t("version.title", partition=partition, number=speech.number(number))),
    )
    return render(page, "version.html", name=name, found=found, one=found.version, snippet=snippets.version(name, partition, number))


def schema(request: Request) -> HTMLResponse:
    """What a dataset promises, and how that has changed."""
    page, name = _timely(request), _name(request)
    with page.catalog.database.reading() as connection:
        heading = _heading(connection, name, page)
        history = reading.schema_history(connection, name, page.as_of)
    page.crumbs = _crumbs(page, name, heading.product, heading.title, page.speech.t("dataset.schema"))
    return render(
        page, "schema.html", name=name, heading=heading, contract=heading.contract, history=[(one, _differences(one)) for one in history]
    )


def ancestry(request: Request) -> HTMLResponse:
    """Lineage as far as asked for, of the dataset or of one of its columns."""
    page, name = _timely(request), _name(request)
    up = negotiation.number(request, "up", 1, 0, lineage.FARTHEST)
    down = negotiation.number(request, "down", 1, 0, lineage.FARTHEST)
    own = request.query_params.get("column") or None
    focus = f"dataset:{name}" if own is None else f"column:{name}/{own}"
    with page.catalog.database.reading() as connection:
        family = lineage.walked(connection, page, focus, up, down)
        heading = _heading(connection, name, page)
    if own is not None and own not in {one.name for one in heading.contract.columns}:
        raise UnknownDataset(f"the catalog has no column {own!r} of {name!r}{_then(page)}")
    page.crumbs = _crumbs(page, name, heading.product, heading.title, page.speech.t("dataset.lineage"))
    picture = lineage.picture(page, family, id="lineage", described_by="lineage-table", up=up, down=down) if len(family.lines) > 1 else None
    farthest = lineage.FARTHEST
    return render(
        page, "lineage.html", name=name, heading=heading, family=family, picture=picture, up=up, down=down, own=own, farthest=farthest
    )


def quality(request: Request) -> HTMLResponse:
    """The checks of a dataset over time."""
    page, name = _timely(request), _name(request)
    f = t.failure
    with page.catalog.database.reading() as connection:
        heading = _heading(connection, name, page)
        rows = reading.checks(connection, name, as_of=page.as_of)
        then = [f.c.at <= page.as_of] if page.as_of else []
        failures = connection.execute(
            sa.select(f.c.at, f.c.run, f.c.port, f.c.errors).where(f.c.dataset == name, *then).order_by(f.c.at.desc()).limit(20)
        ).all()
    runs: dict[str, list[reading.CheckRow]] = {check: [] for check in heading.checks}
    for row in rows:
        runs.setdefault(row.check, []).append(row)
    speech = page.speech
    pictures = {
        check: check_history(
            [CheckRun(f"{speech.moment(one.at)} {one.partitions}", _outcome(one)) for one in reversed(found)],
            language=page.language,
        )
        for check, found in runs.items()
        if found
    }
    page.crumbs = _crumbs(page, name, heading.product, heading.title, speech.t("dataset.quality"))
    findings = [row for row in rows if not row.passed][:50]
    return render(
        page,
        "quality.html",
        name=name,
        heading=heading,
        runs=runs,
        pictures=pictures,
        failures=failures,
        findings=findings,
        outcome=_outcome,
    )


def team(request: Request) -> HTMLResponse:
    """A team: what it owns."""
    page, name = _timely(request), request.path_params["team"]
    with page.catalog.database.reading() as connection:
        found = reading.team(connection, name, page.as_of)
    if found is None:
        raise UnknownDataset(f"the catalog has no team {name!r}{_then(page)}")
    page.crumbs = (Crumb(page.speech.t("nav.front"), "/"), Crumb(name))
    return render(page, "team.html", found=found)


def concept(request: Request) -> HTMLResponse:
    """A concept: what it means, and where it is used."""
    page = _timely(request, twins=True)
    key = f"{request.path_params['product']}/{request.path_params['concept']}"
    with page.catalog.database.reading() as connection:
        found = reading.concept(connection, key, page.as_of)
    if found is None:
        raise UnknownDataset(f"the catalog has no concept {key!r}{_then(page)}")
    label = page.speech.best(found.concept.label)
    page.crumbs = (
        Crumb(page.speech.t("nav.front"), "/"),
        Crumb(found.product, page.to(at("products", found.product))),
        Crumb(*_pair(label)),
    )
    return render(page, "concept.html", found=found, concept=found.concept)


def glossary(request: Request) -> Response:
    """The concepts of a product are on its page."""
    return security.see_other(f"{_timely(request).to(at('products', request.path_params['product']))}#concepts")


def entry(request: Request) -> HTMLResponse:
    """Something registered by hand or by a script."""
    page, name = _timely(request), request.path_params["name"]
    with page.catalog.database.reading() as connection:
        found = register.entry(connection, name, page.as_of)
    if found is None:
        raise UnknownDataset(f"the catalog has no entry {name!r}{_then(page)}")
    page.crumbs = (Crumb(page.speech.t("nav.front"), "/"), Crumb(str(found.body["title"])))
    return render(page, "entry.html", found=found, body=found.body, web=web_address, **_talk(page, f"entry:{name}"))


def status(request: Request) -> HTMLResponse:
    """How the catalog itself is doing."""
    page = Page.of(request)
    with page.catalog.database.reading() as connection:
        found = reading.status(connection, page.catalog.now)
    page.crumbs = (Crumb(page.speech.t("nav.front"), "/"), Crumb(page.speech.t("status.title")))
    chart = (
        rows_chart([Point(day, many) for day, many in found.deliveries], language=page.language, wide=WIDE) if found.deliveries else None
    )
    totals = {name: sum(int(proof[name]) for proof in found.proofs) for name in ("behind", "missing", "dead", "compared")}
    return render(
        page,
        "status.html",
        found=found,
        chart=chart,
        totals=totals,
        proven=min((p["at"] for p in found.proofs), default=None),
        ports=sorted((port for proof in found.proofs for port in proof.get("ports", ())), key=lambda port: (port["dataset"], port["port"])),
        moment=_moment,
    )


def about(request: Request) -> HTMLResponse:
    """What this is, and how to use it."""
    page = Page.of(request)
    page.crumbs = (Crumb(page.speech.t("nav.front"), "/"), Crumb(page.speech.t("nav.about")))
    return render(page, "about.html")


def error_page(request: Request, problem: Problem) -> str:
    """What people see when something is wrong."""
    try:
        page = Page.of(request)
    except BadRequest:  # a moment that is none
        asked = request.scope["query_string"]
        request.scope["query_string"] = b"lang=en" if b"lang=en" in asked else b""
        page = Page.of(Request(request.scope))
    known = str(problem.status) if problem.status in (400, 404, 429, 503, 500) else "other"
    page.crumbs = (Crumb(page.speech.t("nav.front"), "/"), Crumb(str(problem.status)))
    return text(page, "error.html", problem=problem, known=known, words=request.scope["path"].rstrip("/").rsplit("/", 1)[-1][:100])


# What people write


def remark(request: Request) -> Response:
    """A question, comment or answer, from a form."""
    fields, subject = _fields(request)
    kind = fields.get("kind", "comment")
    if kind not in ("comment", "question", "answer"):
        raise BadRequest(f"a remark is a comment, question or answer, not {kind[:40]!r}")
    people.say(request.app.state.catalog.store, subject, kind, request.state.author, fields.get("text", ""), fields.get("parent") or None)  # type: ignore[arg-type]
    return _back(subject, "talk")


def rating(request: Request) -> Response:
    """Stars, from a form."""
    fields, subject = _fields(request)
    stars = fields.get("stars", "")
    people.rate(
        request.app.state.catalog.store,
        subject,
        request.state.author,
        int(stars) if stars.isascii() and stars.isdigit() and len(stars) < 3 else 0,
    )
    return _back(subject, "talk")


def tag(request: Request) -> Response:
    """A tag, from a form."""
    fields, subject = _fields(request)
    people.tag(request.app.state.catalog.store, subject, request.state.author, fields.get("tag", ""))
    return _back(subject, "talk")


def _fields(request: Request) -> tuple[dict[str, str], str]:
    fields = security.form_fields(request)
    subject = fields.get("subject", "")
    if subject.partition(":")[0] not in ("product", "dataset", "entry"):
        raise BadRequest("the form does not say what it is about; send it from its page")
    return fields, subject


def _back(subject: str, fragment: str) -> Response:
    return security.see_other(f"{node_path(subject) or '/'}#{fragment}")


def _talk(page: Page, subject: str) -> dict[str, Any]:
    """Whether and as whom the one who looks may write."""
    return {"subject": subject, "who": security.identity(page.request)}


# What several pages do


def _timely(request: Request, *, twins: bool = False) -> Page:
    page = Page.of(request)
    page.honors_time, page.twins = True, twins
    return page


def _name(request: Request) -> str:
    return f"{request.path_params['product']}/{request.path_params['dataset']}"


def _then(page: Page) -> str:
    return "" if page.as_of is None else f" as of {page.as_of.isoformat(timespec='seconds')}"


def _no_dataset(name: str, page: Page) -> UnknownDataset:
    return UnknownDataset(f"the catalog has no dataset {name!r}{_then(page)}")


def _pair(best: tuple[str, str]) -> tuple[str, str | None, str | None]:
    return best[0], None, best[1]


def _crumbs(page: Page, name: str, product: ProductBody | None, title: str, *below: str, here: bool = True) -> tuple[Crumb, ...]:
    own, speech = name.split("/")[0], page.speech
    text, language = speech.best(product.facts.title) if product else (own, page.language)
    first = (Crumb(speech.t("nav.front"), "/"), Crumb(text, page.to(at("products", own)), language))
    ends = bool(here and not below)
    return (*first, Crumb(title, None if ends else page.to(dataset_path(name))), *(Crumb(one) for one in below))


def _heading(connection: sa.Connection, name: str, page: Page) -> Heading:
    """One query, for the past one more. Raises UnknownDataset where the dataset is not declared."""
    own, above = f"dataset:{name}", f"product:{name.split('/')[0]}"
    if page.as_of is None:
        c = t.current
        rows = connection.execute(sa.select(c.c.subject, c.c.body).where(c.c.subject.in_([own, above]))).all()
    else:
        d = t.definition
        query = sa.select(d.c.subject, d.c.body).where(d.c.subject.in_([own, above]), d.c.at <= page.as_of)
        rows = connection.execute(query.order_by(d.c.at, d.c.hash)).all()
    bodies = {row.subject: row.body for row in rows}
    body = bodies.get(own)
    if body is None:
        raise _no_dataset(name, page)
    product = ProductBody.model_validate(bodies[above]) if bodies.get(above) else None
    return Heading(name, body["title"], ContractFacts.model_validate(body["contract"]), product, body["checks"], body["asset"])


def _after(request: Request) -> tuple[str, int] | None:
    """The place in a list of versions: `<number>:<partition>`."""
    given = request.query_params.get("after")
    if not given:
        return None
    number, colon, partition = given.partition(":")
    if not colon or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise BadRequest(f"after is {given[:40]!r}; follow the link of the page instead")
    return partition, int(number)


def _outcome(row: reading.CheckRow) -> Outcome:
    return "pass" if row.passed else "warn" if row.severity == "warn" else "fail"


def _moment(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _differences(change: reading.SchemaChange) -> list[tuple[str, str, str, str]]:
    """Columns that a definition adds, removes or changes: what happened, name, before, after."""
    was, now = ({c.name: c for c in some} for some in (change.before, change.columns))

    def form(name: str, columns: dict[str, Any]) -> str:
        one = columns[name]
        return f"{one.type}{'?' if one.nullable else ''}"

    found = [("added", name, "", form(name, now)) for name in now if name not in was] if was else []
    found += [("dropped", name, form(name, was), "") for name in was if name not in now] if now else []
    found += [("differs", name, form(name, was), form(name, now)) for name in was if name in now and form(name, was) != form(name, now)]
    return found


def _ask(page: Page, facts: Any, what: str) -> str:
    """An address that begins a message to those who can give access."""
    speech = page.speech
    subject, body = speech.t("access.ask.subject", dataset=what), speech.t("access.ask.body", dataset=what)
    return f"mailto:{quote(facts.contact.email, safe='@')}?subject={quote(subject, safe='')}&body={quote(body, safe='')}"


def prepare() -> None:
    """Compile every template, so that nobody has to wait for it."""
    environment()


_Endpoint = Callable[[Request], Response]


def _page(path: str, endpoint: _Endpoint, name: str, *, is_limited: bool = False) -> security.Guarded:
    return security.page(path, endpoint, name=name, is_limited=is_limited)


_DATASET = "/datasets/{product}/{dataset}"
routes: list[security.Guarded] = [
    _page("/", front, "front"),
    _page("/search", find, "search", is_limited=True),
    _page("/suggest", suggestions, "suggest", is_limited=True),
    _page("/status", status, "status"),
    _page("/about", about, "about"),
    _page("/products/{product}", product, "product"),
    _page("/products/{product}/examples/{example}/{number:int}.png", picture, "picture"),
    _page("/teams/{team:path}", team, "team"),
    _page("/concepts/{product}/{concept}", concept, "concept"),
    _page("/concepts/{product}", glossary, "glossary"),
    _page("/entries/{name:path}", entry, "entry"),
    _page(f"{_DATASET}/columns/{{column:path}}", column, "column"),
    _page(f"{_DATASET}/versions", versions, "versions"),
    _page(f"{_DATASET}/versions/{{partition:path}}/{{number:int}}", version, "version"),
    _page(f"{_DATASET}/schema", schema, "schema"),
    _page(f"{_DATASET}/lineage", ancestry, "lineage"),
    _page(f"{_DATASET}/quality", quality, "quality"),
    _page(_DATASET, dataset, "dataset"),
    security.form("/remarks", remark, name="remark"),
    security.form("/ratings", rating, name="rating"),
    security.form("/tags", tag, name="tag"),
]
