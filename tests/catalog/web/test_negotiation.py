"""One address, many forms: by Accept or by suffix, in the language asked for, with the documents that other machines expect."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from rdflib import DCAT, RDF, SKOS, Graph, URIRef
from rdflib.compare import isomorphic
from starlette.requests import Request

from dataproducts.catalog.web import negotiation
from dataproducts.catalog.web.metadata import Whole
from dataproducts.errors import BadRequest
from dataproducts.messages import ColumnOrigin
from tests.catalog.messages import column, dataset, product
from tests.catalog.web.client import BROWSER

HTML, JSON, JSON_LD, TURTLE = negotiation.HTML, negotiation.JSON, negotiation.JSON_LD, negotiation.TURTLE
BASE = "http://localhost:8080"
THINGS = ["/products/shop", "/datasets/shop/sales", "/datasets/shop/sales/columns/amount", "/concepts/shop/amount"]


@pytest.mark.parametrize("path", THINGS)
def test_one_address_answers_in_every_form(site, path):
    for suffix, form in negotiation.SUFFIXES.items():
        asked, suffixed = site.get(path, accept=form), site.get(f"{path}.{suffix}")
        assert asked.status == suffixed.status == 200, asked.text
        assert asked.headers["content-type"].split(";")[0] == form
        assert asked.body == suffixed.body
        assert "accept" in asked.headers["vary"].lower()
        assert f'<{path}.{suffix}>; rel="alternate"; type="{form}"' in asked.headers["link"]
    page = site.get(path, **BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert f'<{path}.ttl>; rel="alternate"; type="text/turtle"' in page.headers["link"]
    assert site.get(path).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", THINGS)
def test_json_ld_and_turtle_state_the_same(site, path):
    linked = Graph().parse(data=site.get(f"{path}.jsonld").body, format="json-ld")
    turtle = Graph().parse(data=site.get(f"{path}.ttl").body, format="turtle")
    assert len(turtle) > 2
    assert isomorphic(linked, turtle)
    assert (URIRef(BASE + path), RDF.type, None) in turtle


def test_a_glossary_is_a_scheme_with_its_concepts_and_for_people_on_the_page_of_its_product(site):
    scheme, top = URIRef(f"{BASE}/concepts/shop"), URIRef(f"{BASE}/concepts/shop/amount")
    for asked in (site.get("/concepts/shop.ttl"), site.get("/concepts/shop", accept=TURTLE)):
        glossary = Graph().parse(data=asked.body, format="turtle")
        assert (scheme, RDF.type, SKOS.ConceptScheme) in glossary
        assert (top, SKOS.inScheme, scheme) in glossary
    page = site.get("/concepts/shop", **BROWSER)
    assert (page.status, page.headers["location"]) == (303, "/products/shop#concepts")
    assert 'id="concepts"' in site.get("/products/shop", **BROWSER).text
    assert site.get("/concepts/nothing.ttl").status == 404


def test_a_concept_is_skos_and_a_dataset_dcat(site):
    concept = Graph().parse(data=site.get("/concepts/shop/amount.ttl").body, format="turtle")
    assert (URIRef(f"{BASE}/concepts/shop/amount"), RDF.type, SKOS.Concept) in concept
    sales = Graph().parse(data=site.get("/datasets/shop/sales.ttl").body, format="turtle")
    assert (URIRef(f"{BASE}/datasets/shop/sales"), RDF.type, DCAT.Dataset) in sales


@pytest.mark.parametrize(
    "path",
    [
        "/teams/team-shop",
        "/datasets/shop/sales/versions",
        "/datasets/shop/sales/versions/2026-11-01/1",
        "/datasets/shop/sales/schema",
        "/datasets/shop/sales/lineage",
        "/datasets/shop/sales/quality",
        "/search?q=sales",
        "/status",
    ],
)
def test_other_pages_are_json_too(site, path):
    told = site.get(path, accept=JSON).json()
    assert told
    bare, mark, query = path.partition("?")
    assert site.get(f"{bare}.json{mark}{query}").json() == told
    assert site.get(path, **BROWSER).headers["content-type"].startswith("text/html")


def test_a_form_there_is_not_is_told_which_there_are(site):
    answer = site.get("/products/shop", accept="application/pdf")
    assert (answer.status, answer.headers["content-type"]) == (406, "application/problem+json")
    assert "text/turtle" in answer.json()["detail"]


def test_the_past_has_all_forms_too(site):
    site.catalog.store.apply([dataset("shop/sales", 10, title="Salg")])
    for suffix in negotiation.SUFFIXES:
        assert "Sales" in site.get(f"/datasets/shop/sales.{suffix}?as_of=2026-11-01T08:00:00Z").text
        assert "Salg" in site.get(f"/datasets/shop/sales.{suffix}").text
        assert site.get(f"/products/shop.{suffix}?as_of=2026-11-01T08:00:00Z").status == 200
        assert site.get(f"/products/shop.{suffix}?as_of=2020-01-01").status == 404


def test_a_column_may_be_called_what_looks_like_a_suffix(site):
    site.catalog.store.apply([dataset("shop/sales", 10, columns=(column("id"), column("x.json"), column("a/b")))])
    assert site.get("/datasets/shop/sales/columns/x.json", accept=JSON).json()["column"]["name"] == "x.json"
    assert site.get("/datasets/shop/sales/columns/x.json.json").json()["column"]["name"] == "x.json"
    assert site.get("/datasets/shop/sales/columns/a%2Fb.json").json()["column"]["name"] == "a/b"
    assert site.get("/datasets/shop/sales/columns/y.json").status == 404


def test_a_name_that_no_header_can_carry_is_quoted_in_links(site):
    site.catalog.store.apply([dataset("shop/sales", 10, columns=(column("id"), column("pris €")))])
    answer = site.get("/datasets/shop/sales/columns/pris%20%E2%82%AC", accept=JSON)
    assert answer.json()["column"]["name"] == "pris €"
    assert "</datasets/shop/sales/columns/pris%20%E2%82%AC.ttl>" in answer.headers["link"]
    lineage = {"pris €": (ColumnOrigin(subject="shop/sales", column="id"), ColumnOrigin(subject="shop/sales", column="pris €"))}
    site.catalog.store.apply([dataset("shop/stock", 11, columns=(column("id"), column("pris €")), column_lineage=lineage)])
    edges = site.get("/api/v1/nodes/column:shop/stock/pris%20%E2%82%AC/edges?limit=1")
    assert edges.headers["link"].startswith("</api/v1/nodes/column%3Ashop/stock/pris%20%E2%82%AC/edges?limit=1&cursor=")


def test_an_entry_may_be_called_so_too(site):
    entry = {"name": "tall.json", "type": "fil", "uri": "https://example.com/tall.json", "title": "Tall"}
    assert site.write("PUT", "/api/v1/index", entry, "register:shop").status == 201
    assert "Tall" in site.get("/entries/tall.json", **BROWSER).text
    assert site.get("/entries/tall.json.json").json()["name"] == "tall.json"


def test_a_dataset_whose_product_is_not_published_yet_says_so(site):
    site.catalog.store.apply([dataset("bank/loans")])
    assert site.get("/datasets/bank/loans.json").status == 200
    answer = site.get("/datasets/bank/loans.ttl")
    assert answer.status == 404
    assert "'bank'" in answer.json()["detail"]
    assert site.get("/catalog.ttl").status == 200


# The whole catalog


def test_the_whole_catalog_is_dcat_in_both_forms(any_site):
    turtle = any_site.get("/catalog.ttl")
    linked = any_site.get("/catalog.jsonld")
    assert turtle.headers["content-type"].startswith(TURTLE)
    assert linked.headers["content-type"].startswith(JSON_LD)
    graph = Graph().parse(data=turtle.body, format="turtle")
    assert isomorphic(graph, Graph().parse(data=linked.body, format="json-ld"))
    listed = {str(one) for one in graph.objects(URIRef(f"{BASE}/"), DCAT.dataset)}
    assert listed == {f"{BASE}/products/shop", f"{BASE}/datasets/shop/sales", f"{BASE}/datasets/shop/stock"}


def test_the_whole_catalog_is_made_anew_when_it_has_changed_and_only_then(site):
    first = site.get("/catalog.ttl")
    assert site.get("/catalog.ttl", if_none_match=first.headers["etag"]).status == 304
    file = site.app.state.whole._files[TURTLE][1]
    assert site.get("/catalog.ttl").body == first.body
    assert site.app.state.whole._files[TURTLE][1] is file
    site.catalog.store.apply([product("bank"), dataset("bank/loans")])
    after = site.get("/catalog.ttl", if_none_match=first.headers["etag"])
    assert after.status == 200
    assert "/datasets/bank/loans>" in after.text


def test_making_the_whole_catalog_takes_a_bounded_share_of_the_time(site, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("dataproducts.catalog.web.metadata.time.monotonic", lambda: now[0])
    written = []

    def slow(*parts):
        now[0] += 3.0
        written.append(now[0])
        return iter(["x"])

    monkeypatch.setattr("dataproducts.catalog.web.metadata.turtle.stream", slow)
    whole = Whole(site.catalog)
    for number in range(100):
        site.catalog.store.apply([dataset("shop/sales", 10 + number, title=str(number))])
        whole._fresh(TURTLE)
        now[0] += 3.0
    assert len(written) <= 8


def test_an_empty_catalog_has_nothing_to_harvest(new_site):
    site = new_site()
    assert site.get("/catalog.ttl").status == 404
    assert site.get("/sitemap.xml").status == 200
    assert ET.fromstring(site.get("/feed.atom").body).findall("{http://www.w3.org/2005/Atom}entry") == []


# Documents


def test_a_dataset_has_croissant_and_a_data_package(site):
    croissant = site.get("/datasets/shop/sales/croissant.json")
    assert (croissant.headers["content-type"], croissant.json()["@type"]) == (JSON_LD, "sc:Dataset")
    package = site.get("/datasets/shop/sales/datapackage.json")
    assert [one["name"] for one in package.json()["resources"][0]["schema"]["fields"]] == ["id", "amount", "customer"]
    assert site.get("/datasets/shop/nothing/croissant.json").status == 404


def test_the_atom_feed_tells_the_newest_changes_first(site):
    site.catalog.store.apply([dataset("shop/sales", 28, title="Salg")])
    answer = site.get("/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml"
    space = "{http://www.w3.org/2005/Atom}"
    entries = ET.fromstring(answer.body).findall(f"{space}entry")
    assert entries[0].findtext(f"{space}title") == "shop/sales: described"
    link = entries[0].find(f"{space}link")
    assert link is not None
    assert link.get("href") == f"{BASE}/datasets/shop/sales"
    only = ET.fromstring(site.get("/feed.atom?subject=product:shop").body).findall(f"{space}entry")
    assert {one.findtext(f"{space}title") for one in only} == {"shop: declared"}


def test_browsers_can_search_from_their_address_bar(site):
    described = ET.fromstring(site.get("/opensearch.xml").body)
    templates = {url.get("type"): url.get("template") for url in described.iter("{http://a9.com/-/spec/opensearch/1.1/}Url")}
    icon = described.findtext("{http://a9.com/-/spec/opensearch/1.1/}Image") or ""
    assert site.get(icon.removeprefix(BASE)).headers["content-type"] == "image/svg+xml"
    assert templates["text/html"] == f"{BASE}/search?q={{searchTerms}}"
    typed = site.get(templates["application/x-suggestions+json"].removeprefix(BASE).replace("{searchTerms}", "sal"))
    assert json.loads(typed.body)[:2] == ["sal", ["Sales"]]


def test_the_sitemap_lists_every_page_and_is_divided_when_it_is_long(site, monkeypatch):
    locations = [one.text for one in ET.fromstring(site.get("/sitemap.xml").body).iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert locations == [f"{BASE}/datasets/shop/sales", f"{BASE}/datasets/shop/stock", f"{BASE}/products/shop"]
    monkeypatch.setattr("dataproducts.formats.sitemap.MOST", 2)
    index = [
        one.text or "" for one in ET.fromstring(site.get("/sitemap.xml").body).iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    ]
    parts = [site.get(one.removeprefix(BASE)).text for one in index]
    assert [text.count("<loc>") for text in parts] == [2, 1]
    assert site.get("/sitemap-3.xml").status == site.get("/sitemap-0.xml").status == 404


def test_robots_are_kept_out(site):
    assert "Disallow: /\n" in site.get("/robots.txt").text


# What is asked for


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", HTML),
        ("*/*", HTML),
        (BROWSER["accept"], HTML),
        ("application/json", JSON),
        ("text/turtle, application/ld+json;q=0.5", TURTLE),
        ("application/ld+json, text/turtle", JSON_LD),
        ("text/*;q=0.1, application/json;q=0.9", JSON),
        ("text/html;q=0.2, */*;q=0.1", HTML),
        ("text/html;q=0, */*", JSON),
        ("TEXT/TURTLE", TURTLE),
        ("application/pdf", None),
        ("*/*;q=0", None),
        (";;,,q=1", None),
        ("text/turtle;q=nonsense", None),
    ],
)
def test_the_best_form_is_chosen(accept, form):
    if form in (JSON, JSON_LD) and accept == "application/ld+json, text/turtle":
        assert negotiation.chosen(accept, (HTML, JSON_LD, TURTLE)) == form
        return
    assert negotiation.chosen(accept, (HTML, JSON, JSON_LD, TURTLE)) == form


def request(query: str = "", **headers: str) -> Request:
    told = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": told})


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "", "nb"),
        ("", "en-US,en;q=0.9", "en"),
        ("", "nb-NO,nb;q=0.9,no;q=0.8,en;q=0.5", "nb"),
        ("", "nn", "nb"),
        ("", "en;q=0.3, no;q=0.8", "nb"),
        ("", "de", "en"),
        ("lang=en", "nb", "en"),
        ("lang=nb", "en", "nb"),
        ("lang=xx", "en", "en"),
    ],
)
def test_the_language_is_the_one_asked_for(query, header, language):
    assert negotiation.language(request(query, accept_language=header)) == language


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-11-10", datetime(2026, 11, 10, 23, 59, 59, 999_999, UTC)),
        ("2026-11-10T06:00:00Z", datetime(2026, 11, 10, 6, tzinfo=UTC)),
        ("2026-11-10T06:00", datetime(2026, 11, 10, 6, tzinfo=UTC)),
        ("2026-11-10T06:00:00%2B01:00", datetime(2026, 11, 10, 5, tzinfo=UTC)),
        ("2026-11-10T06:00:00+01:00", datetime(2026, 11, 10, 5, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_moment_is_a_day_or_a_time(given, moment):
    assert negotiation.as_of(request(f"as_of={given}")) == moment


@pytest.mark.parametrize(
    "given", ["yesterday", "2026-02-30", "2026", "9999-12-31T23:59:59-14:00", "20261110", "2026-11-10T25:00", "x" * 400]
)
def test_a_moment_that_is_none_is_refused(given):
    with pytest.raises(BadRequest, match="as_of"):
        negotiation.as_of(request(f"as_of={given}"))
