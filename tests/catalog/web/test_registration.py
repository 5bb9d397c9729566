""" "Register metadata": the contract's fields and defaults, one holder of each name, and entries that are found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.catalog.messages import at, dataset, product

INDEX = "/api/v1/index"
LEAST = {"name": "sykefravar", "type": "tabell", "uri": "https://example.com/tabeller/sykefravar"}


def put(site: Any, body: Any, namespace: str = "stat", **headers: str) -> Any:
    return site.write("PUT", INDEX, body, f"register:{namespace}", **headers)


def test_three_fields_are_enough_and_the_rest_is_as_the_contract_says(any_site):
    answer = put(any_site, LEAST)
    assert (answer.status, answer.headers["location"]) == (201, "/api/v1/index/sykefravar")
    assert answer.json() == {
        **LEAST,
        "accessRights": "internal",
        "pii": False,
        "title": "sykefravar",
        "keyword": [],
        "theme": [],
        "temporal": {"from": "2026", "to": "2026"},
        "language": "NO",
        "publisher": {"name": "NAV"},
        "rights": "Copyright 2026, NAV",
        "provenance": "NAV",
        "issued": at(30).isoformat(),
        "modified": at(30).isoformat(),
        "datasets": [],
    }
    assert any_site.get(f"{INDEX}/sykefravar").json() == answer.json()


def test_an_entry_is_found_by_all_it_says_and_stands_in_the_feed_and_the_graph(any_site):
    tables = [{"gcpProject": "prosjekt", "dataset": "fravar", "table": "kvartal", "sources": ["shop/sales", "DVH.SYK"]}]
    put(
        any_site,
        {**LEAST, "team": "team-stat", "keyword": "legemeldt", "theme": ["HEAL"], "description": "Tapte *dagsverk*", "datasets": tables},
    )
    for text in ("sykefravar", "legemeldt", "dagsverk", "prosjekt.fravar.kvartal", LEAST["uri"]):
        hits = any_site.ask("GET", f"/api/v1/search?q={text.replace(':', '%3A')}").json()["items"]
        assert [hit["id"] for hit in hits] == ["entry:sykefravar"], text
    assert any_site.get("/api/v1/search?team=team-stat").json()["items"][0]["href"] == "/entries/sykefravar"
    shown = any_site.get("/api/v1/entries/sykefravar").json()
    assert {(one["id"], one["direction"]) for one in shown["neighbors"]} == {
        ("dataset:shop/sales", "up"),
        ("source:sykefravar/DVH.SYK", "up"),
    }
    assert any_site.get("/api/v1/nodes/entry:sykefravar/edges?label=owned_by").json()["items"][0]["target"] == "team:team-stat"
    assert [one["change"] for one in any_site.get("/api/v1/changes?subject=entry:sykefravar").json()["items"]] == ["declared"]
    any_site.write("PUT", "/api/v1/ratings", {"subject": "entry:sykefravar", "stars": 5}, "remark:kari")
    assert any_site.get("/api/v1/entries/sykefravar").json()["voices"]["stars"] == 5


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"keyword": "a"}, {"keyword": ["a"]}),
        ({"keyword": ["a", "b"]}, {"keyword": ["a", "b"]}),
        ({"theme": "HEAL"}, {"theme": ["HEAL"]}),
        ({"pii": "true"}, {"pii": True}),
        ({"pii": "false"}, {"pii": False}),
        ({"temporal": "2019/2020"}, {"temporal": {"from": "2019", "to": "2020"}}),
        ({"temporal": "2019-01-01/"}, {"temporal": {"from": "2019-01-01"}}),
        ({"temporal": {"from": "2019", "to": "2020"}}, {"temporal": {"from": "2019", "to": "2020"}}),
        (
            {"contactPoint": [{"name": "Stat", "email": "stat@example.com"}]},
            {"contactPoint": {"name": "Stat", "email": "stat@example.com"}},
        ),
        ({"contactPoint": {"name": "Stat"}}, {"contactPoint": {"name": "Stat"}}),
        ({"issued": "2020-01-01"}, {"issued": "2020-01-01T00:00:00+00:00"}),
        ({"modified": "2020-01-01T12:00:00+02:00"}, {"modified": "2020-01-01T10:00:00+00:00"}),
        (
            {"license": {"name": "NLOD", "uri": "https://data.norge.no/nlod"}},
            {"license": {"name": "NLOD", "uri": "https://data.norge.no/nlod"}},
        ),
    ],
)
def test_both_spellings_are_read_and_one_is_kept(site, given, kept):
    body = put(site, {**LEAST, **given}).json()
    assert {name: body[name] for name in kept} == kept


def test_id_and_format_are_read_as_name_and_type(site):
    answer = put(site, {"id": "sykefravar", "format": "parquet", "uri": "https://example.com"})
    assert (answer.status, answer.json()["name"], answer.json()["type"]) == (201, "sykefravar", "parquet")
    assert put(site, {"id": "other", **LEAST}).status == 422


@pytest.mark.parametrize("missing", ["name", "type", "uri"])
def test_what_is_required_and_missing_is_named(site, missing):
    answer = put(site, {name: value for name, value in LEAST.items() if name != missing})
    assert (answer.status, answer.json()["errors"]) == (422, [{"pointer": f"/{missing}", "detail": "is missing"}])


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"beskrivelse": "x"}, "/beskrivelse"),
        ({"access_rights": "open"}, "/access_rights"),
        ({"accessRights": "public"}, "/accessRights"),
        ({"pii": "perhaps"}, "/pii"),
        ({"name": "../etc"}, "/name"),
        ({"name": "a//b"}, "/name"),
        ({"name": "<script>"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": ""}, "/name"),
        ({"type": "a b"}, "/type"),
        ({"repo": "javascript:alert(1)"}, "/repo"),
        ({"license": {"uri": "data:text/html,x"}}, "/license/uri"),
        ({"license": {"navn": "x"}}, "/license/navn"),
        ({"language": "norsk"}, "/language"),
        ({"contactPoint": {"email": "nobody"}}, "/contactPoint/email"),
        ({"datasets": [{"tabell": "x"}]}, "/datasets/0/tabell"),
        ({"temporal": {"fra": "2019"}}, "/temporal/fra"),
        ({"modified": "yesterday"}, "/modified"),
    ],
)
def test_a_field_that_is_unknown_or_wrong_is_named_and_nothing_is_kept(site, wrong, pointer):
    answer = put(site, {**LEAST, **wrong})
    assert answer.status == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert site.get(f"{INDEX}/sykefravar").status == 404
    assert site.get("/api/v1/changes?subject=entry:sykefravar").json()["items"] == []


def test_a_name_has_one_holder(any_site):
    assert put(any_site, LEAST).status == 201
    clash = put(any_site, LEAST, "others")
    assert (clash.status, clash.headers["content-type"]) == (409, "application/problem+json")
    assert "'stat'" in clash.json()["detail"]
    assert any_site.write("DELETE", f"{INDEX}/sykefravar", None, "register:others").status == 409
    for taken in ("shop", "shop/sales"):
        refused = put(any_site, {**LEAST, "name": taken})
        assert refused.status == 409
        assert "code location" in refused.json()["detail"]
    assert put(any_site, {**LEAST, "description": "Ours."}).status == 200


def test_registering_the_same_again_changes_nothing(any_site):
    first = put(any_site, LEAST)
    any_site.catalog.store.clock = lambda: at(60)
    again = put(any_site, LEAST)
    assert (again.status, again.json(), again.headers["etag"]) == (200, first.json(), first.headers["etag"])
    changed = put(any_site, {**LEAST, "title": "Sykefravær"})
    assert changed.json()["issued"] == first.json()["issued"]
    assert changed.json()["modified"] == at(60).isoformat()
    assert [one["change"] for one in any_site.get("/api/v1/changes?subject=entry:sykefravar").json()["items"]] == ["declared", "described"]


def test_an_entry_that_is_taken_out_is_gone_but_not_forgotten(any_site):
    put(any_site, LEAST)
    any_site.catalog.store.clock = lambda: at(60)
    assert any_site.write("DELETE", f"{INDEX}/sykefravar", None, "register:stat").status == 204
    for path in (f"{INDEX}/sykefravar", "/api/v1/entries/sykefravar", "/api/v1/nodes/entry:sykefravar"):
        assert any_site.get(path).status == 404
    assert any_site.get("/api/v1/search?q=sykefravar").json()["total"] == 0
    assert any_site.get("/api/v1/entries/sykefravar?as_of=2026-11-02T18:00:00Z").json()["body"]["title"] == "sykefravar"
    assert any_site.write("DELETE", f"{INDEX}/sykefravar", None, "register:stat").status == 404
    any_site.catalog.store.clock = lambda: at(90)
    assert put(any_site, LEAST, "others").status == 201


def test_a_clock_that_is_set_back_does_not_bring_the_past_back(site):
    put(site, LEAST)
    site.catalog.store.clock = lambda: at(10)
    assert put(site, {**LEAST, "title": "Newer"}).json()["title"] == "Newer"
    assert site.get(f"{INDEX}/sykefravar").json()["title"] == "Newer"
    assert site.get("/api/v1/search?q=newer").json()["total"] == 1


def test_an_edit_of_what_somebody_else_has_changed_is_refused(any_site):
    tag = put(any_site, LEAST).headers["etag"]
    assert any_site.get(f"{INDEX}/sykefravar").headers["etag"] == tag
    newer = put(any_site, {**LEAST, "title": "First"}, if_match=tag)
    assert newer.status == 200
    late = put(any_site, {**LEAST, "title": "Second"}, if_match=tag)
    assert (late.status, late.headers["content-type"]) == (412, "application/problem+json")
    assert any_site.get(f"{INDEX}/sykefravar").json()["title"] == "First"
    assert any_site.write("DELETE", f"{INDEX}/sykefravar", None, "register:stat", **{"if-match": tag}).status == 412
    assert put(any_site, {**LEAST, "name": "new"}, if_match="*").status == 412
    assert put(any_site, LEAST, **{"if-none-match": "*"}).status == 412
    assert put(any_site, {**LEAST, "title": "Third"}, **{"if-match": f'"x", {newer.headers["etag"]}'}).status == 200


def test_a_code_location_may_come_later_with_the_name_of_an_entry(site):
    put(site, {**LEAST, "name": "bank"})
    site.catalog.store.apply([product("bank", 31), dataset("bank/loans", 31)])
    assert site.get("/api/v1/products/bank").status == 200
    assert put(site, {**LEAST, "name": "bank", "title": "x"}).status == 200  # still theirs to change, or to take out
    assert site.write("DELETE", f"{INDEX}/bank", None, "register:stat").status == 204
    assert put(site, {**LEAST, "name": "bank"}).status == 409


def test_names_with_slashes_spaces_and_norwegian_letters_have_addresses(site):
    for name in ("stat/syke fravær", "Tabell.X", "a:b+c"):
        answer = put(site, {**LEAST, "name": name})
        assert answer.status == 201, answer.text
        assert site.get(answer.headers["location"]).json()["name"] == name
        assert site.get(f"/entries/{answer.headers['location'].removeprefix('/api/v1/index/')}", accept="application/json").status == 200
