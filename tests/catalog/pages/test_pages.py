"""What every page keeps: structure, languages, links that lead somewhere, few queries, no script or style within."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from dataproducts.catalog.search.index import SearchPage
from dataproducts.catalog.web import results
from dataproducts.catalog.web.catalog import BASE_URL, Catalog
from dataproducts.catalog.web.words import Speech
from tests.catalog.pages import sample, tree

each_page = pytest.mark.parametrize("address", sample.PAGES.values(), ids=list(sample.PAGES))
LANDMARKS = ("header", "main", "footer")


@each_page
def test_a_page_has_one_heading_of_the_first_level_and_skips_none(show: Any, address: str) -> None:
    page = tree.read(show(address))
    levels = [int(one.tag[1]) for one in page.all() if re.fullmatch(r"h[1-6]", one.tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)), levels
    assert all(one.words for one in page.all("h1"))


@each_page
def test_a_page_has_landmarks_a_way_past_the_menu_and_a_name(show: Any, address: str) -> None:
    page = tree.read(show(address))
    for name in LANDMARKS:
        assert sum(one.tag == name for one in page.all()) == 1, name
    first = next(one for one in next(page.all("body")).all("a"))
    assert first.get("href") == "#content"
    assert next(page.all("main")).get("id") == "content"
    assert re.search("[ck]atalog", next(page.all("title")).words.lower())
    names = [one.get("aria-label") for one in page.all("nav")]
    assert all(names)
    assert len(set(names)) == len(names)


@each_page
def test_ids_are_there_once_and_whatever_refers_to_one_finds_it(show: Any, address: str) -> None:
    page = tree.read(show(address))
    ids = Counter(one.get("id") for one in page.all() if one.get("id"))
    assert [name for name, many in ids.items() if many > 1] == []
    for one in page.all():
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            for target in one.get(name).split():
                assert target in ids, f"{name}={target}"
        if one.tag == "a" and one.get("href").startswith("#"):
            assert one.get("href")[1:] in ids


@each_page
def test_every_field_has_a_label_every_table_a_caption_and_every_link_a_name(show: Any, address: str) -> None:
    page = tree.read(show(address))
    labeled = {one.get("for") for one in page.all("label")}
    inside = {id(one) for label in page.all("label") for one in label.all()}
    for field in [one for tag in ("input", "select", "textarea") for one in page.all(tag)]:
        assert field.get("type") == "hidden" or field.get("id") in labeled or id(field) in inside, field.attributes
    for table in page.all("table"):
        if any(one.tag == "caption" for one in table.all()):
            assert all(head.get("scope") in ("col", "row") for head in table.all("th"))
        else:  # of a producer's markdown
            assert "prose" in show(address)
    for link in [*page.all("a"), *page.all("button")]:
        assert link.words or link.get("aria-label"), link.attributes


@each_page
def test_no_script_or_style_stands_in_a_page(show: Any, address: str) -> None:
    page = tree.read(show(address))
    for one in page.all():
        assert one.tag != "style"
        assert not [name for name in one.attributes if name.startswith("on") or name in ("style", "srcdoc", "formaction")], one.attributes
        if one.tag == "script":
            assert one.get("src").startswith("/static/") or one.get("type") == "application/ld+json"
        for name in ("src", "href", "action"):
            scheme = urlsplit(one.get(name)).scheme
            assert scheme in ("", "http", "https", "mailto")
        if one.get("src") or (one.tag == "link" and "stylesheet" in one.get("rel")):
            within = ("/static/", "/products/") if one.tag == "img" else ("/static/",)  # the pictures that examples showed
            assert (one.get("src") or one.get("href")).startswith(within), "comes from elsewhere"


@pytest.mark.parametrize("then", ["", "2026-11-15", "2026-11-01T12:00:00Z"], ids=["now", "at a day", "at a moment"])
@pytest.mark.parametrize("address", [*sample.PAGES.values(), "/suggest?q=still", "/suggest?q=stiling"])
def test_a_page_is_read_with_at_most_four_queries(client: TestClient, sample_catalog: Catalog, address: str, then: str) -> None:
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lower().startswith(("pragma", "begin", "set ")):
            asked.append(statement)

    if then and "as_of" not in address:
        address += f"{'&' if '?' in address else '?'}as_of={then}"
    engine = sample_catalog.database._reading
    event.listen(engine, "before_cursor_execute", note)
    try:
        client.get(address)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(asked) <= 4, "\n".join(asked)


def test_every_link_of_every_page_leads_to_a_page(client: TestClient) -> None:
    seen: set[str] = set()
    waiting = list(sample.PAGES.values())
    broken = []
    kinds: Counter[str] = Counter()
    while waiting and len(seen) < 400:
        address = waiting.pop(0)
        kind = re.sub(r"=[^&]*|(?<=versions/)[^/]+/\d+|(?<=columns/)[^?]+", "=", address)
        if address in seen or kinds[kind] >= 3:
            continue
        seen.add(address)
        kinds[kind] += 1
        response = client.get(address)
        if response.status_code != 200 and "finnes_ikke" not in address:
            broken.append((response.status_code, address))
            continue
        for link in tree.read(response.text).all("a"):
            href = link.get("href").split("#")[0]
            if href.startswith("/") and not re.search(r"\.(json|jsonld|ttl|atom|xml)(\?|$)", href) and not href.startswith("/api/"):
                waiting.append(href)
    assert broken == []
    assert len(seen) > 120


@each_page
def test_the_interface_is_in_the_language_asked_for(show: Any, address: str) -> None:
    joined = address + ("&" if "?" in address else "?")
    if "lang=" in address:
        return
    norwegian, english = tree.read(show(address)), tree.read(show(joined + "lang=en"))
    assert next(norwegian.all("html")).get("lang") == "nb"
    assert next(english.all("html")).get("lang") == "en"
    assert "Hopp til innholdet" in norwegian.text
    assert "Skip to content" in english.text
    assert all(
        "lang=en" in one.get("href")
        for one in next(english.all("header")).all("a")
        if one.get("href").startswith("/") and one.get("lang") != "nb"
    )


def test_the_browser_chooses_the_language_where_the_address_does_not(show: Any) -> None:
    assert '<html lang="en">' in show("/", **{"accept-language": "en-GB,en;q=0.9,nb;q=0.5"})
    assert '<html lang="nb">' in show("/", **{"accept-language": "nn,en;q=0.5"})
    assert '<html lang="en">' in show("/", **{"accept-language": "fr"})


def test_texts_in_another_language_than_the_page_say_so(show: Any) -> None:
    page = tree.read(show("/datasets/enhetsregisteret/enheter?lang=en"))
    marked = [one.words for one in page.all() if one.get("lang") == "nb"]
    assert any("Alle hovedenheter" in text for text in marked)
    assert any("Enhetens fulle navn" in text for text in marked)
    norwegian = tree.read(show("/datasets/enhetsregisteret/enheter"))
    assert not [one for one in norwegian.all() if one.get("lang") == "en" and one.tag != "a"]


def test_the_past_is_announced_kept_in_links_and_left_by_one(show: Any) -> None:
    page = tree.read(show("/datasets/enhetsregisteret/enheter?as_of=2026-11-01"))
    banner = next(one for one in page.all("aside") if one.get("class") == "banner")
    assert "1.\u00a0november 2026" in banner.text
    assert next(banner.all("a")).get("href") == "/datasets/enhetsregisteret/enheter"
    own = [one.get("href") for one in next(page.all("main")).all("a") if one.get("href").startswith("/")]
    assert own
    assert all("as_of=2026-11-01" in href for href in own), [h for h in own if "as_of" not in h]
    assert "Sist levert 1. november 2026" in next(page.all("main")).words.replace("\u00a0", " ")
    assert next(one for one in page.all("input") if one.get("name") == "as_of").get("value") == "2026-11-01"
    assert not [one for one in page.all("form") if one.get("method") == "post"], "nothing is written in the past"


def test_versions_of_the_past_fill_their_pages(show: Any) -> None:
    html = show("/datasets/enhetsregisteret/enheter/versions?as_of=2026-10-05")
    assert ">2026-10-05</a>" in html
    assert ">2026-10-06</a>" not in html


def test_before_it_was_declared_a_dataset_is_not_there(client: TestClient) -> None:
    assert client.get("/datasets/enhetsregisteret/enheter?as_of=2026-01-01").status_code == 404
    assert client.get("/datasets/enhetsregisteret/enheter?as_of=yesterday").status_code == 400
    assert "<h1>" in client.get("/datasets/enhetsregisteret/enheter?as_of=yesterday").text


def test_a_dataset_says_what_it_is_whether_to_trust_it_and_how_to_get_it(show: Any) -> None:
    words = next(tree.read(show("/datasets/enhetsregisteret/enheter")).all("main")).words.replace("\u00a0", " ").replace("\u202f", " ")
    for told in (
        "Enheter", "den dagen", "2.0.0", "10 kolonner", "Fersk", "i dag kl. 06:", "CET", "Lovet minst hver 30 timer", "3 av 3 bestått",
        "Identifiserer personer", "enkeltpersonforetak bærer eierens navn", 'dataproducts.read("enhetsregisteret/enheter")',
        "FROM `eksempel-prod.enhetsregisteret.enheter`", "pl.read_parquet", "Be om tilgang", "alle-ansatte", "antall_ansatte",
        "5 – 20 612", "verdier vises ikke", "mangler", "feilet", "Enheter, historikk", "nye_virksomheter.py", "dato for stiftelse",
        "Stiftelse kommer med", "4,7 av 5", "team-register", "Åpne i Dagster",
    ):  # fmt: skip
        assert told in words, told


def test_numbers_and_dates_are_written_as_the_language_writes_them(show: Any) -> None:
    norwegian, english = show("/datasets/enhetsregisteret/enheter"), show("/datasets/enhetsregisteret/enheter?lang=en")
    assert re.search(r"\d\u202f\d{3}\u202f\d{3} rader", norwegian)
    assert re.search(r"\d,\d{3},\d{3} rows", english)
    assert "1.\u00a0juni 2026" in norwegian
    assert "1\u00a0June 2026" in english
    assert re.search(r"today at 06:\d\d\u00a0CET", english)


def test_facets_count_what_choosing_them_would_show(show: Any, client: TestClient) -> None:
    page = tree.read(show("/search?q=&kind=dataset&team=team-register"))
    boxes = {(one.get("name"), one.get("value")): one for one in page.all("input") if one.get("type") == "checkbox"}
    assert "checked" in boxes["kind", "dataset"].attributes
    assert "checked" in boxes["team", "team-register"].attributes
    label = next(one for one in page.all("label") if any(two is boxes["team", "team-stilling"] for two in one.all()))
    count = int(next(one for one in label.all("span") if "count" in one.get("class")).words)
    alone = tree.read(show("/search?kind=dataset&team=team-stilling"))
    status = next(one for one in alone.all() if one.get("role") == "status" and one.get("id") == "count")
    assert status.words.startswith(f"{count} ")


def test_results_go_on_page_by_page_without_losing_or_repeating_one(show: Any) -> None:
    address, found = "/search?q=stillinger", []
    while address:
        page = tree.read(show(address))
        found += [next(one.all("a")).get("href") for one in page.all("h2") if one.words and any(True for _ in one.all("a"))]
        following = [one.get("href") for one in page.all("a") if one.get("rel") == "next"]
        address = following[0] if following else ""
    assert len(found) == len(set(found)) > 20


def test_a_misspelled_search_shows_what_was_meant_and_why_hits_are_hits(show: Any) -> None:
    assert "Stillingsannonser" in show("/search?q=stilingsanonser")
    assert "navnet er nøyaktig dette" in show("/search?q=enheter")
    assert "Ingenting passer" in show("/search?q=qqqzzz")


def test_where_nothing_has_all_the_words_each_can_be_searched_for(show: Any) -> None:
    html = show("/search?q=sykefrav%C3%A6r+kommuner&kind=dataset")
    assert "Søk på ett av ordene:" in html
    assert 'href="/search?q=kommuner&amp;kind=dataset"' in html
    assert "Søk på ett av ordene:" not in show("/search?q=qqqzzz")


def test_lineage_is_a_picture_of_links_and_a_table_that_says_the_same(show: Any) -> None:
    page = tree.read(show("/datasets/stillinger/arbeidsgivere/lineage?up=3&down=2"))
    picture = next(one for one in page.all("svg") if "dp-lineage" in one.get("class"))
    table = next(one for one in page.all("table") if one.get("id") == "lineage-table")
    drawn = {one.get("href") for one in picture.all("a") if "/lineage" not in one.get("href")} - {"/datasets/stillinger/arbeidsgivere"}
    told = {one.get("href") for one in table.all("a")}
    assert drawn == told
    assert "/datasets/enhetsregisteret/enheter" in told
    more = [one.get("href") for one in page.all("a")]
    assert "/datasets/stillinger/arbeidsgivere/lineage?up=4&down=2" in more


def test_where_documents_say_a_port_is_the_page_tells_of_it(show: Any, client: TestClient) -> None:
    address = "/datasets/enhetsregisteret/enheter"
    told = client.get(f"{address}.ttl").text
    named = set(re.findall(rf"dcat:accessURL <{BASE_URL}{address}#([^>]+)>", told))
    assert named == {"port-lake", "port-bigquery"}
    assert named <= set(re.findall(r' id="([^"]+)"', show(address)))


def test_a_port_is_no_user_of_a_dataset(show: Any) -> None:
    used = show("/datasets/enhetsregisteret/enheter").split('<h2 id="used">')[1].split("</section>")[0]
    assert "enhetsregisteret/enheter_historikk" in used
    assert "enhetsregisteret/enheter/bigquery" not in used


def test_json_ld_is_whole_and_names_the_page(show: Any) -> None:
    page = tree.read(show("/datasets/enhetsregisteret/enheter"))
    script = next(one for one in page.all("script") if one.get("type") == "application/ld+json")
    document = json.loads(str(script.children[0]))
    assert document["@type"] == "Dataset"
    assert document["url"] == "http://localhost:8080/datasets/enhetsregisteret/enheter"


def test_a_question_can_be_asked_rated_and_tagged_from_the_page(client: TestClient, show: Any) -> None:
    sent = {"origin": "http://localhost:8080", "sec-fetch-site": "same-origin"}
    subject = "dataset:saksflyt/saker"
    answer = client.post(
        "/remarks", data={"subject": subject, "kind": "question", "text": "Hva er en **sak**?", "author": "Kari"}, headers=sent
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/datasets/saksflyt/saker#talk")
    assert client.post("/ratings", data={"subject": subject, "stars": "4", "author": "Kari"}, headers=sent).status_code == 303
    assert client.post("/tags", data={"subject": subject, "tag": "kvartal", "author": "Kari"}, headers=sent).status_code == 303
    page = show("/datasets/saksflyt/saker")
    assert "Hva er en <strong>sak</strong>?" in page
    assert "4,0 av 5" in page
    assert "kvartal" in page
    wrong = client.post("/ratings", data={"subject": subject, "stars": "9", "author": "Kari"}, headers=sent)
    assert wrong.status_code == 400


def test_a_page_that_is_not_there_and_a_fault_of_ours_are_pages_too(client: TestClient) -> None:
    lost = client.get("/datasets/enhetsregisteret/finnes_ikke")
    assert lost.status_code == 404
    assert "Finnes ikke" in lost.text
    assert 'href="/search?q=finnes_ikke"' in lost.text


def test_columns_with_strange_names_have_pages(client: TestClient) -> None:
    assert client.get("/datasets/enhetsregisteret/enheter/columns/nei").status_code == 404
    assert client.get("/datasets/enhetsregisteret/enheter/versions/2026-11-22/99").status_code == 404
    assert client.get("/datasets/enhetsregisteret/enheter/versions/2026-11-22/" + "9" * 30).status_code == 404
    assert client.get("/datasets/enhetsregisteret/enheter/versions?after=x").status_code == 400
    assert client.get("/datasets/enhetsregisteret/enheter/lineage?up=99").status_code == 400


def test_a_port_says_which_version_it_holds_and_whether_that_is_the_newest(show: Any) -> None:
    there = tree.read(show("/datasets/stillinger/stillinger_daglig?lang=en"))
    assert "Has the newest: 2026-11-22, version 1, delivered" in there.words
    behind = tree.read(show("/datasets/saksflyt/hendelser?lang=en"))
    assert re.search(r"Last delivered: 2026-11-\d\d, version 1, ", behind.words)
    status = tree.read(show("/status?lang=en"))
    assert "stillinger/stillinger_daglig bigquery" in " ".join(status.words.split())
    lineage = tree.read(show("/datasets/stillinger/stillinger_daglig/lineage?lang=en"))
    assert "downstream1bigqueryPort" in lineage.words


@pytest.mark.parametrize(("capped", "shown"), [(False, "1,767"), (True, "1,767+")])
def test_a_count_that_is_not_the_whole_says_so(capped: bool, shown: str) -> None:
    counts = {"kind": [("dataset", 1767, True)]}
    found = SearchPage([], 2000, capped, counts, None, None, "", facets_are_capped=capped)
    (facet,) = results.facets(found, Speech("en", datetime(2026, 11, 12, tzinfo=UTC)))
    assert f'<span>Dataset</span><span class="count">{shown}</span>' in facet.choices
    assert " checked>" in facet.choices
