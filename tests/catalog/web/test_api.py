"""REST: everything the pages show is there as JSON, in pages that end where they should, and described as it is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate as validate_openapi
from starlette.routing import Route

from dataproducts.catalog import tables as t
from dataproducts.messages import ColumnFigures
from tests.catalog.messages import LOCATION, at, column, dataset, delivery, product
from tests.catalog.web.client import BROWSER, Client

API = "/api/v1"
READABLE = {
    "products": "/products",
    "product": "/products/shop",
    "datasets": "/datasets",
    "dataset": "/datasets/shop/sales",
    "columns": "/datasets/shop/sales/columns",
    "column": "/datasets/shop/sales/columns/amount",
    "versions": "/datasets/shop/sales/versions",
    "version": "/datasets/shop/sales/versions/2026-11-01/2",
    "checks": "/datasets/shop/sales/checks",
    "schema": "/datasets/shop/sales/schema",
    "lineage": "/datasets/shop/sales/lineage",
    "team": "/teams/team-shop",
    "concept": "/concepts/shop/amount",
    "entry": "/entries/old",
    "registered": "/index/old",
    "nodes": "/nodes?kind=dataset",
    "node": "/nodes/dataset:shop/sales",
    "edges": "/nodes/dataset:shop/sales/edges",
    "search": "/search?q=sales",
    "suggest": "/suggest?q=sal",
    "changes": "/changes",
    "status": "/status",
    "newest": f"/newest?location={LOCATION}",
    "remarks": "/remarks?subject=dataset:shop/sales",
    "openapi": "/openapi.json",
}
OLD = {"name": "old", "type": "tabell", "uri": "https://example.com/old", "title": "Gamle tall"}


def told(site: Client, path: str) -> Any:
    answer = site.get(API + path)
    assert answer.status == 200, answer.text
    return answer.json()


def test_all_that_is_published_can_be_read(any_site):
    any_site.write("PUT", f"{API}/index", OLD, "register:shop")
    assert [one["name"] for one in told(any_site, "/products")["items"]] == ["shop"]
    shown = told(any_site, "/products/shop")
    assert shown["body"]["facts"]["title"] == {"nb": "Butikk shop", "nn": None, "en": "Shop shop"}
    assert [one["name"] for one in shown["datasets"]] == ["shop/sales", "shop/stock"]
    sales = told(any_site, "/datasets/shop/sales")
    assert (sales["state"]["rows"], sales["state"]["quality"], sales["state"]["freshness"]) == (30, "failing", "fresh")
    assert [one["partition"] for one in sales["partitions"]] == ["2026-11-02", "2026-11-01"]
    assert sales["body"]["contract"]["columns"][1]["name"] == "amount"
    assert told(any_site, "/datasets/shop/sales/columns")["items"][0]["figures"]["largest"] == "10"
    assert told(any_site, "/datasets/shop/sales/columns/amount")["concept"]["label"] == "beløp"
    version = told(any_site, "/datasets/shop/sales/versions/2026-11-01/2")
    assert (version["version"]["rows"], version["others"]) == (20, [2, 1])
    assert [c["passed"] for c in told(any_site, "/datasets/shop/sales/checks")["items"]] == [False, True]
    assert told(any_site, "/datasets/shop/sales/schema")["items"][0]["version"] == "1.0.0"
    assert told(any_site, "/teams/team-shop")["datasets"][0]["name"] == "shop/sales"
    assert told(any_site, "/concepts/shop/amount")["columns"][0]["id"] == "column:shop/sales/amount"
    assert told(any_site, "/entries/old")["body"]["title"] == "Gamle tall"
    assert told(any_site, "/nodes/dataset:shop/sales")["label"] == "Sales"
    assert told(any_site, f"/newest?location={LOCATION}")["shop/sales"] == {
        "2026-11-01": [2, "2026-11-01-2"],
        "2026-11-02": [1, "2026-11-02-1"],
    }
    assert told(any_site, "/status")["proofs"][0]["behind"] == 1
    assert told(any_site, "/search?q=sales")["items"][0]["id"] == "dataset:shop/sales"
    assert told(any_site, "/suggest?q=sal")["items"][0]["href"] == "/datasets/shop/sales"


def test_lineage_goes_as_far_as_it_is_asked_to_for_datasets_and_columns(site):
    assert told(site, "/datasets/shop/stock/lineage")["edges"] == [["dataset:shop/sales", "dataset:shop/stock"]]
    of_column = told(site, "/datasets/shop/stock/lineage?column=id&up=3&down=0")
    assert {one["id"]: one["hops"] for one in of_column["nodes"]} == {"column:shop/stock/id": 0, "column:shop/sales/id": -1}
    alone = told(site, "/datasets/shop/stock/lineage?up=0&down=0")
    assert alone["nodes"] == [{"id": "dataset:shop/stock", "kind": "dataset", "label": "Stock", "hops": 0, "hidden": [1, 0]}]


def test_edges_are_read_in_either_direction(site):
    edges = told(site, "/nodes/dataset:shop/stock/edges?label=derived_from")["items"]
    assert [(one["source"], one["target"]) for one in edges] == [("dataset:shop/stock", "dataset:shop/sales")]
    back = told(site, "/nodes/dataset:shop/sales/edges?direction=in&label=derived_from")["items"]
    assert [one["source"] for one in back] == ["dataset:shop/stock"]


def test_versions_and_runs_are_nodes_like_others(site):
    version = "version:shop/sales@2026-11-02@1"
    assert told(site, f"/nodes/{version}")["body"]["rows"] == 10
    assert site.get(f"{API}/nodes/{version}?as_of=2026-11-01").status == 404
    (made,) = told(site, "/nodes/run:run-24/edges?label=made")["items"]
    assert (made["source"], made["target"], made["valid_to"]) == ("run:run-24", version, None)
    (used,) = told(site, f"/nodes/{version}/edges")["items"]
    assert (used["label"], used["target"]) == ("derived_from", "version:shop/stock@2026-11-01@1")
    labels = [one["label"] for one in told(site, f"/nodes/{version}/edges?direction=in")["items"]]
    assert labels == ["has_version", "made"]


def test_the_past_is_read_as_it_was(any_site):
    later = (column("id"), column("amount", "Decimal(20,2)"))
    any_site.catalog.store.apply([dataset("shop/sales", 10, columns=later, version="2.0.0"), dataset("shop/stock", 12, gone=True)])
    before = told(any_site, "/datasets/shop/sales?as_of=2026-11-01T08:00:00Z")
    assert (before["body"]["contract"]["version"], before["state"]["rows"]) == ("1.0.0", 10)
    assert told(any_site, "/datasets/shop/sales?as_of=2026-11-01")["body"]["contract"]["version"] == "2.0.0"
    assert any_site.get(f"{API}/datasets/shop/stock").status == 404
    assert any_site.get(f"{API}/datasets/shop/stock?as_of=2026-11-01T07:00:00Z").status == 200
    assert any_site.get(f"{API}/datasets/shop/sales?as_of=2026-10-01").status == 404
    assert told(any_site, "/nodes/dataset:shop/stock?as_of=2026-11-01T07:00:00Z")["label"] == "Stock"
    assert told(any_site, "/datasets/shop/sales/lineage?as_of=2026-11-01T07:00:00Z")["edges"]
    then = "as_of=2026-11-01T08:00:00Z"
    assert [one["number"] for one in told(any_site, f"/datasets/shop/sales/versions?{then}")["items"]] == [1]
    assert any_site.get(f"{API}/datasets/shop/sales/versions/2026-11-01/2?{then}").status == 404
    assert told(any_site, f"/datasets/shop/sales/versions/2026-11-01/1?{then}")["others"] == [1]
    assert [one["version"] for one in told(any_site, f"/datasets/shop/sales/schema?{then}")["items"]] == ["1.0.0"]
    (was,) = told(any_site, f"/datasets/shop/sales/columns/amount?{then}")["history"]
    assert (was["body"]["type"], was["valid_to"]) == ("Int64", None), "what came later was not known"
    (neighbor,) = [one for one in told(any_site, f"/datasets/shop/sales?{then}")["neighbors"] if one["id"] == "dataset:shop/stock"]
    assert (neighbor["freshness"], neighbor["quality"]) == (None, None), "where it stands now says nothing of then"
    (sales,) = [one for one in told(any_site, f"/products/shop?{then}")["datasets"] if one["name"] == "shop/sales"]
    assert sales["changed"] == "2026-11-01T06:00:00Z"
    assert not told(any_site, "/datasets/shop/sales/lineage")["edges"]


def test_what_was_made_from_a_version_is_told_as_it_was(site):
    used = "/datasets/shop/stock/versions/2026-11-01/1"
    site.catalog.store.apply([delivery("shop/stock", "2026-11-01", 1, 2)])
    assert told(site, used)["used_by"] == [["shop/sales", "2026-11-02", 1]]
    assert told(site, f"{used}?as_of=2026-11-01")["used_by"] == []


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/products?", "name"),
        ("/datasets?", "name"),
        ("/datasets?product=p3&", "name"),
        ("/datasets/p3/d0/versions?", "partition"),
        ("/datasets/shop/sales/checks?", "at"),
        ("/nodes?kind=column&", "id"),
        ("/nodes?kind=version&", "id"),
        ("/nodes?kind=run&", "id"),
        ("/nodes/dataset:p3/d0/edges?", "target"),
        ("/nodes/dataset:p3/d0/edges?label=has_version&", "target"),
        ("/search?q=id&", "id"),
        ("/changes?", "seq"),
    ],
)
def test_a_list_is_paged_through_once_each_and_to_its_end(any_site, path, key):
    store = any_site.catalog.store
    store.apply([m for n in range(7) for m in (product(f"p{n}"), dataset(f"p{n}/d0"), dataset(f"p{n}/d1"), dataset("p3/d" + str(n + 2)))])
    store.apply([delivery("p3/d0", f"2026-11-{n + 1:02}", 1, 2 + n) for n in range(7)])
    whole = told(any_site, f"{path}limit=100")["items"]
    seen, address = [], f"{API}{path}limit=2"
    while address:
        answer = any_site.get(address)
        assert answer.status == 200, answer.text
        items = answer.json()["items"]
        assert len(items) <= 2
        seen += items
        link = answer.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        address = link.split(">")[0].removeprefix("<")
    assert [one[key] for one in seen] == [one[key] for one in whole]
    assert len(seen) > 1


def test_what_several_assert_is_there_once_and_ends_no_list_early(any_site):
    store = any_site.catalog.store
    store.apply([product(f"q{i}", keywords=["salg", f"eget{i}"], themes=["ECON", "HEAL"]) for i in range(4)])

    def walked(path: str) -> list[Any]:
        found, cursor = [], ""
        while True:
            page = told(any_site, f"{path}&limit=1{cursor}")
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    assert [one["id"] for one in walked("/nodes?kind=theme")] == ["theme:ECON", "theme:HEAL"]
    assert [one["id"] for one in walked("/nodes?kind=keyword")] == [f"keyword:eget{i}" for i in range(4)] + ["keyword:salg"]
    answering = walked("/nodes/person:team-shop@example.com/edges?direction=in")
    assert len(answering) == len({(one["source"], one["label"]) for one in answering}) == 5


def test_datasets_are_narrowed_by_what_they_are_and_how_they_stand(any_site):
    any_site.catalog.store.apply(
        [product("bank", team="team-bank"), dataset("bank/loans", access="restricted", personal="special_category")]
    )

    def names(query: str) -> list[str]:
        return [one["name"] for one in told(any_site, f"/datasets?{query}")["items"]]

    assert names("team=team-bank") == ["bank/loans"]
    assert names("access=restricted&personal=special_category") == ["bank/loans"]
    assert names("product=shop&quality=failing") == ["shop/sales", "shop/stock"]
    assert names("freshness=fresh") == ["shop/sales"]
    assert names("freshness=never") == ["bank/loans"]
    assert names("freshness=none") == ["shop/stock"]
    assert names("team=nobody") == []
    any_site.catalog.store.clock = lambda: at(500)  # nobody has written down yet that it is late
    assert names("freshness=late") == ["shop/sales"]
    assert names("freshness=fresh") == []
    assert told(any_site, "/datasets?freshness=late")["items"][0]["state"]["freshness"] == "late"


def test_search_narrows_by_facets_and_counts_them(any_site):
    found = told(any_site, "/search?q=id&kind=column")
    assert {one["kind"] for one in found["items"]} == {"column"}
    kinds = {one["value"]: one["chosen"] for one in found["facets"]["kind"]}
    assert kinds["column"] is True
    assert kinds["dataset"] is False
    assert found["items"][0]["matched"]
    assert told(any_site, "/search?q=saless")["did_you_mean"] == "sales"


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/datasets/shop/sales", "dataset:shop/sales"),
        ("/datasets/shop/sales.ttl", "dataset:shop/sales"),
        ("/datasets/shop/sales/lineage?up=2", "dataset:shop/sales"),
        ("/datasets/shop/sales/columns/amount", "column:shop/sales/amount"),
        ("/products/shop", "product:shop"),
        ("/concepts/shop/amount", "concept:shop/amount"),
        ("/teams/team-shop", "team:team-shop"),
        ("/entries/old", "entry:old"),
    ],
)
def test_the_address_of_a_page_finds_what_the_page_shows(site, path, first):
    site.write("PUT", f"{API}/index", OLD, "register:shop")
    found = told(site, "/search?q=" + quote(site.catalog.base_url + path, safe=""))
    assert [(one["id"], one["stage"]) for one in found["items"][:1]] == [(first, 1)]


def test_the_feed_is_followed_without_gaps(any_site):
    feed = told(any_site, "/changes")
    assert [one["seq"] for one in feed["items"]] == sorted(one["seq"] for one in feed["items"])
    assert told(any_site, f"/changes?after={feed['next']}") == {"items": [], "next": feed["next"]}
    any_site.catalog.store.apply([dataset("shop/sales", 10, title="Salg")])
    news = told(any_site, f"/changes?after={feed['next']}")
    assert [(one["subject"], one["change"], one["body"]) for one in news["items"]] == [
        ("dataset:shop/sales", "described", {"fields": ["title"]})
    ]
    assert all(one["subject"] == "dataset:shop/stock" for one in told(any_site, "/changes?subject=dataset:shop/stock")["items"])


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/products/nothing", 404, "no product 'nothing'"),
        ("/datasets/shop/nothing", 404, "no dataset 'shop/nothing'"),
        ("/datasets/shop/nothing/versions", 404, "no dataset 'shop/nothing'"),
        ("/datasets/shop/nothing/checks", 404, "no dataset 'shop/nothing'"),
        ("/datasets/shop/nothing/schema", 404, "no dataset 'shop/nothing'"),
        ("/datasets/shop/nothing/lineage", 404, "no dataset 'shop/nothing'"),
        ("/datasets/shop/sales/columns/nothing", 404, "no column 'nothing' of 'shop/sales'"),
        ("/datasets/shop/sales/versions/2026-11-01/99", 404, "no version 99 of partition '2026-11-01' of 'shop/sales'"),
        ("/datasets/shop/sales/versions/2026-11-01/99999999999999999999", 404, "no version 9"),
        ("/teams/nobody", 404, "no team 'nobody'"),
        ("/concepts/shop/nothing", 404, "no concept 'nothing' of 'shop'"),
        ("/entries/nothing", 404, "no entry 'nothing'"),
        ("/index/nothing", 404, "no entry 'nothing'"),
        ("/nodes/dataset:no/thing", 404, "no node 'dataset:no/thing'"),
        ("/products/shop?as_of=2026-10-01", 404, "no product 'shop' as of 2026-10-01"),
        ("/datasets/shop/sales/lineage?column=nothing", 404, "no column 'nothing' of 'shop/sales'"),
        ("/nowhere", 404, None),
        ("/products?limit=101", 400, "limit"),
        ("/products?limit=0", 400, "limit"),
        ("/products?limit=many", 400, "limit"),
        ("/products?cursor=x", 400, "cursor"),
        ("/datasets?cursor=W10", 400, "cursor"),
        ("/datasets?freshness=old", 400, "freshness"),
        ("/datasets/shop/sales?as_of=yesterday", 400, "as_of"),
        ("/datasets/shop/sales?as_of=2026-13-40", 400, "as_of"),
        ("/datasets/shop/sales?as_of=0001-01-01T00:00%2B14:00", 400, "as_of"),
        ("/datasets/shop/sales/lineage?up=99", 400, "up"),
        ("/datasets?access=opne", 400, "access is 'opne'; it is one of open, "),
        ("/datasets?personal=some", 400, "personal is 'some'; it is one of none, "),
        ("/nodes", 400, "kind"),
        ("/nodes?kind=thing", 400, "kind"),
        ("/nodes/dataset:shop/sales/edges?direction=sideways", 400, "direction"),
        ("/search?sort=luck", 400, "sort"),
        ("/search?cursor=x", 400, "cursor"),
        ("/changes?after=-1", 400, "after"),
        ("/newest", 400, "location"),
        ("/remarks", 400, "subject"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong_with_it(site, path, status, says):
    answer = site.get(API + path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert problem["instance"].startswith("urn:request:")
    if says:
        assert says in problem["detail"]


def test_a_cursor_of_another_question_is_refused(any_site):
    any_site.catalog.store.apply([product("bank"), dataset("bank/loans")])
    cursor = told(any_site, "/datasets?limit=1")["next"]
    assert any_site.get(f"{API}/datasets?limit=1&product=shop&cursor={cursor}").status == 400


@pytest.mark.parametrize("name", [one for one in READABLE if one != "openapi"])
def test_no_answer_takes_more_than_four_questions_of_the_database(any_site, name):
    any_site.write("PUT", f"{API}/index", OLD, "register:shop")
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lower().startswith(("begin", "set ", "savepoint", "rollback")):
            asked.append(statement)

    engine = any_site.catalog.database._reading
    sa.event.listen(engine, "before_cursor_execute", note)
    for suffix in ("", "&as_of=2026-11-02" if "?" in READABLE[name] else "?as_of=2026-11-02T11:00:00Z"):
        asked.clear()
        assert any_site.get(API + READABLE[name] + suffix).status in (200, 404)
        assert len(asked) <= 4, asked


def test_an_answer_that_is_held_already_is_not_sent_again(site):
    for path in READABLE.values():
        if "old" in path:
            continue
        first = site.get(API + path)
        tag = first.headers["etag"]
        assert not tag.startswith("W/")
        again = site.get(API + path, if_none_match=f'"other", {tag}')
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag), path
    before = site.get(f"{API}/datasets/shop/sales").headers["etag"]
    site.catalog.store.apply([dataset("shop/sales", 10, title="Salg")])
    assert site.get(f"{API}/datasets/shop/sales", if_none_match=before).status == 200


def test_head_says_what_get_would_and_nothing_more(site):
    for path in ("/api/v1/datasets/shop/sales", "/datasets/shop/sales.ttl", "/catalog.ttl", "/nowhere", "/static/drawing.css"):
        got, headed = site.get(path), site.ask("HEAD", path)
        assert (headed.status, headed.body) == (got.status, b"")
        assert headed.headers["content-length"] == str(len(got.body))
        assert headed.headers["content-type"] == got.headers["content-type"]


def test_a_method_that_is_not_there_is_told_which_are(site):
    answer = site.ask("POST", f"{API}/products")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert site.ask("PATCH", f"{API}/index/x").headers["allow"] == "DELETE, GET, HEAD"
    assert site.ask("BREW", f"{API}/tags").headers["allow"] == "DELETE, PUT"


# Personal data


def test_values_of_personal_columns_are_shown_nowhere_even_where_they_were_sent(site):
    planted = "17097212384"  # a made-up national identity number
    figures = (
        ColumnFigures(name="customer", nulls=3, distinct=5, smallest=planted, largest=planted, frequent=((planted, 4),)),
        ColumnFigures(name="unknown_column", nulls=0, smallest=planted),
    )
    site.catalog.store.apply([delivery("shop/sales", "2026-11-03", 1, 29, profile=figures)])
    paths = [API + path for name, path in READABLE.items() if name not in ("entry", "registered")]
    paths += [f"{API}/datasets/shop/sales/versions/2026-11-03/1", f"{API}/datasets/shop/sales/columns/customer"]
    paths += [f"/datasets/shop/sales{form}" for form in (".json", ".jsonld", ".ttl", "/croissant.json", "/datapackage.json")]
    paths += ["/products/shop.jsonld", "/catalog.ttl", "/catalog.jsonld", "/feed.atom", "/datasets/shop/sales/columns/customer.json"]
    for path in paths:
        answer = site.get(path)
        assert answer.status == 200, path
        assert planted not in answer.text, path
    shown = told(site, "/datasets/shop/sales/columns/customer")["figures"]
    assert (shown["nulls"], shown["smallest"], shown["frequent"]) == (3, None, [])


def test_pages_say_what_is_a_pseudonym_and_why_something_is_nobodys(site):
    columns = (
        column("id", not_personal="A running number."),
        column("person", "String", personal="possibly_identifying", pseudonym="person"),
    )
    site.catalog.store.apply([dataset("shop/visits", 1, columns=columns, personal="none", personal_reason="The shop sells toys.")])

    def page(path: str, language: str) -> str:
        return site.get(f"/datasets/shop/visits{path}?lang={language}", **BROWSER).text

    assert '<span class="tagged">Pseudonym</span>' in page("", "en")
    assert "The shop sells toys." in page("", "en")
    assert "Can be joined with other pseudonyms of the group person" in page("/columns/person", "en")
    assert "Kan kobles med andre pseudonymer i gruppen person" in page("/columns/person", "nb")
    assert "A running number." in page("/columns/id", "en")


# OpenAPI


def test_the_document_names_every_route_and_nothing_else(site):
    described = {(path, method.upper()) for path, methods in told(site, "/openapi.json")["paths"].items() for method in methods}
    served = set()
    for route in site.app.routes:
        assert isinstance(route, Route)
        if route.path.startswith("/api/"):
            path = "".join(part.split(":")[0] + "}" if ":" in part else part + "}" for part in route.path.split("}"))[:-1]
            served |= {(path, method) for method in route.methods - {"HEAD"}}
    assert described == served
    assert {READABLE[name] for name in READABLE} == {READABLE[one.name] for one in _operations() if one.method == "GET"}


def _operations() -> Any:
    from dataproducts.catalog.web.api import OPERATIONS

    return OPERATIONS


def test_the_document_is_valid_openapi(site):
    document = told(site, "/openapi.json")
    assert document["openapi"] == "3.1.0"
    validate_openapi(document)


def test_every_answer_is_as_the_document_says(site):
    site.write("PUT", f"{API}/index", OLD, "register:shop")
    site.catalog.store.apply([dataset("shop/sales", 10, columns=(column("id"), column("amount", "Decimal(20,2)")), version="2.0.0")])
    document = told(site, "/openapi.json")
    for name, path in READABLE.items():
        if name == "openapi":
            continue
        operation = next(m for methods in document["paths"].values() for m in methods.values() if m["operationId"] == name)
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        faults = list(Draft202012Validator({**schema, "components": document["components"]}).iter_errors(told(site, path)))
        assert not faults, (name, faults[0])


# Publishing


def batch(*messages: Any) -> dict[str, Any]:
    return {"messages": [json.loads(m.model_dump_json()) for m in messages]}


def test_messages_are_taken_in_once_with_a_receipt_for_each(new_site, store):
    site = new_site(store)
    sent = batch(product("shop"), dataset("shop/sales"), delivery("shop/sales"))
    first = site.write("POST", f"{API}/messages", sent, f"publish:{LOCATION}")
    assert [one["status"] for one in first.json()["receipts"]] == ["stored"] * 3
    again = site.write("POST", f"{API}/messages", sent, f"publish:{LOCATION}")
    assert [one["status"] for one in again.json()["receipts"]] == ["already"] * 3
    assert [one["key"] for one in again.json()["receipts"]] == [
        m.key for m in (product("shop"), dataset("shop/sales"), delivery("shop/sales"))
    ]
    assert told(site, "/search?q=sales&kind=dataset")["total"] == 1


def count(site: Any) -> list[int]:
    with site.catalog.database.reading() as connection:
        return [connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (t.inbox, t.definition, t.feed)]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda b: b["messages"][1].pop("subject"), "/messages/1/definition/subject"),
        (lambda b: b["messages"][1].update(more=1), "/messages/1/definition/more"),
        (lambda b: b["messages"][1]["dataset"]["contract"].update(columns=[]), "/messages/1/definition/dataset/contract/columns"),
        (lambda b: b["messages"][1].update(observed_at="2026-11-01T00:00:00"), "/messages/1/definition/observed_at"),
        (lambda b: b["messages"][1].update(subject="product:shop"), "/messages/1/definition"),
        (lambda b: b["messages"][1].update(type="thing"), "/messages/1"),
        (lambda b: b["messages"].__setitem__(1, 7), "/messages/1"),
    ],
)
def test_one_malformed_message_keeps_all_of_a_batch_out_and_is_named(site, change, pointer):
    before = count(site)
    sent = batch(product("bank"), dataset("bank/loans"))
    change(sent)
    answer = site.write("POST", f"{API}/messages", sent, f"publish:{LOCATION}")
    assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json")
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert count(site) == before


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"messages":{}}', b'{"messages":[],"more":1}', b"nan", b'{"messages":[NaN]}', b"\xff", b"9" * 5000]
)
def test_a_body_that_is_no_batch_is_refused(site, body):
    answer = site.write("POST", f"{API}/messages", body, f"publish:{LOCATION}", **{"content-type": "application/json"})
    assert answer.status in (400, 422)
    assert answer.json()["detail"]


def test_one_location_cannot_speak_for_another(site):
    theirs = batch(product("bank", location="bank-location"), dataset("bank/loans", location="bank-location"))
    refused = site.write("POST", f"{API}/messages", theirs, f"publish:{LOCATION}").json()["receipts"]
    assert {one["status"] for one in refused} == {"refused"}
    assert "shop-location" in refused[0]["problem"]
    taken = site.write("POST", f"{API}/messages", theirs, "publish:bank-location").json()["receipts"]
    assert {one["status"] for one in taken} == {"stored"}
    over = site.write(
        "POST", f"{API}/messages", batch(dataset("shop/sales", 20, location="bank-location", title="Mine")), "publish:bank-location"
    )
    assert [one["status"] for one in over.json()["receipts"]] == ["refused"]
    assert told(site, "/datasets/shop/sales")["body"]["title"] == "Sales"
    both = site.write(
        "POST",
        f"{API}/messages",
        batch(dataset("bank/loans", 3, location="bank-location"), dataset("shop/new")),
        f"publish:{LOCATION}",
        name="both",
    )
    assert [one["status"] for one in both.json()["receipts"]] == ["refused", "stored"]


# What people add


def test_people_remark_rate_and_tag_by_the_name_of_their_token(any_site):
    about = {"subject": "dataset:shop/sales"}
    kari = any_site.token("remark:kari")
    asked = any_site.ask("POST", f"{API}/remarks", body={**about, "kind": "question", "text": "Hva er **amount**?"}, headers=kari)
    assert (asked.status, asked.json()["author"], asked.json()["html"]) == (201, "kari", "<p>Hva er <strong>amount</strong>?</p>\n")
    answered = any_site.write(
        "POST", f"{API}/remarks", {**about, "kind": "answer", "text": "Kroner.", "parent": asked.json()["id"]}, "remark:ola"
    )
    assert answered.status == 201
    assert any_site.ask("PUT", f"{API}/ratings", body={**about, "stars": 4}, headers=kari).status == 204
    assert any_site.ask("PUT", f"{API}/tags", body={**about, "tag": "Godt  Kjent"}, headers=kari).json()["tag"] == "godt kjent"
    voices = told(any_site, "/remarks?subject=dataset:shop/sales")
    assert {(one["author"], one["kind"]) for one in voices["remarks"]} == {("kari", "question"), ("ola", "answer")}
    assert (voices["stars"], voices["ratings"], voices["tags"]) == (4.0, 1, ["godt kjent"])
    assert told(any_site, "/search?q=%22godt+kjent%22")["items"][0]["id"] == "dataset:shop/sales"
    own = f"{API}/remarks/{asked.json()['id']}"
    assert any_site.write("DELETE", own, None, "remark:ola").status == 400
    assert any_site.ask("DELETE", own, headers=kari).status == 204
    assert any_site.ask("DELETE", own, headers=kari).status == 404
    assert any_site.ask("DELETE", f"{API}/tags?subject=dataset:shop/sales&tag=godt+kjent", headers=kari).status == 204
    assert told(any_site, "/remarks?subject=dataset:shop/sales")["tags"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/remarks", {"subject": "dataset:shop/nothing", "text": "x"}, 404),
        ("POST", "/remarks", {"subject": "dataset:shop/sales", "text": "  "}, 400),
        ("POST", "/remarks", {"subject": "dataset:shop/sales", "text": "x" * 20_001}, 422),
        ("POST", "/remarks", {"subject": "dataset:shop/sales", "text": "x", "kind": "answer"}, 400),
        ("POST", "/remarks", {"subject": "dataset:shop/sales", "text": "x", "author": "somebody else"}, 422),
        ("POST", "/remarks", {"subject": "dataset:shop/sales", "text": "bell\x07"}, 400),
        ("PUT", "/ratings", {"subject": "dataset:shop/sales", "stars": 6}, 422),
        ("PUT", "/ratings", {"subject": "dataset:shop/sales", "stars": "5"}, 422),
        ("PUT", "/tags", {"subject": "dataset:shop/sales", "tag": "<b>"}, 400),
        ("PUT", "/tags", [], 422),
    ],
)
def test_what_people_may_not_add_is_refused_and_not_kept(site, method, path, body, status):
    before = count(site)
    assert site.write(method, API + path, body, "remark:kari").status == status
    assert count(site) == before
