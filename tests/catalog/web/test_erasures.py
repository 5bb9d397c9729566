"""A catalog that is a service forgets on request: whoever publishes a dataset may say whom, and nothing of the request is kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog import target
from dataproducts.catalog.export import export
from dataproducts.contract import Contract
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.erasure.secret import Secret
from dataproducts.erasure.subjects import Erased, Subjects, spelled_texts
from dataproducts.erasure.wire import told
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.logs import Lines
from dataproducts.messages import ColumnFigures
from dataproducts.publication.http import HttpTarget
from tests.catalog.messages import LOCATION, check, delivery

GONE = "kari-nordmann-7731"
SECRET = Secret(b"5" * 32)
TEXT = spelled_texts([GONE])
TOUCHED = {"shop/sales": {("2026-11-03", 1)}}
ERASURES = "/api/v1/erasures"


@pytest.fixture
def holding(site: Any) -> Any:
    """The shop's catalog, which holds somebody in a profile and in what was said."""
    profile = (ColumnFigures(name="who", nulls=0, distinct=2, smallest=GONE, largest="ola"),)
    site.catalog.store.apply(
        [delivery("shop/sales", "2026-11-03", 1, 48, profile=profile), check("shop/sales", False, 49, facts={"examples": f"ola, {GONE}"})]
    )
    assert GONE in held(site)
    assert '"largest":"ola"' in held(site)
    return site


def held(site: Any) -> str:
    with site.catalog.database.reading() as connection:
        return "".join(export(connection))


def erased(*, is_known: bool) -> dict[str, Erased]:
    known = frozenset({TEXT}) if is_known else frozenset()
    return {"shop/sales": Erased("shop/sales", (Subjects(("who",), ("who",), frozenset(SECRET.hashed([TEXT])), SECRET, known),), 1)}


def service(site: Any) -> HttpTarget:
    """The catalog as a code location reaches it."""
    header = site.token(f"publish:{LOCATION}")

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == header["authorization"]
        said = site.ask(request.method, request.url.path, body=request.content, headers={"content-type": "application/json", **header})
        return httpx.Response(said.status, headers=said.headers, content=said.body)

    token = header["authorization"].split()[1]
    return HttpTarget("https://catalog.example.com", token, transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("is_known", [True, False])
def test_it_forgets_who_is_known_by_value_or_by_hash(holding: Any, is_known: bool) -> None:
    assert service(holding).erase(told(erased(is_known=is_known), TOUCHED)) == 2
    after = held(holding)
    assert GONE not in after
    assert '"largest":"ola"' not in after  # what else the profile of a touched version told
    assert '"largest":"10"' in after
    assert "ola, erased" in after
    assert service(holding).erase(told(erased(is_known=is_known), TOUCHED)) == 0


def test_only_whoever_publishes_the_dataset_may_say_so(holding: Any) -> None:
    body = {"salt": "0" * 64, "dataset": "shop/sales", "touched": [["2026-11-03", 1]]}
    refused = holding.write("POST", ERASURES, body, "publish:elsewhere")
    assert refused.status == 403
    assert refused.json()["detail"] == f"product 'shop' belongs to code location {LOCATION!r}, and the token does not speak for it"
    assert holding.ask("POST", ERASURES, body=body).status == 401
    assert GONE in held(holding)
    unheard_of = holding.write("POST", ERASURES, {**body, "dataset": "bank/visits"}, "publish:elsewhere")
    assert (unheard_of.status, unheard_of.json()) == (200, {"changed": 0})


def test_neither_answer_nor_log_nor_audit_tells_who_it_was(holding: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("dataproducts.catalog"), "propagate", True)
    (request,) = [one for one in told(erased(is_known=True), {}) if one.subjects]
    body = request.model_dump(mode="json", exclude_defaults=True)
    wrong = {**body, GONE * 30: 1, "touched": [GONE]}
    with caplog.at_level(logging.DEBUG):
        done = holding.write("POST", ERASURES, body, f"publish:{LOCATION}")
        refused = holding.write("POST", ERASURES, {**wrong, "dataset": GONE}, f"publish:{LOCATION}")
    assert (done.status, refused.status) == (200, 422)
    lines = [Lines().format(record) for record in caplog.records if record.name.startswith("dataproducts.catalog")]
    assert len(lines) == 2
    assert GONE not in "".join(lines) + done.text
    with holding.catalog.database.reading() as connection:
        digests = set(connection.execute(sa.select(t.audit.c.digest)).scalars())
    assert sha256(json.dumps(body).encode()).hexdigest() in digests
    guess = next(iter(told(erased(is_known=True), {}))).model_dump(mode="json", exclude_defaults=True)  # of one who knows the name only
    assert sha256(json.dumps(guess).encode()).hexdigest() not in digests


def test_an_erasure_is_begun_until_the_catalog_was_reached(
    holding: Any, lake: str, declare: Callable[..., Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = declare({"who": str}, "who")
    rows = pl.DataFrame({"who": [GONE, "ola-nordmann-1204"]})
    DatasetHistory(lake, "shop/sales").commit([Draft.of("2026-11-03", rows, contract)], contract)
    world = World(lake, catalog=True)
    monkeypatch.setenv("CATALOG_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CATALOG_TOKEN", "dpc_x")
    plan = erasing.plan(world, "shop/sales", [("--key", GONE)])
    report = erasing.erase(plan, reason="asked for it", who="tester")
    assert report.unfinished == ["http://127.0.0.1:9 cannot be reached (ConnectError)"]
    assert report.as_dict()["state"] == "begun"
    assert GONE in held(holding)

    monkeypatch.setattr(target, "service", lambda: service(holding))
    (resumed,) = erasing.resume(world)
    assert resumed.as_dict()["state"] == "done"
    assert {p.place: p.removed for p in resumed.places}["catalog"] == 2
    assert GONE not in held(holding)
    assert not Registry(lake).refresh().open()
    assert not any(GONE.encode() in path.read_bytes() for path in Path(lake).rglob("*") if path.is_file())
