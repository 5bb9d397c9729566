"""Who may do what: routes that deny by default, tokens, forms, limits on bodies and rates, and the headers of every answer.

A route says what each of its methods needs, and nothing is decided by how an address is written. Bodies are read only after that.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dataproducts.catalog import tokens
from dataproducts.catalog.web.catalog import Catalog
from dataproducts.catalog.web.problems import Refusal
from dataproducts.errors import BadRequest, ConfigurationError
from dataproducts.messages import MAX_DEPTH

Needs = Literal["anyone", "form", "publish", "register", "remark"]
Endpoint = Callable[[Request], Any]
ANYONE, FORM = "anyone", "form"
READING = frozenset({"GET", "HEAD"})
BODY_SECONDS = 30.0

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""On every answer, whatever it is."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_NOT_IN_PATH = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")


# Routes


@dataclass(frozen=True)
class Operation:
    """One method of a route. `needs`: anyone, form, or the action of a token's scope. `most`: bytes of a body; `is_limited`: by rate."""

    method: str
    endpoint: Endpoint
    needs: Needs = "anyone"
    most: int = 0
    is_limited: bool = False


class Guarded(Route):
    """A route that knows what its methods need. Raises ConfigurationError for a method that writes and needs nothing.

    Endpoints are plain functions, run in a thread, or coroutines where they never wait. They find `request.state.bearer` (tokens),
    `request.state.author` (forms) and `request.state.body`. `counts` is the subject whose views are counted, made of the path's parts.
    """

    def __init__(self, path: str, *operations: Operation, name: str, counts: str | None = None) -> None:
        for one in operations:
            if one.method not in READING and one.needs == ANYONE:
                raise ConfigurationError(f"{one.method} {path} writes, and says nothing of who may; give it a scope, or `form`")
        self.operations = {one.method: one for one in operations}
        self.counts = counts
        super().__init__(path, _Served(self), methods=list(self.operations), name=name)


class _Served:
    """A guarded route as an application."""

    def __init__(self, route: Guarded) -> None:
        self.route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route_path"] = self.route.path
        request = Request(scope, receive)
        operation = self.route.operations["GET" if scope["method"] == "HEAD" else scope["method"]]
        if operation.is_limited or operation.needs != ANYONE:
            request.app.state.rates.take(client(request))
        if operation.needs != ANYONE:
            await _admit(request, operation)
        if inspect.iscoroutinefunction(operation.endpoint):
            response: Response = await operation.endpoint(request)
        else:
            response = await to_thread.run_sync(operation.endpoint, request)
        if scope["method"] in READING:
            self._count(request, response)
            response = unless_held(request, response)
        await response(scope, receive, send)

    def _count(self, request: Request, response: Response) -> None:
        if self.route.counts is None or request.method != "GET" or response.status_code != 200 or response.media_type != "text/html":
            return
        headers = request.headers
        if "text/html" in headers.get("accept", "") and not re.search(r"(?i)bot|crawl|spider", headers.get("user-agent", "")):
            request.app.state.catalog.views.count(self.route.counts.format(**request.path_params))


def page(path: str, endpoint: Endpoint, *, name: str, counts: str | None = None, is_limited: bool = False) -> Guarded:
    """A page that anyone may read."""
    return Guarded(path, Operation("GET", endpoint, is_limited=is_limited), name=name, counts=counts)


def form(path: str, endpoint: Endpoint, *, name: str, most: int = 100_000) -> Guarded:
    """What a form is sent to (POST): written by a person whom `identity` knows, from a page of our own.

    The endpoint finds the fields by `form_fields(request)` and who wrote them as `request.state.author`.
    """
    return Guarded(path, Operation("POST", endpoint, needs="form", most=most), name=name)


def guarded(route: Any) -> Guarded:
    """A route that may be served. A plain Starlette route that only reads is taken as a page; anything else is refused."""
    if isinstance(route, Guarded):
        return route
    if isinstance(route, Route) and (route.methods or set()) <= READING and callable(route.endpoint):
        return page(route.path, route.endpoint, name=route.name)
    raise ConfigurationError(f"{route!r} does not say who may use it; make it with security.page or security.form")


# Who asks


@dataclass(frozen=True)
class Identity:
    """Who would be writing a form. `how`: `header` (a proxy says so), `typed` (on one's own machine), `closed` (nobody may)."""

    how: Literal["header", "typed", "closed"]
    name: str | None = None


def identity(request: Request) -> Identity:
    """Who is asking, as far as forms go; pages show the form, a field for the name, or neither by it."""
    catalog: Catalog = request.app.state.catalog
    if catalog.user_header is not None:
        return Identity("header", _header_name(request.headers.get(catalog.user_header)))
    return Identity("typed") if catalog.local else Identity("closed")


def _header_name(value: str | None) -> str | None:
    if value is None:
        return None
    with suppress(UnicodeError):  # of a proxy that writes Latin-1
        value = value.encode("latin-1").decode("utf-8")
    return " ".join(clean(value).split())[:100] or None


def client(request: Request) -> str:
    """Whom a limit is for: the person a proxy names, else the address asked from. Kept in memory only."""
    return identity(request).name or (request.client.host if request.client else "-")


async def _admit(request: Request, operation: Operation) -> None:
    """Let a write in, or raise a Refusal. The body is read only once it is known who sends it."""
    who = _writer_of_form(request) if operation.needs == FORM else None
    if who is None:
        request.state.bearer = await to_thread.run_sync(_bearer, request, operation.needs)
    body = request.state.body = await _body(request, operation, form=who is not None)
    if who is None:
        writer = f"{request.state.bearer.name} {request.state.bearer.id}"
    else:
        author = who.name if who.how == "header" else " ".join(form_fields(request).get("author", "").split())[:100]
        if not author:
            raise Refusal(422, "say who you are, in the field for your name")
        request.state.author = author
        writer = f"form of {author}"
    # before it is done, so that nothing is ever done that is not written down
    digest = hashlib.sha256(body).hexdigest()
    action = f"{request.method} {request.scope['route_path']}"
    await to_thread.run_sync(tokens.write_down, request.app.state.catalog.store, writer, action, request.url.path, digest)


def _bearer(request: Request, action: str) -> tokens.Bearer:
    catalog: Catalog = request.app.state.catalog
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": 'Bearer realm="catalog"'}
    if scheme.lower() != "bearer" or not secret.strip():
        raise Refusal(401, "this needs a token: Authorization: Bearer <token>", headers=challenge)
    found = tokens.bearer(catalog.store, secret.strip())
    if found is None:
        refused = {"WWW-Authenticate": 'Bearer realm="catalog", error="invalid_token"'}
        raise Refusal(401, "the token is not known here, or it has expired or been revoked; ask for a new one", headers=refused)
    if found.may(action) is None:
        refused = {"WWW-Authenticate": f'Bearer realm="catalog", error="insufficient_scope", scope="{action}"'}
        raise Refusal(403, f"the token {found.name!r} has no scope {action}:...; ask for one that has", headers=refused)
    return found


def _writer_of_form(request: Request) -> Identity:
    catalog: Catalog = request.app.state.catalog
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "").lower()
    host = request.headers.get("host", "").lower()
    own = {catalog.origin} | ({f"http://{host}"} if catalog.local and _LOCAL_HOST.fullmatch(host) else set())
    if site not in (None, "same-origin") or (origin and origin not in own) or (site is None and not origin):
        raise Refusal(403, "the form was not sent from a page of this catalog; open the page and send it from there")
    who = identity(request)
    if who.how == "closed":
        raise Refusal(403, "this catalog takes no remarks from its pages; its operator can open for them with CATALOG_USER_HEADER")
    if who.how == "header" and who.name is None:
        raise Refusal(401, "nobody is signed in; sign in and send the form again")
    return who


# Bodies


async def _body(request: Request, operation: Operation, *, form: bool) -> bytes:
    """The body, read as it comes and no further than the limit."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    wanted = "application/x-www-form-urlencoded" if form else "application/json"
    length = request.headers.get("content-length", "")
    if not operation.most:
        return b""
    if kind != wanted or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, f"the body has to be {wanted}, not compressed", headers={"Accept": wanted})
    too_large = Refusal(413, f"the body is larger than {operation.most:,} bytes; send less at once", headers={"Connection": "close"})
    if length.isdigit() and int(length[:20]) > 2 * operation.most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size <= operation.most:
                    parts.append(part)
                elif size > 2 * operation.most:
                    raise too_large
    except TimeoutError:
        raise Refusal(408, "the body did not come in time; send it again", headers={"Connection": "close"}) from None
    if size > operation.most:  # read to its end, since one who is still sending would not hear the answer
        raise too_large
    return b"".join(parts)


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_HIDDEN = re.compile(rb"\\u(?:00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F]|7[fF])|[dD][89abAB])|\x7f")


def json_of(body: bytes) -> Any:
    """A JSON body. Raises BadRequest where it is none, deeper than 20, or holds control characters or halves of characters."""
    depth = deepest = 0
    for bracket in _STRINGS.sub(b"", body).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            raise BadRequest(f"the JSON is more than {MAX_DEPTH} levels deep; nothing here needs that")
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8, from byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise BadRequest("the body holds a number that is too long, or none at all") from None
    if _HIDDEN.search(body) and (where := _control_in(value, "")) is not None:
        raise BadRequest(f"{where or 'the body'} holds a control character; take it out")
    return value


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _control_in(value: Any, at: str) -> str | None:
    if isinstance(value, str):
        return at if _CONTROL.search(value) else None
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        if isinstance(key, str) and _CONTROL.search(key):
            return at
        if (found := _control_in(one, f"{at}/{key}")) is not None:
            return found
    return None


def form_fields(request: Request) -> dict[str, str]:
    """The fields of a form, without control characters; of several of one name the last. Raises BadRequest for what is no form."""
    try:
        pairs = parse_qsl(request.state.body.decode("utf-8"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise BadRequest("the form could not be read; send it from its page") from None
    return {clean(name): clean(value.replace("\r\n", "\n")) for name, value in pairs}


def clean(text: str) -> str:
    """The text without control characters and halves of characters."""
    return _CONTROL.sub("", text)


# Answers


def see_other(path: str) -> Response:
    """Send a browser on to a page of our own after a form. Raises ValueError for a path that could lead elsewhere."""
    if not path.startswith("/") or path.startswith("//") or "\\" in path or _NOT_IN_PATH.search(path):
        raise ValueError(f"{path!r} is not a path of this catalog")
    return RedirectResponse(quote(path, safe="/?=&#%+:,;@!$'()*~-._"), 303)


def quoted(path: str) -> str:
    """A path or key as it stands in an address, slashes kept."""
    return quote(path, safe="/")


def unless_held(request: Request, response: Response) -> Response:
    """The response with an ETag of its content, or 304 where the one who asks holds that already."""
    body = getattr(response, "body", None)
    if response.status_code != 200 or body is None:
        return response
    tag = response.headers.get("etag")
    if tag is None:
        tag = response.headers["etag"] = f'"{hashlib.blake2b(bytes(body), digest_size=12).hexdigest()}"'
    if not holds(request.headers.get("if-none-match", ""), tag):
        return response
    kept = {name: value for name, value in response.headers.items() if name in ("etag", "cache-control", "vary", "link")}
    return Response(None, 304, kept)


def holds(header: str, tag: str) -> bool:
    """Whether an If-None-Match or If-Match header names an ETag."""
    return header.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in header[:4_000].split(",")]


# Rates


class Rates:
    """A bucket of tokens for each client, in memory. `rate` is requests a second, `burst` how many at once after a pause; 0 is no limit."""

    MOST = 10_000
    """Clients remembered; the one not heard of for longest is forgotten first."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self.clock = rate, max(burst, 1.0), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> None:
        """Raise a Refusal (429) where a client has asked for too much."""
        if not self.rate:
            return
        now = self.clock()
        left, since = self._buckets.pop(who, (self.burst, now))
        left = min(self.burst, left + (now - since) * self.rate)
        self._buckets[who] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._buckets) > self.MOST:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) / self.rate + 0.5))
            raise Refusal(429, f"too many requests from here; go on in {wait} s", headers={"Retry-After": str(wait)})


# At the door


class Gate:
    """Turns away what no route needs to see: addresses that are not text, or too long, and on one's own machine other hosts' names."""

    def __init__(self, app: ASGIApp, catalog: Catalog) -> None:
        self.app, self.catalog = app, catalog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or raise a Refusal."""
        if scope["type"] == "http":
            self._look(scope)
        await self.app(scope, receive, send)

    def _look(self, scope: Mapping[str, Any]) -> None:
        query: bytes = scope["query_string"]
        if len(query) > self.catalog.limits.query or len(scope["path"]) > 4_000:
            raise Refusal(414, "the address is too long; ask for less at once")
        try:
            text = unquote_to_bytes(query).decode("utf-8")
        except UnicodeDecodeError:
            raise Refusal(400, "the query is not UTF-8; write other characters than ASCII as their UTF-8 bytes, %C3%A6 for æ") from None
        if _CONTROL.search(text) or _NOT_IN_PATH.search(scope["path"]):
            raise Refusal(400, "the address holds a control character; take it out")
        if query.count(b"&") > 200:
            raise Refusal(400, "the query has more than 200 parts; ask for less at once")
        if self.catalog.local:
            # a page of another site may have its name lead to this machine, and so read and write here as one of our own
            host = Headers(raw=list(scope["headers"])).get("host", "").lower()
            if not _LOCAL_HOST.fullmatch(host) and host != urlsplit(self.catalog.origin).netloc:
                raise Refusal(421, "this catalog answers on this machine only; ask for localhost")
