"""Every text that comes from elsewhere is only ever text: no payload becomes an element or an attribute, no personal value is shown."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from dataproducts.catalog import people
from dataproducts.catalog import tables as t
from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from dataproducts.catalog.web.app import create_app
from dataproducts.catalog.web.catalog import Catalog
from dataproducts.messages import (
    Arrival,
    CheckResult,
    ColumnFacts,
    ColumnFigures,
    ColumnOrigin,
    Concept,
    ContractFacts,
    DatasetBody,
    Definition,
    Delivery,
    Example,
    ExampleOutput,
    Failure,
    PartitionFacts,
    PortFacts,
    PortProof,
    ProductBody,
    Proof,
    RuleFacts,
    SourceFacts,
)
from tests.catalog.pages import sample, tree
from tests.catalog.pages.conftest import BASE, NO_LIMITS

PAYLOADS = (
    '<script>alert("XSS1")</script>',
    '"><img src=x onerror=alert(1) class=XSS2>',
    "'><svg/onload=alert(1) id='XSS3'>",
    "</script><script>alert(1)//XSS4",
    "</title></textarea></style><b id=XSS5>",
    '" autofocus onfocus=alert(1) data-xss="XSS6',
    "javascript:alert(1)//XSS7",
    "{{ 7*7 }}{% raw %}XSS8${7*7}#{7*7}",
    '<a href="javascript:alert(1)">XSS9</a>',
    "[XSS10](javascript:alert(1)) ![x](https://example.com/x.png) <iframe src=//x>",
    "<!-- XSS11 --><!doctype html><base href=//example.com>",
    "&lt;img src=x onerror=alert(1)&gt;&#60;XSS12&#62;",
    "`<b>XSS13</b>` <math><mi//xlink:href='data:x,<script>'>",
    "\u202eXSS14 ]]><![CDATA[<x>",
    "data:text/html,<script>alert(1)</script>XSS15",
    "' onmouseover='alert(1)' XSS16='",
)
NAME, PRODUCT = "fiendtlig/alt", "fiendtlig"
SECRET = sample.SECRET


def _all(payload: str) -> Iterator[Any]:
    """Messages with the payload in every field that takes any text."""
    p, at = payload, sample.NOW - timedelta(days=1)
    facts = {
        "name": PRODUCT, "title": {"nb": p, "en": p}, "description": {"nb": p, "en": p}, "readme": p, "status": "active", "team": p, "product_area": p,
        "contact": {"name": p, "email": "team@example.com"}, "personal_data": {"class": "none", "reason": p}, "access": {"level": "restricted", "can_read": [p], "can_request": [p]},
        "legal_basis": p, "purpose": p, "usage": p, "limitations": p, "license": {"name": p, "uri": "https://example.com/l"}, "rights": p,
        "publisher": {"name": p}, "creator": {"name": p}, "provenance": p, "sources": [{"name": p, "owner": p, "description": p}], "themes": ["ECON"], "keywords": [p],
        "periodicity": "DAILY", "language": ["nb"], "links": [{"title": p, "url": "https://example.com/x"}],
    }  # fmt: skip
    from dataproducts.product_facts import ProductFacts

    concept = Concept(name="begrep", label={"nb": p, "en": p}, definition={"nb": p, "en": p}, see="https://example.com/begrep")
    table = json.dumps({"columns": [p, p], "numeric": [False, True], "rows": [[p, p]], "of": 2})
    outputs = (
        ExampleOutput(kind="text", content=p),
        ExampleOutput(kind="table", content=table),
        ExampleOutput(kind="table", content=p),
        ExampleOutput(kind="image", content=p, alt=p),
        ExampleOutput(kind="image", content=base64.b64encode(sample.plot(60, 20)).decode(), alt=p),
        ExampleOutput(kind="image", content=base64.b64encode(f"<svg onload='{p}'>".encode()).decode(), alt=p),
    )
    example = Example(name=p, title=p, language=p, source=p, passed_at=at, outputs=outputs, failed_at=at, problem=p)
    body = ProductBody(facts=ProductFacts.model_validate(facts), concepts=(concept,), examples=(example,))
    yield Definition(location="fiende", subject=f"product:{PRODUCT}", observed_at=at, product=body)
    for days, column in ((2, "før"), (1, p)):
        columns = (
            ColumnFacts(
                name=column,
                type=p,
                nullable=True,
                description=p,
                title=p,
                source=p,
                personal=p,
                unit=p,
                time_zone=p,
                concept="begrep",
                examples=(p,),
            ),
            ColumnFacts(name="apen", type=p, nullable=True, description=p, personal="none", examples=(p,)),
            ColumnFacts(name="fnr", type="String", nullable=False, personal="directly_identifying", examples=(SECRET,)),
        )
        dataset = DatasetBody(
            name=NAME, title=p, description=p, personal=p, access=p, schedule=p, time_zone=p, kinds=(p,), tags={p: p}, asset=p,
            contract=ContractFacts(version=f"{3 - days}.0.0", fingerprint=p, kind="table", columns=columns, key=(column,), rules=(RuleFacts(name=p, kind=p, description=p),)),
            partitions=PartitionFacts(kind="static", keys=(p,)), freshness_seconds=90_000, source=SourceFacts(name=p, description=p, url="javascript:alert(1)"),
            column_lineage={column: (ColumnOrigin(subject=p, column=p), ColumnOrigin(subject=f"source:{PRODUCT}/{p}", column=p))}, checks={p: p},
            ports=tuple(PortFacts(name=f"{kind}{p}", kind=kind, address=p, title=p, facts={p: p}) for kind in ("lake", "bigquery", "kafka", "file")),
            examples=(Example(name=p, title=p, language=p, source=p),),
        )  # fmt: skip
        yield Definition(location="fiende", subject=f"dataset:{NAME}", observed_at=sample.NOW - timedelta(days=days), dataset=dataset)
    figures = (
        ColumnFigures(name=p, nulls=0, distinct=2, smallest=p, largest=p, frequent=((p, 1),)),
        ColumnFigures(name="apen", nulls=0, distinct=2, smallest=p, largest=p, frequent=((p, 1),)),
        ColumnFigures(name="fnr", nulls=0, distinct=2, smallest=SECRET, largest=SECRET, frequent=((SECRET, 1),)),
    )
    yield Delivery(
        location="fiende",
        dataset=NAME,
        partition=p,
        number=1,
        at=at,
        storage_id=1,
        run=p,
        known_at=at,
        contract=p,
        rows=2,
        content_hash=p,
        received=3,
        refused=1,
        inputs={"shop/sales": ((p, 1),)},
        profile=figures,
        facts={p: p},
    )
    yield CheckResult(
        location="fiende",
        dataset=NAME,
        check=p,
        passed=False,
        severity="error",
        at=at,
        storage_id=2,
        run=p,
        partitions=p,
        description=p,
        facts={p: p},
    )
    yield Failure(location="fiende", dataset=NAME, at=at, storage_id=3, run=p, errors={p: p, "-": p})
    yield Failure(location="fiende", dataset=NAME, port=p, at=at, storage_id=4, run=p, errors={p: p})
    for kind in ("bigquery", "kafka"):
        yield Arrival(
            location="fiende", dataset=NAME, port=f"{kind}{p}", partition=p, number=1, at=at, storage_id=5, run=p, rows=1, content_hash=p
        )
    ports = (PortProof(dataset=NAME, port=p, versions=1, rows=1, differences=1, problem=p),)
    yield Proof(location="fiende", at=at, compared=1, behind=1, missing=1, ports=ports, details=(p,))


ADDRESSES = (
    "/", "/search?q={p}", "/search?q=alt&kind={p}&sort=title", "/search?q=fiendtlig&lang=en", "/suggest?q={p}", "/suggest?q=alt", f"/products/{PRODUCT}", f"/datasets/{NAME}",
    f"/datasets/{NAME}?lang={{p}}", f"/datasets/{NAME}/columns/{{p}}", f"/datasets/{NAME}/columns/apen", f"/datasets/{NAME}/columns/fnr", f"/datasets/{NAME}/versions",
    f"/datasets/{NAME}/versions?partition={{p}}", f"/datasets/{NAME}/versions/{{p}}/1", f"/datasets/{NAME}/schema", f"/datasets/{NAME}/lineage?up=3&down=3",
    f"/datasets/{NAME}/lineage?column={{p}}", f"/datasets/{NAME}/quality", "/teams/{p}", f"/concepts/{PRODUCT}/begrep", "/entries/fiende", "/status", "/about", "/{p}",
    f"/datasets/{NAME}?as_of={{p}}", f"/datasets/{NAME}?as_of=2026-11-22", "/teams/{p}?lang=en",
)  # fmt: skip


@pytest.fixture(scope="module", params=PAYLOADS, ids=[str(n + 1) for n in range(len(PAYLOADS))])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, TestClient]]:
    payload: str = request.param
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'catalog.db'}")
    store = Store(database, clock=lambda: sample.NOW)
    refused = [one for one in store.apply(list(_all(payload))) if one.status != "stored"]
    assert refused == []
    people.say(store, f"dataset:{NAME}", "question", "Kari", payload)
    people.say(store, f"dataset:{NAME}", "comment", payload[:100], payload)
    with database.writing() as connection:  # what no door lets in, in case one day it does
        connection.execute(sa.insert(t.tag).values(subject=f"dataset:{NAME}", tag=payload, author=payload, at=sample.NOW))
        body = {
            "name": "fiende",
            "title": payload,
            "type": payload,
            "uri": payload,
            "accessRights": payload,
            "pii": False,
            "team": payload,
            "keyword": [payload],
            "x": {payload: [payload]},
        }
        row = {
            "subject": "entry:fiende",
            "kind": "entry",
            "product": "",
            "location": payload,
            "definition_at": sample.NOW,
            "definition_hash": "0",
            "body": body,
            "rendered": {},
            "changed": sample.NOW,
        }
        connection.execute(sa.insert(t.current).values(**row))
    catalog = Catalog(database, store, base_url=BASE, local=True, limits=NO_LIMITS)
    yield payload, TestClient(create_app(catalog), base_url=BASE, headers={"accept": "text/html"}, raise_server_exceptions=False)
    database.close()


def test_a_payload_is_text_on_every_page(hostile: tuple[str, TestClient]) -> None:
    payload, client = hostile
    shown = 0
    for address in ADDRESSES:
        path = address.replace("{p}", quote(payload, safe=""))
        response = client.get(path)
        assert response.status_code in (200, 400, 404), (path, response.status_code, response.text[:1_500])
        page = tree.read(response.text)
        shown += "XSS" in page.text
        for one in page.all():
            assert one.tag in ALLOWED, (path, one.tag)
            for name, value in one.attributes.items():
                assert not name.startswith("on"), (path, one.tag, name)
                assert name not in ("style", "srcdoc", "data-xss"), (path, one.tag, name)
                assert "xss" not in name.lower(), (path, one.tag, name)
                if name in ("href", "src", "action", "formaction", "hx-get"):
                    assert urlsplit((value or "").strip()).scheme in ("", "http", "https", "mailto"), (path, value)
                    assert not (value or "").startswith(("//", "/\\")), (path, value)
            if one.tag == "img":  # what an example drew, and nothing of anybody else's
                assert re.fullmatch(
                    rf"/products/{PRODUCT}/examples/[^/?#]+/4\.png(\?(lang|as_of)=[\w%.+*-]*)?", one.attributes["src"] or ""
                ), path
            if one.tag == "script":
                assert "<" not in "".join(map(str, one.children)), path
        assert SECRET not in response.text, path
    assert shown >= 10, "the payloads were on the pages as text"


def test_no_value_of_a_personal_column_is_on_any_page(hostile: tuple[str, TestClient]) -> None:
    _, client = hostile
    for address in (f"/datasets/{NAME}", f"/datasets/{NAME}/columns/fnr", f"/datasets/{NAME}/schema", f"/datasets/{NAME}/versions"):
        response = client.get(address)
        assert response.status_code == 200
        assert SECRET not in response.text


ALLOWED = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "a",
        "header",
        "svg",
        "path",
        "circle",
        "rect",
        "g",
        "text",
        "defs",
        "marker",
        "form",
        "div",
        "label",
        "input",
        "button",
        "ul",
        "ol",
        "li",
        "nav",
        "main",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "code",
        "pre",
        "span",
        "section",
        "article",
        "aside",
        "footer",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "fieldset",
        "legend",
        "select",
        "option",
        "textarea",
        "time",
        "b",
        "strong",
        "em",
        "del",
        "ins",
        "br",
        "blockquote",
        "hr",
        "kbd",
        "figure",
        "img",
        "meter",
    ]
)
