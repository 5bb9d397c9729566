"""What others' catalogs were broken by, tried here: doors, bodies, tokens, forms, payloads, redirects, and what leaks."""

from __future__ import annotations

import json
import logging
import re
import socket
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dataproducts.catalog import tables as t
from dataproducts.catalog import tokens
from dataproducts.catalog.web import security
from dataproducts.catalog.web.catalog import Catalog, Limits
from dataproducts.errors import ConfigurationError
from dataproducts.logs import Lines
from tests.catalog.messages import LOCATION, at, column, dataset, facts, product
from tests.catalog.web.client import BROWSER, FORM, JSON, Answer

API = "/api/v1"
WRITES = [
    ("POST", "/messages", f"publish:{LOCATION}"),
    ("POST", "/erasures", f"publish:{LOCATION}"),
    ("PUT", "/index", "register:shop"),
    ("DELETE", "/index/x", "register:shop"),
    ("POST", "/remarks", "remark:kari"),
    ("DELETE", "/remarks/x", "remark:kari"),
    ("PUT", "/ratings", "remark:kari"),
    ("PUT", "/tags", "remark:kari"),
    ("DELETE", "/tags?subject=dataset:shop/sales&tag=x", "remark:kari"),
]
"""Every route that writes, and the scope it needs."""


def stored(site: Any) -> dict[str, int]:
    """How many rows there are of everything, but for tokens and the audit."""
    with site.catalog.database.reading() as connection:
        tables = [one for one in t.metadata.sorted_tables if one.name not in ("token", "audit")]
        return {one.name: connection.execute(sa.select(sa.func.count()).select_from(one)).scalar_one() for one in tables}


# Default deny


def test_the_list_of_writes_is_complete(site):
    writes = {
        (method, route.path)
        for route in site.app.routes
        for method, one in route.operations.items()
        if method not in security.READING and one.needs != "form"
    }
    listed = {(method, API + path.split("?")[0]) for method, path, _ in WRITES}
    assert {(m, p.replace("{name:path}", "x").replace("{id}", "x")) for m, p in writes} == listed


def test_every_route_is_guarded_and_none_that_writes_is_open(site):
    for route in site.app.routes:
        assert isinstance(route, security.Guarded)
        for method, one in route.operations.items():
            assert method in security.READING or one.needs in ("form", "publish", "register", "remark")


def test_a_route_that_writes_and_asks_nobody_cannot_be_made():
    with pytest.raises(ConfigurationError, match="POST /x writes"):
        security.Guarded("/x", security.Operation("POST", lambda r: PlainTextResponse()), name="x")
    with pytest.raises(ConfigurationError, match="does not say who may"):
        security.guarded(Route("/x", lambda r: PlainTextResponse(), methods=["GET", "POST"]))


@pytest.mark.parametrize(("method", "path", "scope"), WRITES)
def test_a_write_needs_a_token_of_its_own_scope(site, method, path, scope):
    before = stored(site)
    body = None if method == "DELETE" else {}
    without = site.ask(method, API + path, body=body)
    assert (without.status, without.headers["www-authenticate"]) == (401, 'Bearer realm="catalog"')
    for authorization in ("Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer dpc_wrong", "Bearer x" * 500, "bearer null", "Token dpc_x"):
        assert site.ask(method, API + path, body=body, headers={"authorization": authorization}).status == 401
    others = [one for one in (f"publish:{LOCATION}", "register:shop", "remark:kari", "admin") if one.split(":")[0] != scope.split(":")[0]]
    refused = site.write(method, API + path, body, *others)
    assert refused.status == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert site.write(method, API + path, body, scope).status in (204, 400, 404, 422)
    assert stored(site) == before


TRICKS = [
    "{};x", "/;x{}", "{}/", "/{}", "/.{}", "/x/..{}", "/static/..{}", "/static/%2e%2e{}", "{}%2f", "{}%00", "{}?x=1", "{}#x", "{}.json", "{}/.",
    "/health/live/..;{}", "/health/live;{}", "{}%20", "{}%09", "%2f{}", "/%2e{}", "{}//",
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_no_way_of_writing_an_address_opens_a_door(site, trick):
    before = stored(site)
    for method, path, _ in WRITES:
        for address in (trick.format(API + path), trick.format((API + path).upper()), trick.format(quote(API + path, safe=""))):
            answer = site.ask(method, address, body={"messages": []})
            assert answer.status in (400, 401, 404, 405), (method, address, answer.status)
    assert stored(site) == before


def test_no_header_turns_a_read_into_a_write(site):
    before = stored(site)
    for header in ("x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"):
        for value in ("DELETE", "PUT", f"{API}/messages"):
            answer = site.ask("GET", f"{API}/index/old", headers={header: value})
            assert answer.status == 404
            assert site.ask("POST", f"{API}/products", body={}, headers={header: "GET"}).status == 405
    assert site.ask("GET", f"{API}/products?_method=DELETE").status == 200
    assert stored(site) == before


# Tokens


def test_a_token_that_has_expired_or_was_revoked_is_refused(site):
    store = site.catalog.store
    secret = tokens.issue(store, "brief", ["remark:kari"], timedelta(hours=1))
    lasting = tokens.issue(store, "lasting", ["remark:kari"])
    body = {"subject": "dataset:shop/sales", "stars": 3}
    assert site.ask("PUT", f"{API}/ratings", body=body, headers={"authorization": f"Bearer {secret}"}).status == 204
    store.clock = lambda: at(32)
    expired = site.ask("PUT", f"{API}/ratings", body=body, headers={"authorization": f"Bearer {secret}"})
    assert (expired.status, "invalid_token" in expired.headers["www-authenticate"]) == (401, True)
    assert site.ask("PUT", f"{API}/ratings", body=body, headers={"authorization": f"Bearer {lasting}"}).status == 204
    assert tokens.revoke(store, "lasting") == 1
    assert site.ask("PUT", f"{API}/ratings", body=body, headers={"authorization": f"Bearer {lasting}"}).status == 401


def test_secrets_are_kept_only_as_hashes(site):
    secret = tokens.issue(site.catalog.store, "kari", ["remark:kari"])
    with site.catalog.database.reading() as connection:
        rows = str(connection.execute(sa.select(t.token)).all())
    assert secret not in rows
    assert secret.removeprefix(tokens.PREFIX) not in rows


def test_a_catalog_without_tokens_takes_no_writes(site):
    assert not tokens.any_valid(site.catalog.store)
    for method, path, _ in WRITES:
        assert site.ask(method, API + path, body={}, headers={"authorization": "Bearer "}).status == 401


def test_every_write_is_written_down_by_whom_and_what(site):
    body = json.dumps({"subject": "dataset:shop/sales", "stars": 3}).encode()
    assert site.write("PUT", f"{API}/ratings", body, "remark:kari", **JSON).status == 204
    with site.catalog.database.reading() as connection:
        rows = connection.execute(sa.select(t.audit)).mappings().all()
    assert len(rows) == 1
    assert rows[0]["token"].startswith("tester ")
    assert rows[0]["action"] == "PUT /api/v1/ratings"
    assert len(rows[0]["digest"]) == 64


# Bodies


def test_a_body_is_not_even_read_before_it_is_known_who_sends_it(site):
    async def untouched() -> Any:
        raise AssertionError("the body was read")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": f"{API}/messages", "raw_path": b"", "root_path": "", "scheme": "http", "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"authorization", b"Bearer dpc_x")], "client": ("192.0.2.1", 1), "server": ("x", 1),
        "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    site.runner.run(site.app(scope, untouched, send))
    assert sent[0]["status"] == 401


def test_a_body_larger_than_allowed_is_refused_however_it_is_announced(site):
    before = stored(site)
    for size in (1_000_001, 1_900_000, 2_500_000):
        for announced in ({}, {"content-length": str(size)}, {"content-length": "10"}, {"content-length": "many"}):
            answer = site.write("PUT", f"{API}/index", b" " * size, "register:shop", **JSON, **announced)
            assert answer.status == 413, (size, announced)
            assert answer.headers["content-type"] == "application/problem+json"
    assert site.write("POST", f"{API}/messages", b" " * 8_000_001, f"publish:{LOCATION}", **JSON).status == 413
    assert stored(site) == before


def test_one_message_is_at_most_a_megabyte_though_a_batch_may_be_more(site):
    def definition(name: str, size: int) -> Any:
        columns = [column(f"c{n}", description="x" * 20_000) for n in range(size)]
        return json.loads(dataset(name, columns=columns).model_dump_json())

    scope = f"publish:{LOCATION}"
    large = {"messages": [definition("shop/large", 51)]}
    assert site.write("POST", f"{API}/messages", large, scope).status == 413
    many = {"messages": [definition(f"shop/d{n}", 40) for n in range(3)]}
    assert site.write("POST", f"{API}/messages", many, scope).status == 200


def test_more_messages_than_a_batch_holds_are_refused(site):
    one = json.loads(product("shop").model_dump_json())
    assert site.write("POST", f"{API}/messages", {"messages": [one] * 501}, f"publish:{LOCATION}").status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 21 + b"1" + b"}" * 21,
        b'{"a":"' + b'\\"' * 400_000,
        b'"' * 900_001,
        b'{"messages":[' + b"[" * 30 + b"]" * 30 + b"]}",
        b'{"x":' + b"9" * 5_000 + b"}",
        b'{"x":1e999}',
        b'{"x":-Infinity}',
        b'{"name":"\\ud800"}',
        b'{"name":"a\\u0000b"}',
        b'{"\\u0000":1}',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b'{"name":"\xc0\xaf"}',
    ],
)
def test_no_body_makes_it_fail_or_think_long(site, body):
    for path, scope in (("/messages", f"publish:{LOCATION}"), ("/index", "register:shop")):
        method = "POST" if path == "/messages" else "PUT"
        assert site.write(method, API + path, body, scope, **JSON).status in (400, 422), body[:20]


def test_depth_is_counted_outside_of_texts_only():
    assert security.json_of(json.dumps({"a": "[" * 1_000 + '\\"'}).encode()) == {"a": "[" * 1_000 + '\\"'}
    nested = b"[" * 20 + b"]" * 20
    assert security.json_of(nested)
    with pytest.raises(Exception, match="20 levels"):
        security.json_of(b"[" + nested + b"]")


def test_a_body_of_another_kind_is_refused(site):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = site.write("PUT", f"{API}/index", b"{}", "register:shop", **{"content-type": kind})
        assert (answer.status, answer.headers["accept"]) == (415, "application/json")
    packed = site.write("PUT", f"{API}/index", b"{}", "register:shop", **JSON, **{"content-encoding": "gzip"})
    assert packed.status == 415


# Forms


@pytest.fixture
def forms(site):
    """Paths that forms are sent to."""
    return [route.path for route in site.app.routes if any(one.needs == "form" for one in route.operations.values())]


COMMENT = {"subject": "dataset:shop/sales", "kind": "comment", "text": "Hei", "stars": "4", "tag": "fin", "action": "add"}


def send(site: Any, path: str, headers: dict[str, str], **fields: str) -> Answer:
    return site.ask("POST", path, body=urlencode({**COMMENT, **fields}).encode(), headers={**FORM, **headers})


def test_forms_are_closed_unless_somebody_says_who_writes(site, forms):
    assert forms
    before = stored(site)
    for path in forms:
        assert send(site, path, {}, author="kari").status == 403
        assert send(site, path, {"x-forwarded-user": "kari"}).status == 403
    assert stored(site) == before


def test_a_form_sent_from_elsewhere_is_refused(new_site, site, forms):
    signed = new_site(site.catalog.store, user_header="X-Forwarded-User")
    before = stored(site)
    elsewhere: list[dict[str, str]] = [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "null"},
        {"sec-fetch-site": "", "origin": "http://localhost:8080.evil.example"},
    ]
    for path in forms:
        for headers in elsewhere:
            for _ in range(2):  # also after others were there before
                signed.get("/")
                told = {k: v for k, v in headers.items() if v}
                fields = urlencode({**COMMENT}).encode()
                kind = {"content-type": FORM["content-type"], "x-forwarded-user": "kari"}
                answer = signed.ask("POST", path, body=fields, headers={**kind, **told})
                assert answer.status == 403, (path, headers)
        nothing = signed.ask(
            "POST", path, body=urlencode(COMMENT).encode(), headers={"content-type": FORM["content-type"], "x-forwarded-user": "kari"}
        )
        assert nothing.status == 403
    assert stored(site) == before


def test_a_form_is_written_by_whom_the_proxy_names_and_no_other(new_site, site, forms):
    signed = new_site(site.catalog.store, user_header="X-Forwarded-User")
    path = next(one for one in forms if "remark" in one)
    assert send(signed, path, {}, author="mallory").status == 401
    answer = send(signed, path, {"x-forwarded-user": "Kåre".encode().decode("latin-1")}, author="mallory")
    assert answer.status == 303
    remarks = site.get(f"{API}/remarks?subject=dataset:shop/sales").json()["remarks"]
    assert [one["author"] for one in remarks] == ["Kåre"]


def test_on_ones_own_machine_a_typed_name_is_enough(new_site, site, forms):
    local = new_site(site.catalog.store, local=True)
    path = next(one for one in forms if "remark" in one)
    assert send(local, path, {}).status == 422
    assert send(local, path, {}, author="kari").status == 303
    assert site.get(f"{API}/remarks?subject=dataset:shop/sales").json()["remarks"][0]["author"] == "kari"


def test_another_hosts_name_for_this_machine_is_turned_away(new_site, site):
    local = new_site(site.catalog.store, local=True)
    for host in (
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost:8080@evil.example",
    ):
        assert local.get("/", host=host).status == 421
    for host in ("localhost:8080", "127.0.0.1:9999", "[::1]:8080", "LOCALHOST"):
        assert local.get("/health/live", host=host).status == 200


@pytest.mark.parametrize("body", [b"%ff=%fe", b"a" * 100_001, b"&" * 60, b"text=%00%01", b"subject=&text=", b"stars=many", b""])
def test_a_form_that_is_none_is_refused(new_site, site, forms, body):
    local = new_site(site.catalog.store, local=True)
    before = stored(site)
    for path in forms:
        answer = local.ask("POST", path, body=body, headers=FORM)
        assert answer.status in (400, 404, 413, 415, 422), (path, answer.status)
    assert stored(site) == before


# Headers


def addresses(site: Any) -> list[str]:
    """At least one address of every route."""
    parts = {"product": "shop", "dataset": "sales", "column": "amount", "concept": "amount", "team": "team-shop", "name": "old", "id": "dataset:shop/sales",
             "partition": "2026-11-01", "number": "1", "part": "1", "example": "totals.py"}  # fmt: skip
    found = []
    for route in site.app.routes:
        path = route.path
        for name, value in parts.items():
            for kind in ("", ":path", ":int"):
                path = path.replace("{" + name + kind + "}", value)
        assert "{" not in path
        found.append(path)
    return found


def test_every_answer_wears_all_the_headers_whatever_it_is(site):
    paths = [
        *addresses(site),
        "/static/nothing.css",
        "/nowhere",
        "/search?q=%00",
        "/search?" + "x" * 9_000,
        "/static/../x",
        "/products/nothing",
    ]
    for path in paths:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE"):
            for accept in (BROWSER, {}):
                answer = site.ask(method, path, headers=accept)
                assert answer.status < 500, path
                missing = {name for name, value in security.HEADERS.items() if answer.headers.get(name) != value}
                assert not missing, (method, path, missing)
                assert "set-cookie" not in answer.headers
                assert "access-control-allow-origin" not in answer.headers
                if not path.startswith("/static/"):
                    assert {"accept", "accept-language"} <= {one.strip().lower() for one in answer.headers["vary"].split(",")}


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere():
    assert "unsafe" not in security.POLICY
    assert "*" not in security.POLICY
    assert "http" not in security.POLICY
    assert "default-src 'none'" in security.POLICY
    assert "frame-ancestors 'none'" in security.POLICY


def test_strict_transport_is_asked_for_where_there_is_transport_security(new_site, site):
    assert "strict-transport-security" not in site.get("/").headers
    assert "strict-transport-security" in new_site(site.catalog.store, base_url="https://catalog.example.com").get("/nowhere").headers


# Redirects and hosts


def test_no_path_redirects_to_another_host(site):
    for path in (
        "//evil.example/x/",
        "//evil.example/%2f..",
        "/\\evil.example",
        "/%09/evil.example",
        "/%5cevil.example/",
        "/products/shop/",
        "/products//evil.example",
    ):
        for answer in (site.raw("GET", path), site.get(path, **BROWSER)):
            assert answer.status in (400, 404), path
            assert "location" not in answer.headers


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "", "/x\r\nset-cookie: a=b", "/\x00"]
)
def test_a_form_never_sends_anybody_elsewhere(path):
    with pytest.raises(ValueError, match="not a path"):
        security.see_other(path)
    assert security.see_other("/datasets/a/b?lang=nb#talk").headers["location"] == "/datasets/a/b?lang=nb#talk"


def test_the_host_header_shows_up_nowhere(site):
    for path in addresses(site):
        answer = site.get(path, host="evil.example", x_forwarded_host="evil.example", forwarded="host=evil.example")
        assert "evil.example" not in answer.text, path
        assert "evil.example" not in str(answer.headers), path


# Payloads


PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](https://evil.example/x.png)",
    "<svg/onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "{{7*7}}${7*7}<%= 7*7 %>{%raw%}",
    "<a href='jav&#x09;ascript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "\u202e<math><mtext></p><style><img src=x onerror=alert(1)>",
]


class _Markup(HTMLParser):
    """What of a page could run, load or lead somewhere it should not."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.data = tag == "script" and told.get("type") == "application/ld+json"
        if tag in ("iframe", "object", "embed", "base", "style", "math", "img") or (
            tag == "script" and not self.data and "src" not in told
        ):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            places = r"https?://|mailto:|" if (tag, name) == ("a", "href") else r"http://localhost:8080/|"
            own = re.match(rf"({places}/(?![/\\])|[#?]|$)", value or "")
            leads = name in ("href", "src", "action", "formaction", "xlink:href", "data", "hx-get", "hx-post")
            if name.startswith("on") or name in ("style", "srcdoc") or (leads and not own):
                self.found.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        if self.data:
            json.loads(data)
            self.data = False


def alive(text: str) -> list[str]:
    """What of a page could run, load or lead somewhere it should not."""
    markup = _Markup()
    markup.feed(text)
    return markup.found


def test_a_page_that_is_alive_would_be_noticed():
    for payload in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        '<a href="javascript:alert(1)">',
        "<p style=x>",
    ):
        assert alive(payload)
    assert not alive('<script src="/static/x.js"></script><a href="/x">x</a><script type="application/ld+json">{}</script>')


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_by_others_becomes_markup_anywhere(new_site, payload):
    site = new_site()
    line = payload.replace("\n", " ")
    told = facts(
        "shop", title={"nb": line, "en": line}, description={"nb": payload, "en": payload}, team=line, keywords=[line], readme=payload,
        purpose=payload, usage=payload, limitations=payload, contact={"name": line, "email": "a@example.com"}, provenance=payload,
        rights=payload, legal_basis=payload, publisher={"name": line},
    )  # fmt: skip
    body = product("shop").model_copy(update={"product": product("shop").product.model_copy(update={"facts": told})})
    columns = [column("id"), column(line, title=line, description=payload, unit=line, examples=(line,))]
    site.catalog.store.apply([body, dataset("shop/sales", columns=columns, title=line, description=payload, tags={line: line})])
    site.write(
        "PUT",
        f"{API}/index",
        {"name": "old", "type": "x", "uri": "https://e.example", "title": line, "description": payload, "readme": payload},
        "register:x",
    )
    site.write("POST", f"{API}/remarks", {"subject": "dataset:shop/sales", "text": payload}, "remark:kari")
    paths = [
        *addresses(site),
        f"/datasets/shop/sales/columns/{quote(line, safe='')}",
        f"/teams/{quote(line, safe='')}",
        f"/search?q={quote(payload)}",
    ]
    for path in paths:
        answer = site.get(path, **BROWSER)
        assert answer.status < 500, path
        if "content-type" not in answer.headers:  # it leads to another page
            assert (answer.status, answer.body) == (303, b""), path
        elif answer.headers["content-type"].startswith("text/html"):
            assert not alive(answer.text), path
            assert "49$" not in answer.text, path


def test_what_was_searched_for_is_told_back_as_text_only(site):
    for payload in PAYLOADS:
        for path in (f"/search?q={quote(payload)}", f"/search?team={quote(payload)}", f"/suggest?q={quote(payload)}", f"/{quote(payload)}"):
            assert not alive(site.get(path, **BROWSER).text), path


# Nothing leaves, nothing leaks


def test_the_application_opens_no_connection(site, monkeypatch):
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for path in addresses(site):
        assert site.get(path).status < 500
        assert site.get(path, **BROWSER).status < 500
    linked = {
        "name": "x",
        "type": "api",
        "uri": "http://169.254.169.254/latest",
        "repo": "https://evil.example",
        "description": "![x](https://evil.example)",
    }
    assert site.write("PUT", f"{API}/index", linked, "register:x").status == 201
    assert site.get("/entries/x", **BROWSER).status == 200


def test_a_fault_shows_a_number_that_is_in_the_log_and_nothing_else(new_site, site, monkeypatch, caplog):
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret is swordfish, and the search was for 12345678901")

    monkeypatch.setattr("dataproducts.catalog.reading.dataset", broken)
    logger = logging.getLogger("dataproducts.catalog")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.INFO, "dataproducts.catalog"):
        for headers in ({}, BROWSER):
            caplog.clear()
            answer = site.get("/datasets/shop/sales" if headers else f"{API}/datasets/shop/sales", **headers)
            assert answer.status == 500
            number = answer.headers["x-request-id"]
            assert number in answer.text
            for leak in ("swordfish", "RuntimeError", "Traceback", ".py", "12345678901"):
                assert leak not in answer.text
            lines = [Lines().format(record) for record in caplog.records]
            assert any(number in line and "RuntimeError" in line for line in lines)
            assert not any("swordfish" in line for line in lines)


def test_the_log_has_neither_what_was_searched_for_nor_tokens(site, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("dataproducts.catalog"), "propagate", True)
    with caplog.at_level(logging.DEBUG):
        site.get("/search?q=17097212384", **BROWSER)
        site.get(f"{API}/search?q=17097212384&cursor=17097212384")
        site.get("/17097212384")
        header = site.token("remark:kari")
        site.ask("PUT", f"{API}/ratings", body={"subject": "17097212384"}, headers=header)
    lines = [json.loads(Lines().format(record)) for record in caplog.records if record.name.startswith("dataproducts.catalog")]
    assert [line["status"] for line in lines] == [200, 400, 404, 422]
    assert {"time", "method", "route", "status", "ms", "id"} <= lines[0].keys()
    assert lines[0]["route"] == "/search"
    assert "17097212384" not in caplog.text
    assert header["authorization"].split()[1] not in caplog.text


def test_the_log_of_a_request_has_the_trace_that_it_came_with(site, caplog, monkeypatch):
    trace = "0af7651916cd43dd8448eb211c80319c"
    monkeypatch.setattr(logging.getLogger("dataproducts.catalog"), "propagate", True)
    with caplog.at_level(logging.INFO):
        site.get("/health/live", traceparent=f"00-{trace}-b7ad6b7169203331-01")
        site.get("/health/live", traceparent="00-<script>-x-01")
        site.get("/health/live")
    lines = [json.loads(Lines().format(record)) for record in caplog.records if record.name.startswith("dataproducts.catalog")]
    assert [line.get("trace") for line in lines] == [trace, None, None]


# Rates


def test_one_client_that_asks_too_much_waits_and_others_do_not(new_site, site):
    limited = new_site(site.catalog.store, limits=Limits(rate=0.01, burst=5))
    statuses = [limited.get(f"{API}/suggest?q=x").status for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    refused = limited.get("/search?q=x", **BROWSER)
    assert (refused.status, 50 < int(refused.headers["retry-after"]) <= 101) == (429, True)
    assert limited.get(f"{API}/datasets/shop/sales").status == 200  # reading is not searching
    assert limited.ask("POST", f"{API}/messages", body={}).status == 429


def test_a_bucket_fills_again_with_time_and_forgets_whom_it_has_not_seen():
    now = [0.0]
    rates = security.Rates(2, 4, lambda: now[0])

    def taken(who: str, times: int) -> int:
        done = 0
        for _ in range(times):
            try:
                rates.take(who)
                done += 1
            except security.Refusal:
                pass
        return done

    assert taken("a", 10) == 4
    assert taken("b", 10) == 4
    now[0] += 1
    assert taken("a", 10) == 2
    now[0] += 1_000
    assert taken("a", 10) == 4
    for number in range(rates.MOST + 5):
        rates.take(str(number))
    assert len(rates._buckets) == rates.MOST
    assert taken("anybody", 0) == 0
    security.Rates(0, 0).take("anybody")


# Settings


@pytest.mark.parametrize(
    "value", ["catalog.example.com", "ftp://x", "http://", "http://a b", "http://user@host", "http://x?y", 'http://x"', "http://x:0"]
)
def test_an_address_that_is_none_is_refused_at_the_start(site, value):
    with pytest.raises(ConfigurationError, match="CATALOG_BASE_URL"):
        Catalog(site.catalog.database, site.catalog.store, base_url=value)


def test_settings_come_from_the_environment(site, monkeypatch):
    monkeypatch.setenv("CATALOG_BASE_URL", "https://catalog.example.com/")
    monkeypatch.setenv("CATALOG_USER_HEADER", "X-User")
    monkeypatch.setenv("CATALOG_RATE_LIMIT", "0")
    made = Catalog.of(site.catalog.database)
    assert (made.base_url, made.user_header, made.limits.rate) == ("https://catalog.example.com", "X-User", 0)
    monkeypatch.setenv("CATALOG_USER_HEADER", "X User")
    with pytest.raises(ConfigurationError, match="CATALOG_USER_HEADER"):
        Catalog.of(site.catalog.database)
    monkeypatch.delenv("CATALOG_USER_HEADER")
    monkeypatch.setenv("CATALOG_RATE_LIMIT", "much")
    with pytest.raises(ConfigurationError, match="CATALOG_RATE_LIMIT"):
        Catalog.of(site.catalog.database)


def test_the_identity_of_a_request_is_the_proxys_or_nobodys(new_site, site):
    def asked(catalog: Any, **headers: str) -> security.Identity:
        told = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        return security.identity(Request({"type": "http", "headers": told, "app": catalog.app}))

    assert asked(site, x_user="kari") == security.Identity("closed")
    signed = new_site(site.catalog.store, user_header="X-User")
    assert asked(signed, x_user=" kari \x07 n ") == security.Identity("header", "kari n")
    assert asked(signed) == security.Identity("header")
    assert asked(new_site(site.catalog.store, local=True), x_user="kari") == security.Identity("typed")
