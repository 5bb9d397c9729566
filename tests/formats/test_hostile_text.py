"""Whatever a product calls itself, every format says it as text: nothing in it becomes markup, syntax or a link."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import frictionless
import mlcroissant
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib import Graph, Literal
from rdflib.compare import isomorphic

from dataproducts.formats import croissant, datapackage, dcat, opensearch, schema_org, sitemap, skos
from dataproducts.formats.addresses import Addresses, clean
from dataproducts.formats.atom import Entry, atom
from dataproducts.formats.turtle import turtle
from dataproducts.messages import Concept, DatasetBody, ProductBody
from dataproducts.product_facts import Localized, ProductFacts
from tests.formats.conftest import FACTS, kopper

PAYLOADS = {
    "script": "</script><img src=x onerror=alert(1)>",
    "quotes": '"\'`"""\'\'\'\\"',
    "turtle": '" . <urn:evil> <urn:is> "in"@en ; a <urn:Evil> . \\',
    "json-ld": '{"@id": "urn:evil"} @id @context dct:title',
    "lines": "one\ntwo\r\nthree\ttabbed",
    "rtl": "safe\u202egnp.exe\u202c\u2066x\u2069\u200f",
    "separators": "a\u2028b\u2029c\x85d\xa0e",
    "xml": "]]><!--&amp;<?php ?>&#0;",
    "escapes": "\\u0022 \\n \\ %3Cscript%3E {{ 7*7 }} ${x} %s",
    "emoji": "🙈👩‍👩‍👧 e\u0301 \U0010fffd",
}
ADDRESSES = Addresses("https://katalog.example.com")
AT = datetime(2026, 11, 21, tzinfo=UTC)


def bodies(text: str) -> tuple[ProductBody, DatasetBody]:
    """A product and dataset that say `text` wherever text may stand; where it must be a line, without line ends."""
    line = text.replace("\n", " ").replace("\r", " ")
    said, about = {"nb": text, "nn": text, "en": text}, {"name": line}
    stated = {
        "title": said, "description": said, "team": line, "rights": text, "provenance": text, "purpose": text, "keywords": [line],
        "contact": FACTS["contact"] | about, "publisher": FACTS["publisher"] | about, "creator": about, "author": line,
        "license": {"name": line, "uri": "https://example.com/license"}, "sources": [about], "links": [{"title": line, "url": "https://example.com"}],
    }  # fmt: skip
    concept = Concept(name="kopp", label=Localized(**said), definition=Localized(**said), see="https://example.com")
    product = ProductBody(facts=ProductFacts.model_validate(FACTS | stated), concepts=(concept,))
    body = kopper().model_dump() | {"title": text, "description": text, "tags": {text: text}, "access": text, "personal": text}
    body["source"] = {"name": text, "description": text, "url": None}
    for number, column in enumerate(body["contract"]["columns"]):
        column |= {"name": f"{text}{number}", "title": text, "description": text, "unit": text, "personal": text, "concept": text}
    body["contract"]["key"] = (f"{text}0",)
    for number, port in enumerate(body["ports"]):
        port |= {"name": f"{text}{number}", "title": text, "address": text, "facts": {"format": text}}
    return product, DatasetBody.model_validate(body)


def strings(value: Any) -> set[str]:
    """Every text in a JSON document."""
    if isinstance(value, dict):
        return set().union(*(strings(one) for one in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(strings(one) for one in value))
    return {value} if isinstance(value, str) else set()


def check(text: str) -> None:
    product, body = bodies(text)
    said = text.strip()
    linked = [
        dcat.dataset(body, product, ADDRESSES),
        dcat.product(product, [(body, None)], ADDRESSES),
        skos.glossary(product, ADDRESSES),
    ]
    for document in linked:
        graph = Graph().parse(data=json.dumps(document), format="json-ld")
        assert isomorphic(graph, Graph().parse(data=turtle(document), format="turtle"))
        assert Literal(said, lang="nb") in set(graph.objects())
        assert not [one for one in {*graph.subjects(), *graph.predicates()} if str(one).startswith("urn:evil")]
    for document in (
        croissant.croissant(body, product, ADDRESSES),
        datapackage.datapackage(body, product, ADDRESSES),
        schema_org.dataset(body, product, ADDRESSES),
        schema_org.product(product, [(body, None)], ADDRESSES),
    ):
        embedded = schema_org.embedded(document)
        assert json.loads(embedded) == document
        assert not set("<>&") & set(embedded)
        assert any(said in one for one in strings(document))
    mlcroissant.Dataset(jsonld=croissant.croissant(body, product, ADDRESSES))
    package = frictionless.Package.from_descriptor(datapackage.datapackage(body, product, ADDRESSES))
    assert package.resources[0].schema.field_names == [f"{text}{number}" for number in range(7)]


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_hostile_text_survives_every_format_as_text(payload):
    check(payload)


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=30).filter(str.strip)
)
def test_any_text_survives_every_format_as_text(text):
    check(text.strip())


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_hostile_text_survives_feeds_as_text(payload):
    feed = ET.fromstring(atom(payload, "https://k/f", "https://k/", payload, [Entry(payload, payload, AT, payload, payload)]))
    space = {"a": "http://www.w3.org/2005/Atom"}
    told = [feed.findtext(path, None, space) for path in ("a:title", "a:author/a:name", "a:entry/a:title", "a:entry/a:summary")]
    assert {one.replace("\r\n", "\n") for one in told} == {payload.replace("\r\n", "\n")}  # XML reads every line end as \n
    assert [one.tag.rpartition("}")[2] for one in feed.iter()].count("entry") == 1
    assert ET.fromstring(sitemap.sitemap([(f"https://k/{payload}", AT)])) is not None
    assert ET.fromstring(opensearch.opensearch(payload, payload, "https://k/?q={searchTerms}", icon=payload)) is not None


def test_what_is_no_text_at_all_is_left_out_everywhere():
    bad = "a\x00b\x0b\x1b[31mc\ud800d\ufffee\x7f"
    assert clean(bad) == "ab[31mcde"
    bad = bad.replace("\ud800", "")  # pydantic refuses it already
    facts = ProductFacts.model_validate(FACTS | {"title": {"nb": bad}, "rights": bad, "keywords": [bad]})
    product = ProductBody(facts=facts)
    for document in (dcat.product(product, [], ADDRESSES), dcat.dataset(kopper(), product, ADDRESSES)):
        assert "ab[31mcde" in turtle(document)
        assert turtle(document).encode()
        assert json.dumps(document, ensure_ascii=False).encode()
    for document in (schema_org.product(product, [], ADDRESSES), datapackage.datapackage(kopper(), product, ADDRESSES)):
        assert json.dumps(document, ensure_ascii=False).encode()
    assert b"ab[31mcde" in atom(bad, "https://k/f", "https://k/", bad, [Entry(bad, bad, AT, bad, bad)])
