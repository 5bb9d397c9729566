"""The application put together: routes, the door, the log, and what goes on beside requests."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import sqlalchemy as sa
from anyio import to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataproducts.catalog import tables
from dataproducts.catalog.web import negotiation, packaged, problems, security
from dataproducts.catalog.web.catalog import Catalog
from dataproducts.catalog.web.metrics import LOG, MEDIA_TYPE, Metrics
from dataproducts.errors import CatalogUnavailable
from dataproducts.logs import trace_of, where

THREADS = 10
"""Requests worked on at once; the others wait. No more than the database gives connections to."""
EXPIRE_SECONDS, FLUSH_SECONDS, TIDY_SECONDS = 60.0, 30.0, 900.0
COUNTED = {
    "product": "product:{product}",
    "dataset": "dataset:{product}/{dataset}",
    "column": "column:{product}/{dataset}/{column}",
    "concept": "concept:{product}/{concept}",
    "team": "team:{team}",
    "entry": "entry:{name}",
    "search": "search",
}
"""Pages whose views are counted, by the name of their route, and as what."""


def create_app(catalog: Catalog) -> Starlette:
    """The web application of a catalog. Raises ConfigurationError for a route that does not say who may use it."""
    from dataproducts.catalog.web import api, metadata

    drawn = _pages()
    pages = [security.guarded(route) for route in drawn.routes] if drawn is not None else []
    routes = [
        security.page("/static/{name:path}", packaged.serve, name="static"),
        security.page("/health/live", alive, name="live"),
        security.page("/health/ready", ready, name="ready"),
        security.page("/metrics", measured, name="metrics"),
        *api.routes(),
        *metadata.routes(pages),
    ]
    app = Starlette(
        routes=[_counted(route) for route in routes],
        middleware=[Middleware(Observed, catalog=catalog), Middleware(security.Gate, catalog=catalog)],
        exception_handlers={HTTPException: _raised},
        lifespan=_lifespan,
    )
    app.router.redirect_slashes = False  # a redirect made from what was asked for could lead to another host
    app.state.catalog = catalog
    app.state.metrics = Metrics(catalog)
    app.state.whole = metadata.Whole(catalog)
    app.state.rates = security.Rates(catalog.limits.rate, catalog.limits.burst)
    app.state.pages = drawn
    app.state.error_page = drawn.error_page if drawn is not None and hasattr(drawn, "error_page") else None
    return app


def _pages() -> Any:
    """The module of pages; None where a catalog is built without them."""
    name = "dataproducts.catalog.web.pages"
    return importlib.import_module(name) if importlib.util.find_spec(name) is not None else None


def _counted(route: security.Guarded) -> security.Guarded:
    if route.counts is None and "GET" in route.operations and not route.path.startswith("/api/"):
        route.counts = COUNTED.get(route.name)
    return route


async def _raised(request: Request, error: Exception) -> Any:
    raise error  # to Observed, which answers for all


async def alive(request: Request) -> Response:
    """The process answers."""
    return Response("alive\n", media_type="text/plain")


def ready(request: Request) -> Response:
    """The database answers, and its tables are of this version of the code."""
    with request.app.state.catalog.database.reading() as connection:
        connection.execute(sa.select(tables.current.c.subject).limit(1)).first()
    return Response("ready\n", media_type="text/plain")


def measured(request: Request) -> Response:
    """The figures, for Prometheus."""
    return Response(request.app.state.metrics.text(), headers={"content-type": MEDIA_TYPE})


class Observed:
    """Around everything: numbers each request, answers errors, puts the headers on, measures and logs."""

    def __init__(self, app: ASGIApp, catalog: Catalog) -> None:
        self.app = app
        self.headers = dict(security.HEADERS)
        if catalog.base_url.startswith("https://"):
            self.headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens within."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, number = time.perf_counter(), secrets.token_hex(8)
        scope["request_number"] = number
        status = 500
        begun = False
        facts: dict[str, Any] = {}

        async def sent(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                begun, status = True, message["status"]
                self._dress(scope, MutableHeaders(raw=message.setdefault("headers", [])), number)
            elif message["type"] == "http.response.body" and scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            try:
                await self.app(scope, receive, sent)
            except Exception as error:
                problem = problems.problem_of(error)
                if problem.status >= 500:
                    facts = where(error)
                if begun:  # too late to say so: the connection is cut, which the one who reads does notice
                    raise
                await self._tell(scope, receive, sent, problem, number)
        finally:
            seconds = time.perf_counter() - started
            route = scope.get("route_path", "-")
            method = scope["method"] if scope["method"] in _METHODS else "-"
            scope["app"].state.metrics.answered(route, method, status, seconds)
            line = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1), "id": number, **facts}
            if (trace := trace_of(Headers(scope=scope).get("traceparent", ""))) is not None:
                line["trace"] = trace
            LOG.log(40 if status >= 500 else 20, "request", extra={"facts": line})

    async def _tell(self, scope: Scope, receive: Receive, send: Send, problem: problems.Problem, number: str) -> None:
        for_people = not scope["path"].startswith("/api/") and negotiation.asks_for_page(Headers(scope=scope))
        problem = problems.Problem(**{**problem.__dict__, "instance": number})
        response = await to_thread.run_sync(lambda: problems.respond(scope, problem, page=for_people))
        await response(scope, receive, send)

    def _dress(self, scope: Scope, headers: MutableHeaders, number: str) -> None:
        for name, value in self.headers.items():
            headers[name] = value
        headers["x-request-id"] = number
        if not scope["path"].startswith("/static/"):
            headers.setdefault("vary", "Accept, Accept-Language")
            headers.setdefault("cache-control", "no-cache")


_METHODS = frozenset("GET HEAD POST PUT DELETE PATCH OPTIONS".split())  # noqa: SIM905


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    catalog: Catalog = app.state.catalog
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    beside = [
        asyncio.create_task(to_thread.run_sync(_warm, app.state.pages)),
        asyncio.create_task(_each(EXPIRE_SECONDS, catalog.store.expire, "expire")),
        asyncio.create_task(_each(FLUSH_SECONDS, catalog.views.flush, "flush")),
        asyncio.create_task(_each(TIDY_SECONDS, catalog.store.tidy, "tidy")),
    ]
    try:
        yield
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        with suppress(CatalogUnavailable):
            await to_thread.run_sync(catalog.views.flush)


def _warm(drawn: Any) -> None:
    """Make the templates ready beside the first requests, rather than within them."""
    if hasattr(drawn, "prepare"):
        drawn.prepare()


async def _each(seconds: float, work: Callable[[], Any], name: str) -> None:
    """Do some work again and again. What fails is tried again the next time, and logged."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await to_thread.run_sync(work)
        except Exception as error:
            LOG.error(name, extra={"facts": {"work": name, "error": type(error).__name__}})
