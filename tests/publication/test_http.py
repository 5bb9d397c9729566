"""A catalog over HTTP: what it refuses, what it cannot take just now, and what must be set right."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from dataproducts.errors import CatalogUnavailable, ConfigurationError
from dataproducts.messages import Proof, parse
from dataproducts.publication.http import HttpTarget
from tests.publication.conftest import BEGAN, Memory

TOKEN = "secret-token"


def proofs(count: int) -> list[Any]:
    return [Proof(location=f"l{n}", at=BEGAN, compared=n, behind=0, missing=0) for n in range(count)]


def target(answer: Callable[[httpx.Request], httpx.Response], **settings: Any) -> HttpTarget:
    return HttpTarget("https://catalog.example.com/base/", TOKEN, transport=httpx.MockTransport(answer), **settings)


def catalog(memory: Memory, refuse: Callable[[list[Any]], bool] = lambda _: False) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        if request.method == "GET":
            assert request.url.path == "/base/api/v1/newest"
            return httpx.Response(
                200, json={"shop/sales": {"p00": [3, "abc"]}, "shop/none": {}} if request.url.params["location"] == "here" else {}
            )
        assert request.url.path == "/base/api/v1/messages"
        messages = json.loads(request.content)["messages"]
        if refuse(messages):
            return httpx.Response(
                422, json={"title": "Not so", "detail": "location is wrong"}, headers={"content-type": "application/problem+json"}
            )
        receipts = memory.send([parse(m) for m in messages])
        return httpx.Response(200, json={"receipts": [r.model_dump() for r in receipts]})

    return answer


def test_messages_arrive_with_the_token_and_receipts_come_back_in_order() -> None:
    memory = Memory()
    sent = proofs(3)
    receipts = target(catalog(memory)).send(sent)
    assert [(r.key, r.status) for r in receipts] == [(m.key, "stored") for m in sent]
    assert list(memory.messages.values()) == sent


def test_of_a_batch_refused_as_a_whole_only_the_culprit_is_refused() -> None:
    memory = Memory()
    receipts = target(catalog(memory, lambda ms: any(m["location"] == "l7" for m in ms))).send(proofs(20))
    assert [r.status for r in receipts] == ["refused" if n == 7 else "stored" for n in range(20)]
    assert receipts[7].problem == "422: Not so location is wrong"
    assert len(memory.messages) == 19


def test_what_the_catalog_has_comes_back_by_dataset_and_partition() -> None:
    assert target(catalog(Memory())).newest("here") == {"shop/sales": {"p00": (3, "abc")}, "shop/none": {}}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_succeed_later_is_unavailable(status: int) -> None:
    with pytest.raises(CatalogUnavailable, match=f"answered {status}: busy"):
        target(lambda _: httpx.Response(status, json={"title": "busy"})).send(proofs(2))


@pytest.mark.parametrize(
    ("status", "said"), [(401, "refuses the token"), (403, "refuses the token"), (404, "no catalog at"), (307, "no catalog at")]
)
def test_what_a_person_has_to_set_right_is_a_sentence_without_the_token(status: int, said: str) -> None:
    headers = {"location": "https://elsewhere.example.com/"}
    with pytest.raises(ConfigurationError, match=said) as error:
        target(lambda _: httpx.Response(status, headers=headers)).send(proofs(1))
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"receipts": 1}', b'{"receipts": []}', b'{"receipts": [{"key": "x", "status": "stored"}]}']
)
def test_an_answer_that_is_no_receipt_for_each_message_counts_as_none(body: bytes) -> None:
    with pytest.raises(CatalogUnavailable, match="receipts"):
        target(lambda _: httpx.Response(200, content=body)).send(proofs(1))


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"shop/sales": {"p": 1}}', b'{"shop/sales": {"p": ["x", "y"]}}', b'{"shop/sales": 3}'])
def test_an_answer_that_is_no_list_of_versions_is_not_believed(body: bytes) -> None:
    with pytest.raises(CatalogUnavailable, match="something else than versions"):
        target(lambda _: httpx.Response(200, content=body)).newest("here")


@pytest.mark.parametrize(
    "url", ["", "catalog", "ftp://x", "https://", "https://user:pw@x.example.com", "https://x.example.com?a=b", "http://[x"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CATALOG_URL"):
        HttpTarget(url, TOKEN)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "æ"])
def test_a_token_that_is_none_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="CATALOG_TOKEN") as error:
        HttpTarget("https://x.example.com", token)
    assert not token or token not in str(error.value)
    assert TOKEN not in repr(HttpTarget("https://x.example.com", TOKEN))


def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(CatalogUnavailable, match="cannot be reached"):
        HttpTarget("http://127.0.0.1:9", TOKEN).send(proofs(1))


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends one byte now and then: no single wait is long, and the whole never ends."""
    done = threading.Event()

    class Drip(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while not done.wait(0.05):
                    self.wfile.write(b" ")
            except OSError:
                pass

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Drip)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    done.set()
    server.shutdown()
    server.server_close()


def test_an_answer_that_never_ends_is_given_up_in_time(dripping: str) -> None:
    with pytest.raises(CatalogUnavailable, match="too slow"):
        HttpTarget(dripping, TOKEN, patience=0.4).send(proofs(1))


def test_halving_a_refused_batch_ends_with_the_patience_too() -> None:
    now = [0.0]

    def slowly(_: httpx.Request) -> httpx.Response:
        now[0] += 6
        return httpx.Response(422)

    with pytest.raises(CatalogUnavailable, match="too slow"):
        target(slowly, seconds=lambda: now[0]).send(proofs(64))
    assert now[0] <= 24
