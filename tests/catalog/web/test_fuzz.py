"""Twenty thousand things nobody would type: each has an answer that is no fault of ours."""

from __future__ import annotations

import os
import random
from urllib.parse import quote_from_bytes

import pytest

from tests.catalog.web.client import BROWSER

INPUTS = 5_200 if os.environ.get("CI") else 1_000
"""For each of four ways in."""
SIGNS = [
    '"', "*", ":", "^", "(", ")", "-", "+", "'", ";", "AND", "OR", "NOT", "NEAR(", "NEAR/3", "{", "}", "[", "]", "\\", "%", "_", ",", ".", "/", "//", "..",
    "$", "#", "&", "=", "?", "<", ">", "|", "!", "~", "`", "@", "\t", "\n", "\r", " ", "  ", "\x00", "\x01", "\x7f", "\u200b", "\u202e", "\ufeff",
    "\ufffe", "\U0001f600", "e\u0301", "İ", "ß", "ﬁ", "æøå", "ÆØÅ", "\u0130", "a" * 300, "æ" * 200, "title:", "facets:", "rowid", "search_text MATCH",
    "' OR 1=1 --", "'; DROP TABLE node; --", "sales", "sal", "shop/sales", "dataset:shop/sales", "2026-11-01", "-1", "0", "9" * 30, "1e309", "null", "None",
    "true", "%00", "%ff", "%u0000", "\\u0000", "<script>", "{{7*7}}", "${x}", "../../etc/passwd", "..;/", "salg*", '"åpne phrase', "-sales", "OR OR OR", "(" * 50,
]  # fmt: skip
NAMES = [
    "q",
    "cursor",
    "limit",
    "sort",
    "kind",
    "team",
    "freshness",
    "lang",
    "as_of",
    "up",
    "down",
    "column",
    "page",
    "after",
    "partition",
    "",
    "q[]",
    "Q",
]
PATHS = [
    "/products/{}", "/datasets/{}/{}", "/datasets/shop/sales/columns/{}", "/datasets/shop/sales/versions/{}/{}", "/datasets/shop/sales/{}", "/teams/{}",
    "/concepts/shop/{}", "/entries/{}", "/static/{}", "/{}", "/api/v1/nodes/{}", "/api/v1/nodes/{}/edges", "/api/v1/products/{}", "/api/v1/index/{}",
    "/api/v1/datasets/{}/{}/lineage", "/api/v1/datasets/shop/sales/versions/{}/{}", "/sitemap-{}.xml", "/products/{}.ttl", "/datasets/shop/{}.jsonld", "/api/v1/{}",
]  # fmt: skip


def typed(r: random.Random) -> str:
    """Signs, words and half characters in any order."""
    parts = [r.choice(SIGNS) if r.random() < 0.85 else chr(r.randrange(0x11_0000)) for _ in range(r.choice((0, 1, 1, 2, 3, 5, 9)))]
    return r.choice(("", " ")).join(parts)


def encoded(r: random.Random, text: str) -> str:
    """As a browser would send it; now and then not UTF-8, or not encoded at all."""
    data = text.encode("utf-8", "surrogatepass" if r.random() < 0.5 else "replace")
    if r.random() < 0.03:
        data += bytes([r.randrange(256)])
    return quote_from_bytes(data) if r.random() < 0.95 else data.decode("latin-1")


def question(r: random.Random) -> str:
    pairs = [("q", encoded(r, typed(r)))] if r.random() < 0.9 else []
    pairs += [(r.choice(NAMES), encoded(r, typed(r))) for _ in range(r.choice((0, 0, 0, 1, 3)))]
    return r.choice(("&", "&", "&&", ";")).join(f"{name}={value}" for name, value in pairs)


@pytest.mark.parametrize("path", ["/search", "/suggest", "/api/v1/search", "paths"])
def test_nothing_that_is_typed_makes_it_fail(site, path):
    seed = random.SystemRandom().randrange(10**9)
    r = random.Random(seed)
    answered: dict[int, int] = {}

    async def ask_all() -> None:
        for number in range(INPUTS):
            at, query = path, ""
            if path == "paths":
                form = r.choice(PATHS)
                at = form.format(*(typed(r) for _ in range(form.count("{}"))))
                query = question(r) if r.random() < 0.1 else ""
            else:
                query = question(r)
            headers = BROWSER if path == "/search" or number % 3 == 0 else {}
            answer = await site.asked("GET", at, query.encode("latin-1", "replace"), headers, b"")
            answered[answer.status] = answered.get(answer.status, 0) + 1
            assert answer.status < 500, f"seed {seed}, number {number}: {at!r} ? {query!r}"
            if b"%00" in query.encode("latin-1", "replace"):
                assert answer.status == 400, f"seed {seed}, number {number}: {query!r}"

    site.runner.run(ask_all())
    assert sum(answered.values()) == INPUTS
    assert answered.get(200, 0) > INPUTS / 50
    assert answered.get(400, 0) > INPUTS / 50


@pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "%00=x", "q=%ED%A0%80", "q=%ff", "q=%C0%AF", "lang=%00", "q=\x00", "cursor=%01"])
def test_halves_of_characters_and_control_characters_are_the_askers_fault(site, query):
    for path in ("/search", "/suggest", "/api/v1/search", "/api/v1/suggest", "/", "/products/shop", "/api/v1/products", "/feed.atom"):
        answer = site.raw("GET", path, query.encode("latin-1"))
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json"), path


def test_paths_that_are_not_text_are_the_askers_fault(site):
    for path in ("/products/\x00", "/products/\ud800", "/datasets/a/\x1b", "/entries/a\r\nb", "/\x7f"):
        assert site.raw("GET", path).status == 400
